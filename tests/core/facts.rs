//! Facts about engine and risk, one rig each.

use arbees::domain::ids::SignalId;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::time::Time;
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::rows::row_limits;

pub const AT: &str = "2026-01-28T01:14:02.532Z";

pub fn at() -> Time {
    Time::parse(AT).expect("time").0
}

pub fn rig() -> Rig {
    let mut limits = row_limits();
    limits.duplicate_intent_ms = 0;
    Rig::new(limits, at())
}

/// A good open of `size` contracts at 0.52, changed by `fields`.
pub fn signal(id: &str, fields: &[(&str, Value)]) -> Vec<u8> {
    let mut signal = json!({
        "signal_id": id, "game_id": "g-1", "sport": "NBA", "team": "Portland Trail Blazers", "side": "yes",
        "market_id": "KXNBAGAME-26JAN27PORWAS-POR", "limit_price": "0.52", "model_prob": 0.71, "size": 10,
        "yes_bid": 0.5, "yes_ask": 0.52, "liquidity_available": 1000, "created_at": AT,
    });
    for (name, value) in fields {
        signal[*name] = value.clone();
    }
    signal.to_string().into_bytes()
}

pub fn answered(rig: &mut Rig, id: &str, fields: &[(&str, Value)]) -> (String, Vec<&'static str>) {
    let answer = rig.send("signals.kalshi", &signal(id, fields));
    (answer.answer.as_str().to_owned(), answer.reasons.iter().map(|failure| failure.reason.as_str()).collect())
}

pub fn vetoed(rig: &mut Rig, id: &str, fields: &[(&str, Value)], reason: &str) {
    let (answer, reasons) = answered(rig, id, fields);
    assert!(answer == "vetoed" && reasons.contains(&reason), "{answer} {reasons:?}, not {reason}");
}

pub fn requested(rig: &mut Rig, id: &str, fields: &[(&str, Value)]) {
    let (answer, reasons) = answered(rig, id, fields);
    assert_eq!(answer, "requested", "{reasons:?}");
}

pub fn held(rig: &Rig) -> Quantity {
    rig.engine.book().positions.held().map(|(_, position)| position.held()).sum()
}

#[test]
fn vetoes_one_contract_over_the_limit() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("size", json!(99))]);
    vetoed(
        &mut rig,
        "b",
        &[("size", json!(100)), ("game_id", json!("g-2")), ("market_id", json!("KXNBAGAME-26JAN28MIALAL-MIA")), ("team", json!("MIA"))],
        "order_contracts",
    );
}

#[test]
fn exposure_is_not_split_by_renaming_the_game() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("size", json!(90))]);
    requested(&mut rig, "b", &[("size", json!(90)), ("game_id", json!("g-2"))]);
    vetoed(&mut rig, "c", &[("size", json!(90)), ("game_id", json!("g-3"))], "game_exposure");
    // A close without a game id gives back what was held under g-1.
    requested(&mut rig, "d", &[("action", json!("close")), ("min_price", json!(0.4)), ("game_id", Value::Null)]);
    assert_eq!(rig.engine.book().exposure.total, Usd::ZERO);
    rig.assert_replays();
}

#[test]
fn no_on_the_same_market_is_the_opposite_side_and_so_is_the_opponent() {
    let mut rig = rig();
    requested(&mut rig, "a", &[]);
    vetoed(&mut rig, "b", &[("side", json!("no")), ("limit_price", json!("0.5")), ("model_prob", json!(0.3))], "opposite_side");
    let washington = [("market_id", json!("KXNBAGAME-26JAN27PORWAS-WAS")), ("team", json!("Washington Wizards"))];
    vetoed(&mut rig, "c", &washington, "opposite_side");
    // NO on the opponent is the same side.
    let mut against = washington.to_vec();
    against.extend([
        ("side", json!("no")),
        ("limit_price", json!("0.5")),
        ("model_prob", json!(0.3)),
        ("yes_bid", json!(0.5)),
        ("yes_ask", json!(0.52)),
    ]);
    requested(&mut rig, "d", &against);
}

#[test]
fn s67_buying_no_of_a_held_yes_market_realises_first_where_hedging_is_allowed() {
    let mut limits = row_limits();
    limits.allow_hedging = true;
    let mut rig = Rig::new(limits, at());
    requested(&mut rig, "a", &[("size", json!(10))]);
    requested(&mut rig, "b", &[("side", json!("no")), ("limit_price", json!("0.5")), ("model_prob", json!(0.3)), ("size", json!(10))]);
    assert_eq!(held(&rig), Quantity::ZERO, "ten YES and ten NO are nothing");
    assert_eq!(rig.engine.book().cash.realized, Usd::parse("-0.2").expect("usd"), "sold at 0.50 what cost 0.52");
    rig.assert_replays();
}

#[test]
fn a_close_never_gives_up_more_than_is_held_and_two_at_once_neither() {
    let mut rig = rig();
    vetoed(&mut rig, "early", &[("action", json!("close")), ("min_price", json!(0.4))], "nothing_to_close");
    requested(&mut rig, "a", &[("size", json!(10))]);
    requested(&mut rig, "b", &[("action", json!("reduce")), ("size", json!(50)), ("min_price", json!(0.4))]);
    assert_eq!(held(&rig), Quantity::ZERO);
    vetoed(&mut rig, "c", &[("action", json!("close")), ("min_price", json!(0.4))], "nothing_to_close");
    rig.assert_replays();
}

#[test]
fn s58_without_risk_opens_are_vetoed_and_closes_flow_by_the_rule() {
    let mut rig = rig();
    requested(&mut rig, "a", &[]);
    rig.risk = None;
    vetoed(
        &mut rig,
        "b",
        &[("game_id", json!("g-9")), ("market_id", json!("KXNBAGAME-26JAN28MIALAL-MIA")), ("team", json!("MIA"))],
        "risk_silent",
    );
    requested(&mut rig, "c", &[("action", json!("close")), ("min_price", json!(0.4))]);
    assert_eq!(held(&rig), Quantity::ZERO);
}

#[test]
fn s60_a_verdict_of_another_key_is_silence() {
    let mut rig = rig();
    rig.forge();
    vetoed(&mut rig, "a", &[], "risk_silent");
}

#[test]
fn s63_a_kill_persists_across_a_restart_and_only_stops_opens() {
    let mut rig = rig();
    requested(&mut rig, "a", &[]);
    rig.operator(Command::Kill { reason: "test".into() });
    vetoed(&mut rig, "b", &[], "killed");
    rig.restart();
    vetoed(&mut rig, "c", &[], "killed");
    requested(&mut rig, "d", &[("action", json!("close")), ("min_price", json!(0.4))]);
    rig.operator(Command::ClearKill { reason: "test".into() });
    requested(&mut rig, "e", &[]);
    rig.assert_replays();
}

#[test]
fn s62_a_kill_cancels_what_rests() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("limit_price", json!("0.45")), ("model_prob", json!(0.65))]);
    assert_eq!(rig.exchange.working_orders(), 1);
    rig.operator(Command::Kill { reason: "test".into() });
    assert_eq!(rig.exchange.working_orders(), 0);
    assert_eq!(rig.engine.book().cash.reserved, Usd::ZERO);
}

#[test]
fn an_order_rests_until_its_signal_expires_and_is_then_cancelled() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("limit_price", json!("0.45")), ("model_prob", json!(0.65)), ("ttl_ms", json!(5_000))]);
    rig.at(at().plus_ms(4_999));
    assert_eq!(rig.exchange.working_orders(), 1);
    rig.at(at().plus_ms(5_001));
    assert_eq!(rig.exchange.working_orders(), 0);
    rig.assert_replays();
}

#[test]
fn a_resting_order_survives_a_restart_at_the_venue_and_in_the_fold() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("limit_price", json!("0.45")), ("model_prob", json!(0.65)), ("ttl_ms", json!(50_000))]);
    let reserved = rig.engine.book().cash.reserved;
    rig.restart();
    assert_eq!((rig.exchange.working_orders(), rig.engine.book().cash.reserved), (1, reserved));
}

#[test]
fn the_daily_loss_trips_the_breaker_until_an_operator_resets_it() {
    let mut limits = row_limits();
    limits.daily_loss_max = Usd::parse("10").expect("usd");
    limits.duplicate_intent_ms = 0;
    let mut rig = Rig::new(limits, at());
    requested(&mut rig, "a", &[("size", json!(60))]);
    // Bought at 0.52, closed at 0.30: 13.2 dollars and fees are lost.
    requested(&mut rig, "b", &[("action", json!("close")), ("min_price", json!(0.2)), ("yes_bid", json!(0.3)), ("yes_ask", json!(0.32))]);
    let open = rig.engine.book().breakers.open().next().expect("a breaker").1.clone();
    assert_eq!(open.reason.as_str(), "daily_loss");
    vetoed(&mut rig, "c", &[], "breaker_open");
    rig.restart();
    vetoed(&mut rig, "d", &[], "daily_loss");
    rig.assert_replays();
}

#[test]
fn settlement_pays_yes_no_scalar_and_void() {
    for (result, paid) in [("yes", "10"), ("no", "0"), ("0.35", "3.5"), ("void", "5.2")] {
        let mut rig = rig();
        requested(&mut rig, "a", &[("size", json!(10))]);
        let fees = rig.engine.book().cash.fees;
        let command = Command::Settle {
            venue: arbees::domain::market::Venue::Kalshi,
            market: arbees::domain::ids::MarketId::new("KXNBAGAME-26JAN27PORWAS-POR").expect("id"),
            settlement: arbees::domain::market::Settlement::parse(result).expect("result"),
        };
        rig.operator(command);
        let book = rig.engine.book();
        let without_fees = book.cash.cash + fees;
        let wanted = Usd::parse("994.8").expect("usd") + Usd::parse(paid).expect("usd");
        assert_eq!(without_fees, wanted, "{result}");
        assert_eq!(held(&rig), Quantity::ZERO);
        rig.assert_replays();
    }
}

#[test]
fn s46_s47_repeats_are_duplicates_and_other_content_is_a_conflict_also_after_a_restart() {
    let mut rig = rig();
    requested(&mut rig, "a", &[]);
    let spaced = String::from_utf8(signal("a", &[])).expect("text").replace(",\"", ", \"");
    assert_eq!(rig.send("signals.kalshi", spaced.as_bytes()).answer.as_str(), "duplicate");
    assert_eq!(answered(&mut rig, "a", &[("size", json!(11))]).0, "rejected");
    rig.restart();
    assert_eq!(answered(&mut rig, "a", &[]).0, "duplicate");
    assert_eq!(answered(&mut rig, "a", &[("size", json!(11))]).0, "rejected");
    let orders = rig.engine.book().orders.iter().filter(|r| r.order.signal_id == SignalId::new("a").expect("id")).count();
    assert_eq!(orders, 1);
}

#[test]
fn the_exposure_limit_holds_with_unknown_resting_and_held_together() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("size", json!(90))]);
    requested(&mut rig, "b", &[("size", json!(90)), ("limit_price", json!("0.45")), ("model_prob", json!(0.65))]);
    vetoed(&mut rig, "c", &[("size", json!(30)), ("limit_price", json!("0.45")), ("model_prob", json!(0.65))], "game_exposure");
}

#[test]
fn every_reason_stands_in_the_readme_with_its_meaning() {
    let readme = include_str!("../../README.md");
    for (reason, meaning) in arbees::domain::verdict::Reason::ALL {
        let row = format!("| `{reason}` | {} |", meaning.trim());
        assert!(readme.contains(&row), "the README lacks: {row}");
    }
}
