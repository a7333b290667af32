//! In the end, faults over: everything is known, equal to the venues, and the same when counted again.

use arbees::domain::event::Event;
use arbees::domain::market::Venue;
use arbees::domain::money::{Quantity, Usd};

use arbees::domain::order::{Order, OrderState};

use super::{Message, START_MS, World};
use crate::holds;
use crate::ledger::Phase;

impl World {
    /// Nothing is left but the markets' own movement and readings.
    pub(super) fn is_quiet(&mut self) -> bool {
        if self.clock_ms > self.faults_end + 1_500 {
            self.people_finish();
        }
        self.people_done && self.restless().is_empty()
    }

    /// What has not come to rest.
    pub(super) fn restless(&self) -> String {
        let Some(engine) = &self.engine else { return "the engine is down".to_owned() };
        if self.risk.is_none() {
            return "risk is down".to_owned();
        }
        // A request for an order that rests until tomorrow may arrive until tomorrow (design §3.4).
        let until_tomorrow = |record: &&arbees::projections::OrderRecord| self.is_until_tomorrow(record.state, &record.order);
        if let Some(record) = engine.book().orders.live().find(|record| !until_tomorrow(record)) {
            let (id, state) = (record.order.order_id, record.state);
            return format!(
                "order {id} ({:?} {:?} at {}) is {state}, {} of {} filled",
                record.order.action, record.order.tif, record.order.instrument.venue, record.filled, record.order.quantity
            );
        }
        if let Some(waits) = self.signals.iter().find(|published| !published.acked) {
            return format!("signal {} is not answered", waits.signal.signal_id);
        }
        if self.venues.values().any(|venue| !venue.is_final()) || self.durable < self.log.len() || engine.questions_open() > 0 {
            return "trades, questions or syncs are in the air".to_owned();
        }
        if self.risk.as_ref().is_some_and(|risk| risk.book().seq < self.durable as u64) {
            return "risk is behind".to_owned();
        }
        let differs = self.venues.keys().find(|venue| self.differs(**venue));
        if let Some(venue) = differs {
            return format!(
                "{venue} holds {:?} and ${}, the records say ${}",
                self.venues[venue].held,
                self.venues[venue].cash,
                self.ledger.cash(*venue)
            );
        }
        let travelling = |message: &&Message| matches!(message, Message::ArriveSubmit { .. } | Message::ArriveCancel(..));
        if let Some(message) = self.queue.values().find(travelling) {
            return format!("{message:?} is on its way");
        }
        String::new()
    }

    fn is_until_tomorrow(&self, state: OrderState, order: &Order) -> bool {
        let last = START_MS + self.faults_end + 60_000;
        state == OrderState::Unknown && order.instrument.venue.nets_outcomes() && order.venue_expires_at.ms() > last
    }

    fn differs(&self, venue: Venue) -> bool {
        let at_venue = &self.venues[&venue];
        let held = |key| self.ledger.books.get(key).map_or(Quantity::ZERO, |holding| holding.signed);
        let settled = |key| at_venue.settled.contains_key(key);
        let positions = at_venue.held.iter().any(|(key, there)| held(key) != *there && !settled(key));
        let payable: Usd = self.ledger.books.iter().filter(|(key, _)| key.venue == venue).map(|(_, one)| one.payable - one.redeemed).sum();
        let unredeemed: Usd = at_venue.unredeemed.values().copied().sum();
        positions || self.ledger.cash(venue) != at_venue.cash || payable != unredeemed
    }

    pub(super) fn check_settled(&mut self) {
        let engine = self.engine.as_ref().expect("both processes are up in the end");
        let book = engine.book();
        let mut still_held = Usd::ZERO;
        for told in self.ledger.orders.values().filter(|told| told.phase != Phase::Requested) {
            let id = told.order.order_id;
            let waits = told.phase == Phase::Unknown && self.is_until_tomorrow(OrderState::Unknown, &told.order);
            still_held += if waits { told.reserved() } else { Usd::ZERO };
            holds!(told.is_done() || waits, "liveness: order {id} is still {:?}", told.phase);
            let at_venue = &self.venues[&told.venue()];
            let there = at_venue.filled(&id);
            let failed: Quantity = at_venue
                .trades
                .iter()
                .filter(|t| t.order_id == id && t.standing() == arbees::domain::report::FillSettlement::Failed)
                .map(|t| t.quantity)
                .sum();
            holds!(told.filled == there - failed, "§3.5: order {id} has {} filled, at the venue {}", told.filled, there - failed);
        }
        for (venue, at_venue) in &self.venues {
            for (order_id, placed) in &at_venue.orders {
                let told = self.ledger.orders.get(order_id);
                holds!(told.is_some() || !placed.ours, "§3.2: {venue} has order {order_id}, which the log doesn't know");
                holds!(
                    told.is_some() || at_venue.filled(order_id).is_zero(),
                    "reconciliation: fills of {order_id} at {venue} never came in"
                );
            }
        }
        let reserved: Usd = self.venues.keys().map(|venue| self.ledger.reserved(*venue)).sum();
        holds!(reserved == still_held, "§3.5: ${} held back for nothing", reserved - still_held);
        holds!(self.folded().state_hash() == book.state_hash(), "§3.8: replay differs from life");
        let risk = self.risk.as_ref().expect("both processes are up in the end");
        holds!(risk.granted().count() == 0, "§2.3: {} grants left over", risk.granted().count());
        holds!(risk.diverged().is_none(), "§2.3: risk thinks that histories differ");
        let asked = self.log.iter().filter(|(r, _)| matches!(&r.event, Event::OrderRequested { .. })).count();
        holds!(asked >= self.answers.len(), "§3.9: more answers than requests");
        self.counts.resolved_after_ms = self.ledger.orders.values().filter_map(|told| told.resolved_after_ms).max().unwrap_or(0);
    }
}
