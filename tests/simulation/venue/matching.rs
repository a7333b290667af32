//! How orders meet the market: refused, filled at once, resting, cancelled.

use arbees::domain::ids::{OrderId, VenueOrderId};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::{Action, Order, TimeInForce};
use arbees::domain::report::{CancelOutcome, SubmitOutcome, VenueState};
use arbees::domain::time::Time;

use super::{Placed, SimVenue};
use crate::dice::Dice;

fn rejected(code: &str) -> SubmitOutcome {
    SubmitOutcome::Rejected { code: code.into(), message: "as the simulated venue says".into() }
}

impl SimVenue {
    /// What the venue makes of an order; the trades it leads to at once.
    pub fn submit(&mut self, order: &Order, name: Option<&VenueOrderId>, now: Time, dice: &mut Dice) -> (SubmitOutcome, Vec<usize>) {
        if let Some(known) = self.orders.get(&order.order_id) {
            assert_eq!(known.order, *order, "§3.2: one id, two bodies");
            return (SubmitOutcome::Seen { why: "order_already_exists".into() }, Vec::new());
        }
        if now >= order.venue_expires_at {
            return (rejected("expiration_in_the_past"), Vec::new());
        }
        if self.closed.contains(&Self::market_of(order)) {
            return (rejected("market_closed"), Vec::new());
        }
        if order.action == Action::Sell && self.sellable(order) < order.quantity && !self.venue.nets_outcomes() {
            return (rejected("not_enough_balance"), Vec::new());
        }
        let fills_at_once = self.crosses(order, dice);
        if order.tif == TimeInForce::Fok && fills_at_once < order.quantity {
            return (rejected("fill_or_kill_insufficient_resting_volume"), Vec::new());
        }
        let name = name.cloned().unwrap_or_else(|| VenueOrderId::new(&format!("v{}", self.next())).expect("id"));
        let placed = Placed { order: order.clone(), name: name.clone(), ours: true, placed_at: now, ended: None };
        self.orders.insert(order.order_id, placed);
        let trades = self.fill(&order.order_id, fills_at_once, now, dice).into_iter().collect();
        // A buy of an exact number of shares rests at Polymarket even when it should not (`polymarket.md` §0.6).
        let rests = order.tif.rests() || !self.venue.nets_outcomes() && order.action == Action::Buy;
        if !rests {
            self.end(&order.order_id, VenueState::Canceled, now);
        }
        (SubmitOutcome::Acked { venue_order_id: name, venue_at: Some(now) }, trades)
    }

    fn crosses(&self, order: &Order, dice: &mut Dice) -> Quantity {
        match dice.below(10) {
            0..3 => Quantity::ZERO,
            3..7 => order.quantity,
            _ => Quantity::whole(dice.between(0, order.quantity.micros() / 1_000_000)),
        }
    }

    /// Tokens that are there and not on their way to somebody.
    fn sellable(&self, order: &Order) -> Quantity {
        let key = order.instrument.book_key();
        let resting = self.orders.values().filter(|placed| placed.ended.is_none() && placed.order.action == Action::Sell);
        let offered: Quantity =
            resting.filter(|placed| placed.order.instrument.book_key() == key).map(|placed| placed.order.quantity).sum();
        (self.held.get(&key).copied().unwrap_or_default() - self.in_the_air(&key).0 - offered).or_zero()
    }

    /// Fills at the limit or better. A close is capped like `reduce_only`: it never turns the position around.
    pub fn fill(&mut self, order_id: &OrderId, quantity: Quantity, now: Time, dice: &mut Dice) -> Option<usize> {
        let order = self.orders.get(order_id)?.order.clone();
        let mut quantity = quantity;
        if order.action == Action::Sell && self.venue.nets_outcomes() {
            let held = self.held.get(&order.instrument.book_key()).copied().unwrap_or_default();
            let of_outcome = if order.book_side() == Side::Ask { held } else { -held };
            quantity = quantity.min(of_outcome.or_zero());
        }
        let better = Price::from_micros(10_000 * dice.between(0, 2));
        let limit = order.book_limit();
        let price = match order.book_side() {
            Side::Bid => Price::from_micros((limit.micros() - better.micros()).max(10_000)),
            Side::Ask => Price::from_micros((limit.micros() + better.micros()).min(990_000)),
        };
        self.trade(order_id, quantity, price, now)
    }

    pub fn cancel(&mut self, order_id: &OrderId, now: Time) -> CancelOutcome {
        let known = self.orders.contains_key(order_id);
        if self.end(order_id, VenueState::Canceled, now) {
            return CancelOutcome::Canceled { filled: self.filled(order_id) };
        }
        if known && !self.venue.nets_outcomes() { CancelOutcome::Over } else { CancelOutcome::NotWorking }
    }

    /// An order placed by hand.
    pub fn by_hand(&mut self, order: Order, name: VenueOrderId, now: Time) {
        self.touched = true;
        self.orders.insert(order.order_id, Placed { order, name, ours: false, placed_at: now, ended: None });
    }

    pub fn hand_name(&mut self) -> VenueOrderId {
        VenueOrderId::new(&format!("hand{}", self.next())).expect("id")
    }
}
