//! Orders and fills as the venue keeps them.

use crate::domain::fees::OrderFees;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::book::SelfTrade;
pub use crate::exchange::ids::Source;
use crate::exchange::ids::{AccountNo, Id, MarketNo, OrderNo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Resting,
    Canceled,
    Executed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Canceled => "canceled",
            Self::Executed => "executed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    UntilCanceled,
    ImmediateOrCancel,
    FillOrKill,
}

/// `last_update_reason` of `user_orders` (`kalshi.md` §4); its words are the variants'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Decrease,
    Amend,
    MarginCancel,
    SelfTradeCancel,
    ExpiryCancel,
    CloseCancel,
    HaltCancel,
    Trade,
    PostOnlyCrossCancel,
    ReduceOnlyCancel,
}

/// The part of an order that changes; each change is kept for reads that lag.
#[derive(Clone, Debug)]
pub struct View {
    pub client_id: String,
    pub status: Status,
    pub price: Price,
    pub initial: Quantity,
    pub filled: Quantity,
    pub left: Quantity,
    pub taker_cost: Usd,
    pub maker_cost: Usd,
    pub taker_fees: Usd,
    pub maker_fees: Usd,
    pub expires: Option<Time>,
    pub updated: Time,
    pub reason: Option<Reason>,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub no: OrderNo,
    pub id: Id,
    pub account: AccountNo,
    pub market: MarketNo,
    pub side: Side,
    pub in_force: InForce,
    pub self_trade: SelfTrade,
    pub cancel_on_pause: bool,
    pub reduce_only: bool,
    pub group: Option<Id>,
    pub source: Source,
    pub created: Time,
    pub fees: OrderFees,
    pub view: View,
    past: Vec<View>,
}

impl Order {
    pub fn new(no: OrderNo, id: Id, new: &NewOrder, quantity: Quantity, fees: OrderFees, now: Time) -> Self {
        let view = View {
            client_id: new.client_id.clone(),
            status: Status::Resting,
            price: new.price,
            initial: new.quantity,
            filled: Quantity::ZERO,
            left: quantity,
            taker_cost: Usd::ZERO,
            maker_cost: Usd::ZERO,
            taker_fees: Usd::ZERO,
            maker_fees: Usd::ZERO,
            expires: new.expires,
            updated: now,
            reason: None,
        };
        Self {
            no,
            id,
            account: new.account,
            market: new.market,
            side: new.side,
            in_force: new.in_force,
            self_trade: new.self_trade,
            cancel_on_pause: new.cancel_on_pause,
            reduce_only: new.reduce_only,
            group: new.group,
            source: new.source,
            created: now,
            fees,
            view,
            past: Vec::new(),
        }
    }

    pub fn is_resting(&self) -> bool {
        self.view.status == Status::Resting
    }

    /// Changes the order; what it was stays readable for reads that lag.
    pub fn change(&mut self, now: Time, reason: Option<Reason>, how: impl FnOnce(&mut View)) {
        if self.view.updated < now {
            self.past.push(self.view.clone());
        }
        how(&mut self.view);
        self.view.updated = now;
        self.view.reason = reason;
    }

    /// The order as a read at this time sees it; `None` before it existed.
    pub fn seen_at(&self, at: Time) -> Option<&View> {
        if self.view.updated <= at {
            return Some(&self.view);
        }
        self.past.iter().rev().find(|view| view.updated <= at)
    }
}

/// An order as asked for, already understood.
#[derive(Clone, Debug)]
pub struct NewOrder {
    pub account: AccountNo,
    pub market: MarketNo,
    pub client_id: String,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub in_force: InForce,
    pub expires: Option<Time>,
    pub self_trade: SelfTrade,
    pub post_only: bool,
    pub reduce_only: bool,
    pub cancel_on_pause: bool,
    pub group: Option<Id>,
    pub source: Source,
}

/// One side of a trade, as its account sees it.
#[derive(Clone, Debug)]
pub struct Fill {
    pub trade_id: Id,
    pub order: OrderNo,
    pub market: MarketNo,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub is_taker: bool,
    pub fee: Usd,
    pub post_position: Quantity,
    pub at: Time,
}
