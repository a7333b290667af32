//! The whole program under `ops/nats/nats.conf`: keys from files, an admin's step first, engine and risk as roles.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use arbees::bus::Bus;
use bytes::Bytes;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::arbees::{Place, Process};
use crate::strategy::{Strategy, open};
use crate::support::{NatsServer, PATIENCE, ROLES, until};

const CONF: &str = "ops/nats/nats.conf";
const MARKET: &str = "KXNBAGAME-26JAN07TORCHA-TOR";

fn place_of(server: &NatsServer, role: &str) -> Place {
    let seed = server.seed_file(role).display().to_string();
    Place::new(&server.url()).with("NATS_SEED_PATH", &seed).with("DUPLICATE_INTENT_MS", "0")
}

/// Engine and risk, each with a data folder and a key of its own; the public half of risk's verdict key is shared.
fn roles(server: &NatsServer) -> (Place, Place) {
    let engine = place_of(server, "engine");
    let shared = engine.dir.join("risk_public.key").display().to_string();
    (engine.with("RISK_PUBLIC_KEY_PATH", &shared), place_of(server, "risk").with("RISK_PUBLIC_KEY_PATH", &shared))
}

async fn traded(server: &NatsServer) -> (Place, Place, Process, Process) {
    let (engine, risk) = roles(server);
    let running = (engine.start(&["run", "--role", "engine"]), risk.start(&["run", "--role", "risk"]));
    engine.ready().await;
    (engine, risk, running.0, running.1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_and_risk_trade_under_the_permissions_and_a_sender_of_signals_forges_nothing() {
    let server = NatsServer::of_file(CONF);
    let admin = place_of(&server, "admin");
    let done = admin.good(&["bus", "provision"]);
    assert!(done.contains("engine-paper-main"), "{done}");
    let refused = place_of(&server, "engine").say(&["bus", "provision"]);
    assert!(refused.code == 1, "only the admin may: {refused:?}");
    let (engine, _risk, mut engine_process, mut risk_process) = traded(&server).await;
    let options =
        async_nats::ConnectOptions::with_nkey(server.seed("signals").expose_secret().to_owned()).custom_inbox_prefix("_INBOX.signals");
    let strategy = Strategy::over(options.connect(server.url()).await.expect("connection")).await;
    assert_eq!(strategy.ask(&open("first", MARKET)).await["answer"], "requested");
    let held = async |quantity: &str| (engine.json(&["positions", "--json"])[0]["quantity"] == quantity).then_some(());
    until("signal to position", async || held("10").await).await;

    // Verdicts, events, kills and their end: whatever a sender of signals tries, the server's receipts are all that comes.
    let before = engine.json(&["status", "--json"]);
    for subject in [
        "risk.tell.paper.main",
        "risk.request.paper.main",
        "events.paper.main",
        "control.paper.main.kill",
        "log.read.paper.main",
        "_INBOX.engine.x",
    ] {
        for payload in ["on", "off", "{\"Hello\":{\"risk_epoch\":1,\"ready\":true,\"seq\":1}}"] {
            strategy.client.publish(subject, payload.into()).await.expect("says ok");
            strategy.client.publish_with_reply("signals.kalshi", subject, payload.into()).await.expect("says ok");
            strategy.client.publish_with_reply("$JS.API.STREAM.INFO.SIGNALS", subject, payload.into()).await.expect("says ok");
        }
    }
    strategy.client.flush().await.expect("flush");
    // What was sent as a signal is answered as one: rejected. Then all of it has been read.
    let rejected = async || (engine.json(&["status", "--json"])["counters"]["answers_rejected"].as_u64()? >= 18).then_some(());
    until("the answers", rejected).await;
    let after = engine.json(&["status", "--json"]);
    assert_eq!((&after["kill"]["on"], &after["breakers"], &after["ready"]), (&json!(false), &json!([]), &json!(true)), "{after}");
    assert_eq!(after["orders"], before["orders"]);
    // A kill that an operator switched on stays on.
    let operator = server.bus_of("operator").await;
    operator.request("control.paper.main.kill", Bytes::from("on drill"), PATIENCE).await.expect("killed");
    strategy.client.publish("control.paper.main.kill", "off".into()).await.expect("says ok");
    strategy.client.publish_with_reply("signals.kalshi", "control.paper.main.kill", "off".into()).await.expect("says ok");
    operator.request("control.paper.main.kill", Bytes::from("on again"), PATIENCE).await.expect("heard after that");
    assert_eq!(engine.json(&["status", "--json"])["kill"]["on"], true);
    engine.good(&["kill", "off"]);
    assert_eq!(strategy.ask(&open("second", MARKET)).await["answer"], "requested");
    until("it goes on", async || held("20").await).await;
    assert_eq!((risk_process.stop(), engine_process.stop()), (0, 0));
    assert_eq!(engine.json(&["verify", "--json"])["good"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_refused_something_is_not_ready_and_says_what() {
    let text = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(CONF)).expect("the configuration");
    // Whoever wrote this one forgot something of the engine's, and of risk's.
    for (role, granted, told) in [
        ("engine", "\"answers.paper.main\", \"events.paper.main\", ", "Publish to \\\"events.paper.main"),
        ("engine", "\"risk.tell.paper.main\", \"log.read.paper.main\", \"control", "Subscription to"),
        ("risk", "\"risk.request.paper.main\", \"events.paper.main\"", "risk consumer"),
    ] {
        assert!(text.contains(granted), "{granted}");
        let less = match role {
            "engine" if granted.contains("tell") => "\"control",
            "engine" => "\"answers.paper.main\", ",
            _ => "\"risk.request.paper.main\"",
        };
        let server = NatsServer::of_text(&text.replacen(granted, less, 1));
        place_of(&server, "admin").good(&["bus", "provision"]);
        let (engine, risk) = roles(&server);
        let _running = (engine.start(&["run", "--role", "engine"]), risk.start(&["run", "--role", "risk"]));
        let why = async || {
            let (status, body) = engine.get("/readyz").await?;
            let reasons = body["reasons"].to_string();
            let told = told.replace('\\', "");
            (status == 503 && reasons.replace('\\', "").contains(&told)).then_some(())
        };
        until(&format!("{role} without {granted}: {told}"), why).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_that_cannot_be_used_is_one_clear_line_and_never_shown() {
    let server = NatsServer::of_file(CONF);
    let place = Place::new(&server.url());
    let write = |name: &str, text: &str, mode: u32| {
        let path = place.dir.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path.display().to_string()
    };
    let seed = server.seed("engine").expose_secret().to_owned();
    let cases = [
        (write("open.nk", &seed, 0o644), "others than its owner can read it (mode 0644)"),
        (write("short.nk", &seed[..40], 0o600), "not the seed of a NATS user"),
        (write("text.nk", "hunter2", 0o600), "not the seed of a NATS user"),
        (place.dir.join("none.nk").display().to_string(), "there is no such file"),
    ];
    let mut place = place;
    for (path, told) in cases {
        place = place.with("NATS_SEED_PATH", &path);
        for args in [&["run"][..], &["run", "--role", "risk"], &["bus", "provision"]] {
            let said = place.say(args);
            assert!(said.code != 0 && said.err.contains("NATS_SEED_PATH") && said.err.contains(told), "{said:?}");
            assert!(!said.err.contains(&seed[..20]) && !said.err.contains("hunter2"), "{said:?}");
        }
    }
}

#[test]
fn keys_are_made_once_for_their_owner_only_and_their_public_halves_are_told() {
    let place = Place::new("nats://127.0.0.1:1");
    let dir = place.dir.join("secrets");
    let keys = || place.good(&["bus", "keys", &dir.display().to_string()]);
    let told = keys();
    assert_eq!((told.lines().count(), keys()), (ROLES.len(), told.clone()), "kept, not made anew");
    for (role, line) in ROLES.iter().zip(told.lines()) {
        let path = dir.join(format!("{role}.nk"));
        let seed = fs::read_to_string(&path).expect("a seed");
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        assert!(seed.starts_with("SU") && !told.contains(&seed), "{role}");
        let public = arbees::bus::nats::nkey::public(&seed.into()).expect("a seed");
        assert_eq!(line, format!("NATS_{}_NKEY={public}", role.to_uppercase()));
    }
}
