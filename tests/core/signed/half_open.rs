//! Breakers that errors have opened, and how they close again (design §3.11).

use arbees::domain::event::Scope;
use arbees::domain::order::Order;
use arbees::domain::report::SubmitOutcome;
use arbees::engine::{Command, Input};
use serde_json::json;

use super::bench::{Bench, q};

const PROBE_AFTER_MS: i64 = 60_000;

fn refused() -> SubmitOutcome {
    SubmitOutcome::Rejected { code: "invalid".into(), message: "not today".into() }
}

/// Six refusals in a row: one more than allowed.
fn tripped() -> Bench {
    let mut bench = Bench::new();
    refuse_six(&mut bench, "s");
    bench
}

fn refuse_six(bench: &mut Bench, name: &str) {
    for n in 0..6 {
        let order = bench.sent(&format!("{name}-{n}"), &[]);
        bench.submitted(&order, 1, refused());
    }
    assert_eq!(bench.breakers(), ["global consecutive_errors"]);
}

fn agreeing(bench: &mut Bench) {
    let reading = bench.reading("1000", &[]);
    bench.news(arbees::domain::report::VenueNews::Account(Box::new(reading)));
}

/// The cool-down is over and the account agrees.
fn half_open() -> Bench {
    let mut bench = tripped();
    bench.wait(PROBE_AFTER_MS / 2);
    agreeing(&mut bench);
    bench.wait(PROBE_AFTER_MS / 2 + 1_000);
    assert_eq!(bench.count("BreakerProbing"), 1);
    bench
}

fn probe(bench: &mut Bench) -> Order {
    let order = bench.sent("probe", &[("size", json!(40))]);
    assert_eq!(order.quantity, q("5"), "the least this market takes, whatever was asked for");
    order
}

#[test]
fn a_breaker_is_not_tried_before_its_cool_down_is_over() {
    let mut bench = tripped();
    agreeing(&mut bench);
    bench.wait(PROBE_AFTER_MS - 2_000);
    assert_eq!(bench.count("BreakerProbing"), 0);
    bench.vetoed("early", &[], "breaker_open");
}

#[test]
fn a_breaker_is_not_tried_before_the_account_was_read_and_agrees() {
    let mut bench = tripped();
    bench.wait(5 * PROBE_AFTER_MS);
    assert_eq!(bench.count("BreakerProbing"), 0);
    agreeing(&mut bench);
    bench.wait(1_000);
    assert_eq!(bench.count("BreakerProbing"), 1);
}

#[test]
fn a_breaker_that_was_reset_and_trips_again_cools_down_anew() {
    let mut bench = tripped();
    bench.wait(PROBE_AFTER_MS - 10_000);
    let command = Command::ResetBreaker { scope: Scope::Global, reason: "looked into".into() };
    bench.step(Input::Operator { ticket: 1, by: "ops".into(), command });
    refuse_six(&mut bench, "again");
    bench.wait(5_000);
    agreeing(&mut bench);
    bench.wait(10_000);
    assert_eq!(bench.count("BreakerProbing"), 0, "the first trip's cool-down is over with it");
    bench.wait(PROBE_AFTER_MS - 14_000);
    assert_eq!(bench.count("BreakerProbing"), 1);
}

#[test]
fn one_order_of_minimum_size_goes_through_and_closes_the_breaker_when_acknowledged() {
    let mut bench = half_open();
    let order = probe(&mut bench);
    bench.vetoed("second", &[], "breaker_open");
    bench.acked(&order);
    assert_eq!(bench.breakers(), [""; 0]);
    assert_eq!(bench.sent("after", &[("size", json!(6))]).quantity, q("6"));
    bench.assert_replays();
}

#[test]
fn a_refused_probe_opens_the_breaker_for_another_cool_down() {
    let mut bench = half_open();
    let order = probe(&mut bench);
    bench.submitted(&order, 1, refused());
    assert_eq!((bench.count("BreakerTripped"), bench.count("BreakerReset")), (2, 0));
    bench.vetoed("again", &[], "breaker_open");
    bench.wait(PROBE_AFTER_MS / 2);
    agreeing(&mut bench);
    bench.wait(PROBE_AFTER_MS / 2 + 1_000);
    assert_eq!(bench.count("BreakerProbing"), 2);
}

#[test]
fn an_unknown_probe_keeps_the_breaker_shut() {
    let mut bench = half_open();
    let order = probe(&mut bench);
    bench.submitted(&order, 1, SubmitOutcome::Unknown { why: "timeout".into() });
    assert_eq!(bench.breakers(), ["global consecutive_errors"]);
    for _ in 0..5 {
        bench.wait(PROBE_AFTER_MS);
        agreeing(&mut bench);
    }
    assert_eq!(bench.count("BreakerProbing"), 1, "not while its fate is unknown");
    bench.vetoed("again", &[], "breaker_open");
}

#[test]
fn a_restart_opens_what_was_half_open_and_begins_the_cool_down_anew() {
    let mut bench = half_open();
    bench.restart();
    assert_eq!(bench.count("BreakerTripped"), 2);
    agreeing(&mut bench);
    bench.wait(PROBE_AFTER_MS - 5_000);
    assert_eq!(bench.count("BreakerProbing"), 1);
    agreeing(&mut bench);
    bench.wait(6_000);
    assert_eq!(bench.count("BreakerProbing"), 2);
    bench.assert_replays();
}

#[test]
fn a_loss_is_never_tried_again_without_an_operator() {
    let mut bench = Bench::new();
    bench.step(Input::TripAsked {
        scope: Scope::Global,
        reason: arbees::domain::verdict::Reason::DailyLoss,
        observed: "-500".into(),
        limit: "above -500".into(),
    });
    for _ in 0..10 {
        bench.wait(PROBE_AFTER_MS);
        agreeing(&mut bench);
    }
    assert_eq!(bench.count("BreakerProbing"), 0);
    bench.vetoed("after", &[], "breaker_open");
}
