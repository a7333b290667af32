//! An order, what it is for, and the words for what becomes of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fees;
use super::ids::{GameId, OrderId, SignalId};
use super::market::{FeeRate, Instrument};
use super::matching::Side;
use super::money::{Price, Quantity, Rounding, Usd};
use super::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Opens or adds: needs an approval.
    Buy,
    /// Gives up what is held and never more: reduce-only.
    Sell,
}

/// How long an order lives at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeInForce {
    /// What can't be filled at once is cancelled.
    Ioc,
    /// All at once or not at all.
    Fok,
    /// Rests past the signal's life, until the venue-side expiry.
    Gtc,
    /// Rests until the signal expires.
    Gtd,
}

impl TimeInForce {
    pub fn rests(self) -> bool {
        matches!(self, Self::Gtc | Self::Gtd)
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "ioc" | "immediate_or_cancel" | "fak" => Some(Self::Ioc),
            "fok" | "fill_or_kill" => Some(Self::Fok),
            "gtc" | "good_till_canceled" => Some(Self::Gtc),
            "gtd" | "gtt" => Some(Self::Gtd),
            _ => None,
        }
    }
}

/// When a holding pays: `subject` wins, or it doesn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stance {
    /// A team of a two-sided contest, or the market itself.
    pub subject: Box<str>,
    /// Pays when the subject wins.
    pub wins: bool,
    /// In a contest exactly one of the subjects wins, so YES on one and NO on the other are one side.
    pub contest: bool,
}

impl Stance {
    /// Pays in exactly the outcomes in which `other` doesn't.
    pub fn opposes(&self, other: &Self) -> bool {
        if self.subject == other.subject {
            return self.wins != other.wins;
        }
        self.contest && other.contest && self.wins == other.wins
    }
}

/// What exposure is summed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// The game or event; the event or market itself where the signal names none.
    pub game: GameId,
    /// `NBA`, `crypto:SOL` …
    pub sport: Box<str>,
    pub stance: Stance,
}

/// Everything that decides what is sent: complete, on the grid, in the terms of the outcome held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub signal_id: SignalId,
    /// 0 for the first; the remainder of a close is the next one.
    pub revision: u32,
    pub instrument: Instrument,
    pub action: Action,
    pub quantity: Quantity,
    /// Worst acceptable price per contract, in terms of the instrument's outcome.
    pub limit: Price,
    pub tif: TimeInForce,
    /// The signal is void after this; a resting order is cancelled.
    pub expires_at: Time,
    /// The venue itself drops a resting order here: the dead-man switch, and what proves absence.
    pub venue_expires_at: Time,
    pub fee: FeeRate,
    pub groups: Groups,
    /// When its signal was made, where that is part of what is signed (Polymarket).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created_at: Option<Time>,
}

impl Order {
    /// The most this quantity of the order can cost: at the limit, with the taker fee. Zero for a sell.
    /// A better price never costs more: price + fee grows with the price for every fee rate below 1.
    pub fn cost_bound(&self, quantity: Quantity) -> Usd {
        match self.action {
            Action::Buy => self.limit.times(quantity, Rounding::Up) + self.fee_bound(quantity),
            Action::Sell => Usd::ZERO,
        }
    }

    /// The taker fee at the limit, rounded up.
    pub fn fee_bound(&self, quantity: Quantity) -> Usd {
        if quantity.is_zero() { Usd::ZERO } else { fees::taker_bound(self.fee, self.limit, quantity) }
    }

    /// The side this order takes in the book: buying one outcome is selling the other.
    pub fn book_side(&self) -> Side {
        let own_book = self.instrument.outcome == self.instrument.book_outcome();
        if (self.action == Action::Buy) == own_book { Side::Bid } else { Side::Ask }
    }

    /// The limit in the terms of the book.
    pub fn book_limit(&self) -> Price {
        self.instrument.in_book_terms(self.limit)
    }

    /// What the strategy may lose or lock up, fees aside.
    pub fn notional(&self) -> Usd {
        self.limit.times(self.quantity, Rounding::Up)
    }
}

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    Requested,
    Vetoed,
    /// Sent, or about to be; nothing heard.
    Submitting,
    /// Sent, and what became of it is not known: closed only by evidence.
    Unknown,
    /// The venue has it.
    Working,
    Filled,
    Rejected,
    NotPlaced,
    Canceled,
    Expired,
}

impl OrderState {
    /// No further fills are expected. One may come all the same and is booked.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Requested | Self::Submitting | Self::Unknown | Self::Working)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Vetoed => "vetoed",
            Self::Submitting => "submitting",
            Self::Unknown => "unknown",
            Self::Working => "working",
            Self::Filled => "filled",
            Self::Rejected => "rejected",
            Self::NotPlaced => "not_placed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_on_one_team_and_no_on_its_opponent_are_the_same_side() {
        let stance = |subject: &str, wins| Stance { subject: subject.into(), wins, contest: true };
        assert!(!stance("POR", true).opposes(&stance("WAS", false)));
        assert!(stance("POR", true).opposes(&stance("WAS", true)));
        assert!(stance("POR", true).opposes(&stance("POR", false)));
        let market = |subject: &str, wins| Stance { subject: subject.into(), wins, contest: false };
        assert!(!market("A", true).opposes(&market("B", true)));
    }
}
