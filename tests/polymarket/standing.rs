//! The venue refuses us: account, place, key, clock, version, dead man's switch; and two engines want one account
//! (S56, S84-S86, S117).

use std::sync::Arc;

use arbees::app::rehearsal::{Setup, Stage, Wish};
use arbees::app::{Books, Role, start};
use arbees::bus::Bus;
use arbees::bus::nats::NatsBus;
use arbees::config::{Config, from_sources};
use arbees::domain::event::Event;
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use arbees::http::Queries;
use serde_json::{Value, json};

use crate::look::{Look, close, diverged, open, whole};
use crate::servers::NatsServer;
use crate::support::{Folder, Polymarket, World};

fn buy() -> Wish {
    open("yes", "0.50", "6", "ioc")
}

/// The API key that the engine made for itself.
pub fn api_key(stage: &Stage<Polymarket>) -> String {
    let path = stage.config().expect("settings").mode_dir().join("poly_api.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("kept")).expect("JSON");
    kept["apiKey"].as_str().expect("a key").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn s84_a_block_of_the_account_halts_the_venue_and_nothing_is_tried_again() {
    for (status, words, told) in [
        (403, "Trading restricted in your region, please refer to available regions", "does not serve this place"),
        (400, "'0x0' address banned", "banned"),
        (400, "maker address not allowed, please use the deposit wallet flow", "deposit wallet"),
    ] {
        let world = World::new().await;
        world.buys("yes", "0.50", "6").await;
        world.fault(json!({ "kind": "refuse", "call": "create", "status": status, "details": words })).await;
        let record = world.trades(&open("yes", "0.51", "6", "ioc")).await;
        assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1), "{words}");
        let why = world.becomes(VenueMode::Halted).await;
        assert!(why.contains(told), "{why}");
        world.stage.heal().await.expect("healed");
        world.called_again("version", 1).await;
        assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"], "a person has to look");
        assert_eq!(world.calls("create").await, 2);
        world.agrees().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s84_an_account_that_may_only_close_still_cancels_and_closes_and_opens_once_it_may_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let resting = world.rests("0.45", "6").await;
    world.admin("/closed_only", json!({ "closed_only": true })).await;
    let record = world.trades(&open("yes", "0.51", "6", "ioc")).await;
    assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1));
    let why = world.becomes(VenueMode::CloseOnly).await;
    assert!(why.contains("may only close positions"), "{why}");
    assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"]);
    world.cancel_all().await;
    assert_eq!(world.done(resting).await.state, OrderState::Canceled);
    world.settled().await;
    assert_eq!(world.trades(&close("yes", "0.40")).await.filled, whole(6), "what is held can be sold");
    world.agrees().await;
    let sends = world.calls("create").await;
    // Nor does the next start open anything.
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.becomes(VenueMode::CloseOnly).await;
    assert!(world.vetoed(&buy()).await.contains(&"venue_not_ready".to_owned()));
    assert_eq!(world.calls("create").await, sends);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s84_a_place_that_is_not_served_opens_nothing() {
    let folder = Folder::new();
    let mut stage: Stage<Polymarket> = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    stage.setup.settings.push(("POLY_GEOBLOCK_URL".to_owned(), format!("{}/api/geoblock", stage.venue.api_url())));
    let body = json!({ "blocked": true, "ip": "127.0.0.1", "country": "US", "region": "NY" }).to_string();
    stage.fault(json!({ "kind": "status", "status": 200, "call": "geoblock", "body": body })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("does not serve this place") && why.contains("US NY"), "{why}");
    assert!(world.vetoed(&buy()).await.contains(&"venue_not_ready".to_owned()));
    assert_eq!(world.calls("create").await, 0);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s85_a_revoked_key_halts_the_venue() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    world.admin("/keys", json!({ "revoke": api_key(&world.stage) })).await;
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("refuses the API key"), "{why}");
    assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"]);
    assert_eq!(world.sends().await, 1);
    // The next start makes a key anew.
    let world = world.restarted().await;
    world.buys("yes", "0.51", "6").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s85_a_clock_that_is_off_stops_opens_until_it_is_right_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let skew = world.stage.fault(json!({ "kind": "skewed_clock", "ms": 120_000 })).await.expect("a fault");
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("our clock is off"), "not the key: {why}");
    assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"]);
    world.stage.admin("DELETE", &format!("/faults/{}", skew["id"]), Value::Null).await.expect("healed");
    world.becomes(VenueMode::Open).await;
    world.buys("yes", "0.51", "6").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s86_money_that_cannot_be_read_opens_nothing_and_unknown_fields_harm_nothing() {
    let folder = Folder::new();
    let stage: Stage<Polymarket> = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    let renamed = json!({ "balance_usdc": "1000000000", "allowances": {} }).to_string();
    stage.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": renamed })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.called_again("balance", 2).await;
    assert_eq!(world.mode_and_why().await.0, VenueMode::Reconciling);
    assert_eq!(world.count(|event| matches!(event, Event::OpeningBalance { .. })).await, 0, "no zero is invented");
    assert!(world.vetoed(&buy()).await.contains(&"venue_not_ready".to_owned()));
    world.stage.heal().await.expect("healed");
    let more = json!({ "balance": "1000000000", "allowances": {}, "brand_new": { "a": [1] } }).to_string();
    world.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": more })).await;
    world.becomes(VenueMode::Open).await;
    world.stage.heal().await.expect("healed");
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s86_an_exchange_that_signs_in_another_version_is_not_traded() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.admin("/version", json!({ "version": 3 })).await;
    let record = world.trades(&open("yes", "0.51", "6", "ioc")).await;
    assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1));
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("version"), "{why}");
    assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"]);
    world.agrees().await;
    // Nor after the next start, which asks first.
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder: folder };
    world.becomes(VenueMode::Halted).await;
    assert!(world.vetoed(&buy()).await.contains(&"venue_not_ready".to_owned()));
    assert_eq!(world.calls("create").await, 2);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s117_without_an_accepted_heartbeat_nothing_opens_and_orders_end_by_what_the_venue_shows() {
    for fault in [
        json!({ "kind": "status", "call": "heartbeat", "status": 500 }),
        json!({ "kind": "no_reply", "call": "heartbeat", "processed": false }),
    ] {
        let world = World::new().await;
        let order = world.rests("0.45", "6").await;
        world.fault(fault.clone()).await;
        let why = world.becomes(VenueMode::CancelOnly).await;
        assert!(why.contains("no heartbeat was accepted"), "{why}");
        assert_eq!(world.vetoed(&buy()).await, ["venue_not_ready"]);
        // What the silence of the switch may have done is no proof.
        let before = world.when(order, |_| true).await;
        let there = world.venue_order(order).await["status"].clone();
        assert!(before.state == OrderState::Working || there == "CANCELED", "{:?} here, {there} there", before.state);
        world.until("the venue to sweep", async || world.venue_order(order).await["status"] == "CANCELED").await;
        let sends = world.calls("create").await;
        world.stage.heal().await.expect("healed");
        world.becomes(VenueMode::Open).await;
        let record = world.done(order).await;
        assert_eq!((record.state, world.calls("create").await), (OrderState::Canceled, sends), "{fault}: and isn't placed again");
        world.buys("yes", "0.50", "6").await;
        world.agrees().await;
        assert_eq!(world.count(diverged).await, 0);
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s117_a_chain_of_beats_that_we_do_not_know_is_taken_up_where_the_venue_says() {
    let world = World::new().await;
    let order = world.rests("0.45", "6").await;
    world.until("a beat", async || world.calls("heartbeat").await >= 1).await;
    let before = world.calls("heartbeat").await;
    // The new process knows no id: the venue answers 400 with the one it expects.
    let world = world.restarted().await;
    world.until("two beats", async || world.calls("heartbeat").await >= before + 2).await;
    let beats = world.requests("heartbeat").await;
    let statuses: Vec<u64> = beats[before..before + 2].iter().filter_map(|row| row["status"].as_u64()).collect();
    assert_eq!(statuses, [400, 200]);
    assert_eq!(world.mode_and_why().await.0, VenueMode::Open);
    assert_eq!(world.venue_order(order).await["status"], "LIVE");
    world.agrees().await;
    world.cancel_all().await;
    world.done(order).await;
    world.agrees().await;
}

/// An engine's settings at this stage, over a real server.
pub fn at(stage: &Stage<Polymarket>, nats: &NatsServer, name: &str) -> Config {
    let mut settings = stage.settings();
    settings.insert("INSTANCE".to_owned(), name.to_owned());
    settings.insert("NATS_URL".to_owned(), nats.url());
    settings.insert("DATA_DIR".to_owned(), stage.folder.join(name).display().to_string());
    from_sources(&settings, None).expect("good settings")
}

pub async fn engine(config: Config, nats: &NatsServer) -> anyhow::Result<arbees::app::Running> {
    let bus: Arc<dyn Bus> = Arc::new(NatsBus::connect(&nats.url(), "test").await.expect("a bus"));
    start(config, Role::All, Books::SignalsOnly, bus).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s56_a_second_engine_with_the_same_api_key_waits_for_the_account() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage: Stage<Polymarket> = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    let first = engine(at(&stage, &nats, "one"), &nats).await.expect("the first");
    stage.until("it trades", async || first.desk.readiness().await.ok()).await.expect("ready");
    let mut second = Box::pin(engine(at(&stage, &nats, "two"), &nats));
    let wish = buy();
    let waits = tokio::select! {
        _ = &mut second => false,
        traded = stage.trade(&first, &wish) => traded.is_ok(),
    };
    assert!(waits, "two owners");
    first.stop().await;
    let (second, bus) = (second.await.expect("its turn"), nats.bus().await);
    // It finds a position that its log doesn't know, and opens nothing.
    let reasons = async || second.desk.readiness().await.err().filter(|reasons| reasons.iter().any(|r| r.contains("arbees adopt")));
    stage.until("a question for a person", reasons).await.expect("asked");
    let (id, signal) = stage.signal(&buy());
    bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    assert_eq!(stage.answer(&second, &id).await.expect("an answer")["answer"], "vetoed");
    second.stop().await;
}
