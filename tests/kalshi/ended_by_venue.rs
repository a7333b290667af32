//! Orders that the venue ends by itself: pauses, self-trade prevention, the website, the order group's fuse.

use arbees::app::rehearsal::{TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::OrderId;
use arbees::domain::market::Venue;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::verdict::Reason;
use arbees::engine::Command;
use serde_json::json;

use crate::support::World;

fn resting() -> Wish {
    Wish::open("yes", "0.45", "3", "gtd")
}

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
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
async fn s44_a_pause_of_the_market_cancels_with_its_cause() {
    let world = World::new().await;
    let order = world.resting(&resting()).await;
    for status in ["inactive", "active"] {
        world.admin(&format!("/markets/{TICKER}/status"), json!({ "status": status })).await;
    }
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled, world.sends_of(order).await), (OrderState::Canceled, Quantity::ZERO, 1));
    assert_eq!(cause(&world, order).await, "HaltCancel");
    assert!(world.requests("cancel").await.is_empty());
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s44_an_order_that_would_trade_with_ourselves_is_cancelled_by_the_venue() {
    let world = World::set(&[("ALLOW_HEDGING", "true")], true).await;
    let own = world.resting(&Wish::open("yes", "0.49", "3", "gtd")).await;
    // Selling YES at 0.49, by buying NO at 0.51, would meet our own bid.
    let order = world.order(&Wish::open("no", "0.51", "2", "gtd")).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled, world.sends_of(order).await), (OrderState::Canceled, Quantity::ZERO, 1));
    assert_eq!(world.when(own, |_| true).await.state, OrderState::Working);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s44_an_order_cancelled_on_the_website_ends_here_too() {
    for stream in [true, false] {
        let world = World::set(&[("KALSHI_RECONCILE_EVERY_MS", "500")], stream).await;
        let order = world.resting(&resting()).await;
        world.hit_order(order, "1").await;
        world.admin("/website/cancel", json!({ "client_order_id": order.client_order_id().to_string() })).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::whole(1)), "stream: {stream}");
        assert!(!cause(&world, order).await.contains("by us"));
        world.agrees().await;
        world.engine.stop().await;
    }
}

fn fuse_breaker() -> (Scope, Reason) {
    (Scope::Venue(Venue::Kalshi), Reason::FuseBlown)
}

async fn fuse_blown(world: &World) {
    world.until("the breaker of the fuse", async || world.breakers().await.contains(&fuse_breaker())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s118_a_blown_order_group_trips_the_venues_breaker_until_an_operator_resets_it() {
    let world = World::set(&[("KALSHI_FUSE_CONTRACTS", "5")], true).await;
    let waiting = world.resting(&resting()).await;
    for _ in 0..2 {
        let order = world.order(&taking()).await;
        assert_eq!(world.done(order).await.state, OrderState::Filled);
    }
    fuse_blown(&world).await;
    assert_eq!(world.done(waiting).await.state, OrderState::Canceled, "the venue cancels what rests in the group");
    assert_eq!(world.venue_order(waiting).await["status"], "canceled");
    assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
    let close = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closes carry no group");
    assert_eq!(close.filled, Quantity::whole(6));
    world.agrees().await;

    // A restart alone resumes nothing.
    let world = world.restarted().await;
    assert!(world.breakers().await.contains(&fuse_breaker()));
    assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
    reset(&world).await;
    let order = world.order(&taking()).await;
    assert_eq!(world.done(order).await.state, OrderState::Filled);
    world.agrees().await;
    world.engine.stop().await;
}

/// An operator closes the breaker, later than any approval from before lives.
async fn reset(world: &World) {
    let blown = world.stage.now();
    world.until("approvals from before to be over", async || world.stage.now().ms_since(blown) > 1_000).await;
    let reset = Command::ResetBreaker { scope: Scope::Venue(Venue::Kalshi), reason: "looked at".to_owned() };
    world.engine.engine.operator("test", reset).await.expect("reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn s118_a_fuse_that_blew_while_nobody_ran_stops_opens_after_the_start() {
    let world = World::set(&[("KALSHI_FUSE_CONTRACTS", "4")], true).await;
    let orders = [world.resting(&resting()).await, world.resting(&resting()).await];
    let world = world
        .restarted_after(async |stage| {
            for order in orders {
                let named = json!({ "client_order_id": order.client_order_id().to_string(), "quantity": "2" });
                stage.admin("POST", "/hit", named).await.expect("a fill");
            }
        })
        .await;
    let refused = world.order(&taking()).await;
    assert_eq!(world.done(refused).await.state, OrderState::Rejected);
    fuse_blown(&world).await;
    for order in orders {
        assert_eq!(world.done(order).await.state, OrderState::Canceled);
    }
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s118_after_the_reset_by_an_operator_the_fuse_guards_anew() {
    let world = World::set(&[("KALSHI_FUSE_CONTRACTS", "3")], true).await;
    let first = world.order(&taking()).await;
    world.done(first).await;
    fuse_blown(&world).await;
    reset(&world).await;
    let second = world.resting(&Wish { size: "2", ..resting() }).await;
    let (old, new) = (world.venue_order(first).await, world.venue_order(second).await);
    assert!(old["order_group_id"].is_string(), "{old}");
    assert_eq!(old["order_group_id"], new["order_group_id"]);
    world.hit_order(second, "2").await;
    world.done(second).await;
    assert!(world.breakers().await.is_empty(), "two of three since the reset");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s118_without_the_stream_the_refusal_of_the_next_open_tells() {
    let world = World::set(&[("KALSHI_FUSE_CONTRACTS", "3")], false).await;
    let first = world.order(&taking()).await;
    world.done(first).await;
    let second = world.order(&taking()).await;
    let record = world.done(second).await;
    assert_eq!((record.state, world.sends_of(second).await), (OrderState::Rejected, 1));
    fuse_blown(&world).await;
    assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
    world.agrees().await;
    world.engine.stop().await;
}
