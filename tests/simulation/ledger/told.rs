//! One order as the records tell it.

use arbees::domain::market::Venue;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::Order;
use arbees::domain::time::Time;

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The record is of no order, or of one that isn't there yet.
    None,
    Requested,
    Submitting,
    Unknown,
    Working,
    Filled,
    Rejected,
    NotPlaced,
    Canceled,
    Expired,
}

impl Phase {
    fn is_over(self) -> bool {
        matches!(self, Self::Filled | Self::Rejected | Self::NotPlaced | Self::Canceled | Self::Expired)
    }
}

pub struct Told {
    pub order: Order,
    /// The question to risk, verbatim.
    pub request: Vec<u8>,
    pub phase: Phase,
    pub approved: bool,
    pub external: bool,
    pub attempts: u32,
    pub filled: Quantity,
    failed: Quantity,
    /// The venue's count at the end.
    venue_filled: Quantity,
    pub unknown_since: Option<Time>,
    pub last_sent_at: Option<Time>,
    /// From the moment from which its fate could be proven, how long that took.
    pub resolved_after_ms: Option<i64>,
}

impl Told {
    pub fn new(order: Order, request: Vec<u8>) -> Self {
        Self {
            order,
            request,
            phase: Phase::Requested,
            approved: false,
            external: false,
            attempts: 0,
            filled: Quantity::ZERO,
            failed: Quantity::ZERO,
            venue_filled: Quantity::ZERO,
            unknown_since: None,
            last_sent_at: None,
            resolved_after_ms: None,
        }
    }

    pub fn external(&mut self) {
        (self.phase, self.external) = (Phase::Working, true);
    }

    pub fn venue(&self) -> Venue {
        self.order.instrument.venue
    }

    pub fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Requested | Phase::None) && !self.is_done()
    }

    pub fn is_done(&self) -> bool {
        self.phase.is_over() && self.outstanding().is_zero()
    }

    /// What may still be filled: everything while it lives, the venue's count once it has ended (design §3.5).
    pub fn outstanding(&self) -> Quantity {
        match self.phase {
            Phase::None | Phase::Requested => Quantity::ZERO,
            Phase::Submitting | Phase::Unknown | Phase::Working => (self.order.quantity - self.filled).or_zero(),
            _ => (self.venue_filled - self.filled - self.failed).or_zero(),
        }
    }

    pub fn reserved(&self) -> Usd {
        let outstanding = self.outstanding();
        if outstanding.is_zero() { Usd::ZERO } else { self.order.cost_bound(outstanding) }
    }

    pub fn started(&mut self, attempt: u32, at: Time) {
        self.attempts = attempt;
        self.last_sent_at = Some(at);
        if self.phase == Phase::Requested {
            self.phase = Phase::Submitting;
        }
    }

    pub fn acked(&mut self) {
        if matches!(self.phase, Phase::Submitting | Phase::Unknown) {
            self.phase = Phase::Working;
        }
        self.unknown_since = None;
        self.complete();
    }

    pub fn unknown(&mut self, at: Time) {
        if matches!(self.phase, Phase::Submitting | Phase::Unknown) {
            self.phase = Phase::Unknown;
            self.unknown_since.get_or_insert(at);
        }
    }

    /// How long after its fate could be proven the record came that says it (Kalshi's expiry, Polymarket's window).
    pub fn resolved(&mut self, at: Time, stale_ms: i64) {
        let Some(_) = self.unknown_since else { return };
        let nets = self.venue().nets_outcomes();
        let last = self.last_sent_at.unwrap_or(at).plus_ms(stale_ms);
        let provable = if nets && self.order.tif.rests() { self.order.venue_expires_at } else { last };
        self.resolved_after_ms = Some(at.ms_since(provable).max(0));
    }

    pub fn ended(&mut self, phase: Phase, venue_filled: Quantity) {
        self.venue_filled = self.venue_filled.max(venue_filled);
        self.unknown_since = None;
        if self.phase != Phase::Filled {
            self.phase = phase;
        }
        self.complete();
    }

    pub fn filled(&mut self, quantity: Quantity) {
        self.filled += quantity;
        self.complete();
    }

    pub fn reversed(&mut self, quantity: Quantity) {
        self.filled -= quantity;
        self.failed += quantity;
        if self.phase == Phase::Filled {
            self.phase = Phase::Canceled;
        }
        self.complete();
    }

    fn complete(&mut self) {
        if self.filled >= self.order.quantity {
            self.phase = Phase::Filled;
            self.unknown_since = None;
        } else if !self.failed.is_zero() && self.filled + self.failed >= self.order.quantity && !self.phase.is_over() {
            self.phase = Phase::Canceled;
            self.unknown_since = None;
        }
    }
}
