//! The judge: a fold of the engine's log, the grants it has given, and one short function per rule.
//!
//! Pure: `step(now, input) -> effects`. It asks the engine to trip breakers; it appends nothing itself.

/// Every check of one request.
mod judge;
/// One short function per rule.
mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use judge::judge;

use crate::domain::event::{Event, Recorded, Scope};
use crate::domain::ids::{Hash, LogId, Mode, OrderId};
use crate::domain::order::Order;
use crate::domain::planted::{self, Bug};
use crate::domain::time::{Mono, Now};
use crate::domain::verdict::{Check, Coordinates, Reason, RiskRequest, Verdict, request_hash};
use crate::projections::Projections;

/// How long a grant may be used, and how long a consumer that has just started gives none.
pub const GRANT_LIVES_MS: u32 = 1_000;
/// After this long behind a request, the missing records are fetched instead of waited for.
pub const FETCH_AFTER_MS: i64 = 20;
/// A reading that has brought nothing for so long is begun anew. Longer than its own time limit and retry take.
const FETCH_AGAIN_MS: i64 = 2_000;
/// Hashes of past records that are remembered, to tell a repeat from another history.
const HASHES_KEPT: usize = 65_536;
/// Orders that are remembered as answered: a question that comes again comes soon.
const OVER_KEPT: usize = 4_096;
/// Requests that wait for records; the engine asks for at most 256 signals at once.
const WAITING_MAX: usize = 1_024;

/// Who asked: handed back with the answer.
pub type Asker = u64;

#[derive(Clone, Debug)]
pub enum Input {
    /// A record of the engine's log, live or fetched.
    Record {
        log_id: LogId,
        mode: Mode,
        prev_hash: Hash,
        hash: Hash,
        recorded: Box<Recorded>,
    },
    /// A request as it came, and where its answer goes.
    Request {
        asker: Asker,
        bytes: Vec<u8>,
    },
    /// A range read has ended: these are the last record and log the engine had when it answered.
    Fetched {
        log_id: LogId,
        head_seq: u64,
        /// Where the read began: everything before it had been seen then.
        from_seq: u64,
    },
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Answer {
        asker: Asker,
        verdict: Box<Verdict>,
    },
    /// Read the log from this record on.
    Fetch {
        from_seq: u64,
    },
    /// The engine shall trip this breaker.
    AskTrip {
        scope: Scope,
        reason: Reason,
        observed: String,
        limit: String,
    },
}

#[derive(Clone, Debug)]
struct Grant {
    order: Order,
    request_hash: Hash,
    ask: u64,
    verdict: Verdict,
}

#[derive(Clone, Debug)]
struct Waiting {
    asker: Asker,
    bytes: Vec<u8>,
    request: RiskRequest,
    since: Mono,
}

/// A point of the history that was seen once and has to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    pub log_id: LogId,
    pub seq: u64,
    pub hash: Hash,
}

/// The whole state of the risk consumer.
pub struct Risk {
    mode: Mode,
    risk_epoch: u64,
    book: Projections,
    log_id: Option<LogId>,
    /// Of the records up to `book.seq`, the last ones.
    hashes: VecDeque<Hash>,
    /// Set when the log showed another history than before: nothing is granted until it shows the old one again.
    diverged: Option<Witness>,
    grants: BTreeMap<OrderId, Grant>,
    waiting: Vec<Waiting>,
    /// Requests up to this one, but for those listed, are over.
    asked_through: u64,
    still_open: Vec<OrderId>,
    /// Orders whose questions the log has answered, the last ones.
    over: BTreeSet<OrderId>,
    over_order: VecDeque<OrderId>,
    /// Nothing is granted before this.
    quiet_until: Mono,
    /// The first reading of the log has ended.
    caught_up: bool,
    /// The last sign of life of the reading that is under way.
    fetching_since: Option<Mono>,
}

impl Risk {
    pub fn new(mode: Mode, risk_epoch: u64) -> Self {
        Self {
            mode,
            risk_epoch,
            book: Projections::default(),
            log_id: None,
            hashes: VecDeque::new(),
            diverged: None,
            grants: BTreeMap::new(),
            waiting: Vec::new(),
            asked_through: 0,
            still_open: Vec::new(),
            over: BTreeSet::new(),
            over_order: VecDeque::new(),
            quiet_until: Mono(i64::MIN),
            caught_up: false,
            fetching_since: None,
        }
    }

    /// What it has folded.
    pub fn book(&self) -> &Projections {
        &self.book
    }

    /// Grants that the log doesn't hold yet.
    pub fn granted(&self) -> impl Iterator<Item = &Order> {
        self.grants.values().map(|grant| &grant.order)
    }

    /// Has read the log, is past its quiet time, and has seen one history only.
    pub fn is_ready(&self, now: Mono) -> bool {
        self.caught_up && self.diverged.is_none() && now >= self.quiet_until
    }

    pub fn diverged(&self) -> Option<Witness> {
        self.diverged
    }

    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Record { log_id, mode, prev_hash, hash, recorded } => {
                self.take(now, log_id, mode, prev_hash, hash, &recorded, &mut effects)
            }
            Input::Request { asker, bytes } => self.ask(now, asker, bytes, &mut effects),
            Input::Fetched { log_id, head_seq, from_seq } => self.fetched(now, log_id, head_seq, from_seq, &mut effects),
            Input::Tick => {}
        }
        self.answer_waiting(now, &mut effects);
        effects
    }

    fn head_hash(&self) -> Hash {
        self.hashes.back().copied().unwrap_or(Hash::ZERO)
    }

    /// The remembered hash of a record, if it is not too long ago.
    fn hash_at(&self, seq: u64) -> Option<Hash> {
        let back = self.book.seq.checked_sub(seq)? as usize;
        let index = self.hashes.len().checked_sub(back + 1)?;
        self.hashes.get(index).copied()
    }

    #[allow(clippy::too_many_arguments)] // one record and its envelope
    fn take(&mut self, now: Now, log_id: LogId, mode: Mode, prev_hash: Hash, hash: Hash, recorded: &Recorded, effects: &mut Vec<Effect>) {
        if mode != self.mode {
            return;
        }
        let known = *self.log_id.get_or_insert(log_id);
        if known != log_id {
            return self.start_over(now, None, effects);
        }
        if self.mode.is_leased() && recorded.epoch < self.book.epoch {
            // Of an engine that was stopped and goes on: another owns the log by now, and this is no part of it. Or a repeat.
            return;
        }
        if recorded.seq <= self.book.seq {
            if self.hash_at(recorded.seq).is_some_and(|seen| seen != hash) {
                self.start_over(now, self.witness(), effects);
            }
            return;
        }
        if recorded.seq > self.book.seq + 1 {
            return self.fetch(now, effects);
        }
        if prev_hash != self.head_hash() || self.book.fold(recorded).is_err() {
            return self.start_over(now, self.witness(), effects);
        }
        if self.hashes.len() == HASHES_KEPT {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash);
        self.fetching_since = self.fetching_since.map(|_| now.mono);
        self.confirm_witness(hash);
        self.release(&recorded.event);
        // Lines crossed long ago may have been lifted by an operator since: only the present counts.
        if self.caught_up {
            self.watch(effects);
        }
    }

    fn witness(&self) -> Option<Witness> {
        let seen = self.log_id.map(|log_id| Witness { log_id, seq: self.book.seq, hash: self.head_hash() });
        match (self.diverged, seen) {
            (Some(old), Some(new)) if old.seq >= new.seq => Some(old),
            (old, new) => new.filter(|witness| witness.seq > 0).or(old),
        }
    }

    /// Forgets the fold and reads the log anew; what was witnessed is remembered.
    fn start_over(&mut self, now: Now, witness: Option<Witness>, effects: &mut Vec<Effect>) {
        let (mode, risk_epoch, waiting) = (self.mode, self.risk_epoch, std::mem::take(&mut self.waiting));
        *self = Self::new(mode, risk_epoch);
        self.diverged = witness;
        self.waiting = waiting;
        self.fetch(now, effects);
    }

    fn confirm_witness(&mut self, hash: Hash) {
        let confirmed = |witness: &Witness| witness.seq == self.book.seq && witness.hash == hash && Some(witness.log_id) == self.log_id;
        if self.diverged.as_ref().is_some_and(confirmed) {
            self.diverged = None;
        }
    }

    /// The log is to be read from its beginning.
    pub fn begin(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.fetch(now, &mut effects);
        effects
    }

    /// Not while a reading comes on: under load each live record shows how far behind this fold is, and a reading more for each
    /// of them would bring every record several times, so that a long log would never be caught up with.
    fn fetch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let due = self.fetching_since.is_none_or(|since| now.mono >= since.plus_ms(FETCH_AGAIN_MS));
        if due {
            self.fetching_since = Some(now.mono);
            effects.push(Effect::Fetch { from_seq: self.book.seq + 1 });
        }
    }

    fn fetched(&mut self, now: Now, log_id: LogId, head_seq: u64, from_seq: u64, effects: &mut Vec<Effect>) {
        self.fetching_since = None;
        // An empty log has no name yet; taking it for one would make the first record another log's.
        let named = log_id != LogId::default();
        if named && *self.log_id.get_or_insert(log_id) != log_id {
            return self.start_over(now, None, effects);
        }
        if head_seq + 1 < from_seq {
            // The log is shorter than what we had seen of it when we asked: an old copy was restored. Records that came live
            // since then say nothing of that.
            return self.shortened(now, effects);
        }
        if self.book.seq < head_seq {
            return self.fetch(now, effects);
        }
        if !self.caught_up {
            self.caught_up = true;
            self.watch(effects);
            self.quiet_until = if head_seq == 0 { now.mono } else { now.mono.plus_ms(i64::from(GRANT_LIVES_MS)) };
        }
    }

    fn shortened(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let already = self.diverged.is_some();
        self.diverged = self.witness();
        if !already {
            self.start_over(now, self.diverged, effects);
        }
    }

    /// Drops grants that the log holds by now, or that the engine has given up. An order counts in the fold from
    /// `SubmitStarted` on: between the records before that and this one it is the grant that holds its room.
    fn release(&mut self, event: &Event) {
        match event {
            Event::SubmitStarted { order_id, .. } | Event::OrderVetoed { order_id, .. } | Event::OrderNotPlaced { order_id, .. } => {
                self.grants.remove(order_id);
                self.note_over(*order_id);
            }
            Event::SessionStarted { .. } => {
                self.grants.clear();
                self.asked_through = 0;
                self.still_open.clear();
            }
            Event::Heartbeat { asked_through, open_requests } => {
                self.asked_through = *asked_through;
                self.still_open.clone_from(open_requests);
                self.grants.retain(|order_id, grant| grant.ask > *asked_through || open_requests.contains(order_id));
            }
            _ => {}
        }
    }

    /// The log holds the answer to this question; the bus may still bring it again.
    fn note_over(&mut self, order_id: OrderId) {
        if !self.over.insert(order_id) {
            return;
        }
        self.over_order.push_back(order_id);
        if self.over_order.len() > OVER_KEPT
            && let Some(oldest) = self.over_order.pop_front()
        {
            self.over.remove(&oldest);
        }
    }

    /// Asks for a breaker where the fold has crossed a line that only an operator may lift.
    fn watch(&self, effects: &mut Vec<Effect>) {
        let Some(limits) = &self.book.limits else { return };
        if self.book.breakers.is_open(&Scope::Global) {
            return;
        }
        let mut trip = |reason: Reason, observed: String, limit: String| {
            effects.push(Effect::AskTrip { scope: Scope::Global, reason, observed, limit })
        };
        let pnl = self.book.cash.day_pnl();
        if pnl <= -limits.daily_loss_max && self.book.unmarked(self.book.recorded_at).is_empty() {
            trip(Reason::DailyLoss, pnl.to_string(), format!("above -{}", limits.daily_loss_max));
        }
        let errors = self.book.activity.errors_in_a_row;
        if errors > limits.consecutive_errors_max {
            trip(Reason::ConsecutiveErrors, errors.to_string(), format!("at most {}", limits.consecutive_errors_max));
        }
    }

    fn ask(&mut self, now: Now, asker: Asker, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        // What can't be read gets no answer: the engine takes silence for a no.
        let Ok(request) = RiskRequest::decode(&bytes) else { return };
        if request.at.mode != self.mode {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.remove(0);
        }
        if request.at.seq > self.book.seq && self.fetching_since.is_none() && !self.caught_up {
            self.fetch(now, effects);
        }
        self.waiting.push(Waiting { asker, bytes, request, since: now.mono });
    }

    /// Answers what can be answered, fetches for what has waited long enough, drops what is past its life.
    fn answer_waiting(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let lives = i64::from(GRANT_LIVES_MS);
        for waiting in std::mem::take(&mut self.waiting) {
            let at = waiting.request.at;
            let same_log = self.log_id.is_none_or(|log_id| log_id == at.log_id);
            let behind = same_log && at.seq > self.book.seq && self.diverged.is_none() && !planted::has(Bug::StaleRiskState);
            if !behind {
                let verdict = self.decide(now, &waiting.request, &waiting.bytes, effects);
                effects.push(Effect::Answer { asker: waiting.asker, verdict: Box::new(verdict) });
            } else if now.mono < waiting.since.plus_ms(lives) {
                if now.mono >= waiting.since.plus_ms(FETCH_AFTER_MS) {
                    self.fetch(now, effects);
                }
                self.waiting.push(waiting);
            }
        }
    }

    /// When `step` wants to be called again, though nothing comes in.
    pub fn next_wake(&self) -> Option<Mono> {
        self.waiting.iter().map(|waiting| waiting.since.plus_ms(FETCH_AFTER_MS)).min()
    }

    fn decide(&mut self, now: Now, request: &RiskRequest, bytes: &[u8], effects: &mut Vec<Effect>) -> Verdict {
        let hash = request_hash(bytes);
        let order_id = request.request.order_id;
        if let Some(grant) = self.grants.get(&order_id)
            && grant.request_hash == hash
        {
            return grant.verdict.clone();
        }
        let refused = self.refuses_all(now, request, effects);
        let mut others: Vec<&Order> = self.grants.iter().filter(|(id, _)| **id != order_id).map(|(_, grant)| &grant.order).collect();
        if planted::has(Bug::NoReservation) {
            others.clear();
        }
        let mut checks = judge(&self.book, &request.request, &others, self.mode, now.wall);
        if let Some(refused) = refused {
            checks.insert(0, refused);
        }
        let sized = request.request.order.as_ref().is_some_and(|order| !order.quantity.is_zero());
        let approved = sized && checks.iter().all(|check| check.passed);
        let at: Coordinates = request.at;
        let verdict = Verdict {
            request_hash: hash,
            order_id,
            at,
            risk_epoch: self.risk_epoch,
            decided_at: now.wall,
            lives_ms: GRANT_LIVES_MS,
            approved,
            checks,
        };
        if let Some(order) = request.request.order.as_ref().filter(|_| approved) {
            let grant = Grant { order: order.clone(), request_hash: hash, ask: request.ask, verdict: verdict.clone() };
            self.grants.insert(order_id, grant);
        }
        verdict
    }

    /// What stands against any grant at all: another history, an answer nobody waits for, a fresh start.
    fn refuses_all(&mut self, now: Now, request: &RiskRequest, effects: &mut Vec<Effect>) -> Option<Check> {
        let at = request.at;
        if let Some(witness) = self.diverged {
            let limit = format!("record {} with hash {} is in the log", witness.seq, witness.hash.short());
            return Some(Check::failed(Reason::HistoryDiverged, format!("log ends at record {}", self.book.seq), limit));
        }
        let same_log = self.log_id.is_none_or(|log_id| log_id == at.log_id);
        let seen = if at.seq == 0 { Some(Hash::ZERO) } else { self.hash_at(at.seq) };
        if !same_log || seen.is_some_and(|seen| seen != at.hash) {
            let limit = seen.map_or("the same log".to_owned(), |seen| format!("hash {}", seen.short()));
            let check = Check::failed(Reason::HistoryDiverged, format!("record {} with hash {}", at.seq, at.hash.short()), limit);
            let witness = if same_log { self.witness() } else { None };
            self.start_over(now, witness, effects);
            return Some(check);
        }
        if at.epoch < self.book.epoch {
            return Some(Check::failed(Reason::HistoryDiverged, format!("epoch {}", at.epoch), format!("epoch {}", self.book.epoch)));
        }
        if request.ask <= self.asked_through && !self.still_open.contains(&request.request.order_id) {
            return Some(Check::failed(
                Reason::RiskSilent,
                format!("request {}", request.ask),
                format!("after request {}", self.asked_through),
            ));
        }
        if self.over.contains(&request.request.order_id) {
            return Some(Check::failed(Reason::RiskSilent, "asked again", "one question an order: the log holds its answer"));
        }
        let opens = request.request.order.as_ref().is_none_or(|order| order.action == crate::domain::order::Action::Buy);
        if opens && (!self.caught_up || now.mono < self.quiet_until) && !planted::has(Bug::RiskForgetsGrants) {
            return Some(Check::failed(Reason::RiskStarting, "just started", format!("{GRANT_LIVES_MS} ms after reading the log")));
        }
        None
    }
}
