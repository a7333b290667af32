//! What must hold after each step (design §3) and once everything has settled. Reads only venue truth and log,
//! and the engine's fold to compare with them.

use std::collections::BTreeSet;

use arbees::domain::event::Event;
use arbees::domain::limits::Limits;
use arbees::domain::market::Outcome;
use arbees::domain::money::{Edge, Price, Probability, Quantity, Usd};
use arbees::domain::order::{Action, Order, OrderState};
use arbees::projections::Projections;

use super::World;

pub fn limits() -> Limits {
    let usd = |t: &str| Usd::parse(t).expect(t);
    let price = |t: &str| Price::parse(t).expect(t);
    Limits {
        bankroll: usd("1000"),
        kelly_fraction: Probability::parse("0.25").expect("kelly"),
        order_size_max: usd("100"),
        order_contracts_max: Quantity::whole(99),
        order_contracts_min: Quantity::whole(1),
        safe_price_min: price("0.05"),
        safe_price_max: price("0.95"),
        edge_min: Edge::from_micros(20_000),
        edge_tolerance: Edge::from_micros(30_000),
        probability_min: Probability::parse("0.02").expect("p"),
        probability_max: Probability::parse("0.98").expect("p"),
        book_age_max_ms: 5_000,
        book_distance_max: price("0.1"),
        mark_age_max_ms: 60_000,
        game_exposure_max: usd("100"),
        sport_exposure_max: usd("300"),
        venue_exposure_max: usd("400"),
        total_exposure_max: usd("400"),
        allow_hedging: false,
        duplicate_intent_ms: 0,
        cool_down_win_ms: 0,
        cool_down_loss_ms: 0,
        daily_loss_max: usd("500"),
        orders_per_minute_max: 600,
        orders_per_hour_max: 6_000,
        consecutive_errors_max: 1_000,
        unknown_age_max_ms: 600_000,
        unknown_amount_max: usd("1000"),
        day_offset_minutes: 0,
        canary: None,
    }
}

impl World {
    pub(super) fn check_send(&self, order: &Order, attempt: u32) {
        let recorded = self.submits.get(&(order.order_id, attempt)).is_some_and(|at| *at < self.durable);
        assert!(recorded, "order {} attempt {attempt} sent before its record was durable", order.order_id);
        if order.action == Action::Buy {
            assert!(self.killed_at.is_none(), "an open was sent while the kill was on");
        }
        assert!(self.now().wall < order.expires_at, "an expired order was sent");
    }

    /// Design §3, after each step.
    pub(super) fn check(&mut self) {
        let Some(engine) = &self.engine else { return };
        let book = engine.book();
        let looked_at = (self.engine_life, book.seq, self.venue.orders.len());
        if self.checked == looked_at {
            return;
        }
        self.checked = looked_at;
        for (order_id, placed) in &self.venue.orders {
            let logged = self.submits.contains_key(&(*order_id, 1));
            assert!(logged, "the venue has order {order_id} that the log doesn't know");
            assert!(placed.filled <= placed.order.quantity);
        }
        let limits = limits();
        for (game, worst) in book.exposure.games() {
            assert!(worst <= limits.game_exposure_max, "game {game}: {worst} over {}", limits.game_exposure_max);
        }
        assert!(book.exposure.total <= limits.total_exposure_max, "total {}", book.exposure.total);
        let free = book.cash.cash - book.cash.reserved;
        assert!(free >= Usd::ZERO, "free cash {free}");
        let reserved: Usd = book.orders.iter().map(|record| record.reserved()).sum();
        assert_eq!(book.cash.reserved, reserved, "the running sum of reservations");
        for record in book.orders.iter().filter(|r| r.state == OrderState::NotPlaced) {
            let placed = self.venue.orders.get(&record.order.order_id);
            assert!(placed.is_none(), "order {} was called not placed, the venue has it", record.order.order_id);
        }
    }

    /// Faults have stopped: everything is known, equal to the venue, and the same when replayed.
    pub(super) fn check_settled(&mut self) {
        assert!(self.engine.is_some() && self.risk.is_some(), "both processes are up in the end");
        let Some(engine) = &self.engine else { return };
        let book = engine.book();
        for published in &self.signals {
            assert!(published.acked, "signal {} was never answered", published.signal.signal_id);
        }
        for record in book.orders.iter() {
            assert!(record.is_done(), "order {} is still {:?}, filled {}", record.order.order_id, record.state, record.filled);
            let at_venue = self.venue.orders.get(&record.order.order_id).map_or(Quantity::ZERO, |placed| placed.filled);
            assert_eq!(record.filled, at_venue, "fills of order {}", record.order.order_id);
        }
        for (key, held) in &self.venue.held {
            let ours = book
                .positions
                .get(key)
                .map_or(Quantity::ZERO, |p| if p.instrument.outcome == Outcome::Yes { p.quantity } else { -p.quantity });
            assert_eq!(ours, *held, "position of {key}");
        }
        assert_eq!(book.cash.cash, self.venue.cash, "cash");
        assert_eq!(book.cash.reserved, Usd::ZERO, "reservations equal open orders afterwards");
        let mut replayed = Projections::default();
        for (recorded, _) in &self.log {
            replayed.fold(recorded).expect("folds");
        }
        assert_eq!(replayed.state_hash(), book.state_hash(), "replay equals life");
        let Some(risk) = &self.risk else { return };
        assert_eq!(risk.granted().count(), 0, "grants left over");
        assert!(risk.diverged().is_none(), "risk thinks that histories differ");
        let ids: BTreeSet<_> = self
            .log
            .iter()
            .filter_map(|(r, _)| match &r.event {
                Event::OrderRequested { order_id, .. } => Some(*order_id),
                _ => None,
            })
            .collect();
        let count = self.log.iter().filter(|(r, _)| matches!(r.event, Event::OrderRequested { .. })).count();
        assert_eq!(ids.len(), count, "an order was requested twice");
    }
}
