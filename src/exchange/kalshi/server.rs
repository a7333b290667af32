//! Two listeners over one state: the venue's own port, and the admin port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;

use super::auth::{Keys, NotAPublicKey};
use super::core::Core;
use super::dialect::DIALECT;
use super::limits::Buckets;
use super::options::Options;
use super::ws::session::Session;
use super::{admin, rest, ws};
use crate::clock::Clock;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::exchange::doors::{Doors, NoPort, Stopped, stop};
use crate::exchange::faults::Faults;
use crate::exchange::requests::Requests;
use crate::exchange::sockets::Hub;

/// Everything behind the one lock.
pub struct Inner {
    pub core: Core,
    pub faults: Faults,
    pub buckets: Buckets,
    pub requests: Requests,
    pub hub: Hub<Session>,
    /// Reads of an account's data see the venue as it was so long ago.
    pub read_lag_ms: i64,
}

impl Inner {
    /// The crowd puts these levels into a market and keeps them; a ticker that nobody knows is nothing.
    pub fn keep_crowd(&mut self, ticker: &str, levels: &[(Side, Price, Quantity)]) {
        if let Some(market) = self.core.market_called(ticker) {
            // Levels off the grid are refused one by one.
            let _ = self.core.set_crowd_book(market, levels, true);
        }
    }
}

#[derive(Clone)]
pub struct Shared {
    pub clock: Clock,
    pub ping_every: Duration,
    inner: Arc<Mutex<Inner>>,
    keys: Arc<Mutex<Arc<Keys>>>,
    stopped: Stopped,
}

impl Shared {
    /// Works on the state as of now, and tells the sessions what came of it.
    pub fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        // Inside the lock, so that the venue's time never runs back between two calls.
        inner.core.advance(self.clock.now().wall);
        let result = work(inner);
        let notices = std::mem::take(&mut inner.core.notices);
        if !notices.is_empty() {
            ws::tell(&mut inner.hub, &notices, &inner.core, &mut inner.faults);
        }
        result
    }

    /// The keys as they are now; verifying a signature holds no lock.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn change_keys(&self, change: impl FnOnce(&mut Keys)) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut keys));
    }

    /// Resolves when the venue ends.
    pub async fn stopped(&self) {
        self.stopped.wait().await;
    }
}

/// The double, not yet running.
pub struct KalshiExchange;

/// A running double. Dropping it without `stop` ends it less politely.
pub struct Running {
    pub rest_addr: SocketAddr,
    pub admin_addr: SocketAddr,
    shared: Shared,
    doors: Doors,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("key {0}: {1}")]
    Key(String, NotAPublicKey),
    #[error("market {0}: named twice, or its bands are no price grid")]
    Market(String),
    #[error(transparent)]
    Port(#[from] NoPort),
}

impl KalshiExchange {
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let clock = options.clock.clone().unwrap_or_else(Clock::system);
        let (core, keys) = options.build(clock.now().wall)?;
        let (stop, stopped) = stop();
        let inner = Inner {
            core,
            faults: Faults::new(&DIALECT),
            buckets: Buckets::new(options.limits),
            requests: Requests::default(),
            hub: Hub::default(),
            read_lag_ms: options.read_lag_ms,
        };
        let shared = Shared {
            clock,
            ping_every: options.ping_every,
            inner: Arc::new(Mutex::new(inner)),
            keys: Arc::new(Mutex::new(Arc::new(keys))),
            stopped: stopped.clone(),
        };
        let venue = Router::new().route(ws::PATH, get(ws::handshake)).fallback(rest::serve).with_state(shared.clone());
        let admin = Router::new().fallback(admin::serve).with_state(shared.clone());
        let ticking = shared.clone();
        let tick = move || ticking.with(|_| ());
        let doors = Doors::open((stop, stopped), (options.port, venue), (options.admin_port, admin), tick).await?;
        Ok(Running { rest_addr: doors.rest_addr, admin_addr: doors.admin_addr, shared, doors })
    }
}

impl Running {
    /// What `KALSHI_API_URL` takes.
    pub fn api_url(&self) -> String {
        format!("http://{}{}", self.rest_addr, rest::ROOT)
    }

    /// What `KALSHI_WS_URL` takes.
    pub fn ws_url(&self) -> String {
        format!("ws://{}{}", self.rest_addr, ws::PATH)
    }

    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_addr)
    }

    /// The state itself, for tests and benches in the same process.
    pub fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        self.shared.with(work)
    }

    /// Ends sessions, hanging calls and listeners.
    pub async fn stop(self) {
        self.doors.close().await;
    }
}
