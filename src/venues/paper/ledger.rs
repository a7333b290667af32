//! What the exchange knows of each order: working ones whole, ended ones in a few words.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::fees::OrderFees;
use crate::domain::ids::{Hash, OrderId, TradeId, VenueOrderId, sha256};
use crate::domain::matching::Side;
use crate::domain::money::{Quantity, Usd};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::report::VenueState;
use crate::domain::time::Time;

/// As many as Kalshi lets a member have (`kalshi.md` §2.5).
pub const WORKING_MAX: usize = 200_000;

/// Ended orders that can still be looked up: the resends of ten minutes at 160 orders a second, in about 15 MB.
pub const ENDED_KEPT_MAX: usize = 100_000;

#[derive(Clone, Debug)]
pub struct Working {
    pub order: Order,
    pub side: Side,
    pub filled: Quantity,
    /// Of the quantity, what the exchange accepted: a sell is cut to what is held.
    pub accepted: Quantity,
    pub fees: OrderFees,
    pub reserved: Usd,
    /// Fills of this session.
    pub trades: u32,
}

impl Working {
    pub fn left(&self) -> Quantity {
        self.accepted - self.filled
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub state: VenueState,
    pub filled: Quantity,
    terms: Hash,
}

impl Ended {
    pub fn matches(&self, order: &Order) -> bool {
        self.terms == terms(order)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    working: BTreeMap<OrderId, Working>,
    expiries: BTreeMap<(Time, OrderId), ()>,
    ended: BTreeMap<OrderId, Ended>,
    ended_order: VecDeque<OrderId>,
    forgotten: u64,
}

impl Ledger {
    pub fn working(&self, id: &OrderId) -> Option<&Working> {
        self.working.get(id)
    }

    pub fn working_mut(&mut self, id: &OrderId) -> Option<&mut Working> {
        self.working.get_mut(id)
    }

    pub fn all_working(&self) -> impl Iterator<Item = &Working> {
        self.working.values()
    }

    pub fn working_len(&self) -> usize {
        self.working.len()
    }

    pub fn ended(&self, id: &OrderId) -> Option<&Ended> {
        self.ended.get(id)
    }

    /// How many ended orders can no longer be looked up.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub fn start(&mut self, working: Working) {
        if working.order.tif.rests() {
            self.expiries.insert((working.order.venue_expires_at, working.order.order_id), ());
        }
        self.working.insert(working.order.order_id, working);
    }

    pub fn end(&mut self, id: &OrderId, state: VenueState) -> Option<Working> {
        let working = self.working.remove(id)?;
        self.expiries.remove(&(working.order.venue_expires_at, *id));
        let ended = Ended { state, filled: working.filled, terms: terms(&working.order) };
        if self.ended.insert(*id, ended).is_none() {
            self.ended_order.push_back(*id);
        }
        if self.ended_order.len() > ENDED_KEPT_MAX
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
            self.forgotten += 1;
        }
        Some(working)
    }

    /// The next resting order whose expiry has come.
    pub fn next_expired(&self, now: Time) -> Option<OrderId> {
        let ((at, id), ()) = self.expiries.first_key_value()?;
        (*at <= now).then_some(*id)
    }

    /// Contracts of the same instrument already on offer by working sells.
    pub fn on_offer(&self, order: &Order) -> Quantity {
        let same = |w: &&Working| w.order.action == Action::Sell && w.order.instrument == order.instrument;
        self.working.values().filter(same).map(Working::left).sum()
    }
}

/// What must be equal for two orders of one id to be the same order.
fn terms(order: &Order) -> Hash {
    let tif = match order.tif {
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
        TimeInForce::Gtc => "gtc",
        TimeInForce::Gtd => "gtd",
    };
    let action = if order.action == Action::Buy { "buy" } else { "sell" };
    sha256(&[
        b"arbees paper terms",
        order.instrument.book_key().to_string().as_bytes(),
        order.instrument.outcome.as_str().as_bytes(),
        action.as_bytes(),
        &order.quantity.micros().to_be_bytes(),
        &order.limit.micros().to_be_bytes(),
        tif.as_bytes(),
    ])
}

pub fn same_terms(a: &Order, b: &Order) -> bool {
    terms(a) == terms(b)
}

/// Derived, so that the same order has the same name after a restart.
pub fn venue_order_id(id: &OrderId) -> VenueOrderId {
    VenueOrderId::new(&format!("paper-{id}")).expect("Invariant: hex is a valid venue order id")
}

/// One of a session's trades of an order.
pub fn trade_id(id: &OrderId, session: u64, trade: u32) -> TradeId {
    TradeId::new(&format!("paper-{id}-{session}-{trade}")).expect("Invariant: hex and digits are a valid trade id")
}
