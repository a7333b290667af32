//! The signal (contract: `schemas/v1/signal.json`, design §5).

pub mod fields;
mod names;
mod parse;
#[cfg(test)]
mod tests;
pub mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use parse::parse;

use super::ids::{GameId, Hash, MarketId, SignalId, TokenId};
use super::market::{Outcome, Quote, Venue};
use super::money::{Edge, Price, Probability, Quantity, Usd};
use super::order::TimeInForce;
use super::time::Time;
use super::verdict::Reason;

/// A signal lives this long when it doesn't say.
pub const LIFE_DEFAULT_MS: i64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    Open,
    /// All that is held.
    Close,
    /// The given size, never more than is held.
    Reduce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    Contracts(Quantity),
    Usd(Usd),
}

/// One signal, read: aliases resolved, numbers exact, what is absent absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    pub signal_id: SignalId,
    pub venue: Venue,
    pub intent: Intent,
    pub market_id: Option<MarketId>,
    pub token_id: Option<TokenId>,
    pub side: Option<Outcome>,
    /// In terms of the side; between two millionths already on the passive one.
    pub limit_price: Option<Price>,
    /// A `max_price` on the no side that doesn't say whose price it is.
    pub ambiguous_price: bool,
    pub size: Option<Size>,
    pub tif: Option<TimeInForce>,
    /// That YES happens.
    pub model_prob: Option<Probability>,
    /// Dollars per contract; the signal writes percentage points.
    pub declared_edge: Option<Edge>,
    /// The book the strategy saw, in YES terms.
    pub quote: Quote,
    pub price_ts: Option<Time>,
    /// Contracts shown at the touch.
    pub liquidity: Option<Quantity>,
    pub game_id: Option<GameId>,
    /// `NBA`, `crypto:SOL` …: what exposure is grouped by beside the game.
    pub sport: Option<Box<str>>,
    /// `sports`, `crypto` …: what the fee schedule goes by.
    pub kind: Option<Box<str>>,
    pub team: Option<Box<str>>,
    pub created_at: Time,
    pub expires_at: Time,
    /// Names a trade of two legs.
    pub pair: bool,
    /// Everything else, as sent, cut to a bound.
    pub notes: BTreeMap<Box<str>, Box<str>>,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    Signal {
        signal: Box<Signal>,
        content_hash: Hash,
        warnings: Vec<Warning>,
    },
    /// `direction: hold`: counted, nothing else.
    Hold {
        signal_id: Option<SignalId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A time without a zone was taken as UTC.
    NaiveTime,
    /// Without `created_at` the bus's time counts.
    NoCreatedAt,
    /// Names we don't know were kept aside.
    UnknownFields,
}

/// A message that can't be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct Rejection {
    /// Known when the message could be read that far.
    pub signal_id: Option<SignalId>,
    pub content_hash: Hash,
    /// Where the fixed vocabulary has a word for it.
    pub reason: Option<Reason>,
    /// Which field, which value, what is allowed.
    pub error: String,
}
