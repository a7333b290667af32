//! The mind: every decision about an order's life, as `step(now, input) -> effects`.
//!
//! Pure. State that matters is the fold of the log; the rest is what is in the air (questions, sends, timers) and
//! is lost with the process without harm. An event is folded when it is decided, and whatever touches the world
//! because of it waits until the log says that it is durable.

/// Differences that an operator books.
mod adjust;
/// Breakers, and what is tried after errors have opened one.
mod breakers;
/// Cancels: expiry, kill, operator.
mod cancel;
/// Closes and their remainders.
mod close;
/// Cash against what venues say; readings that operators ask for.
mod counting;
/// The way to an end.
mod draining;
/// What venues report.
mod fills;
/// From a signal to a request.
mod intake;
/// Orders and fills as venues list them: whose they are.
mod listed;
/// Unknown outcomes, closed by evidence only.
mod lookup;
/// Markets that a signal waits for.
mod markets;
/// Marks of held markets.
mod marks;
/// Kill, breakers, settlements: what operators ask for.
mod operator;
/// Accounts as venues read them, beside the fold.
mod reconcile;
/// Start, day, end.
mod session;
/// How many contracts.
mod sizing;
/// What comes in, and what is to be done.
mod steps;
/// Sends and their three answers.
mod submit;
/// What risk said.
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use intake::{Earlier, SignalInput, plain_groups};
pub use operator::Command;
pub use session::{Settings, Start};
pub use steps::{Effect, Input, SignalQuote};

use crate::domain::answer::AnswerKind;
use crate::domain::event::{Event, Recorded, Scope};
use crate::domain::ids::{Hash, OrderId, SignalId, VenueOrderId};
use crate::domain::market::{BookKey, Quote, Venue};
use crate::domain::report::{AccountReading, VenueFill, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::{Mono, Now, Time};
use crate::domain::verdict::OrderRequest;
use crate::projections::Projections;

/// One delivery of the bus, to be acknowledged.
pub type DeliveryId = u64;
/// One operator's question, to be answered.
pub type Ticket = u64;

/// Answers of the last signals, until the on-disk index is sure to hold them.
const ANSWERED_MAX: usize = 8_192;

/// What a venue's clock may be ahead of ours.
const CLOCKS_DIFFER_MS: i64 = 2_000;

/// A question to risk that is still open.
#[derive(Clone, Debug)]
struct Asked {
    bytes: Vec<u8>,
    request: OrderRequest,
    content_hash: Hash,
    asked_at: Mono,
    /// Every delivery of the signal that came meanwhile; the first is the one that is answered in full.
    deliveries: Vec<DeliveryId>,
    /// The order as signed ahead, or why it can't be.
    prepared: Option<Result<Box<SignedOrder>, String>>,
    /// An approval that waits for it.
    grant: Option<verdict::Grant>,
}

/// What waits for the log.
#[derive(Clone, Debug)]
enum Deferred {
    Ask {
        order_id: OrderId,
    },
    Send {
        order_id: OrderId,
        attempt: u32,
        until: Mono,
    },
    Cancel {
        order_id: OrderId,
    },
    Effect(Effect),
    /// The description of this market is on record: what waited for it goes on.
    Described(BookKey),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    VerdictDue(OrderId),
    LookUp(OrderId),
    RetryCancel(OrderId),
    CloseRemainder(SignalId),
    Heartbeat,
    /// An approval has waited for its signed order long enough.
    PrepareDue(OrderId),
    /// Send again what was turned away before it was looked at.
    Resend(OrderId),
    Identify(BookKey, VenueOrderId),
    Reconcile(Venue),
    /// Somebody has waited for a reading long enough.
    ReadingDue,
    DescriptionDue(BookKey),
    /// A change of this book came too soon after its last mark.
    Mark(BookKey),
    /// A token that somebody else traded still has no description.
    Describe(BookKey),
    /// A breaker that opened then has cooled down.
    Probe(Scope, Mono),
}

/// What is in the air for one live order.
#[derive(Clone, Debug, Default)]
struct Work {
    sending: bool,
    looking: bool,
    canceling: bool,
    look_ups: u32,
    cancels: u32,
    quote: Option<SignalQuote>,
    /// The venue has answered a cancel of an order of unknown fate after which none of its attempts can arrive any more.
    struck: bool,
    /// The cancel in the air was sent when none of the attempts could arrive any more.
    canceling_past_arrival: bool,
    /// The look-up in the air was begun after that answer.
    looking_after_strike: bool,
}

/// A recent answer, for repeats that come before the on-disk index knows it.
#[derive(Clone, Debug)]
struct Answered {
    content_hash: Hash,
    kind: AnswerKind,
    order_id: Option<OrderId>,
}

pub struct Engine {
    settings: Settings,
    book: Projections,
    epoch: u64,
    durable: (u64, Hash),
    started: bool,
    /// The last record before this session, and its first.
    silence: (Time, Time),
    halted: Option<String>,
    /// The end is near: nothing is taken on.
    draining: bool,
    /// Cancels of the last moment, whose answers the process waits for.
    last_cancels: BTreeSet<OrderId>,
    /// Effective before it is durable.
    killed: bool,
    asks: u64,
    /// Of the newest risk consumer whose verdict came in this session.
    risk_epoch: u64,
    /// Some answer was given up on: risk has to hear of it.
    gave_up: bool,
    asked: BTreeMap<OrderId, Asked>,
    asked_signals: BTreeMap<SignalId, OrderId>,
    answered: BTreeMap<SignalId, Answered>,
    answered_order: VecDeque<SignalId>,
    deferred: VecDeque<(u64, Deferred)>,
    work: BTreeMap<OrderId, Work>,
    closes: BTreeMap<SignalId, close::Remainder>,
    timers: BTreeSet<(Mono, Timer)>,
    /// Signals' ends, by wall clock.
    expiries: BTreeSet<(Time, OrderId)>,
    quotes: BTreeMap<BookKey, (Quote, Time)>,
    /// Books with a `Timer::Mark`.
    late_marks: BTreeSet<BookKey>,
    /// Fills whose order isn't known yet.
    unclaimed: BTreeMap<(BookKey, VenueOrderId), Vec<VenueFill>>,
    /// Differences of the last reading, by venue: real only when the next one shows them, too.
    suspected: BTreeMap<Venue, Vec<reconcile::Difference>>,
    /// The venue's time of the newest thing booked: readings that end before it can't show it.
    booked_at: BTreeMap<Venue, Time>,
    /// When an account was last read and agreed.
    agreed_at: BTreeMap<Venue, Mono>,
    /// The last reading of each account that was compared, without what it listed.
    readings: BTreeMap<Venue, AccountReading>,
    /// Operators who wait for a reading.
    awaited: Vec<counting::Awaited>,
    /// Venues that leave the account nothing but closes, and why.
    close_only: BTreeMap<Venue, Box<str>>,
    /// Orders of others on tokens that nobody has described yet.
    strangers: BTreeMap<BookKey, Vec<VenueOrder>>,
    /// Signals that wait for a description of their market.
    waiting: BTreeMap<BookKey, Vec<SignalInput>>,
    /// Markets that could not be described, and when.
    undescribed: BTreeMap<BookKey, Mono>,
    /// Venues that describe their markets, and markets described in this session, whose books are followed.
    describing: Vec<Venue>,
    /// Venues whose orders are signed ahead.
    preparing: Vec<Venue>,
    described: BTreeSet<BookKey>,
    warnings: u64,
}

impl Engine {
    /// `book`: the fold of the log so far.
    pub fn new(settings: Settings, book: Projections) -> Self {
        Self {
            settings,
            killed: book.breakers.kill.is_some(),
            epoch: book.epoch,
            durable: (book.seq, Hash::ZERO),
            silence: (book.recorded_at, book.recorded_at),
            book,
            started: false,
            halted: None,
            draining: false,
            last_cancels: BTreeSet::new(),
            asks: 0,
            risk_epoch: 0,
            gave_up: false,
            asked: BTreeMap::new(),
            asked_signals: BTreeMap::new(),
            answered: BTreeMap::new(),
            answered_order: VecDeque::new(),
            deferred: VecDeque::new(),
            work: BTreeMap::new(),
            closes: BTreeMap::new(),
            timers: BTreeSet::new(),
            expiries: BTreeSet::new(),
            quotes: BTreeMap::new(),
            late_marks: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
            suspected: BTreeMap::new(),
            booked_at: BTreeMap::new(),
            agreed_at: BTreeMap::new(),
            readings: BTreeMap::new(),
            awaited: Vec::new(),
            close_only: BTreeMap::new(),
            strangers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            undescribed: BTreeMap::new(),
            describing: Vec::new(),
            preparing: Vec::new(),
            described: BTreeSet::new(),
            warnings: 0,
        }
    }

    pub fn book(&self) -> &Projections {
        &self.book
    }

    pub fn is_killed(&self) -> bool {
        self.killed
    }

    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Signals whose verdict is awaited.
    pub fn questions_open(&self) -> usize {
        self.asked.len()
    }

    /// Best prices of a book as last heard, in the book's terms.
    pub fn last_quote(&self, key: &BookKey) -> Option<Quote> {
        self.quotes.get(key).map(|(quote, _)| *quote)
    }

    /// Those signals.
    pub fn asking(&self) -> impl Iterator<Item = &SignalId> {
        self.asked_signals.keys()
    }

    /// Parser warnings since the start: naive times, unknown fields, missing `created_at`.
    pub fn warnings(&self) -> u64 {
        self.warnings
    }

    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Start(start) => self.start(now, *start, &mut out),
            Input::Signal(signal) => self.signal(now, *signal, &mut out),
            Input::Durable { seq, hash } => self.durable(now, seq, hash, &mut out),
            Input::LogFailed { why } => self.log_failed(why, &mut out),
            Input::OwnershipLost { why } => self.halt(why, &mut out),
            Input::Verdict { order_id, signed } => self.verdict(now, order_id, signed, &mut out),
            Input::Prepared { order_id, signed } => self.prepared(now, order_id, signed, &mut out),
            Input::Submitted { order_id, attempt, outcome } => self.submitted(now, order_id, attempt, outcome, &mut out),
            Input::CancelAnswered { order_id, outcome } => self.cancel_answered(now, order_id, outcome, &mut out),
            Input::LookedUp { order_id, begun_at, found } => self.looked_up(now, order_id, begun_at, found, &mut out),
            Input::Venue(news) => self.venue_news(now, *news, &mut out),
            Input::Identified { key, venue_order_id, found } => self.identified(now, key, venue_order_id, found, &mut out),
            Input::Described { key, found } => self.described(now, key, found, &mut out),
            Input::Operator { ticket, by, command } => self.operator(now, ticket, by, command, &mut out),
            Input::TripAsked { scope, reason, observed, limit } => self.trip(now, scope, reason, observed, limit, &mut out),
            Input::Tick => {}
            Input::Drain { cancel_resting } => self.drain(now, cancel_resting, &mut out),
            Input::Stop => self.stop(now, &mut out),
        }
        self.run_timers(now, &mut out);
        self.judge_probes(now, &mut out);
        out
    }

    /// Milliseconds until `step` wants a `Tick`, if nothing else comes.
    pub fn next_wake_ms(&self, now: Now) -> Option<i64> {
        let ceil_ms = |nanos: i64| (nanos.max(0) + 999_999) / 1_000_000;
        let timer = self.timers.first().map(|(due, _)| ceil_ms(due.0.saturating_sub(now.mono.0)));
        let expiry = self.expiries.first().map(|(due, _)| ceil_ms(due.nanos().saturating_sub(now.wall.nanos())));
        timer.into_iter().chain(expiry).min()
    }

    fn run_timers(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.started || self.halted.is_some() {
            return;
        }
        self.turn_day(now, out);
        while let Some((due, _)) = self.timers.first()
            && *due <= now.mono
        {
            let Some((_, timer)) = self.timers.pop_first() else { break };
            match timer {
                Timer::VerdictDue(order_id) => self.verdict(now, order_id, None, out),
                Timer::PrepareDue(order_id) => self.not_prepared(now, order_id, out),
                Timer::LookUp(order_id) => self.look_up(order_id, out),
                Timer::RetryCancel(order_id) => self.send_cancel(now, &order_id, out),
                Timer::CloseRemainder(signal_id) => self.close_remainder(now, &signal_id, out),
                Timer::Heartbeat => self.heartbeat(now, out),
                Timer::Resend(order_id) => self.resend(now, order_id, out),
                Timer::Identify(key, venue_order_id) => self.identify(key, venue_order_id, out),
                Timer::Reconcile(venue) => out.push(Effect::Reconcile { venue }),
                Timer::ReadingDue => self.give_up_waiting(now, out),
                Timer::Mark(key) => self.late_mark(now, key, out),
                Timer::Describe(key) => out.push(Effect::Describe { key }),
                Timer::Probe(scope, tripped_at) => self.probe_due(now, scope, tripped_at, out),
                Timer::DescriptionDue(key) => self.described(now, key, Err("no description in time".to_owned()), out),
            }
        }
        while let Some((due, order_id)) = self.expiries.first().copied()
            && due <= now.wall
        {
            self.expiries.remove(&(due, order_id));
            self.expired(now, order_id, out);
        }
    }

    fn set_timer(&mut self, at: Mono, timer: Timer) {
        self.timers.insert((at, timer));
    }

    /// Decides events: folds them now, and hands them to the log as one batch. Returns the last one's sequence.
    fn append(&mut self, now: Now, events: Vec<Event>, out: &mut Vec<Effect>) -> u64 {
        assert!(self.halted.is_none(), "Invariant: a halted engine appends nothing");
        let mut causation_seq = 0;
        let mut batch = Vec::with_capacity(events.len());
        for event in events {
            let seq = self.book.seq + 1;
            let recorded = Recorded { seq, epoch: self.epoch, recorded_at: now.wall, correlation: event.order_id(), causation_seq, event };
            self.book.fold(&recorded).expect("Invariant: the engine folds what it decides");
            causation_seq = seq;
            batch.push(recorded);
        }
        out.push(Effect::Append(batch));
        self.book.seq
    }

    fn after(&mut self, seq: u64, deferred: Deferred) {
        self.deferred.push_back((seq, deferred));
    }

    fn durable(&mut self, now: Now, seq: u64, hash: Hash, out: &mut Vec<Effect>) {
        self.durable = (seq, hash);
        while self.deferred.front().is_some_and(|(due, _)| *due <= seq) {
            let Some((_, deferred)) = self.deferred.pop_front() else { break };
            match deferred {
                Deferred::Send { order_id, attempt, until } => self.send(now, order_id, attempt, until, out),
                Deferred::Cancel { order_id } => self.send_cancel(now, &order_id, out),
                Deferred::Effect(effect) => out.push(effect),
                Deferred::Ask { order_id } => self.put_question(now, order_id, out),
                Deferred::Described(key) => self.resume(now, &key, out),
            }
        }
    }

    /// Nothing is promised any more: what waited for the log never happens; cancels are still attempted.
    fn log_failed(&mut self, why: String, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            return;
        }
        let resting = self.book.orders.live().filter(|record| record.may_rest() && !record.external);
        let cancels: Vec<_> = resting.map(|record| (record.order.clone(), record.venue_name().cloned())).collect();
        self.last_cancels = cancels.iter().map(|(order, _)| order.order_id).collect();
        out.extend(cancels.into_iter().map(|(order, venue_order_id)| Effect::Cancel { order: Box::new(order), venue_order_id }));
        self.halt(why, out);
    }

    /// Nothing is decided any more; what was asked is given back.
    fn halt(&mut self, why: String, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            return;
        }
        self.deferred.clear();
        self.timers.clear();
        self.expiries.clear();
        let asked = std::mem::take(&mut self.asked);
        self.asked_signals.clear();
        let waiting = std::mem::take(&mut self.waiting).into_values().flatten().map(|input| input.delivery);
        for delivery in asked.into_values().flat_map(|asked| asked.deliveries).chain(waiting) {
            out.push(Effect::GiveBack { delivery });
        }
        self.forget_awaited(&format!("the engine has halted: {why}"), out);
        out.push(Effect::Halt { why: why.clone() });
        self.halted = Some(why);
    }

    fn remember(&mut self, signal_id: SignalId, answered: Answered) {
        if self.answered.contains_key(&signal_id) {
            return;
        }
        if self.answered_order.len() == ANSWERED_MAX
            && let Some(oldest) = self.answered_order.pop_front()
        {
            self.answered.remove(&oldest);
        }
        self.answered_order.push_back(signal_id.clone());
        self.answered.insert(signal_id, answered);
    }

    fn note_booked(&mut self, venue: Venue, at: Time) {
        let newest = self.booked_at.entry(venue).or_default();
        *newest = at.max(*newest);
    }

    /// Balances may have moved as late as now, by a clock that may differ from ours.
    fn note_moved(&mut self, now: Now, venue: Venue) {
        self.note_booked(venue, now.wall.plus_ms(CLOCKS_DIFFER_MS));
    }

    fn work(&mut self, order_id: &OrderId) -> &mut Work {
        self.work.entry(*order_id).or_default()
    }

    /// Forgets what is in the air for an order of which nothing more can come.
    fn tidy(&mut self, order_id: &OrderId) {
        if self.book.orders.get(order_id).is_none_or(|record| record.is_done()) {
            self.work.remove(order_id);
        }
    }
}
