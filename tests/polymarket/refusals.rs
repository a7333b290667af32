//! Definite answers to a send: typed refusals, rate limits, restricted modes; and orders that wait or trade nothing.

use arbees::app::rehearsal::{SLUG, Wish};
use arbees::domain::event::{Event, NotPlaced};
use arbees::domain::ids::OrderId;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::{Value, json};

use crate::support::World;
use crate::wishes::{close, open, resting, shares, taking, with};

async fn refused_as(world: &World, order: OrderId, code: &str) -> bool {
    world.story(order).await.iter().any(|event| matches!(event, Event::OrderRejected { code: heard, .. } if **heard == *code))
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_typed_refusal_rejects_releases_and_is_not_tried_again() {
    let world = World::set(&[("MAX_CONSECUTIVE_ERRORS", "100")], true).await;
    let refusals = [
        (400, "not enough balance / allowance: the balance is not enough -> balance: 1", "not_enough_balance"),
        (400, "order 0x1 is invalid. Price (0.505) breaks minimum tick size rule: 0.01", "tick_size"),
        (400, "Invalid order payload", "invalid_payload"),
        (400, "words that nobody has seen yet", "refused"),
        (404, "the orderbook 1 does not exist", "refused"),
    ];
    for (status, words, code) in refusals {
        world.fault(json!({ "kind": "refuse", "call": "create", "status": status, "details": words, "count": 1 })).await;
        let order = world.order(&taking()).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.sends_of(order).await, record.attempts), (OrderState::Rejected, 1, 1), "{status} {words}");
        assert!(refused_as(&world, order, code).await, "{code}: {:?}", record.ended);
    }
    let (cash, free) = world.cash().await;
    assert_eq!((cash, world.orders_there().await), (free, 0), "nothing is reserved any more");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_the_venues_own_refusals_of_price_balance_and_market() {
    let world = World::set(&[("MAX_CONSECUTIVE_ERRORS", "100")], true).await;
    // Nobody has told us of these.
    world.admin("/allowance", json!({ "amount": "1" })).await;
    let order = world.order(&taking()).await;
    assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::Rejected, 1));
    assert!(refused_as(&world, order, "not_enough_balance").await);
    world.admin("/allowance", json!({})).await;
    world.admin(&format!("/markets/{SLUG}/status"), json!({ "status": "paused" })).await;
    let order = world.order(&taking()).await;
    assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::Rejected, 1));
    assert!(refused_as(&world, order, "market_not_ready").await);
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_401_or_403_rejects_the_order_and_halts_the_venue() {
    for (status, words) in [(401, "Unauthorized/Invalid api key"), (403, "Trading restricted in your region")] {
        let world = World::new().await;
        world.fault(json!({ "kind": "refuse", "call": "create", "status": status, "details": words, "count": 1 })).await;
        let order = world.order(&taking()).await;
        assert_eq!((world.done(order).await.state, world.sends_of(order).await), (OrderState::Rejected, 1), "{status}");
        world.until("the venue to be halted", async || world.mode().await == VenueMode::Halted).await;
        assert!(world.vetoed_for(&taking()).await.contains(&"venue_not_ready".to_owned()));
        world.agrees().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_429_is_a_refusal_after_which_the_same_order_goes_again() {
    let world = World::new().await;
    world.fault(json!({ "kind": "too_many_requests", "call": "create", "count": 2 })).await;
    let order = world.order(&taking()).await;
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 3));
    assert_eq!(world.counts(order, ["SubmitStarted", "OrderOutcomeUnknown"]).await, [3, 0], "each send on record");
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
    world.heal().await;
    assert_eq!(world.venue_order(order).await, Value::Null);
    world.agrees().await;
    world.engine.stop().await;
}

/// The venue takes no more takers: what comes is turned away, cancels go, and it opens again by a reading.
async fn restricted(mode: Value, shown: VenueMode, cancels_go: bool) {
    let world = World::new().await;
    let quote = world.resting(&resting(30_000)).await;
    let comes_back = !mode["ms"].is_null();
    world.admin("/exchange", mode).await;
    let turned_away = world.order(&Wish { ttl_ms: 2_000, ..taking() }).await;
    world.until("the mode", async || world.mode().await == shown).await;
    assert!(world.vetoed_for(&taking()).await.contains(&"venue_not_ready".to_owned()));
    let engine = world.engine.engine.clone();
    let canceled = tokio::spawn(async move { engine.operator("test", arbees::engine::Command::CancelAll).await });
    if cancels_go {
        assert_eq!(world.done(quote).await.state, OrderState::Canceled);
        assert_eq!(world.mode().await, shown, "cancelled meanwhile");
    }
    let record = world.done(turned_away).await;
    assert_eq!((record.state, world.venue_order(turned_away).await), (OrderState::NotPlaced, Value::Null));
    let certain = |event: &Event| matches!(event, Event::OrderNotPlaced { cause: NotPlaced::Withheld(_), .. });
    assert!(world.story(turned_away).await.iter().any(certain), "it was turned away before it was looked at");
    assert_eq!(world.counts(turned_away, ["OrderOutcomeUnknown", "OrderRejected"]).await, [0, 0]);

    if !comes_back {
        world.admin("/exchange", json!({ "mode": "open" })).await;
    }
    world.until("the venue to be open again", async || world.stage.is_open(&world.engine).await).await;
    let modes = world.modes().await;
    let from = modes.iter().rposition(|mode| *mode == shown).expect("the mode is on record");
    assert_eq!(modes[from..], [shown, VenueMode::Reconciling, VenueMode::Open], "{modes:?}");
    let order = world.order(&taking()).await;
    assert_eq!(world.done(order).await.state, OrderState::Filled);
    // What couldn't be cancelled meanwhile was tried until it was.
    assert_eq!(world.done(quote).await.state, OrderState::Canceled);
    canceled.await.expect("a task").expect("cancelled");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_503_of_a_post_only_venue_blocks_takers_allows_cancels_and_ends_with_a_reconciliation() {
    restricted(json!({ "mode": "post_only", "ms": 4_000 }), VenueMode::PostOnly, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_503_of_disabled_trading_blocks_opens_allows_cancels_and_ends_with_a_reconciliation() {
    restricted(json!({ "mode": "cancel_only" }), VenueMode::CancelOnly, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_425_of_a_restart_blocks_until_the_venue_is_back_and_ends_with_a_reconciliation() {
    restricted(json!({ "mode": "restart", "ms": 3_000 }), VenueMode::CancelOnly, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_an_order_that_takes_nothing_or_a_part_ends_and_its_rest_is_not_sent_again() {
    let world = World::new().await;
    let nothing = world.order(&open("yes", "0.49", "6", "ioc")).await;
    let record = world.done(nothing).await;
    assert_eq!((record.state, record.filled, world.sends_of(nothing).await), (OrderState::Canceled, Quantity::ZERO, 1));
    let killed = world.order(&open("yes", "0.50", "50", "fok")).await;
    let record = world.done(killed).await;
    // The stream may say that it was cancelled before the answer says why.
    assert!(matches!(record.state, OrderState::Rejected | OrderState::Canceled), "{}", record.state);
    assert_eq!((record.filled, world.sends_of(killed).await), (Quantity::ZERO, 1));
    world.admin(&format!("/markets/{SLUG}/book"), json!({ "bids": [["0.48", "10"]], "asks": [["0.50", "2"]] })).await;
    let part = world.order(&taking()).await;
    let record = world.done(part).await;
    assert_eq!((record.state, record.filled, world.sends_of(part).await), (OrderState::Canceled, shares("2"), 1));
    world.agrees().await;
    assert_eq!(world.orders_there().await, 3, "no order for the rest");
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_a_delayed_order_is_in_flight_until_it_has_ended_and_never_sent_again() {
    let world = World::new().await;
    // It is looked at again after this: it matches, or fails.
    for (tif, matches) in [("ioc", true), ("fok", true), ("ioc", false)] {
        world.fault(json!({ "kind": "delayed", "call": "create", "ms": 1_500, "processed": matches, "count": 1 })).await;
        let order = world.order(&open("yes", "0.51", "5", tif)).await;
        world.until("the venue to hold it", async || world.venue_order(order).await["status"] == "DELAYED").await;
        // Unknown by its answer, or known by the stream: in either case it lives.
        let record = world.when(order, |record| record.state != OrderState::Submitting).await;
        assert!(matches!(record.state, OrderState::Unknown | OrderState::Working), "{}", record.state);
        let record = world.done(order).await;
        let expected = if matches { OrderState::Filled } else { OrderState::Canceled };
        assert_eq!((record.state, world.sends_of(order).await), (expected, 1), "{tif}");
        assert_eq!(record.filled.is_zero(), !matches);
        world.agrees().await;
    }
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_a_market_of_games_delays_takers_and_a_close_waits_for_its_end() {
    let world = World::new().await;
    let bought = world.order(&taking()).await;
    world.done(bought).await;
    world.settled().await;
    world.admin(&format!("/markets/{SLUG}/delay"), json!({ "delay_s": 1 })).await;
    let sale = world.order(&close("0.40")).await;
    let record = world.done(sale).await;
    assert_eq!((record.state, record.filled, world.sends_of(sale).await), (OrderState::Filled, shares("6"), 1));
    assert_eq!(world.orders_there().await, 2, "nothing was asked for beside it");
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_unmatched_says_that_it_rests() {
    let world = World::new().await;
    world.fault(json!({ "kind": "delayed", "call": "create", "code": "unmatched", "count": 2 })).await;
    let quote = world.resting(&resting(30_000)).await;
    let nothing = world.order(&open("yes", "0.49", "6", "ioc")).await;
    let record = world.done(nothing).await;
    assert_eq!((record.state, world.sends_of(nothing).await, world.sends_of(quote).await), (OrderState::Canceled, 1, 1));
    world.agrees().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_an_order_that_comes_late_is_in_flight_until_it_is_known_to_have_ended() {
    let world = World::with(with(&[("POLY_REQUEST_TIMEOUT_MS", "300")])).await;
    world.fault(json!({ "kind": "late_request", "call": "create", "ms": 900, "count": 1 })).await;
    let order = world.order(&taking()).await;
    world.when(order, |record| record.state == OrderState::Unknown).await;
    assert_eq!(world.venue_order(order).await, Value::Null, "it is still on its way");
    let record = world.done(order).await;
    assert_eq!((record.state, world.sends_of(order).await), (OrderState::Filled, 1));
    world.agrees().await;
    world.engine.stop().await;
}
