//! The events: past tense, the only thing the log holds (design §4).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::ids::{Hash, MarketId, OrderId, SignalId, TradeId, VenueOrderId};
use super::limits::Limits;
use super::market::{BookKey, Instrument, Market, MarketSource, Quote, Settlement, Venue};
use super::money::{Quantity, Usd};
use super::order::{Groups, Order};
use super::report::{FillReport, VenueMode};
use super::signed::SignedOrder;
use super::time::Time;
use super::verdict::{Approver, Failure, Reason};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    SessionStarted {
        version: Box<str>,
        config_hash: Hash,
        instance: Box<str>,
    },
    SessionEnded {
        clean: bool,
    },
    LimitsLoaded {
        limits: Box<Limits>,
    },
    /// `day` counts from 1970-01-01; equity is cash plus what is held, at executable marks.
    TradingDayStarted {
        day: i32,
        equity: Usd,
    },
    /// Verdict requests up to `asked_through` are answered or given up, but for those listed.
    Heartbeat {
        asked_through: u64,
        open_requests: Vec<OrderId>,
    },
    SignalRejected {
        signal_id: Option<SignalId>,
        content_hash: Hash,
        reason: Option<Reason>,
        error: Box<str>,
        subject: Box<str>,
        stream_seq: u64,
    },
    OrderRequested {
        order_id: OrderId,
        signal_id: SignalId,
        content_hash: Hash,
        /// The risk request verbatim, MessagePack.
        request: ByteBuf,
        /// What the fold needs of it; absent when the signal leaves something open.
        order: Option<Box<Order>>,
    },
    OrderApproved {
        order_id: OrderId,
        by: Approver,
        verdict: ByteBuf,
        signature: ByteBuf,
        risk_epoch: u64,
    },
    OrderVetoed {
        order_id: OrderId,
        failures: Vec<Failure>,
        verdict: ByteBuf,
        signature: ByteBuf,
    },
    SubmitStarted {
        order_id: OrderId,
        attempt: u32,
        /// What is sent, where the venue's name for it follows from that: with the first attempt, and all others send the same.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        signed: Option<Box<SignedOrder>>,
    },
    OrderAcked {
        order_id: OrderId,
        venue_order_id: VenueOrderId,
        venue_at: Option<Time>,
    },
    OrderRejected {
        order_id: OrderId,
        attempt: u32,
        code: Box<str>,
        message: Box<str>,
    },
    OrderOutcomeUnknown {
        order_id: OrderId,
        attempt: u32,
        why: Box<str>,
        /// The venue said that it has seen this id: nothing more can come of sending it again.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        seen: bool,
    },
    OrderNotPlaced {
        order_id: OrderId,
        cause: NotPlaced,
    },
    Filled(FillReport),
    FillSettled {
        order_id: OrderId,
        venue: Venue,
        trade_id: TradeId,
    },
    FillReversed {
        order_id: OrderId,
        venue: Venue,
        trade_id: TradeId,
        why: Box<str>,
    },
    FeeCorrected {
        order_id: OrderId,
        venue: Venue,
        trade_id: TradeId,
        fee: Usd,
    },
    CancelRequested {
        order_id: OrderId,
        why: CancelCause,
    },
    /// `filled` is the venue's count; the difference to the fills folded so far is still to come.
    OrderCanceled {
        order_id: OrderId,
        filled: Quantity,
        cause: Box<str>,
    },
    OrderExpired {
        order_id: OrderId,
        filled: Quantity,
    },
    MarketSeen {
        market: Box<Market>,
    },
    MarkTaken {
        key: BookKey,
        quote: Quote,
        at: Time,
        source: MarketSource,
    },
    MarketSettled {
        venue: Venue,
        market: MarketId,
        settlement: Settlement,
    },
    /// The tokens of a market that has ended were exchanged for cash.
    Redeemed {
        venue: Venue,
        /// The token.
        market: MarketId,
        amount: Usd,
    },
    VenueModeChanged {
        venue: Venue,
        mode: VenueMode,
        why: Box<str>,
    },
    /// A complete reading of the account that agrees with this log, but for what was recorded beside it.
    BalanceSeen {
        venue: Venue,
        cash: Usd,
        /// The venue's time up to which its orders and fills are in this log.
        read_through: Time,
    },
    /// An order of the account that this log never asked for: counted as ours, never cancelled by us.
    ExternalOrderSeen {
        order: Box<Order>,
        venue_order_id: VenueOrderId,
    },
    /// The venue shows something else than this log; nobody has explained it yet.
    ReconciliationDiverged {
        venue: Venue,
        what: Box<str>,
        ours: Box<str>,
        theirs: Box<str>,
    },
    /// An operator has taken over what the account holds, or booked a difference that was proven.
    OperatorAdjusted {
        by: Box<str>,
        reason: Box<str>,
        /// What is held of one book from now on.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        holding: Option<Box<Holding>>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        money: Option<Money>,
        /// It is a result of trading and counts as one; otherwise it is neither gain nor loss, like a deposit.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        counts: bool,
        /// The proof: what log and venue said before.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proof: Option<Box<str>>,
    },
    OpeningBalance {
        /// The venue whose account it is.
        #[serde(skip_serializing_if = "is_paper", default = "paper")]
        account: Venue,
        cash: Usd,
        /// Trades of about that moment that are part of it; `None` where nothing was read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        found: Option<Vec<FoundTrade>>,
    },
    /// The daily proof, or one that was asked for: the account's cash as folded and as its venue says.
    CashCounted {
        venue: Venue,
        /// The day that is closed by it; days since 1970-01-01.
        day: i32,
        ours: Usd,
        theirs: Usd,
        read_through: Time,
    },
    CashMoved {
        #[serde(skip_serializing_if = "is_paper", default = "paper")]
        account: Venue,
        /// The venue's name for it, so that it is booked once; empty where it has none.
        #[serde(skip_serializing_if = "is_empty", default)]
        id: Box<str>,
        amount: Usd,
        why: Box<str>,
    },
    BreakerTripped {
        scope: Scope,
        reason: Reason,
        observed: Box<str>,
        limit: Box<str>,
    },
    /// The cool-down is over and the accounts agree: one order of minimum size may go through (design §3.11).
    BreakerProbing {
        scope: Scope,
    },
    BreakerReset {
        scope: Scope,
        by: Box<str>,
        reason: Box<str>,
    },
    KillSet {
        by: Box<str>,
        reason: Box<str>,
    },
    KillCleared {
        by: Box<str>,
        reason: Box<str>,
    },
}

fn paper() -> Venue {
    Venue::Paper
}

fn is_paper(venue: &Venue) -> bool {
    *venue == Venue::Paper
}

#[expect(clippy::borrowed_box)] // serde hands over the field
fn is_empty(text: &Box<str>) -> bool {
    text.is_empty()
}

/// Contracts that were bought before this log began, or beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// What is held: never below zero of this outcome.
    pub instrument: Instrument,
    pub groups: Groups,
    pub quantity: Quantity,
    /// What it cost, fees aside.
    pub cost: Usd,
}

/// Cash that an operator books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    pub account: Venue,
    /// Positive: more than before.
    pub amount: Usd,
}

/// A trade by its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundTrade {
    pub key: BookKey,
    pub trade_id: TradeId,
    pub venue_order_id: VenueOrderId,
}

/// Why an order that was about to be sent, or may have been, is not at the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPlaced {
    /// Held back in the same process after `SubmitStarted`: certain.
    Withheld(Box<str>),
    /// Proven absent: complete listings whose time lies past the moment it could still arrive.
    Absent { read_through: Time },
    /// The id is used up at the venue, but no order is there.
    IdBurnt { read_through: Time },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    Expiry,
    Killed,
    Operator,
    Breaker,
    /// The market's prices lie on another grid now.
    OffGrid,
    /// The engine was asked to end.
    Shutdown,
}

/// What a breaker covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Global,
    Venue(Venue),
    Game(super::ids::GameId),
    Market(BookKey),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Venue(venue) => write!(f, "venue:{venue}"),
            Self::Game(game) => write!(f, "game:{game}"),
            Self::Market(key) => write!(f, "market:{key}"),
        }
    }
}

impl Scope {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "global" => Some(Self::Global),
            "venue" => Venue::parse(rest).map(Self::Venue),
            "game" => super::ids::GameId::new(rest).ok().map(Self::Game),
            "market" => {
                let (venue, id) = rest.split_once(':')?;
                Some(Self::Market(BookKey { venue: Venue::parse(venue)?, id: MarketId::new(id).ok()? }))
            }
            _ => None,
        }
    }
}

/// One event in its place in the log. The store adds log id, mode and the hash chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// From 1, without gaps.
    pub seq: u64,
    pub epoch: u64,
    pub recorded_at: Time,
    /// The order this belongs to.
    pub correlation: Option<OrderId>,
    /// The record that led to this one; 0 where none did.
    pub causation_seq: u64,
    pub event: Event,
}

impl Event {
    /// The event's name, as in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SessionStarted { .. } => "SessionStarted",
            Self::SessionEnded { .. } => "SessionEnded",
            Self::LimitsLoaded { .. } => "LimitsLoaded",
            Self::TradingDayStarted { .. } => "TradingDayStarted",
            Self::Heartbeat { .. } => "Heartbeat",
            Self::SignalRejected { .. } => "SignalRejected",
            Self::OrderRequested { .. } => "OrderRequested",
            Self::OrderApproved { .. } => "OrderApproved",
            Self::OrderVetoed { .. } => "OrderVetoed",
            Self::SubmitStarted { .. } => "SubmitStarted",
            Self::OrderAcked { .. } => "OrderAcked",
            Self::OrderRejected { .. } => "OrderRejected",
            Self::OrderOutcomeUnknown { .. } => "OrderOutcomeUnknown",
            Self::OrderNotPlaced { .. } => "OrderNotPlaced",
            Self::Filled(_) => "Filled",
            Self::FillSettled { .. } => "FillSettled",
            Self::FillReversed { .. } => "FillReversed",
            Self::FeeCorrected { .. } => "FeeCorrected",
            Self::CancelRequested { .. } => "CancelRequested",
            Self::OrderCanceled { .. } => "OrderCanceled",
            Self::OrderExpired { .. } => "OrderExpired",
            Self::MarketSeen { .. } => "MarketSeen",
            Self::MarkTaken { .. } => "MarkTaken",
            Self::MarketSettled { .. } => "MarketSettled",
            Self::Redeemed { .. } => "Redeemed",
            Self::VenueModeChanged { .. } => "VenueModeChanged",
            Self::BalanceSeen { .. } => "BalanceSeen",
            Self::ExternalOrderSeen { .. } => "ExternalOrderSeen",
            Self::ReconciliationDiverged { .. } => "ReconciliationDiverged",
            Self::OperatorAdjusted { .. } => "OperatorAdjusted",
            Self::OpeningBalance { .. } => "OpeningBalance",
            Self::CashMoved { .. } => "CashMoved",
            Self::CashCounted { .. } => "CashCounted",
            Self::BreakerTripped { .. } => "BreakerTripped",
            Self::BreakerProbing { .. } => "BreakerProbing",
            Self::BreakerReset { .. } => "BreakerReset",
            Self::KillSet { .. } => "KillSet",
            Self::KillCleared { .. } => "KillCleared",
        }
    }

    /// The order this event is about.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::OrderRequested { order_id, .. }
            | Self::OrderApproved { order_id, .. }
            | Self::OrderVetoed { order_id, .. }
            | Self::SubmitStarted { order_id, .. }
            | Self::OrderAcked { order_id, .. }
            | Self::OrderRejected { order_id, .. }
            | Self::OrderOutcomeUnknown { order_id, .. }
            | Self::OrderNotPlaced { order_id, .. }
            | Self::FillSettled { order_id, .. }
            | Self::FillReversed { order_id, .. }
            | Self::FeeCorrected { order_id, .. }
            | Self::CancelRequested { order_id, .. }
            | Self::OrderCanceled { order_id, .. }
            | Self::OrderExpired { order_id, .. } => Some(*order_id),
            Self::Filled(fill) => Some(fill.order_id),
            Self::ExternalOrderSeen { order, .. } => Some(order.order_id),
            _ => None,
        }
    }
}
