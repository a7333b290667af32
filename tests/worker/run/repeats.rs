//! The same id again: with the same content, with other content, before and after a restart.

use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, open, with};
use crate::support::{NatsServer, until};

const MARKET: &str = "KXNBAGAME-26JAN07TORCHA-TOR";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_trades_once_whatever_comes_under_its_id_later() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    // A second delivery of the same words must have the same times, too.
    let now = place.json(&["status", "--json"])["recorded_at"].clone();
    let signal = with(open("one", MARKET), json!({ "created_at": now, "ttl_ms": 600_000 }));
    let other = with(signal.clone(), json!({ "size": "20" }));

    let first = strategy.ask(&signal).await;
    assert_eq!(first["answer"], "requested", "{first}");
    let vetoed = with(open("never", MARKET), json!({ "limit_price": "0.97", "yes_ask": "0.97" }));
    assert_eq!(strategy.ask(&vetoed).await["answer"], "vetoed");
    until("the fill", async || (place.json(&["positions", "--json"])[0]["quantity"] == "10").then_some(())).await;
    let duplicate = |answer: &Value, of: &str| {
        assert_eq!((answer["answer"].as_str(), answer["first_answer"].as_str()), (Some("duplicate"), Some(of)), "{answer}");
    };
    for (round, number) in [(0, 2), (1, 4), (2, 6)] {
        strategy.send(&signal).await;
        let again = strategy.answer_number("one", number).await;
        duplicate(&again, "requested");
        assert_eq!(again["order_id"], first["order_id"]);
        strategy.send(&other).await;
        let conflict = strategy.answer_number("one", number + 1).await;
        assert_eq!(conflict["answer"], "rejected", "{conflict}");
        strategy.send(&vetoed).await;
        duplicate(&strategy.answer_number("never", round + 2).await, "vetoed");
        assert_eq!(place.json(&["explain", "one", "--json"])["answer"], "requested", "the first answer stands");
        // Once gently, once not.
        match round {
            0 => assert_eq!(engine.stop(), 0),
            1 => engine.kill(),
            _ => break,
        }
        engine = place.start(&["run"]);
        place.ready().await;
    }
    assert_eq!(place.json(&["positions", "--json"])[0]["quantity"], "10");
    assert_eq!(engine.stop(), 0);
    let events = place.events();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((count("OrderRequested"), count("OrderApproved"), count("Filled")), (2, 1, 1));
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}
