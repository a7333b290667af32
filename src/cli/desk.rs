//! Questions answered from a history and its fold: by the running engine over its own, by a command over a log it has opened.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::replay::{Living, ReplayError};
use crate::audit::report::{Period, report};
use crate::audit::verify::verify;
use crate::audit::views::{self, EngineFacts, OrderFilter};
use crate::audit::{ExplainError, Explainer, History, ReadError, Unlogged, Until, replay, tail};
use crate::domain::ids::SignalId;
use crate::domain::market::Venue;
use crate::domain::time::Mono;
use crate::http::{ApiError, Command, Identity, Queries, Query};
use crate::projections::Projections;

/// Events and raw records of one answer: some megabytes.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1_000;
/// Orders of one answer.
const ORDERS_MAX: usize = 10_000;
/// All that are kept.
const DEAD_LETTERS_MAX: usize = 1_000;

/// Everything that answers are made of.
pub struct Desk<'a> {
    pub history: &'a dyn History,
    pub book: &'a Projections,
    pub facts: &'a EngineFacts,
    /// What only the running engine knows of a signal.
    pub unlogged: &'a dyn Fn(&SignalId) -> Unlogged,
    /// Reads a monotonic clock.
    pub mono: &'a dyn Fn() -> Mono,
}

impl Desk<'_> {
    /// Blocks for as long as the log is read: not for an async thread when it is a replay.
    pub fn answer(&self, query: &Query) -> Result<Value, ApiError> {
        match query {
            Query::Status => shown(views::status(self.book, self.facts)),
            Query::Positions => shown(views::positions(self.book)),
            Query::Orders { state, limit } => {
                let filter = OrderFilter::parse(state.as_deref().unwrap_or("all")).map_err(ApiError::BadRequest)?;
                shown(views::orders(self.book, filter, limit.unwrap_or(ORDERS_MAX).min(ORDERS_MAX)))
            }
            Query::Pnl => shown(views::pnl(self.book)),
            Query::Cash { day } => self.cash(day.as_deref()),
            Query::Exposure => shown(views::exposure(self.book)),
            Query::Report { week, day } => self.report(*week, day.as_deref()),
            Query::Explain { id } => self.explain(id),
            Query::Tail { from, limit } => self.tail(*from, *limit),
            Query::Breaker => shown(views::breakers(self.book)),
            Query::Kill => shown(views::kill(self.book, self.facts.killed)),
            Query::Replay { until } => self.replay(until.as_deref()),
            Query::Verify => shown(verify(self.history, None, self.living(), &[], self.mono).map_err(unread)?),
            Query::DeadLetters { id: Some(id), .. } => self.dead_letter(*id),
            Query::DeadLetters { id: None, limit } => {
                shown(self.history.dead_letters(limit.unwrap_or(PAGE_DEFAULT).min(DEAD_LETTERS_MAX)).map_err(unread)?)
            }
            Query::Records { from, limit } => self.records(*from, *limit),
        }
    }

    fn cash(&self, date: Option<&str>) -> Result<Value, ApiError> {
        let wrong = |text: &str| ApiError::BadRequest(format!("day {text:?}: a date as 2026-01-28"));
        let day = date.map(|text| views::parse_date(text).ok_or_else(|| wrong(text))).transpose()?;
        match day.filter(|day| self.book.cash.day != Some(*day)) {
            None => shown(views::cash(self.book)),
            Some(day) => {
                let missing = || ApiError::NotFound(format!("the log has no trading day {}", views::date(day)));
                shown(views::DayFold::of(self.history, day).map_err(unread)?.ok_or_else(missing)?)
            }
        }
    }

    fn report(&self, week: bool, day: Option<&str>) -> Result<Value, ApiError> {
        let wrong = |text: &str| ApiError::BadRequest(format!("day {text:?}: a date as 2026-01-28"));
        let none = || ApiError::NotFound("the log has no trading day yet".to_owned());
        let last = match day {
            Some(text) => views::parse_date(text).ok_or_else(|| wrong(text))?,
            None => self.book.cash.day.ok_or_else(none)?,
        };
        let period = if week { Period::week(last) } else { Period::day(last) };
        let missing =
            || ApiError::NotFound(format!("the log has no trading day from {} to {}", views::date(period.from), views::date(last)));
        let counted = report(self.history, period).map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(counted.ok_or_else(missing)?.answer())
    }

    fn explain(&self, id: &str) -> Result<Value, ApiError> {
        let (mode, account) = (self.facts.mode, &self.facts.instance);
        let explainer = Explainer { history: self.history, book: self.book, account, mode, unlogged: self.unlogged };
        let story = explainer.explain(id).map_err(|error| match error {
            ExplainError::Unknown(_) => ApiError::NotFound(error.to_string()),
            ExplainError::NoId(_) | ExplainError::Ambiguous { .. } => ApiError::BadRequest(error.to_string()),
            ExplainError::Read(_) => ApiError::Internal(error.to_string()),
        })?;
        shown(story)
    }

    fn tail(&self, from: Option<u64>, limit: Option<usize>) -> Result<Value, ApiError> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let head = self.history.head_seq();
        let from = from.unwrap_or_else(|| (head + 1).saturating_sub(limit as u64)).max(1);
        let records = self.history.read_from(from, limit).map_err(unread)?;
        let next = records.last().map_or(from, |last| last.seq + 1);
        let events: Vec<Value> = records.iter().map(|record| tail::json(record, self.facts.mode)).collect();
        Ok(json!({ "head_seq": head, "next": next, "events": events }))
    }

    fn replay(&self, until: Option<&str>) -> Result<Value, ApiError> {
        let wrong = |text: &str| ApiError::BadRequest(format!("until {text:?}: a sequence number or an RFC 3339 time"));
        let until = until.map(|text| Until::parse(text).ok_or_else(|| wrong(text))).transpose()?;
        let living = self.living().filter(|_| until.is_none());
        let (report, _) = replay(self.history, until, living, self.mono).map_err(|error| match error {
            ReplayError::Beyond { .. } => ApiError::BadRequest(error.to_string()),
            ReplayError::Read(_) | ReplayError::Fold(_) => ApiError::Internal(error.to_string()),
        })?;
        shown(report)
    }

    /// The running engine's own state, to compare with.
    fn living(&self) -> Option<Living> {
        self.facts.running.then(|| Living { seq: self.book.seq, state_hash: self.book.state_hash() })
    }

    fn dead_letter(&self, id: u64) -> Result<Value, ApiError> {
        let missing = || ApiError::NotFound(format!("no dead letter {id}: the oldest ones make room for new ones"));
        let (info, raw) = self.history.dead_letter(id).map_err(unread)?.ok_or_else(missing)?;
        let mut value = shown(info)?;
        // Exact as hex; as text for people, as far as it is text.
        value["raw_hex"] = Value::String(hex(&raw));
        value["raw_text"] = Value::String(String::from_utf8_lossy(&raw).into_owned());
        Ok(value)
    }

    fn records(&self, from: u64, limit: Option<usize>) -> Result<Value, ApiError> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let records = self.history.raw_from(from.max(1), limit).map_err(unread)?;
        let next = records.last().map_or(from.max(1), |last| last.seq + 1);
        let raw: Vec<Value> =
            records.iter().map(|record| json!({ "seq": record.seq, "hash": record.hash, "hex": hex(&record.bytes) })).collect();
        Ok(json!({ "log_id": self.facts.log_id, "head_seq": self.history.head_seq(), "next": next, "records": raw }))
    }
}

fn shown<T: Serialize>(view: T) -> Result<Value, ApiError> {
    serde_json::to_value(view).map_err(|error| ApiError::Internal(error.to_string()))
}

fn unread(error: ReadError) -> ApiError {
    ApiError::Internal(error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log that no engine runs on, opened by a reading command.
pub struct LogDesk {
    history: Box<dyn History>,
    book: Projections,
    facts: EngineFacts,
    mono: Arc<dyn Fn() -> Mono + Send + Sync>,
}

impl LogDesk {
    /// Folds the history. `facts`: `running` is taken as false and `dead_letters` is counted here.
    /// Errors: the fold doesn't get through.
    pub fn open(history: Box<dyn History>, mut facts: EngineFacts, mono: Arc<dyn Fn() -> Mono + Send + Sync>) -> Result<Self, ReplayError> {
        let (_, book) = replay(&*history, None, None, &*mono)?;
        facts.running = false;
        facts.not_ready = vec!["no engine runs on this log".to_owned()];
        facts.dead_letters = history.dead_letters(DEAD_LETTERS_MAX)?.len();
        Ok(Self { history, book, facts, mono })
    }

    pub fn history(&self) -> &dyn History {
        &*self.history
    }

    pub fn book(&self) -> &Projections {
        &self.book
    }
}

fn no_engine() -> ApiError {
    ApiError::Unavailable("no engine of this instance and mode answers at HTTP_ADDR: start it with `arbees run`".to_owned())
}

#[async_trait]
impl Queries for LogDesk {
    fn identity(&self) -> Identity {
        let EngineFacts { mode, instance, log_id, version, .. } = self.facts.clone();
        Identity { mode, instance, log_id, version }
    }

    async fn get(&self, query: Query) -> Result<Value, ApiError> {
        let unlogged = |_: &SignalId| Unlogged::default();
        let desk = Desk { history: &*self.history, book: &self.book, facts: &self.facts, unlogged: &unlogged, mono: &*self.mono };
        desk.answer(&query)
    }

    async fn command(&self, _: Command) -> Result<String, ApiError> {
        Err(no_engine())
    }

    async fn readiness(&self) -> Result<(), Vec<String>> {
        Err(self.facts.not_ready.clone())
    }

    async fn signal(&self, _: Venue, _: Vec<u8>) -> Result<Value, ApiError> {
        Err(no_engine())
    }

    fn live(&self) -> tokio::sync::watch::Receiver<Arc<str>> {
        tokio::sync::watch::channel(Arc::from("")).1
    }

    async fn metrics(&self) -> String {
        String::new()
    }
}
