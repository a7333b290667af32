//! What an order must pass before it reaches a book. Nothing is changed here.

use crate::domain::fees::OrderFees;
use crate::domain::ids::{MarketId, sha256};
use crate::domain::market::{BookKey, PriceGrid};
use crate::domain::matching::{Side, whole_lots};
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::time::Time;

use super::PaperReject;
use super::exchange::{Listed, PaperExchange};
use super::ledger::{WORKING_MAX, Working, same_terms};

impl PaperExchange {
    /// The answer to an order that was here before.
    pub(super) fn known(&self, order: &Order) -> Option<Result<(), PaperReject>> {
        if let Some(working) = self.ledger.working(&order.order_id) {
            return Some(if same_terms(&working.order, order) { Ok(()) } else { Err(PaperReject::IdTaken) });
        }
        let ended = self.ledger.ended(&order.order_id)?;
        let killed = order.tif == TimeInForce::Fok && ended.filled.is_zero();
        Some(match (ended.matches(order), killed) {
            (false, _) => Err(PaperReject::IdTaken),
            (true, true) => Err(PaperReject::Killed),
            (true, false) => Ok(()),
        })
    }

    /// The checks of a venue, in its order; nothing is changed.
    pub(super) fn accept(&self, order: &Order, now: Time) -> Result<Working, PaperReject> {
        self.refuse_on_purpose(order)?;
        if order.quantity <= Quantity::ZERO || whole_lots(order.quantity) != order.quantity {
            return Err(PaperReject::Quantity { quantity: order.quantity });
        }
        if self.ledger.working_len() >= WORKING_MAX {
            return Err(PaperReject::TooMany { working: self.ledger.working_len() });
        }
        let closed =
            |id: &MarketId| self.books.get(&BookKey { venue: order.instrument.venue, id: id.clone() }).is_some_and(Listed::takes_nothing);
        let key = order.instrument.book_key();
        if closed(&key.id) || closed(&order.instrument.market) {
            return Err(PaperReject::MarketClosed { market: key.to_string() });
        }
        let market = self.books.get(&key).and_then(|listed| listed.market.as_ref());
        if !market.map_or_else(PriceGrid::cents, |market| market.grid.clone()).holds(order.instrument.in_book_terms(order.limit)) {
            return Err(PaperReject::OffGrid { limit: order.limit });
        }
        if order.tif.rests() && order.venue_expires_at <= now {
            return Err(PaperReject::ExpiryPassed);
        }
        let mut working = self.working(order, self.sellable(order)?);
        working.reserved = self.reservation(&working);
        let free = self.account.free();
        if working.reserved > free.or_zero() {
            return Err(PaperReject::Cash { needed: working.reserved, free });
        }
        Ok(working)
    }

    fn refuse_on_purpose(&self, order: &Order) -> Result<(), PaperReject> {
        let per_mille = self.settings.reject_per_mille;
        let hash = sha256(&[b"arbees paper reject", &self.settings.reject_seed.to_be_bytes(), &order.order_id.0]);
        let draw = (u32::from(hash.0[0]) << 16 | u32::from(hash.0[1]) << 8 | u32::from(hash.0[2])) % 1000;
        if draw < u32::from(per_mille) { Err(PaperReject::OnPurpose { per_mille }) } else { Ok(()) }
    }

    /// How much of the order may trade: a sell never gives up more than is held. Kalshi cuts it (`reduce_only`), Polymarket refuses it.
    fn sellable(&self, order: &Order) -> Result<Quantity, PaperReject> {
        if order.action == Action::Buy {
            return Ok(order.quantity);
        }
        let free = whole_lots((self.account.held(&order.instrument) - self.ledger.on_offer(order)).or_zero());
        if order.quantity <= free {
            Ok(order.quantity)
        } else if order.instrument.venue.nets_outcomes() {
            Ok(free)
        } else {
            Err(PaperReject::Holdings { quantity: order.quantity, free })
        }
    }

    pub(super) fn working(&self, order: &Order, accepted: Quantity) -> Working {
        let market = self.books.get(&order.instrument.book_key()).and_then(|listed| listed.market.as_ref());
        let rate = market.map_or(order.fee, |market| market.fee);
        let side = if (order.action == Action::Buy) == (order.instrument.outcome == order.instrument.book_outcome()) {
            Side::Bid
        } else {
            Side::Ask
        };
        Working {
            order: order.clone(),
            side,
            filled: Quantity::ZERO,
            accepted,
            fees: OrderFees::new(order.instrument.venue, rate, self.settings.kalshi_unit),
            reserved: Usd::ZERO,
            trades: 0,
        }
    }

    /// The most that what is left of a purchase can cost; what only closes the opposite outcome costs its fee.
    pub(super) fn reservation(&self, working: &Working) -> Usd {
        let left = working.left();
        if working.order.action == Action::Sell || left.is_zero() {
            return Usd::ZERO;
        }
        let opening = (left - self.account.netted(&working.order.instrument)).or_zero();
        working.order.limit.times(opening, Rounding::Up) + working.order.fee_bound(left)
    }
}
