//! Whether each venue takes orders, and up to where its account is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::market::Venue;
use crate::domain::money::Usd;
use crate::domain::report::VenueMode;
use crate::domain::time::Time;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueRecord {
    pub mode: VenueMode,
    pub why: Box<str>,
    pub since: Time,
    /// The venue's time up to which its orders and fills are in this log.
    pub proven_through: Option<Time>,
    /// Cash as the venue last stated it.
    pub stated_cash: Option<Usd>,
    /// Differences that nobody has explained since the last agreement: what, ours, theirs.
    pub diverged: Vec<(Box<str>, Box<str>, Box<str>)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Venues(BTreeMap<Venue, VenueRecord>);

/// A venue that keeps differing is stopped by its breaker; the list is for people.
const DIVERGED_MAX: usize = 64;

impl Venues {
    pub fn get(&self, venue: Venue) -> Option<&VenueRecord> {
        self.0.get(&venue)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Venue, &VenueRecord)> {
        self.0.iter().map(|(venue, record)| (*venue, record))
    }

    /// Off, where nothing was ever said.
    pub fn mode(&self, venue: Venue) -> VenueMode {
        self.0.get(&venue).map_or(VenueMode::Off, |record| record.mode)
    }

    /// A new session has proven nothing yet.
    pub(super) fn start_session(&mut self, at: Time) {
        for record in self.0.values_mut().filter(|record| record.mode != VenueMode::Off) {
            (record.mode, record.since) = (VenueMode::Reconciling, at);
            record.why = "a new session".into();
        }
    }

    pub(super) fn changed(&mut self, venue: Venue, mode: VenueMode, why: Box<str>, at: Time) {
        let record = self.0.entry(venue).or_insert_with(|| VenueRecord {
            mode,
            why: "".into(),
            since: at,
            proven_through: None,
            stated_cash: None,
            diverged: Vec::new(),
        });
        (record.mode, record.why, record.since) = (mode, why, at);
    }

    pub(super) fn agreed(&mut self, venue: Venue, cash: Usd, read_through: Time) {
        if let Some(record) = self.0.get_mut(&venue) {
            record.proven_through = record.proven_through.max(Some(read_through));
            record.stated_cash = Some(cash);
            record.diverged.clear();
        }
    }

    pub(super) fn diverged(&mut self, venue: Venue, what: &str, ours: &str, theirs: &str) {
        if let Some(record) = self.0.get_mut(&venue).filter(|record| record.diverged.len() < DIVERGED_MAX) {
            record.diverged.push((what.into(), ours.into(), theirs.into()));
        }
    }
}
