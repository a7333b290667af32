use arbees::domain::money::Usd;
use arbees::domain::report::{CancelOutcome, FillSettlement, SubmitOutcome, VenueState};
use serde_json::json;

use super::bench::{Bench, STALE_MS, q, sign};

fn lost(bench: &mut Bench, order: &arbees::domain::order::Order, attempt: u32) {
    bench.submitted(order, attempt, SubmitOutcome::Unknown { why: "timeout".into() });
}

#[test]
fn an_unknown_order_is_looked_for_by_its_hash_and_sent_again_byte_for_byte() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    lost(&mut bench, &order, 1);
    bench.restart();
    bench.read("1000", &[]);
    assert_eq!(bench.take_look_up(), sign(&order).venue_order_id);
    bench.absent(&order);
    let (again, signed, attempt) = bench.take_submit();
    assert_eq!((again, signed.as_deref(), attempt), (order.clone(), Some(&sign(&order)), 2));
    bench.submitted(&order, 2, SubmitOutcome::Seen { why: "Duplicated".into() });
    bench.take_look_up();
    bench.list(&order, VenueState::Resting, "0");
    assert_eq!(bench.state(&order), "working");
    bench.assert_replays();
}

#[test]
fn absence_is_proven_by_a_cancel_that_was_answered_and_a_look_begun_after_it() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[("tif", json!("fok"))]);
    lost(&mut bench, &order, 1);
    while bench.take_cancels().is_empty() {
        bench.take_look_up();
        bench.absent(&order);
        assert!(!bench.calls.iter().any(|call| matches!(call, arbees::engine::Effect::Submit { .. })), "a fok is never sent again");
        assert_eq!(bench.state(&order), "unknown");
    }
    assert!(bench.now().wall.ms_since(bench.record(&order).last_sent_at.expect("sent")) > STALE_MS);
    // The wish without an answer proves nothing; neither does one that says that it was there.
    for unproven in [CancelOutcome::Unknown { why: "timeout".into() }, CancelOutcome::Over] {
        bench.canceled(&order, unproven);
        bench.take_look_up();
        bench.absent(&order);
        assert_eq!(bench.state(&order), "unknown");
        assert_eq!(bench.take_cancels().len(), 1);
    }
    bench.canceled(&order, CancelOutcome::NotWorking);
    bench.take_look_up();
    bench.absent(&order);
    assert_eq!(bench.state(&order), "not_placed");
    assert_eq!(bench.engine.book().cash.reserved, Usd::ZERO);
    bench.assert_replays();
}

#[test]
fn what_the_cancel_finds_there_was_there() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[("tif", json!("ioc"))]);
    lost(&mut bench, &order, 1);
    while bench.take_cancels().is_empty() {
        bench.take_look_up();
        bench.absent(&order);
    }
    bench.canceled(&order, CancelOutcome::Canceled { filled: q("3") });
    assert_eq!((bench.state(&order), bench.record(&order).outstanding()), ("canceled", q("3")));
    let fill = bench.trade(&order, "3", "0.5");
    bench.tell(&fill, FillSettlement::Settled);
    assert!(bench.record(&order).is_done() && bench.breakers().is_empty());
}

#[test]
fn the_hash_of_a_refused_order_stays_watched() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    bench.submitted(&order, 1, SubmitOutcome::Rejected { code: "400".into(), message: "not enough balance".into() });
    assert_eq!(bench.state(&order), "rejected");
    bench.list(&order, VenueState::Canceled, "0");
    assert_eq!((bench.state(&order), bench.breakers().len()), ("rejected", 0), "nothing came of it");
    bench.list(&order, VenueState::Resting, "0");
    assert_eq!(bench.take_cancels(), [sign(&order).venue_order_id]);
    assert_eq!(bench.breakers().len(), 1);
    assert!(bench.breakers()[0].ends_with("unknown_orders"), "{:?}", bench.breakers());
    let fill = bench.trade(&order, "10", "0.52");
    bench.tell(&fill, FillSettlement::Settled);
    assert_eq!(bench.state(&order), "filled");
}

#[test]
fn a_fill_of_a_refused_order_is_booked_and_stops_the_market() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    bench.submitted(&order, 1, SubmitOutcome::Rejected { code: "400".into(), message: "no".into() });
    let fill = bench.trade(&order, "10", "0.52");
    bench.tell(&fill, FillSettlement::Provisional);
    assert_eq!(bench.held(super::bench::YES), q("10"));
    assert!(bench.breakers()[0].ends_with("unexpected_fill"), "{:?}", bench.breakers());
}

#[test]
fn fills_and_listings_find_their_order_by_the_hash_before_any_answer() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    let fill = bench.trade(&order, "4", "0.5");
    bench.tell(&fill, FillSettlement::Provisional);
    assert_eq!((bench.state(&order), bench.held(super::bench::YES)), ("working", q("4")));
    bench.acked(&order);
    assert_eq!((bench.count("OrderAcked"), bench.breakers().len()), (1, 0));
}

#[test]
fn an_expired_signal_cancels_by_hash_though_the_answer_never_came() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    lost(&mut bench, &order, 1);
    bench.wait(order.expires_at.ms_since(bench.now().wall) + 1);
    assert_eq!(bench.take_cancels(), [sign(&order).venue_order_id]);
}
