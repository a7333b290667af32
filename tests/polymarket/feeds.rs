//! The stream breaks, is silent, lags; reads lag; polling alone suffices (S87-S89, S93, S94).

use arbees::app::rehearsal::Setup;
use arbees::domain::event::Event;
use arbees::domain::market::{MarketStatus, Venue};
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use arbees::http::Queries;
use serde_json::{Value, json};

use crate::look::{Look, close, key_of, open, price, theirs, whole};
use crate::support::World;

async fn modes(world: &World) -> Vec<VenueMode> {
    let mode = |event| match event {
        Event::VenueModeChanged { venue: Venue::Polymarket, mode, .. } => Some(mode),
        _ => None,
    };
    world.events().await.into_iter().filter_map(mode).collect()
}

fn said(words: &'static str) -> impl Fn(&Event) -> Option<()> {
    move |event| match event {
        Event::VenueModeChanged { why, .. } if why.contains(words) => Some(()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s87_what_was_traded_while_the_stream_was_gone_is_read_once_and_before_opens_resume() {
    let world = World::new().await;
    let order = world.rests("0.45", "6").await;
    let refuse = world.stage.fault(json!({ "kind": "ws_refuse" })).await.expect("a fault");
    world.admin("/sockets/end", json!({ "abrupt": true })).await;
    world.hit_order(order, "4").await;
    world.logged("the stale mark", said("the stream broke")).await;
    world.holds("yes", whole(4)).await;
    world.becomes(VenueMode::Open).await;
    world.stage.admin("DELETE", &format!("/faults/{}", refuse["id"]), Value::Null).await.expect("healed");
    world.logged("the stream again", said("the stream is up")).await;
    world.hit_order(order, "2").await;
    world.holds("yes", whole(6)).await;
    world.becomes(VenueMode::Open).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, whole(6)));
    assert_eq!(world.count(|event| matches!(event, Event::Filled(_))).await, 2, "each fill once");
    for pair in modes(&world).await.windows(2) {
        assert!(pair[1] != VenueMode::Open || pair[0] == VenueMode::Reconciling, "read before it opens");
    }
    world.agrees().await;
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s87_a_changed_book_is_the_mark_with_and_without_its_own_news() {
    for deaf in [false, true] {
        let world = World::with(Setup { stream: !deaf, ..Setup::default() }).await;
        world.buys("yes", "0.50", "6").await;
        world.market("book", json!({ "bids": [["0.30", "5"]], "asks": [["0.33", "5"]] })).await;
        let key = key_of(&world, "yes");
        let marked = async || {
            let key = key.clone();
            let mark = world.engine.engine.query(move |engine| engine.book().markets.get_mark(&key).copied()).await??;
            (mark.quote.bid == Some(price("0.30"))).then_some(())
        };
        world.stage.until("the new book as a mark", marked).await.unwrap_or_else(|error| panic!("{error}"));
        world.agrees().await;
        world.nothing_diverged().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s88_an_open_but_silent_stream_hides_no_fill() {
    let world = World::new().await;
    let order = world.rests("0.45", "6").await;
    world.fault(json!({ "kind": "ws_silence" })).await;
    world.hit_order(order, "6").await;
    let record = world.done(order).await;
    assert_eq!(record.state, OrderState::Filled, "the audit finds it");
    world.agrees().await;
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s89_s93_reads_that_lag_behind_our_fills_are_no_divergence() {
    for lag_ms in [700, 3_500] {
        let world = World::new().await;
        world.admin("/read_lag", json!({ "ms": lag_ms })).await;
        world.trades(&open("yes", "0.50", "6", "ioc")).await;
        assert_eq!(world.holding("yes").await, whole(6), "our own news counts at once");
        world.called_again("balance", 8).await;
        world.nothing_diverged().await;
        world.agrees().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s89_fills_missing_on_the_stream_come_from_the_reading_and_those_on_both_count_once() {
    let world = World::new().await;
    world.fault(json!({ "kind": "ws_drop", "channel": "trade", "count": 1 })).await;
    world.fault(json!({ "kind": "ws_duplicate", "channel": "trade" })).await;
    world.trades(&open("yes", "0.50", "6", "ioc")).await;
    world.trades(&open("yes", "0.51", "5", "ioc")).await;
    world.called_again("trades", 2).await;
    let filled: Quantity =
        world.events().await.iter().filter_map(|event| if let Event::Filled(fill) = event { Some(fill.quantity) } else { None }).sum();
    assert_eq!(filled, whole(11));
    world.agrees().await;
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_nothing_opens_before_the_account_is_read_and_cancels_are_permitted() {
    let world = World::new().await;
    let order = world.rests("0.45", "6").await;
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    stage.fault(json!({ "kind": "status", "status": 500, "call": "balance" })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.called_again("balance", 2).await;
    let reasons = world.engine.desk.readiness().await.expect_err("not ready");
    assert!(reasons.iter().any(|reason| reason.starts_with("polymarket reconciling")), "{reasons:?}");
    assert_eq!(world.vetoed(&open("yes", "0.50", "6", "ioc")).await, ["venue_not_ready"]);
    world.cancel_all().await;
    assert_eq!((world.done(order).await.state, world.sends().await), (OrderState::Canceled, 1), "cancels are permitted");
    world.stage.heal().await.expect("healed");
    world.becomes(VenueMode::Open).await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_alone_suffices() {
    let world = World::with(Setup { stream: false, ..Setup::default() }).await;
    let order = world.rests("0.45", "6").await;
    world.hit_order(order, "4").await;
    world.holds("yes", whole(4)).await;
    world.hit_order(order, "2").await;
    assert_eq!(world.done(order).await.state, OrderState::Filled);
    world.buys("yes", "0.50", "5").await;
    world.agrees().await;
    world.trades(&close("yes", "0.40")).await;
    world.agrees().await;
    world.buys("yes", "0.51", "6").await;
    world.market("settle", json!({ "result": "yes" })).await;
    world.holds("yes", Quantity::ZERO).await;
    world.agrees().await;
    world.market_when(&key_of(&world, "yes"), |market| market.status == MarketStatus::Settled).await;
    assert_eq!(world.stage.admin("GET", "/sockets", Value::Null).await.expect("sockets")["open"], 0);
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_understood_one_by_one_and_in_arrays() {
    for frames in ["object", "array"] {
        let world =
            World::with(Setup { settings: vec![("POLY_RECONCILE_EVERY_MS".to_owned(), "60000".to_owned())], ..Setup::default() }).await;
        world.admin("/rules", json!({ "frames": frames })).await;
        let order = world.rests("0.45", "6").await;
        let reads = world.calls("balance").await;
        world.hit_order(order, "6").await;
        world.holds("yes", whole(6)).await;
        world.settled().await;
        assert!(world.calls("balance").await <= reads + 2, "the stream told, not a reading");
        world.admin("/crowd/order", theirs("buy", "0.49", "5", "GTC")).await;
        let key = key_of(&world, "yes");
        let marked = async || {
            let key = key.clone();
            let mark = world.engine.engine.query(move |engine| engine.book().markets.get_mark(&key).copied()).await??;
            (mark.quote.bid == Some(price("0.49"))).then_some(())
        };
        world.stage.until("the new touch", marked).await.unwrap_or_else(|error| panic!("{frames}: {error}"));
        world.agrees().await;
        world.nothing_diverged().await;
    }
}
