//! The answer to a send is lost, late or unreadable: the order is looked for by the hash of what was signed, and sent again,
//! byte for byte, only where that can't double.
//!
//! S11 does not apply: this engine sends no batches.

use arbees::app::rehearsal::{Setup, Wish};
use arbees::domain::event::{Event, NotPlaced};
use arbees::domain::ids::OrderId;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use arbees::domain::verdict::Reason;
use serde_json::{Value, json};

use crate::support::World;
use crate::wishes::{close, open, resting, shares, taking, with};

/// Short waits, so that a hanging request is given up soon.
async fn world(stale_after_ms: i64) -> World {
    World::with(Setup { stale_after_ms, ..with(&[("POLY_REQUEST_TIMEOUT_MS", "300")]) }).await
}

fn lost(processed: bool) -> Value {
    json!({ "kind": "no_reply", "call": "create", "how": "reset", "processed": processed, "count": 1 })
}

/// Where in the requests these stand that name the order: by call.
async fn places(world: &World, order: OrderId, call: &str) -> Vec<usize> {
    let name = world.name_of(order).await;
    let names_it = |row: &Value| ["target", "body"].iter().any(|field| row[*field].as_str().is_some_and(|text| text.contains(&name)));
    let all = world.all_requests().await;
    let wanted = |row: &Value| row["call"] == call && (call == "create" || call == "trades" || names_it(row));
    (0..all.len()).filter(|place| wanted(&all[*place])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_resting_order_whose_ack_was_lost_is_found_by_its_hash() {
    for how in ["hang", "reset"] {
        let world = world(2_000).await;
        world.deaf().await;
        world.fault(json!({ "kind": "no_reply", "call": "create", "how": how, "count": 1 })).await;
        let order = world.resting(&resting(30_000)).await;
        let (at_venue, record) = (world.venue_order(order).await, world.when(order, |_| true).await);
        assert_eq!(at_venue["status"], "LIVE", "{how}");
        assert_eq!(record.venue_order_id.expect("a name").as_str(), at_venue["id"]);
        assert_eq!((world.sends_of(order).await, record.attempts, world.orders_there().await), (1, 1, 1), "{how}");
        assert!(world.place_of(order, "OrderOutcomeUnknown").await < world.place_of(order, "OrderAcked").await);
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_fills_of_an_order_whose_ack_was_lost_belong_to_its_intent() {
    for deaf in [true, false] {
        let world = world(2_000).await;
        if deaf {
            world.deaf().await;
        }
        world.fault(lost(true)).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Filled, shares("6")));
        assert_eq!(world.counts(order, ["SubmitStarted", "Filled"]).await, [1, 1]);
        assert_eq!((world.sends_of(order).await, world.orders_there().await), (1, 1));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_what_is_filled_at_once_or_never_is_not_sent_again_and_absent_only_after_its_hash_was_cancelled() {
    for tif in ["ioc", "fok"] {
        let world = world(400).await;
        world.fault(lost(false)).await;
        // The cancel that would prove it fails at first: until it is answered nothing is proven.
        world.fault(json!({ "kind": "status", "call": "cancel", "status": 500, "count": 2 })).await;
        let order = world.order(&Wish { tif: Some(tif), ..taking() }).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await, world.venue_order(order).await), (OrderState::NotPlaced, 1, Value::Null));
        let proven = world.story(order).await.into_iter().find_map(|event| match event {
            Event::OrderNotPlaced { cause: NotPlaced::Absent { read_through }, .. } => Some(read_through),
            _ => None,
        });
        let sent_at = record.last_sent_at.expect("it was sent");
        assert!(proven.expect("proven by a reading").ms_since(sent_at) > 400, "the venue could still have taken it");
        let cancels = places(&world, order, "cancel").await;
        assert_eq!(cancels.len(), 3, "{tif}: the hash was cancelled until that was answered, and once");
        let (order_reads, trade_reads) = (places(&world, order, "order").await, places(&world, order, "trades").await);
        assert!(order_reads.iter().any(|place| *place < cancels[0]), "looked for before");
        for reads in [order_reads, trade_reads] {
            assert!(reads.iter().any(|place| *place > cancels[2]), "{tif}: read once more after the answer");
        }
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_sale_that_was_lost_is_not_sent_again_but_asked_for_anew() {
    let world = world(400).await;
    let bought = world.order(&taking()).await;
    world.done(bought).await;
    world.settled().await;
    world.fault(lost(false)).await;
    let sale = world.order(&close("0.40")).await;
    assert_eq!((world.done(sale).await.state, world.sends_of(sale).await), (OrderState::NotPlaced, 1));
    world.until("the holding to be sold", async || world.held("yes").await.0.is_zero()).await;
    let truth = world.truth().await;
    let creates = truth["creates"].as_object().expect("creates");
    assert!(creates.len() == 3 && creates.values().all(|sends| *sends == 1), "each order once: {creates:?}");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_absent_resting_order_is_sent_again_byte_for_byte_while_its_signal_is_fresh() {
    let world = world(2_000).await;
    world.fault(lost(false)).await;
    let order = world.resting(&resting(30_000)).await;
    assert_eq!((world.sends_of(order).await, world.count_of(order, "SubmitStarted").await), (2, 2));
    let rows = world.requests("create").await;
    assert_eq!(rows[0]["body"], rows[1]["body"], "the identical order");
    let (creates, reads) = (places(&world, order, "create").await, places(&world, order, "order").await);
    assert!(reads.iter().any(|place| creates[0] < *place && *place < creates[1]), "sent blindly");
    assert!(world.place_of(order, "OrderOutcomeUnknown").await < world.place_of(order, "OrderAcked").await);
    assert_eq!(world.orders_there().await, 1);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_absent_order_is_not_sent_again_once_its_signal_is_over() {
    let world = world(600).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "processed": false })).await;
    let order = world.order(&resting(700)).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.venue_order(order).await), (OrderState::NotPlaced, Value::Null));
    let late = |event: &Event| matches!(event, Event::SubmitStarted { .. });
    let late = world.log().await.into_iter().filter(|one| late(&one.event) && one.recorded_at >= record.order.expires_at);
    assert_eq!(late.count(), 0);
    assert_eq!(world.sends_of(order).await, world.count_of(order, "SubmitStarted").await as u64, "each send is on record");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_refusal_of_a_resend_closes_nothing_while_an_earlier_attempt_is_unknown() {
    let world = world(10_000).await;
    world.deaf().await;
    // The first attempt is there, but what is read lags behind; the second one is refused.
    world.fault(lost(true)).await;
    let refused = json!({ "kind": "refuse", "call": "create", "details": "not enough balance / allowance", "skip": 1, "count": 1 });
    world.fault(refused).await;
    let order = world.resting_after_a_second_send(&resting(30_000)).await;
    assert!(world.sends_of(order).await >= 2);
    assert_eq!(world.count_of(order, "OrderRejected").await, 0);
    let refused = |event: &Event| matches!(event, Event::OrderOutcomeUnknown { attempt: 2, why, .. } if why.contains("not enough balance"));
    assert!(world.story(order).await.iter().any(refused));
    let bodies: Vec<Value> = world.requests("create").await.into_iter().map(|row| row["body"].clone()).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the identical order");
    assert_eq!((world.venue_order(order).await["status"].as_str(), world.orders_there().await), (Some("LIVE"), 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_order_that_comes_after_it_was_proven_absent_is_cancelled_and_stops_its_market() {
    let world = world(300).await;
    // It wouldn't trade at once: it rests when it comes at last.
    world.fault(json!({ "kind": "late_request", "call": "create", "ms": 6_000, "count": 1 })).await;
    let order = world.order(&open("yes", "0.49", "6", "ioc")).await;
    assert_eq!((world.done(order).await.state, world.venue_order(order).await), (OrderState::NotPlaced, Value::Null));
    world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnknownOrders))).await;
    world.until("its end", async || world.venue_order(order).await["status"] == "CANCELED").await;
    assert_eq!(world.count_of(order, "CancelRequested").await, 1);
    assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_fill_that_comes_after_its_order_was_proven_absent_is_booked_and_stops_its_market() {
    let world = world(300).await;
    world.fault(json!({ "kind": "late_request", "call": "create", "ms": 6_000, "count": 1 })).await;
    let order = world.order(&taking()).await;
    assert_eq!((world.done(order).await.state, world.venue_order(order).await), (OrderState::NotPlaced, Value::Null));
    world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnexpectedFill))).await;
    let record = world.when(order, |record| !record.filled.is_zero()).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, shares("6")));
    world.agrees().await;
    world.engine.stop().await;
}

/// What is read shows neither the order nor its trades, but the answer to the cancel says that it is there: absence is not
/// proven, however often nothing is shown.
#[tokio::test(flavor = "multi_thread")]
async fn s3_an_order_that_a_cancel_finds_held_or_matched_is_not_absent() {
    for held_ms in [0, 1_500] {
        let world = world(300).await;
        world.deaf().await;
        world.admin("/read_lag", json!({ "ms": 60_000 })).await;
        if held_ms > 0 {
            world.fault(json!({ "kind": "delayed", "call": "create", "ms": held_ms, "count": 1 })).await;
        }
        world.fault(lost(true)).await;
        let order = world.order(&taking()).await;
        world.until("two answered cancels", async || places(&world, order, "cancel").await.len() >= 2).await;
        world.admin("/read_lag", json!({ "ms": 0 })).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled, world.sends_of(order).await), (OrderState::Filled, shares("6"), 1), "{held_ms}");
        assert_eq!(world.counts(order, ["OrderNotPlaced", "Filled"]).await, [0, 1], "{held_ms}");
        assert!(world.breakers().await.is_empty());
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_5xx_never_means_rejected() {
    let world = world(400).await;
    let words = json!({ "error": "there are no matching orders" }).to_string();
    for status in [500, 502, 503, 504] {
        let fault = json!({ "kind": "status", "call": "create", "status": status, "body": words, "processed": true, "count": 1 });
        world.fault(fault).await;
        let order = world.order(&open("yes", "0.51", "5", "ioc")).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1), "{status}");
        assert_eq!(world.count_of(order, "OrderRejected").await, 0);
    }
    world.fault(json!({ "kind": "status", "call": "create", "status": 503, "body": words, "count": 1 })).await;
    let order = world.order(&open("yes", "0.51", "5", "ioc")).await;
    assert_eq!(world.done(order).await.state, OrderState::NotPlaced, "not processed: proven absent, not rejected");
    assert_eq!((world.sends_of(order).await, world.count_of(order, "OrderRejected").await), (1, 0));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_an_answer_that_breaks_off_leaves_the_order_unknown_until_it_is_found() {
    for kind in ["truncated", "empty", "broken_json", "html"] {
        let world = world(2_000).await;
        world.deaf().await;
        world.fault(json!({ "kind": kind, "call": "create", "processed": true, "count": 1 })).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1), "{kind}");
        assert_eq!(world.counts(order, ["OrderOutcomeUnknown", "Filled", "OrderRejected"]).await, [1, 1, 0], "{kind}");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_200_that_is_no_success_and_says_why_is_a_refusal() {
    let world = world(400).await;
    for kind in ["success_false", "success_but_empty_id"] {
        world.fault(json!({ "kind": kind, "call": "create", "details": "not enough balance / allowance", "count": 1 })).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.attempts, world.sends_of(order).await), (OrderState::Rejected, 1, 1), "{kind}");
        let named = |event: &Event| matches!(event, Event::OrderRejected { code, .. } if **code == *"not_enough_balance");
        assert!(world.story(order).await.iter().any(named), "{kind}");
    }
    assert_eq!((world.orders_there().await, world.cash().await.1), (0, world.cash().await.0), "nothing is reserved any more");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_200_whose_words_leave_it_open_is_looked_into() {
    let world = world(400).await;
    for (kind, details, processed) in
        [("success_false", "order timed out", true), ("success_but_empty_id", "could not run the execution", false)]
    {
        let fault = json!({ "kind": kind, "call": "create", "details": details, "processed": processed, "count": 1 });
        world.fault(fault).await;
        let order = world.order(&Wish { size: "5", ..taking() }).await;
        let expected = if processed { OrderState::Filled } else { OrderState::NotPlaced };
        assert_eq!((world.done(order).await.state, world.sends_of(order).await), (expected, 1), "{details}");
        assert_eq!(world.count_of(order, "OrderRejected").await, 0, "it says nothing certain");
    }
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_an_order_that_rests_though_it_was_refused_is_cancelled_and_stops_its_market() {
    let world = world(2_000).await;
    // The stream would have said first that it is there, and then it merely rests.
    world.deaf().await;
    let lie = json!({ "kind": "success_false", "call": "create", "details": "invalid expiration", "processed": true, "count": 1 });
    world.fault(lie).await;
    let order = world.order(&resting(30_000)).await;
    world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnknownOrders))).await;
    world.until("its end", async || world.venue_order(order).await["status"] == "CANCELED").await;
    assert_eq!(world.sends_of(order).await, 1);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_duplicated_on_a_resend_means_that_it_is_there() {
    let world = world(10_000).await;
    world.deaf().await;
    // The first attempt is there, but what is read lags behind: it is sent again and meets itself.
    world.fault(lost(true)).await;
    let order = world.resting_after_a_second_send(&resting(30_000)).await;
    assert_eq!(world.sends_of(order).await, 2);
    let seen = |event: &Event| matches!(event, Event::OrderOutcomeUnknown { attempt: 2, seen: true, .. });
    assert!(world.story(order).await.iter().any(seen));
    assert_eq!((world.count_of(order, "OrderRejected").await, world.orders_there().await), (0, 1));
    let rows = world.requests("create").await;
    assert_eq!(rows[0]["body"], rows[1]["body"], "the identical order");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_hash_that_was_seen_and_names_no_order_is_burnt() {
    let world = world(400).await;
    world.fault(json!({ "kind": "refuse", "call": "create", "details": "order 0x1 is invalid. Duplicated.", "count": 1 })).await;
    let order = world.order(&resting(30_000)).await;
    assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::NotPlaced, 1));
    let burnt = |event: &Event| matches!(event, Event::OrderNotPlaced { cause: NotPlaced::IdBurnt { .. }, .. });
    assert!(world.story(order).await.iter().any(burnt));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_names_another_order_halts_the_venue_and_the_order_is_found_by_its_own_hash() {
    for wish in [taking(), resting(30_000)] {
        let world = world(2_000).await;
        world.fault(json!({ "kind": "wrong_echo", "call": "create", "count": 1 })).await;
        let order = world.order(&wish).await;
        world.until("the venue to be halted", async || world.mode().await == VenueMode::Halted).await;
        let record = world.when(order, |record| record.venue_order_id.is_some()).await;
        assert_eq!(record.venue_order_id, record.known_as, "by the hash of what was signed");
        assert!(world.vetoed_for(&taking()).await.contains(&"venue_not_ready".to_owned()));
        assert_eq!((world.sends_of(order).await, world.orders_there().await), (1, 1));
        world.agrees().await;
        let filled = world.when(order, |_| true).await.filled;
        assert_eq!(filled, if wish.tif == Some("ioc") { shares("6") } else { Quantity::ZERO });
        world.engine.stop().await;
    }
}
