//! The answer to a send is lost, late or unreadable: the order is looked for, and sent again only where that can't double.
//!
//! S10's "200 with success=false" is Polymarket's; what Kalshi has of it is a 201 that names no order. S11 does not apply:
//! this engine sends no batches.

use arbees::app::rehearsal::{Setup, Wish};
use arbees::domain::event::{Event, NotPlaced};
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use serde_json::{Value, json};

use crate::support::World;

fn resting(ttl_ms: i64) -> Wish {
    Wish { ttl_ms, ..Wish::open("yes", "0.45", "3", "gtd") }
}

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
}

/// Short waits, so that a hanging request is given up soon.
async fn world(stale_after_ms: i64) -> World {
    let settings = vec![("KALSHI_REQUEST_TIMEOUT_MS".to_owned(), "300".to_owned())];
    World::with(Setup { settings, stale_after_ms, ..Setup::default() }).await
}

/// Without the stream's news of fills and orders: REST alone has to find out.
async fn deaf(world: &World) {
    for channel in ["fill", "user_orders"] {
        world.fault(json!({ "kind": "ws_drop", "channel": channel })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_resting_order_whose_ack_was_lost_is_found_by_its_client_id() {
    for how in ["hang", "reset"] {
        let world = world(2_000).await;
        deaf(&world).await;
        world.fault(json!({ "kind": "no_reply", "call": "create", "how": how, "count": 1 })).await;
        let order = world.resting(&resting(30_000)).await;
        let at_venue = world.venue_order(order).await;
        assert_eq!(at_venue["status"], "resting");
        let record = world.when(order, |record| record.venue_order_id.is_some()).await;
        assert_eq!(record.venue_order_id.expect("a name").as_str(), at_venue["order_id"]);
        assert_eq!((world.sends_of(order).await, record.attempts), (1, 1), "{how}");
        assert_eq!(world.stage.truth().await.expect("truth")["orders"].as_object().map(|orders| orders.len()), Some(1));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_fills_of_an_order_whose_ack_was_lost_belong_to_its_intent() {
    let world = world(2_000).await;
    deaf(&world).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "how": "reset", "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(3)));
    assert_eq!(
        (world.sends_of(order).await, world.count_of(order, "OrderOutcomeUnknown").await, world.count_of(order, "Filled").await),
        (1, 1, 1)
    );
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_a_fill_heard_on_the_stream_names_the_order_whose_ack_was_lost() {
    let world = world(2_000).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "how": "reset", "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    let record = world.when(order, |record| record.venue_order_id.is_some()).await;
    assert_eq!(record.venue_order_id.expect("a name").as_str(), world.venue_order(order).await["order_id"]);
    // What is read by REST names only the venue's order: without the name no reading would ever be complete.
    let world = world.restarted().await;
    assert_eq!((world.sends_of(order).await, world.count_of(order, "Filled").await), (1, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_order_that_cannot_rest_is_absent_only_after_the_proof_window_and_never_sent_again() {
    let world = world(400).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "how": "reset", "processed": false, "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await, world.venue_order(order).await), (OrderState::NotPlaced, 1, Value::Null));
    let sent_at = record.last_sent_at.expect("it was sent");
    let proven = world.story(order).await.into_iter().find_map(|event| match event {
        Event::OrderNotPlaced { cause: NotPlaced::Absent { read_through }, .. } => Some(read_through),
        _ => None,
    });
    assert!(proven.expect("proven by a reading").ms_since(sent_at) > 400 + 2_000, "the venue could still have taken it");
    let listings = world.requests("orders").await.iter().filter(|row| row["target"].as_str().unwrap_or("").contains("ticker=")).count();
    assert!(listings >= 2, "looked once only");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_absent_resting_order_is_sent_again_under_the_same_id_while_its_signal_is_fresh() {
    let world = world(2_000).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "how": "reset", "processed": false, "count": 1 })).await;
    let order = world.resting(&resting(30_000)).await;
    assert_eq!((world.sends_of(order).await, world.count_of(order, "SubmitStarted").await), (2, 2));
    let rows = world.requests("create").await;
    assert_eq!(rows[0]["body"], rows[1]["body"], "the identical order");
    assert!(world.place_of(order, "OrderOutcomeUnknown").await < world.place_of(order, "OrderAcked").await);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_an_absent_order_is_not_sent_again_once_its_signal_is_over() {
    let world = world(2_000).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "processed": false })).await;
    let order = world.order(&resting(700)).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.venue_order(order).await), (OrderState::NotPlaced, Value::Null));
    let late = world
        .log()
        .await
        .into_iter()
        .filter(|recorded| matches!(recorded.event, Event::SubmitStarted { .. }) && recorded.recorded_at >= record.order.expires_at);
    assert_eq!(late.count(), 0);
    assert_eq!(world.sends_of(order).await, world.count_of(order, "SubmitStarted").await as u64, "each send is on record");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_5xx_never_means_rejected() {
    let world = world(400).await;
    for status in [500, 502, 503, 504] {
        world.fault(json!({ "kind": "status", "call": "create", "status": status, "processed": true, "count": 1 })).await;
        let order = world.order(&Wish { size: "1", ..taking() }).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1), "{status}");
        assert_eq!(world.count_of(order, "OrderRejected").await, 0);
    }
    world.fault(json!({ "kind": "status", "call": "create", "status": 503, "count": 1 })).await;
    let order = world.order(&taking()).await;
    assert_eq!(world.done(order).await.state, OrderState::NotPlaced, "not processed: proven absent, not rejected");
    assert_eq!((world.sends_of(order).await, world.count_of(order, "OrderRejected").await), (1, 0));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_an_answer_that_breaks_off_leaves_the_order_unknown_until_it_is_found() {
    let world = world(2_000).await;
    deaf(&world).await;
    world.fault(json!({ "kind": "truncated", "call": "create", "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1));
    assert!(world.place_of(order, "OrderOutcomeUnknown").await < world.place_of(order, "OrderAcked").await);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_201_that_names_no_order_is_no_acknowledgement() {
    let world = world(400).await;
    let refused_in_a_201 = json!({ "error": { "code": "insufficient_balance", "message": "no" } }).to_string();
    for processed in [true, false] {
        let fault =
            json!({ "kind": "broken_json", "call": "create", "status": 201, "body": refused_in_a_201, "processed": processed, "count": 1 });
        world.fault(fault).await;
        let order = world.order(&Wish { size: "1", ..taking() }).await;
        let expected = if processed { OrderState::Filled } else { OrderState::NotPlaced };
        assert_eq!((world.done(order).await.state, world.sends_of(order).await), (expected, 1));
        assert_eq!(world.count_of(order, "OrderRejected").await, 0, "it says nothing certain");
    }
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_duplicate_client_id_on_resend_attaches() {
    let world = world(10_000).await;
    deaf(&world).await;
    // The first attempt is there, but what is read lags behind: it is sent again and meets itself.
    world.fault(json!({ "kind": "no_reply", "call": "create", "how": "reset", "count": 1 })).await;
    let order = world.resting_after_a_second_send(&resting(30_000)).await;
    assert_eq!(world.sends_of(order).await, 2);
    let seen = world.story(order).await.into_iter().any(|event| matches!(event, Event::OrderOutcomeUnknown { attempt: 2, seen: true, .. }));
    assert!(seen);
    assert_eq!(world.count_of(order, "OrderRejected").await, 0);
    assert_eq!(world.stage.truth().await.expect("truth")["orders"].as_object().map(|orders| orders.len()), Some(1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_an_id_that_was_seen_and_names_no_order_is_burnt() {
    let world = world(400).await;
    let seen = json!({ "kind": "refuse", "call": "create", "status": 409, "code": "order_already_exists", "count": 1 });
    world.fault(seen).await;
    let order = world.order(&taking()).await;
    assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::NotPlaced, 1));
    let burnt = |event: &Event| matches!(event, Event::OrderNotPlaced { cause: NotPlaced::IdBurnt { .. }, .. });
    assert!(world.story(order).await.iter().any(burnt));
    world.agrees().await;
    world.engine.stop().await;
}
