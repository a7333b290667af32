//! Fills: early, double, late, foreign, of the other token; each booked once, to whom it belongs.

use arbees::app::rehearsal::{Polymarket, SLUG, Setup};
use arbees::domain::event::Event;
use arbees::domain::ids::{OrderId, TradeId, VenueOrderId};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::domain::report::{FillSettlement, Liquidity, VenueFill, VenueNews};
use arbees::domain::verdict::Reason;
use arbees::engine::Input;
use serde_json::json;

use crate::support::World;
use crate::wishes::{close, open, resting, shares, taking, usd, with};

/// A fill of the whole order as the venue might tell it.
async fn told(world: &World, order: OrderId, price: &str, fee: Option<Usd>) -> VenueFill {
    let row = world.venue_order(order).await;
    let trade = row["fills"][0]["trade_id"].as_str().unwrap_or("a-trade-of-its-own").to_owned();
    VenueFill {
        trade_id: TradeId::new(&trade).expect("a trade id"),
        venue_order_id: VenueOrderId::new(row["id"].as_str().expect("an id")).expect("an id"),
        client_order_id: None,
        key: world.key("yes"),
        side: Side::Bid,
        price: Price::parse(price).expect("a price"),
        quantity: shares("6"),
        fee,
        liquidity: Liquidity::Maker,
        settlement: FillSettlement::Provisional,
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
    assert_eq!((record.state, record.filled), (OrderState::Filled, shares("6")));
    assert!(world.place_of(order, "Filled").await < world.place_of(order, "OrderAcked").await, "by the hash, before its answer");
    world.settled().await;
    assert_eq!(world.counts(order, ["Filled", "OrderOutcomeUnknown"]).await, [1, 0]);
    assert_eq!((world.settlements(order).await, world.sends_of(order).await), (1, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_a_fill_that_rest_lists_before_the_ack_is_booked_by_the_hash() {
    let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], false).await;
    world.fault(json!({ "kind": "late_reply", "call": "create", "ms": 900, "count": 1 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.count_of(order, "Filled").await, world.sends_of(order).await), (OrderState::Filled, 1, 1));
    assert!(world.breakers().await.is_empty(), "it is no foreign fill");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_a_fill_told_by_stream_and_by_rest_is_one() {
    let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], true).await;
    world.fault(json!({ "kind": "ws_duplicate", "channel": "trade" })).await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    let before = world.requests("trades").await.len();
    world.until("more readings", async || world.requests("trades").await.len() >= before + 3).await;
    world.settled().await;
    world.agrees().await;
    assert_eq!(world.counts(order, ["Filled", "FillReversed"]).await, [1, 0]);
    assert_eq!(world.settlements(order).await, 1);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_fill_told_again_after_a_restart_is_one() {
    let world = World::new().await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    world.settled().await;
    world.agrees().await;
    let before = world.requests("trades").await.len();
    let world = world.restarted().await;
    assert!(world.requests("trades").await.len() > before, "the trades were read again");
    assert_eq!((world.count_of(order, "Filled").await, world.settlements(order).await), (1, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_fill_that_settles_while_nobody_listens_is_settled_once_after_a_restart() {
    let world = World::new().await;
    world.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    assert_eq!(world.held("yes").await, (shares("6"), shares("6")));
    let trade = world.trade_of(order).await;
    let status = format!("/trades/{trade}/status");
    let world = world
        .restarted_after(async |stage| {
            stage.admin("POST", &status, json!({ "status": "confirm" })).await.expect("confirmed");
        })
        .await;
    world.settled().await;
    assert_eq!(world.counts(order, ["Filled", "FillSettled"]).await, [1, 1]);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s23_each_of_several_own_maker_orders_in_one_trade_gets_its_fill() {
    for stream in [true, false] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        // The best bid, so that one sale meets both of them at one price.
        let first = world.resting(&open("yes", "0.49", "6", "gtd")).await;
        let second = world.resting(&open("yes", "0.49", "7", "gtd")).await;
        let sale = json!({ "market": SLUG, "side": "sell", "price": "0.49", "quantity": "10", "order_type": "FAK" });
        world.admin("/crowd/order", sale).await;
        assert_eq!(world.done(first).await.filled, shares("6"));
        let rest = world.when(second, |record| !record.filled.is_zero()).await;
        assert_eq!((rest.state, rest.filled), (OrderState::Working, shares("4")));
        assert_eq!(world.trade_of(first).await, world.trade_of(second).await, "one trade of the venue");
        world.settled().await;
        for order in [first, second] {
            assert_eq!((world.count_of(order, "Filled").await, world.settlements(order).await), (1, 1));
        }
        assert_eq!(world.held("yes").await.0, shares("10"));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_an_order_that_is_matched_with_buyers_of_the_other_token_gets_its_own_token() {
    for stream in [true, false] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        // We make: somebody buys YES, and the match mints a pair. The trade's top level is about YES.
        let order = world.resting(&open("no", "0.49", "6", "gtd")).await;
        let named = json!({ "order_id": world.name_of(order).await, "quantity": "6", "complement": true });
        world.admin("/hit", named).await;
        let record = world.done(order).await;
        assert_eq!((record.filled, record.average_price(), record.fees), (shares("6"), Price::parse("0.49").ok(), Usd::ZERO));
        world.settled().await;
        assert_eq!((world.held("no").await.0, world.held("yes").await.0), (shares("6"), Quantity::ZERO));
        let trade = world.trade_of(order).await;
        assert_eq!(world.truth().await["trades"][&trade]["asset_id"], world.key("yes").id.as_str(), "the taker's token");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_taker_that_meets_buyers_of_the_other_token_pays_its_own_price() {
    let world = World::new().await;
    world.admin(&format!("/markets/{SLUG}/book"), json!({ "bids": [["0.48", "10"]], "asks": [] })).await;
    let bids = json!({ "market": world.key("no").id.as_str(), "side": "buy", "price": "0.49", "quantity": "10" });
    world.admin("/crowd/order", bids).await;
    let order = world.order(&open("yes", "0.51", "6", "ioc")).await;
    let record = world.done(order).await;
    assert_eq!((record.filled, record.average_price()), (shares("6"), Price::parse("0.51").ok()));
    world.settled().await;
    assert_eq!((world.held("yes").await.0, world.held("no").await.0), (shares("6"), Quantity::ZERO));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_both_tokens_of_a_market_are_two_positions() {
    let world = World::set(&[("ALLOW_HEDGING", "true")], true).await;
    let yes = world.order(&taking()).await;
    world.done(yes).await;
    let no = world.order(&open("no", "0.52", "5", "ioc")).await;
    assert_eq!(world.done(no).await.filled, shares("5"));
    world.settled().await;
    assert_eq!((world.held("yes").await.0, world.held("no").await.0), (shares("6"), shares("5")));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s26_dust_that_cannot_be_sold_stays_booked_and_closes_nothing_again() {
    let world = World::new().await;
    // Dollars buy shares: at a better price more of them, in parts that no order can sell.
    world.admin(&format!("/markets/{SLUG}/book"), json!({ "bids": [["0.48", "50"]], "asks": [["0.49", "50"]] })).await;
    let bought = world.order(&open("yes", "0.51", "7", "fok")).await;
    let record = world.done(bought).await;
    let held = record.filled;
    assert_eq!((record.state, held), (OrderState::Filled, shares("7.2857")));
    assert!(record.notional_filled <= usd("3.57"), "{}", record.notional_filled);
    world.settled().await;
    world.agrees().await;
    let sold = world.order(&close("0.40")).await;
    let record = world.done(sold).await;
    assert_eq!((record.state, record.filled, record.order.quantity), (OrderState::Filled, shares("7.28"), shares("7.28")));
    world.until("the sale to settle", async || world.held("yes").await.0 == shares("0.0057")).await;
    world.agrees().await;
    assert!(world.vetoed_for(&close("0.40")).await.contains(&"nothing_to_close".to_owned()));
    assert_eq!((world.orders_there().await, world.breakers().await.len()), (2, 0));
    // The account as the venue shows it, dust and all, is what is booked.
    let world = world.restarted().await;
    assert_eq!(world.held("yes").await, (shares("0.0057"), Quantity::ZERO));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_a_fill_of_a_foreign_order_is_adopted_counted_and_stops_its_market() {
    for stream in [true, false] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        // The venue tells whole seconds: of the second in which the account was opened nobody can say what came before.
        let opened = world.stage.now().ms() / 1_000;
        world.until("the next second", async || world.stage.now().ms() / 1_000 > opened).await;
        let bought = json!({ "market": SLUG, "side": "buy", "price": "0.50", "quantity": "6", "order_type": "FAK" });
        world.admin("/website/order", bought).await;
        world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::ExternalOrder))).await;
        world.settled().await;
        world.agrees().await;
        let exposure = world.engine.engine.query(|engine| engine.book().exposure.games().map(|(_, usd)| usd).sum::<Usd>());
        assert!(exposure.await.expect("an engine") >= usd("3"));
        assert_eq!(world.held("yes").await.0, shares("6"));
        let seen = world.log().await.iter().filter(|recorded| matches!(recorded.event, Event::ExternalOrderSeen { .. })).count();
        assert_eq!((seen, world.requests("create").await.len(), world.requests("cancel").await.len()), (1, 0, 0));
        assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_a_fill_beyond_the_limit_is_booked_and_alarms() {
    let world = World::new().await;
    let order = world.resting(&resting(30_000)).await;
    // The double never does it: the word of a venue that does is put in its place.
    let fill = told(&world, order, "0.47", Some(Usd::ZERO)).await;
    tell(&world, fill);
    let record = world.done(order).await;
    assert_eq!((record.state, record.average_price()), (OrderState::Filled, Price::parse("0.47").ok()));
    world.until("the alarm", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnexpectedFill))).await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s29_takers_pay_by_the_schedule_of_the_market_and_makers_nothing() {
    let world = World::new().await;
    let taken = world.order(&taking()).await;
    // 6 x 0.05 x 0.25.
    assert_eq!(world.done(taken).await.fees, usd("0.075"));
    let made = world.resting(&resting(30_000)).await;
    world.hit_order(made, "6").await;
    assert_eq!(world.done(made).await.fees, Usd::ZERO);
    let sure = |event: &Event| matches!(event, Event::Filled(fill) if !fill.fee_provisional);
    for order in [taken, made] {
        assert!(world.story(order).await.iter().any(sure));
    }
    world.settled().await;
    assert_eq!(world.truth().await["cash"]["fees"], "0.075");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s29_another_schedule_counts_with_its_exponent() {
    let mut setup: Setup<Polymarket> = with(&[]);
    setup.stream = false;
    let world = World::with(setup).await;
    world.admin(&format!("/markets/{SLUG}/fees"), json!({ "rate": "0.25", "exponent": 2 })).await;
    let taken = world.order(&taking()).await;
    // 6 x 0.25 x 0.0625.
    assert_eq!(world.done(taken).await.fees, usd("0.09375"));
    world.settled().await;
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s29_a_fill_without_a_fee_counts_a_bound_until_the_schedule_names_it() {
    let world = World::new().await;
    let order = world.resting(&resting(30_000)).await;
    world.fault(json!({ "kind": "ws_drop", "channel": "trade" })).await;
    world.fault(json!({ "kind": "stale_read", "call": "trades", "ms": 1_500 })).await;
    world.hit_order(order, "6").await;
    let fill = told(&world, order, "0.45", None).await;
    tell(&world, fill);
    let record = world.done(order).await;
    assert!(record.fees > Usd::ZERO, "the most it can cost");
    let provisional = |event: &Event| matches!(event, Event::Filled(fill) if fill.fee_provisional);
    assert!(world.story(order).await.iter().any(provisional));
    world.until("the venue's fee", async || world.count_of(order, "FeeCorrected").await == 1).await;
    world.settled().await;
    world.agrees().await;
    assert_eq!(world.count_of(order, "Filled").await, 1);
    world.engine.stop().await;
}
