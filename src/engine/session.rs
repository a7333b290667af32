//! Start, day, end: what a session finds and what it leaves.

use super::{CLOCKS_DIFFER_MS, Effect, Engine, Timer};
use crate::domain::event::{Event, NotPlaced};
use crate::domain::ids::{Hash, Instance, LogId, Mode, OrderId};
use crate::domain::limits::Limits;
use crate::domain::market::{BookKey, Venue};
use crate::domain::money::Usd;
use crate::domain::order::OrderState;
use crate::domain::report::VenueMode;
use crate::domain::time::Now;
use crate::domain::verdict::{Failure, Reason};

/// What the engine is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub account: Instance,
    pub mode: Mode,
    pub log_id: LogId,
    /// Ed25519 key of the risk consumer whose verdicts count.
    pub risk_public_key: Vec<u8>,
    pub risk_timeout_ms: i64,
    /// How long a venue may still accept a signed request that was delayed.
    pub submit_stale_after_ms: i64,
}

/// The beginning of a session.
#[derive(Clone, Debug)]
pub struct Start {
    pub version: String,
    pub config_hash: Hash,
    pub limits: Limits,
    /// Booked when the log is empty: what the paper exchange starts with. Other accounts open with a reading.
    pub paper_cash: Option<Usd>,
    /// Venues of this session. What isn't listed has no credentials; on paper, those whose books are traded on.
    pub venues: Vec<Venue>,
    /// Those whose orders are signed ahead, because their name at the venue follows from that.
    pub prepares: Vec<Venue>,
    /// Of the lease this session runs under; counted up from the log's last where there is none.
    pub epoch: Option<u64>,
    /// Hash of the last record in the log.
    pub head_hash: Hash,
}

impl Engine {
    pub(super) fn start(&mut self, now: Now, start: Start, out: &mut Vec<Effect>) {
        assert!(!self.started, "Invariant: a session starts once");
        self.durable = (self.book.seq, start.head_hash);
        self.epoch = start.epoch.unwrap_or(self.book.epoch + 1);
        assert!(self.epoch > self.book.epoch, "Invariant: a session's epoch is newer than every record's");
        self.started = true;
        self.silence.1 = now.wall;
        self.describing = start.venues.clone();
        self.preparing = start.prepares.clone();
        let logged_at = self.book.recorded_at.plus_ms(CLOCKS_DIFFER_MS);
        let instance = self.settings.account.as_str().into();
        let mut events = vec![Event::SessionStarted { version: start.version.into(), config_hash: start.config_hash, instance }];
        // Not "when the log is empty": a crash can leave the first record without the second.
        if let Some(cash) = start.paper_cash.filter(|_| !self.book.cash.is_opened(Venue::Paper)) {
            events.push(Event::OpeningBalance { account: Venue::Paper, cash, found: None });
        }
        if self.book.limits.as_ref() != Some(&start.limits) {
            events.push(Event::LimitsLoaded { limits: Box::new(start.limits) });
        }
        if start.paper_cash.is_none() {
            events.extend(self.venues_at_start(&start.venues));
        }
        self.append(now, events, out);
        // What the last session booked up to its end may be newer than what the first reading shows.
        let opened: Vec<Venue> = self.book.cash.accounts().map(|(venue, _)| venue).collect();
        opened.into_iter().for_each(|venue| self.note_booked(venue, now.wall.max(logged_at)));
        self.turn_day(now, out);
        self.take_over(now, out);
        self.watch_books(out);
        self.breakers_at_start(now, out);
        if self.killed {
            self.cancel_opens(now, crate::domain::event::CancelCause::Killed, |_| true, out);
        }
    }

    /// With money, each venue is either read first or off.
    fn venues_at_start(&self, venues: &[Venue]) -> Vec<Event> {
        let said = |venue| match venues.contains(&venue) {
            true => (VenueMode::Reconciling, "its account is being read"),
            false => (VenueMode::Off, "no credentials"),
        };
        let all = [Venue::Kalshi, Venue::Polymarket].map(|venue| (venue, said(venue)));
        let changed = all.into_iter().filter(|(venue, (mode, _))| self.book.venues.get(*venue).is_none_or(|r| r.mode != *mode));
        changed.map(|(venue, (mode, why))| Event::VenueModeChanged { venue, mode, why: why.into() }).collect()
    }

    /// Books whose prices matter from the start.
    fn watch_books(&self, out: &mut Vec<Effect>) {
        let held = self.book.positions.held().map(|(key, _)| key.clone());
        let worked_on = self.book.orders.live().map(|record| record.order.instrument.book_key());
        let keys: std::collections::BTreeSet<BookKey> = held.chain(worked_on).collect();
        out.extend(keys.into_iter().map(|key| Effect::Watch { key }));
    }

    /// Orders of earlier sessions: what was never sent is closed, what may have been is looked up.
    fn take_over(&mut self, now: Now, out: &mut Vec<Effect>) {
        let all: Vec<(OrderId, OrderState, bool)> =
            self.book.orders.iter().filter(|r| !r.is_done()).map(|r| (r.order.order_id, r.state, r.approved_by.is_some())).collect();
        for (order_id, state, approved) in all {
            let Some(record) = self.book.orders.get(&order_id) else { continue };
            let (order, filled, attempt) = (record.order.clone(), record.filled, record.attempts);
            match state {
                OrderState::Requested if approved => {
                    let cause = NotPlaced::Withheld("the process ended before the send was on record".into());
                    self.append(now, vec![Event::OrderNotPlaced { order_id, cause }], out);
                }
                OrderState::Requested => {
                    let failure = Failure {
                        reason: Reason::RiskSilent,
                        observed: "the process ended before a verdict".into(),
                        limit: "a verdict".into(),
                    };
                    let event = Event::OrderVetoed {
                        order_id,
                        failures: vec![failure],
                        verdict: Default::default(),
                        signature: Default::default(),
                    };
                    self.append(now, vec![event], out);
                }
                OrderState::Submitting => {
                    let why = "the process ended before the venue's answer was on record".into();
                    self.append(now, vec![Event::OrderOutcomeUnknown { order_id, attempt, why, seen: false }], out);
                    self.expiries.insert((order.expires_at, order_id));
                    self.set_timer(now.mono, Timer::LookUp(order_id));
                }
                OrderState::Working => {
                    out.push(Effect::Restore { order: Box::new(order.clone()), filled });
                    self.expiries.insert((order.expires_at, order_id));
                    self.set_timer(now.mono, Timer::LookUp(order_id));
                }
                _ => {
                    self.expiries.insert((order.expires_at, order_id));
                    self.set_timer(now.mono, Timer::LookUp(order_id));
                }
            }
        }
    }

    /// Begins the trading day once it has begun.
    pub(super) fn turn_day(&mut self, now: Now, out: &mut Vec<Effect>) {
        let offset_minutes = self.book.limits.as_ref().map_or(0, |limits| limits.day_offset_minutes);
        let day = now.wall.day(offset_minutes);
        // A clock that steps back doesn't bring yesterday back.
        if self.book.cash.day.is_none_or(|known| day > known) {
            let equity = self.book.cash.equity();
            self.append(now, vec![Event::TradingDayStarted { day, equity }], out);
            self.count_day(out);
        }
    }

    /// Tells risk which questions are still open, after some were given up.
    pub(super) fn heartbeat(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.gave_up {
            return;
        }
        self.gave_up = false;
        let open_requests = self.asked.keys().copied().collect();
        self.append(now, vec![Event::Heartbeat { asked_through: self.asks, open_requests }], out);
    }

    pub(super) fn stop(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        for delivery in std::mem::take(&mut self.asked).into_values().flat_map(|asked| asked.deliveries) {
            out.push(Effect::GiveBack { delivery });
        }
        self.asked_signals.clear();
        self.forget_awaited("the engine has ended", out);
        self.append(now, vec![Event::SessionEnded { clean: true }], out);
    }
}
