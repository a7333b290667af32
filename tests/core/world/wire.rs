//! The way to the venue and back: requests arrive, answers travel, news come early, late, twice; operators act.

use arbees::domain::ids::OrderId;
use arbees::domain::money::Quantity;
use arbees::domain::order::Order;
use arbees::domain::report::{CancelOutcome, LookUp, SubmitOutcome, VenueNews, VenueState};
use arbees::domain::time::Time;
use arbees::engine::{Command, Input};

use super::{Message, World};

impl World {
    fn news(&mut self, life: u64, news: Vec<VenueNews>) {
        for one in news {
            if self.dice.per_mille(self.faults.drop_news) && matches!(one, VenueNews::Fill(_)) {
                // REST will show it: every fill is repeated by some later reading.
                let wait = self.dice.between(500, 2_500);
                self.push(wait, Message::ToEngine(life, Box::new(Input::Venue(Box::new(one)))));
                continue;
            }
            let wait = self.dice.between(0, 60);
            self.push(wait, Message::ToEngine(life, Box::new(Input::Venue(Box::new(one.clone())))));
            if self.dice.per_mille(self.faults.repeat_news) {
                let again = self.dice.between(1, 800);
                self.push(again, Message::ToEngine(life, Box::new(Input::Venue(Box::new(one)))));
            }
        }
    }

    pub(super) fn arrive_submit(&mut self, life: u64, order: &Order, attempt: u32) {
        let now = self.now().wall;
        let (outcome, news) = self.venue.submit(order, now, &mut self.dice, self.faults.reject);
        let life_now = self.engine_life;
        self.news(life_now, news);
        let wait = self.dice.between(1, 60);
        let lost = self.dice.per_mille(self.faults.lose_reply);
        let outcome = if lost { SubmitOutcome::Unknown { why: "reply lost".into() } } else { outcome };
        let input = Input::Submitted { order_id: order.order_id, attempt, outcome };
        self.push(wait, Message::ToEngine(life, Box::new(input)));
    }

    pub(super) fn arrive_cancel(&mut self, life: u64, order_id: OrderId) {
        let outcome = self.venue.cancel(order_id);
        let wait = self.dice.between(1, 60);
        let outcome =
            if self.dice.per_mille(self.faults.lose_reply) { CancelOutcome::Unknown { why: "reply lost".into() } } else { outcome };
        self.push(wait, Message::ToEngine(life, Box::new(Input::CancelAnswered { order_id, outcome })));
    }

    pub(super) fn look_up(&mut self, life: u64, order: &Order) {
        let begun_at = self.now().wall;
        let lag = self.dice.between(0, 200);
        let (found, fills) = self.venue.look_up(order, begun_at.plus_ms(-lag));
        for fill in fills {
            self.push(1, Message::ToEngine(life, Box::new(Input::Venue(Box::new(fill)))));
        }
        let lost = self.dice.per_mille(self.faults.lose_reply);
        let found = if lost { LookUp::Incomplete { why: "second page lost".into() } } else { found };
        self.push(2, Message::ToEngine(life, Box::new(Input::LookedUp { order_id: order.order_id, begun_at, found })));
    }

    /// Resting orders fill, expire; operators act.
    pub(super) fn market_moves(&mut self) {
        let now = self.now().wall;
        let resting: Vec<(OrderId, Time)> = self
            .venue
            .orders
            .values()
            .filter(|r| r.state == VenueState::Resting)
            .map(|r| (r.order.order_id, r.order.venue_expires_at))
            .collect();
        let life = self.engine_life;
        for (order_id, venue_expires_at) in resting {
            let news = if now >= venue_expires_at {
                self.venue.end(order_id, VenueState::Expired, now)
            } else if self.dice.per_mille(60) {
                let quantity = Quantity::whole(self.dice.between(1, 40));
                self.venue.fill(order_id, quantity, now)
            } else {
                None
            };
            self.news(life, news.into_iter().collect());
        }
        if self.dice.per_mille(self.faults.operator) {
            let command = match self.dice.below(3) {
                0 => Command::Kill { reason: "test".into() },
                1 => Command::ClearKill { reason: "test".into() },
                _ => Command::CancelAll,
            };
            let kill = matches!(command, Command::Kill { .. });
            let clear = matches!(command, Command::ClearKill { .. });
            if self.engine.is_some() {
                if kill {
                    self.killed_at = Some(self.clock_ms);
                }
                self.engine_step(Input::Operator { ticket: 0, by: "operator".into(), command });
                let on = self.engine.as_ref().is_some_and(|engine| engine.is_killed());
                if clear && !on && self.engine.is_some() {
                    self.killed_at = None;
                }
            }
        }
        self.push(37, Message::MarketMoves);
    }
}
