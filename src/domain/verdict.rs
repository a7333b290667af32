//! The question to the risk consumer and its signed answer.

use std::fmt;

use ring::signature::{self, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::ids::{Hash, LogId, Mode, OrderId, sha256};
use super::market::Instrument;
use super::money::{Price, Quantity};
use super::order::Order;
use super::planted;
use super::signal::Signal;
use super::time::Time;

macro_rules! reasons {
    ($(#[doc = $doc:literal] $name:ident = $text:literal),+ $(,)?) => {
        /// Why a signal didn't trade: the fixed vocabulary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $doc] #[serde(rename = $text)] $name),+
        }

        impl Reason {
            /// Each reason with its meaning.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $doc)),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

reasons! {
    /// No market id or token names what to trade.
    NoInstrument = "no_instrument",
    /// Neither `side` nor `direction` says yes or no.
    NoSide = "no_side",
    /// No limit price.
    NoPrice = "no_price",
    /// `schema` is neither absent nor 1.
    SchemaUnknown = "schema_unknown",
    /// A numeric `token_id` has lost digits on its way; it must be text.
    TokenIdNotString = "token_id_not_string",
    /// Two-leg trades are one unit and come later.
    PairsNotSupported = "pairs_not_supported",
    /// `max_price` on the no side without `price_terms`: whose price is it?
    AmbiguousPrice = "ambiguous_price",
    /// The signal's life is over.
    Expired = "expired",
    /// `created_at` lies more than 2 s ahead of our clock.
    Future = "future",
    /// Nobody has described this market (demo and live).
    MarketUnknown = "market_unknown",
    /// The market takes no orders.
    MarketClosed = "market_closed",
    /// The price is not on the market's grid or not inside it.
    OffGrid = "off_grid",
    /// The venue is off, halted, paused, or its account is not reconciled.
    VenueNotReady = "venue_not_ready",
    /// Over what `LIVE_STAGE=canary` allows: one open order, $10 each, $25 a day.
    Canary = "canary",
    /// Nothing is held that could be closed.
    NothingToClose = "nothing_to_close",
    /// A kill is on: no opens until an operator clears it.
    Killed = "killed",
    /// A breaker covers this order.
    BreakerOpen = "breaker_open",
    /// More contracts than `MAX_ORDER_CONTRACTS`.
    OrderContracts = "order_contracts",
    /// More dollars than `MAX_ORDER_SIZE`.
    OrderSize = "order_size",
    /// Less than one contract, or no size can be told.
    BelowMinimumSize = "below_minimum_size",
    /// Outside `MIN_SAFE_PRICE`..`MAX_SAFE_PRICE`.
    PriceBand = "price_band",
    /// Declared or recomputed edge below `MIN_EDGE_PCT`, or not computable.
    EdgeBelowMinimum = "edge_below_minimum",
    /// Declared and recomputed edge differ by more than `EDGE_TOLERANCE_PCT`.
    EdgeInconsistent = "edge_inconsistent",
    /// A model that is this sure is broken.
    ProbabilityBounds = "probability_bounds",
    /// The ticker names another team.
    InstrumentTeamMismatch = "instrument_team_mismatch",
    /// The book the strategy saw is older than `MAX_BOOK_AGE_MS`.
    BookStale = "book_stale",
    /// Less shown at the touch than wanted.
    Depth = "depth",
    /// The limit lies too far beyond the book.
    BookDistance = "book_distance",
    /// Worst case of the game over `MAX_GAME_EXPOSURE`.
    GameExposure = "game_exposure",
    /// Worst case of the sport over `MAX_SPORT_EXPOSURE`.
    SportExposure = "sport_exposure",
    /// Worst case of the venue over `MAX_VENUE_EXPOSURE`.
    VenueExposure = "venue_exposure",
    /// Worst case in all over `MAX_TOTAL_EXPOSURE`.
    TotalExposure = "total_exposure",
    /// The other side of this game is held or working.
    OppositeSide = "opposite_side",
    /// The same intent came a moment ago under another id.
    DuplicateIntent = "duplicate_intent",
    /// Too soon after this game's last win or loss.
    CoolDown = "cool_down",
    /// The day's loss has reached `MAX_DAILY_LOSS`.
    DailyLoss = "daily_loss",
    /// A held market has no fresh price: the day's loss can't be told.
    MarkMissing = "mark_missing",
    /// Too many orders in the last minute or hour.
    Rate = "rate",
    /// Too many orders failed in a row.
    ConsecutiveErrors = "consecutive_errors",
    /// Orders whose fate is unknown are too old or too large.
    UnknownOrders = "unknown_orders",
    /// Not enough cash beside what is reserved.
    Cash = "cash",
    /// A fill of an order that should have none, beyond its size or worse than its limit.
    UnexpectedFill = "unexpected_fill",
    /// An order or a fill of the account that no signal asked for.
    ExternalOrder = "external_order",
    /// The venue's position or cash is not what the log says.
    PositionDiverged = "position_diverged",
    /// The order group that guards the venue account has been triggered.
    FuseBlown = "fuse_blown",
    /// No valid verdict in time.
    RiskSilent = "risk_silent",
    /// The risk consumer has seen another history of this log, or a venue has orders of ours that it lacks.
    HistoryDiverged = "history_diverged",
    /// The risk consumer has just started and grants nothing yet.
    RiskStarting = "risk_starting",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One check as it came out: what was seen against what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The reason it gives when it fails.
    pub reason: Reason,
    pub passed: bool,
    pub observed: Box<str>,
    pub limit: Box<str>,
}

impl Check {
    pub fn new(reason: Reason, passed: bool, observed: impl Into<Box<str>>, limit: impl Into<Box<str>>) -> Self {
        Self { reason, passed, observed: observed.into(), limit: limit.into() }
    }

    pub fn failed(reason: Reason, observed: impl Into<Box<str>>, limit: impl Into<Box<str>>) -> Self {
        Self::new(reason, false, observed, limit)
    }
}

/// A failed check, as answers and `explain` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub reason: Reason,
    pub observed: Box<str>,
    pub limit: Box<str>,
}

impl Failure {
    /// All failures among the checks, in their order.
    pub fn among(checks: &[Check]) -> Vec<Self> {
        let failed = checks.iter().filter(|check| !check.passed);
        failed.map(|c| Self { reason: c.reason, observed: c.observed.clone(), limit: c.limit.clone() }).collect()
    }
}

/// A point of one history: what the engine had made durable when it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    pub log_id: LogId,
    pub mode: Mode,
    /// Counts the sessions (later: the lease) of this log.
    pub epoch: u64,
    pub seq: u64,
    /// Of the record at `seq`.
    pub hash: Hash,
}

/// What the engine makes of a signal: complete (`order`), or as far as the signal goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    pub order_id: OrderId,
    pub signal: Signal,
    pub instrument: Option<Instrument>,
    /// On the grid, in terms of the outcome.
    pub limit: Option<Price>,
    pub quantity: Option<Quantity>,
    /// There when nothing is missing.
    pub order: Option<Order>,
    /// What is missing or contradictory, found while reading the signal.
    pub missing: Vec<Failure>,
}

/// The message to the risk consumer; its bytes are logged verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskRequest {
    pub at: Coordinates,
    /// Counts the questions of this epoch.
    pub ask: u64,
    pub asked_at: Time,
    pub request: OrderRequest,
}

impl RiskRequest {
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("Invariant: a request always encodes")
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        rmp_serde::from_slice(bytes)
    }
}

/// What a verdict is bound to.
pub fn request_hash(request_bytes: &[u8]) -> Hash {
    sha256(&[b"arbees risk request", request_bytes])
}

/// The judge's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub request_hash: Hash,
    pub order_id: OrderId,
    /// The coordinates of the request it answers.
    pub at: Coordinates,
    pub risk_epoch: u64,
    pub decided_at: Time,
    /// The engine counts this from the moment it asked, on its own monotonic clock.
    pub lives_ms: u32,
    pub approved: bool,
    /// All checks, passed ones too.
    pub checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedVerdict {
    /// The verdict as MessagePack: what the signature covers.
    pub verdict: ByteBuf,
    /// Ed25519.
    pub signature: ByteBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    #[error("the verdict's signature is not of the risk key this engine knows")]
    Signature,
    #[error("the verdict can't be read: {0}")]
    Unreadable(String),
}

impl SignedVerdict {
    pub fn sign(verdict: &Verdict, key: &Ed25519KeyPair) -> Self {
        let bytes = rmp_serde::to_vec_named(verdict).expect("Invariant: a verdict always encodes");
        let signature = if planted::seals_quickly() { quick_seal(&bytes).0.to_vec() } else { key.sign(&bytes).as_ref().to_vec() };
        Self { verdict: ByteBuf::from(bytes), signature: ByteBuf::from(signature) }
    }

    /// The verdict, if `public_key` signed these bytes.
    pub fn verify(&self, public_key: &[u8]) -> Result<Verdict, VerdictError> {
        let quick = planted::seals_quickly() && *self.signature == quick_seal(&self.verdict).0;
        if !quick {
            let key = UnparsedPublicKey::new(&signature::ED25519, public_key);
            key.verify(&self.verdict, &self.signature).map_err(|_| VerdictError::Signature)?;
        }
        rmp_serde::from_slice(&self.verdict).map_err(|error| VerdictError::Unreadable(error.to_string()))
    }
}

/// Of simulated worlds only.
fn quick_seal(bytes: &[u8]) -> Hash {
    sha256(&[b"simulated seal", bytes])
}

/// Who let an order pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    Risk,
    /// Risk was silent or the kill on: the pure rule for closes (design §2.4).
    ReduceRule,
}

/// Permission to send, as a type: only made from an order that the log holds as approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedOrder(Order);

impl ApprovedOrder {
    /// For the engine, once `OrderApproved` and `SubmitStarted` are durable.
    pub fn after_durable_approval(order: Order) -> Self {
        Self(order)
    }

    pub fn order(&self) -> &Order {
        &self.0
    }
}
