//! What limits hold against: stale signals, repeats, two at once, both venues, other days' losses, limits that were lowered.

use arbees::domain::money::{Quantity, Usd};
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::facts::{answered, at, held, requested, rig, signal, vetoed};
use crate::rig::Rig;
use crate::rows::row_limits;

/// Another game, so that nothing of the first one stands in its way.
fn elsewhere() -> Vec<(&'static str, Value)> {
    vec![("game_id", json!("g-2")), ("market_id", json!("KXNBAGAME-26JAN28MIALAL-MIA")), ("team", json!("MIA"))]
}

#[test]
fn s48_a_signal_whose_life_is_over_or_whose_book_has_moved_is_vetoed() {
    let mut rig = rig();
    rig.at(at().plus_ms(5_000));
    vetoed(&mut rig, "old", &[("ttl_ms", json!(1_000))], "expired");
    vetoed(&mut rig, "no longer", &[("expires_at", json!("2026-01-28T01:14:03Z"))], "expired");
    vetoed(&mut rig, "old book", &[("price_ts", json!("2026-01-28T01:10:00Z"))], "book_stale");
    vetoed(&mut rig, "far", &[("limit_price", json!("0.70")), ("model_prob", json!(0.95))], "book_distance");
    requested(&mut rig, "fresh", &[("created_at", json!("2026-01-28T01:14:07Z")), ("price_ts", json!("2026-01-28T01:14:07Z"))]);
}

#[test]
fn s55_a_signal_that_comes_again_before_it_is_answered_is_one_order() {
    let mut rig = rig();
    rig.hold_up();
    let raw = signal("a", &[]);
    for _ in 0..3 {
        rig.deliver("signals.kalshi", &raw);
    }
    assert_eq!(rig.answers.len(), 0, "nobody has judged it yet");
    rig.let_go();
    assert_eq!(held(&rig), Quantity::whole(10));
    assert!(rig.answers.iter().all(|answer| matches!(answer.answer.as_str(), "requested" | "duplicate")), "{:?}", rig.answers);
    assert_eq!(answered(&mut rig, "a", &[]).0, "duplicate");
    assert_eq!((held(&rig), rig.engine.book().orders.iter().count()), (Quantity::whole(10), 1));
    rig.assert_replays();
}

#[test]
fn s61_two_orders_at_once_are_not_granted_the_same_room() {
    let mut rig = rig();
    rig.hold_up();
    // 46.80 each, and 100 in all: the third was asked for before anybody knew of the first.
    for id in ["a", "b", "c"] {
        rig.deliver("signals.kalshi", &signal(id, &[("size", json!(90))]));
    }
    rig.let_go();
    let answers: Vec<&str> = rig.answers.iter().map(|answer| answer.answer.as_str()).collect();
    assert_eq!(answers, ["requested", "requested", "vetoed"], "{:?}", rig.answers[1].reasons);
    let reasons: Vec<&str> = rig.answers[2].reasons.iter().map(|failure| failure.reason.as_str()).collect();
    assert!(reasons.contains(&"game_exposure"), "{reasons:?}");
    assert_eq!(held(&rig), Quantity::whole(180));
    rig.assert_replays();
}

#[test]
fn s65_the_days_loss_counts_what_is_held_at_its_price() {
    let mut limits = row_limits();
    limits.daily_loss_max = Usd::parse("10").expect("usd");
    limits.duplicate_intent_ms = 0;
    let mut rig = Rig::new(limits, at());
    requested(&mut rig, "a", &[("size", json!(60))]);
    // Bought at 0.52, worth 0.30: 13 dollars that nobody has sold for.
    let fell = [("yes_bid", json!("0.30")), ("yes_ask", json!("0.32")), ("limit_price", json!("0.32")), ("size", json!(1))];
    answered(&mut rig, "fell", &fell);
    vetoed(&mut rig, "elsewhere", &elsewhere(), "daily_loss");
}

#[test]
fn s68_the_limit_of_a_game_sums_both_venues_and_both_teams() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("size", json!(90))]);
    let token =
        [("market_id", Value::Null), ("token_id", json!("71321045679252212594626385532706912750332728571942532289631379312455583992563"))];
    let polymarket: Vec<(&str, Value)> = token.iter().cloned().chain([("size", json!(90)), ("venue", json!("polymarket"))]).collect();
    let answer = rig.send("signals.polymarket", &signal("b", &polymarket));
    assert_eq!(answer.answer.as_str(), "requested", "{:?}", answer.reasons);
    assert_eq!(rig.engine.book().exposure.total, Usd::parse("93.6").expect("usd"), "46.80 on each");
    let answer = rig.send("signals.polymarket", &signal("c", &polymarket));
    assert!(answer.reasons.iter().any(|failure| failure.reason.as_str() == "game_exposure"), "{:?}", answer.reasons);
    // NO on the opponent is the same bet.
    let opponent = [
        ("market_id", json!("KXNBAGAME-26JAN27PORWAS-WAS")),
        ("team", json!("Washington Wizards")),
        ("side", json!("no")),
        ("limit_price", json!("0.5")),
        ("model_prob", json!(0.3)),
        ("size", json!(90)),
    ];
    vetoed(&mut rig, "d", &opponent, "game_exposure");
}

#[test]
fn s74_limits_below_what_is_held_stop_opens_and_let_closes_flow() {
    let mut rig = rig();
    requested(&mut rig, "a", &[("size", json!(90))]);
    let mut limits = row_limits();
    limits.duplicate_intent_ms = 0;
    limits.game_exposure_max = Usd::parse("20").expect("usd");
    rig.restart_with(limits);
    vetoed(&mut rig, "b", &[("size", json!(1))], "game_exposure");
    requested(&mut rig, "c", &elsewhere());
    requested(&mut rig, "d", &[("action", json!("close")), ("min_price", json!(0.4))]);
    rig.operator(Command::Kill { reason: "end".into() });
    rig.assert_replays();
}
