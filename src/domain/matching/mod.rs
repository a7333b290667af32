//! A book of others' orders, as a feed shows it, and our own orders against it. Pure: shared by the paper exchange and
//! the loopback venues.
//!
//! Our orders never change the feed's book and never meet each other. What we took from a level is remembered beside it,
//! so that the same shown contracts are not taken twice. Everything is in the terms of the book; `Instrument` translates.

/// What a feed shows, and what we took of it.
pub mod book;
/// Our orders against one book.
pub mod matcher;

use super::ids::OrderId;
use super::money::{Price, Quantity};
use super::order::TimeInForce;
use super::report::Liquidity;

/// A hundredth of a contract: both venues count in two decimals (`kalshi.md` §2.1, `polymarket.md` §3).
/// Sizes a feed shows beyond that are cut, so that price times quantity is always exact in millionths.
pub const LOT: Quantity = Quantity::from_micros(10_000);

/// Rounded down to whole lots.
pub fn whole_lots(quantity: Quantity) -> Quantity {
    Quantity::from_micros(quantity.micros().div_euclid(LOT.micros()) * LOT.micros())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Bid,
    Ask,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Bid, Self::Ask];

    pub fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }

    /// An order of this side with this limit may trade at `price`.
    pub fn reaches(self, limit: Price, price: Price) -> bool {
        match self {
            Self::Bid => price <= limit,
            Self::Ask => price >= limit,
        }
    }

    /// Of two prices on this side, `a` is served first.
    pub fn before(self, a: Price, b: Price) -> bool {
        match self {
            Self::Bid => a > b,
            Self::Ask => a < b,
        }
    }
}

/// Which row of a feed showed something, and its time there in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    pub row: u64,
    pub ts_ms: i64,
}

/// One thing a feed says about its book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookChange {
    /// The best level of a side; better ones are gone, worse ones stay. `None`: the side is empty.
    Top {
        side: Side,
        level: Option<(Price, Quantity)>,
    },
    /// The best levels of a side, and all that is known of it; empty: the side is empty.
    Window {
        side: Side,
        levels: Vec<(Price, Quantity)>,
    },
    /// The new size of a level.
    Level {
        side: Side,
        price: Price,
        quantity: Quantity,
    },
    /// What was added to a level, or taken away.
    Delta {
        side: Side,
        price: Price,
        signed: Quantity,
    },
    /// The best prices as the feed states them beside its updates: better levels are stale. When they cross, nothing
    /// trades until they no longer do.
    Stated {
        bid: Option<Price>,
        ask: Option<Price>,
    },
    Clear,
}

impl BookChange {
    /// Everything that lies in a book.
    pub fn whole(bids: Vec<(Price, Quantity)>, asks: Vec<(Price, Quantity)>) -> Vec<Self> {
        let side = |side, levels| Self::Window { side, levels };
        vec![side(Side::Bid, bids), side(Side::Ask, asks), Self::Stated { bid: None, ask: None }]
    }

    /// Nobody knows what lies there at the moment: nothing trades until a book is stated. What we took stays taken.
    pub fn unsure() -> Vec<Self> {
        vec![Self::Stated { bid: Some(Price::ONE), ask: Some(Price::ZERO) }]
    }
}

/// A trade between others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    pub price: Price,
    pub quantity: Quantity,
    /// `Bid`: the taker bought.
    pub taker: Side,
}

/// One of our orders, in book terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookOrder {
    pub id: OrderId,
    pub side: Side,
    pub limit: Price,
    pub quantity: Quantity,
    pub tif: TimeInForce,
}

/// One fill of one of our orders, in book terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    pub id: OrderId,
    pub quantity: Quantity,
    pub price: Price,
    pub liquidity: Liquidity,
    /// What showed the level, or the print.
    pub mark: Mark,
}

/// What became of a new order after its first look at the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Filled,
    Resting,
    /// An IOC's rest.
    Canceled,
    /// A FOK that could not be filled whole: nothing happened.
    Killed,
}

#[cfg(test)]
mod tests;
