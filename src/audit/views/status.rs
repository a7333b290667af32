//! The engine itself: who it is, whether it would trade, what stops it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cash::CountView;
use crate::domain::ids::{Hash, Instance, LogId, Mode, OrderId};
use crate::domain::market::Venue;
use crate::domain::money::{Quantity, Usd};
use crate::domain::report::VenueMode;
use crate::domain::time::Time;
use crate::domain::verdict::Reason;
use crate::projections::{Projections, VenueRecord};

/// What only the running process knows; a command that reads the log alone fills it from the log.
#[derive(Clone, Debug)]
pub struct EngineFacts {
    pub mode: Mode,
    pub instance: Instance,
    pub version: String,
    pub log_id: LogId,
    /// A living engine answers, not a reading of its log.
    pub running: bool,
    /// Why no signal would be traded now; empty when one would.
    pub not_ready: Vec<String>,
    pub halted: Option<String>,
    /// The kill is effective before it is durable.
    pub killed: bool,
    /// Verdicts awaited.
    pub questions_open: usize,
    pub dead_letters: usize,
    /// Counts since the process started, by name.
    pub counters: BTreeMap<String, u64>,
    pub now: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusView {
    pub mode: Mode,
    pub instance: Instance,
    pub version: String,
    pub log_id: LogId,
    pub running: bool,
    pub seq: u64,
    pub recorded_at: Time,
    pub state_hash: Hash,
    pub epoch: u64,
    pub ready: bool,
    /// Why no signal would be traded now.
    pub reasons: Vec<String>,
    pub halted: Option<String>,
    pub kill: KillView,
    pub breakers: Vec<BreakerView>,
    /// Venues with money; none on paper.
    pub venues: Vec<VenueView>,
    pub orders: BTreeMap<&'static str, u64>,
    pub unknown_orders: Vec<UnknownOrder>,
    pub questions_open: usize,
    pub rejected_signals: u64,
    pub dead_letters: usize,
    pub counters: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownOrder {
    pub order_id: OrderId,
    pub market: String,
    pub outstanding: Quantity,
    /// Still held back for it.
    pub reserved: Usd,
    pub age_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VenueView {
    pub venue: Venue,
    pub mode: VenueMode,
    pub why: String,
    pub since: Time,
    /// In this log.
    pub cash: Option<Usd>,
    /// As the venue last stated it.
    pub stated_cash: Option<Usd>,
    /// The venue's time up to which its orders and fills are in this log.
    pub proven_through: Option<Time>,
    pub diverged: Vec<DivergedView>,
    /// The last count of its cash.
    pub count: Option<CountView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DivergedView {
    pub what: String,
    pub ours: String,
    pub theirs: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KillView {
    pub on: bool,
    pub by: Option<String>,
    pub reason: Option<String>,
    pub since: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerView {
    pub scope: String,
    pub state: &'static str,
    pub reason: Reason,
    pub observed: String,
    pub limit: String,
    pub since: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakersView {
    /// `open` when any breaker is.
    pub state: &'static str,
    pub open: Vec<BreakerView>,
    /// Rejected or unknown in a row; beyond the limit the global breaker opens.
    pub errors_in_a_row: u32,
    pub errors_in_a_row_max: Option<u32>,
}

/// `on`: what the process knows, which may be ahead of the log.
pub fn kill(book: &Projections, on: bool) -> KillView {
    let kill = book.breakers.kill.as_ref();
    KillView {
        on: on || kill.is_some(),
        by: kill.map(|kill| kill.by.to_string()),
        reason: kill.map(|kill| kill.reason.to_string()),
        since: kill.map(|kill| kill.at),
    }
}

pub fn breakers(book: &Projections) -> BreakersView {
    let open = open_breakers(book);
    BreakersView {
        state: if open.is_empty() { "closed" } else { "open" },
        open,
        errors_in_a_row: book.activity.errors_in_a_row,
        errors_in_a_row_max: book.limits.as_ref().map(|limits| limits.consecutive_errors_max),
    }
}

fn open_breakers(book: &Projections) -> Vec<BreakerView> {
    let view = |(scope, trip): (&crate::domain::event::Scope, &crate::projections::Trip)| BreakerView {
        scope: scope.to_string(),
        state: if trip.probe.is_some() { "half-open" } else { "open" },
        reason: trip.reason,
        observed: trip.observed.to_string(),
        limit: trip.limit.to_string(),
        since: trip.at,
    };
    book.breakers.open().map(view).collect()
}

fn venues(book: &Projections) -> Vec<VenueView> {
    let diverged = |(what, ours, theirs): &(Box<str>, Box<str>, Box<str>)| DivergedView {
        what: what.to_string(),
        ours: ours.to_string(),
        theirs: theirs.to_string(),
    };
    let view = |(venue, record): (Venue, &VenueRecord)| VenueView {
        venue,
        mode: record.mode,
        why: record.why.to_string(),
        since: record.since,
        cash: book.cash.account(venue).map(|account| account.cash),
        stated_cash: record.stated_cash,
        proven_through: record.proven_through,
        diverged: record.diverged.iter().map(diverged).collect(),
        count: book.cash.account(venue).and_then(|account| account.counted.as_ref()).map(CountView::from),
    };
    book.venues.iter().map(view).collect()
}

pub fn status(book: &Projections, facts: &EngineFacts) -> StatusView {
    let mut orders: BTreeMap<&'static str, u64> = BTreeMap::new();
    for record in book.orders.iter() {
        *orders.entry(record.state.as_str()).or_default() += 1;
    }
    let unknown = |record: &crate::projections::OrderRecord| UnknownOrder {
        order_id: record.order.order_id,
        market: record.order.instrument.book_key().to_string(),
        outstanding: record.outstanding(),
        reserved: record.reserved(),
        age_ms: record.unknown_since.map_or(0, |since| facts.now.ms_since(since).max(0)),
    };
    StatusView {
        mode: facts.mode,
        instance: facts.instance.clone(),
        version: facts.version.clone(),
        log_id: facts.log_id,
        running: facts.running,
        seq: book.seq,
        recorded_at: book.recorded_at,
        state_hash: book.state_hash(),
        epoch: book.epoch,
        ready: facts.running && facts.not_ready.is_empty(),
        reasons: facts.not_ready.clone(),
        halted: facts.halted.clone(),
        kill: kill(book, facts.killed),
        breakers: open_breakers(book),
        venues: venues(book),
        orders,
        unknown_orders: book.orders.unknown().map(unknown).collect(),
        questions_open: facts.questions_open,
        rejected_signals: book.rejected_signals,
        dead_letters: facts.dead_letters,
        counters: facts.counters.clone(),
    }
}
