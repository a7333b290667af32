//! Why a signal did or did not trade: signal, checks, order, venue, fills, money. From the log alone, but for what never got there.

/// Verdicts, read back.
mod checks;
/// One order's own records, folded by themselves.
mod order;
/// The words for people.
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use thiserror::Error;

pub use checks::{CheckView, checks_of};
pub use order::{EventView, FillView, OrderStory};

use super::history::{DeadLetterInfo, History, ReadError};
use super::views::PositionView;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Instance, Mode, OrderId, SignalId, excerpt};
use crate::domain::signal::Signal;
use crate::domain::time::Time;
use crate::domain::verdict::Failure;
use crate::projections::Projections;

/// Orders of one signal: the engine stops at 60 revisions of a close; a few more than that are looked for.
const REVISIONS_MAX: u32 = 64;
/// Fewer hex digits would name half the log.
const PREFIX_MIN: usize = 8;
/// A prefix is looked for in this many records, newest first: about a second of reading.
const PREFIX_RECORDS_MAX: u64 = 1_000_000;
/// All that are kept (`event_log`).
const DEAD_LETTERS_MAX: usize = 1_000;
/// Bytes of a dead letter that are shown.
const RAW_SHOWN_BYTES: usize = 2_048;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExplainError {
    #[error("{0} is unknown: no signal, order or dead letter of this log has that name, and nothing in the air has")]
    Unknown(String),
    #[error("{prefix} is not one order: {first} and {second} both start like that")]
    Ambiguous { prefix: String, first: OrderId, second: OrderId },
    #[error("{0:?} is no id: a signal id, an order id of 32 hex digits (or its first 8 or more), or dl:<number>")]
    NoId(String),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What the running engine knows of a signal that the log doesn't hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlogged {
    /// Its verdict or its record is awaited.
    pub pending: bool,
    /// Answered `ignored`: hold.
    pub ignored: bool,
    /// Times it came again.
    pub repeats: u64,
}

/// Everything that `explain` reads.
pub struct Explainer<'a> {
    pub history: &'a dyn History,
    pub book: &'a Projections,
    pub account: &'a Instance,
    pub mode: Mode,
    pub unlogged: &'a dyn Fn(&SignalId) -> Unlogged,
}

/// The answer with everything behind it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Story {
    pub signal_id: Option<SignalId>,
    /// `pending`, `requested`, `vetoed`, `rejected`, `duplicate` or `ignored`.
    pub answer: &'static str,
    /// All failed checks.
    pub reasons: Vec<Failure>,
    /// A rejection in words.
    pub error: Option<String>,
    /// Orders that were approved; more than one only for a close.
    pub orders: Vec<OrderStory>,
    /// Every question put to risk, with all its checks.
    pub requests: Vec<RequestView>,
    /// The signal as it was read; its edge in percentage points, as signals write it.
    #[serde(serialize_with = "checks::signal_as_sent")]
    pub signal: Option<Signal>,
    pub answered_at: Option<Time>,
    /// All records of it.
    pub events: Vec<EventView>,
    /// Messages under this id that were not understood.
    pub dead_letters: Vec<DeadLetterInfo>,
    /// The bytes of a dead letter that was asked for by number, as far as they are text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Times the signal came again since the engine started.
    pub repeats: u64,
    /// The market's holding now, whoever opened it.
    pub position: Option<PositionView>,
    /// The same in plain lines.
    pub story: Vec<String>,
}

/// One question to risk and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestView {
    pub order_id: OrderId,
    pub revision: u32,
    pub asked_at: Time,
    /// `approved`, `vetoed`, or `open` while neither is on record.
    pub verdict: &'static str,
    /// `risk` or `reduce_rule`; `engine` where no verdict counted.
    pub by: &'static str,
    /// Every check, passed or not.
    pub checks: Vec<CheckView>,
}

enum Subject {
    Signal(SignalId),
    Order(OrderId),
    DeadLetter(u64),
}

impl Explainer<'_> {
    /// Errors: no such id, an ambiguous prefix, an unreadable log.
    pub fn explain(&self, id: &str) -> Result<Story, ExplainError> {
        let mut story = match self.subject(id.trim())? {
            Subject::Signal(signal_id) => self.of_signal(signal_id)?,
            Subject::Order(order_id) => self.of_order(order_id)?,
            Subject::DeadLetter(number) => self.of_dead_letter(number)?,
        };
        story.story = story::lines(&story, self.mode);
        Ok(story)
    }

    fn subject(&self, id: &str) -> Result<Subject, ExplainError> {
        if let Some(number) = id.strip_prefix("dl:") {
            let number = number.parse().map_err(|_| ExplainError::NoId(excerpt(id)))?;
            return Ok(Subject::DeadLetter(number));
        }
        let Ok(signal_id) = SignalId::new(id) else { return Err(ExplainError::NoId(excerpt(id))) };
        if self.knows_signal(&signal_id)? {
            return Ok(Subject::Signal(signal_id));
        }
        if let Some(order_id) = OrderId::parse(id)
            && !self.history.order_seqs(&order_id)?.is_empty()
        {
            return Ok(Subject::Order(order_id));
        }
        self.by_prefix(id)?.map(Subject::Order).ok_or_else(|| ExplainError::Unknown(excerpt(id)))
    }

    fn knows_signal(&self, signal_id: &SignalId) -> Result<bool, ExplainError> {
        let unlogged = (self.unlogged)(signal_id);
        if unlogged.pending || unlogged.ignored || self.history.signal(signal_id)?.is_some() {
            return Ok(true);
        }
        Ok(self.letters_of(signal_id)?.next().is_some())
    }

    fn letters_of<'s>(&self, signal_id: &'s SignalId) -> Result<impl Iterator<Item = DeadLetterInfo> + 's, ExplainError> {
        let letters = self.history.dead_letters(DEAD_LETTERS_MAX)?;
        Ok(letters.into_iter().filter(move |letter| letter.signal_id.as_ref() == Some(signal_id)))
    }

    /// Orders of the fold first; vetoed ones are only in the log.
    fn by_prefix(&self, id: &str) -> Result<Option<OrderId>, ExplainError> {
        let prefix = id.to_ascii_lowercase();
        if prefix.len() < PREFIX_MIN || prefix.len() >= 32 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let matches = |order_id: &OrderId| order_id.to_string().starts_with(&prefix);
        let mut found: BTreeSet<OrderId> = self.book.orders.iter().map(|record| record.order.order_id).filter(matches).collect();
        if found.is_empty() {
            let from = self.history.head_seq().saturating_sub(PREFIX_RECORDS_MAX) + 1;
            self.history.scan(from, &mut |record| {
                found.extend(record.correlation.filter(matches));
                found.len() < 2
            })?;
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => Err(ExplainError::Ambiguous { prefix, first, second }),
            (only, _) => Ok(only),
        }
    }

    fn of_signal(&self, signal_id: SignalId) -> Result<Story, ExplainError> {
        let unlogged = (self.unlogged)(&signal_id);
        let mut story = Story { repeats: unlogged.repeats, dead_letters: self.letters_of(&signal_id)?.collect(), ..Story::default() };
        match self.history.signal(&signal_id)? {
            Some(found) if found.order_id.is_some() => self.add_requests(&signal_id, found.order_id, &mut story)?,
            Some(found) => add_rejection(&self.history.read_one(found.seq)?, self.mode, &mut story),
            None if unlogged.pending => story.answer = "pending",
            None if unlogged.ignored => story.answer = "ignored",
            None => {
                // Only the dead letters know it: it was never answered from the log.
                story.answer = "rejected";
                story.error = story.dead_letters.first().map(|letter| letter.reason.clone());
            }
        }
        story.signal_id = Some(signal_id);
        Ok(story)
    }

    fn of_order(&self, order_id: OrderId) -> Result<Story, ExplainError> {
        for seq in self.history.order_seqs(&order_id)? {
            if let Event::OrderRequested { signal_id, .. } = self.history.read_one(seq)?.event {
                return self.of_signal(signal_id);
            }
        }
        Err(ExplainError::Unknown(order_id.to_string()))
    }

    fn of_dead_letter(&self, number: u64) -> Result<Story, ExplainError> {
        let Some((letter, raw)) = self.history.dead_letter(number)? else {
            return Err(ExplainError::Unknown(format!("dead letter {number}")));
        };
        let shown = &raw[..raw.len().min(RAW_SHOWN_BYTES)];
        Ok(Story {
            signal_id: letter.signal_id.clone(),
            answer: "rejected",
            error: Some(letter.reason.clone()),
            answered_at: Some(letter.received_at),
            raw: Some(String::from_utf8_lossy(shown).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
            dead_letters: vec![letter],
            ..Story::default()
        })
    }

    /// The first order, and the revisions that a close needed after it.
    fn add_requests(&self, signal_id: &SignalId, first: Option<OrderId>, story: &mut Story) -> Result<(), ExplainError> {
        for revision in 0..REVISIONS_MAX {
            let derived = OrderId::of(self.account, self.mode, signal_id, 0, revision);
            // The log is right about the first order even where it was written under another account name.
            let order_id = first.filter(|_| revision == 0).unwrap_or(derived);
            let records = self.records_of(&order_id)?;
            if records.is_empty() {
                break;
            }
            self.add_request(order_id, revision, &records, story)?;
        }
        Ok(())
    }

    fn records_of(&self, order_id: &OrderId) -> Result<Vec<Recorded>, ReadError> {
        self.history.order_seqs(order_id)?.into_iter().map(|seq| self.history.read_one(seq)).collect()
    }

    fn add_request(&self, order_id: OrderId, revision: u32, records: &[Recorded], story: &mut Story) -> Result<(), ExplainError> {
        let request = checks::request_view(order_id, revision, records);
        if revision == 0 {
            story.answer = match request.verdict {
                "approved" => "requested",
                "vetoed" => "vetoed",
                _ => "pending",
            };
            story.answered_at = records.iter().find_map(verdict_at);
            story.reasons = records.iter().find_map(vetoed_for).unwrap_or_default();
            story.signal = records.iter().find_map(checks::signal_of);
        }
        if request.verdict == "approved"
            && let Some(mut order) = order::tell(records)
        {
            order.realized_pnl = order::realized(self.history, self.book, &order_id)?;
            story.position = self.position_of(&order_id).or(story.position.take());
            story.orders.push(order);
        }
        story.requests.push(request);
        story.events.extend(records.iter().map(|record| EventView::of(record, self.mode)));
        Ok(())
    }

    fn position_of(&self, order_id: &OrderId) -> Option<PositionView> {
        let key = self.book.orders.get(order_id)?.order.instrument.book_key();
        let position = self.book.positions.get(&key)?;
        Some(super::views::position_view(self.book, &key, position))
    }
}

fn add_rejection(record: &Recorded, mode: Mode, story: &mut Story) {
    story.answer = "rejected";
    story.answered_at = Some(record.recorded_at);
    story.events.push(EventView::of(record, mode));
    let Event::SignalRejected { reason, error, .. } = &record.event else { return };
    story.error = Some(error.to_string());
    let failure = |reason| Failure { reason, observed: error.clone(), limit: "see schemas/v1/signal.json".into() };
    story.reasons = reason.map(failure).into_iter().collect();
}

fn verdict_at(record: &Recorded) -> Option<Time> {
    matches!(record.event, Event::OrderApproved { .. } | Event::OrderVetoed { .. }).then_some(record.recorded_at)
}

fn vetoed_for(record: &Recorded) -> Option<Vec<Failure>> {
    match &record.event {
        Event::OrderVetoed { failures, .. } => Some(failures.clone()),
        _ => None,
    }
}
