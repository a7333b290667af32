//! Cancels: what races them, what loses their answers, what they wait for.
//!
//! S41 and S42 do not apply: this engine neither replaces nor amends; a new price is a new signal.

use arbees::app::rehearsal::Wish;
use arbees::domain::event::Event;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::json;

use crate::support::World;

fn resting() -> Wish {
    Wish::open("yes", "0.45", "3", "gtd")
}

/// A short patience, and the account read so seldom that cancels have to help themselves.
async fn world() -> World {
    World::set(&[("KALSHI_REQUEST_TIMEOUT_MS", "300"), ("KALSHI_RECONCILE_EVERY_MS", "60000")], true).await
}

async fn deaf(world: &World) {
    for channel in ["fill", "user_orders"] {
        world.fault(json!({ "kind": "ws_drop", "channel": channel })).await;
    }
}

async fn cancel_all(world: &World) {
    world.engine.engine.operator("test", Command::CancelAll).await.expect("cancels");
}

#[tokio::test(flavor = "multi_thread")]
async fn s36_a_cancel_that_a_full_fill_outran_ends_filled() {
    for hears in [true, false] {
        let world = world().await;
        let order = world.resting(&resting()).await;
        if !hears {
            deaf(&world).await;
        }
        world.fault(json!({ "kind": "cancel_fills", "count": 1 })).await;
        cancel_all(&world).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(3)));
        assert_eq!((world.count_of(order, "Filled").await, world.count_of(order, "OrderCanceled").await), (1, 0));
        assert_eq!(world.requests("cancel").await[0]["status"], 404);
        assert!(world.breakers().await.is_empty(), "a race is no error");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s37_a_cancel_that_a_partial_fill_outran_keeps_the_fill_and_cancels_the_rest() {
    let world = world().await;
    let order = world.resting(&resting()).await;
    world.fault(json!({ "kind": "cancel_fills", "quantity": "1", "count": 1 })).await;
    cancel_all(&world).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled, record.venue_filled), (OrderState::Canceled, Quantity::whole(1), Quantity::whole(1)));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s38_a_fill_that_is_told_after_the_cancel_is_still_booked() {
    let world = world().await;
    let order = world.resting(&resting()).await;
    deaf(&world).await;
    world.fault(json!({ "kind": "stale_read", "call": "fills", "ms": 900 })).await;
    world.fault(json!({ "kind": "cancel_fills", "quantity": "1", "count": 1 })).await;
    cancel_all(&world).await;
    let ended = world.when(order, |record| record.state == OrderState::Canceled).await;
    assert_eq!((ended.filled, ended.outstanding()), (Quantity::ZERO, Quantity::whole(1)), "one is known to come");
    assert!(!ended.reserved().is_zero(), "and is still paid for");
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::whole(1)));
    assert!(world.place_of(order, "OrderCanceled").await < world.place_of(order, "Filled").await);
    assert!(world.breakers().await.is_empty());
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s39_a_cancel_without_an_answer_is_repeated_until_it_is_proven() {
    for processed in [false, true] {
        let world = world().await;
        let order = world.resting(&resting()).await;
        deaf(&world).await;
        world.fault(json!({ "kind": "no_reply", "call": "cancel", "processed": processed, "count": 2 })).await;
        cancel_all(&world).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO), "{processed}");
        assert_eq!((world.count_of(order, "CancelRequested").await, world.count_of(order, "OrderCanceled").await), (1, 1));
        assert_eq!(world.requests("cancel").await.len(), 3);
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_a_cancel_wanted_while_the_submit_is_unknown_waits_for_the_orders_name() {
    let world = world().await;
    deaf(&world).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "count": 1 })).await;
    let order = world.order(&resting()).await;
    world.until("the order to be at the venue", async || !world.venue_order(order).await.is_null()).await;
    cancel_all(&world).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Canceled, 1));
    assert!(world.place_of(order, "CancelRequested").await < world.place_of(order, "OrderAcked").await);
    let cancels = world.requests("cancel").await;
    let name = record.venue_order_id.expect("a name");
    assert!(cancels.iter().all(|row| row["target"].as_str().is_some_and(|target| target.contains(name.as_str()))), "{cancels:?}");
    assert_eq!(cancels.len(), 1);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_an_unknown_order_that_is_to_be_cancelled_is_not_sent_again() {
    let world = world().await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "processed": false, "count": 1 })).await;
    let order = world.order(&Wish { ttl_ms: 1_500, ..resting() }).await;
    cancel_all(&world).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::NotPlaced, 1));
    assert!(world.requests("cancel").await.is_empty(), "there was never a name to cancel");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s45_cancel_all_goes_on_until_nothing_is_open_while_new_orders_are_fenced() {
    let world = world().await;
    let mut orders = Vec::new();
    for price in ["0.44", "0.45", "0.46"] {
        orders.push(world.resting(&Wish::open("yes", price, "3", "gtd")).await);
    }
    // Of three cancels one is carried out, one is not and one is without its answer.
    world.fault(json!({ "kind": "status", "call": "cancel", "status": 503, "count": 1 })).await;
    world.fault(json!({ "kind": "no_reply", "call": "cancel", "how": "reset", "skip": 1, "count": 1 })).await;
    world.engine.engine.operator("test", Command::Kill { reason: "a test".to_owned() }).await.expect("killed");
    assert!(world.vetoed_for(&resting()).await.contains(&"killed".to_owned()));
    for order in orders {
        assert_eq!(world.done(order).await.state, OrderState::Canceled);
        assert_eq!(world.venue_order(order).await["status"], "canceled");
    }
    world.agrees().await;
    assert_eq!(world.requests("create").await.len(), 3, "nothing new while the kill is on");
    let kills = world.log().await.iter().filter(|recorded| matches!(recorded.event, Event::KillSet { .. })).count();
    assert_eq!(kills, 1);
    world.engine.stop().await;
}
