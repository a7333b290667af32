//! The kill: on by every channel within a second, off only by hand, and never forgotten.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, close, open, reasons, with};
use crate::support::{NatsServer, until};

const EFFECTIVE_WITHIN: Duration = Duration::from_secs(1);

/// Sends opens until one is vetoed `killed`; how long that took.
async fn killed_after(strategy: &Strategy, name: &str) -> Duration {
    let began = Instant::now();
    for number in 0..1_000 {
        let answer = strategy.ask(&open(&format!("{name}-{number}"), &format!("KX{number}-{name}-A"))).await;
        if answer["answer"] == "vetoed" {
            assert_eq!(reasons(&answer), ["killed"], "{answer}");
            return began.elapsed();
        }
    }
    panic!("{name} doesn't kill");
}

async fn trades(strategy: &Strategy, name: &str) -> Value {
    strategy.ask(&open(&format!("free-{name}"), &format!("KXFREE-{name}-A"))).await["answer"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s115_every_channel_kills_within_a_second_and_only_a_hand_revives() {
    let server = NatsServer::start();
    let place = Place::new(&server.url())
        .with("DUPLICATE_INTENT_MS", "0")
        .with("MAX_ORDERS_PER_MINUTE", "10000")
        .with("MAX_ORDERS_PER_HOUR", "10000")
        .with("BANKROLL_USD", "100000");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(trades(&strategy, "start").await, "requested");

    let resting = with(open("resting", "KXREST-1-A"), json!({ "tif": "gtc", "limit_price": "0.40", "ttl_ms": 600_000 }));
    assert_eq!(strategy.ask(&resting).await["answer"], "requested");
    let state = async |wanted: &str| {
        let orders = place.json(&["orders", "--json"]);
        let order = orders.as_array()?.iter().find(|order| order["signal_id"] == "resting")?.clone();
        (order["state"] == wanted).then_some(order)
    };
    until("a working order", async || state("working").await).await;

    let file = place.dir.join("KILL");
    for channel in ["command", "http", "file", "on", "enable", "HALT now", "stop"] {
        match channel {
            "command" => assert!(place.good(&["kill", "on", "--reason", "test"]).contains("kill on")),
            "http" => {
                let body = json!({ "on": true, "reason": "test", "by": "test" });
                for token in [None, Some("0123456789abcdef0123456789abcdef")] {
                    assert_eq!(place.post("/api/kill", token, &body).await.0, 401);
                }
                assert_eq!(place.json(&["kill", "status", "--json"])["on"], false, "without the token nothing happens");
                assert_eq!(place.post("/api/kill", Some(&place.token()), &body).await.0, 200);
            }
            "file" => fs::write(&file, "").expect("the kill file"),
            word => strategy.send_raw("control.paper.main.kill", word.to_owned()).await,
        }
        let took = killed_after(&strategy, channel.split(' ').next().expect("a word")).await;
        assert!(took < EFFECTIVE_WITHIN, "{channel} took {took:?}");
        assert_eq!(place.json(&["kill", "status", "--json"])["on"], true, "{channel}");
        place.not_ready("the kill is on").await;
        if channel == "command" {
            let order = until("the resting order to be cancelled", async || state("canceled").await).await;
            assert_eq!(order["filled"], "0");
            assert_eq!(strategy.ask(&close("way out", "KXFREE-start-A")).await["answer"], "requested", "closes still flow");
        }
        for word in ["off", "disable", "resume", ""] {
            strategy.send_raw("control.paper.main.kill", word).await;
        }
        if channel == "stop" {
            break;
        }
        place.good(&["kill", "off", "--reason", "test"]);
        assert!(!file.exists(), "the file would switch it on again");
        assert_eq!(trades(&strategy, &channel[..2]).await, "requested", "after {channel}");
    }

    // Off by message was ignored; neither a crash nor a restart forgets.
    engine.kill();
    let mut engine = place.start(&["run"]);
    place.not_ready("the kill is on").await;
    until("signals to be read again", async || {
        (killed_after(&strategy, &format!("again{}", strategy.heard_count())).await < EFFECTIVE_WITHIN).then_some(())
    })
    .await;
    assert_eq!(engine.stop(), 0);
    assert_eq!(place.json(&["kill", "status", "--json"])["on"], true, "from the log alone");
    let mut engine = place.start(&["run"]);
    place.not_ready("the kill is on").await;
    place.good(&["kill", "off"]);
    place.ready().await;
    assert_eq!(trades(&strategy, "end").await, "requested");
    assert_eq!(engine.stop(), 0);

    // Without an engine it waits for the next one.
    let said = place.say(&["kill", "on"]);
    assert_eq!(said.code, 1, "{said:?}");
    let _engine = place.start(&["run"]);
    place.not_ready("the kill is on").await;
    place.good(&["kill", "off"]);
    place.ready().await;
}
