//! What comes in, and what is to be done: the two sides of `Engine::step`.

use super::{Command, DeliveryId, SignalInput, Start, Ticket};
use crate::domain::answer::Answer;
use crate::domain::event::{Recorded, Scope};
use crate::domain::ids::{Hash, MarketId, OrderId, SignalId, VenueOrderId};
use crate::domain::market::{BookKey, Quote, Settlement, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::{CancelOutcome, Description, LookUp, SubmitOutcome, VenueNews, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::{ApprovedOrder, Reason, SignedVerdict};

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant)] // on its way it is in a box
pub enum Input {
    Start(Box<Start>),
    Signal(Box<SignalInput>),
    /// All records up to `seq` are on disk.
    Durable {
        seq: u64,
        hash: Hash,
    },
    /// The log can't be written any more.
    LogFailed {
        why: String,
    },
    /// Another engine may own this log or its accounts now.
    OwnershipLost {
        why: String,
    },
    /// Risk's answer to a question, or `None` when there is none to be had.
    Verdict {
        order_id: OrderId,
        signed: Option<SignedVerdict>,
    },
    /// The order as signed, or why it can't be.
    Prepared {
        order_id: OrderId,
        signed: Result<Box<SignedOrder>, String>,
    },
    Submitted {
        order_id: OrderId,
        attempt: u32,
        outcome: SubmitOutcome,
    },
    CancelAnswered {
        order_id: OrderId,
        outcome: CancelOutcome,
    },
    LookedUp {
        order_id: OrderId,
        begun_at: Time,
        found: LookUp,
    },
    Venue(Box<VenueNews>),
    /// What the venue says of an order that a fill named; `None`: it doesn't know it (any more).
    Identified {
        key: BookKey,
        venue_order_id: VenueOrderId,
        found: Result<Option<VenueOrder>, String>,
    },
    /// A market as its venue describes it, or why it can't be described.
    Described {
        key: BookKey,
        found: Result<Description, String>,
    },
    Operator {
        ticket: Ticket,
        by: String,
        command: Command,
    },
    /// Risk asks for a breaker.
    TripAsked {
        scope: Scope,
        reason: Reason,
        observed: String,
        limit: String,
    },
    Tick,
    /// Take on nothing more: the end is near.
    Drain {
        cancel_resting: bool,
    },
    Stop,
}

/// A book as the signal saw it, in YES terms: for the paper exchange when it knows no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalQuote {
    pub quote: Quote,
    pub liquidity: Option<Quantity>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Append(Vec<Recorded>),
    AskRisk {
        order_id: OrderId,
        bytes: Vec<u8>,
        timeout_ms: i64,
    },
    /// Publish the answer, then acknowledge these deliveries.
    Answer {
        answer: Box<Answer>,
        deliveries: Vec<DeliveryId>,
    },
    /// Keep the raw message of this delivery, with the reason.
    DeadLetter {
        delivery: DeliveryId,
        signal_id: Option<SignalId>,
        error: String,
    },
    /// Give the delivery back: it can't be answered now.
    GiveBack {
        delivery: DeliveryId,
    },
    /// Sign this order now, beside the verdict: at its venue its name is the hash of what is signed.
    Prepare {
        order: Box<Order>,
    },
    Submit {
        order: Box<ApprovedOrder>,
        attempt: u32,
        quote: Option<SignalQuote>,
        /// As prepared; each attempt sends exactly this.
        signed: Option<Box<SignedOrder>>,
    },
    Cancel {
        order: Box<Order>,
        venue_order_id: Option<VenueOrderId>,
    },
    LookUp {
        order: Box<Order>,
        venue_order_id: Option<VenueOrderId>,
        first_sent_at: Option<Time>,
    },
    /// Ask the venue whose order this is.
    Identify {
        key: BookKey,
        venue_order_id: VenueOrderId,
    },
    /// Ask the venue for a description of this market.
    Describe {
        key: BookKey,
    },
    /// Follow this book: it is held, worked on or asked about.
    Watch {
        key: BookKey,
    },
    /// Read the account anew.
    Reconcile {
        venue: Venue,
    },
    OperatorAnswer {
        ticket: Ticket,
        result: Result<String, String>,
    },
    /// Orders that the (in-process) exchange has to take over after a restart.
    Restore {
        order: Box<Order>,
        filled: Quantity,
    },
    /// The market has ended at this venue.
    MarketEnded {
        venue: Venue,
        market: MarketId,
        settlement: Settlement,
    },
    Halt {
        why: String,
    },
}
