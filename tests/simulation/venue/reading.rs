//! What the venue says when asked, as of some moment that may lie back.

use arbees::domain::ids::OrderId;
use arbees::domain::market::{BookKey, Settlement};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::Order;
use arbees::domain::report::{AccountReading, FillSettlement, LookUp, VenueFill, VenueOrder, VenuePosition, VenueSettlement, VenueState};
use arbees::domain::time::Time;

use super::{Placed, SimVenue};

impl SimVenue {
    fn state_as_of(&self, placed: &Placed, as_of: Time) -> VenueState {
        placed.ended.filter(|(at, _)| *at <= as_of).map_or(VenueState::Resting, |(_, state)| state)
    }

    /// One order as the venue lists it.
    pub fn listed(&self, placed: &Placed, as_of: Time) -> VenueOrder {
        let order = &placed.order;
        let (state, filled) = (self.state_as_of(placed, as_of), self.filled_as_of(&order.order_id, as_of));
        VenueOrder {
            venue_order_id: placed.name.clone(),
            client_order_id: (placed.ours && self.venue.nets_outcomes()).then(|| order.order_id.client_order_id()),
            key: order.instrument.book_key(),
            side: order.book_side(),
            price: order.book_limit(),
            quantity: order.quantity,
            filled,
            remaining: if state == VenueState::Resting { (order.quantity - filled).or_zero() } else { Quantity::ZERO },
            state,
            cause: None,
            created_at: Some(placed.placed_at),
            expires_at: Some(order.venue_expires_at),
        }
    }

    /// A complete reading of one order, with its trades.
    pub fn look_up(&self, order: &Order, as_of: Time) -> (LookUp, Vec<VenueFill>) {
        let Some(placed) = self.orders.get(&order.order_id).filter(|placed| placed.placed_at <= as_of) else {
            return (LookUp::Absent { read_through: as_of, nothing_in_flight: false }, Vec::new());
        };
        let listed = self.listed(placed, as_of);
        let matches = !placed.ours || placed.order == *order;
        let found = LookUp::Found { venue_order_id: listed.venue_order_id, state: listed.state, filled: listed.filled, matches };
        (found, self.fills_of(&order.order_id, as_of))
    }

    fn fills_of(&self, order_id: &OrderId, as_of: Time) -> Vec<VenueFill> {
        let of = self.trades.iter().filter(|trade| trade.order_id == *order_id && trade.at <= as_of);
        of.map(|trade| trade.told(trade.standing_as_of(as_of), false, true)).collect()
    }

    fn cash_as_of(&self, as_of: Time) -> Usd {
        self.opening_cash + self.moves.iter().filter(|one| one.at <= as_of).map(|one| one.cash).sum::<Usd>()
    }

    fn held_as_of(&self, key: &BookKey, as_of: Time) -> Quantity {
        let of = self.moves.iter().filter(|one| one.at <= as_of && one.key.as_ref() == Some(key));
        of.map(|one| one.quantity).sum()
    }

    /// The whole account as it was then.
    pub fn account(&self, begun_at: Time, as_of: Time) -> AccountReading {
        let position = |key: &BookKey| VenuePosition { key: key.clone(), signed: self.held_as_of(key, as_of), cost: Usd::ZERO };
        let settled = |(key, (at, settlement)): (&BookKey, &(Time, Settlement))| VenueSettlement {
            key: key.clone(),
            settlement: *settlement,
            revenue: Usd::ZERO,
            fee: Usd::ZERO,
            at: *at,
        };
        let visible = self.orders.values().filter(|placed| placed.placed_at <= as_of);
        AccountReading {
            venue: self.venue,
            begun_at,
            read_through: as_of,
            cash: self.cash_as_of(as_of),
            positions: self.held.keys().map(position).filter(|position| !position.signed.is_zero()).collect(),
            open_orders: visible.map(|placed| self.listed(placed, as_of)).filter(|order| order.state == VenueState::Resting).collect(),
            fills: self.trades.iter().filter(|trade| trade.at <= as_of).map(|t| t.told(t.standing_as_of(as_of), false, true)).collect(),
            settlements: self.settled.iter().filter(|(_, (at, _))| *at <= as_of).map(settled).collect(),
            movements: Vec::new(),
        }
    }

    /// All trades have come to an end.
    pub fn is_final(&self) -> bool {
        self.trades.iter().all(|trade| trade.standing() != FillSettlement::Provisional)
    }
}
