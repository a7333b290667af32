//! Others trade on the account, and the venue says otherwise than the log (S27, S90, S91).

use arbees::app::rehearsal::{Book, Setup, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::market::Venue;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::look::{Look, close, diverged, key_of, open, theirs, whole};
use crate::support::{Polymarket, SLUG, World};

const OTHER: &str = "rehearsal-26nov24-b";

fn two_markets() -> Setup<Polymarket> {
    Setup { markets: vec![Book::usual(SLUG), Book::usual(OTHER)], ..Setup::default() }
}

fn told(event: &Event) -> Option<(String, String, String)> {
    match event {
        Event::ReconciliationDiverged { what, ours, theirs, .. } => Some((what.to_string(), ours.to_string(), theirs.to_string())),
        _ => None,
    }
}

async fn tripped(world: &World, scope: Scope) {
    world.until("the breaker", async || world.is_tripped(scope.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_shares_that_came_from_elsewhere_are_told_with_their_amount_and_stop_their_market_only() {
    let world = World::with(two_markets()).await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    let (key, token) = (key_of(&world, "yes"), world.stage.venue.markets[SLUG].tokens[0].clone());
    world.admin("/tokens", json!({ "token": token, "amount": "2" })).await;
    assert_eq!(world.logged("the divergence", told).await, (format!("position {token}"), "6".to_owned(), "8".to_owned()));
    let scope = Scope::Market(key);
    tripped(&world, scope.clone()).await;
    assert!(!world.is_tripped(Scope::Venue(Venue::Polymarket)).await);
    assert_eq!(world.holding("yes").await, whole(6), "nothing is invented");
    assert_eq!(world.vetoed(&open("yes", "0.51", "6", "ioc")).await, ["breaker_open"]);
    let elsewhere = Wish { ticker: OTHER.to_owned(), ..open("yes", "0.50", "6", "ioc") };
    assert_eq!(world.trades(&elsewhere).await.state, OrderState::Filled, "the other market trades");
    world.admin("/tokens", json!({ "token": token, "amount": "-2" })).await;
    world.called_again("balance", 9).await;
    assert!(world.is_tripped(scope.clone()).await, "a person closes it");
    assert_eq!(world.count(diverged).await, 1, "told once");
    world.reset(scope).await;
    world.buys("yes", "0.51", "6").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_cash_that_differs_stops_the_venue_and_closes_still_flow() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    world.admin("/cash", json!({ "amount": "-100" })).await;
    let (what, ..) = world.logged("the divergence", told).await;
    assert_eq!(what, "cash");
    tripped(&world, Scope::Venue(Venue::Polymarket)).await;
    assert_eq!(world.vetoed(&open("yes", "0.51", "6", "ioc")).await, ["breaker_open"]);
    assert_eq!(world.trades(&close("yes", "0.40")).await.state, OrderState::Filled, "closes still flow");
    world.admin("/cash", json!({ "amount": "100" })).await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_s91_a_trade_on_the_website_is_taken_into_position_and_cash_and_stops_its_market() {
    for stream in [true, false] {
        let world = World::with(Setup { stream, ..two_markets() }).await;
        world.buys("yes", "0.50", "6").await;
        world.admin("/website/order", theirs("buy", "0.51", "7", "FAK")).await;
        world.holds("yes", whole(13)).await;
        world.agrees().await;
        assert_eq!(world.count(|event| matches!(event, Event::ExternalOrderSeen { .. })).await, 1);
        let scope = Scope::Market(key_of(&world, "yes"));
        tripped(&world, scope.clone()).await;
        assert_eq!(world.vetoed(&open("yes", "0.51", "6", "ioc")).await, ["breaker_open"]);
        world.settled().await;
        world.reset(scope).await;
        assert_eq!(world.trades(&close("yes", "0.40")).await.filled, whole(13), "theirs is held, too; stream: {stream}");
        world.agrees().await;
        assert_eq!(world.count(diverged).await, 0);
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_a_trade_on_the_website_in_a_market_we_never_saw_is_found() {
    for stream in [true, false] {
        let world = World::with(Setup { stream, ..two_markets() }).await;
        world
            .admin("/website/order", json!({ "market": OTHER, "side": "buy", "price": "0.50", "quantity": "7", "order_type": "FAK" }))
            .await;
        let key = world.stage.venue.book_key(OTHER, "yes");
        world.until("it to be held", async || world.held_of(&key).await == whole(7)).await;
        tripped(&world, Scope::Market(key.clone())).await;
        world.agrees().await;
        assert_eq!(world.count(diverged).await, 0, "stream: {stream}");
        let held = key.clone();
        let marked = async || {
            let held = held.clone();
            world.engine.engine.query(move |engine| engine.book().positions.get(&held).is_some_and(|p| p.marked)).await == Some(true)
        };
        world.until("a price of what is held", marked).await;
        world.buys("yes", "0.50", "6").await;
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_a_resting_order_of_the_website_is_counted_and_never_cancelled_by_us() {
    let world = World::new().await;
    let placed = world.admin("/website/order", theirs("buy", "0.45", "7", "GTC")).await;
    let foreign = world
        .logged("the foreign order", |event| match event {
            Event::ExternalOrderSeen { order, .. } => Some(order.order_id),
            _ => None,
        })
        .await;
    let exposed = world.engine.engine.query(|engine| engine.book().cash.reserved).await.expect("an engine");
    assert!(!exposed.is_zero(), "what it may take is held");
    world.cancel_all().await;
    world.command(Command::Kill { reason: "test".to_owned() }).await.expect("done");
    world.admin("/hit", json!({ "order_id": placed["order_id"], "quantity": "2" })).await;
    world.holds("yes", whole(2)).await;
    assert_eq!(world.calls("cancel").await, 0, "it isn't ours");
    world.admin("/website/cancel", json!({ "order_id": placed["order_id"] })).await;
    let ended = world.done(foreign).await;
    assert_eq!((ended.state, ended.filled), (OrderState::Canceled, whole(2)));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_what_was_traded_on_the_website_while_the_engine_was_down_is_found_at_the_next_start() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    // Also within the opening's own second, which is all that the venue states: what it was opened with is known by name.
    let world = world
        .restarted_after(async |stage| drop(stage.admin("POST", "/website/order", theirs("sell", "0.48", "2", "FAK")).await.expect("sold")))
        .await;
    world.holds("yes", whole(4)).await;
    world.agrees().await;
    assert!(world.is_tripped(Scope::Market(key_of(&world, "yes"))).await);
    assert_eq!(world.stage.admin("GET", "/faults", Value::Null).await.expect("no faults"), json!([]));
    assert_eq!(world.holding("no").await, Quantity::ZERO);
}
