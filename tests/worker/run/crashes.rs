//! kill -9 under load, again and again; afterwards a count by plain code from the log alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::arbees::Place;
use crate::strategy::{Strategy, open, with};
use crate::support::NatsServer;

/// How often the engine is killed; `KILLS` in the environment changes it.
const KILLS: usize = 20;
const SIGNALS_PER_SECOND: u64 = 250;
const SIGNALS_PER_SECOND_WHILE_DOWN: u64 = 25;
const APPROVED_MIN: usize = 1_000;
/// A signal in flight at a kill comes again after 10 s, and after 20 s more if that was a kill, too.
const LAST_ANSWERS: Duration = Duration::from_secs(90);

/// Limits that this load doesn't reach, and marks that last: what is counted here is orders.
fn place(server: &NatsServer) -> Place {
    let money = ["BANKROLL_USD", "PAPER_CASH_USD", "MAX_UNKNOWN_AMOUNT", "MAX_DAILY_LOSS", "MAX_SPORT_EXPOSURE", "MAX_VENUE_EXPOSURE"];
    let place = money.iter().fold(Place::new(&server.url()), |place, name| place.with(name, "1000000"));
    place
        .with("MAX_TOTAL_EXPOSURE", "1000000")
        .with("MAX_ORDERS_PER_MINUTE", "100000")
        .with("MAX_ORDERS_PER_HOUR", "1000000")
        .with("MAX_CONSECUTIVE_ERRORS", "1000")
        .with("MAX_UNKNOWN_AGE_MS", "86400000")
        .with("MAX_MARK_AGE_MS", "86400000")
        .with("SUBMIT_STALE_AFTER_MS", "1000")
}

/// Publishes one signal after another, each for a game of its own, and remembers what the stream has taken.
struct Publisher {
    fast: AtomicBool,
    ended: AtomicBool,
    published: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Publisher {
    async fn run(self: Arc<Self>, strategy: Arc<Strategy>) {
        let stream = async_nats::jetstream::new(strategy.client.clone());
        let mut next = Instant::now();
        for number in 0_u64.. {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let rate = if self.fast.load(Ordering::Relaxed) { SIGNALS_PER_SECOND } else { SIGNALS_PER_SECOND_WHILE_DOWN };
            next = (next + Duration::from_micros(1_000_000 / rate)).max(Instant::now() - Duration::from_millis(100));
            tokio::time::sleep_until(next.into()).await;
            let id = format!("load-{number}");
            let signal = with(open(&id, &format!("KXLOAD-{number}-A")), json!({ "size": "1", "ttl_ms": 300_000 }));
            let taken = stream.publish("signals.kalshi", signal.to_string().into()).await.expect("publish");
            taken.await.expect("the stream takes it");
            self.published.lock().await.push(id);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits for something of the load; looks often, so that kills fall into the middle of things.
async fn wait(what: &str, most: Duration, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < most, "waited {most:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_under_load_it_answers_everything_and_orders_nothing_twice() {
    let kills = std::env::var("KILLS").ok().map_or(KILLS, |text| text.parse().expect("KILLS is a number"));
    let server = NatsServer::start();
    let place = place(&server);
    let strategy = Arc::new(Strategy::connect(&server.url()).await);
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let publisher = Arc::new(Publisher { fast: true.into(), ended: false.into(), published: Mutex::default(), count: 0.into() });
    let publishing = tokio::spawn(Arc::clone(&publisher).run(Arc::clone(&strategy)));

    let (mut fast_for, mut fast_count) = (Duration::ZERO, 0);
    for kill in 0..=kills {
        publisher.fast.store(true, Ordering::Relaxed);
        let (began, from, heard) = (Instant::now(), publisher.count.load(Ordering::Relaxed), strategy.heard_count());
        // Another point each time, some of them while the first answers come.
        let after = 40 + (kill * 37) % 60;
        wait("answers", Duration::from_secs(20), || strategy.heard_count() >= heard + after && began.elapsed().as_millis() >= 200).await;
        fast_for += began.elapsed();
        fast_count += publisher.count.load(Ordering::Relaxed) - from;
        if kill == kills {
            break;
        }
        publisher.fast.store(false, Ordering::Relaxed);
        engine.kill();
        engine = place.start(&["run"]);
        place.ready().await;
    }
    publisher.ended.store(true, Ordering::Relaxed);
    publishing.await.expect("publisher");
    let rate = fast_count as u128 * 1_000 / fast_for.as_millis();
    assert!(rate >= 200, "{rate} signals a second while the engine was up");

    let published = publisher.published.lock().await.clone();
    let answered = || {
        let heard: BTreeSet<String> =
            strategy.heard().iter().filter_map(|answer| answer["signal_id"].as_str().map(str::to_owned)).collect();
        published.iter().all(|id| heard.contains(id))
    };
    let started = Instant::now();
    while !answered() {
        assert!(started.elapsed() < LAST_ANSWERS, "some signals are never answered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Between two questions the engine may book what it has looked up.
    let same = crate::support::until("a quiet moment", async || {
        let (before, replay, after) =
            (place.json(&["status", "--json"]), place.json(&["replay", "--json"]), place.json(&["status", "--json"]));
        (before["seq"] == after["seq"] && replay["seq"] == after["seq"]).then_some((replay, after))
    });
    let (replay, status) = same.await;
    assert_eq!((&replay["identical"], &replay["state_hash"]), (&json!(true), &status["state_hash"]), "{replay}");
    assert_eq!(status["breakers"], json!([]), "{status}");
    engine.kill();
    let again = place.json(&["replay", "--json", "--until", &status["seq"].to_string()]);
    assert_eq!(again["state_hash"], status["state_hash"], "and after kill -9");

    let events = place.events();
    let counted = count(&events);
    counted.compare(&published, &strategy.heard());
    assert_eq!(counted.sessions, kills + 1);
    assert!(counted.approved.len() >= APPROVED_MIN.min(kills * APPROVED_MIN / KILLS), "only {} approved orders", counted.approved.len());
    let verified = place.json(&["verify", "--json"]);
    assert_eq!(verified["good"], true, "{verified}");
    eprintln!(
        "{kills} kills at {rate} signals/s: {} signals, {} approved, {} filled, {} of unknown fate at a kill, {} events",
        published.len(),
        counted.approved.len(),
        counted.filled.len(),
        counted.unknown.len(),
        events.len()
    );
}

/// What the log holds, by plain counting.
#[derive(Default)]
struct Counted {
    sessions: usize,
    /// Signal id to order id.
    requested: BTreeMap<String, String>,
    approved: BTreeSet<String>,
    vetoed: BTreeSet<String>,
    sent: BTreeSet<String>,
    filled: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

fn count(events: &[Value]) -> Counted {
    let mut all = Counted::default();
    let mut trades = BTreeSet::new();
    for (number, event) in (1_u64..).zip(events) {
        assert_eq!(event["seq"], number, "a gap in the log");
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("{name} of {event}")).to_owned();
        match event["event"].as_str().expect("a name") {
            "SessionStarted" => all.sessions += 1,
            "OrderRequested" => {
                let order = text("order_id");
                assert!(!all.requested.values().any(|known| *known == order), "{order} was requested twice");
                let twice = all.requested.insert(text("signal_id"), order);
                assert_eq!(twice, None, "a signal with two requests: {event}");
            }
            "OrderApproved" => assert!(all.approved.insert(text("order_id")), "approved twice: {event}"),
            "OrderVetoed" => assert!(all.vetoed.insert(text("order_id")), "vetoed twice: {event}"),
            "SubmitStarted" => {
                assert_eq!(data["attempt"], 1, "an IOC is never sent again: {event}");
                assert!(all.approved.contains(&text("order_id")), "sent without approval: {event}");
                assert!(all.sent.insert(text("order_id")), "sent twice: {event}");
            }
            "Filled" => {
                assert!(all.sent.contains(&text("order_id")), "filled before it was sent: {event}");
                assert!(trades.insert(text("trade_id")), "the same trade twice: {event}");
                // Each order is for one contract, and the book showed one.
                assert_eq!(data["quantity"], "1", "{event}");
                assert!(all.filled.insert(text("order_id")), "filled twice: {event}");
            }
            "OrderOutcomeUnknown" => {
                all.unknown.insert(text("order_id"));
            }
            _ => {}
        }
    }
    all
}

impl Counted {
    fn compare(&self, published: &[String], answers: &[Value]) {
        assert_eq!(self.approved.intersection(&self.vetoed).next(), None, "approved and vetoed");
        assert_eq!(self.sent, self.approved, "each approval came with its attempt, in one batch");
        for order in self.requested.values() {
            assert!(self.approved.contains(order) || self.vetoed.contains(order), "{order} was never judged");
        }
        for id in published {
            assert!(self.requested.contains_key(id), "{id} was published and answered, but isn't in the log");
        }
        for answer in answers {
            let id = answer["signal_id"].as_str().expect("an id");
            let order = self.requested.get(id).unwrap_or_else(|| panic!("{answer} has no events"));
            assert_eq!(answer["order_id"], order.as_str(), "{answer}");
            let first = if answer["answer"] == "duplicate" { &answer["first_answer"] } else { &answer["answer"] };
            match first.as_str() {
                Some("requested") => assert!(self.approved.contains(order), "{answer} without an approval"),
                Some("vetoed") => assert!(self.vetoed.contains(order), "{answer} without a veto"),
                _ => panic!("{answer}"),
            }
        }
    }
}
