//! Engine and risk consumer as two processes: what the engine does when the judge is away or another one.

use std::fs;

use serde_json::json;

use crate::arbees::{Place, Process, copy};
use crate::strategy::{Strategy, close, open, reasons};
use crate::support::{NatsServer, until};

struct World {
    place: Place,
    strategy: Strategy,
    engine: Process,
    risk: Process,
    _server: NatsServer,
}

async fn world() -> World {
    world_with(&[("MAX_GAME_EXPOSURE", "1000")]).await
}

async fn world_with(settings: &[(&str, &str)]) -> World {
    let server = NatsServer::start();
    let plain = Place::new(&server.url()).with("DUPLICATE_INTENT_MS", "0");
    let place = settings.iter().fold(plain, |place, (name, value)| place.with(name, value));
    let strategy = Strategy::connect(&server.url()).await;
    let engine = place.start(&["run", "--role", "engine"]);
    let risk = place.start(&["run", "--role", "risk"]);
    place.ready().await;
    World { place, strategy, engine, risk, _server: server }
}

const MARKET: &str = "KXNBAGAME-26JAN07TORCHA-TOR";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s58_without_risk_opens_are_vetoed_and_closes_flow_and_with_it_opens_flow_again() {
    let World { place, strategy, mut engine, mut risk, _server } = world().await;
    assert_eq!(strategy.ask(&open("with", MARKET)).await["answer"], "requested");
    until("the fill", async || (place.json(&["positions", "--json"])[0]["quantity"] == "10").then_some(())).await;

    risk.kill();
    let answer = strategy.ask(&open("without", MARKET)).await;
    assert_eq!((answer["answer"].as_str(), reasons(&answer)), (Some("vetoed"), vec!["risk_silent".to_owned()]));
    let told = place.json(&["explain", "without", "--json"]);
    assert_eq!((told["answer"].as_str(), reasons(&told)), (Some("vetoed"), vec!["risk_silent".to_owned()]), "{told}");
    place.not_ready("risk consumer is silent").await;

    assert_eq!(strategy.ask(&close("close", MARKET)).await["answer"], "requested");
    let flat = until("the close", async || {
        let position = place.json(&["positions", "--json"])[0].clone();
        (position["quantity"] == "0").then_some(position)
    });
    assert_eq!(flat.await["realized_pnl"], "-0.2", "ten sold 2 c lower");
    let orders = place.json(&["orders", "--json"]);
    let by: Vec<&str> = orders.as_array().expect("orders").iter().filter_map(|order| order["approved_by"].as_str()).collect();
    assert_eq!(by, ["risk", "reduce_rule"], "{orders}");
    let answer = strategy.ask(&close("nothing left", MARKET)).await;
    // All failed checks are named: what the rule says first.
    assert_eq!((answer["answer"].as_str(), reasons(&answer)[0].as_str()), (Some("vetoed"), "nothing_to_close"), "{answer}");

    let mut risk = place.start(&["run", "--role", "risk"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("again", MARKET)).await["answer"], "requested");
    assert_eq!((risk.stop(), engine.stop()), (0, 0));
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s60_verdicts_of_another_key_are_silence_until_it_is_the_one_and_verify_knows_both() {
    let World { place, strategy, mut engine, mut risk, _server } = world().await;
    assert_eq!(strategy.ask(&open("first key", MARKET)).await["answer"], "requested");
    risk.kill();
    for file in ["risk.key", "risk.pub"] {
        fs::remove_file(place.mode_dir().join(file)).expect("the key");
    }
    let _other = place.start(&["run", "--role", "risk"]);
    // It says hello and is ready; only its verdicts can show that it is another one.
    place.ready().await;
    let answer = strategy.ask(&open("forged", MARKET)).await;
    assert_eq!((answer["answer"].as_str(), reasons(&answer)), (Some("vetoed"), vec!["risk_silent".to_owned()]));
    let orders = place.json(&["orders", "--json"]);
    assert_eq!((orders.as_array().map(Vec::len), &orders[0]["signal_id"]), (Some(1), &json!("first key")), "{orders}");

    assert_eq!(engine.stop(), 0);
    let mut engine = place.start(&["run", "--role", "engine"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("known", MARKET)).await["answer"], "requested", "an engine that was given the new key takes it");
    // By the living engine and from disk: what the replaced key signed in its time is not forged.
    for running in [true, false] {
        if !running {
            assert_eq!(engine.stop(), 0);
        }
        let verified = place.json(&["verify", "--json"]);
        assert_eq!((&verified["good"], &verified["signatures_checked"]), (&json!(true), &json!(2)), "{verified}");
    }
}

/// The engine has told risk what it gave up, a moment after the last silence: until then risk holds a late grant, to be on the safe side.
/// A request that follows speaks of that record, so risk judges it without the grant.
async fn given_up(place: &Place) {
    until("a heartbeat behind the last veto", async || {
        let events = place.events();
        let last = |name: &str| events.iter().rposition(|event| event["event"] == name);
        (last("Heartbeat") > last("OrderVetoed")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s59_verdicts_of_a_risk_consumer_that_stood_still_come_too_late_to_count() {
    // Room for one open order in the game: a late grant that was held for good would stand in the way of the next one.
    // A verdict lives 1000 ms, longer than the engine waits: also one that still lives must not count once it was given up.
    let World { place, strategy, mut engine, mut risk, _server } =
        world_with(&[("MAX_GAME_EXPOSURE", "9"), ("RISK_TIMEOUT_MS", "600")]).await;
    risk.signal("STOP");
    let answer = strategy.ask(&open("given up", MARKET)).await;
    assert_eq!((answer["answer"].as_str(), reasons(&answer)), (Some("vetoed"), vec!["risk_silent".to_owned()]), "{answer}");
    risk.signal("CONT");
    place.ready().await;
    given_up(&place).await;
    let answer = strategy.ask(&open("next", MARKET)).await;
    assert_eq!(answer["answer"], "requested", "{answer}");
    until("the fill", async || (place.json(&["positions", "--json"])[0]["quantity"] == "10").then_some(())).await;

    risk.signal("STOP");
    place.not_ready("risk consumer is silent").await;
    assert_eq!(strategy.ask(&close("close", MARKET)).await["answer"], "requested");
    until("the close", async || (place.json(&["positions", "--json"])[0]["quantity"] == "0").then_some(())).await;
    let lost = ["lost 1", "lost 2", "lost 3"];
    for id in lost {
        assert_eq!(reasons(&strategy.ask(&open(id, MARKET)).await), ["risk_silent"]);
    }
    risk.signal("CONT");
    place.ready().await;
    given_up(&place).await;
    let answer = strategy.ask(&open("again", MARKET)).await;
    assert_eq!(answer["answer"], "requested", "{answer}");

    for id in lost.into_iter().chain(["given up"]) {
        let told = place.json(&["explain", id, "--json"]);
        assert_eq!((told["answer"].as_str(), reasons(&told)), (Some("vetoed"), vec!["risk_silent".to_owned()]), "{told}");
        let names: Vec<&str> = told["events"].as_array().expect("events").iter().filter_map(|event| event["event"].as_str()).collect();
        assert_eq!(names, ["OrderRequested", "OrderVetoed"], "{told}");
    }
    let orders = place.json(&["orders", "--json"]);
    let by: Vec<(&str, &str)> = orders
        .as_array()
        .expect("orders")
        .iter()
        .filter_map(|order| Some((order["signal_id"].as_str()?, order["approved_by"].as_str()?)))
        .collect();
    assert_eq!(by, [("next", "risk"), ("close", "reduce_rule"), ("again", "risk")], "{orders}");
    assert_eq!((risk.stop(), engine.stop()), (0, 0));
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s97_a_restored_old_history_is_noticed_by_the_risk_consumer_that_lives_on() {
    let World { place, strategy, mut engine, risk: _risk, _server } = world().await;
    assert_eq!(strategy.ask(&open("kept", MARKET)).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
    let (journal, old) = (place.mode_dir(), place.dir.join("old"));
    copy(&journal, &old);

    let mut engine = place.start(&["run", "--role", "engine"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("forgotten", MARKET)).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
    for folder in ["journal", "sled"] {
        fs::remove_dir_all(journal.join(folder)).expect("the newer log");
        copy(&old.join(folder), &journal.join(folder));
    }

    let _engine = place.start(&["run", "--role", "engine"]);
    place.not_ready("another history").await;
    let answer = strategy.ask(&open("after", MARKET)).await;
    assert_eq!((answer["answer"].as_str(), reasons(&answer)), (Some("vetoed"), vec!["history_diverged".to_owned()]), "{answer}");
    assert_eq!(reasons(&place.json(&["explain", "after", "--json"])), ["history_diverged"]);
}
