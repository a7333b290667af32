//! Frames of the stream: the documented examples, and two recorded sessions.

use std::collections::BTreeSet;

use arbees::domain::ids::MarketId;
use arbees::domain::money::{Price, Quantity};
use arbees::domain::time::{Mono, Now, Time};
use arbees::venues::kalshi::stream::StreamEvent;
use arbees::venues::kalshi::stream::frame::{Data, Frame, read};
use arbees::venues::kalshi::stream::session::{Session, Step};
use serde_json::Value;

use crate::vectors::{files, recorded, rows};

/// What each documented message must be read as.
fn check(name: &str, message: &str, frame: &Frame) {
    let Frame::Data { data, .. } = frame else {
        let plain = match message {
            "subscribedResponse" => matches!(frame, Frame::Subscribed { .. }),
            "unsubscribedResponse" | "okResponse" | "listSubscriptionsResponse" => matches!(frame, Frame::Done { .. }),
            "errorResponse" => matches!(frame, Frame::Refused { .. }),
            // Channels that we never ask for.
            _ => matches!(frame, Frame::Other { .. }),
        };
        assert!(plain, "{name}: {frame:?}");
        let ours = ["fill", "userOrder", "marketPosition", "orderGroupUpdates", "marketLifecycleV2", "orderbookSnapshot", "orderbookDelta"];
        assert!(!ours.contains(&message), "{name}: not read");
        return;
    };
    let fits = match message {
        "fill" => matches!(data, Data::Fill(_)),
        "userOrder" => matches!(data, Data::Order(_)),
        "marketPosition" => matches!(data, Data::Position(_)),
        "orderGroupUpdates" => matches!(data, Data::Group { .. }),
        "marketLifecycleV2" => matches!(data, Data::Market { .. }),
        "orderbookSnapshot" => matches!(data, Data::Snapshot { .. }),
        "orderbookDelta" => matches!(data, Data::Delta { .. }),
        "eventFeeUpdate" => matches!(data, Data::Fees { .. }),
        other => panic!("{name}: {other} is read as {data:?}"),
    };
    assert!(fits, "{name}: {data:?}");
}

#[test]
fn every_documented_message_is_read() {
    let mut read_count = 0;
    for file in files("fixtures_ws_examples") {
        for (line, row) in rows(&file) {
            let message = row["message"].as_str().expect("message");
            let payload = &row["payload"];
            if payload.get("cmd").is_some() || payload.is_string() {
                continue;
            }
            let name = format!("{file}:{line} {message}");
            let frame = read(&payload.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(&name, message, &frame);
            read_count += 1;
        }
    }
    assert!(read_count > 0);
}

/// Asked with `use_yes_price`: a level of the NO side is an ask at the price it names.
#[test]
fn the_recorded_book_in_yes_prices_ends_as_it_was() {
    let Some(folder) = recorded() else { return };
    let Ok(text) = std::fs::read_to_string(folder.join("ws__orderbook_trade_yes.jsonl")) else { return };
    let (mut session, _) = Session::start(BTreeSet::new(), now());
    let frames = text.lines().filter(|line| !line.trim().is_empty()).map(|line| read(line).expect(line));
    let steps: Vec<Step> = frames.flat_map(|frame| session.heard(frame, now())).collect();
    let mut tops = steps.iter().filter_map(|step| if let Step::Emit(StreamEvent::Touch { top, .. }) = step { Some(*top) } else { None });
    let top = tops.next_back().expect("touch");
    let price = |text: &str| Price::parse(text).ok();
    assert_eq!((top.quote.bid, top.quote.ask), (price("0.47"), price("0.52")));
    assert_eq!((top.bid_size, top.ask_size), (Quantity::whole(3), Quantity::whole(2)));
}

fn now() -> Now {
    Now { wall: Time::from_ms(1_800_000_000_000), mono: Mono(0) }
}

/// Every command of ours has the fields of a documented one.
#[test]
fn our_commands_have_the_form_of_the_documented_ones() {
    let documented: Vec<Value> =
        files("fixtures_ws_examples").iter().flat_map(|file| rows(file)).map(|(_, row)| row["payload"].clone()).collect();
    let known = |command: &Value, list: &str, name: &str| {
        let same = |example: &&Value| example["cmd"] == command["cmd"];
        let mut fields: BTreeSet<String> = BTreeSet::new();
        for example in documented.iter().filter(same) {
            fields.extend(example[list].as_object().into_iter().flat_map(|object| object.keys().cloned()));
        }
        // Documented in words (`kalshi.md` §4), in none of the examples.
        fields.contains(name) || name == "use_yes_price"
    };
    let wanted = |tickers: &[&str]| tickers.iter().map(|ticker| MarketId::new(ticker).expect("ticker")).collect::<BTreeSet<_>>();
    let (mut session, mut steps) = Session::start(wanted(&["A"]), now());
    let subscribed = read(r#"{"type":"subscribed","id":6,"msg":{"channel":"orderbook_delta","sid":6}}"#).expect("frame");
    steps.extend(session.heard(subscribed, now()));
    steps.extend(session.want(wanted(&["B"]), now()));
    steps.extend(session.heard(read(r#"{"type":"ok","id":7,"sid":6,"seq":1}"#).expect("frame"), now()));
    steps.extend(session.heard(read(r#"{"type":"ok","id":8,"sid":6,"seq":2}"#).expect("frame"), now()));
    steps.extend(session.want(wanted(&[]), now()));
    let commands = steps.iter().filter_map(|step| if let Step::Send(text) = step { Some(text) } else { None });
    let commands: Vec<Value> = commands.map(|text| serde_json::from_str(text).expect("json")).collect();
    assert_eq!(commands.len(), 9, "five channels, a book, out, in, and none");
    for command in &commands {
        let params = command["params"].as_object().expect("params");
        assert!(params.keys().all(|name| known(command, "params", name)), "{command}");
        assert!(command["id"].as_i64().is_some_and(|id| id > 0), "0 means none: {command}");
    }
}

#[test]
fn recorded_sessions_give_quotes_without_a_gap() {
    let Some(folder) = recorded() else { return };
    for name in ["ws__orderbook_trade_yes.jsonl", "ws__orderbook_trade_noleg.jsonl"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let frames: Vec<Frame> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| read(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")))
            .collect();
        let (mut session, _) = Session::start(BTreeSet::new(), now());
        let steps: Vec<Step> = frames.into_iter().flat_map(|frame| session.heard(frame, now())).collect();
        let touches = steps.iter().filter(|step| matches!(step, Step::Emit(StreamEvent::Touch { .. }))).count();
        assert!(touches > 0, "{name}: {steps:?}");
        assert!(!steps.iter().any(|step| matches!(step, Step::Drop(_) | Step::Send(_))), "{name}: {steps:?}");
    }
}
