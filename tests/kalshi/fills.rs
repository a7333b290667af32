//! Fills: early, double, late, foreign; each booked once, to whom it belongs.
//!
//! Not Kalshi's: S26 (dust of shares; contracts are counted exactly, fees to the cent are compared in every test), S30-S35
//! (Kalshi's fills are final when they are told).

use arbees::app::rehearsal::{Setup, TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::{MarketId, OrderId, TradeId, VenueOrderId};
use arbees::domain::market::{BookKey, Venue};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::domain::report::{FillSettlement, Liquidity, VenueFill, VenueNews};
use arbees::domain::verdict::Reason;
use arbees::engine::Input;
use serde_json::json;

use crate::support::World;

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
}

fn resting() -> Wish {
    Wish::open("yes", "0.45", "3", "gtd")
}

fn book() -> BookKey {
    BookKey { venue: Venue::Kalshi, id: MarketId::new(TICKER).expect("a ticker") }
}

/// A fill as the venue might tell it, of an order that is there.
async fn told(world: &World, order: OrderId, price: &str, fee: Option<Usd>) -> VenueFill {
    let row = world.venue_order(order).await;
    let trade = row["fills"][0]["trade_id"].as_str().unwrap_or("a-trade-of-its-own").to_owned();
    VenueFill {
        trade_id: TradeId::new(&trade).expect("a trade id"),
        venue_order_id: VenueOrderId::new(row["order_id"].as_str().expect("an id")).expect("an id"),
        client_order_id: Some(order.client_order_id()),
        key: book(),
        side: Side::Bid,
        price: Price::parse(price).expect("a price"),
        quantity: Quantity::whole(3),
        fee,
        liquidity: Liquidity::Maker,
        settlement: FillSettlement::Settled,
        at: world.stage.now(),
    }
}

fn tell(world: &World, fill: VenueFill) {
    world.engine.engine.input(Input::Venue(Box::new(VenueNews::Traded(Box::new(fill)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_a_fill_on_the_stream_before_the_ack_is_booked_once() {
    let world = World::new().await;
    world.fault(json!({ "kind": "late_reply", "call": "create", "ms": 600, "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(3)));
    world.until("the ack", async || world.when(order, |_| true).await.venue_order_id.is_some()).await;
    assert_eq!((world.count_of(order, "Filled").await, world.sends_of(order).await), (1, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_a_fill_that_names_only_the_venues_order_waits_for_its_identity() {
    let world = World::set(&[("KALSHI_RECONCILE_EVERY_MS", "500")], false).await;
    // REST fills carry no client id, and the answer that would name the order is late.
    world.fault(json!({ "kind": "late_reply", "call": "create", "ms": 900, "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.count_of(order, "Filled").await, world.sends_of(order).await), (OrderState::Filled, 1, 1));
    assert!(world.place_of(order, "OrderAcked").await < world.place_of(order, "Filled").await);
    assert!(world.breakers().await.is_empty(), "it is no foreign fill");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_a_fill_told_by_stream_and_by_rest_is_one() {
    let world = World::set(&[("KALSHI_RECONCILE_EVERY_MS", "500")], true).await;
    world.fault(json!({ "kind": "ws_duplicate", "channel": "fill" })).await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    let before = world.requests("fills").await.len();
    world.until("two more readings", async || world.requests("fills").await.len() >= before + 3).await;
    world.agrees().await;
    assert_eq!(world.count_of(order, "Filled").await, 1);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_fill_told_again_after_a_restart_is_one() {
    let world = World::new().await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    world.agrees().await;
    let before = world.requests("fills").await.len();
    let world = world.restarted().await;
    assert!(world.requests("fills").await.len() > before, "the fills were read again");
    assert_eq!(world.count_of(order, "Filled").await, 1);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s23_each_of_several_own_orders_in_one_sweep_gets_its_fill() {
    let world = World::new().await;
    let first = world.resting(&Wish::open("yes", "0.46", "3", "gtd")).await;
    let second = world.resting(&Wish::open("yes", "0.45", "4", "gtd")).await;
    let third = world.resting(&Wish::open("yes", "0.45", "5", "gtd")).await;
    // Ten at 0.48 and a hundred at 0.47 lie before ours; two of the last order stay.
    let sweep = json!({ "ticker": TICKER, "side": "ask", "price": "0.45", "quantity": "120", "time_in_force": "immediate_or_cancel" });
    world.admin("/crowd/order", sweep).await;
    assert_eq!(world.done(first).await.filled, Quantity::whole(3));
    assert_eq!(world.done(second).await.filled, Quantity::whole(4));
    let rest = world.when(third, |record| !record.filled.is_zero()).await;
    assert_eq!((rest.state, rest.filled), (OrderState::Working, Quantity::whole(3)));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_no_order_matched_with_yes_buyers_holds_no_and_nets_against_yes() {
    let world = World::set(&[("ALLOW_HEDGING", "true")], true).await;
    let order = world.resting(&Wish::open("no", "0.49", "5", "gtd")).await;
    assert_eq!(world.venue_order(order).await["book_side"], "ask");
    world.hit_order(order, "5").await;
    let record = world.done(order).await;
    assert_eq!((record.filled, record.average_price()), (Quantity::whole(5), Price::parse("0.49").ok()));
    world.agrees().await;
    let truth = world.stage.truth().await.expect("truth");
    assert_eq!(truth["positions"][TICKER]["position"], "-5.00");
    // The opposite side first realises what is held.
    let yes = world.order(&Wish::open("yes", "0.50", "2", "ioc")).await;
    assert_eq!(world.done(yes).await.filled, Quantity::whole(2));
    world.agrees().await;
    let held = world.engine.engine.query(|engine| engine.book().positions.held().count()).await;
    assert_eq!(held, Some(1), "one signed position");
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_a_fill_of_a_foreign_order_is_adopted_counted_and_stops_its_market() {
    for stream in [true, false] {
        let world = World::set(&[("KALSHI_RECONCILE_EVERY_MS", "500")], stream).await;
        let bought = json!({ "ticker": TICKER, "side": "bid", "price": "0.50", "quantity": "4", "time_in_force": "immediate_or_cancel" });
        world.admin("/website/order", bought).await;
        world
            .until("the breaker of the market", async || world.breakers().await.contains(&(Scope::Market(book()), Reason::ExternalOrder)))
            .await;
        world.agrees().await;
        let (held, exposure) = world
            .engine
            .engine
            .query(|engine| {
                let held: Vec<Quantity> = engine.book().positions.held().map(|(_, position)| position.held()).collect();
                (held, engine.book().exposure.games().map(|(_, usd)| usd).sum::<Usd>())
            })
            .await
            .expect("an engine");
        assert_eq!(held, [Quantity::whole(4)]);
        assert!(exposure >= Usd::parse("2").expect("money"), "{exposure}");
        let seen = world.log().await.iter().filter(|recorded| matches!(recorded.event, Event::ExternalOrderSeen { .. })).count();
        assert_eq!((seen, world.requests("create").await.len(), world.requests("cancel").await.len()), (1, 0, 0));
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_a_fill_beyond_the_limit_is_booked_and_alarms() {
    let world = World::new().await;
    let order = world.resting(&resting()).await;
    // The double never does it: the word of a venue that does is put in its place.
    let fill = told(&world, order, "0.47", Some(Usd::ZERO)).await;
    tell(&world, fill);
    let record = world.done(order).await;
    assert_eq!((record.state, record.average_price()), (OrderState::Filled, Price::parse("0.47").ok()));
    world.until("the alarm", async || world.breakers().await.contains(&(Scope::Market(book()), Reason::UnexpectedFill))).await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s29_a_fill_without_a_fee_counts_a_bound_until_the_venue_names_it() {
    let world = World::with(Setup::default()).await;
    let order = world.resting(&resting()).await;
    world.fault(json!({ "kind": "ws_drop", "channel": "fill" })).await;
    world.fault(json!({ "kind": "stale_read", "call": "fills", "ms": 1_500 })).await;
    world.hit_order(order, "3").await;
    let fill = told(&world, order, "0.45", None).await;
    tell(&world, fill);
    let record = world.done(order).await;
    assert!(record.fees > Usd::ZERO, "the most it can cost");
    let provisional = |event: &Event| matches!(event, Event::Filled(fill) if fill.fee_provisional);
    assert!(world.story(order).await.iter().any(provisional));
    world.until("the venue's fee", async || world.count_of(order, "FeeCorrected").await == 1).await;
    world.agrees().await;
    assert_eq!(world.count_of(order, "Filled").await, 1);
    world.engine.stop().await;
}
