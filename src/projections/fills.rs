//! Fills already counted: the fold drops repeats, and knows what to take back when a venue reverses one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{OrderId, TradeId};
use crate::domain::market::BookKey;
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::domain::order::Action;
use crate::domain::report::FillReport;

/// What one fill did to its position and to cash (fees aside).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub quantity: Quantity,
    pub cost: Usd,
    pub realized: Usd,
    pub cash: Usd,
}

/// How final a counted fill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillStanding {
    Provisional,
    Settled,
    /// Taken back: it never happened.
    Reversed,
}

/// Dollars of a fill, fees aside, rounded against us.
pub(super) fn notional(fill: &FillReport) -> Usd {
    fill.price.times(fill.quantity, if fill.action == Action::Buy { Rounding::Up } else { Rounding::Down })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub quantity: Quantity,
    /// As the order counts it; only of fills that may be taken back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notional: Option<Usd>,
    pub fee: Usd,
    pub change: Change,
    settled: bool,
    reversed: bool,
}

type ByTrade = BTreeMap<(TradeId, OrderId), Counted>;

/// By book, trade and order: one trade can fill two of our orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fills(BTreeMap<BookKey, ByTrade>);

impl Fills {
    pub fn has(&self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> bool {
        self.0.get(key).is_some_and(|trades| trades.contains_key(&(trade_id.clone(), *order_id)))
    }

    /// Where this fill stands; `None` when it wasn't counted.
    pub fn standing(&self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> Option<FillStanding> {
        let counted = self.0.get(key)?.get(&(trade_id.clone(), *order_id))?;
        Some(match (counted.reversed, counted.settled) {
            (true, _) => FillStanding::Reversed,
            (false, true) => FillStanding::Settled,
            (false, false) => FillStanding::Provisional,
        })
    }

    /// The fee booked for this fill; `None` when it wasn't counted.
    pub fn fee(&self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> Option<Usd> {
        self.0.get(key)?.get(&(trade_id.clone(), *order_id)).map(|counted| counted.fee)
    }

    pub fn insert(&mut self, key: &BookKey, fill: &FillReport, change: Change) {
        let notional = (!fill.settled).then(|| notional(fill));
        let counted = Counted { quantity: fill.quantity, notional, fee: fill.fee, change, settled: fill.settled, reversed: false };
        self.0.entry(key.clone()).or_default().insert((fill.trade_id.clone(), fill.order_id), counted);
    }

    fn get_mut(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> Option<&mut Counted> {
        self.0.get_mut(key)?.get_mut(&(trade_id.clone(), *order_id)).filter(|counted| !counted.reversed)
    }

    /// The quantity that has just become final; `None` when it was before, or was reversed.
    pub fn settle(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> Option<Quantity> {
        let counted = self.get_mut(key, trade_id, order_id).filter(|counted| !counted.settled)?;
        counted.settled = true;
        Some(counted.quantity)
    }

    /// A fill that is now taken back, as it was counted.
    pub fn reverse(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId) -> Option<Counted> {
        let counted = self.get_mut(key, trade_id, order_id)?;
        counted.reversed = true;
        Some(counted.clone())
    }

    /// How much more the venue charges than was booked.
    pub fn correct_fee(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId, fee: Usd) -> Option<Usd> {
        let counted = self.get_mut(key, trade_id, order_id)?;
        let difference = fee - counted.fee;
        counted.fee = fee;
        Some(difference)
    }

    pub fn forget(&mut self, key: &BookKey) {
        self.0.remove(key);
    }
}
