use serde_json::{Value, json};

use super::*;
use crate::audit::fixture::{Reply, World, account, signal_id};
use crate::audit::history::MemoryHistory;
use crate::domain::market::{Settlement, Venue};
use crate::engine::Command;

const PORTLAND: &str = "KXNBAGAME-26JAN27PORWAS-POR";

fn told(world: &World, history: &MemoryHistory, id: &str, unlogged: Unlogged) -> Result<Story, ExplainError> {
    let account = account();
    let unlogged = |_: &SignalId| unlogged;
    Explainer { history, book: world.book(), account: &account, mode: Mode::Paper, unlogged: &unlogged }.explain(id)
}

fn story(world: &World, id: &str) -> Value {
    let story = told(world, &world.history(), id, Unlogged::default()).expect(id);
    serde_json::to_value(story).expect("a story always encodes")
}

fn order_id(id: &str, revision: u32) -> String {
    OrderId::of(&account(), Mode::Paper, &signal_id(id), 0, revision).to_string()
}

fn text(story: &Value) -> String {
    story["story"].as_array().expect("lines").iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_traded_signal_is_told_from_its_checks_to_its_fees() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    let story = story(&world, "s-1");
    assert_eq!((&story["answer"], &story["reasons"], &story["signal_id"]), (&json!("requested"), &json!([]), &json!("s-1")));
    let order = &story["orders"][0];
    let expected = json!({
        "order_id": order_id("s-1", 0), "venue": "kalshi", "market": PORTLAND, "outcome": "yes", "state": "filled",
        "quantity": "10", "filled": "10", "average_price": "0.52", "fees": "0.02",
    });
    for (name, value) in expected.as_object().expect("map") {
        assert_eq!(&order[name], value, "{name}");
    }
    assert!(order["venue_order_id"].as_str().is_some_and(|id| id.starts_with("v-")));
    let checks = story["requests"][0]["checks"].as_array().expect("checks");
    assert!(checks.len() > 20 && checks.iter().all(|check| check["passed"] == true && check["by"] == "risk"));
    let text = text(&story);
    for part in ["answered `requested`", "edge_below_minimum", "[PAPER]", "acknowledged as v-", "filled 10 at 0.52, fee $0.02", "demo"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn a_vetoed_signal_names_every_failed_check_and_has_no_order() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.97", 99);
    let story = story(&world, "s-1");
    assert_eq!((&story["answer"], &story["orders"]), (&json!("vetoed"), &json!([])));
    let reasons: Vec<&str> = story["reasons"].as_array().expect("list").iter().filter_map(|r| r["reason"].as_str()).collect();
    assert!(reasons.contains(&"price_band") && reasons.contains(&"edge_below_minimum"), "{reasons:?}");
    assert!(story["reasons"][0]["observed"].is_string() && story["reasons"][0]["limit"].is_string());
    let failed = story["requests"][0]["checks"].as_array().expect("checks").iter().filter(|check| check["passed"] == false).count();
    assert_eq!(failed, reasons.len());
}

#[test]
fn a_veto_for_a_silent_risk_consumer_is_the_engines() {
    let mut world = World::begun();
    world.risk_silent = true;
    world.open("s-1", PORTLAND, "0.52", 10);
    let story = story(&world, "s-1");
    assert_eq!(story["reasons"][0]["reason"], "risk_silent");
    assert_eq!((&story["requests"][0]["by"], &story["requests"][0]["checks"][0]["by"]), (&json!("engine"), &json!("engine")));
}

#[test]
fn a_close_granted_by_the_reduce_rule_shows_that_rules_checks_and_what_it_realised() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    world.risk_silent = true;
    world.close("s-2", PORTLAND, "yes", "0.60");
    let closed = story(&world, "s-2");
    assert_eq!((&closed["answer"], &closed["requests"][0]["by"]), (&json!("requested"), &json!("reduce_rule")));
    assert_eq!(closed["requests"][0]["checks"][0]["check"], "nothing_to_close");
    assert_eq!(closed["orders"][0]["realized_pnl"], "0.8");
    assert_eq!(story(&world, "s-1")["orders"][0]["realized_pnl"], "0");
    assert!(text(&closed).contains("realised $0.8 by closing"), "{}", text(&closed));
}

#[test]
fn a_close_in_parts_lists_each_of_its_orders() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    world.replies.push_back(Reply::Fill("4"));
    world.close("s-2", PORTLAND, "yes", "0.60");
    let first = OrderId::parse(&order_id("s-2", 0)).expect("id");
    world.news(crate::domain::report::VenueNews::Ended {
        order_id: first,
        state: crate::domain::report::VenueState::Canceled,
        filled: crate::domain::money::Quantity::whole(4),
        cause: "ioc".to_owned(),
    });
    world.wait_ms(1_000);
    let story = story(&world, "s-2");
    let orders = story["orders"].as_array().expect("orders");
    assert_eq!(orders.iter().map(|order| order["filled"].clone()).collect::<Vec<_>>(), [json!("4"), json!("6")]);
    assert_eq!(orders[1]["order_id"], order_id("s-2", 1));
}

#[test]
fn an_order_is_found_by_its_id_and_by_a_prefix_even_a_vetoed_one() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    world.open("s-2", PORTLAND, "0.99", 10);
    for id in ["s-1", "s-2"] {
        let order_id = order_id(id, 0);
        assert_eq!(story(&world, &order_id)["signal_id"], id);
        assert_eq!(story(&world, &order_id[..10])["signal_id"], id);
    }
}

#[test]
fn what_nobody_knows_is_an_error_and_not_an_empty_story() {
    let world = World::begun();
    for id in ["s-9", "00112233", "00112233445566778899aabbccddeeff", "dl:7"] {
        let error = told(&world, &world.history(), id, Unlogged::default()).expect_err(id);
        assert!(matches!(error, ExplainError::Unknown(_)), "{id}: {error}");
    }
    assert!(matches!(told(&world, &world.history(), "", Unlogged::default()), Err(ExplainError::NoId(_))));
    assert!(matches!(told(&world, &world.history(), "dl:x", Unlogged::default()), Err(ExplainError::NoId(_))));
}

#[test]
fn a_rejected_signal_tells_the_field_and_where_its_bytes_are() {
    let mut world = World::begun();
    world.raw("signals.polymarket", br#"{"signal_id": "s-1", "token_id": 7132104567925221}"#);
    let mut history = world.history();
    let letter = DeadLetterInfo {
        id: 3,
        received_at: world.now(),
        subject: "signals.polymarket".to_owned(),
        stream_seq: 1,
        reason: "token_id".to_owned(),
        signal_id: Some(signal_id("s-1")),
        raw_bytes: 50,
    };
    history.letters.push((letter, b"{\"signal_id\": \"s-1\"}\x00".to_vec()));
    let story = told(&world, &history, "s-1", Unlogged::default()).expect("story");
    assert_eq!((story.answer, story.reasons[0].reason.as_str()), ("rejected", "token_id_not_string"));
    assert!(story.error.as_ref().is_some_and(|error| error.contains("token_id")));
    assert!(story.story.iter().any(|line| line.contains("dl:3")));
    let by_number = told(&world, &history, "dl:3", Unlogged::default()).expect("letter");
    assert_eq!((by_number.answer, by_number.raw.as_deref()), ("rejected", Some("{\"signal_id\": \"s-1\"} ")));
}

#[test]
fn a_signal_in_the_air_is_pending_and_a_hold_ignored() {
    let world = World::begun();
    let pending = told(&world, &world.history(), "s-1", Unlogged { pending: true, ..Unlogged::default() }).expect("pending");
    assert_eq!((pending.answer, pending.signal_id), ("pending", Some(signal_id("s-1"))));
    let ignored = told(&world, &world.history(), "s-1", Unlogged { ignored: true, ..Unlogged::default() }).expect("ignored");
    assert_eq!(ignored.answer, "ignored");
}

#[test]
fn an_order_the_fold_has_forgotten_is_still_told_from_the_log() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    let market = crate::domain::ids::MarketId::new(PORTLAND).expect("id");
    world.operator(Command::Settle { venue: Venue::Kalshi, market, settlement: Settlement::No });
    for _ in 0..20 {
        world.wait_ms(86_400_000);
    }
    assert!(world.book().orders.iter().next().is_none(), "the fold forgets settled markets after two weeks");
    let story = story(&world, "s-1");
    let order = &story["orders"][0];
    assert_eq!((&order["state"], &order["filled"], &order["realized_pnl"]), (&json!("filled"), &json!("10"), &Value::Null));
}
