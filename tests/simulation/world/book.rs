//! The log with its unsynced tail, its index, and the way of its records and questions to the risk consumer and back.

use std::collections::BTreeSet;

use arbees::domain::answer::AnswerKind;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, Mode, OrderId, SignalId, sha256};
use arbees::domain::order::Action;
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Earlier, Input};
use arbees::risk;

use super::{Message, World};
use crate::faults::Class;
use crate::holds;

impl World {
    pub(super) fn append(&mut self, records: Vec<Recorded>) {
        let acting = self.acting();
        let mut about = Vec::new();
        for recorded in records {
            holds!(recorded.seq == self.log.len() as u64 + 1, "§4: record {} after {}", recorded.seq, self.log.len());
            let phase = self.ledger.phase(&recorded.event);
            self.matrix.saw(recorded.event.name(), phase, acting);
            let late = if matches!(recorded.event, Event::OrderApproved { .. }) { self.late() } else { BTreeSet::new() };
            let truth = Self::truth(&self.venues, late);
            self.ledger.take(&recorded, Some(&truth));
            self.index(&recorded.event);
            about.extend(recorded.event.order_id());
            let prev = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
            // Without names: nobody reads it.
            let bytes = rmp_serde::to_vec(&recorded).expect("encode");
            self.log.push((recorded, sha256(&[&prev.0, &bytes])));
        }
        // Effects come after all records of the step were folded: what is shown is compared where it stands.
        if self.engine.as_ref().is_some_and(|engine| engine.book().seq == self.log.len() as u64) {
            let book = self.engine.as_ref().map(|engine| engine.book()).expect("it just decided");
            self.ledger.check_fold(book);
            about.dedup();
            about.iter().for_each(|order_id| self.ledger.check_fold_of(book, order_id));
        }
        let slow = self.strikes(Class::SlowSync);
        let wait = if slow { self.dice.between(200, 1_600) } else { self.dice.between(0, 3) };
        let wait = wait.max(self.synced_at - self.clock_ms);
        self.synced_at = self.clock_ms + wait;
        if self.strikes(Class::LogFails) {
            return self.tell_engine(wait, Input::LogFailed { why: "the sync failed".into() });
        }
        self.push(wait, Message::Sync(self.engine_life, self.log.len() as u64));
    }

    fn index(&mut self, event: &Event) {
        let at = self.log.len();
        match event {
            Event::SubmitStarted { order_id, attempt, .. } => {
                self.submits.insert((*order_id, *attempt), at);
                self.counts.orders += u64::from(*attempt == 1);
            }
            Event::OrderVetoed { order_id, .. } => drop(self.vetoes.insert(*order_id, at)),
            Event::OrderRequested { signal_id, order, order_id, .. } => {
                let opens = order.as_ref().is_some_and(|order| order.action == Action::Buy);
                holds!(!(opens && self.draining), "S104: order {order_id} opened by an engine that was asked to end");
                self.answers.entry(signal_id.clone()).or_insert(at);
                let revision = order.as_ref().map_or(0, |order| order.revision);
                let known = *self.ids.entry((signal_id.clone(), revision)).or_insert(*order_id);
                holds!(known == *order_id, "§3.2: signal {signal_id} asked for order {known}, and now for {order_id}");
            }
            _ => {}
        }
    }

    pub(super) fn sync(&mut self, upto: usize) {
        if upto <= self.durable {
            return;
        }
        let from = self.durable;
        self.durable = upto;
        let (last, hash) = &self.log[upto - 1];
        let (seq, hash) = (last.seq, *hash);
        self.tell_engine(0, Input::Durable { seq, hash });
        for index in from..upto {
            if !self.strikes(Class::DropRecord) {
                let late = self.strikes(Class::DelayRecord);
                let wait = if late { self.dice.between(20, 900) } else { self.dice.between(0, 5) };
                self.publish(index, wait);
            }
        }
    }

    fn record(&self, index: usize) -> risk::Input {
        let (recorded, hash) = self.log[index].clone();
        let prev_hash = if index == 0 { Hash::ZERO } else { self.log[index - 1].1 };
        risk::Input::Record { log_id: self.log_id, mode: Mode::Live, prev_hash, hash, recorded: Box::new(recorded) }
    }

    fn publish(&mut self, index: usize, wait: i64) {
        let input = self.record(index);
        self.push(wait, Message::ToRisk(self.risk_life, Box::new(input)));
    }

    pub(super) fn fetch(&mut self, from_seq: u64) {
        let head_seq = self.durable as u64;
        self.push(2, Message::Range(self.risk_life, from_seq, head_seq));
    }

    /// A range read has come: its records, and its end.
    pub(super) fn range(&mut self, from_seq: u64, head_seq: u64) {
        for seq in from_seq..=head_seq.min(self.log.len() as u64) {
            let record = self.record(seq as usize - 1);
            self.risk_step(record);
        }
        self.risk_step(risk::Input::Fetched { log_id: self.log_id, head_seq, from_seq });
    }

    pub(super) fn ask_risk(&mut self, order_id: OrderId, bytes: Vec<u8>) {
        let mono = self.now().mono;
        self.asked.insert(order_id, mono);
        if self.strikes(Class::DropVerdict) {
            return;
        }
        let asker = u64::from_be_bytes(order_id.0[..8].try_into().expect("8 bytes"));
        let times = 1 + u64::from(self.strikes(Class::RepeatRequest));
        for _ in 0..times {
            let wait = if self.strikes(Class::SlowRisk) { self.dice.between(60, 1_500) } else { self.dice.between(0, 30) };
            let input = risk::Input::Request { asker, bytes: bytes.clone() };
            self.push(wait, Message::Question(Box::new(input)));
        }
    }

    pub(super) fn answer_engine(&mut self, order_id: OrderId, signed: SignedVerdict) {
        if self.strikes(Class::DropVerdict) {
            return;
        }
        let wait = if self.strikes(Class::SlowRisk) { self.dice.between(20, 400) } else { self.dice.between(0, 10) };
        // Another verdict in its place, signed all the same.
        if self.strikes(Class::Misroute)
            && let Some(other) = self.last_verdict.clone()
        {
            self.tell_engine(wait, Input::Verdict { order_id, signed: Some(other) });
        } else {
            self.tell_engine(wait, Input::Verdict { order_id, signed: Some(signed.clone()) });
        }
        self.last_verdict = Some(signed);
    }

    /// The on-disk index: the first logged answer of a signal in the durable log.
    pub(super) fn earlier(&self, id: &SignalId) -> Option<Earlier> {
        let at = *self.answers.get(id).filter(|at| **at < self.durable)?;
        let Event::OrderRequested { order_id, content_hash, .. } = &self.log[at].0.event else { return None };
        let vetoed = self.vetoes.get(order_id).is_some_and(|at| *at < self.durable);
        let answer = if vetoed { AnswerKind::Vetoed } else { AnswerKind::Requested };
        Some(Earlier { content_hash: *content_hash, answer, order_id: Some(*order_id) })
    }
}
