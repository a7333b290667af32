//! Markets and the exchange live their lives: closes, pauses, other grids, other fees, maintenance (S71-S78, S83).
//!
//! Not here: S82 (redeeming) is Polymarket's. S74 and S75 are of no venue (`tests/worker`, `config`).

use arbees::app::rehearsal::{Setup, TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::market::MarketStatus;
use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::json;

use crate::seen::key_of;
use crate::support::World;

fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

/// Changes one signal before it is sent, and tells why it was vetoed.
async fn vetoed_with(world: &World, wish: &Wish, change: impl Fn(&mut serde_json::Value)) -> Vec<String> {
    let (id, mut signal) = world.stage.signal(wish);
    change(&mut signal);
    world.vetoed_as(&id, signal).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_prices_and_sizes_the_venue_would_refuse_never_leave() {
    let world = World::new().await;
    let veto = |price, size| Wish::open("yes", price, size, "ioc");
    assert!(world.vetoed(&veto("0.995", "3")).await.contains(&"price_band".to_owned()));
    assert!(world.vetoed(&veto("0.50", "0.5")).await.contains(&"below_minimum_size".to_owned()));
    assert!(world.vetoed(&veto("0.001", "3")).await.contains(&"price_band".to_owned()));
    assert_eq!(world.sends().await, 0);
    let record = world.stage.trade(&world.engine, &veto("0.509", "3")).await.expect("traded");
    assert_eq!(record.order.limit, price("0.50"), "to the passive side of the grid");
    assert_eq!(record.state, OrderState::Filled);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s72_without_a_book_or_with_an_old_one_nothing_is_bought() {
    let world = World::new().await;
    let wish = Wish::open("yes", "0.50", "3", "ioc");
    let without = |name: &'static str| move |signal: &mut serde_json::Value| drop(signal.as_object_mut().and_then(|s| s.remove(name)));
    assert!(vetoed_with(&world, &wish, without("price_ts")).await.contains(&"book_stale".to_owned()));
    assert!(vetoed_with(&world, &wish, without("yes_ask")).await.contains(&"book_distance".to_owned()));
    assert!(vetoed_with(&world, &wish, without("liquidity_available")).await.contains(&"depth".to_owned()));
    let old = world.stage.now().plus_ms(-6_000).to_string();
    assert!(vetoed_with(&world, &wish, |signal| signal["price_ts"] = old.as_str().into()).await.contains(&"book_stale".to_owned()));
    assert_eq!(world.sends().await, 0);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s76_a_market_that_closes_unheard_refuses_once_and_is_not_asked_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    // Closing tells nothing on the stream: the engine still takes it for open.
    world.market("status", json!({ "status": "closed" })).await;
    let record = world.stage.trade(&world.engine, &Wish::open("yes", "0.50", "3", "ioc")).await.expect("requested");
    assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1));
    assert!(record.reserved().is_zero(), "its reservation is released");
    assert_eq!(world.sends().await, 2);
    assert!(!world.is_tripped(Scope::Global).await);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s76_a_paused_market_is_vetoed_until_it_is_active_again() {
    let world = World::new().await;
    let (order_id, _) = world.rests("0.45", "3").await;
    world.market("status", json!({ "status": "inactive" })).await;
    world.market_when(TICKER, |market| market.status != MarketStatus::Open).await;
    assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "3", "ioc")).await, ["market_closed"]);
    world.market("status", json!({ "status": "active" })).await;
    world.market_when(TICKER, |market| market.status == MarketStatus::Open).await;
    // The pause took what rested; the venue's word for it is kept.
    let ended = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("ended");
    assert_eq!(ended.state, OrderState::Canceled, "{ended:?}");
    let book = json!({ "bids": [["0.48", "10"]], "asks": [["0.50", "10"]] });
    world.market("book", book).await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s77_another_grid_while_trading_moves_the_next_price_and_ends_what_lies_off_it() {
    let world = World::new().await;
    world.market("structure", json!({ "price_level_structure": "deci_cent" })).await;
    let fine = Wish { ttl_ms: 60_000, ..Wish::open("yes", "0.4535", "3", "gtd") };
    let id = world.stage.send(&world.engine, &fine).await.expect("sent");
    let resting = world.stage.order(&world.engine, &id).await.expect("an order");
    let record = world.stage.order_when(&world.engine, resting, |record| record.venue_order_id.is_some()).await.expect("working");
    assert_eq!(record.order.limit, price("0.453"), "tenths of a cent now");
    world.market("structure", json!({ "price_level_structure": "linear_cent" })).await;
    let ended = world.stage.order_when(&world.engine, resting, |record| record.is_done()).await.expect("ended");
    assert_eq!((ended.state, ended.filled), (OrderState::Canceled, Quantity::ZERO));
    world.market_when(TICKER, |market| market.grid.holds(price("0.45")) && !market.grid.holds(price("0.453"))).await;
    let record = world.stage.trade(&world.engine, &Wish::open("yes", "0.5035", "3", "ioc")).await.expect("traded");
    assert_eq!((record.order.limit, record.state), (price("0.50"), OrderState::Filled));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s78_other_fees_count_from_the_next_order_on_in_edge_and_in_cash() {
    let world = World::new().await;
    let modest = |signal: &mut serde_json::Value| signal["model_prob"] = "0.54".into();
    let wish = Wish::open("yes", "0.50", "3", "ioc");
    let (id, mut signal) = world.stage.signal(&wish);
    modest(&mut signal);
    world.engine.bus.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
    let order_id = world.stage.order(&world.engine, &id).await.expect("4 points less a fee of 1.75 are enough");
    world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("done");
    world.market("fees", json!({ "fee_type": "quadratic", "fee_multiplier": "2" })).await;
    world.market_when(TICKER, |market| market.fee.taker_micros == 140_000).await;
    assert_eq!(vetoed_with(&world, &wish, modest).await, ["edge_below_minimum"]);
    let record = world.stage.trade(&world.engine, &wish).await.expect("traded");
    assert_eq!(record.order.fee.taker_micros, 140_000);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s83_a_pause_of_trading_stops_opens_without_a_storm_and_ends_by_itself() {
    let world = World::new().await;
    let (order_id, _) = world.rests("0.45", "3").await;
    world.post("/exchange", json!({ "trading_active": false })).await;
    let refused = world.stage.trade(&world.engine, &Wish::open("yes", "0.50", "3", "ioc")).await.expect("requested");
    assert_eq!((refused.state, refused.attempts), (OrderState::Rejected, 1), "the refusal tells of the pause");
    world.becomes(VenueMode::CancelOnly).await;
    let sends = world.sends().await;
    for _ in 0..6 {
        assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "3", "ioc")).await, ["venue_not_ready"]);
    }
    assert_eq!(world.sends().await, sends, "nothing is tried meanwhile");
    assert!(!world.is_tripped(Scope::Global).await && !world.is_tripped(Scope::Market(key_of(TICKER))).await);
    world.command(arbees::engine::Command::CancelAll).await.expect("cancels are permitted");
    world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("cancelled");
    world.post("/exchange", json!({ "trading_active": true })).await;
    world.becomes(VenueMode::Open).await;
    let modes = world.events().await.into_iter().filter_map(|event| match event {
        Event::VenueModeChanged { mode, .. } => Some(mode),
        _ => None,
    });
    let modes: Vec<VenueMode> = modes.collect();
    assert!(modes.ends_with(&[VenueMode::CancelOnly, VenueMode::Reconciling, VenueMode::Open]), "read before it opens: {modes:?}");
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s83_maintenance_of_the_whole_exchange_leaves_no_order_behind() {
    let world = World::with(Setup { stale_after_ms: 500, ..Setup::default() }).await;
    world.post("/exchange", json!({ "exchange_active": false })).await;
    let record = world.stage.trade(&world.engine, &Wish::open("yes", "0.50", "3", "ioc")).await.expect("requested");
    // 503 proves nothing, so it is looked up: it never was there, and it wasn't sent again.
    assert_eq!((record.state, record.attempts), (OrderState::NotPlaced, 1));
    world.becomes(VenueMode::CancelOnly).await;
    world.post("/exchange", json!({ "exchange_active": true })).await;
    world.becomes(VenueMode::Open).await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
}
