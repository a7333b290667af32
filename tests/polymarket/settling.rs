//! Matched is not settled: what becomes of a trade afterwards, and what may be done with it until then.

use arbees::domain::event::Event;
use arbees::domain::market::Venue;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::domain::verdict::Reason;
use serde_json::json;

use crate::support::World;
use crate::wishes::{close, open, shares, taking, usd};

/// Everything that a failed trade must leave as it was.
#[derive(Debug, PartialEq)]
struct Books {
    cash: (Usd, Usd),
    realized: Usd,
    fees: Usd,
    held: (Quantity, Quantity),
    cost: Usd,
    exposure: Usd,
}

async fn books(world: &World) -> Books {
    let position = world.position("yes").await;
    let (realized, fees, exposure) = world
        .engine
        .engine
        .query(|engine| {
            let book = engine.book();
            (book.cash.realized, book.cash.fees, book.exposure.games().map(|(_, usd)| usd).sum::<Usd>())
        })
        .await
        .expect("an engine");
    let cost = position.map_or(Usd::ZERO, |position| position.cost);
    Books { cash: world.cash().await, realized, fees, held: world.held("yes").await, cost, exposure }
}

async fn pending(world: &World) -> (Usd, Usd) {
    let pending = |engine: &arbees::engine::Engine| {
        engine.book().cash.account(Venue::Polymarket).map(|account| (account.proceeds_pending, account.spent_pending)).unwrap_or_default()
    };
    world.engine.engine.query(pending).await.expect("an engine")
}

/// The venue's own words, so much later than usual that they can be told apart.
async fn slowly(world: &World) {
    world.admin("/rules", json!({ "mined_ms": 400, "confirmed_ms": 400 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s30_matched_mined_confirmed_settles_once() {
    for (stream, not_broadcasted) in [(true, false), (false, false), (false, true)] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        slowly(&world).await;
        world.admin("/rules", json!({ "not_broadcasted": not_broadcasted })).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, record.filled, world.held("yes").await), (OrderState::Filled, shares("6"), (shares("6"), shares("6"))));
        let provisional = |event: &Event| matches!(event, Event::Filled(fill) if !fill.settled);
        assert!(world.story(order).await.iter().any(provisional), "booked, and said not to be final");
        assert_eq!(pending(&world).await, (Usd::ZERO, usd("3.075")));
        world.settled().await;
        assert_eq!(pending(&world).await, (Usd::ZERO, Usd::ZERO));
        let before = world.requests("trades").await.len();
        world.until("more readings", async || world.requests("trades").await.len() >= before + 3).await;
        assert_eq!(world.counts(order, ["Filled", "FillSettled", "FillReversed"]).await, [1, 1, 0], "stream {stream}");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_a_trade_that_is_retried_and_confirmed_counts_once() {
    for stream in [true, false] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        slowly(&world).await;
        world.fault(json!({ "kind": "trade_retry", "count": 1 })).await;
        let order = world.order(&taking()).await;
        world.done(order).await;
        let trade = world.trade_of(order).await;
        world.until("the retry", async || world.truth().await["trades"][&trade]["status"] == "RETRYING").await;
        assert_eq!(world.held("yes").await, (shares("6"), shares("6")), "still not settled");
        world.settled().await;
        assert_eq!(world.counts(order, ["Filled", "FillSettled", "FillReversed"]).await, [1, 1, 0]);
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_failed_buy_leaves_everything_as_if_it_had_never_been() {
    for stream in [true, false] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], stream).await;
        let first = world.order(&open("yes", "0.50", "5", "ioc")).await;
        world.done(first).await;
        world.settled().await;
        let before = books(&world).await;
        slowly(&world).await;
        world.fault(json!({ "kind": "trade_fail", "count": 1 })).await;
        let order = world.order(&open("yes", "0.50", "5", "ioc")).await;
        assert_eq!(world.done(order).await.state, OrderState::Filled);
        assert_eq!(world.held("yes").await, (shares("10"), shares("5")));
        let record = world.when(order, |record| record.filled.is_zero()).await;
        assert_eq!((record.state, record.failed, record.fees), (OrderState::Canceled, shares("5"), Usd::ZERO));
        assert_eq!(record.notional_filled, Usd::ZERO);
        assert_eq!(books(&world).await, before, "stream {stream}");
        assert_eq!(world.counts(order, ["Filled", "FillSettled", "FillReversed"]).await, [1, 0, 1]);
        assert_eq!(world.sends_of(order).await, 1, "never sent again");
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_of_an_order_in_two_trades_the_failed_one_is_taken_back_and_the_other_stays() {
    let world = World::new().await;
    slowly(&world).await;
    // Ten at 0.50, two at 0.51: the second trade fails.
    world.fault(json!({ "kind": "trade_fail", "count": 1, "skip": 1 })).await;
    let order = world.order(&open("yes", "0.51", "12", "ioc")).await;
    assert_eq!(world.done(order).await.filled, shares("12"));
    let record = world.when(order, |record| !record.failed.is_zero()).await;
    assert_eq!((record.state, record.filled, record.failed), (OrderState::Canceled, shares("10"), shares("2")));
    assert_eq!((record.notional_filled, record.fees), (usd("5"), usd("0.125")));
    world.settled().await;
    let position = world.position("yes").await.expect("a position");
    assert_eq!((position.held(), position.cost, position.fees), (shares("10"), usd("5"), usd("0.125")));
    assert_eq!(world.cash().await.0, usd("994.875"));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_sale_that_is_settled_in_part_and_fails_in_part_gives_the_rest_back_which_is_sold_anew() {
    let world = World::new().await;
    let bought = world.order(&open("yes", "0.51", "12", "ioc")).await;
    world.done(bought).await;
    world.settled().await;
    world.agrees().await;
    let before = books(&world).await;
    // Ten at 0.48 settle, two at 0.47 fail after that.
    slowly(&world).await;
    world.fault(json!({ "kind": "trade_fail", "count": 1, "skip": 1, "ms": 1_000 })).await;
    let sale = world.order(&close("0.40")).await;
    assert_eq!(world.done(sale).await.filled, shares("12"));
    world.until("the first to settle", async || world.count_of(sale, "FillSettled").await == 1).await;
    let record = world.when(sale, |record| !record.failed.is_zero()).await;
    assert_eq!((record.state, record.filled, record.failed), (OrderState::Canceled, shares("10"), shares("2")));
    // 10 x 0.05 x 0.48 x 0.52.
    assert_eq!((record.notional_filled, record.fees), (usd("4.8"), usd("0.1248")));
    let after = books(&world).await;
    let cost_each = before.cost.micros() / 12;
    assert_eq!((after.held.0, after.fees, after.cash.0), (shares("2"), before.fees + record.fees, before.cash.0 + usd("4.6752")));
    assert!((after.cost.micros() - 2 * cost_each).abs() <= 2, "{:?} after {before:?}", after.cost);
    // The close's signal still lives: what came back is sold by another order.
    world.until("the rest to be sold", async || world.held("yes").await.0.is_zero()).await;
    assert_eq!((world.orders_there().await, world.sends_of(sale).await), (3, 1));
    world.until("the sale to settle", async || pending(&world).await == (Usd::ZERO, Usd::ZERO)).await;
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_buy_that_fails_after_its_shares_were_counted_on_takes_nothing_settled_with_it() {
    let world = World::new().await;
    let settled = world.order(&open("yes", "0.50", "5", "ioc")).await;
    world.done(settled).await;
    world.settled().await;
    world.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let held = world.order(&open("yes", "0.50", "5", "ioc")).await;
    world.done(held).await;
    let trade = world.trade_of(held).await;
    // The settled ones are sold and settle while the others are still open; then those fail.
    let sale = world.order(&close("0.40")).await;
    assert_eq!(world.done(sale).await.filled, shares("5"));
    world.until("the sale to settle", async || world.count_of(sale, "FillSettled").await == 1).await;
    assert_eq!(world.held("yes").await, (shares("5"), shares("5")));
    world.trade_becomes(&trade, "fail").await;
    world.when(held, |record| record.filled.is_zero()).await;
    assert_eq!(world.held("yes").await, (Quantity::ZERO, Quantity::ZERO));
    world.agrees().await;
    let after = books(&world).await;
    // Bought for 2.50 and sold for 2.40: the failed trade is in none of it.
    assert_eq!((after.realized, after.cost), (usd("-0.1"), Usd::ZERO), "{after:?}");
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s33_matched_that_is_told_after_confirmed_or_failed_is_ignored() {
    for (fault, ended) in [("trade_retry", "FillSettled"), ("trade_fail", "FillReversed")] {
        let world = World::set(&[("POLY_RECONCILE_EVERY_MS", "500")], true).await;
        world.fault(json!({ "kind": fault, "count": 1 })).await;
        // The first word of the trade comes last.
        world.fault(json!({ "kind": "ws_delay", "channel": "trade", "ms": 1_000, "count": 1 })).await;
        let order = world.order(&taking()).await;
        world.until("its end", async || world.count_of(order, ended).await == 1).await;
        // And REST shows the past for a while, too.
        world.fault(json!({ "kind": "stale_read", "call": "trades", "ms": 700 })).await;
        let told = async || world.requests("trades").await.len();
        let before = told().await;
        world.until("old news", async || told().await >= before + 4).await;
        world.heal().await;
        let other = if ended == "FillSettled" { "FillReversed" } else { "FillSettled" };
        assert_eq!(world.counts(order, ["Filled", ended, other]).await, [1, 1, 0], "{fault}");
        assert!(world.breakers().await.is_empty());
        let expected = if ended == "FillSettled" { shares("6") } else { Quantity::ZERO };
        assert_eq!(world.held("yes").await, (expected, Quantity::ZERO));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s35_failed_after_confirmed_changes_nothing_and_stops_the_market_for_a_person() {
    let world = World::new().await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    world.settled().await;
    let trade = world.trade_of(order).await;
    world.trade_becomes(&trade, "fail").await;
    world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnexpectedFill))).await;
    assert_eq!(world.counts(order, ["Filled", "FillSettled", "FillReversed"]).await, [1, 1, 0]);
    assert_eq!(world.held("yes").await, (shares("6"), Quantity::ZERO));
    assert!(world.vetoed_for(&taking()).await.contains(&"breaker_open".to_owned()));
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s35_confirmed_after_failed_changes_nothing_and_stops_the_market_for_a_person() {
    let world = World::new().await;
    world.fault(json!({ "kind": "trade_fail", "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.until("the reversal", async || world.count_of(order, "FillReversed").await == 1).await;
    let trade = world.trade_of(order).await;
    world.trade_becomes(&trade, "confirm").await;
    world.until("the breaker", async || world.breakers().await.contains(&(world.scope("yes"), Reason::UnexpectedFill))).await;
    assert_eq!(world.counts(order, ["Filled", "FillSettled", "FillReversed"]).await, [1, 0, 1]);
    assert_eq!(world.held("yes").await, (Quantity::ZERO, Quantity::ZERO));
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_shares_that_are_not_settled_cannot_be_sold() {
    let world = World::new().await;
    world.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.done(order).await;
    assert_eq!(world.held("yes").await, (shares("6"), shares("6")));
    assert!(world.vetoed_for(&close("0.40")).await.contains(&"nothing_to_close".to_owned()));
    world.agrees().await;
    // Also after a restart, in which the account shows none of it.
    let world = world.restarted().await;
    assert_eq!(world.held("yes").await, (shares("6"), shares("6")));
    assert!(world.vetoed_for(&close("0.40")).await.contains(&"nothing_to_close".to_owned()));
    assert_eq!((world.requests("create").await.len(), world.breakers().await.len()), (1, 0));
    let trade = world.trade_of(order).await;
    world.trade_becomes(&trade, "confirm").await;
    world.settled().await;
    let sale = world.order(&close("0.40")).await;
    assert_eq!(world.done(sale).await.filled, shares("6"));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_a_close_sells_what_is_settled_and_leaves_the_rest() {
    let world = World::new().await;
    let settled = world.order(&open("yes", "0.50", "5", "ioc")).await;
    world.done(settled).await;
    world.settled().await;
    // Five are left at 0.50, the rest is another trade.
    world.fault(json!({ "kind": "trade_hold", "count": 2 })).await;
    let held = world.order(&open("yes", "0.51", "6", "fok")).await;
    let bought = world.done(held).await.filled;
    let sale = world.order(&close("0.40")).await;
    let record = world.done(sale).await;
    assert_eq!((record.order.quantity, record.filled), (shares("5"), shares("5")));
    world.until("the sale to settle", async || world.count_of(sale, "FillSettled").await == 1).await;
    // The venue has taken none of the others: they are all that is held, and none of them is settled.
    assert!(bought >= shares("6"));
    assert_eq!(world.held("yes").await, (bought, bought));
    assert!(world.vetoed_for(&close("0.40")).await.contains(&"nothing_to_close".to_owned()));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_proceeds_pay_for_nothing_until_they_are_settled() {
    let world = World::new().await;
    let bought = world.order(&taking()).await;
    world.done(bought).await;
    world.settled().await;
    world.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let sold = world.order(&close("0.40")).await;
    world.done(sold).await;
    let (cash, free) = world.cash().await;
    let there = world.truth().await["cash"].clone();
    let theirs = |name: &str| usd(there[name].as_str().expect("money"));
    assert_eq!((cash, free), (theirs("matched"), theirs("available")));
    assert!(free < cash, "{free} of {cash}");
    world.agrees().await;
    let trade = world.trade_of(sold).await;
    world.trade_becomes(&trade, "confirm").await;
    world.until("the proceeds", async || world.cash().await == (cash, cash)).await;
    world.agrees().await;
    world.engine.stop().await;
}
