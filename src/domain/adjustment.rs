//! What an operator wants booked.

use super::ids::MarketId;
use super::market::{Outcome, Venue};
use super::money::{Quantity, Usd};

/// What an operator has found out about a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    pub venue: Venue,
    pub holding: Option<NewHolding>,
    /// Cash that came; went, when below zero.
    pub cash: Option<Usd>,
    /// A result of trading: a gain or a loss of the day.
    pub counts: bool,
    pub reason: String,
}

/// All that is held of one book from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHolding {
    /// Ticker or token.
    pub market: MarketId,
    /// `None`: the book's own.
    pub outcome: Option<Outcome>,
    pub quantity: Quantity,
    /// Of all of it, fees aside.
    pub cost: Usd,
}
