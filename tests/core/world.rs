//! One queue, one clock, one seed. Every message takes its time, may be lost, repeated or overtaken; a crash drops
//! what was in the air and the unsynced tail of the log.

use std::collections::{BTreeMap, BTreeSet};

use arbees::domain::answer::AnswerKind;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{GameId, Hash, Instance, LogId, MarketId, Mode, OrderId, SignalId, sha256};
use arbees::domain::limits::Limits;
use arbees::domain::market::{Outcome, Quote, Venue};
use arbees::domain::money::{Edge, Price, Probability, Quantity, Usd};
use arbees::domain::order::{Action, Order, OrderState, TimeInForce};
use arbees::domain::report::{CancelOutcome, LookUp, SubmitOutcome, VenueNews, VenueState};
use arbees::domain::signal::{Intent, Parsed, Signal, Size};
use arbees::domain::time::{Mono, Now, Time};
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Command, Earlier, Effect, Engine, Input, Settings, SignalInput, Start};
use arbees::projections::Projections;
use arbees::risk::{self, Risk};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::dice::Dice;
use crate::toy_venue::ToyVenue;

const STALE_MS: i64 = 3_000;
const START_MS: i64 = 1_769_562_842_000;

/// How often each fault strikes, in thousandths.
#[derive(Clone, Debug)]
pub struct Faults {
    pub lose_request: u64,
    pub lose_reply: u64,
    pub late_arrival: u64,
    pub repeat_news: u64,
    pub drop_news: u64,
    pub reject: u64,
    pub engine_crash: u64,
    pub risk_crash: u64,
    pub drop_verdict: u64,
    pub drop_record: u64,
    pub redeliver: u64,
    pub operator: u64,
}

impl Faults {
    fn roll(dice: &mut Dice) -> Self {
        // Each seed switches each class on or off, with an intensity of its own.
        let mut chance = |most: u64| if dice.per_mille(500) { dice.below(most) } else { 0 };
        Self {
            lose_request: chance(200),
            lose_reply: chance(300),
            late_arrival: chance(200),
            repeat_news: chance(300),
            drop_news: chance(200),
            reject: chance(150),
            engine_crash: chance(12),
            risk_crash: chance(8),
            drop_verdict: chance(150),
            drop_record: chance(150),
            redeliver: chance(200),
            operator: chance(8),
        }
    }

    fn none() -> Self {
        let zero = 0;
        Self {
            lose_request: zero,
            lose_reply: zero,
            late_arrival: zero,
            repeat_news: zero,
            drop_news: zero,
            reject: zero,
            engine_crash: zero,
            risk_crash: zero,
            drop_verdict: zero,
            drop_record: zero,
            redeliver: zero,
            operator: zero,
        }
    }
}

#[derive(Clone, Debug)]
enum Message {
    ToEngine(u64, Box<Input>),
    ToRisk(u64, Box<risk::Input>),
    Sync(u64, u64),
    Deliver(usize),
    ArriveSubmit(u64, Box<Order>, u32),
    ArriveCancel(u64, OrderId),
    LookUp(u64, Box<Order>),
    MarketMoves,
    RestartEngine,
    RestartRisk,
}

struct Published {
    signal: Signal,
    acked: bool,
}

pub struct World {
    dice: Dice,
    faults: Faults,
    clock_ms: i64,
    count: u64,
    queue: BTreeMap<(i64, u64), Message>,
    key: Ed25519KeyPair,
    log: Vec<(Recorded, Hash)>,
    /// Where each attempt to send stands in the log.
    submits: BTreeMap<(OrderId, u32), usize>,
    /// The on-disk index: where each signal's first answer stands.
    answers: BTreeMap<SignalId, usize>,
    vetoes: BTreeMap<OrderId, usize>,
    tick_at: Option<i64>,
    /// What the last check looked at: the same again needs no second look.
    checked: (u64, u64, usize),
    durable: usize,
    log_id: LogId,
    engine: Option<Engine>,
    engine_life: u64,
    risk: Option<Risk>,
    risk_life: u64,
    pub venue: ToyVenue,
    signals: Vec<Published>,
    /// As the on-disk index: the first logged answer of each signal.
    killed_at: Option<i64>,
    pub steps: u64,
    pub crashes: u64,
    pub seen: BTreeMap<&'static str, u64>,
    pub trace: Vec<String>,
    pub tracing: bool,
}

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
    }
}

fn key_of(seed: u64) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&sha256(&[&seed.to_be_bytes()]).0).expect("key")
}

impl World {
    pub fn new(seed: u64, tracing: bool) -> Self {
        let mut dice = Dice::new(seed);
        let faults = Faults::roll(&mut dice);
        let mut world = Self {
            faults,
            dice,
            clock_ms: 0,
            count: 0,
            queue: BTreeMap::new(),
            key: key_of(seed),
            log: Vec::new(),
            submits: BTreeMap::new(),
            answers: BTreeMap::new(),
            vetoes: BTreeMap::new(),
            tick_at: None,
            checked: (0, 0, 0),
            durable: 0,
            log_id: LogId([7; 16]),
            engine: None,
            engine_life: 0,
            risk: None,
            risk_life: 0,
            venue: ToyVenue { cash: Usd::parse("1000").expect("cash"), ..ToyVenue::default() },
            signals: Vec::new(),
            killed_at: None,
            steps: 0,
            crashes: 0,
            seen: BTreeMap::new(),
            trace: Vec::new(),
            tracing,
        };
        world.push(0, Message::RestartRisk);
        world.push(0, Message::RestartEngine);
        world.push(5, Message::MarketMoves);
        world
    }

    fn now(&self) -> Now {
        Now { wall: Time::from_ms(START_MS + self.clock_ms), mono: Mono(self.clock_ms * 1_000_000) }
    }

    fn push(&mut self, after_ms: i64, message: Message) {
        self.count += 1;
        self.queue.insert((self.clock_ms + after_ms, self.count), message);
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            let line = format!("{:>7} ms  {}", self.clock_ms, text());
            println!("{line}");
            self.trace.push(line);
        }
    }

    /// Runs the faulty time, then the quiet time, then checks that everything has settled.
    pub fn run(&mut self) {
        let arrivals = 25 + self.dice.below(25) as usize;
        let mut at = 10;
        for _ in 0..arrivals {
            let signal = self.make_signal(at);
            self.signals.push(Published { signal, acked: false });
            let n = self.signals.len() - 1;
            self.push(at, Message::Deliver(n));
            at += self.dice.between(5, 400);
        }
        let faults_end = at;
        while let Some(((due, id), _)) = self.queue.first_key_value() {
            let (due, id) = (*due, *id);
            // The market's own movement is all that is left in the end.
            if due > faults_end + 200_000 || self.steps > 60_000 {
                break;
            }
            if due > faults_end {
                self.faults = Faults::none();
                if due > faults_end + 5_000 && self.is_quiet() {
                    break;
                }
            }
            let Some(message) = self.queue.remove(&(due, id)) else { break };
            self.clock_ms = self.clock_ms.max(due);
            self.handle(message);
            self.steps += 1;
            self.check();
            self.crash_sometimes();
        }
        self.check_settled();
    }

    /// Nothing is left but the market's own movement.
    fn is_quiet(&self) -> bool {
        let only_market = self.queue.values().all(|message| matches!(message, Message::MarketMoves));
        let idle = self
            .engine
            .as_ref()
            .is_some_and(|engine| engine.next_wake_ms(self.now()).is_none() && engine.book().orders.live().next().is_none());
        only_market && idle && self.risk.is_some()
    }

    fn make_signal(&mut self, at: i64) -> Signal {
        let n = self.signals.len();
        let game = self.dice.below(8);
        let team = self.dice.below(2);
        let closes = self.dice.per_mille(250);
        let side = if self.dice.per_mille(600) { Outcome::Yes } else { Outcome::No };
        let limit = Price::from_micros(self.dice.between(20, 70) * 10_000);
        let created = Time::from_ms(START_MS + at);
        let life = self.dice.between(300, 4_000);
        let tif = [None, Some(TimeInForce::Ioc), Some(TimeInForce::Fok), Some(TimeInForce::Gtd)][self.dice.below(4) as usize];
        let contracts = Size::Contracts(Quantity::whole(self.dice.between(1, 60)));
        let win = Probability::from_micros((limit.micros() + 150_000).min(970_000));
        Signal {
            signal_id: SignalId::new(&format!("s{n}")).expect("id"),
            venue: Venue::Kalshi,
            intent: if !closes {
                Intent::Open
            } else if self.dice.per_mille(500) {
                Intent::Close
            } else {
                Intent::Reduce
            },
            market_id: Some(MarketId::new(&format!("KXTEST-G{game}-T{team}")).expect("id")),
            token_id: None,
            side: Some(side),
            limit_price: Some(if closes { Price::from_micros(50_000) } else { limit }),
            ambiguous_price: false,
            size: (closes || self.dice.per_mille(600)).then_some(contracts),
            tif,
            model_prob: Some(if side == Outcome::Yes { win } else { win.complement() }),
            declared_edge: None,
            quote: Quote { bid: Some(limit), ask: Some(Price::from_micros(limit.micros() + 10_000)) },
            price_ts: Some(created),
            liquidity: None,
            game_id: Some(GameId::new(&format!("g{game}")).expect("id")),
            sport: Some("TEST".into()),
            kind: None,
            team: None,
            created_at: created,
            expires_at: created.plus_ms(life),
            pair: false,
            notes: BTreeMap::new(),
        }
    }

    fn handle(&mut self, message: Message) {
        self.note(|| {
            let mut text = format!("{message:?}");
            text.truncate(160);
            text
        });
        match message {
            Message::ToEngine(life, input) if life == self.engine_life => self.engine_step(*input),
            Message::ToRisk(life, input) if life == self.risk_life => self.risk_step(*input),
            Message::ToEngine(..) | Message::ToRisk(..) => {}
            Message::Sync(life, upto) if life == self.engine_life => self.sync(upto as usize),
            Message::Sync(..) => {}
            Message::Deliver(n) => self.deliver(n),
            Message::ArriveSubmit(life, order, attempt) => self.arrive_submit(life, &order, attempt),
            Message::ArriveCancel(life, order_id) => self.arrive_cancel(life, order_id),
            Message::LookUp(life, order) => self.look_up(life, &order),
            Message::MarketMoves => self.market_moves(),
            Message::RestartEngine => self.restart_engine(),
            Message::RestartRisk => self.restart_risk(),
        }
    }

    fn to_engine(&mut self, after_ms: i64, input: Input) {
        self.push(after_ms, Message::ToEngine(self.engine_life, Box::new(input)));
    }

    fn engine_step(&mut self, input: Input) {
        let now = self.now();
        let Some(engine) = &mut self.engine else { return };
        if self.tick_at.is_some_and(|at| at <= self.clock_ms) {
            self.tick_at = None;
        }
        let effects = engine.step(now, input);
        for effect in effects {
            // A crash between any two effects.
            if self.dice.per_mille(self.faults.engine_crash) {
                return self.crash_engine();
            }
            self.carry_out(effect);
        }
        self.wake_engine();
    }

    /// One tick at a time is on its way, the earliest that is wanted.
    fn wake_engine(&mut self) {
        let now = self.now();
        let Some(wait_ms) = self.engine.as_ref().and_then(|engine| engine.next_wake_ms(now)) else { return };
        let wait_ms = wait_ms.clamp(1, 500);
        let due = self.clock_ms + wait_ms;
        if self.tick_at.is_none_or(|at| due < at) {
            self.tick_at = Some(due);
            self.to_engine(wait_ms, Input::Tick);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append(records) => {
                for recorded in records {
                    *self.seen.entry(recorded.event.name()).or_default() += 1;
                    self.index(&recorded.event);
                    let prev = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
                    let bytes = rmp_serde::to_vec_named(&recorded).expect("encode");
                    self.log.push((recorded, sha256(&[&prev.0, &bytes])));
                }
                let wait = self.dice.between(0, 3);
                self.push(wait, Message::Sync(self.engine_life, self.log.len() as u64));
            }
            Effect::AskRisk { bytes, order_id, .. } => {
                let wait = self.dice.between(0, 40);
                if !self.dice.per_mille(self.faults.drop_verdict) {
                    let asker = u64::from_be_bytes(order_id.0[..8].try_into().expect("8 bytes"));
                    self.push(wait, Message::ToRisk(self.risk_life, Box::new(risk::Input::Request { asker, bytes })));
                }
            }
            Effect::Answer { answer, deliveries } => {
                for n in deliveries {
                    self.signals[n as usize].acked = true;
                }
                if matches!(answer.answer, AnswerKind::Requested | AnswerKind::Vetoed) {
                    let id = answer.signal_id.expect("answers of signals carry their id");
                    assert!(self.earlier(&id).is_some(), "an answer of {id} without a durable record");
                }
            }
            Effect::GiveBack { delivery } => self.push(50, Message::Deliver(delivery as usize)),
            Effect::DeadLetter { .. } | Effect::OperatorAnswer { .. } | Effect::MarketEnded { .. } | Effect::Restore { .. } => {}
            Effect::Submit { order, attempt, .. } => {
                let order = order.order().clone();
                self.check_send(&order, attempt);
                let late = self.dice.per_mille(self.faults.late_arrival);
                let wait = if late { self.dice.between(100, STALE_MS - 1) } else { self.dice.between(1, 30) };
                if self.dice.per_mille(self.faults.lose_request) {
                    let why = "timeout".to_owned();
                    self.to_engine(60, Input::Submitted { order_id: order.order_id, attempt, outcome: SubmitOutcome::Unknown { why } });
                } else {
                    if late {
                        let why = "timeout, still travelling".to_owned();
                        self.to_engine(60, Input::Submitted { order_id: order.order_id, attempt, outcome: SubmitOutcome::Unknown { why } });
                    }
                    self.push(wait, Message::ArriveSubmit(self.engine_life, Box::new(order), attempt));
                }
            }
            Effect::Cancel { order } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::ArriveCancel(self.engine_life, order.order_id));
            }
            Effect::LookUp { order } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::LookUp(self.engine_life, order));
            }
            Effect::Halt { why } => panic!("halted: {why}"),
        }
    }

    fn index(&mut self, event: &Event) {
        let at = self.log.len();
        match event {
            Event::SubmitStarted { order_id, attempt } => {
                self.submits.insert((*order_id, *attempt), at);
            }
            Event::OrderVetoed { order_id, .. } => {
                self.vetoes.insert(*order_id, at);
            }
            Event::OrderRequested { signal_id, .. } => {
                self.answers.entry(signal_id.clone()).or_insert(at);
            }
            _ => {}
        }
    }

    fn check_send(&self, order: &Order, attempt: u32) {
        let recorded = self.submits.get(&(order.order_id, attempt)).is_some_and(|at| *at < self.durable);
        assert!(recorded, "order {} attempt {attempt} sent before its record was durable", order.order_id);
        if order.action == Action::Buy {
            assert!(self.killed_at.is_none(), "an open was sent while the kill was on");
        }
        assert!(self.now().wall < order.expires_at, "an expired order was sent");
    }

    fn sync(&mut self, upto: usize) {
        if upto <= self.durable {
            return;
        }
        let from = self.durable;
        self.durable = upto;
        let (last, hash) = &self.log[upto - 1];
        let (seq, hash) = (last.seq, *hash);
        self.to_engine(0, Input::Durable { seq, hash });
        for index in from..upto {
            if !self.dice.per_mille(self.faults.drop_record) {
                let wait = self.dice.between(0, 15);
                self.publish(index, wait);
            }
        }
    }

    fn publish(&mut self, index: usize, wait: i64) {
        let (recorded, hash) = self.log[index].clone();
        let prev_hash = if index == 0 { Hash::ZERO } else { self.log[index - 1].1 };
        let input = risk::Input::Record { log_id: self.log_id, mode: Mode::Paper, prev_hash, hash, recorded: Box::new(recorded) };
        self.push(wait, Message::ToRisk(self.risk_life, Box::new(input)));
    }

    fn risk_step(&mut self, input: risk::Input) {
        let now = self.now();
        let Some(risk) = &mut self.risk else { return };
        let effects = risk.step(now, input);
        let wake = risk.next_wake();
        for effect in effects {
            match effect {
                risk::Effect::Answer { verdict, .. } => {
                    let wait = self.dice.between(0, 10);
                    if !self.dice.per_mille(self.faults.drop_verdict) {
                        let signed = SignedVerdict::sign(&verdict, &self.key);
                        self.to_engine(wait, Input::Verdict { order_id: verdict.order_id, signed: Some(signed) });
                    }
                }
                risk::Effect::Fetch { from_seq } => {
                    let head = self.durable as u64;
                    for seq in from_seq..=head {
                        self.publish(seq as usize - 1, 2);
                    }
                    let done = risk::Input::Fetched { log_id: self.log_id, head_seq: head };
                    self.push(3, Message::ToRisk(self.risk_life, Box::new(done)));
                }
                risk::Effect::AskTrip { scope, reason, observed, limit } => {
                    self.to_engine(1, Input::TripAsked { scope, reason, observed, limit })
                }
            }
        }
        if let Some(due) = wake {
            let wait = (due.0 / 1_000_000 - self.clock_ms).max(1);
            self.push(wait, Message::ToRisk(self.risk_life, Box::new(risk::Input::Tick)));
        }
    }

    /// The on-disk index: first logged answer of a signal in the durable log.
    fn earlier(&self, id: &SignalId) -> Option<Earlier> {
        let at = *self.answers.get(id).filter(|at| **at < self.durable)?;
        let Event::OrderRequested { order_id, content_hash, .. } = &self.log[at].0.event else { return None };
        let (order_id, content_hash) = (*order_id, *content_hash);
        let vetoed = self.vetoes.get(&order_id).is_some_and(|at| *at < self.durable);
        let answer = if vetoed { AnswerKind::Vetoed } else { AnswerKind::Requested };
        Some(Earlier { content_hash, answer, order_id: Some(order_id) })
    }

    fn deliver(&mut self, n: usize) {
        if self.signals[n].acked && !self.dice.per_mille(self.faults.redeliver) {
            return;
        }
        let signal = self.signals[n].signal.clone();
        let content_hash = sha256(&[signal.signal_id.as_str().as_bytes()]);
        let earlier = self.earlier(&signal.signal_id);
        let parsed = Ok(Parsed::Signal { signal: Box::new(signal), content_hash, warnings: Vec::new() });
        let input = SignalInput { delivery: n as u64, subject: "signals.kalshi".into(), stream_seq: n as u64, parsed, earlier };
        self.engine_step(Input::Signal(Box::new(input)));
        // The bus comes again until it is acknowledged, and sometimes even then.
        let wait = self.dice.between(200, 900);
        if !self.signals[n].acked || self.dice.per_mille(self.faults.redeliver) {
            self.push(wait, Message::Deliver(n));
        }
    }

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

    fn arrive_submit(&mut self, life: u64, order: &Order, attempt: u32) {
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

    fn arrive_cancel(&mut self, life: u64, order_id: OrderId) {
        let outcome = self.venue.cancel(order_id);
        let wait = self.dice.between(1, 60);
        let outcome =
            if self.dice.per_mille(self.faults.lose_reply) { CancelOutcome::Unknown { why: "reply lost".into() } } else { outcome };
        self.push(wait, Message::ToEngine(life, Box::new(Input::CancelAnswered { order_id, outcome })));
    }

    fn look_up(&mut self, life: u64, order: &Order) {
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
    fn market_moves(&mut self) {
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

    fn crash_sometimes(&mut self) {
        if self.engine.is_some() && self.dice.per_mille(self.faults.engine_crash / 4) {
            self.crash_engine();
        }
        if self.risk.is_some() && self.dice.per_mille(self.faults.risk_crash) {
            self.note(|| "RISK CRASH".to_owned());
            self.risk = None;
            self.risk_life += 1;
            let wait = self.dice.between(10, 1_500);
            self.push(wait, Message::RestartRisk);
        }
    }

    fn crash_engine(&mut self) {
        self.note(|| "ENGINE CRASH".to_owned());
        self.crashes += 1;
        self.engine = None;
        self.engine_life += 1;
        // What was not synced may be there, in part, or not.
        let unsynced = (self.log.len() - self.durable) as u64;
        let kept = self.dice.below(unsynced + 1) as usize;
        self.log.truncate(self.durable + kept);
        self.durable = self.log.len();
        let end = self.durable;
        self.submits.retain(|_, at| *at < end);
        self.answers.retain(|_, at| *at < end);
        self.vetoes.retain(|_, at| *at < end);
        self.tick_at = None;
        // Now and then it stays down past the venue-side expiry of what rests.
        let longest = if self.dice.per_mille(100) { 8_000 } else { 800 };
        let wait = self.dice.between(5, longest);
        self.push(wait, Message::RestartEngine);
    }

    fn restart_engine(&mut self) {
        let mut book = Projections::default();
        for (recorded, _) in &self.log {
            book.fold(recorded).expect("the log folds");
        }
        let settings = Settings {
            account: Instance::new("main").expect("name"),
            mode: Mode::Paper,
            log_id: self.log_id,
            risk_public_key: self.key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 200,
            submit_stale_after_ms: STALE_MS,
        };
        // A kill that was not durable when the process died is gone with it, as its operator was told nothing.
        self.killed_at = book.breakers.kill.is_some().then_some(self.clock_ms);
        self.engine = Some(Engine::new(settings, book));
        let head_hash = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
        let start = Start {
            version: "test".into(),
            config_hash: Hash::ZERO,
            limits: limits(),
            opening_cash: Usd::parse("1000").expect("cash"),
            head_hash,
        };
        self.engine_step(Input::Start(Box::new(start)));
        for n in 0..self.signals.len() {
            if !self.signals[n].acked && self.signals[n].signal.created_at <= self.now().wall {
                self.push(20, Message::Deliver(n));
            }
        }
    }

    fn restart_risk(&mut self) {
        self.risk = Some(Risk::new(Mode::Paper, self.risk_life));
        let (log_id, head_seq) = (self.log_id, self.durable as u64);
        for index in 0..self.durable {
            self.publish(index, 1);
        }
        self.push(2, Message::ToRisk(self.risk_life, Box::new(risk::Input::Fetched { log_id, head_seq })));
    }

    /// Design §3, after each step.
    fn check(&mut self) {
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
        assert!(book.free_cash() >= Usd::ZERO, "free cash {}", book.free_cash());
        let reserved: Usd = book.orders.iter().map(|record| record.reserved()).sum();
        assert_eq!(book.cash.reserved, reserved, "the running sum of reservations");
        for record in book.orders.iter().filter(|r| r.state == OrderState::NotPlaced) {
            let placed = self.venue.orders.get(&record.order.order_id);
            assert!(placed.is_none(), "order {} was called not placed, the venue has it", record.order.order_id);
        }
    }

    /// Faults have stopped: everything is known, equal to the venue, and the same when replayed.
    fn check_settled(&mut self) {
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

    /// Everything that happened, as bytes: the same for the same seed.
    pub fn digest(&self) -> Hash {
        self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash)
    }
}
