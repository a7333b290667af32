//! Whether a signal would be traded now, and if not, why not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::bus::{Bus, Link};
use crate::clock::Clock;
use crate::domain::event::Scope;
use crate::domain::report::VenueMode;
use crate::event_log::EventStore;
use crate::workers::EngineHandle;

/// Risk says hello every half second.
const RISK_SILENT_MS: i64 = 2_000;

pub struct Readiness {
    engine: EngineHandle,
    bus: Arc<dyn Bus>,
    log: Arc<dyn EventStore>,
    clock: Clock,
    risk_ready: AtomicBool,
    /// Monotonic milliseconds of risk's last hello.
    risk_heard_ms: AtomicI64,
    began_ms: i64,
}

impl Readiness {
    pub fn new(engine: EngineHandle, bus: Arc<dyn Bus>, log: Arc<dyn EventStore>, clock: Clock) -> Self {
        let began_ms = clock.now().mono.0 / 1_000_000;
        Self { began_ms, engine, bus, log, clock, risk_ready: AtomicBool::new(false), risk_heard_ms: AtomicI64::new(i64::MIN / 2) }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().mono.0 / 1_000_000
    }

    pub fn heard_risk(&self, ready: bool) {
        self.risk_ready.store(ready, Ordering::Relaxed);
        self.risk_heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Since its last hello; since the start before the first.
    pub fn risk_silent_ms(&self) -> i64 {
        self.now_ms().saturating_sub(self.risk_heard_ms.load(Ordering::Relaxed).max(self.began_ms))
    }

    fn risk(&self) -> Option<String> {
        let silent_ms = self.now_ms().saturating_sub(self.risk_heard_ms.load(Ordering::Relaxed));
        if silent_ms > RISK_SILENT_MS {
            return Some("the risk consumer is silent".to_owned());
        }
        (!self.risk_ready.load(Ordering::Relaxed)).then(|| {
            "the risk consumer is not ready: it is reading the log, sees another history, or the bus refuses it something".to_owned()
        })
    }

    /// Waits until risk grants, or the time is over.
    pub async fn wait_for_risk(&self, most: Duration) {
        let ready = async {
            while self.risk().is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(most, ready).await.is_err() {
            tracing::warn!("no risk consumer is ready after {} s: opens will be vetoed until one is", most.as_secs());
        }
    }

    /// Every reason why a signal would not be traded.
    pub async fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let state = self.bus.state().borrow().clone();
        match state.link {
            Link::Connected if state.signals_open => {}
            Link::Connected => reasons.push("signals are not being read yet".to_owned()),
            Link::Connecting => reasons.push("the bus is not connected yet".to_owned()),
            Link::Disconnected => reasons.push("the bus is gone; trying again".to_owned()),
            Link::Refused(why) => reasons.push(why),
        }
        reasons.extend(state.refused.map(|why| format!("the bus refuses this role something it needs: {why}")));
        reasons.extend(self.risk());
        reasons.extend(self.log.failed().map(|why| format!("the log can't be written: {why}")));
        let engine = self.engine.query(|engine| {
            let halted = engine.halted().map(|why| format!("halted: {why}"));
            let killed = engine.is_killed().then(|| "the kill is on".to_owned());
            let global = engine.book().breakers.is_open(&Scope::Global).then(|| "the global breaker is open".to_owned());
            let shut = engine.book().venues.iter().filter(|(_, record)| !matches!(record.mode, VenueMode::Open | VenueMode::Off));
            let shut = shut.map(|(venue, record)| Some(format!("{venue} {}: {}", record.mode.as_str(), record.why)));
            [halted, killed, global].into_iter().chain(shut).collect::<Vec<_>>()
        });
        match engine.await {
            Some(found) => reasons.extend(found.into_iter().flatten()),
            None => reasons.push("the engine has ended".to_owned()),
        }
        reasons
    }
}
