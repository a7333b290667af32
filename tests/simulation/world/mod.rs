//! One queue, one clock, one seed. Every message takes its time, may be lost, repeated or overtaken; a crash drops what was in
//! the air and the unsynced tail of the log.

/// What lies in the air, faults struck, and time.
mod air;
/// The log with its unsynced tail, and the way of records to the risk consumer.
mod book;
/// Messages and records in a line each.
mod brief;
/// Processes that die, stop and come back.
mod crashes;
/// The way to the venues and back.
mod desk;
/// What operators and strangers do.
mod people;
/// In the end.
mod settled;
/// What strategies send.
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use arbees::domain::answer::AnswerKind;
use arbees::domain::event::Recorded;
use arbees::domain::ids::{Hash, LogId, OrderId, SignalId, VenueOrderId, sha256};
use arbees::domain::market::{BookKey, Venue};
use arbees::domain::money::Usd;
use arbees::domain::order::Order;
use arbees::domain::signal::Signal;
use arbees::domain::signed::SignedOrder;
use arbees::domain::time::Mono;
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Effect, Engine, Input};
use arbees::risk::{self, Risk};
use ring::signature::Ed25519KeyPair;

use crate::dice::Dice;
use crate::faults::{Class, Faults};
use crate::holds;
use crate::ledger::{Ledger, Truth};
use crate::matrix::Matrix;
use crate::venue::SimVenue;

/// How long a venue still accepts a delayed request.
pub const STALE_MS: i64 = 3_000;
/// An approval that is no order at a socket by then never becomes one.
pub const VERDICT_LIVES_MS: i64 = 1_000;
/// 2026-01-28T23:59:55Z: the trading day turns while faults strike.
pub const START_MS: i64 = 1_769_644_795_000;
/// More than any seed takes in peace: what runs longer doesn't come to rest.
const REST_WITHIN_MS: i64 = 240_000;
const STEPS_MAX: u64 = 60_000;

#[derive(Clone, Debug)]
enum Message {
    ToEngine(u64, Box<Input>),
    ToRisk(u64, Box<risk::Input>),
    /// A question, to whichever risk consumer is up when it arrives.
    Question(Box<risk::Input>),
    /// Records from and to, as read for this life of the risk consumer.
    Range(u64, u64, u64),
    Sync(u64, u64),
    Deliver(usize),
    ArriveSubmit {
        life: u64,
        sent_ms: i64,
        order: Box<Order>,
        attempt: u32,
        signed: Option<Box<SignedOrder>>,
    },
    ArriveCancel(u64, Box<Order>),
    LookUp(u64, Box<Order>),
    Identify(u64, BookKey, VenueOrderId),
    Describe(u64, BookKey),
    ReadAccount(u64, Venue),
    StreamUp(u64, Venue),
    Resume(Venue),
    /// The transaction of this trade ends.
    Conclude(Venue, usize),
    MarketsMove,
    CrashEngine,
    CrashRisk,
    RestartEngine,
    RestartRisk,
    /// A deliberate end of this life, after its time to drain.
    StopEngine(u64),
}

struct Published {
    signal: Signal,
    acked: bool,
    /// On its way.
    travels: bool,
    /// Another content under an id that was used.
    conflicts: bool,
}

/// What was measured of one seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub steps: u64,
    pub orders: u64,
    pub crashes: u64,
    /// The longest that an order of unknown fate took once its fate could be proven.
    pub resolved_after_ms: i64,
}

pub struct World {
    dice: Dice,
    faults: Faults,
    /// When each class last struck.
    struck: Vec<i64>,
    clock_ms: i64,
    /// What the wall clock of the machine is off by.
    skew_ms: i64,
    count: u64,
    queue: BTreeMap<(i64, u64), Message>,
    key: Ed25519KeyPair,
    log: Vec<(Recorded, Hash)>,
    durable: usize,
    ledger: Ledger,
    submits: BTreeMap<(OrderId, u32), usize>,
    answers: BTreeMap<SignalId, usize>,
    vetoes: BTreeMap<OrderId, usize>,
    /// Ids by what they are derived from, over all lives.
    ids: BTreeMap<(SignalId, u32), OrderId>,
    /// When this life asked about each order.
    asked: BTreeMap<OrderId, Mono>,
    /// At a socket, in any life.
    sent: BTreeSet<OrderId>,
    last_verdict: Option<SignedVerdict>,
    /// Syncs end one after the other.
    synced_at: i64,
    tick_at: Option<i64>,
    risk_tick_at: Option<i64>,
    log_id: LogId,
    engine: Option<Engine>,
    engine_life: u64,
    risk: Option<Risk>,
    risk_life: u64,
    venues: BTreeMap<Venue, SimVenue>,
    streams: BTreeMap<Venue, bool>,
    watched: BTreeSet<BookKey>,
    /// YES prices in cents, per game.
    prices: Vec<i64>,
    signals: Vec<Published>,
    kill_wanted: bool,
    /// This life of the engine was asked to end.
    draining: bool,
    faults_end: i64,
    people_done: bool,
    pub counts: Counts,
    pub matrix: Matrix,
    pub tracing: bool,
}

fn key_of(seed: u64) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&sha256(&[&seed.to_be_bytes()]).0).expect("key")
}

impl World {
    /// `off`: faults that don't strike, whatever the seed says.
    pub fn new(seed: u64, off: u64, tracing: bool) -> Self {
        let mut dice = Dice::new(seed);
        let faults = Faults::roll(&mut dice, off);
        let cash = Usd::whole(90);
        let venues = [Venue::Kalshi, Venue::Polymarket].map(|venue| (venue, SimVenue::new(venue, cash)));
        let mut world = Self {
            faults,
            struck: vec![i64::MIN / 2; Class::ALL.len()],
            dice,
            clock_ms: 0,
            skew_ms: 0,
            count: 0,
            queue: BTreeMap::new(),
            key: key_of(seed),
            log: Vec::new(),
            durable: 0,
            ledger: Ledger::default(),
            submits: BTreeMap::new(),
            answers: BTreeMap::new(),
            vetoes: BTreeMap::new(),
            ids: BTreeMap::new(),
            asked: BTreeMap::new(),
            sent: BTreeSet::new(),
            last_verdict: None,
            synced_at: 0,
            tick_at: None,
            risk_tick_at: None,
            log_id: LogId([7; 16]),
            engine: None,
            engine_life: 0,
            risk: None,
            risk_life: 0,
            venues: venues.into(),
            streams: BTreeMap::new(),
            watched: BTreeSet::new(),
            prices: vec![50; traffic::GAMES],
            signals: Vec::new(),
            kill_wanted: false,
            draining: false,
            faults_end: 0,
            people_done: false,
            counts: Counts::default(),
            matrix: Matrix::default(),
            tracing,
        };
        world.matrix.seed(world.faults.on());
        world.push(0, Message::RestartRisk);
        world.push(0, Message::RestartEngine);
        world.push(5, Message::MarketsMove);
        world
    }

    /// The faulty time, then the quiet time, then the question whether everything has settled.
    pub fn run(&mut self) {
        self.plan();
        while let Some(((due, id), _)) = self.queue.first_key_value() {
            let (due, id) = (*due, *id);
            if due > self.faults_end {
                self.end_faults();
                holds!(due <= self.faults_end + REST_WITHIN_MS && self.counts.steps <= STEPS_MAX, "liveness: no rest: {}", self.restless());
                if due > self.faults_end + 4_000 && self.is_quiet() {
                    break;
                }
            }
            let Some(message) = self.queue.remove(&(due, id)) else { break };
            self.clock_ms = self.clock_ms.max(due);
            self.handle(message);
            self.counts.steps += 1;
            self.crash_sometimes();
        }
        self.check_settled();
    }

    fn handle(&mut self, message: Message) {
        self.trace(|| brief::message(&message));
        match message {
            Message::ToEngine(life, input) if life == self.engine_life => self.engine_step(*input),
            Message::Question(input) => self.risk_step(*input),
            Message::ToRisk(life, input) if life == self.risk_life => self.risk_step(*input),
            Message::Sync(life, upto) if life == self.engine_life => self.sync(upto as usize),
            Message::Range(life, from_seq, head_seq) if life == self.risk_life => self.range(from_seq, head_seq),
            Message::ToEngine(..) | Message::ToRisk(..) | Message::Sync(..) | Message::Range(..) => {}
            Message::Deliver(n) => self.deliver(n),
            Message::ArriveSubmit { life, sent_ms, order, attempt, signed } => {
                self.arrive_submit(life, sent_ms, &order, attempt, signed.as_deref())
            }
            Message::ArriveCancel(life, order) => self.arrive_cancel(life, &order),
            Message::LookUp(life, order) => self.look_up(life, &order),
            Message::Identify(life, key, name) => self.identify(life, key, name),
            Message::Describe(life, key) => self.describe(life, key),
            Message::ReadAccount(life, venue) => self.read_account(life, venue),
            Message::StreamUp(life, venue) => self.stream_up(life, venue),
            Message::Resume(venue) => self.resume(venue),
            Message::Conclude(venue, index) => self.conclude(venue, index),
            Message::MarketsMove => self.markets_move(),
            Message::CrashEngine => self.crash_engine(false),
            Message::CrashRisk => self.crash_risk(),
            Message::StopEngine(life) if life == self.engine_life => self.stop_now(),
            Message::StopEngine(_) => {}
            Message::RestartEngine => self.restart_engine(),
            Message::RestartRisk => self.restart_risk(),
        }
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
            if self.strikes(Class::EngineCrash) {
                return self.crash_engine(false);
            }
            self.carry_out(effect);
            if self.engine.is_none() {
                return;
            }
        }
        self.wake_engine();
    }

    fn carry_out(&mut self, effect: Effect) {
        self.trace(|| format!("  -> {}", brief::effect(&effect)));
        match effect {
            Effect::Append(records) => self.append(records),
            Effect::AskRisk { bytes, order_id, .. } => self.ask_risk(order_id, bytes),
            Effect::Answer { answer, deliveries } => {
                if matches!(answer.answer, AnswerKind::Requested | AnswerKind::Vetoed) {
                    let id = answer.signal_id.expect("answers of signals carry their id");
                    holds!(self.earlier(&id).is_some(), "§2.1: an answer of {id} without a durable record");
                }
                for n in deliveries {
                    self.signals[n as usize].acked = true;
                }
            }
            Effect::GiveBack { delivery } => self.bring(delivery as usize, 50),
            Effect::Prepare { order } => self.prepare(*order),
            Effect::Submit { order, attempt, signed, .. } => self.submit(order.order().clone(), attempt, signed),
            Effect::Cancel { order, .. } => {
                let wait = self.dice.between(1, 40);
                let cancel = Message::ArriveCancel(self.engine_life, order);
                if self.strikes(Class::LoseRequest) {
                    let Message::ArriveCancel(_, order) = cancel else { unreachable!() };
                    self.lost_cancel(order.order_id);
                } else {
                    self.push(wait, cancel);
                }
            }
            Effect::LookUp { order, .. } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::LookUp(self.engine_life, order));
            }
            Effect::Identify { key, venue_order_id } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::Identify(self.engine_life, key, venue_order_id));
            }
            Effect::Describe { key } => {
                let wait = self.dice.between(1, 40);
                self.push(wait, Message::Describe(self.engine_life, key));
            }
            Effect::Reconcile { venue } => self.push(20, Message::ReadAccount(self.engine_life, venue)),
            Effect::Watch { key } => drop(self.watched.insert(key)),
            Effect::Halt { .. } => self.crash_engine(true),
            // For people, and for the paper exchange.
            Effect::DeadLetter { .. } | Effect::OperatorAnswer { .. } | Effect::MarketEnded { .. } | Effect::Restore { .. } => {}
        }
    }

    fn risk_step(&mut self, input: risk::Input) {
        let now = self.now();
        let Some(risk) = &mut self.risk else { return };
        let effects = risk.step(now, input);
        let wake = risk.next_wake();
        let mut approved = false;
        for effect in effects {
            match effect {
                risk::Effect::Answer { verdict, .. } => {
                    let reached = self.risk.as_ref().is_none_or(|risk| risk.book().seq >= verdict.at.seq);
                    holds!(reached || !verdict.approved, "§2.3: order {} approved by a fold that is behind its request", verdict.order_id);
                    approved |= verdict.approved;
                    let signed = SignedVerdict::sign(&verdict, &self.key);
                    self.answer_engine(verdict.order_id, signed);
                }
                risk::Effect::Fetch { from_seq } => self.fetch(from_seq),
                risk::Effect::AskTrip { scope, reason, observed, limit } => {
                    self.tell_engine(1, Input::TripAsked { scope, reason, observed, limit })
                }
            }
        }
        // Right after a grant is when it hurts.
        if approved && self.strikes(Class::RiskCrash) {
            return self.crash_risk();
        }
        if let Some(due) = wake {
            let wait = (due.0 / 1_000_000 - self.clock_ms).max(1);
            let at = self.clock_ms + wait;
            // One tick at a time is on its way, the earliest that is wanted.
            if self.risk_tick_at.is_none_or(|known| at < known || known <= self.clock_ms) {
                self.risk_tick_at = Some(at);
                self.push(wait, Message::ToRisk(self.risk_life, Box::new(risk::Input::Tick)));
            }
        }
    }

    /// The faults of this seed.
    pub fn faults_on(&self) -> u64 {
        self.faults.on()
    }

    fn truth(venues: &BTreeMap<Venue, SimVenue>, late: BTreeSet<OrderId>) -> Truth<'_> {
        Truth { venues, late }
    }

    /// Approved by this life of the engine, and too late for a socket now.
    fn late(&self) -> BTreeSet<OrderId> {
        let now = self.now().mono;
        let dead = self.asked.iter().filter(|(id, asked)| now >= asked.plus_ms(VERDICT_LIVES_MS) && !self.sent.contains(*id));
        dead.map(|(id, _)| *id).collect()
    }

    /// Everything that happened, as bytes: the same for the same seed.
    pub fn digest(&self) -> Hash {
        let last = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
        sha256(&[&last.0, &self.counts.steps.to_be_bytes(), &self.clock_ms.to_be_bytes()])
    }
}
