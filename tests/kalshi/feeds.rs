//! The stream breaks, is silent, lags; reads lag; polling alone suffices (S87-S89, S93, S94).
//!
//! The stream's own time-out of a silent socket (S88) is 15 s and tested in `venues::kalshi::stream`; here is what
//! happens meanwhile.

use arbees::app::rehearsal::{Setup, TICKER, Wish};
use arbees::domain::event::Event;
use arbees::domain::market::MarketStatus;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use arbees::http::Queries;
use serde_json::{Value, json};

use crate::support::{Folder, World};

async fn nothing_diverged(world: &World) {
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. } | Event::BreakerTripped { .. })).await, 0);
}

async fn modes(world: &World) -> Vec<VenueMode> {
    let mode = |event| match event {
        Event::VenueModeChanged { venue: arbees::domain::market::Venue::Kalshi, mode, .. } => Some(mode),
        _ => None,
    };
    world.events().await.into_iter().filter_map(mode).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s87_what_was_traded_while_the_stream_was_gone_is_read_once_and_before_opens_resume() {
    let world = World::new().await;
    let (order_id, client) = world.rests("0.45", "3").await;
    let refuse = world.stage.fault(json!({ "kind": "ws_refuse" })).await.expect("a fault");
    world.post("/sockets/end", json!({ "abrupt": true })).await;
    world.hit(&client, "2").await;
    world
        .logged("the stale mark", |event| match event {
            Event::VenueModeChanged { why, .. } if why.contains("the stream broke") => Some(()),
            _ => None,
        })
        .await;
    world.holds(TICKER, Quantity::whole(2)).await;
    world.becomes(VenueMode::Open).await;
    world.stage.admin("DELETE", &format!("/faults/{}", refuse["id"]), Value::Null).await.expect("healed");
    world
        .logged("the stream again", |event| match event {
            Event::VenueModeChanged { why, .. } if why.contains("the stream is up") => Some(()),
            _ => None,
        })
        .await;
    world.hit(&client, "1").await;
    world.holds(TICKER, Quantity::whole(3)).await;
    world.becomes(VenueMode::Open).await;
    let record = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("done");
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(3)));
    assert_eq!(world.count(|event| matches!(event, Event::Filled(_))).await, 2, "each fill once");
    for pair in modes(&world).await.windows(2) {
        assert!(pair[1] != VenueMode::Open || pair[0] == VenueMode::Reconciling, "read before it opens");
    }
    world.agrees().await;
    nothing_diverged(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s87_a_gap_in_the_book_is_read_anew() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    let snapshots = world.calls("orderbook").await;
    world.stage.fault(json!({ "kind": "ws_gap", "channel": "orderbook_delta", "count": 1 })).await.expect("a fault");
    for price in ["0.40", "0.41", "0.42"] {
        world.post("/crowd/order", json!({ "ticker": TICKER, "side": "bid", "price": price, "quantity": "1" })).await;
    }
    world.post(&format!("/markets/{TICKER}/book"), json!({ "bids": [["0.30", "5"]], "asks": [["0.33", "5"]] })).await;
    let key = crate::seen::key_of(TICKER);
    let marked = async || {
        let key = key.clone();
        let mark = world.engine.engine.query(move |engine| engine.book().markets.get_mark(&key).copied()).await??;
        (mark.quote.bid == arbees::domain::money::Price::parse("0.30").ok()).then_some(())
    };
    world.stage.until("the new book as a mark", marked).await.unwrap_or_else(|error| panic!("{error} ({snapshots} reads)"));
    world.agrees().await;
    nothing_diverged(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s88_an_open_but_silent_stream_hides_no_fill() {
    let world = World::new().await;
    let (order_id, client) = world.rests("0.45", "3").await;
    world.stage.fault(json!({ "kind": "ws_silence" })).await.expect("a fault");
    world.hit(&client, "3").await;
    world.stage.order_when(&world.engine, order_id, |record| record.state == OrderState::Filled).await.expect("the audit finds it");
    world.agrees().await;
    nothing_diverged(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s89_s93_reads_that_lag_behind_our_fills_are_no_divergence() {
    for lag_ms in [700, 3_500] {
        let world = World::new().await;
        world.post("/read_lag", json!({ "ms": lag_ms })).await;
        world.buys("yes", "0.50", "3").await;
        assert_eq!(world.held(TICKER).await, Quantity::whole(3), "our own news counts at once");
        world.called_again("balance", 5).await;
        nothing_diverged(&world).await;
        world.agrees().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s89_fills_missing_on_the_stream_come_from_the_reading_and_those_on_both_count_once() {
    let world = World::new().await;
    world.stage.fault(json!({ "kind": "ws_drop", "channel": "fill", "count": 1 })).await.expect("a fault");
    world.buys("yes", "0.50", "3").await;
    world.buys("yes", "0.50", "2").await;
    world.called_again("fills", 2).await;
    assert_eq!(world.count(|event| matches!(event, Event::Filled(_))).await, 2);
    world.agrees().await;
    nothing_diverged(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_nothing_opens_before_the_account_is_read_and_cancels_are_permitted() {
    let world = World::new().await;
    let (order_id, _) = world.rests("0.45", "3").await;
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    stage.fault(json!({ "kind": "status", "status": 500, "call": "positions" })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.called_again("positions", 2).await;
    let reasons = world.engine.desk.readiness().await.expect_err("not ready");
    assert!(reasons.iter().any(|reason| reason.starts_with("kalshi reconciling")), "{reasons:?}");
    assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "3", "ioc")).await, ["venue_not_ready"]);
    world.command(arbees::engine::Command::CancelAll).await.expect("cancels are permitted");
    let ended = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("cancelled");
    assert_eq!((ended.state, world.sends().await), (OrderState::Canceled, 1));
    world.stage.heal().await.expect("healed");
    world.becomes(VenueMode::Open).await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_alone_suffices() {
    let world = World::with(Setup { stream: false, ..Setup::default() }).await;
    let (order_id, client) = world.rests("0.45", "3").await;
    world.hit(&client, "2").await;
    world.holds(TICKER, Quantity::whole(2)).await;
    world.hit(&client, "1").await;
    let record = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("done");
    assert_eq!(record.state, OrderState::Filled);
    world.buys("yes", "0.50", "2").await;
    world.agrees().await;
    world.synced().await;
    world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closed");
    world.agrees().await;
    world.buys("yes", "0.51", "4").await;
    world.market("settle", json!({ "result": "yes" })).await;
    world.holds(TICKER, Quantity::ZERO).await;
    world.agrees().await;
    world.market_when(TICKER, |market| market.status == MarketStatus::Settled).await;
    assert_eq!(world.stage.admin("GET", "/sockets", Value::Null).await.expect("sockets")["open"], 0);
    nothing_diverged(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s86_money_that_cannot_be_read_opens_nothing_and_unknown_fields_harm_nothing() {
    let folder = Folder::new();
    let stage = arbees::app::rehearsal::Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    let renamed = json!({ "balance_usd": "1000.000000", "portfolio_value": 0, "updated_ts": 1 }).to_string();
    stage.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": renamed })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.called_again("balance", 2).await;
    assert_eq!(world.mode().await.0, VenueMode::Reconciling);
    assert_eq!(world.count(|event| matches!(event, Event::OpeningBalance { .. })).await, 0, "no zero is invented");
    assert!(world.vetoed(&Wish::open("yes", "0.50", "3", "ioc")).await.contains(&"venue_not_ready".to_owned()));
    world.stage.heal().await.expect("healed");
    let more = json!({
        "balance": 100_000, "balance_dollars": "1000.000000", "portfolio_value": 0, "updated_ts": 1, "brand_new": { "a": [1] },
    });
    world.stage.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": more.to_string() })).await.expect("a fault");
    world.becomes(VenueMode::Open).await;
    world.stage.heal().await.expect("healed");
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
}
