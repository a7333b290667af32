//! The paper exchange: synchronous, deterministic, told the time. It plays the venue an order names, fees and netting
//! included. It has no socket, no clock and no dice: latency is carried for whoever calls it.

/// The checks of a venue before it takes an order.
mod accept;
/// Cash and holdings, netted as the venue does it.
pub mod account;
/// The demo's seeded market.
pub mod demo_market;
/// Orders in, news out.
pub mod exchange;
/// What the exchange knows of each order.
mod ledger;
/// Trading on nothing but a signal's own quote.
mod quotes;
/// One row of market data, whatever it came from.
pub mod row;
/// Recorded market data, played again.
pub mod tape;

pub use account::Holding;
pub use exchange::PaperExchange;
pub use row::{Feed, MarketRow};

use crate::domain::fees::BalanceUnit;
use crate::domain::market::Instrument;
use crate::domain::money::{Price, Quantity, Usd};

/// How the paper exchange behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperSettings {
    /// Between a request and its answer; applied by the caller, the exchange itself never waits.
    pub latency_ms: u64,
    /// How many of a thousand orders are refused, chosen by order id and seed: the same order always fares the same.
    pub reject_per_mille: u16,
    pub reject_seed: u64,
    /// What Kalshi rounds balances to.
    pub kalshi_unit: BalanceUnit,
}

impl Default for PaperSettings {
    fn default() -> Self {
        Self { latency_ms: 0, reject_per_mille: 0, reject_seed: 0, kalshi_unit: BalanceUnit::Direct }
    }
}

/// What the account holds when the exchange starts: nothing but cash the first time, the fold of the log later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaperStart {
    /// Counts the sessions of this log; part of every trade id, so that none comes twice.
    pub session: u64,
    pub cash: Usd,
    pub holdings: Vec<StartHolding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartHolding {
    pub instrument: Instrument,
    pub quantity: Quantity,
    /// What was paid for it, fees aside: what a void gives back.
    pub cost: Usd,
}

/// The book a signal's sender saw, in YES terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignalQuote {
    pub bid: Option<Price>,
    pub ask: Option<Price>,
    /// Contracts at the touch; unknown means as many as are asked for.
    pub liquidity: Option<Quantity>,
}

/// Why the exchange refuses an order; codes as Kalshi words them (`kalshi.md` §2.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaperReject {
    #[error("the quantity {quantity} is not a positive multiple of 0.01 contracts")]
    Quantity { quantity: Quantity },
    #[error("the price {limit} is not on the market's grid")]
    OffGrid { limit: Price },
    #[error("market {market} takes no orders: it is closed")]
    MarketClosed { market: String },
    #[error("the order's expiry at the venue has passed")]
    ExpiryPassed,
    #[error("needs {needed} dollars, free are {free}: lower the size or set PAPER_CASH_USD higher")]
    Cash { needed: Usd, free: Usd },
    #[error("sells {quantity} but only {free} are held and not on offer already")]
    Holdings { quantity: Quantity, free: Quantity },
    #[error("not enough is offered at the limit to fill the order whole")]
    Killed,
    #[error("{working} orders are working already, which is the most the exchange keeps")]
    TooMany { working: usize },
    #[error("another order has this id")]
    IdTaken,
    #[error("refused on purpose: the paper exchange rejects {per_mille} of 1000 orders")]
    OnPurpose { per_mille: u16 },
}

impl PaperReject {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Quantity { .. } => "invalid_order_size",
            Self::OffGrid { .. } => "invalid_price",
            Self::MarketClosed { .. } => "market_inactive",
            Self::ExpiryPassed => "invalid_expiration",
            Self::Cash { .. } | Self::Holdings { .. } => "insufficient_balance",
            Self::Killed => "fill_or_kill_insufficient_resting_volume",
            Self::TooMany { .. } => "too_many_orders",
            Self::IdTaken => "order_already_exists",
            Self::OnPurpose { .. } => "paper_reject",
        }
    }
}

/// What the rows brought that was not in order; nothing of it stops the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    pub rows: u64,
    /// Rows after which the book was crossed or locked.
    pub crossed: u64,
    /// Deltas that took more from a level than it was known to hold.
    pub underflows: u64,
    /// Levels better than the best price stated beside them, dropped.
    pub stale_levels: u64,
}

#[cfg(test)]
mod tests;
