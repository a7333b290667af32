//! The fold from zero: the same history gives the same state, byte for byte.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use super::history::{History, ReadError};
use crate::domain::ids::Hash;
use crate::domain::time::{Mono, Time};
use crate::projections::{FoldError, Projections};

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// With this record.
    Seq(u64),
    /// With the last record at or before this time.
    Time(Time),
}

impl Until {
    /// Reads a sequence number or an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::Seq).or_else(|| Time::parse(text).map(|(time, _)| Self::Time(time)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the fold stops: {0}")]
    Fold(#[from] FoldError),
    #[error("record {wanted} was asked for; the log ends at {head}")]
    Beyond { wanted: u64, head: u64 },
}

/// The state of the living engine at one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Living {
    pub seq: u64,
    pub state_hash: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Of the last record folded.
    pub seq: u64,
    pub recorded_at: Time,
    pub state_hash: Hash,
    pub events: u64,
    pub by_event: BTreeMap<&'static str, u64>,
    pub orders: usize,
    pub positions: usize,
    pub duration_ms: i64,
    pub events_per_second: i64,
    pub living: Option<Living>,
    /// Replay against life, at the same record; absent when there is nothing to compare with.
    pub identical: Option<bool>,
}

/// Folds the history from its first record. With `living` and without `until` it ends where the living state stands.
/// `mono` reads a monotonic clock, for the figures.
pub fn replay(
    history: &dyn History,
    until: Option<Until>,
    living: Option<Living>,
    mono: &dyn Fn() -> Mono,
) -> Result<(ReplayReport, Projections), ReplayError> {
    let begun = mono();
    let until = until.or(living.map(|living| Until::Seq(living.seq)));
    let mut book = Projections::default();
    let mut by_event: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut failed = None;
    history.scan(1, &mut |record| {
        let past = match until {
            Some(Until::Seq(last)) => record.seq > last,
            Some(Until::Time(last)) => record.recorded_at > last,
            None => false,
        };
        if past {
            return false;
        }
        *by_event.entry(record.event.name()).or_default() += 1;
        failed = book.fold(record).err();
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if let Some(Until::Seq(wanted)) = until
        && book.seq < wanted
    {
        return Err(ReplayError::Beyond { wanted, head: book.seq });
    }
    let nanos = (mono().0 - begun.0).max(1);
    let events = book.seq;
    let state_hash = book.state_hash();
    let report = ReplayReport {
        seq: book.seq,
        recorded_at: book.recorded_at,
        state_hash,
        events,
        by_event,
        orders: book.orders.iter().count(),
        positions: book.positions.iter().count(),
        duration_ms: nanos / 1_000_000,
        events_per_second: per_second(events, nanos),
        living,
        identical: living.filter(|living| living.seq == book.seq).map(|living| living.state_hash == state_hash),
    };
    Ok((report, book))
}

fn per_second(events: u64, nanos: i64) -> i64 {
    let rate = i128::from(events) * 1_000_000_000 / i128::from(nanos);
    i64::try_from(rate).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::World;

    fn still() -> Mono {
        Mono(0)
    }

    #[test]
    fn a_replay_equals_the_living_state_and_tells_when_it_does_not() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        let living = Living { seq: world.book().seq, state_hash: world.book().state_hash() };
        let (report, book) = replay(&world.history(), None, Some(living), &still).expect("replay");
        assert_eq!((report.identical, report.state_hash), (Some(true), living.state_hash));
        assert_eq!(&book, world.book());
        let other = Living { state_hash: Hash::ZERO, ..living };
        assert_eq!(replay(&world.history(), None, Some(other), &still).expect("replay").0.identical, Some(false));
    }

    #[test]
    fn a_replay_ends_at_a_record_or_at_a_time() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        let history = world.history();
        let (report, _) = replay(&history, Some(Until::Seq(3)), None, &still).expect("replay");
        assert_eq!((report.seq, report.identical), (3, None));
        let before = history.records[0].recorded_at.plus_ms(-1);
        assert_eq!(replay(&history, Some(Until::Time(before)), None, &still).expect("replay").0.seq, 0);
        let beyond = replay(&history, Some(Until::Seq(1_000)), None, &still).expect_err("beyond the head");
        assert!(matches!(beyond, ReplayError::Beyond { wanted: 1_000, .. }), "{beyond}");
    }

    #[test]
    fn a_gap_in_the_history_is_an_error_and_not_a_shorter_log() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        let mut history = world.history();
        history.records.remove(2);
        assert!(matches!(replay(&history, None, None, &still), Err(ReplayError::Fold(FoldError::Gap { after: 2, got: 4 }))));
    }
}
