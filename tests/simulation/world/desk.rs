//! The way to the venues and back: requests arrive, answers travel, news come early, late, twice or not at all.

use arbees::domain::ids::{OrderId, VenueOrderId};
use arbees::domain::market::{BookKey, Venue};
use arbees::domain::money::Usd;
use arbees::domain::order::{Action, Order};
use arbees::domain::report::{CancelOutcome, Description, FillSettlement, LookUp, SubmitOutcome, VenueMode, VenueNews};
use arbees::domain::signed::SignedOrder;
use arbees::engine::Input;

use super::{Message, STALE_MS, VERDICT_LIVES_MS, World, traffic};
use crate::faults::Class;
use crate::holds;
use crate::ledger::Phase;
use crate::toy_signature::sign;

impl World {
    /// Signed beside the verdict; the name at the venue follows from what is signed.
    pub(super) fn prepare(&mut self, order: Order) {
        let order_id = order.order_id;
        let signed = if self.strikes(Class::PrepareFails) { Err("the key is locked".to_owned()) } else { Ok(Box::new(sign(&order))) };
        let wait = self.dice.between(0, 20);
        self.tell_engine(wait, Input::Prepared { order_id, signed });
    }

    pub(super) fn submit(&mut self, order: Order, attempt: u32, signed: Option<Box<SignedOrder>>) {
        self.check_send(&order, attempt, signed.as_deref());
        self.sent.insert(order.order_id);
        let late = self.strikes(Class::LateArrival);
        let wait = if late { self.dice.between(100, STALE_MS - 1) } else { self.dice.between(1, 30) };
        let lost = self.strikes(Class::LoseRequest);
        if lost || late {
            let why = if lost { "timeout" } else { "timeout, still travelling" }.to_owned();
            self.tell_engine(60, Input::Submitted { order_id: order.order_id, attempt, outcome: SubmitOutcome::Unknown { why } });
        }
        if !lost {
            let (life, sent_ms) = (self.engine_life, self.clock_ms);
            self.push(wait, Message::ArriveSubmit { life, sent_ms, order: Box::new(order), attempt, signed });
        }
    }

    fn check_send(&mut self, order: &Order, attempt: u32, signed: Option<&SignedOrder>) {
        let id = order.order_id;
        let recorded = self.submits.get(&(id, attempt)).is_some_and(|at| *at < self.durable);
        holds!(recorded, "§3.2: order {id} attempt {attempt} sent before its record was durable");
        let now = self.now();
        holds!(now.wall < order.expires_at, "§6: order {id} sent after its signal had expired");
        holds!(!(self.kill_wanted && order.action == Action::Buy), "§3.11: order {id} sent after a kill was asked for");
        let asked = self.asked.get(&id);
        // The reduce rule counts its second from when risk was given up on.
        let lives_ms = if order.action == Action::Buy { VERDICT_LIVES_MS } else { VERDICT_LIVES_MS + 200 };
        let in_time = asked.is_none_or(|asked| now.mono < asked.plus_ms(lives_ms));
        holds!(attempt > 1 || in_time, "§2.3: order {id} sent long after its verdict had died");
        self.ledger.check_send(order);
        if let Some(signed) = signed {
            holds!(*signed == sign(order), "§3.2: order {id} attempt {attempt} sends other bytes than were signed for it");
        }
    }

    pub(super) fn arrive_submit(&mut self, life: u64, sent_ms: i64, order: &Order, attempt: u32, signed: Option<&SignedOrder>) {
        let (venue, id) = (order.instrument.venue, order.order_id);
        let outcome = if self.clock_ms - sent_ms > STALE_MS {
            SubmitOutcome::Rejected { code: "timestamp_expired".into(), message: "too old".into() }
        } else if self.strikes(Class::RateLimit) {
            SubmitOutcome::NotProcessed { why: "429".into(), retry_after_ms: self.dice.between(20, 400) }
        } else if self.venues[&venue].paused {
            SubmitOutcome::NotProcessed { why: "425: restarting".into(), retry_after_ms: 500 }
        } else if self.strikes(Class::Reject) && !self.venues[&venue].orders.contains_key(&id) {
            SubmitOutcome::Rejected { code: "no".into(), message: "not today".into() }
        } else {
            self.take_order(order, signed.map(|signed| &signed.venue_order_id))
        };
        let outcome = if self.strikes(Class::LoseReply) { SubmitOutcome::Unknown { why: "503".into() } } else { outcome };
        let wait = self.dice.between(1, 60);
        self.push(wait, Message::ToEngine(life, Box::new(Input::Submitted { order_id: id, attempt, outcome })));
    }

    fn take_order(&mut self, order: &Order, name: Option<&VenueOrderId>) -> SubmitOutcome {
        let (venue, now, id) = (order.instrument.venue, self.true_time(), order.order_id);
        let was_there = self.venues[&venue].orders.contains_key(&id);
        let at_venue = self.venues.get_mut(&venue).expect("a venue");
        let (outcome, trades) = at_venue.submit(order, name, now, &mut self.dice);
        if !was_there && self.venues[&venue].orders.contains_key(&id) {
            self.check_placed(order);
        }
        for index in trades {
            self.traded(venue, index);
        }
        if self.venues[&venue].orders.get(&id).is_some_and(|placed| placed.ended.is_some()) {
            self.ended_news(venue, id);
        }
        outcome
    }

    /// What has just been placed is wanted by the log, once, and paid for.
    fn check_placed(&mut self, order: &Order) {
        let (venue, id) = (order.instrument.venue, order.order_id);
        let told = self.ledger.orders.get(&id);
        holds!(told.is_some(), "§3.2: the venue has order {id}, which the log doesn't know");
        let given_up = told.is_some_and(|told| matches!(told.phase, Phase::NotPlaced | Phase::Rejected));
        holds!(!given_up, "§3.4: order {id} is placed after the log had closed it as {:?}", told.map(|told| told.phase));
        let at_venue = &self.venues[&venue];
        let same = at_venue.orders.values().filter(|placed| placed.ours && placed.order.signal_id == order.signal_id);
        let same = same.filter(|placed| placed.order.revision == order.revision).count();
        holds!(same == 1, "§3.2: {same} orders at the venue for signal {}", order.signal_id);
        if order.action == Action::Buy && !at_venue.touched {
            let free = at_venue.cash - at_venue.committed() - at_venue.in_the_air(&order.instrument.book_key()).1;
            holds!(free >= Usd::ZERO, "§6: the account at {venue} is ${} short with order {id}", -free);
        }
    }

    /// A trade has happened: the stream tells it, and at Polymarket it has an end to come.
    pub(super) fn traded(&mut self, venue: Venue, index: usize) {
        let with_fee = venue.nets_outcomes() || !self.strikes(Class::FeeUnknown);
        let trade = &self.venues[&venue].trades[index];
        let told = trade.told(trade.standing(), venue.nets_outcomes(), with_fee);
        if trade.standing() == FillSettlement::Provisional {
            let wait = self.dice.between(50, 2_500);
            self.push(wait, Message::Conclude(venue, index));
        }
        self.news(VenueNews::Traded(Box::new(told)));
    }

    pub(super) fn conclude(&mut self, venue: Venue, index: usize) {
        let (now, holds) = (self.true_time(), !self.strikes(Class::FailTrade));
        let at_venue = self.venues.get_mut(&venue).expect("a venue");
        at_venue.conclude(index, holds, now);
        let trade = &self.venues[&venue].trades[index];
        let told = trade.told(trade.standing(), false, true);
        self.news(VenueNews::Traded(Box::new(told)));
    }

    pub(super) fn ended_news(&mut self, venue: Venue, order_id: OrderId) {
        let at_venue = &self.venues[&venue];
        let listed = at_venue.listed(&at_venue.orders[&order_id], self.true_time());
        self.news(VenueNews::Listed(Box::new(listed)));
    }

    /// Over the stream: nothing while it is down.
    pub(super) fn news(&mut self, news: VenueNews) {
        let venue = match &news {
            VenueNews::Traded(fill) => fill.key.venue,
            VenueNews::Listed(order) => order.key.venue,
            VenueNews::Settled(settled) => settled.key.venue,
            VenueNews::Quote { key, .. } => key.venue,
            VenueNews::Market(market) => market.key.venue,
            _ => return,
        };
        if !self.streams.get(&venue).copied().unwrap_or(false) || self.strikes(Class::DropNews) {
            return;
        }
        let wait = if self.strikes(Class::DelayNews) { self.dice.between(100, 1_500) } else { self.dice.between(0, 60) };
        if self.strikes(Class::RepeatNews) {
            let again = self.dice.between(1, 1_500);
            self.tell_engine(again, Input::Venue(Box::new(news.clone())));
        }
        self.tell_engine(wait, Input::Venue(Box::new(news)));
    }

    pub(super) fn mode(&mut self, wait: i64, venue: Venue, mode: VenueMode, why: &str) {
        self.tell_engine(wait, Input::Venue(Box::new(VenueNews::Mode { venue, mode, why: why.into() })));
    }

    pub(super) fn stream_up(&mut self, life: u64, venue: Venue) {
        if life != self.engine_life || self.engine.is_none() {
            return;
        }
        self.streams.insert(venue, true);
        if !self.venues[&venue].paused {
            self.mode(0, venue, VenueMode::Reconciling, "the stream is up; the account is being read");
        }
        self.push(1, Message::ReadAccount(life, venue));
    }

    pub(super) fn break_stream(&mut self, venue: Venue) {
        self.streams.insert(venue, false);
        if !self.venues[&venue].paused {
            self.mode(0, venue, VenueMode::Reconciling, "the stream broke");
        }
        let wait = self.dice.between(50, 2_000);
        self.push(wait, Message::StreamUp(self.engine_life, venue));
    }

    pub(super) fn pause(&mut self, venue: Venue) {
        self.venues.get_mut(&venue).expect("a venue").paused = true;
        self.mode(5, venue, VenueMode::CancelOnly, "the venue restarts");
        let wait = self.dice.between(200, 2_500);
        self.push(wait, Message::Resume(venue));
    }

    pub(super) fn resume(&mut self, venue: Venue) {
        self.venues.get_mut(&venue).expect("a venue").paused = false;
        if self.engine.is_some() {
            self.mode(5, venue, VenueMode::Reconciling, "it takes orders again; the account is being read");
            self.push(10, Message::ReadAccount(self.engine_life, venue));
        }
    }

    pub(super) fn arrive_cancel(&mut self, life: u64, order: &Order) {
        let (venue, id, now) = (order.instrument.venue, order.order_id, self.true_time());
        let outcome = self.venues.get_mut(&venue).expect("a venue").cancel(&id, now);
        let outcome = if self.strikes(Class::LoseReply) { CancelOutcome::Unknown { why: "reply lost".into() } } else { outcome };
        if self.venues[&venue].orders.contains_key(&id) {
            self.ended_news(venue, id);
        }
        let wait = self.dice.between(1, 60);
        self.push(wait, Message::ToEngine(life, Box::new(Input::CancelAnswered { order_id: id, outcome })));
    }

    pub(super) fn lost_cancel(&mut self, order_id: OrderId) {
        self.tell_engine(60, Input::CancelAnswered { order_id, outcome: CancelOutcome::Unknown { why: "timeout".into() } });
    }

    fn lag_ms(&mut self) -> i64 {
        if self.strikes(Class::ReadLag) { self.dice.between(50, 1_200) } else { 0 }
    }

    pub(super) fn look_up(&mut self, life: u64, order: &Order) {
        let begun_at = self.now().wall;
        let as_of = self.true_time().plus_ms(-self.lag_ms());
        let (found, fills) = self.venues[&order.instrument.venue].look_up(order, as_of);
        let lost = self.strikes(Class::LoseRead);
        for fill in fills.into_iter().filter(|_| !lost) {
            self.push(1, Message::ToEngine(life, Box::new(Input::Venue(Box::new(VenueNews::Traded(Box::new(fill)))))));
        }
        let found = if lost { LookUp::Incomplete { why: "second page lost".into() } } else { found };
        self.push(2, Message::ToEngine(life, Box::new(Input::LookedUp { order_id: order.order_id, begun_at, found })));
    }

    pub(super) fn identify(&mut self, life: u64, key: BookKey, name: VenueOrderId) {
        let at_venue = &self.venues[&key.venue];
        let placed = at_venue.orders.values().find(|placed| placed.name == name);
        let found = placed.map(|placed| at_venue.listed(placed, self.true_time()));
        let found = if self.strikes(Class::LoseRead) { Err("lost".to_owned()) } else { Ok(found) };
        self.push(2, Message::ToEngine(life, Box::new(Input::Identified { key, venue_order_id: name, found })));
    }

    pub(super) fn describe(&mut self, life: u64, key: BookKey) {
        let found = if self.strikes(Class::DescribeFails) {
            Err("no such market today".to_owned())
        } else {
            Ok(Description { markets: traffic::markets_of(&key, &self.venues[&key.venue]) })
        };
        self.push(2, Message::ToEngine(life, Box::new(Input::Described { key, found })));
    }

    /// The whole account; then again before long.
    pub(super) fn read_account(&mut self, life: u64, venue: Venue) {
        if life != self.engine_life || self.engine.is_none() {
            return;
        }
        let (begun_at, lag) = (self.now().wall, self.lag_ms());
        let reading = self.venues[&venue].account(begun_at, self.true_time().plus_ms(-lag));
        let lost = self.strikes(Class::LoseRead);
        if !lost && !self.venues[&venue].paused {
            let wait = self.dice.between(2, 40);
            self.tell_engine(wait, Input::Venue(Box::new(VenueNews::Account(Box::new(reading)))));
        }
        let waits = self.queue.values().any(|message| matches!(message, Message::ReadAccount(of, one) if *of == life && *one == venue));
        if !waits {
            let again = if lost { 200 } else { self.dice.between(900, 2_500) };
            self.push(again, Message::ReadAccount(life, venue));
        }
    }
}
