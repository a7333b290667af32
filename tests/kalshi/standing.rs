//! The venue refuses us: key, clock, block; and two engines want one account (S56, S84, S85).

use std::sync::Arc;

use arbees::app::rehearsal::{Setup, Stage, Wish};
use arbees::app::{Books, Role, start};
use arbees::bus::Bus;
use arbees::bus::nats::NatsBus;
use arbees::config::{Config, from_sources};
use arbees::domain::order::OrderState;
use arbees::domain::report::VenueMode;
use arbees::http::Queries;
use serde_json::json;

use crate::seen::KEY_ID;
use crate::servers::NatsServer;
use crate::support::{Folder, World};

const BUY: fn() -> Wish = || Wish::open("yes", "0.50", "1", "ioc");

#[tokio::test(flavor = "multi_thread")]
async fn s84_a_block_of_the_account_halts_the_venue_and_nothing_is_tried_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.stage.fault(json!({ "kind": "refuse", "call": "create", "status": 403, "code": "forbidden" })).await.expect("a fault");
    let record = world.stage.trade(&world.engine, &BUY()).await.expect("requested");
    assert_eq!((record.state, record.attempts), (OrderState::Rejected, 1));
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("may not trade here"), "{why}");
    world.stage.heal().await.expect("healed");
    world.called_again("exchange", 1).await;
    assert_eq!(world.vetoed(&BUY()).await, ["venue_not_ready"], "a person has to look");
    assert_eq!(world.sends().await, 2);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s85_a_revoked_key_halts_the_venue() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.post("/keys", json!({ "key": KEY_ID, "revoked": true })).await;
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("does not know the key id"), "{why}");
    assert_eq!(world.vetoed(&BUY()).await, ["venue_not_ready"]);
    assert_eq!(world.sends().await, 1);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s85_a_clock_that_is_off_stops_opens_until_it_is_right_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    let skew = world.stage.fault(json!({ "kind": "skewed_clock", "ms": 120_000 })).await.expect("a fault");
    let why = world.becomes(VenueMode::Halted).await;
    assert!(why.contains("our clock is off"), "not the key: {why}");
    assert_eq!(world.vetoed(&BUY()).await, ["venue_not_ready"]);
    world.stage.admin("DELETE", &format!("/faults/{}", skew["id"]), serde_json::Value::Null).await.expect("healed");
    world.becomes(VenueMode::Open).await;
    world.buys("yes", "0.50", "1").await;
    world.agrees().await;
}

/// An engine's settings at this stage, over a real server.
pub fn at(stage: &Stage, nats: &NatsServer, name: &str) -> Config {
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
async fn s56_a_second_engine_waits_for_the_account_and_takes_it_over_with_a_newer_epoch() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    let first = engine(at(&stage, &nats, "one"), &nats).await.expect("the first");
    stage.until("it trades", async || first.desk.readiness().await.ok()).await.expect("ready");
    let mut second = Box::pin(engine(at(&stage, &nats, "two"), &nats));
    let wish = BUY();
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
    let (id, signal) = stage.signal(&BUY());
    bus.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
    assert_eq!(stage.answer(&second, &id).await.expect("an answer")["answer"], "vetoed");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s56_whose_lease_is_taken_sends_nothing_more() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = Stage::open(&folder.0, Setup::default()).await.expect("a stage");
    let running = engine(at(&stage, &nats, "one"), &nats).await.expect("an engine");
    stage.until("it trades", async || running.desk.readiness().await.ok()).await.expect("ready");
    stage.trade(&running, &BUY()).await.expect("traded");
    let epoch = running.engine.query(|engine| engine.book().epoch).await.expect("an engine");
    // Somebody else's hand: the bucket's entry changes under it.
    let leases = async_nats::jetstream::new(async_nats::connect(nats.url()).await.expect("a client"));
    let leases = leases.get_key_value("ARBEES_LEASES").await.expect("the bucket");
    let revision = leases.put("engine.demo.one", "another engine".into()).await.expect("taken");
    assert!(revision > epoch, "its revision is the epoch, and only grows");
    let mut halted = running.engine.halted();
    let why = tokio::time::timeout(std::time::Duration::from_secs(10), halted.wait_for(Option::is_some)).await.expect("within a renewal");
    let why = why.expect("an engine").clone().expect("a reason");
    assert!(why.contains("another engine"), "{why}");
    let (_, signal) = stage.signal(&BUY());
    running.bus.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
    let truth = stage.truth().await.expect("truth");
    assert_eq!(truth["creates"].as_object().map(|creates| creates.len()), Some(1));
    running.stop().await;
}
