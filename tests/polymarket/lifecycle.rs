//! Markets and the exchange live their lives: closes, pauses, other grids, other fees, restarts (S71-S78, S83).
//!
//! How markets end is in `settlement`. S74 and S75 are of no venue (`tests/worker`, `config`).

use arbees::app::rehearsal::Wish;
use arbees::domain::event::{Event, Scope};
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::{Value, json};

use crate::look::{Look, key_of, open, price, resting, whole, with_settings};
use crate::support::{SLUG, World};

#[tokio::test(flavor = "multi_thread")]
async fn s71_prices_and_sizes_the_venue_would_refuse_never_leave() {
    let world = World::new().await;
    let veto = |price, size| open("yes", price, size, "ioc");
    assert!(world.vetoed(&veto("0.995", "6")).await.contains(&"price_band".to_owned()));
    assert!(world.vetoed(&veto("0.001", "6")).await.contains(&"price_band".to_owned()));
    assert!(world.vetoed(&veto("0.50", "4.99")).await.contains(&"below_minimum_size".to_owned()), "the market's own minimum");
    // Five shares are enough, a dollar is, too.
    assert!(world.vetoed(&veto("0.19", "5")).await.contains(&"below_minimum_size".to_owned()), "$0.95");
    assert_eq!(world.calls("create").await, 0);
    let record = world.trades(&veto("0.509", "5.019")).await;
    assert_eq!(record.order.limit, price("0.50"), "to the passive side of the grid");
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::parse("5.01").expect("a quantity")));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_the_ends_of_the_grid_are_a_tick_from_zero_and_from_one() {
    let world = World::with(with_settings(&[("SAFE_PRICE_MIN", "0"), ("SAFE_PRICE_MAX", "1")])).await;
    let edge = |wish: Wish, sure: bool| {
        let prob = if sure { "0.9999" } else { "0.80" };
        (wish, prob)
    };
    let (wish, prob) = edge(open("yes", "0.995", "6", "ioc"), true);
    let (id, mut signal) = world.stage.signal(&wish);
    signal["model_prob"] = prob.into();
    signal["yes_ask"] = "0.99".into();
    world.synced().await;
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    let story = world.stage.answer(&world.engine, &id).await.expect("an answer");
    if story["answer"] == "requested" {
        let order = world.stage.order(&world.engine, &id).await.expect("an order");
        assert_eq!(world.done(order).await.order.limit, price("0.99"), "1 - tick at the most");
    }
    let low = world.vetoed(&open("yes", "0.005", "200", "ioc")).await;
    assert!(!low.is_empty(), "below a tick there is no price");
    for body in world.requests("create").await {
        let sent: Value = serde_json::from_str(body["body"].as_str().expect("text")).expect("JSON");
        assert!(sent["order"]["makerAmount"] != "0" && body["status"] == 200, "{body}");
    }
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s72_without_a_book_or_with_an_old_one_nothing_is_bought() {
    let world = World::new().await;
    let wish = open("yes", "0.50", "6", "ioc");
    let without = |name: &'static str| move |signal: &mut Value| drop(signal.as_object_mut().and_then(|s| s.remove(name)));
    assert!(world.vetoed_with(&wish, without("price_ts")).await.contains(&"book_stale".to_owned()));
    assert!(world.vetoed_with(&wish, without("yes_ask")).await.contains(&"book_distance".to_owned()));
    assert!(world.vetoed_with(&wish, without("liquidity_available")).await.contains(&"depth".to_owned()));
    let old = world.stage.now().plus_ms(-6_000).to_string();
    assert!(world.vetoed_with(&wish, |signal| signal["price_ts"] = old.as_str().into()).await.contains(&"book_stale".to_owned()));
    assert_eq!(world.sends().await, 0);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s76_a_market_that_closes_or_pauses_unheard_refuses_once_and_is_not_asked_again() {
    for status in ["closed", "paused"] {
        let world = World::new().await;
        world.buys("yes", "0.50", "6").await;
        // Neither is told on the stream: the engine still takes it for open.
        world.market("status", json!({ "status": status })).await;
        let record = world.trades(&open("yes", "0.50", "6", "ioc")).await;
        assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1), "{status}");
        assert!(record.reserved().is_zero(), "its reservation is released");
        assert_eq!(world.sends().await, 2);
        assert!(!world.is_tripped(Scope::Global).await);
        world.agrees().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s76_a_market_known_to_be_closed_is_vetoed_until_it_is_open_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let world = world
        .restarted_after(async |stage| {
            stage.admin("POST", &format!("/markets/{SLUG}/status"), json!({ "status": "paused" })).await.expect("paused");
        })
        .await;
    let first = world.stage.send(&world.engine, &open("yes", "0.50", "6", "ioc")).await.expect("sent");
    let story = world.stage.answer(&world.engine, &first).await.expect("an answer");
    assert!(story["answer"] == "vetoed" && story["reasons"].to_string().contains("market_closed"), "{story}");
    assert_eq!(world.sends().await, 1);
    world.market("status", json!({ "status": "active" })).await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s77_another_tick_while_trading_moves_the_next_price_and_ends_what_lies_off_it() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let key = key_of(&world, "yes");
    world.market("tick", json!({ "tick": "0.001" })).await;
    world.market_when(&key, |market| market.grid.holds(price("0.453"))).await;
    let fine = world.resting(&resting("0.4535", "6")).await;
    let coarse = world.resting(&resting("0.44", "6")).await;
    assert_eq!(world.when(fine, |_| true).await.order.limit, price("0.453"), "tenths of a cent now");
    world.market("tick", json!({ "tick": "0.01" })).await;
    world.market_when(&key, |market| market.grid.holds(price("0.45")) && !market.grid.holds(price("0.453"))).await;
    let ended = world.done(fine).await;
    assert_eq!((ended.state, ended.filled), (OrderState::Canceled, Quantity::ZERO));
    assert_eq!(world.when(coarse, |_| true).await.state, OrderState::Working, "what lies on the new grid stays");
    let record = world.trades(&open("yes", "0.5035", "6", "ioc")).await;
    assert_eq!((record.order.limit, record.filled), (price("0.50"), whole(4)), "four were left at 50 cents");
    world.cancel_all().await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s77_a_tick_that_changed_unheard_costs_one_refusal_and_the_next_order_is_on_it() {
    let world = World::new().await;
    world.fault(json!({ "kind": "ws_drop", "channel": "tick_size_change" })).await;
    world.buys("yes", "0.50", "6").await;
    world.market("tick", json!({ "tick": "0.1" })).await;
    let refused = world.trades(&open("yes", "0.51", "6", "ioc")).await;
    assert_eq!((refused.state, refused.attempts), (OrderState::Rejected, 1));
    world.market_when(&key_of(&world, "yes"), |market| !market.grid.holds(price("0.51"))).await;
    let record = world.trades(&open("yes", "0.51", "5", "ioc")).await;
    assert_eq!((record.order.limit, record.filled), (price("0.50"), whole(4)));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s78_other_fees_count_in_edge_and_in_cash() {
    let world = World::new().await;
    let modest = |signal: &mut Value| signal["model_prob"] = "0.54".into();
    let wish = open("yes", "0.50", "6", "ioc");
    let (id, mut signal) = world.stage.signal(&wish);
    modest(&mut signal);
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    let order = world.stage.order(&world.engine, &id).await.expect("4 points less a fee of 1.25 are enough");
    assert_eq!(world.done(order).await.order.fee.taker_micros, 50_000);
    world.agrees().await;
    let world = world
        .restarted_after(async |stage| {
            stage.admin("POST", &format!("/markets/{SLUG}/fees"), json!({ "rate": "0.15" })).await.expect("fees");
        })
        .await;
    assert_eq!(world.vetoed_with(&wish, modest).await, ["edge_below_minimum"]);
    let record = world.trades(&open("yes", "0.51", "6", "ioc")).await;
    assert_eq!((record.order.fee.taker_micros, record.state), (150_000, OrderState::Filled));
    world.agrees().await;
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s78_a_market_with_fees_whose_schedule_nobody_names_is_not_traded() {
    let world = World::with(with_settings(&[("POLY_GAMMA_URL", "")])).await;
    let spec = &world.stage.venue.markets[SLUG];
    let row = json!({
        "c": spec.condition, "t": [{ "t": spec.tokens[0], "o": "Yes" }, { "t": spec.tokens[1], "o": "No" }],
        "mts": 0.01, "mos": 5, "nr": false, "tbf": 200, "mbf": 0,
    });
    world.fault(json!({ "kind": "status", "status": 200, "call": "clob_market", "body": row.to_string() })).await;
    let reasons = world.vetoed(&open("yes", "0.50", "6", "ioc")).await;
    assert!(reasons.contains(&"no_instrument".to_owned()), "{reasons:?}");
    assert_eq!(world.sends().await, 0);
    world.stage.heal().await.expect("healed");
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s83_a_restart_of_the_matching_engine_stops_opens_without_a_storm_and_ends_by_itself() {
    let world = World::new().await;
    let order = world.rests("0.45", "6").await;
    world.admin("/exchange", json!({ "mode": "cancel_only" })).await;
    let (id, signal) = world.stage.signal(&open("yes", "0.50", "6", "ioc"));
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    world.becomes(VenueMode::CancelOnly).await;
    world.stage.answer(&world.engine, &id).await.expect("an answer");
    let sends = world.calls("create").await;
    for _ in 0..4 {
        assert!(world.vetoed(&open("yes", "0.50", "6", "ioc")).await.contains(&"venue_not_ready".to_owned()));
    }
    assert_eq!(world.calls("create").await, sends, "nothing is tried meanwhile");
    assert!(!world.is_tripped(Scope::Global).await && !world.is_tripped(Scope::Market(key_of(&world, "yes"))).await);
    world.cancel_all().await;
    assert_eq!(world.done(order).await.state, OrderState::Canceled, "cancels are permitted");
    world.admin("/exchange", json!({ "mode": "open" })).await;
    world.becomes(VenueMode::Open).await;
    let modes = world.events().await.into_iter().filter_map(|event| match event {
        Event::VenueModeChanged { mode, .. } => Some(mode),
        _ => None,
    });
    let modes: Vec<VenueMode> = modes.collect();
    assert!(modes.ends_with(&[VenueMode::CancelOnly, VenueMode::Reconciling, VenueMode::Open]), "read before it opens: {modes:?}");
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
}
