//! A rehearsal: the live code of a venue, all of it, against that venue's double over real HTTP and WebSocket, with faults
//! on demand. Used by the demo, by the table of faults and by tests.

/// Kalshi's double.
pub mod kalshi;
/// Every fault with every kind of order.
pub mod matrix;
/// Polymarket's double.
pub mod polymarket;
/// Whether the log and the venue tell the same story.
pub mod truth;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{Books, Role, Running, start};
use crate::bus::Bus;
use crate::bus::embedded::EmbeddedBus;
use crate::clock::Clock;
use crate::config::{Config, from_sources};
use crate::domain::ids::{OrderId, SignalId};
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::http::Queries;
use crate::projections::{OrderRecord, Projections};
pub use kalshi::{Kalshi, TICKER};
pub use polymarket::{Polymarket, SLUG};

/// The double answers in milliseconds; what takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A venue's double as a rehearsal needs it.
pub trait Double: Sized + Send + Sync {
    const VENUE: Venue;
    /// What it is started with, beside markets and keys.
    type Options: Clone + std::fmt::Debug + Send + Sync;

    fn options() -> Self::Options;
    /// The market that is there where none is named.
    fn usual_market() -> &'static str;
    /// Opens it with these markets and a key whose file lies in `folder`.
    fn open(folder: &Path, options: Self::Options, markets: &[Book], now: Time) -> impl Future<Output = anyhow::Result<Self>> + Send;
    fn admin_url(&self) -> String;
    fn api_url(&self) -> String;
    /// Settings of an engine that trades there.
    fn settings(&self, stream: bool) -> Vec<(&'static str, String)>;
    /// How a signal names an outcome of a market.
    fn named(&self, market: &str, side: &str) -> Value;
    /// What the admin port's truth counts this order under.
    fn name_of(record: &OrderRecord) -> String;
    /// Everything in which the log and the venue's own books differ.
    fn differences(truth: &Value, book: &Projections) -> Vec<String>;
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// What differs from the ordinary.
#[derive(Clone, Debug)]
pub struct Setup<D: Double = Kalshi> {
    /// Settings beside those of the rehearsal.
    pub settings: Vec<(String, String)>,
    /// Markets, each with the crowd's book in YES's terms: bids, asks.
    pub markets: Vec<Book>,
    /// How long an attempt may still arrive at the double.
    pub stale_after_ms: i64,
    pub stream: bool,
    pub venue: D::Options,
}

#[derive(Clone, Debug)]
pub struct Book {
    pub ticker: String,
    pub bids: Vec<(&'static str, &'static str)>,
    pub asks: Vec<(&'static str, &'static str)>,
}

impl Book {
    /// Ten contracts bid at 0.48 and more below, ten asked at 0.50 and more above.
    pub fn usual(ticker: &str) -> Self {
        Self { ticker: ticker.to_owned(), bids: vec![("0.48", "10"), ("0.47", "100")], asks: vec![("0.50", "10"), ("0.51", "100")] }
    }
}

impl<D: Double> Default for Setup<D> {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            markets: vec![Book::usual(D::usual_market())],
            stale_after_ms: 2_000,
            stream: true,
            venue: D::options(),
        }
    }
}

/// The double with its admin port, and whatever runs against it.
pub struct Stage<D: Double = Kalshi> {
    pub venue: D,
    pub folder: PathBuf,
    pub setup: Setup<D>,
    http: reqwest::Client,
    signals: AtomicU32,
    clock: Clock,
}

/// One wish to trade.
#[derive(Clone, Debug)]
pub struct Wish {
    pub ticker: String,
    pub side: &'static str,
    pub action: &'static str,
    pub price: &'static str,
    pub size: &'static str,
    pub tif: Option<&'static str>,
    pub ttl_ms: i64,
}

impl Wish {
    pub fn open(side: &'static str, price: &'static str, size: &'static str, tif: &'static str) -> Self {
        Self { ticker: TICKER.to_owned(), side, action: "open", price, size, tif: Some(tif), ttl_ms: 30_000 }
    }

    pub fn close(side: &'static str, price: &'static str) -> Self {
        Self { ticker: TICKER.to_owned(), side, action: "close", price, size: "0", tif: None, ttl_ms: 30_000 }
    }
}

impl<D: Double> Stage<D> {
    /// Opens the double with its markets. `folder` is fresh and stays the caller's.
    pub async fn open(folder: &Path, setup: Setup<D>) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let venue = D::open(folder, setup.venue.clone(), &setup.markets, clock.now().wall).await?;
        let http = crate::http::client().build()?;
        let stage = Self { venue, folder: folder.to_owned(), setup, http, signals: AtomicU32::new(0), clock };
        for book in stage.setup.markets.clone() {
            let side = |levels: &[(&str, &str)]| levels.iter().map(|(price, count)| json!([price, count])).collect::<Vec<_>>();
            let levels = json!({ "bids": side(&book.bids), "asks": side(&book.asks) });
            stage.admin("POST", &format!("/markets/{}/book", book.ticker), levels).await?;
        }
        Ok(stage)
    }

    /// The settings of an engine at this double.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let set = [
            ("TRADING_MODE", "demo".to_owned()),
            ("NATS_URL", "nats://in-this-process:4222".to_owned()),
            ("DATA_DIR", self.folder.join("data").display().to_string()),
            ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
            ("INSTANCE", "rehearsal".to_owned()),
            ("DUPLICATE_INTENT_MS", "0".to_owned()),
        ];
        let all = set.into_iter().chain(self.venue.settings(self.setup.stream));
        let mut all: BTreeMap<String, String> = all.map(|(name, value)| (name.to_owned(), value)).collect();
        all.extend(self.setup.settings.iter().cloned());
        all
    }

    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = from_sources(&self.settings(), None)?;
        // The double accepts a request when it comes: nothing arrives later than the slowest fault.
        config.submit_stale_after_ms = self.setup.stale_after_ms;
        Ok(config)
    }

    /// Starts an engine with its risk consumer, on a bus in this process, and waits until it would trade.
    pub async fn engine(&self) -> anyhow::Result<Running> {
        let running = self.engine_at_once().await?;
        self.until("the engine to be ready", async || running.desk.readiness().await.ok()).await?;
        Ok(running)
    }

    pub async fn engine_at_once(&self) -> anyhow::Result<Running> {
        let clock = self.clock.clone();
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(move || clock.now()));
        start(self.config()?, Role::All, Books::SignalsOnly, bus).await
    }

    /// Asks the admin port. Errors: what it refuses.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.venue.admin_url());
        let request = self.http.request(method.parse()?, url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| format!("{method} {path}: {text}"))
    }

    pub async fn fault(&self, fault: Value) -> anyhow::Result<Value> {
        self.admin("POST", "/faults", fault).await
    }

    pub async fn heal(&self) -> anyhow::Result<()> {
        self.admin("DELETE", "/faults", Value::Null).await.map(drop)
    }

    pub async fn truth(&self) -> anyhow::Result<Value> {
        self.admin("GET", "/truth", Value::Null).await
    }

    pub fn now(&self) -> Time {
        self.clock.now().wall
    }

    /// The signal as a strategy would send it, with the book it saw and an edge.
    pub fn signal(&self, wish: &Wish) -> (SignalId, Value) {
        let number = self.signals.fetch_add(1, Ordering::Relaxed);
        let id = format!("rehearsal-{}-{number}", self.now().ms());
        let now = self.now();
        let bid_side = wish.side == "yes";
        let mut signal = self.venue.named(&wish.ticker, wish.side);
        let terms = json!({
            "signal_id": id, "side": wish.side, "action": wish.action, "limit_price": wish.price,
            "model_prob": if bid_side { "0.80" } else { "0.20" },
            "created_at": now.to_string(), "price_ts": now.to_string(), "ttl_ms": wish.ttl_ms,
            "yes_bid": "0.48", "yes_ask": "0.50", "liquidity_available": "100",
        });
        for (name, value) in terms.as_object().into_iter().flatten() {
            signal[name] = value.clone();
        }
        if let Some(tif) = wish.tif {
            signal["tif"] = tif.into();
        }
        if wish.size != "0" {
            signal["size"] = wish.size.into();
            signal["size_unit"] = "contracts".into();
        }
        (SignalId::new(&id).expect("Invariant: digits are a valid id"), signal)
    }

    pub async fn send(&self, running: &Running, wish: &Wish) -> anyhow::Result<SignalId> {
        let (id, signal) = self.signal(wish);
        running.bus.publish_signal(&format!("signals.{}", D::VENUE), signal.to_string().into()).await?;
        Ok(id)
    }

    /// Sends and waits until nothing more can come of the order. Errors: the signal was answered without one.
    pub async fn trade(&self, running: &Running, wish: &Wish) -> anyhow::Result<OrderRecord> {
        let id = self.send(running, wish).await?;
        let order_id = self.order(running, &id).await?;
        self.order_when(running, order_id, |record| record.is_done()).await
    }

    /// The order of a signal, once it is answered. Errors: it was vetoed or rejected.
    pub async fn order(&self, running: &Running, id: &SignalId) -> anyhow::Result<OrderId> {
        let story = self.answer(running, id).await?;
        let order = story["orders"][0]["order_id"].as_str().and_then(OrderId::parse).filter(|_| story["answer"] == "requested");
        order.with_context(|| format!("signal {id} was {}: {}", story["answer"], story["reasons"]))
    }

    /// What `explain` says of a signal, once it is answered.
    pub async fn answer(&self, running: &Running, id: &SignalId) -> anyhow::Result<Value> {
        let asked = async || {
            let story = running.desk.get(crate::http::Query::Explain { id: id.to_string() }).await.ok()?;
            (story["answer"] != "pending").then_some(story)
        };
        self.until("an answer", asked).await
    }

    pub async fn order_when(
        &self,
        running: &Running,
        order_id: OrderId,
        wanted: impl Fn(&OrderRecord) -> bool,
    ) -> anyhow::Result<OrderRecord> {
        let found = self
            .until(&format!("order {order_id}"), async || {
                let record = running.engine.query(move |engine| engine.book().orders.get(&order_id).cloned()).await??;
                wanted(&record).then_some(record)
            })
            .await;
        match found {
            Ok(record) => Ok(record),
            Err(error) => {
                let record = running.engine.query(move |engine| engine.book().orders.get(&order_id).cloned()).await.flatten();
                bail!("{error}: {record:?}")
            }
        }
    }

    /// Waits until nothing is unknown and log and venue agree. Returns the venue's truth and the fold that agreed: either may
    /// be another a moment later. Errors: what doesn't agree.
    pub async fn agree(&self, running: &Running) -> anyhow::Result<(Value, Projections)> {
        let mut last = Vec::new();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let truth = self.truth().await?;
                let book = running.engine.query(|engine| engine.book().clone()).await.context("the engine has ended")?;
                last = D::differences(&truth, &book);
                if last.is_empty() {
                    return anyhow::Ok((truth, book));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
        match waited {
            Ok(done) => done,
            Err(_) => bail!("the log and the venue differ: {}", last.join("; ")),
        }
    }

    /// Whether the engine takes orders for this venue.
    pub async fn is_open(&self, running: &Running) -> bool {
        let mode = running.engine.query(|engine| engine.book().venues.mode(D::VENUE)).await;
        mode == Some(crate::domain::report::VenueMode::Open)
    }

    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
        let wait = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("waited {} s for {what}", PATIENCE.as_secs()))
    }
}
