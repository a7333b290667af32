//! Far more signals at once than anybody works off: S52.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arbees::bus::SIGNALS_IN_FLIGHT_MAX;
use arbees::clock::Clock;
use async_nats::Client;
use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, open, reasons, with};
use crate::support::{NatsServer, until};

/// 300 a minute are usual; ten times as many, all of a minute at once.
const BURST: usize = 3_000;
/// The first half of it lives for so long, which is over before anybody looks.
const SHORT_LIFE_MS: i64 = 500;

/// Signals that an engine has been given and hasn't answered, and those that the stream still holds back.
async fn waiting(client: &Client) -> (usize, u64) {
    let stream = async_nats::jetstream::new(client.clone()).get_stream("SIGNALS").await.expect("the stream");
    let info = stream.consumer_info("engine-paper-main").await.expect("the durable");
    (info.num_ack_pending, info.num_pending)
}

fn id(number: usize) -> String {
    format!("burst-{number}")
}

/// None of them trades: half because it comes too late, half because there is no edge.
async fn send_burst(client: &Client) {
    let stream = async_nats::jetstream::new(client.clone());
    let mut receipts = Vec::new();
    for number in 0..BURST {
        let life = if number < BURST / 2 { SHORT_LIFE_MS } else { 600_000 };
        let signal = with(open(&id(number), &format!("KXBURST-{number}-A")), json!({ "model_prob": "0.50", "ttl_ms": life }));
        receipts.push(stream.publish("signals.kalshi", signal.to_string().into()).await.expect("published"));
    }
    for receipt in receipts {
        receipt.await.expect("kept");
    }
}

/// The most signals that an engine was given at once, looked at until it is told to end.
async fn most_in_flight(client: Client, ended: Arc<AtomicBool>) -> usize {
    let mut most = 0;
    while !ended.load(Ordering::Relaxed) {
        most = most.max(waiting(&client).await.0);
    }
    most
}

fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<(usize, &'e Value)> {
    events.iter().enumerate().filter(|(_, event)| event["event"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s52_of_a_burst_a_bounded_part_is_taken_the_oldest_expire_with_an_event_and_a_cancel_goes_first() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("RISK_TIMEOUT_MS", "1000");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let resting = with(open("resting", "KXREST-1-A"), json!({ "tif": "gtc", "limit_price": "0.40", "ttl_ms": 600_000 }));
    assert_eq!(strategy.ask(&resting).await["answer"], "requested");
    let working = async |count: usize| {
        let (_, rows) = place.get("/api/orders?state=working").await?;
        (rows.as_array()?.len() == count).then_some(())
    };
    until("a working order", async || working(1).await).await;

    engine.signal("STOP");
    send_burst(&strategy.client).await;
    assert_eq!(waiting(&strategy.client).await.1 + waiting(&strategy.client).await.0 as u64, BURST as u64);
    let (clock, ended) = (Clock::system(), Arc::new(AtomicBool::new(false)));
    let over = clock.now().wall.ms() + SHORT_LIFE_MS;
    until("the end of the short lives", async || (clock.now().wall.ms() > over).then_some(())).await;
    let watched = tokio::spawn(most_in_flight(strategy.client.clone(), Arc::clone(&ended)));
    engine.signal("CONT");
    let (status, body) = place.post("/api/cancel-all", Some(&place.token()), &json!({ "by": "test" })).await;
    assert_eq!(status, 200, "{body}");
    until("no working order", async || working(0).await).await;
    let ids: BTreeSet<String> = (0..BURST).map(id).collect();
    let answered = || strategy.heard().iter().filter(|answer| answer["signal_id"].as_str().is_some_and(|id| ids.contains(id))).count();
    until("every answer", async || (answered() >= BURST).then_some(())).await;
    ended.store(true, Ordering::Relaxed);

    let most = watched.await.expect("looked");
    assert!((2..=SIGNALS_IN_FLIGHT_MAX).contains(&most), "{most} were taken at once");
    let mut late = 0;
    for answer in strategy.heard().iter().filter(|answer| answer["signal_id"] != "resting") {
        let number: usize = answer["signal_id"].as_str().and_then(|id| id.strip_prefix("burst-")?.parse().ok()).expect("of the burst");
        let (why, is_late) = (reasons(answer), number < BURST / 2);
        let has = |reason: &str| why.iter().any(|known| known == reason);
        // A risk consumer that a slow machine keeps from answering in time finds nothing out.
        assert!(answer["answer"] == "vetoed" && (has("expired") == is_late || is_late && has("risk_silent")), "{answer}");
        late += usize::from(has("expired"));
    }
    assert!(late > BURST / 4, "only {late} expired");
    let events = place.events();
    let (vetoes, cancels) = (of_kind(&events, "OrderVetoed"), of_kind(&events, "CancelRequested"));
    assert_eq!((vetoes.len(), cancels.len()), (BURST, 1), "an event each, and one cancel");
    let before = vetoes.iter().filter(|(at, _)| *at < cancels[0].0).count();
    eprintln!("{most} in flight at most, {late} expired, {before} answered before the cancel");
    assert!(before <= BURST / 4, "the cancel waited for {before} signals");
    assert_eq!(strategy.ask(&open("fresh", "KXNEW-1-A")).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
}
