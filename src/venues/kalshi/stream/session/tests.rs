use super::super::frame;
use super::*;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};

fn now(ms: i64) -> Now {
    Now { wall: Time::from_ms(1_000_000 + ms), mono: Mono(ms * 1_000_000) }
}

fn market(ticker: &str) -> MarketId {
    MarketId::new(ticker).expect("ticker")
}

fn wanted(tickers: &[&str]) -> BTreeSet<MarketId> {
    tickers.iter().map(|ticker| market(ticker)).collect()
}

fn started(tickers: &[&str]) -> (Session, Vec<Value>) {
    let (session, steps) = Session::start(wanted(tickers), now(0));
    (session, sent(&steps))
}

fn sent(steps: &[Step]) -> Vec<Value> {
    let text = |step: &Step| if let Step::Send(text) = step { serde_json::from_str(text).ok() } else { None };
    steps.iter().filter_map(text).collect()
}

fn events(steps: Vec<Step>) -> Vec<StreamEvent> {
    steps.into_iter().filter_map(|step| if let Step::Emit(event) = step { Some(event) } else { None }).collect()
}

fn hear(session: &mut Session, text: &str) -> Vec<Step> {
    session.heard(frame::read(text).expect(text), now(1))
}

fn confirm(session: &mut Session, id: i64, channel: &str, sid: i64) -> Vec<Step> {
    hear(session, &format!(r#"{{"type":"subscribed","id":{id},"msg":{{"channel":"{channel}","sid":{sid}}}}}"#))
}

fn risen(tickers: &[&str]) -> Session {
    let (mut session, _) = started(tickers);
    for (at, channel) in ACCOUNT.iter().enumerate() {
        confirm(&mut session, at as i64 + 1, channel, at as i64 + 1);
    }
    if !tickers.is_empty() {
        confirm(&mut session, 6, BOOKS, 6);
    }
    session
}

const SNAPSHOT: &str = r#"{"type":"orderbook_snapshot","sid":6,"seq":1,"msg":{"market_ticker":"A","yes_dollars_fp":[["0.47","3.00"]],"no_dollars_fp":[["0.52","1.00"]]}}"#;

fn delta(seq: i64, change: &str) -> String {
    format!(
        r#"{{"type":"orderbook_delta","sid":6,"seq":{seq},"msg":{{"market_ticker":"A","price_dollars":"0.52","delta_fp":"{change}","side":"no","ts_ms":5}}}}"#
    )
}

fn ask_size(steps: Vec<Step>) -> Option<Quantity> {
    match events(steps).as_slice() {
        [StreamEvent::Touch { top, .. }] => Some(top.ask_size),
        _ => None,
    }
}

#[test]
fn the_stream_is_up_when_every_channel_is_confirmed_or_refused() {
    let (mut session, sent) = started(&[]);
    let channels: Vec<&str> = sent.iter().map(|command| command["params"]["channels"][0].as_str().expect("channel")).collect();
    assert_eq!(channels, ACCOUNT);
    for (at, channel) in ACCOUNT[..4].iter().enumerate() {
        assert_eq!(confirm(&mut session, at as i64 + 1, channel, at as i64 + 1), []);
    }
    let steps = hear(&mut session, r#"{"type":"error","id":5,"msg":{"code":8,"msg":"Unknown channel name"}}"#);
    let events = events(steps);
    assert!(matches!(&events[..], [StreamEvent::Missing { .. }, StreamEvent::Up]), "{events:?}");
}

#[test]
fn without_fills_or_orders_there_is_no_stream() {
    let (mut session, _) = started(&[]);
    let steps = hear(&mut session, r#"{"type":"error","id":1,"msg":{"code":9,"msg":"Authentication required"}}"#);
    assert!(matches!(&steps[..], [Step::Drop(_)]), "{steps:?}");
}

#[test]
fn silence_about_a_subscription_ends_the_connection() {
    let (session, _) = started(&[]);
    assert_eq!(session.tick(now(10_000)), None);
    assert!(matches!(session.tick(now(10_001)), Some(Step::Drop(_))));
    assert_eq!(risen(&["A"]).tick(now(60_000)), None);
}

#[test]
fn books_are_asked_for_in_yes_prices_and_told_at_the_touch() {
    let (_, sent) = started(&["A", "B"]);
    let expected = json!({"id": 6, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_tickers": ["A", "B"], "use_yes_price": true}});
    assert_eq!(sent[5], expected);
    let mut session = risen(&["A"]);
    let told = events(hear(&mut session, SNAPSHOT));
    let [StreamEvent::Touch { top, at, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((top.quote.bid, top.quote.ask), (Price::parse("0.47").ok(), Price::parse("0.52").ok()));
    assert_eq!(*at, Some(now(1).wall));
    assert_eq!(ask_size(hear(&mut session, &delta(2, "2.00"))), Some(Quantity::whole(3)));
}

#[test]
fn a_gap_voids_the_books_and_asks_for_them_anew() {
    for broken in [delta(3, "1.00"), delta(2, "-9.00")] {
        let mut session = risen(&["A"]);
        hear(&mut session, SNAPSHOT);
        let steps = hear(&mut session, &broken);
        let commands: Vec<Value> = sent(&steps);
        assert_eq!(commands[0]["cmd"], "unsubscribe");
        assert_eq!((&commands[1]["cmd"], &commands[1]["params"]["market_tickers"]), (&json!("subscribe"), &json!(["A"])));
        let told = events(steps);
        assert!(matches!(&told[0], StreamEvent::Touch { top, .. } if *top == TopOfBook::default()), "{told:?}");
        assert_eq!(hear(&mut session, &delta(4, "1.00")), [], "the old subscription says nothing any more");
        confirm(&mut session, 8, BOOKS, 9);
        let told = events(hear(&mut session, &SNAPSHOT.replace("\"sid\":6", "\"sid\":9")));
        assert!(matches!(&told[..], [StreamEvent::Touch { .. }]), "{told:?}");
    }
}

#[test]
fn a_gap_elsewhere_ends_the_connection() {
    let mut session = risen(&[]);
    let update =
        |seq: i64| format!(r#"{{"type":"order_group_updates","sid":4,"seq":{seq},"msg":{{"event_type":"reset","order_group_id":"g"}}}}"#);
    assert_eq!(hear(&mut session, &update(1)), []);
    assert_eq!(hear(&mut session, &update(2)), []);
    assert!(matches!(&hear(&mut session, &update(4))[..], [Step::Drop(_)]));
}

#[test]
fn markets_come_and_go_one_command_at_a_time() {
    let mut session = risen(&["A"]);
    let steps = session.want(wanted(&["B", "C"]), now(2));
    assert_eq!(sent(&steps)[0]["params"], json!({"sid": 6, "market_tickers": ["A"], "action": "delete_markets"}));
    assert_eq!(session.want(wanted(&["B"]), now(2)), [], "the first is not confirmed yet");
    let steps = hear(&mut session, r#"{"type":"ok","id":7,"sid":6,"seq":1,"msg":{"market_tickers":[]}}"#);
    assert_eq!(sent(&steps)[0]["params"], json!({"sid": 6, "market_tickers": ["B"], "action": "add_markets"}));
    assert_eq!(hear(&mut session, r#"{"type":"ok","id":8,"sid":6,"seq":2}"#), []);
    let steps = session.want(wanted(&[]), now(3));
    assert_eq!(sent(&steps)[0]["params"], json!({"sids": [6]}));
    assert_eq!(hear(&mut session, r#"{"type":"unsubscribed","id":9,"sid":6,"seq":3}"#), []);
    let steps = session.want(wanted(&["D"]), now(4));
    assert_eq!(sent(&steps)[0]["cmd"], "subscribe");
}

#[test]
fn one_unknown_market_does_not_take_the_others_with_it() {
    let (mut session, _) = started(&["A", "BAD", "C"]);
    let error = |id: i64| format!(r#"{{"type":"error","id":{id},"msg":{{"code":16,"msg":"Market not found"}}}}"#);
    let steps = hear(&mut session, &error(6));
    assert_eq!(sent(&steps)[0]["params"]["market_tickers"], json!(["A"]));
    let steps = confirm(&mut session, 7, BOOKS, 6);
    assert_eq!(sent(&steps)[0]["params"]["market_tickers"], json!(["BAD", "C"]));
    let steps = hear(&mut session, &error(8));
    assert_eq!(sent(&steps)[0]["params"]["market_tickers"], json!(["BAD"]));
    let steps = hear(&mut session, &error(9));
    assert_eq!(sent(&steps)[0]["params"]["market_tickers"], json!(["C"]));
    let told = events(steps);
    assert!(matches!(&told[..], [StreamEvent::Missing { what }] if what.contains("BAD")), "{told:?}");
    assert_eq!(hear(&mut session, r#"{"type":"ok","id":10,"sid":6,"seq":1}"#), []);
}

#[test]
fn a_blown_fuse_is_told_and_an_overflow_ends_the_connection() {
    let mut session = risen(&[]);
    let text = r#"{"type":"order_group_updates","sid":4,"seq":1,"msg":{"event_type":"triggered","order_group_id":"g-1","ts_ms":1}}"#;
    let told = events(hear(&mut session, text));
    assert!(matches!(&told[..], [StreamEvent::News(VenueNews::FuseBlown { why, .. })] if why.contains("g-1")), "{told:?}");
    let steps = hear(&mut session, r#"{"type":"error","sid":1,"msg":{"code":25,"msg":"buffer overflow"}}"#);
    assert!(matches!(&steps[..], [Step::Drop(_)]), "{steps:?}");
}

#[test]
fn only_watched_markets_tell_of_their_life() {
    let mut session = risen(&["A"]);
    let life = |ticker: &str| {
        format!(r#"{{"type":"market_lifecycle_v2","sid":5,"msg":{{"market_ticker":"{ticker}","event_type":"deactivated"}}}}"#)
    };
    assert_eq!(hear(&mut session, &life("B")), []);
    let told = events(hear(&mut session, &life("A")));
    assert!(matches!(&told[..], [StreamEvent::MarketChanged { event, .. }] if event == "deactivated"), "{told:?}");
}

#[test]
fn levels_are_told_to_who_asks_and_unsure_after_a_gap() {
    let mut session = risen(&["A"]);
    session.tell_levels(true);
    let frame = |kind: &str, seq: u32, msg: &str| {
        format!(r#"{{"type":"{kind}","sid":6,"seq":{seq},"msg":{{"market_ticker":"A","market_id":"x",{msg}}}}}"#)
    };
    confirm(&mut session, 6, BOOKS, 6);
    let price = |text: &str| Price::parse(text).expect(text);
    let delta = |change: i64, told: &[StreamEvent]| {
        let wanted = BookChange::Delta { side: Side::Ask, price: price("0.55"), signed: Quantity::from_micros(change * 1_000_000) };
        told.iter().any(|event| matches!(event, StreamEvent::Book { changes, .. } if *changes == [wanted.clone()]))
    };
    let change = r#""price_dollars":"0.5500","delta_fp":"2.00","side":"no""#;
    let early = events(hear(&mut session, &frame("orderbook_delta", 1, change)));
    assert_eq!(early, [], "nothing is known of the book yet");
    let shown = events(hear(&mut session, &frame("orderbook_snapshot", 2, r#""yes_dollars_fp":[["0.4700","3.00"]]"#)));
    let whole = BookChange::whole(vec![(price("0.47"), Quantity::whole(3))], vec![]);
    assert!(shown.iter().any(|event| matches!(event, StreamEvent::Book { changes, .. } if *changes == whole)), "{shown:?}");
    let told = events(hear(&mut session, &frame("orderbook_delta", 3, change)));
    assert!(delta(2, &told), "{told:?}");
    let told = events(hear(&mut session, &frame("orderbook_delta", 9, change)));
    assert!(told.iter().any(|event| matches!(event, StreamEvent::Book { changes, .. } if *changes == BookChange::unsure())), "{told:?}");
}
