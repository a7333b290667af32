//! The first day: what an account starts with, what comes and goes, the canary's caps, dry runs, a venue without keys.

use arbees::app::rehearsal::{Setup, Stage, TICKER, Wish};
use arbees::domain::event::{Event, NotPlaced};
use arbees::domain::market::Venue;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use serde_json::json;

use crate::seen::with_settings;
use crate::support::{Folder, World};

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

fn booked(event: &Event) -> Option<Usd> {
    match event {
        Event::OpeningBalance { account: Venue::Kalshi, cash, .. } => Some(*cash),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_nothing_but_cash_is_taken_over_by_itself_and_once() {
    let world = World::new().await;
    assert_eq!(world.logged("the opening balance", booked).await, usd("1000"));
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    let engine = stage.engine().await.expect("an engine again");
    let world = World { stage, engine, _folder: folder };
    assert_eq!(world.count(|event| booked(event).is_some()).await, 1);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_holds_something_waits_for_a_person_and_trades_nothing() {
    for resting in [false, true] {
        let folder = Folder::new();
        let stage = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
        let price = if resting { "0.45" } else { "0.50" };
        stage
            .admin("POST", "/website/order", json!({ "ticker": TICKER, "side": "bid", "price": price, "quantity": "4" }))
            .await
            .expect("placed");
        let engine = stage.engine_at_once().await.expect("it starts");
        let world = World { stage, engine, _folder: folder };
        let asked = async || world.mode().await.1.contains("run `arbees adopt`").then_some(());
        world.stage.until("a question for a person", asked).await.expect("asked");
        assert!(world.vetoed(&Wish::open("yes", "0.50", "1", "ioc")).await.contains(&"venue_not_ready".to_owned()));
        world.called_again("positions", 2).await;
        assert_eq!((world.count(|event| booked(event).is_some()).await, world.sends().await), (0, 0));
        assert_eq!(world.mode().await.0, VenueMode::Reconciling);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_withdrawals_become_cash_moved_once_each_and_no_gain_of_the_day() {
    let world = World::new().await;
    // Within the second of the opening balance, which is all the venue tells of its time.
    world.post("/cash", json!({ "amount": "50" })).await;
    world.buys("yes", "0.50", "3").await;
    world.post("/cash", json!({ "amount": "250.50" })).await;
    world.post("/cash", json!({ "amount": "-100" })).await;
    world.agrees().await;
    world.called_again("deposits", 3).await;
    let moved = world.events().await.into_iter().filter_map(|event| match event {
        Event::CashMoved { amount, why, .. } => Some((amount, why.to_string())),
        _ => None,
    });
    let mut moved: Vec<(Usd, String)> = moved.collect();
    moved.sort();
    assert_eq!(moved, [(usd("-100"), "withdrawal".to_owned()), (usd("50"), "deposit".to_owned()), (usd("250.5"), "deposit".to_owned())]);
    let day = world.engine.engine.query(|engine| engine.book().cash.day_pnl()).await.expect("an engine");
    assert!(day < Usd::ZERO && day > usd("-1"), "the fee and the spread of one trade: ${day}");
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. } | Event::BreakerTripped { .. })).await, 0);
    world.agrees().await;
}

const LIVE: [(&str, &str); 3] = [("TRADING_MODE", "live"), ("PAPER_TRADING", "0"), ("LIVE_TRADING_AUTHORIZED", "true")];

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_allows_one_open_order_ten_dollars_each_and_twenty_five_a_day() {
    let world = World::with(with_settings(&LIVE)).await;
    assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "21", "ioc")).await, ["canary"], "$10.50");
    let (order_id, client) = world.rests("0.45", "10").await;
    assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "10", "ioc")).await, ["canary"], "a second open order");
    world.post("/website/cancel", json!({ "client_order_id": client })).await;
    world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("gone");
    world.buys("yes", "0.50", "10").await;
    world.buys("yes", "0.51", "19").await;
    assert_eq!(world.vetoed(&Wish::open("yes", "0.51", "13", "ioc")).await, ["canary"], "$4.50 + $5 + $9.69 + $6.63 in a day");
    world.synced().await;
    let record = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closes are not capped");
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(29)));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_by_name_lifts_the_canary() {
    let world = World::with(with_settings(&[LIVE[0], LIVE[1], LIVE[2], ("LIVE_STAGE", "full")])).await;
    world.buys("yes", "0.51", "40").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing_that_trades() {
    let world = World::with(with_settings(&[("TRADING_MODE", "dry-run")])).await;
    for wish in [Wish::open("yes", "0.50", "3", "ioc"), Wish::open("yes", "0.45", "3", "gtd"), Wish::open("no", "0.52", "3", "fok")] {
        world.synced().await;
        let record = world.stage.trade(&world.engine, &wish).await.expect("requested");
        assert_eq!(record.state, OrderState::NotPlaced);
    }
    let withheld =
        |event: &Event| matches!(event, Event::OrderNotPlaced { cause: NotPlaced::Withheld(why), .. } if why.contains("dry run"));
    assert_eq!(world.count(withheld).await, 3);
    world.command(arbees::engine::Command::CancelAll).await.expect("done");
    let seen = world.stage.admin("GET", "/requests", serde_json::Value::Null).await.expect("requests");
    let methods: Vec<&str> = seen.as_array().into_iter().flatten().filter_map(|one| one["method"].as_str()).collect();
    assert!(!methods.is_empty() && methods.iter().all(|method| *method == "GET"), "{methods:?}");
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_without_credentials_is_off_said_once_and_its_signals_are_vetoed() {
    let world = World::new().await;
    let (id, mut signal) = world.stage.signal(&Wish::open("yes", "0.50", "1", "ioc"));
    let token = "71321045679252212594626385532706912750332728571942532289631379312455583992563";
    signal["token_id"] = token.into();
    signal["market_id"] = format!("0x{}", "ab".repeat(32)).into();
    world.synced().await;
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    let story = world.stage.answer(&world.engine, &id).await.expect("an answer");
    assert_eq!(story["answer"], "vetoed", "{story}");
    assert!(story["reasons"].to_string().contains("polymarket off: no credentials"), "{}", story["reasons"]);
    let off = |event: &Event| matches!(event, Event::VenueModeChanged { venue: Venue::Polymarket, mode: VenueMode::Off, .. });
    assert_eq!(world.count(off).await, 1);
    world.buys("yes", "0.50", "1").await;
    world.agrees().await;
}
