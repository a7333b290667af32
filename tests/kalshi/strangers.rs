//! Others trade on the account, and the venue says otherwise than the log (S90, S91).

use arbees::app::rehearsal::{Book, Setup, TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::market::Venue;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::seen::key_of;
use crate::support::World;

const OTHER: &str = "KXREHEARSAL-26NOV22-B";

fn two_markets() -> Setup {
    Setup { markets: vec![Book::usual(TICKER), Book::usual(OTHER)], ..Setup::default() }
}

fn diverged(event: &Event) -> Option<(String, String, String)> {
    match event {
        Event::ReconciliationDiverged { what, ours, theirs, .. } => Some((what.to_string(), ours.to_string(), theirs.to_string())),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_a_position_that_differs_is_told_with_its_amount_and_stops_its_market_only() {
    let world = World::with(two_markets()).await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
    let row = json!({
        "ticker": TICKER, "exchange_index": 0, "position_fp": "5.00", "market_exposure_dollars": "2.500000",
        "total_traded_dollars": "2.500000", "realized_pnl_dollars": "0.000000", "fees_paid_dollars": "0.000000",
        "resting_orders_count": 0, "last_updated_ts": world.stage.now().to_string(),
    });
    let body = json!({ "market_positions": [row], "event_positions": [], "cursor": "" }).to_string();
    world.stage.fault(json!({ "kind": "status", "status": 200, "call": "positions", "body": body })).await.expect("a fault");
    let told = world.logged("the divergence", diverged).await;
    assert_eq!(told, (format!("position {TICKER}"), "3".to_owned(), "5".to_owned()));
    assert!(world.is_tripped(Scope::Market(key_of(TICKER))).await && !world.is_tripped(Scope::Venue(Venue::Kalshi)).await);
    assert_eq!(world.held(TICKER).await, Quantity::whole(3), "nothing is invented");
    assert_eq!(world.vetoed(&Wish::open("yes", "0.51", "1", "ioc")).await, ["breaker_open"]);
    let elsewhere = Wish { ticker: OTHER.to_owned(), ..Wish::open("yes", "0.50", "1", "ioc") };
    let record = world.stage.trade(&world.engine, &elsewhere).await.expect("the other market trades");
    assert_eq!(record.state, OrderState::Filled);
    world.stage.heal().await.expect("healed");
    world.called_again("positions", 3).await;
    assert!(world.is_tripped(Scope::Market(key_of(TICKER))).await, "a person closes it");
    assert_eq!(world.count(|event| diverged(event).is_some()).await, 1, "told once");
    world.reset(Scope::Market(key_of(TICKER))).await;
    world.buys("yes", "0.51", "1").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_cash_that_differs_stops_the_venue_and_closes_still_flow() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
    let body = json!({ "balance": 10_000, "balance_dollars": "100.000000", "portfolio_value": 0, "updated_ts": 1 }).to_string();
    world.stage.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": body })).await.expect("a fault");
    let (what, _, theirs) = world.logged("the divergence", diverged).await;
    assert_eq!((what.as_str(), theirs.as_str()), ("cash", "$100"));
    assert!(world.is_tripped(Scope::Venue(Venue::Kalshi)).await);
    assert_eq!(world.vetoed(&Wish::open("yes", "0.51", "1", "ioc")).await, ["breaker_open"]);
    world.stage.heal().await.expect("healed");
    let closed = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closes still flow");
    assert_eq!(closed.state, OrderState::Filled);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_a_trade_on_the_website_is_taken_into_position_and_cash_and_stops_its_market() {
    let world = World::with(two_markets()).await;
    world.buys("yes", "0.50", "3").await;
    let order = json!({ "ticker": TICKER, "side": "bid", "price": "0.51", "quantity": "4", "time_in_force": "immediate_or_cancel" });
    world.post("/website/order", order).await;
    world.holds(TICKER, Quantity::whole(7)).await;
    world.agrees().await;
    assert!(world.count(|event| matches!(event, Event::ExternalOrderSeen { .. })).await == 1);
    let scope = Scope::Market(key_of(TICKER));
    let tripped = async || world.is_tripped(scope.clone()).await.then_some(());
    world.stage.until("the breaker", tripped).await.expect("tripped");
    assert_eq!(world.vetoed(&Wish::open("yes", "0.51", "1", "ioc")).await, ["breaker_open"]);
    world.reset(Scope::Market(key_of(TICKER))).await;
    let closed = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("ours to close");
    assert_eq!(closed.filled, Quantity::whole(7), "theirs is held, too");
    world.agrees().await;
    assert_eq!(world.count(|event| diverged(event).is_some()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_a_resting_order_of_the_website_is_counted_and_never_cancelled_by_us() {
    let world = World::new().await;
    let order = json!({ "ticker": TICKER, "side": "bid", "price": "0.45", "quantity": "5" });
    let placed = world.post("/website/order", order).await;
    let foreign = world
        .logged("the foreign order", |event| match event {
            Event::ExternalOrderSeen { order, .. } => Some(order.order_id),
            _ => None,
        })
        .await;
    let exposed = world.engine.engine.query(|engine| engine.book().cash.reserved).await.expect("an engine");
    assert!(!exposed.is_zero(), "what it may take is held");
    world.command(Command::CancelAll).await.expect("done");
    world.command(Command::Kill { reason: "test".to_owned() }).await.expect("done");
    world.post("/hit", json!({ "order_id": placed["order_id"], "quantity": "2" })).await;
    world.holds(TICKER, Quantity::whole(2)).await;
    assert_eq!(world.calls("cancel").await, 0, "it isn't ours");
    world.post("/website/cancel", json!({ "order_id": placed["order_id"] })).await;
    let ended = world.stage.order_when(&world.engine, foreign, |record| record.is_done()).await.expect("ended");
    assert_eq!((ended.state, ended.filled), (OrderState::Canceled, Quantity::whole(2)));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_our_own_order_cancelled_on_the_website_ends_here_too() {
    let world = World::new().await;
    let (order_id, client) = world.rests("0.45", "3").await;
    world.hit(&client, "1").await;
    world.post("/website/cancel", json!({ "client_order_id": client })).await;
    let ended = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("ended");
    assert_eq!((ended.state, ended.filled), (OrderState::Canceled, Quantity::whole(1)));
    assert_eq!(world.calls("cancel").await, 0);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s91_what_was_traded_on_the_website_while_the_engine_was_down_is_found_at_the_next_start() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    let order = json!({ "ticker": TICKER, "side": "ask", "price": "0.48", "quantity": "2", "time_in_force": "immediate_or_cancel" });
    stage.admin("POST", "/website/order", order).await.expect("sold");
    let engine = stage.engine().await.expect("an engine again");
    let world = World { stage, engine, _folder: folder };
    world.holds(TICKER, Quantity::whole(1)).await;
    world.agrees().await;
    assert!(world.is_tripped(Scope::Market(key_of(TICKER))).await);
    let truth = world.stage.admin("GET", "/faults", Value::Null).await.expect("no faults");
    assert_eq!(truth, json!([]));
}
