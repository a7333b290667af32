//! What comes back from a venue: inputs of the engine, one word each.

use serde::{Deserialize, Serialize};

use super::ids::{OrderId, TradeId, VenueOrderId};
use super::market::{Instrument, Quote};
use super::money::{Price, Quantity, Usd};
use super::order::Action;
use super::time::Time;

/// Three answers, never two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    Acked {
        venue_order_id: VenueOrderId,
        venue_at: Option<Time>,
    },
    /// The venue refused this attempt, definitely.
    Rejected {
        code: String,
        message: String,
    },
    /// Timeout, reset, 5xx, unreadable: it may be there.
    Unknown {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Cancelled; `filled` is the venue's count at that moment.
    Canceled {
        filled: Quantity,
    },
    /// The venue has no such working order: look it up.
    NotWorking,
    Unknown {
        why: String,
    },
}

/// What a complete reading of the venue says of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    Found {
        venue_order_id: VenueOrderId,
        state: VenueState,
        filled: Quantity,
        matches: bool,
    },
    /// In none of the complete listings of orders and fills.
    Absent {
        /// The venue's time up to which those listings are complete.
        read_through: Time,
        /// No attempt can still arrive: an in-process exchange that has started anew.
        nothing_in_flight: bool,
    },
    /// The reading was not complete: it says nothing.
    Incomplete {
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VenueState {
    Resting,
    Executed,
    Canceled,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Liquidity {
    Taker,
    Maker,
}

/// Which book a fill was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillSource {
    Venue,
    /// A recorded tape: the row that showed the level (or the trade) and its time there.
    Tape {
        row: u64,
        ts_ms: i64,
    },
    /// The demo's seeded market.
    DemoMarket,
    /// Nothing was known but the signal's own `yes_bid` / `yes_ask` / `liquidity_available`.
    SignalQuote,
}

/// One fill of one of our orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillReport {
    pub order_id: OrderId,
    pub trade_id: TradeId,
    pub instrument: Instrument,
    pub action: Action,
    pub quantity: Quantity,
    /// In terms of the instrument's outcome.
    pub price: Price,
    pub fee: Usd,
    /// The venue named no fee: ours is a bound until `FeeCorrected`.
    pub fee_provisional: bool,
    pub liquidity: Liquidity,
    /// Final at the venue; a Polymarket match is not, until confirmed.
    pub settled: bool,
    pub venue_at: Time,
    pub source: FillSource,
}

/// News of one order or market from a venue, outside any request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueNews {
    Fill(FillReport),
    FillSettled {
        order_id: OrderId,
        trade_id: TradeId,
    },
    FillReversed {
        order_id: OrderId,
        trade_id: TradeId,
        why: String,
    },
    FeeCorrected {
        order_id: OrderId,
        trade_id: TradeId,
        fee: Usd,
    },
    /// The venue ended the order by itself; `filled` is its count.
    Ended {
        order_id: OrderId,
        state: VenueState,
        filled: Quantity,
        cause: String,
    },
    /// Best prices of a book, in the book's terms.
    Quote {
        key: super::market::BookKey,
        quote: Quote,
        at: Time,
    },
    Market(super::market::Market),
}
