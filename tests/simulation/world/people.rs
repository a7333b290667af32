//! The markets, operators and strangers.

use arbees::domain::event::Scope;
use arbees::domain::ids::{OrderId, SignalId};
use arbees::domain::market::{BookKey, Instrument, Outcome, Settlement, Venue};
use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::{Action, Order, TimeInForce};
use arbees::domain::report::{VenueNews, VenueSettlement, VenueState};
use arbees::engine::{Command, Input, plain_groups};

use super::{Message, World, traffic};
use crate::faults::Class;

impl World {
    /// Prices walk, resting orders fill and expire, streams break, people act.
    pub(super) fn markets_move(&mut self) {
        for price in 0..self.prices.len() {
            let step = self.dice.between(-3, 3);
            self.prices[price] = (self.prices[price] + step).clamp(8, 92);
        }
        for venue in [Venue::Kalshi, Venue::Polymarket] {
            self.resting_orders_move(venue);
            if self.strikes(Class::StreamBreak) && self.streams.get(&venue) == Some(&true) {
                self.break_stream(venue);
            }
            if !self.venues[&venue].paused && self.strikes(Class::VenuePause) {
                self.pause(venue);
            }
            if self.strikes(Class::External) {
                self.trade_by_hand(venue);
            }
        }
        self.quotes();
        if self.strikes(Class::MarketEnds) {
            self.end_a_market();
        }
        self.settle_what_closed();
        if self.strikes(Class::Operator) {
            self.operate();
        }
        // The publisher goes on from where its reader is.
        if self.clock_ms > self.faults_end
            && let Some(behind) = self.risk.as_ref().map(|risk| risk.book().seq).filter(|seq| *seq < self.durable as u64)
        {
            self.fetch(behind + 1);
        }
        let pause = if self.clock_ms > self.faults_end { 400 } else { 150 };
        self.push(pause, Message::MarketsMove);
    }

    fn resting_orders_move(&mut self, venue: Venue) {
        let now = self.true_time();
        let resting = self.venues[&venue].orders.values().filter(|placed| placed.ended.is_none());
        let resting: Vec<(OrderId, arbees::domain::time::Time)> =
            resting.map(|placed| (placed.order.order_id, placed.order.venue_expires_at)).collect();
        for (order_id, expires_at) in resting {
            let at_venue = self.venues.get_mut(&venue).expect("a venue");
            if now >= expires_at {
                at_venue.end(&order_id, VenueState::Expired, now);
                self.ended_news(venue, order_id);
            } else if self.dice.per_mille(80) {
                let quantity = Quantity::whole(self.dice.between(1, 20));
                let at_venue = self.venues.get_mut(&venue).expect("a venue");
                let trade = at_venue.fill(&order_id, quantity, now, &mut self.dice);
                if let Some(index) = trade {
                    self.traded(venue, index);
                }
                if !self.venues[&venue].is_resting(&order_id) {
                    self.ended_news(venue, order_id);
                }
            }
        }
    }

    fn quotes(&mut self) {
        let watched: Vec<BookKey> = self.watched.iter().cloned().collect();
        let at = self.now().wall;
        for key in watched {
            if self.dice.per_mille(110) {
                let quote = traffic::quote_of(&key, &self.prices);
                self.news(VenueNews::Quote { key, quote, at });
            }
        }
    }

    /// An order placed on the website of the venue; it may fill at once, rest, or be taken back.
    fn trade_by_hand(&mut self, venue: Venue) {
        let now = self.true_time();
        let game = self.dice.below(traffic::GAMES as u64) as usize;
        let instrument = traffic::instrument(venue, game, self.dice.below(2), Outcome::Yes);
        // What an account holds before it is taken over needs a person: tests/core has that.
        let opened = self.ledger.is_opened(venue) && self.durable == self.log.len();
        if self.venues[&venue].closed.contains(&instrument.market) || !opened {
            return;
        }
        let name = self.venues.get_mut(&venue).expect("a venue").hand_name();
        let order = by_hand(venue, &name, instrument, Quantity::whole(self.dice.between(1, 9)), now);
        let (order_id, quantity) = (order.order_id, order.quantity);
        let at_venue = self.venues.get_mut(&venue).expect("a venue");
        at_venue.by_hand(order, name, now);
        if self.dice.per_mille(600) {
            let at_venue = self.venues.get_mut(&venue).expect("a venue");
            if let Some(index) = at_venue.fill(&order_id, quantity, now, &mut self.dice) {
                self.traded(venue, index);
            }
        }
        self.ended_news(venue, order_id);
    }

    /// The market takes no orders any more; what rests is cancelled.
    fn end_a_market(&mut self) {
        let venue = if self.dice.per_mille(500) { Venue::Kalshi } else { Venue::Polymarket };
        let game = self.dice.below(traffic::GAMES as u64) as usize;
        let now = self.true_time();
        for team in 0..2 {
            let market = traffic::instrument(venue, game, team, Outcome::Yes).market;
            let at_venue = self.venues.get_mut(&venue).expect("a venue");
            at_venue.closed.insert(market.clone());
            let resting = at_venue.orders.values().filter(|placed| placed.ended.is_none() && placed.order.instrument.market == market);
            let resting: Vec<OrderId> = resting.map(|placed| placed.order.order_id).collect();
            for order_id in resting {
                self.venues.get_mut(&venue).expect("a venue").end(&order_id, VenueState::Canceled, now);
                self.ended_news(venue, order_id);
            }
            for key in traffic::books(venue, game, team) {
                for market in traffic::markets_of(&key, &self.venues[&venue]) {
                    self.news(VenueNews::Market(market));
                }
            }
        }
    }

    /// Closed markets pay out once nothing of them is in the air, some time later.
    fn settle_what_closed(&mut self) {
        for venue in [Venue::Kalshi, Venue::Polymarket] {
            let closed = !self.venues[&venue].closed.is_empty();
            for game in (0..traffic::GAMES).filter(|_| closed) {
                if self.dice.per_mille(150) {
                    self.settle(venue, game);
                }
            }
            if self.dice.per_mille(100) {
                let now = self.true_time();
                let at_venue = self.venues.get_mut(&venue).expect("a venue");
                if let Some(key) = at_venue.unredeemed.keys().next().cloned() {
                    at_venue.redeem(&key, now);
                }
            }
        }
    }

    fn settle(&mut self, venue: Venue, game: usize) {
        let first = traffic::instrument(venue, game, 0, Outcome::Yes);
        let at_venue = &self.venues[&venue];
        let books = || (0..2).flat_map(move |team| traffic::books(venue, game, team)).enumerate();
        let in_the_air = at_venue.trades.iter().any(|trade| trade.steps.len() < 2 && books().any(|(_, key)| key == trade.key));
        let waits = in_the_air && venue == Venue::Polymarket;
        if !at_venue.closed.contains(&first.market) || at_venue.settled.contains_key(&first.book_key()) || waits {
            return;
        }
        let (now, yes) = (self.true_time(), self.dice.below(5));
        for (index, key) in books() {
            // The teams of a game: one wins. The tokens of a condition are told its YES result.
            let won = if venue == Venue::Kalshi && index == 1 { yes % 2 == 1 } else { yes % 2 == 0 };
            let settlement = match (yes, won) {
                (4, _) => Settlement::Scalar(Price::from_micros(500_000)),
                (_, true) => Settlement::Yes,
                (_, false) => Settlement::No,
            };
            let outcome = if venue == Venue::Polymarket && index % 2 == 1 { Outcome::No } else { Outcome::Yes };
            self.venues.get_mut(&venue).expect("a venue").settle(&key, outcome, settlement, now);
            let settled = VenueSettlement { key, settlement, revenue: Default::default(), fee: Default::default(), at: now };
            self.news(VenueNews::Settled(Box::new(settled)));
        }
    }

    fn operate(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let reason = "test".to_owned();
        let open: Vec<Scope> = self.ledger.breakers.keys().cloned().collect();
        let command = match self.dice.below(7) {
            0..3 if self.ledger.kill => Command::ClearKill { reason },
            0 => Command::Kill { reason },
            3 => Command::CancelAll,
            4 => Command::Reconcile { venue: None },
            5 if !open.is_empty() => Command::ResetBreaker { scope: open[self.dice.below(open.len() as u64) as usize].clone(), reason },
            _ => return self.stop(),
        };
        self.command(command);
    }

    pub(super) fn command(&mut self, command: Command) {
        self.trace(|| format!("OPERATOR {command:?}"));
        let (kills, clears) = (matches!(command, Command::Kill { .. }), matches!(command, Command::ClearKill { .. }));
        self.kill_wanted |= kills;
        self.engine_step(Input::Operator { ticket: 0, by: "operator".into(), command });
        if clears && self.engine.as_ref().is_some_and(|engine| !engine.is_killed()) {
            self.kill_wanted = false;
        }
    }

    /// A deliberate end: the process is asked to stop, at once or after it has drained for a while, and comes back.
    fn stop(&mut self) {
        if self.draining || self.dice.per_mille(400) {
            return self.stop_now();
        }
        let cancel_resting = self.dice.per_mille(700);
        self.draining = true;
        self.engine_step(Input::Drain { cancel_resting });
        let wait = self.dice.between(1, 1_500);
        self.push(wait, Message::StopEngine(self.engine_life));
    }

    pub(super) fn stop_now(&mut self) {
        self.engine_step(Input::Stop);
        let upto = self.log.len();
        self.sync(upto);
        self.crash_engine(true);
    }

    /// Faults are over: what people have put in the way they take away again.
    pub(super) fn people_finish(&mut self) {
        if self.people_done || self.engine.is_none() {
            return;
        }
        self.people_done = true;
        let now = self.true_time();
        for venue in [Venue::Kalshi, Venue::Polymarket] {
            let resting = self.venues[&venue].orders.values().filter(|placed| placed.ended.is_none() && !placed.ours);
            let resting: Vec<OrderId> = resting.map(|placed| placed.order.order_id).collect();
            for order_id in resting {
                self.venues.get_mut(&venue).expect("a venue").end(&order_id, VenueState::Canceled, now);
                self.ended_news(venue, order_id);
            }
        }
        self.command(Command::CancelAll);
    }
}

fn by_hand(
    venue: Venue,
    name: &arbees::domain::ids::VenueOrderId,
    instrument: Instrument,
    quantity: Quantity,
    now: arbees::domain::time::Time,
) -> Order {
    let ends_at = now.plus_ms(20_000);
    Order {
        order_id: OrderId::external(venue.as_str(), name),
        signal_id: SignalId::new("external").expect("id"),
        revision: 0,
        groups: plain_groups(&instrument),
        instrument,
        action: Action::Buy,
        quantity,
        limit: Price::from_micros(400_000),
        tif: TimeInForce::Gtc,
        expires_at: ends_at,
        venue_expires_at: ends_at,
        created_at: None,
        fee: traffic::FEE,
    }
}
