use super::super::frame::{self, Context, Frame};
use super::*;
use crate::domain::matching::Side;
use crate::domain::money::Quantity;

fn now(ms: i64) -> Now {
    Now { wall: Time::from_ms(1_000_000 + ms), mono: Mono(ms * 1_000_000) }
}

fn tokens(ids: &[&str]) -> BTreeSet<TokenId> {
    ids.iter().map(|id| TokenId::new(id).expect("token")).collect()
}

fn hear(session: &mut Session, text: &str, ms: i64) -> Vec<Step> {
    let Ok(Frame::Events(events)) = frame::read(text, &Context { ours: None, fees: &|_| None }) else { panic!("{text}") };
    events.into_iter().flat_map(|event| session.heard(event.expect(text), now(ms))).collect()
}

fn sent(steps: &[Step]) -> Vec<serde_json::Value> {
    steps.iter().filter_map(|step| if let Step::Send(text) = step { serde_json::from_str(text).ok() } else { None }).collect()
}

fn tops(steps: &[Step]) -> Vec<(Option<String>, Option<String>)> {
    let text = |price: Option<Price>| price.map(|price| price.to_string());
    let top = |step: &Step| match step {
        Step::Emit(StreamEvent::Touch { top, .. }) => Some((text(top.quote.bid), text(top.quote.ask))),
        _ => None,
    };
    steps.iter().filter_map(top).collect()
}

fn some(bid: &str, ask: &str) -> (Option<String>, Option<String>) {
    (Some(bid.to_owned()), Some(ask.to_owned()))
}

const BOOK: &str = r#"[{"event_type":"book","asset_id":"7","market":"0xc","timestamp":"1782753357257","hash":"h",
    "bids":[{"price":"0.40","size":"5"},{"price":"0.47","size":"3"}],"asks":[{"price":"0.60","size":"1"},{"price":"0.52","size":"2"}]}]"#;

fn change(price: &str, size: &str, side: &str, bid: &str, ask: &str) -> String {
    format!(
        r#"{{"event_type":"price_change","market":"0xc","price_changes":[{{"asset_id":"7","price":"{price}","size":"{size}","side":"{side}",
        "hash":"x","best_bid":"{bid}","best_ask":"{ask}"}}],"timestamp":"1782753357258"}}"#
    )
}

fn risen(levels: bool) -> Session {
    let (mut session, steps) = Session::start(tokens(&["7"]), levels, 60_000, now(0));
    assert_eq!(sent(&steps), [json!({"assets_ids": ["7"], "type": "market", "custom_feature_enabled": true})]);
    assert_eq!(tops(&hear(&mut session, BOOK, 1)), [some("0.47", "0.52")], "the best prices stand last");
    session
}

#[test]
fn changes_replace_levels_and_only_a_new_touch_is_told() {
    let mut session = risen(false);
    assert_eq!(hear(&mut session, &change("0.40", "9", "BUY", "0.47", "0.52"), 2), []);
    assert_eq!(tops(&hear(&mut session, &change("0.47", "0", "BUY", "0.4", "0.52"), 3)), [some("0.4", "0.52")]);
    let emptied = hear(&mut session, &change("0.40", "0", "BUY", "0", "0.52"), 4);
    assert_eq!(tops(&emptied), [(None, Some("0.52".to_owned()))]);
    assert_eq!(sent(&emptied), [json!(null); 0], "an empty side is stated as zero");
}

#[test]
fn a_book_that_does_not_add_up_is_void_and_asked_for_anew() {
    let mut session = risen(true);
    let steps = hear(&mut session, &change("0.45", "1", "BUY", "0.48", "0.52"), 2);
    assert_eq!(tops(&steps), [(None, None)]);
    assert!(steps.iter().any(|step| matches!(step, Step::Emit(StreamEvent::Book { changes, .. }) if *changes == BookChange::unsure())));
    let commands: Vec<_> = sent(&steps).iter().map(|command| command["operation"].as_str().map(str::to_owned)).collect();
    assert_eq!(commands, [Some("unsubscribe".to_owned()), Some("subscribe".to_owned())]);
    assert_eq!(hear(&mut session, &change("0.45", "1", "BUY", "0.48", "0.52"), 3), [], "nothing is known until it is shown");
    assert_eq!(tops(&hear(&mut session, BOOK, 4)), [some("0.47", "0.52")]);
}

#[test]
fn levels_are_told_to_who_asked_for_them() {
    let mut session = risen(true);
    let steps = hear(&mut session, &change("0.40", "9", "BUY", "0.47", "0.52"), 2);
    let level = BookChange::Level { side: Side::Bid, price: Price::from_micros(400_000), quantity: Quantity::whole(9) };
    assert!(matches!(steps.as_slice(), [Step::Emit(StreamEvent::Book { changes, .. })] if *changes == [level]), "{steps:?}");
}

#[test]
fn s77_a_new_tick_voids_the_book() {
    let mut session = risen(false);
    let tick =
        r#"{"event_type":"tick_size_change","asset_id":"7","market":"0xc","old_tick_size":"0.01","new_tick_size":"0.001","timestamp":"1"}"#;
    let steps = hear(&mut session, tick, 2);
    assert_eq!((tops(&steps), sent(&steps).len()), (vec![(None, None)], 2));
    assert!(
        steps.iter().any(|step| matches!(step, Step::Emit(StreamEvent::TickChanged { tick, .. }) if *tick == Price::from_micros(1_000)))
    );
}

#[test]
fn what_is_wanted_changes_at_any_time() {
    let mut session = risen(false);
    let commands = sent(&session.want(tokens(&["8"]), now(2)));
    assert_eq!(commands[0], json!({"operation": "unsubscribe", "assets_ids": ["7"]}));
    assert_eq!(commands[1], json!({"operation": "subscribe", "assets_ids": ["8"], "custom_feature_enabled": true}));
    assert_eq!(hear(&mut session, BOOK, 3), [], "a book of before");
    let steps = session.tick(now(10_003));
    assert!(matches!(steps.as_slice(), [Step::Emit(StreamEvent::Missing { .. })]), "{steps:?}");
}

#[test]
fn s88_a_silent_stream_is_compared_with_rest() {
    let mut session = risen(false);
    assert_eq!(session.tick(now(60_001)), []);
    let steps = session.tick(now(60_002));
    let [Step::Audit(token)] = steps.as_slice() else { panic!("{steps:?}") };
    let mut top = TopOfBook { quote: session.books.best(&id(token)).expect("book"), ..TopOfBook::default() };
    assert_eq!(session.audited(token, &top, now(60_002).mono), None);
    top.quote.bid = None;
    assert!(matches!(session.audited(token, &top, now(60_002).mono), Some(Step::Drop(_))));
    hear(&mut session, &change("0.40", "9", "BUY", "0.47", "0.52"), 60_003);
    assert_eq!(session.audited(token, &top, now(60_002).mono), None, "it spoke meanwhile");
    assert_eq!(tops(&session.end(now(60_004))), [(None, None)]);
}
