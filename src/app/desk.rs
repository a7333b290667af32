//! A running engine's answers: its fold as of now, its log, and what only the process knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::gauges::Gauges;
use super::history::StoreHistory;
use super::panics;
use super::readiness::Readiness;
use crate::audit::Unlogged;
use crate::audit::replay::Living;
use crate::audit::verify::{StoreCheck, VerifyReport, verify};
use crate::audit::views::EngineFacts;
use crate::bus::Bus;
use crate::bus::subjects::signals_of;
use crate::cli::Desk;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::{Instance, Mode, SignalId};
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::engine::{self, Engine};
use crate::event_log::EventStore;
use crate::http::{ApiError, Command, Identity, Queries, Query};
use crate::projections::Projections;
use crate::workers::EngineHandle;
use crate::workers::notifier;
use crate::workers::outbox::AnswerCounts;
use crate::workers::recent::Recent;

/// A replay costs a core for seconds per million records.
const SELF_CHECK_EVERY: Duration = Duration::from_secs(6 * 3_600);

pub struct LiveDesk {
    mode: Mode,
    instance: Instance,
    pub(super) engine: EngineHandle,
    pub(super) log: Arc<dyn EventStore>,
    pub(super) bus: Arc<dyn Bus>,
    clock: Clock,
    risk_public_keys: Vec<Vec<u8>>,
    readiness: Arc<Readiness>,
    kill_files: Vec<PathBuf>,
    gauges: Gauges,
    shown: watch::Receiver<Arc<str>>,
    pub counts: Arc<AnswerCounts>,
    pub recent: Arc<Mutex<Recent>>,
    /// Notifications, by what became of them.
    pub notified: Arc<notifier::Counts>,
}

/// What a question needs of the engine, taken in one look.
pub(super) struct Look {
    pub book: Projections,
    halted: Option<String>,
    killed: bool,
    questions_open: usize,
    warnings: u64,
    asking: Vec<SignalId>,
}

impl Look {
    fn at(engine: &Engine) -> Self {
        Self {
            book: engine.book().clone(),
            halted: engine.halted().map(str::to_owned),
            killed: engine.is_killed(),
            questions_open: engine.questions_open(),
            warnings: engine.warnings(),
            asking: engine.asking().cloned().collect(),
        }
    }
}

fn ended() -> ApiError {
    ApiError::Unavailable("the engine has ended".to_owned())
}

/// Runs what may take long, and whose panic is its asker's affair alone.
pub(super) async fn reading<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let wrong = || ApiError::Internal("the reading broke off: see the log lines".to_owned());
    tokio::task::spawn_blocking(move || panics::contained(read)).await.map_err(|_| wrong())?.ok_or_else(wrong)
}

impl LiveDesk {
    #[allow(clippy::too_many_arguments)] // everything a question may touch
    pub fn new(
        config: &Config,
        engine: EngineHandle,
        log: Arc<dyn EventStore>,
        bus: Arc<dyn Bus>,
        clock: Clock,
        risk_public_keys: Vec<Vec<u8>>,
        readiness: Arc<Readiness>,
        gauges: Gauges,
        shown: watch::Receiver<Arc<str>>,
    ) -> Self {
        Self {
            mode: config.mode,
            instance: config.instance.clone(),
            engine,
            log,
            bus,
            clock,
            risk_public_keys,
            readiness,
            gauges,
            shown,
            kill_files: super::kill_files(config),
            counts: Arc::default(),
            recent: Arc::default(),
            notified: Arc::default(),
        }
    }

    fn counters(&self, warnings: u64) -> BTreeMap<String, u64> {
        let bus = self.bus.state().borrow().clone();
        let counts = &self.counts;
        let answered = [&counts.requested, &counts.vetoed, &counts.rejected, &counts.duplicate, &counts.ignored]
            .map(|counter| counter.load(Ordering::Relaxed));
        let names = ["requested", "vetoed", "rejected", "duplicate", "ignored"];
        let mut counters: BTreeMap<String, u64> =
            names.iter().zip(answered).map(|(name, count)| (format!("answers_{name}"), count)).collect();
        let notified = self.notified.by_outcome().into_iter();
        counters.extend(notified.map(|(outcome, count)| (format!("notifications_{outcome}"), count)));
        counters.insert("signal_warnings".to_owned(), warnings);
        counters.insert("bus_connects".to_owned(), bus.connects);
        counters.insert("bus_messages_dropped".to_owned(), bus.dropped);
        counters.insert("bus_violations".to_owned(), bus.violations);
        counters.insert("log_appends_waiting".to_owned(), self.log.queue_len() as u64);
        counters
    }

    async fn facts(&self, look: &Look) -> EngineFacts {
        EngineFacts {
            mode: self.mode,
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log_id: self.log.log_id(),
            running: true,
            not_ready: self.readiness.reasons().await,
            halted: look.halted.clone(),
            killed: look.killed,
            questions_open: look.questions_open,
            dead_letters: self.log.dead_letter_len(),
            counters: self.counters(look.warnings),
            now: self.clock.now().wall,
        }
    }

    async fn look(&self) -> Result<Look, ApiError> {
        self.engine.query(Look::at).await.ok_or_else(ended)
    }

    /// Both as of now, once the log has it all.
    pub(super) async fn look_and_facts(&self) -> Result<(Look, EngineFacts), ApiError> {
        let look = self.look().await?;
        self.caught_up(look.book.seq).await;
        let facts = self.facts(&look).await;
        Ok((look, facts))
    }

    /// The log may be a few milliseconds behind the fold.
    async fn caught_up(&self, seq: u64) {
        while self.log.head().seq < seq && self.log.failed().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Laws, signatures and replay of the living log; the disk itself is checked by `verify` without an engine.
    pub async fn verify(&self) -> Result<VerifyReport, ApiError> {
        let look = self.look().await?;
        self.caught_up(look.book.seq).await;
        let seq = look.book.seq;
        let (log, clock, keys) = (Arc::clone(&self.log), self.clock.clone(), self.risk_public_keys.clone());
        let checked = reading(move || {
            let living = Living { seq: look.book.seq, state_hash: look.book.state_hash() };
            verify(&StoreHistory(log), None::<StoreCheck>, Some(living), &keys, &|| clock.now().mono)
        });
        let report = checked.await?.map_err(|error| ApiError::Internal(error.to_string()))?;
        let differs = report.replay.as_ref().is_none_or(|replay| replay.identical == Some(false));
        if differs {
            tracing::error!("a replay of the log up to record {seq} gives another state than the living engine has: {:?}", report.problems);
        }
        self.gauges.replay_differs.store(differs, Ordering::Relaxed);
        Ok(report)
    }

    /// Replays the log beside the living engine from time to time; `/metrics` says when they differ.
    pub async fn check_itself(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SELF_CHECK_EVERY).await;
            if let Err(error) = self.verify().await {
                tracing::warn!("the log could not be checked: {error}");
            }
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now().wall
    }

    pub(super) async fn reasons(&self) -> Vec<String> {
        self.readiness.reasons().await
    }

    /// Since the risk consumer's last hello.
    pub(super) fn risk_silent_nanos(&self) -> i64 {
        self.readiness.risk_silent_ms().saturating_mul(1_000_000)
    }

    fn clear_kill_files(&self) -> Result<(), ApiError> {
        for file in self.kill_files.iter().filter(|file| file.exists()) {
            std::fs::remove_file(file)
                .map_err(|error| ApiError::Refused(format!("{} keeps the kill on and can't be removed: {error}", file.display())))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Queries for LiveDesk {
    fn identity(&self) -> Identity {
        Identity {
            mode: self.mode,
            instance: self.instance.clone(),
            log_id: self.log.log_id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    async fn get(&self, query: Query) -> Result<Value, ApiError> {
        if query == Query::Verify {
            return serde_json::to_value(self.verify().await?).map_err(|error| ApiError::Internal(error.to_string()));
        }
        let (look, facts) = self.look_and_facts().await?;
        let (log, recent, clock) = (Arc::clone(&self.log), Arc::clone(&self.recent), self.clock.clone());
        let answered = reading(move || {
            let history = StoreHistory(log);
            let unlogged = |id: &SignalId| {
                let seen = recent.lock().unwrap_or_else(PoisonError::into_inner).get(id);
                Unlogged { pending: look.asking.contains(id), ignored: seen.ignored, repeats: seen.repeats }
            };
            let desk = Desk { history: &history, book: &look.book, facts: &facts, unlogged: &unlogged, mono: &|| clock.now().mono };
            desk.answer(&query)
        });
        answered.await?
    }

    async fn command(&self, command: Command) -> Result<String, ApiError> {
        let (by, command) = match command {
            Command::Kill { on: true, reason, by } => (by, engine::Command::Kill { reason }),
            Command::Kill { on: false, reason, by } => {
                self.clear_kill_files()?;
                (by, engine::Command::ClearKill { reason })
            }
            Command::ResetBreaker { scope, reason, by } => (by, engine::Command::ResetBreaker { scope, reason }),
            Command::CancelAll { by } => (by, engine::Command::CancelAll),
            Command::Reconcile { venue, by } => (by, engine::Command::Reconcile { venue }),
            Command::Adjust { body, by } => (by, engine::Command::Adjust(Box::new(body.adjustment().map_err(ApiError::BadRequest)?))),
            Command::Settle { venue, market, settlement, by } => (by, engine::Command::Settle { venue, market, settlement }),
        };
        let by = if by.is_empty() { "http".to_owned() } else { by };
        self.engine.operator(&by, command).await.map_err(ApiError::Refused)
    }

    async fn readiness(&self) -> Result<(), Vec<String>> {
        let reasons = self.readiness.reasons().await;
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, ApiError> {
        let subject = signals_of(venue);
        let stream_seq = self.bus.publish_signal(&subject, bytes.into()).await.map_err(|error| ApiError::Unavailable(error.to_string()))?;
        Ok(json!({ "subject": subject, "stream_seq": stream_seq }))
    }

    fn live(&self) -> watch::Receiver<Arc<str>> {
        self.shown.clone()
    }

    async fn metrics(&self) -> String {
        self.gauges.refresh(self).await;
        self.gauges.metrics.text()
    }
}
