//! Processes that die and come back: only the log survives, and not all of that.

use arbees::domain::ids::{Hash, Instance, Mode};
use arbees::domain::market::Venue;
use arbees::domain::report::VenueMode;
use arbees::engine::{Engine, Input, Settings, Start};
use arbees::projections::Projections;
use arbees::risk::Risk;
use ring::signature::KeyPair;

use super::{Message, STALE_MS, World};
use crate::faults::Class;
use crate::ledger::Ledger;

const BOTH: [Venue; 2] = [Venue::Kalshi, Venue::Polymarket];

impl World {
    pub(super) fn crash_sometimes(&mut self) {
        if self.engine.is_none() {
            return;
        }
        if self.strikes(Class::LeaseLost) {
            self.engine_step(Input::OwnershipLost { why: "the lease is another's".into() });
        }
        if self.strikes(Class::ClockStep) {
            // Within what the engine allows between its clock and the venues'.
            self.skew_ms = self.dice.between(-900, 900);
        }
    }

    pub(super) fn crash_risk(&mut self) {
        self.trace(|| "RISK CRASH".to_owned());
        self.struck[Class::RiskCrash as usize] = self.clock_ms;
        self.risk = None;
        self.risk_tick_at = None;
        self.risk_life += 1;
        self.queue.retain(|_, message| !matches!(message, Message::RestartRisk));
        let longest = if self.dice.per_mille(500) { 30 } else { 900 };
        let wait = self.dice.between(5, longest);
        self.push(wait, Message::RestartRisk);
    }

    /// `halted`: by itself; else killed.
    pub(super) fn crash_engine(&mut self, halted: bool) {
        if self.engine.is_none() {
            return;
        }
        self.trace(|| if halted { "ENGINE HALTS".to_owned() } else { "ENGINE CRASH".to_owned() });
        if !halted {
            self.struck[Class::EngineCrash as usize] = self.clock_ms;
        }
        self.counts.crashes += 1;
        self.engine = None;
        self.draining = false;
        self.engine_life += 1;
        // What was not synced may be there, in part, or not.
        let unsynced = (self.log.len() - self.durable) as u64;
        let kept = self.dice.below(unsynced + 1) as usize;
        self.cut_log(self.durable + kept);
        self.tick_at = None;
        self.synced_at = 0;
        self.asked.clear();
        self.watched.clear();
        self.streams.clear();
        // Now and then it stays down past the venue-side expiry of what rests.
        let longest = if self.dice.per_mille(100) { 8_000 } else { 800 };
        let wait = self.dice.between(5, longest);
        self.push(wait, Message::RestartEngine);
    }

    fn cut_log(&mut self, end: usize) {
        let lost = end < self.log.len();
        self.log.truncate(end);
        self.durable = end;
        self.submits.retain(|_, at| *at < end);
        self.answers.retain(|_, at| *at < end);
        self.vetoes.retain(|_, at| *at < end);
        if lost {
            self.ledger = Ledger::default();
            self.log.iter().for_each(|(recorded, _)| self.ledger.take(recorded, None));
        }
    }

    pub(super) fn folded(&self) -> Projections {
        let mut book = Projections::default();
        self.log.iter().for_each(|(recorded, _)| book.fold(recorded).expect("the log folds"));
        book
    }

    pub(super) fn restart_engine(&mut self) {
        if self.engine.is_some() {
            return;
        }
        let settings = Settings {
            account: Instance::new("main").expect("name"),
            mode: Mode::Live,
            log_id: self.log_id,
            risk_public_key: self.key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 200,
            submit_stale_after_ms: STALE_MS,
        };
        // A kill that was not durable when the process died is gone with it, as its operator was told nothing.
        self.kill_wanted = self.ledger.kill;
        self.engine = Some(Engine::new(settings, self.folded()));
        let start = Start {
            version: "test".into(),
            config_hash: Hash::ZERO,
            limits: super::traffic::limits(),
            paper_cash: None,
            venues: BOTH.to_vec(),
            prepares: vec![Venue::Polymarket],
            epoch: None,
            head_hash: self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash),
        };
        self.engine_step(Input::Start(Box::new(start)));
        for venue in BOTH {
            let wait = self.dice.between(5, 40);
            self.push(wait, Message::StreamUp(self.engine_life, venue));
            self.push(wait + 2, Message::ReadAccount(self.engine_life, venue));
            if self.venues[&venue].paused {
                self.mode(1, venue, VenueMode::CancelOnly, "still paused");
            }
        }
        for n in 0..self.signals.len() {
            if !self.signals[n].acked && self.signals[n].signal.created_at <= self.true_time() {
                self.bring(n, 20);
            }
        }
    }

    pub(super) fn restart_risk(&mut self) {
        if self.risk.is_some() {
            return;
        }
        self.risk = Some(Risk::new(Mode::Live, self.risk_life));
        self.fetch(1);
    }
}
