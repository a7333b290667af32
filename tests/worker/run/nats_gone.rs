//! NATS away: at the start, and in the middle of things.

use std::collections::BTreeSet;

use serde_json::json;

use crate::arbees::Place;
use crate::strategy::{Strategy, open, with};
use crate::support::{NatsServer, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s53_an_engine_without_nats_says_so_and_trades_once_it_is_there() {
    let mut server = NatsServer::absent("");
    let place = Place::new(&server.url());
    let mut engine = place.start(&["run"]);
    let reasons = place.not_ready("bus is not connected").await;
    assert!(reasons.contains("risk consumer"), "{reasons}");
    let address = format!("127.0.0.1:{}", server.port);
    until("a line that names the server", async || {
        engine.lines().lines().any(|line| line.contains("WARN") && line.contains("NATS") && line.contains(&address)).then_some(())
    })
    .await;
    assert!(engine.lives());
    assert_eq!(place.json(&["status", "--json"])["ready"], false);
    server.run();
    let strategy = Strategy::connect(&server.url()).await;
    place.ready().await;
    assert_eq!(strategy.ask(&open("late", "KXNBAGAME-26JAN07TORCHA-TOR")).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s53_a_server_killed_in_the_middle_costs_no_signal_and_repeats_no_order() {
    let mut server = NatsServer::start();
    let place = Place::new(&server.url()).with("MAX_ORDERS_PER_MINUTE", "1000").with("MAX_ORDERS_PER_HOUR", "1000");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let stream = async_nats::jetstream::new(strategy.client.clone());
    let signal = |number: usize| with(open(&format!("s{number}"), &format!("KXGONE-{number}-A")), json!({ "size": "1" }));
    let mut taken = 0;
    for round in 0..2 {
        // All are in the stream, some are answered, when it goes.
        for _ in 0..40 {
            let kept = stream.publish("signals.kalshi", signal(taken).to_string().into()).await.expect("publish");
            kept.await.expect("the stream takes it");
            taken += 1;
        }
        until("the first answers", async || (strategy.heard_count() > round * 40).then_some(())).await;
        server.kill();
        place.not_ready("the bus is gone").await;
        let orders = place.json(&["orders", "--json"]);
        assert_eq!(place.json(&["status", "--json"])["ready"], false);
        assert_eq!(place.json(&["orders", "--json"]), orders, "nothing new while it is gone");
        server.run();
        place.ready().await;
    }
    // Those that were on their way when it went come again after 10 s. An answer that a dying server took with it is
    // not said again by itself, but the log holds every one.
    until("an answer in the log for every signal", async || {
        let by_event = place.json(&["replay", "--json"])["by_event"].clone();
        let count = |name: &str| by_event[name].as_u64().unwrap_or(0);
        (count("OrderApproved") + count("OrderVetoed") == taken as u64).then_some(())
    })
    .await;
    let answer = strategy.ask(&open("healthy", "KXGONE-healthy-A")).await;
    assert_eq!(answer["answer"], "requested", "{answer}");
    taken += 1;
    assert!(engine.lives());
    assert_eq!(engine.stop(), 0);
    let events = place.events();
    let ids: Vec<&str> =
        events.iter().filter(|event| event["event"] == "OrderRequested").filter_map(|event| event["data"]["signal_id"].as_str()).collect();
    let approved = events.iter().filter(|event| event["event"] == "OrderApproved").count();
    let filled = events.iter().filter(|event| event["event"] == "Filled").count();
    assert!(approved > 0 && filled == approved, "{approved} approved, {filled} filled");
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (taken, taken), "each once");
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}
