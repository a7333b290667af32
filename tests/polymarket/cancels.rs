//! Cancels: what races them, what loses their answers, what the venue ends by itself (S36-S40, S44, S45).
//!
//! S41 and S42 do not apply: this engine neither replaces nor amends; a new price is a new signal.

use arbees::app::rehearsal::{Setup, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::OrderId;
use arbees::domain::market::Venue;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::json;

use crate::look::{Look, open, resting, whole};
use crate::support::World;

fn lies() -> Wish {
    resting("0.45", "6")
}

/// A short patience, and the account read so seldom that cancels have to help themselves.
async fn world() -> World {
    World::set(&[("POLY_REQUEST_TIMEOUT_MS", "300"), ("POLY_RECONCILE_EVERY_MS", "4000")], true).await
}

async fn deaf(world: &World) {
    for channel in ["trade", "order"] {
        world.fault(json!({ "kind": "ws_drop", "channel": channel })).await;
    }
}

/// Why the log says that an order was cancelled.
async fn cause(world: &World, order: OrderId) -> String {
    let cause = world.story(order).await.into_iter().find_map(|event| match event {
        Event::OrderCanceled { cause, .. } => Some(cause.to_string()),
        _ => None,
    });
    cause.expect("a cancellation")
}

#[tokio::test(flavor = "multi_thread")]
async fn s36_a_cancel_that_a_full_fill_outran_ends_filled() {
    for hears in [true, false] {
        let world = world().await;
        let order = world.resting(&lies()).await;
        if !hears {
            deaf(&world).await;
        }
        world.fault(json!({ "kind": "cancel_fills", "count": 1 })).await;
        world.cancel_all().await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Filled, whole(6)), "hears: {hears}");
        assert_eq!((world.count_of(order, "Filled").await, world.count_of(order, "OrderCanceled").await), (1, 0));
        assert!(world.breakers().await.is_empty(), "a race is no error");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s37_a_cancel_that_a_partial_fill_outran_keeps_the_fill_and_cancels_the_rest() {
    let world = world().await;
    let order = world.resting(&lies()).await;
    world.fault(json!({ "kind": "cancel_fills", "quantity": "1", "count": 1 })).await;
    world.cancel_all().await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled, record.venue_filled), (OrderState::Canceled, whole(1), whole(1)));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s38_a_fill_that_is_told_after_the_cancel_is_still_booked() {
    let world = world().await;
    let order = world.resting(&lies()).await;
    deaf(&world).await;
    world.fault(json!({ "kind": "stale_read", "call": "trades", "ms": 900 })).await;
    world.fault(json!({ "kind": "cancel_fills", "quantity": "1", "count": 1 })).await;
    world.cancel_all().await;
    let ended = world.when(order, |record| record.state == OrderState::Canceled).await;
    assert_eq!((ended.filled, ended.outstanding()), (Quantity::ZERO, whole(1)), "one is known to come");
    assert!(!ended.reserved().is_zero(), "and is still paid for");
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Canceled, whole(1)));
    assert!(world.place_of(order, "OrderCanceled").await < world.place_of(order, "Filled").await);
    assert!(world.breakers().await.is_empty());
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s39_a_cancel_without_an_answer_is_repeated_until_it_is_proven() {
    for processed in [false, true] {
        let world = world().await;
        let order = world.resting(&lies()).await;
        deaf(&world).await;
        world.fault(json!({ "kind": "no_reply", "call": "cancel", "processed": processed, "count": 2 })).await;
        world.cancel_all().await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO), "{processed}");
        assert_eq!((world.count_of(order, "CancelRequested").await, world.count_of(order, "OrderCanceled").await), (1, 1));
        let cancels = world.calls("cancel").await;
        // One that was carried out may be found so by the look-up before it is repeated.
        assert!(cancels == 3 || processed && cancels >= 1, "{cancels}");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_a_cancel_wanted_while_the_submit_is_unknown_names_the_hash_of_what_was_signed() {
    let world = world().await;
    deaf(&world).await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "count": 1 })).await;
    let order = world.order(&lies()).await;
    world.until("the order to be at the venue", async || !world.venue_order(order).await.is_null()).await;
    world.cancel_all().await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Canceled, 1));
    let (cancels, name) = (world.requests("cancel").await, world.name_of(order).await);
    assert!(!cancels.is_empty() && cancels.iter().all(|row| row["body"].as_str().is_some_and(|body| body.contains(&name))), "{cancels:?}");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_an_unknown_order_that_is_to_be_cancelled_is_not_sent_again() {
    let world = world().await;
    world.fault(json!({ "kind": "no_reply", "call": "create", "processed": false, "count": 1 })).await;
    let order = world.order(&lies()).await;
    world.cancel_all().await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::NotPlaced, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s44_what_the_venue_cancels_ends_here_with_its_cause_and_is_not_placed_again() {
    for (what, word) in [("cancel_resting", "CANCELED"), ("status", "CANCELED_MARKET_RESOLVED")] {
        for stream in [true, false] {
            let world = World::with(Setup { stream, ..Setup::default() }).await;
            let order = world.resting(&lies()).await;
            world.hit_order(order, "1").await;
            let body = if what == "status" { json!({ "status": "closed" }) } else { json!({}) };
            world.market(what, body).await;
            let record = world.done(order).await;
            assert_eq!((record.state, record.filled, world.sends_of(order).await), (OrderState::Canceled, whole(1), 1), "{what} {stream}");
            let said = cause(&world, order).await;
            assert!(!said.contains("by us"), "{said}");
            assert!(what != "status" || !stream || said.contains(word), "{said}");
            assert_eq!(world.calls("cancel").await, 0);
            world.agrees().await;
            world.engine.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s44_an_order_cancelled_on_the_website_ends_here_too() {
    for stream in [true, false] {
        let world = World::with(Setup { stream, ..Setup::default() }).await;
        let order = world.resting(&lies()).await;
        world.hit_order(order, "1").await;
        world.admin("/website/cancel", json!({ "order_id": world.name_of(order).await })).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Canceled, whole(1)), "stream: {stream}");
        assert!(!cause(&world, order).await.contains("by us"));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s44_s70_money_that_leaves_ends_the_orders_it_paid_for_and_stops_the_venue() {
    let world = World::new().await;
    let order = world.resting(&lies()).await;
    world.admin("/cash", json!({ "amount": "-999" })).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO));
    let scope = Scope::Venue(Venue::Polymarket);
    world.until("the breaker", async || world.is_tripped(scope.clone()).await).await;
    assert!(world.vetoed(&open("yes", "0.50", "6", "ioc")).await.contains(&"breaker_open".to_owned()));
    world.admin("/cash", json!({ "amount": "999" })).await;
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s45_cancel_all_goes_on_until_nothing_is_open_while_new_orders_are_fenced() {
    let world = world().await;
    let mut orders = Vec::new();
    for price in ["0.44", "0.45", "0.46"] {
        orders.push(world.rests(price, "6").await);
    }
    // Of three cancels one is carried out, one is not and one is without its answer.
    world.fault(json!({ "kind": "status", "call": "cancel", "status": 503, "count": 1 })).await;
    world.fault(json!({ "kind": "no_reply", "call": "cancel", "how": "reset", "skip": 1, "count": 1 })).await;
    world.command(Command::Kill { reason: "a test".to_owned() }).await.expect("killed");
    assert!(world.vetoed(&lies()).await.contains(&"killed".to_owned()));
    for order in orders {
        assert_eq!(world.done(order).await.state, OrderState::Canceled);
        assert_eq!(world.venue_order(order).await["status"], "CANCELED");
    }
    world.agrees().await;
    assert_eq!(world.calls("create").await, 3, "nothing new while the kill is on");
    assert_eq!(world.count(|event| matches!(event, Event::KillSet { .. })).await, 1);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_time_is_over_is_cancelled_by_us_long_before_the_venue_would() {
    let world = World::new().await;
    let order = world.order(&Wish { ttl_ms: 1_500, ..lies() }).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO));
    assert!(record.order.venue_expires_at >= record.order.expires_at.plus_ms(100_000), "the venue's own expiry is the net below");
    assert_eq!((world.calls("cancel").await, world.venue_order(order).await["status"].clone()), (1, json!("CANCELED")));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_immediate_order_leaves_is_cancelled_at_once() {
    for stream in [true, false] {
        let world = World::with(Setup { stream, ..Setup::default() }).await;
        let order = world.order(&open("yes", "0.50", "15", "ioc")).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Canceled, whole(10)), "stream: {stream}");
        assert_eq!((world.calls("cancel").await, world.sends_of(order).await), (1, 1));
        let none = world.order(&open("yes", "0.49", "6", "ioc")).await;
        assert_eq!(
            (world.done(none).await.state, world.venue_order(none).await["status"].clone()),
            (OrderState::Canceled, json!("CANCELED"))
        );
        world.agrees().await;
        world.engine.stop().await;
    }
}
