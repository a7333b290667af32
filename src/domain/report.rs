//! What comes back from a venue: inputs of the engine, one word each.

use serde::{Deserialize, Serialize};

use super::ids::{ClientOrderId, OrderId, TradeId, VenueOrderId};
use super::market::{BookKey, Instrument, Quote, Settlement, Venue};
use super::matching::Side;
use super::money::{Price, Quantity, Usd};
use super::order::{Action, Order};
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
    /// Held back on this side of the socket: certain that nothing was sent.
    Withheld {
        why: String,
    },
    /// The venue turned this attempt away before looking at it (a rate limit): the same id may be sent again after this.
    NotProcessed {
        why: String,
        retry_after_ms: i64,
    },
    /// The venue has seen this id before, which says nothing of what became of it.
    Seen {
        why: String,
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
    /// The venue has had the order, and it works no more: a look-up tells how it ended, and none that shows nothing proves
    /// that it never was.
    Over,
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
    /// Kalshi's book as it was then, on paper.
    KalshiBook,
    /// Polymarket's book as it was then, on paper.
    PolymarketBook,
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

/// An order as a venue lists it, in the terms of its book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    pub venue_order_id: VenueOrderId,
    pub client_order_id: Option<ClientOrderId>,
    pub key: BookKey,
    pub side: Side,
    pub price: Price,
    /// As placed; decreases and amendments of others change it.
    pub quantity: Quantity,
    pub filled: Quantity,
    pub remaining: Quantity,
    pub state: VenueState,
    /// Why it ended, in the venue's words.
    pub cause: Option<String>,
    pub created_at: Option<Time>,
    pub expires_at: Option<Time>,
}

/// A venue can't have created an order before we sent it; clocks differ and listings are cut to seconds.
const CREATED_MARGIN_MS: i64 = 10_000;

impl VenueOrder {
    /// The order as we sent it: ticker, side, price, count, and our id where the venue repeats it.
    pub fn has_terms_of(&self, order: &Order) -> bool {
        self.client_order_id.as_ref().is_none_or(|id| *id == order.order_id.client_order_id())
            && self.key == order.instrument.book_key()
            && (self.side, self.price, self.quantity) == (order.book_side(), order.book_limit(), order.quantity)
    }

    /// Not created before we first sent it.
    pub fn is_as_young_as(&self, first_sent_at: Time) -> bool {
        self.created_at.is_none_or(|created| created.ms_since(first_sent_at) > -CREATED_MARGIN_MS)
    }
}

/// How final a fill is at its venue. Kalshi's and paper's are from the start; a Polymarket match becomes a transaction
/// that can fail (`polymarket.md` §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillSettlement {
    Provisional,
    Settled,
    /// Never happened, for good.
    Failed,
}

/// A fill as a venue lists it, in the terms of its book. Whose it is, the engine knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueFill {
    pub trade_id: TradeId,
    pub venue_order_id: VenueOrderId,
    pub client_order_id: Option<ClientOrderId>,
    pub key: BookKey,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    /// `None`: the venue named none.
    pub fee: Option<Usd>,
    pub liquidity: Liquidity,
    pub settlement: FillSettlement,
    pub at: Time,
}

/// A holding as a venue lists it: positive is YES (or the token), negative is NO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenuePosition {
    pub key: BookKey,
    pub signed: Quantity,
    /// What the holding cost, fees aside.
    pub cost: Usd,
}

/// How a market ended for this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueSettlement {
    pub key: BookKey,
    pub settlement: Settlement,
    /// What was paid out.
    pub revenue: Usd,
    pub fee: Usd,
    pub at: Time,
}

/// Money that came or went outside any trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CashMovement {
    /// The venue's name for it.
    pub id: String,
    /// Positive: a deposit.
    pub amount: Usd,
    pub at: Time,
}

/// One complete reading of an account: no page missing, every list begun after `begun_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReading {
    pub venue: Venue,
    pub begun_at: Time,
    /// The venue's own time up to which these lists are complete.
    pub read_through: Time,
    pub cash: Usd,
    pub positions: Vec<VenuePosition>,
    pub open_orders: Vec<VenueOrder>,
    /// Since the time asked for.
    pub fills: Vec<VenueFill>,
    pub settlements: Vec<VenueSettlement>,
    pub movements: Vec<CashMovement>,
}

/// What a venue says of a market that was asked for: one market, or the tokens of both its outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub markets: Vec<super::market::Market>,
}

impl From<super::market::Market> for Description {
    fn from(market: super::market::Market) -> Self {
        Self { markets: vec![market] }
    }
}

/// Whether a venue takes orders, as far as we can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueMode {
    /// No credentials: nothing is sent there.
    Off,
    /// Not read completely since the start or the last break of the stream.
    Reconciling,
    Open,
    /// Reduce-only closes and cancels: what the venue has left to the account.
    CloseOnly,
    /// Cancels only: a pause, maintenance.
    CancelOnly,
    /// Takers are refused, after a restart of the venue's engine: nothing of ours is sent.
    PostOnly,
    /// Refuses us: a revoked key, a clock beyond its limits, a block.
    Halted,
}

impl VenueMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reconciling => "reconciling",
            Self::Open => "open",
            Self::CloseOnly => "close_only",
            Self::CancelOnly => "cancel_only",
            Self::PostOnly => "post_only",
            Self::Halted => "halted",
        }
    }
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
        key: BookKey,
        quote: Quote,
        at: Time,
    },
    Market(super::market::Market),
    /// A fill of whatever order, ours or not.
    Traded(Box<VenueFill>),
    /// An order as the venue shows it now, ours or not.
    Listed(Box<VenueOrder>),
    Settled(Box<VenueSettlement>),
    /// A complete reading of the account.
    Account(Box<AccountReading>),
    /// The account could not be read whole.
    Unread {
        venue: Venue,
        why: String,
    },
    Mode {
        venue: Venue,
        mode: VenueMode,
        why: String,
    },
    /// A venue-side fuse of ours has blown.
    FuseBlown {
        venue: Venue,
        why: String,
    },
}
