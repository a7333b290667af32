//! A nats-server, both venues' doubles, an engine and a risk consumer, each as a process.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use arbees::config::{Config, from_sources};
use arbees::crash_points::Point;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::arbees::{Place, Process};
use crate::support::{NatsServer, PATIENCE};
use crate::venues::{Double, settings};

/// Limits that no load here reaches: what is counted is orders.
pub const UNLIMITED: [&str; 8] = [
    "BANKROLL_USD",
    "MAX_UNKNOWN_AMOUNT",
    "MAX_DAILY_LOSS",
    "MAX_GAME_EXPOSURE",
    "MAX_SPORT_EXPOSURE",
    "MAX_VENUE_EXPOSURE",
    "MAX_TOTAL_EXPOSURE",
    "PAPER_CASH_USD",
];

const ENGINE_LEASES: [&str; 2] = ["engine.", "account."];
const RISK_LEASES: [&str; 1] = ["risk."];

/// Who may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Engine,
    Risk,
}

pub struct World {
    pub place: Place,
    pub server: NatsServer,
    pub kalshi: Double,
    pub polymarket: Double,
    pub engine: Process,
    pub risk: Process,
    settings: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl World {
    pub async fn start(more: &[(&str, &str)]) -> Self {
        let server = NatsServer::start();
        let place = Place::new(&server.url());
        let (kalshi, polymarket) = (Double::kalshi(&place.dir).await, Double::polymarket(&place.dir));
        let mut all = settings(&place.dir, &kalshi, &polymarket);
        all.extend(UNLIMITED.map(|name| (name, "1000000".to_owned())));
        let texts = [
            ("TRADING_MODE", "demo"),
            ("LOG_LEVEL", "warn"),
            ("DUPLICATE_INTENT_MS", "0"),
            ("MAX_ORDERS_PER_MINUTE", "100000"),
            ("MAX_ORDERS_PER_HOUR", "1000000"),
            ("MAX_CONSECUTIVE_ERRORS", "1000"),
            ("MAX_UNKNOWN_AGE_MS", "86400000"),
            ("MAX_MARK_AGE_MS", "86400000"),
            ("MAX_BOOK_AGE_MS", "3600000"),
            ("RISK_TIMEOUT_MS", "1000"),
        ];
        all.extend(texts.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())));
        let place = all.iter().fold(place, |place, (name, value)| place.with(name, value));
        let mut settings: BTreeMap<String, String> = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        settings.insert("DATA_DIR".to_owned(), place.dir.display().to_string());
        settings.insert("NATS_URL".to_owned(), server.url());
        let (engine, risk) = (place.start(&["run", "--role", "engine"]), place.start(&["run", "--role", "risk"]));
        let http = arbees::http::client().build().expect("client");
        let world = Self { place, server, kalshi, polymarket, engine, risk, settings, http };
        world.place.ready().await;
        world
    }

    pub fn config(&self) -> Config {
        from_sources(&self.settings, None).expect("good settings")
    }

    /// The same settings with another data folder, for who comes after.
    pub fn second(&self, name: &str) -> Place {
        let place = Place::new(&self.server.url());
        let data = self.place.dir.join(name).display().to_string();
        let place = self.settings.iter().fold(place, |place, (name, value)| place.with(name, value));
        place.with("DATA_DIR", &data)
    }

    pub fn process(&mut self, role: Role) -> &mut Process {
        match role {
            Role::Engine => &mut self.engine,
            Role::Risk => &mut self.risk,
        }
    }

    /// Starts one that is dead again, armed with a crash point or not. Its leases would run out in some seconds; here they are
    /// taken away instead.
    pub async fn revive(&mut self, role: Role, armed: Option<&str>) {
        self.free_leases(role).await;
        self.start_one(role, armed);
    }

    pub fn start_one(&mut self, role: Role, armed: Option<&str>) {
        let args = ["run", "--role", if role == Role::Engine { "engine" } else { "risk" }];
        let arming = armed.map(|text| format!("ARBEES_CRASH_AT={text}"));
        let wrapper: Vec<&str> = arming.iter().flat_map(|text| ["env", text.as_str()]).collect();
        *self.process(role) = self.place.start_under(&wrapper, &args);
    }

    async fn free_leases(&self, role: Role) {
        let ours: &[&str] = if role == Role::Engine { &ENGINE_LEASES } else { &RISK_LEASES };
        let client = async_nats::connect(self.server.url()).await.expect("a connection");
        let store = async_nats::jetstream::new(client).get_key_value("ARBEES_LEASES").await.expect("the leases");
        let mut keys = store.keys().await.expect("keys");
        while let Some(key) = keys.next().await {
            let key = key.expect("a key");
            if ours.iter().any(|prefix| key.starts_with(prefix)) {
                store.delete(key).await.expect("deleted");
            }
        }
    }

    /// Waits until the process is dead, by itself and at this point.
    pub async fn dies(&mut self, role: Role, point: Point) {
        let dead = self.is_dead_within(role, point, PATIENCE).await;
        assert!(dead, "waited {PATIENCE:?} in vain for {role:?} to die at {}", point.name());
    }

    /// Whether the process dies in time, by itself and at this point.
    pub async fn is_dead_within(&mut self, role: Role, point: Point, within: Duration) -> bool {
        let started = Instant::now();
        while self.process(role).lives() {
            if started.elapsed() > within {
                return false;
            }
            self.provoke(point).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (at, lines) = (format!("crash point {} reached", point.name()), self.process(role).lines());
        assert!(lines.contains(&at), "{role:?} died otherwise than at {}:\n{lines}", point.name());
        true
    }

    /// Kalshi itself ends what rests there when its signal ends: only an operator has anything cancelled.
    async fn provoke(&self, point: Point) {
        if matches!(point, Point::KalshiCancelBefore | Point::KalshiCancelAfter)
            && let (Some(address), Ok(token)) = (self.place.address(), fs::read_to_string(self.place.mode_dir().join("http_token")))
        {
            let request = self.http.post(format!("http://{address}/api/cancel-all")).bearer_auth(token.trim());
            // Before it is up and after its death nobody answers.
            let _ = request.json(&json!({ "by": "test" })).send().await;
        }
    }

    /// Signals that the stream still has to hand out, or that nobody has acknowledged.
    pub async fn pending(&self) -> Option<u64> {
        pending(&self.server, "engine-demo-main").await
    }

    /// Puts one signal into the stream.
    pub async fn publish(&self, subject: &'static str, signal: &Value) {
        let client = async_nats::connect(self.server.url()).await.expect("a connection");
        let stream = async_nats::jetstream::new(client);
        let taken = stream.publish(subject, signal.to_string().into()).await.expect("published");
        taken.await.expect("the stream takes it");
    }

    /// Orders of which something may still come, as the engine sees it.
    pub async fn live_orders(&self) -> Option<Vec<Value>> {
        let (status, rows) = self.place.get("/api/orders?state=live&limit=1000").await?;
        rows.as_array().filter(|_| status == 200).cloned()
    }
}

/// Signals that the stream still has to hand out to this durable name, or that it has not acknowledged.
pub async fn pending(server: &NatsServer, durable: &str) -> Option<u64> {
    let client = async_nats::connect(server.url()).await.ok()?;
    let stream = async_nats::jetstream::new(client).get_stream("SIGNALS").await.ok()?;
    let info = stream.consumer_info(durable).await.ok()?;
    Some(info.num_pending + info.num_ack_pending as u64)
}
