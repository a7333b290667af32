//! Signals without an end: orders of every kind at both venues among many that are vetoed, rejected or repeated.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arbees::clock::Clock;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::venues::{MARKETS, ticker, token};

/// One round of kinds: most signals are no order, as with real strategies.
const ROUND: u64 = 40;
/// How far behind its rate a publisher catches up.
const CATCH_UP: Duration = Duration::from_millis(100);

struct Shared {
    per_second: AtomicU64,
    ended: AtomicBool,
    /// What the stream has taken.
    published: Mutex<BTreeSet<String>>,
    count: AtomicU64,
}

/// Publishes until it is ended.
pub struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Load {
    pub async fn start(nats_url: &str, per_second: u64) -> Self {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect().max_reconnects(None);
        let client = options.connect(nats_url).await.expect("connection to nats-server");
        let (ended, published) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { per_second: per_second.into(), ended, published, count: 0.into() });
        let task = tokio::spawn(run(Arc::clone(&shared), client));
        Self { shared, task }
    }

    pub fn pace(&self, per_second: u64) {
        self.shared.per_second.store(per_second, Ordering::Relaxed);
    }

    /// How many messages the stream has taken, repeats among them.
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// No more signals. Every one that was published, by its id.
    pub async fn end(self) -> BTreeSet<String> {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.task.await.expect("the publisher");
        std::mem::take(&mut self.shared.published.lock().expect("lock"))
    }
}

async fn run(shared: Arc<Shared>, client: async_nats::Client) {
    let stream = async_nats::jetstream::new(client);
    let tokens: Vec<String> = (0..MARKETS).map(token).collect();
    let (clock, mut next) = (Clock::system(), Instant::now());
    let mut last = None;
    for number in 0_u64.. {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let pause = Duration::from_micros(1_000_000 / shared.per_second.load(Ordering::Relaxed));
        next = (next + pause).max(Instant::now() - CATCH_UP);
        tokio::time::sleep_until(next.into()).await;
        let fresh = || signal(number, &tokens, &clock.now().wall.to_string());
        // The last of a round is the one before once more, byte for byte.
        let (subject, id, payload) = last.take().filter(|_| number % ROUND == ROUND - 1).unwrap_or_else(fresh);
        // A server that was killed may have taken it without a word: the same signal again is a repeat.
        while !published(&stream, subject, &payload).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        shared.count.fetch_add(1, Ordering::Relaxed);
        shared.published.lock().expect("lock").insert(id.clone());
        last = Some((subject, id, payload));
    }
}

async fn published(stream: &async_nats::jetstream::Context, subject: &'static str, payload: &str) -> bool {
    match stream.publish(subject, payload.to_owned().into()).await {
        Ok(taken) => taken.await.is_ok(),
        Err(_) => false,
    }
}

/// Subject, id and signal with this number.
fn signal(number: u64, tokens: &[String], now: &str) -> (&'static str, String, String) {
    let (kind, id) = (number % ROUND, format!("load-{number}"));
    let at_kalshi = kind.is_multiple_of(2);
    let mut signal = wish(&id, kind, now);
    let market = (number / ROUND) as usize % MARKETS;
    if at_kalshi {
        signal["market_id"] = ticker(market).into();
        ("signals.kalshi", id, signal.to_string())
    } else {
        signal["token_id"] = tokens[market].clone().into();
        ("signals.polymarket", id, signal.to_string())
    }
}

/// Without the market. Even kinds are for Kalshi, odd ones for Polymarket, which takes no fewer than five shares.
pub fn wish(id: &str, kind: u64, now: &str) -> Value {
    let mut signal = json!({
        "signal_id": id, "side": "yes", "limit_price": "0.54", "size": if kind.is_multiple_of(2) { "2" } else { "6" }, "size_unit": "contracts",
        "model_prob": "0.80", "yes_bid": "0.48", "yes_ask": "0.52", "liquidity_available": "100", "tif": "ioc", "ttl_ms": 300_000,
        "created_at": now, "price_ts": now,
    });
    match kind {
        0 | 1 => {}
        2 | 3 => change(&mut signal, json!({ "tif": "gtd", "limit_price": "0.45", "ttl_ms": 2_000 })),
        4 | 5 => change(&mut signal, json!({ "action": "close", "limit_price": "0.40" })),
        6 | 7 => change(&mut signal, json!({ "limit_price": ["0.54"] })),
        _ => change(&mut signal, json!({ "model_prob": "0.50" })),
    }
    signal
}

fn change(signal: &mut Value, fields: Value) {
    for (name, value) in fields.as_object().expect("fields") {
        signal[name] = value.clone();
    }
}
