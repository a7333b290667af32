//! Definite answers to a send: typed refusals, rate limits, pauses, and orders that trade nothing.

use arbees::app::rehearsal::{TICKER, Wish};
use arbees::domain::event::Event;
use arbees::domain::market::Venue;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::{Value, json};

use crate::support::World;

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
}

async fn mode(world: &World) -> VenueMode {
    let mode = world.engine.engine.query(|engine| engine.book().venues.mode(Venue::Kalshi)).await;
    mode.expect("an engine")
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_typed_refusal_rejects_releases_and_is_not_tried_again() {
    let world = World::set(&[("MAX_CONSECUTIVE_ERRORS", "100")], true).await;
    let refusals =
        [(400, "insufficient_balance"), (400, "invalid_price"), (404, "market_not_found"), (410, "deprecated_v1_order_endpoint")];
    for (status, code) in refusals {
        world.fault(json!({ "kind": "refuse", "call": "create", "status": status, "code": code, "count": 1 })).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await, record.attempts), (OrderState::Rejected, 1, 1), "{status} {code}");
        assert!(record.ended.expect("why").contains(code));
        let named = |event: &Event| matches!(event, Event::OrderRejected { code: heard, .. } if **heard == *code);
        assert!(world.story(order).await.iter().any(named));
    }
    let reserved = world.engine.engine.query(|engine| engine.book().cash.account(Venue::Kalshi).map(|account| account.reserved)).await;
    assert_eq!(reserved.flatten(), Some(Usd::ZERO));
    assert_eq!(world.stage.truth().await.expect("truth")["orders"], json!({}));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_403_of_the_key_rejects_the_order_and_halts_the_venue() {
    let world = World::new().await;
    world.fault(json!({ "kind": "refuse", "call": "create", "status": 403, "code": "insufficient_scope", "count": 1 })).await;
    let order = world.order(&taking()).await;
    assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::Rejected, 1));
    world.until("the venue to be halted", async || mode(&world).await == VenueMode::Halted).await;
    assert!(world.vetoed_for(&taking()).await.contains(&"venue_not_ready".to_owned()));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_429_is_a_refusal_after_which_the_same_order_goes_again() {
    let world = World::new().await;
    world.fault(json!({ "kind": "too_many_requests", "call": "create", "count": 2 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 3));
    assert_eq!(
        (world.count_of(order, "SubmitStarted").await, world.count_of(order, "OrderOutcomeUnknown").await),
        (3, 0),
        "each send on record"
    );
    let bodies: Vec<Value> = world.requests("create").await.into_iter().map(|row| row["body"].clone()).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the identical order");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_what_a_rate_limit_holds_up_past_its_signal_is_not_sent() {
    let world = World::new().await;
    world.fault(json!({ "kind": "too_many_requests", "call": "create" })).await;
    let order = world.order(&Wish { ttl_ms: 600, ..taking() }).await;
    let record = world.done(order).await;
    assert_eq!(record.state, OrderState::NotPlaced);
    assert!(record.last_sent_at < Some(record.order.expires_at), "sent, or said to be, after its end");
    world.stage.heal().await.expect("healed");
    assert_eq!(world.venue_order(order).await, Value::Null);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_pause_blocks_opens_allows_cancels_and_ends_with_a_reconciliation() {
    let world = World::new().await;
    let resting = world.resting(&Wish::open("yes", "0.45", "3", "gtd")).await;
    world.admin("/exchange", json!({ "trading_active": false })).await;
    let refused = world.order(&taking()).await;
    assert_eq!((world.done(refused).await.state, world.sends_of(refused).await), (OrderState::Rejected, 1));
    world.until("cancels only", async || mode(&world).await == VenueMode::CancelOnly).await;
    assert!(world.vetoed_for(&taking()).await.contains(&"venue_not_ready".to_owned()));
    let done = world.engine.engine.operator("test", arbees::engine::Command::CancelAll).await;
    done.expect("cancels are allowed");
    assert_eq!(world.done(resting).await.state, OrderState::Canceled);

    world.admin("/exchange", json!({ "trading_active": true })).await;
    world.until("the venue to be open again", async || world.stage.is_open(&world.engine).await).await;
    let modes: Vec<VenueMode> = world
        .log()
        .await
        .into_iter()
        .filter_map(|recorded| match recorded.event {
            Event::VenueModeChanged { venue: Venue::Kalshi, mode, .. } => Some(mode),
            _ => None,
        })
        .collect();
    let tail = &modes[modes.len() - 3..];
    assert_eq!(tail, [VenueMode::CancelOnly, VenueMode::Reconciling, VenueMode::Open]);
    let order = world.order(&taking()).await;
    assert_eq!(world.done(order).await.state, OrderState::Filled);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_an_order_that_takes_nothing_or_a_part_ends_and_its_rest_is_not_sent_again() {
    let world = World::new().await;
    let nothing = world.order(&Wish::open("yes", "0.49", "3", "ioc")).await;
    let record = world.done(nothing).await;
    assert_eq!((record.state, record.filled, world.sends_of(nothing).await), (OrderState::Canceled, Quantity::ZERO, 1));
    world.admin(&format!("/markets/{TICKER}/book"), json!({ "bids": [["0.48", "10"]], "asks": [["0.50", "2"]] })).await;
    let part = world.order(&Wish { size: "5", ..taking() }).await;
    let record = world.done(part).await;
    assert_eq!((record.state, record.filled, world.sends_of(part).await), (OrderState::Canceled, Quantity::whole(2), 1));
    world.agrees().await;
    let truth = world.stage.truth().await.expect("truth");
    assert_eq!(truth["orders"].as_object().map(|orders| orders.len()), Some(2), "no order for the rest");
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_an_order_that_comes_late_is_in_flight_until_it_is_known_to_have_ended() {
    let world = World::set(&[("KALSHI_REQUEST_TIMEOUT_MS", "300")], true).await;
    world.fault(json!({ "kind": "late_request", "call": "create", "ms": 900, "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.when(order, |record| record.state == OrderState::Unknown).await;
    assert_eq!(world.venue_order(order).await, Value::Null, "it is still on its way");
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1));
    world.agrees().await;
    world.engine.stop().await;
}

fn stale(count: u32) -> Value {
    json!({ "kind": "refuse", "call": "create", "status": 401, "code": "header_timestamp_expired", "count": count })
}

#[tokio::test(flavor = "multi_thread")]
async fn s85_a_timestamp_found_too_old_is_signed_anew_once_as_an_attempt_of_its_own() {
    let world = World::new().await;
    world.fault(stale(1)).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await, record.attempts), (OrderState::Filled, 2, 2), "{record:?}");
    world.fault(stale(2)).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await, record.attempts), (OrderState::Rejected, 2, 2), "{record:?}");
    world.agrees().await;
    world.engine.stop().await;
}
