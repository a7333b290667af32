//! The first day: what an account starts with, the canary's caps, dry runs.

use arbees::app::rehearsal::{Setup, Stage};
use arbees::domain::event::{Event, NotPlaced};
use arbees::domain::market::Venue;
use arbees::domain::money::Usd;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::{Value, json};

use crate::look::{Look, close, open, theirs, usd, whole, with_settings};
use crate::support::{Folder, Polymarket, World};

fn booked(event: &Event) -> Option<Usd> {
    match event {
        Event::OpeningBalance { account: Venue::Polymarket, cash, .. } => Some(*cash),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_an_account_with_nothing_but_cash_is_taken_over_by_itself_and_once() {
    let world = World::new().await;
    assert_eq!(world.logged("the opening balance", booked).await, usd("1000"));
    let world = world.restarted().await;
    assert_eq!(world.count(|event| booked(event).is_some()).await, 1);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_an_account_that_holds_something_waits_for_a_person_and_trades_nothing() {
    for resting in [false, true] {
        let folder = Folder::new();
        let stage: Stage<Polymarket> = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
        let price = if resting { "0.45" } else { "0.50" };
        stage.admin("POST", "/website/order", theirs("buy", price, "6", "GTC")).await.expect("placed");
        let engine = stage.engine_at_once().await.expect("it starts");
        let world = World { stage, engine, _folder: folder };
        let asked = async || world.mode_and_why().await.1.contains("run `arbees adopt`").then_some(());
        world.stage.until("a question for a person", asked).await.expect("asked");
        assert!(world.vetoed(&open("yes", "0.50", "6", "ioc")).await.contains(&"venue_not_ready".to_owned()));
        world.called_again("balance", 2).await;
        assert_eq!((world.count(|event| booked(event).is_some()).await, world.calls("create").await), (0, 0));
        assert_eq!(world.mode_and_why().await.0, VenueMode::Reconciling);
        world.engine.stop().await;
    }
}

const LIVE: [(&str, &str); 3] = [("TRADING_MODE", "live"), ("PAPER_TRADING", "0"), ("LIVE_TRADING_AUTHORIZED", "true")];

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_allows_one_open_order_ten_dollars_each_and_twenty_five_a_day() {
    let world = World::with(with_settings(&LIVE)).await;
    assert_eq!(world.vetoed(&open("yes", "0.50", "21", "ioc")).await, ["canary"], "$10.50");
    let order = world.rests("0.45", "10").await;
    assert_eq!(world.vetoed(&open("yes", "0.50", "10", "ioc")).await, ["canary"], "a second open order");
    world.admin("/website/cancel", json!({ "order_id": world.name_of(order).await })).await;
    world.done(order).await;
    world.buys("yes", "0.50", "10").await;
    world.buys("yes", "0.51", "19").await;
    assert_eq!(world.vetoed(&open("yes", "0.51", "13", "ioc")).await, ["canary"], "$4.50 + $5 + $9.69 + $6.63 in a day");
    let record = world.trades(&close("yes", "0.40")).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, whole(29)), "closes are not capped");
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_by_name_lifts_the_canary() {
    let world = World::with(with_settings(&[LIVE[0], LIVE[1], LIVE[2], ("LIVE_STAGE", "full")])).await;
    world.buys("yes", "0.51", "40").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_signs_and_sends_nothing_that_trades() {
    let world = World::with(with_settings(&[("TRADING_MODE", "dry-run")])).await;
    for wish in [open("yes", "0.50", "6", "ioc"), open("yes", "0.45", "6", "gtd"), open("no", "0.52", "6", "fok")] {
        let record = world.trades(&wish).await;
        assert_eq!(record.state, OrderState::NotPlaced);
    }
    let withheld =
        |event: &Event| matches!(event, Event::OrderNotPlaced { cause: NotPlaced::Withheld(why), .. } if why.contains("dry run"));
    assert_eq!(world.count(withheld).await, 3);
    // Each was signed all the same: its hash is on record.
    let signed =
        |event: &Event| matches!(event, Event::SubmitStarted { signed: Some(signed), .. } if signed.venue_order_id.as_str().len() == 66);
    assert_eq!(world.count(signed).await, 3);
    world.cancel_all().await;
    let seen = world.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
    let calls: Vec<&str> =
        seen.as_array().into_iter().flatten().filter(|one| one["method"] != "GET").filter_map(|one| one["call"].as_str()).collect();
    // An API key isn't a trade. A heartbeat would arm the switch of whoever else trades with this key.
    assert!(calls.iter().all(|call| *call == "api_keys"), "{calls:?}");
    assert_eq!(world.stage.truth().await.expect("truth")["orders"], json!({}));
    world.agrees().await;
}
