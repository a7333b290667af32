//! One queue, one clock, one seed. Every message takes its time, may be lost, repeated or overtaken; a crash drops
//! what was in the air and the unsynced tail of the log.

use std::collections::BTreeMap;

use arbees::domain::answer::AnswerKind;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, Instance, LogId, Mode, OrderId, SignalId, sha256};
use arbees::domain::money::Usd;
use arbees::domain::order::Order;
use arbees::domain::report::SubmitOutcome;
use arbees::domain::signal::{Parsed, Signal};
use arbees::domain::time::{Mono, Now, Time};
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Earlier, Effect, Engine, Input, Settings, SignalInput, Start};
use arbees::projections::Projections;
use arbees::risk::{self, Risk};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// What must hold after each step and in the end.
mod checks;
/// How often what goes wrong.
mod faults;
/// What strategies send.
mod traffic;
/// The way to the venue and back.
mod wire;

use crate::dice::Dice;
use crate::toy_venue::ToyVenue;
pub use checks::limits;
use faults::Faults;

const STALE_MS: i64 = 3_000;
const START_MS: i64 = 1_769_562_842_000;

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

    fn tell_engine(&mut self, after_ms: i64, input: Input) {
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
            self.tell_engine(wait_ms, Input::Tick);
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
                    self.tell_engine(60, Input::Submitted { order_id: order.order_id, attempt, outcome: SubmitOutcome::Unknown { why } });
                } else {
                    if late {
                        let why = "timeout, still travelling".to_owned();
                        self.tell_engine(
                            60,
                            Input::Submitted { order_id: order.order_id, attempt, outcome: SubmitOutcome::Unknown { why } },
                        );
                    }
                    self.push(wait, Message::ArriveSubmit(self.engine_life, Box::new(order), attempt));
                }
            }
            Effect::Cancel { order, .. } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::ArriveCancel(self.engine_life, order.order_id));
            }
            Effect::LookUp { order, .. } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::LookUp(self.engine_life, order));
            }
            Effect::Halt { why } => panic!("halted: {why}"),
            Effect::Watch { .. } => {}
            asked @ (Effect::Prepare { .. } | Effect::Identify { .. } | Effect::Describe { .. } | Effect::Reconcile { .. }) => {
                panic!("not on paper: {asked:?}")
            }
        }
    }

    fn index(&mut self, event: &Event) {
        let at = self.log.len();
        match event {
            Event::SubmitStarted { order_id, attempt, .. } => {
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

    fn sync(&mut self, upto: usize) {
        if upto <= self.durable {
            return;
        }
        let from = self.durable;
        self.durable = upto;
        let (last, hash) = &self.log[upto - 1];
        let (seq, hash) = (last.seq, *hash);
        self.tell_engine(0, Input::Durable { seq, hash });
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
                        self.tell_engine(wait, Input::Verdict { order_id: verdict.order_id, signed: Some(signed) });
                    }
                }
                risk::Effect::Fetch { from_seq } => {
                    let head = self.durable as u64;
                    for seq in from_seq..=head {
                        self.publish(seq as usize - 1, 2);
                    }
                    let done = risk::Input::Fetched { log_id: self.log_id, head_seq: head, from_seq };
                    self.push(3, Message::ToRisk(self.risk_life, Box::new(done)));
                }
                risk::Effect::AskTrip { scope, reason, observed, limit } => {
                    self.tell_engine(1, Input::TripAsked { scope, reason, observed, limit })
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
            paper_cash: Some(Usd::parse("1000").expect("cash")),
            venues: Vec::new(),
            prepares: Vec::new(),
            epoch: None,
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
        self.push(2, Message::ToRisk(self.risk_life, Box::new(risk::Input::Fetched { log_id, head_seq, from_seq: 1 })));
    }

    /// Everything that happened, as bytes: the same for the same seed.
    pub fn digest(&self) -> Hash {
        self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash)
    }
}
