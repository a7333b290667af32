//! What comes too late: syncs that take longer than an approval lives, signals that waited while nobody listened; and the end on request.

use serde_json::{Value, json};

use super::log_failures::strace_works;
use crate::arbees::Place;
use crate::strategy::{Strategy, open, reasons, with};
use crate::support::{NatsServer, until};

fn count(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

/// A verdict lives for a second; from the start on each sync takes two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s99_with_syncs_slower_than_an_approval_lives_nothing_is_sent() {
    if !strace_works() {
        eprintln!("SKIPPED: no strace that works here; slow syncs are not tried");
        return;
    }
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("MAX_ORDERS_PER_MINUTE", "1000").with("MAX_ORDERS_PER_HOUR", "1000");
    let strategy = Strategy::connect(&server.url()).await;
    // The first syncs make the log and start the session.
    let strace = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"];
    let slow: Vec<&str> = strace.into_iter().chain(["inject=fdatasync:delay_enter=2000000:when=20+"]).collect();
    let mut engine = place.start_under(&slow, &["run"]);
    place.ready().await;
    let mut number = 0;
    let events = until("an order that was held back", async || {
        number += 1;
        strategy.send(&with(open(&format!("s{number}"), &format!("KXSLOW-{number}-A")), json!({ "size": "1" }))).await;
        let events = place.events();
        (count(&events, "OrderNotPlaced") > 0).then_some(events)
    })
    .await;
    let held_back = events.iter().find(|event| event["event"] == "OrderNotPlaced").expect("one");
    let order = &held_back["order_id"];
    assert!(held_back["data"].to_string().to_lowercase().contains("withheld"), "{held_back}");
    let theirs: Vec<&Value> = events.iter().filter(|event| &event["order_id"] == order).map(|event| &event["event"]).collect();
    assert!(!theirs.contains(&&json!("OrderAcked")) && !theirs.contains(&&json!("Filled")), "{theirs:?}");
    assert!(engine.lives(), "slow is not broken: {}", engine.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s54_what_waited_in_the_stream_past_its_life_is_vetoed_and_the_next_one_trades() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(engine.stop(), 0);
    // The stream keeps them while no engine is there.
    let stream = async_nats::jetstream::new(strategy.client.clone());
    for number in 0..50 {
        let old = with(open(&format!("old-{number}"), &format!("KXOLD-{number}-A")), json!({ "created_at": "2026-01-07T19:00:00Z" }));
        stream.publish("signals.kalshi", old.to_string().into()).await.expect("published").await.expect("kept");
    }
    let mut engine = place.start(&["run"]);
    place.ready().await;
    for number in 0..50 {
        let answer = strategy.answer(&format!("old-{number}")).await;
        assert_eq!(answer["answer"], "vetoed", "{answer}");
        assert!(reasons(&answer).contains(&"expired".to_owned()), "{answer}");
    }
    assert_eq!(strategy.ask(&open("fresh", "KXNEW-1-A")).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
    assert_eq!(count(&place.events(), "SubmitStarted"), 1);
}

fn is_working(place: &Place) -> Option<()> {
    (place.json(&["orders", "--json", "--state", "working"]).as_array()?.len() == 1).then_some(())
}

/// One order that rests.
async fn rest(place: &Place, strategy: &Strategy) {
    let resting = with(open("resting", "KXREST-1-A"), json!({ "tif": "gtc", "limit_price": "0.40", "ttl_ms": 600_000 }));
    assert_eq!(strategy.ask(&resting).await["answer"], "requested");
    until("a working order", async || is_working(place)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s104_what_is_to_rest_on_is_kept_by_a_termination_and_known_at_the_next_start() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("STOP_RESTING", "keep");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    rest(&place, &strategy).await;
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
    let events = place.events();
    let last = events.last().expect("events");
    assert_eq!((&last["event"], &last["data"]["clean"]), (&json!("SessionEnded"), &json!(true)), "{last}");
    // Nothing was in the air: the one order is listed, with what it holds, by the log alone and by the next engine.
    is_working(&place).expect("listed without an engine");
    let mut engine = place.start(&["run"]);
    place.ready().await;
    until("the same order", async || is_working(&place)).await;
    assert_eq!(count(&place.events(), "SubmitStarted"), 1, "and not sent again");
    assert_eq!(engine.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s104_a_termination_cancels_what_rests_and_ends_once_the_venue_has_said_so() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("PAPER_LATENCY_MS", "300");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    rest(&place, &strategy).await;
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
    let names: Vec<String> = place.events().iter().map(|event| event["event"].as_str().expect("name").to_owned()).collect();
    let at = |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no {name} in {names:?}"));
    assert!(at("CancelRequested") < at("OrderCanceled") && at("OrderCanceled") < at("SessionEnded"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s104_an_order_without_an_answer_is_listed_at_the_end_and_the_exit_code_says_so() {
    let server = NatsServer::start();
    // The exchange answers long after the engine's patience is over.
    let place = Place::new(&server.url()).with("PAPER_LATENCY_MS", "60000").with("STOP_WAIT_MS", "50");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("slow", "KXSLOW-1-A")).await["answer"], "requested");
    let sent = async || (count(&place.events(), "SubmitStarted") == 1).then_some(());
    until("an order on its way", sent).await;
    assert_eq!(engine.stop(), 4, "{}", engine.lines());
    assert!(engine.lines().contains("at the end: its venue is asked again at the next start"), "{}", engine.lines());
    assert_eq!(count(&place.events(), "SessionEnded"), 1);
}

/// The publisher dies alone; everybody else works on, but nobody knows what else it left undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s103_a_panic_in_one_worker_cancels_what_rests_and_ends_the_process_for_its_manager_to_start_again() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("STOP_RESTING", "keep").with("ARBEES_CRASH_AT", "publish_before:12:panic");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let mut number = 0;
    let ended = async || {
        number += 1;
        let resting = with(
            open(&format!("rest-{number}"), &format!("KXREST-{number}-A")),
            json!({ "size": "1", "tif": "gtc", "limit_price": "0.40" }),
        );
        strategy.send(&resting).await;
        (!engine.lives()).then_some(())
    };
    until("the end", ended).await;
    assert_eq!(engine.exit_code(), 1, "{}", engine.lines());
    assert!(engine.lines().contains("a part of the engine has panicked at src/crash_points.rs:"), "{}", engine.lines());
    let events = place.events();
    assert!(count(&events, "OrderAcked") > 0, "something rested");
    assert_eq!(count(&events, "OrderCanceled"), count(&events, "OrderAcked"), "and nothing does any more");
    assert_eq!(events.last().expect("events")["event"], "SessionEnded");
    let place = place.with("ARBEES_CRASH_AT", "publish_before:1000000:panic");
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(engine.stop(), 0, "and the next one is well");
}
