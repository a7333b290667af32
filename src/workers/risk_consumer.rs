//! The risk consumer: its own fold of the engine's log, read over the bus, and signed verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::lease::Lease;
use crate::bus::envelope::{RangeReply, RangeRequest, decode, encode};
use crate::bus::subjects::Subjects;
use crate::bus::{Bus, Message, Subscription};
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::event::Scope;
use crate::domain::ids::{Instance, LogId, Mode};
use crate::domain::verdict::{Reason, SignedVerdict};
use crate::event_log::record::{decode as decode_record, record_hash};
use crate::risk::{Effect, Input, Risk};

const TELL_EVERY_MS: u64 = 500;
const FETCH_TIMEOUT_MS: u64 = 1_000;
const RETRY_MS: u64 = 300;
/// Requests whose answer is still to come.
const ASKERS_MAX: usize = 2_048;
/// Fetched records that wait to be folded: one reply of the log at a time.
const FETCHED_MAX: usize = 8_192;

/// What risk says unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tell {
    /// Every half second.
    Hello {
        risk_epoch: u64,
        ready: bool,
        seq: u64,
    },
    Trip {
        scope: Scope,
        reason: Reason,
        observed: String,
        limit: String,
    },
}

pub struct RiskConsumer {
    pub bus: Arc<dyn Bus>,
    pub clock: Clock,
    pub mode: Mode,
    pub instance: Instance,
    pub key: Ed25519KeyPair,
    pub risk_epoch: u64,
    /// Without which nothing is said, where leases are needed: another risk consumer has this one's place.
    pub lease: Option<Arc<Lease>>,
    /// Ready or not, for this process's own health page.
    pub ready: watch::Sender<bool>,
}

struct Desk {
    consumer: RiskConsumer,
    subjects: Subjects,
    risk: Risk,
    askers: BTreeMap<u64, Message>,
    last_asker: u64,
    fetched: mpsc::Sender<Fetched>,
    reading: Option<JoinHandle<()>>,
}

/// What a range read brings.
enum Fetched {
    Record(Vec<u8>),
    End { log_id: LogId, head_seq: u64, from_seq: u64 },
}

impl RiskConsumer {
    /// Runs until the process ends.
    pub async fn run(self) {
        let subjects = Subjects::of(self.mode, &self.instance);
        let mut events = subscribed(&*self.bus, &subjects.events).await;
        let mut requests = subscribed(&*self.bus, &subjects.risk_request).await;
        let (sender, mut fetched) = mpsc::channel(FETCHED_MAX);
        let risk = Risk::new(self.mode, self.risk_epoch);
        let mut desk = Desk { consumer: self, subjects, risk, askers: BTreeMap::new(), last_asker: 0, fetched: sender, reading: None };
        let mut hello = tokio::time::interval(Duration::from_millis(TELL_EVERY_MS));
        let begun = desk.risk.begin(desk.consumer.clock.now());
        desk.carry_out(begun).await;
        loop {
            let wake = desk.wake_ms();
            tokio::select! {
                biased;
                // Records before requests: a request speaks of records that were published before it.
                Some(message) = events.next() => desk.record(&message.payload).await,
                Some(read) = fetched.recv() => match read {
                    Fetched::Record(bytes) => desk.record(&bytes).await,
                    Fetched::End { log_id, head_seq, from_seq } => desk.step(Input::Fetched { log_id, head_seq, from_seq }).await,
                },
                Some(message) = requests.next() => desk.request(message).await,
                _ = hello.tick() => desk.hello().await,
                () = tokio::time::sleep(Duration::from_millis(wake)) => desk.step(Input::Tick).await,
            }
        }
    }
}

async fn subscribed(bus: &dyn Bus, subject: &str) -> Subscription {
    loop {
        match bus.subscribe(subject).await {
            Ok(subscription) => return subscription,
            Err(error) => {
                tracing::warn!("{subject} can't be listened to yet: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    }
}

impl Desk {
    fn wake_ms(&self) -> u64 {
        let now = self.consumer.clock.now().mono;
        let wait = self.risk.next_wake().map_or(1_000, |due| (due.0 - now.0) / 1_000_000 + 1);
        wait.clamp(1, 1_000) as u64
    }

    async fn record(&mut self, bytes: &[u8]) {
        match decode_record(bytes) {
            Ok(stored) => {
                let hash = record_hash(bytes);
                let (log_id, mode, prev_hash) = (stored.log_id, stored.mode, stored.prev_hash);
                self.step(Input::Record { log_id, mode, prev_hash, hash, recorded: Box::new(stored.recorded) }).await;
                reach(Point::RiskRecordAfter);
            }
            Err(error) => tracing::error!("a record of the log can't be read: {error}"),
        }
    }

    async fn request(&mut self, message: Message) {
        if self.askers.len() >= ASKERS_MAX {
            self.askers.pop_first();
        }
        self.last_asker += 1;
        let (asker, bytes) = (self.last_asker, message.payload.to_vec());
        self.askers.insert(asker, message);
        self.step(Input::Request { asker, bytes }).await;
    }

    async fn step(&mut self, input: Input) {
        let was_diverged = self.risk.diverged();
        let effects = self.risk.step(self.consumer.clock.now(), input);
        if let Some(witness) = self.risk.diverged().filter(|witness| was_diverged != Some(*witness)) {
            tracing::error!(
                "the log shows another history: record {} with hash {} is gone; nothing is granted",
                witness.seq,
                witness.hash.short()
            );
        }
        self.carry_out(effects).await;
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer { asker, verdict } => {
                    let Some(message) = self.askers.remove(&asker) else { continue };
                    let signed = SignedVerdict::sign(&verdict, &self.consumer.key);
                    let payload = rmp_serde::to_vec_named(&signed).expect("Invariant: a signed verdict always encodes");
                    reach(Point::RiskAnswerBefore);
                    // What is never answered is silence: the engine gives the question up and says so in the log.
                    if self.is_replaced() {
                        continue;
                    }
                    if let Err(error) = self.consumer.bus.reply(&message, payload.into()).await {
                        tracing::warn!("a verdict could not be sent: {error}");
                    }
                    reach(Point::RiskAnswerAfter);
                }
                Effect::Fetch { from_seq } => self.fetch(from_seq),
                Effect::AskTrip { scope, reason, observed, limit } => self.tell(&Tell::Trip { scope, reason, observed, limit }).await,
            }
        }
    }

    fn is_replaced(&self) -> bool {
        let now = self.consumer.clock.now();
        self.consumer.lease.as_ref().is_some_and(|lease| lease.objection(now).is_some())
    }

    async fn hello(&mut self) {
        let refused = self.consumer.bus.state().borrow().refused.is_some();
        let ready = self.risk.is_ready(self.consumer.clock.now().mono) && !refused;
        // Only a change is news.
        self.consumer.ready.send_if_modified(|known| std::mem::replace(known, ready) != ready);
        self.tell(&Tell::Hello { risk_epoch: self.consumer.risk_epoch, ready, seq: self.risk.book().seq }).await;
    }

    async fn tell(&self, tell: &Tell) {
        let payload = rmp_serde::to_vec_named(tell).expect("Invariant: a tell always encodes");
        reach(Point::RiskTellBefore);
        if self.is_replaced() {
            return;
        }
        let _ = self.consumer.bus.publish(&self.subjects.risk_tell, payload.into(), None).await;
        reach(Point::RiskTellAfter);
    }

    /// Reads the log from `from_seq` to its end, beside everything else, instead of a reading that is still under way.
    fn fetch(&mut self, from_seq: u64) {
        let (bus, subject, out) = (Arc::clone(&self.consumer.bus), self.subjects.log_read.clone(), self.fetched.clone());
        let reading = tokio::spawn(async move { fetch_range(&*bus, &subject, from_seq, &out).await });
        if let Some(earlier) = self.reading.replace(reading) {
            earlier.abort();
        }
    }
}

async fn fetch_range(bus: &dyn Bus, subject: &str, from_seq: u64, out: &mpsc::Sender<Fetched>) {
    let mut next = from_seq;
    let mut log_id = None;
    loop {
        let request = encode(&RangeRequest::from(next));
        let reply = bus.request(subject, request.into(), Duration::from_millis(FETCH_TIMEOUT_MS)).await;
        let reply = match reply.map(|bytes| decode::<RangeReply>(&bytes)) {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                tracing::error!("a range of the log can't be read: {error}");
                return;
            }
            // No engine there yet, or the bus is gone.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                continue;
            }
        };
        for record in &reply.records {
            log_id = decode_record(record).ok().map(|stored| stored.log_id).or(log_id);
            next += 1;
            if out.send(Fetched::Record(record.to_vec())).await.is_err() {
                return;
            }
        }
        if next > reply.head_seq || reply.records.is_empty() {
            let log_id = match log_id {
                Some(log_id) => log_id,
                None => last_log_id(bus, subject, reply.head_seq).await,
            };
            let _ = out.send(Fetched::End { log_id, head_seq: reply.head_seq, from_seq }).await;
            return;
        }
    }
}

/// Which log it is, when the range was empty: its last record says so. An empty log has no name yet.
async fn last_log_id(bus: &dyn Bus, subject: &str, head_seq: u64) -> LogId {
    let request = RangeRequest { from_seq: head_seq.max(1), max_records: 1, max_bytes: u32::MAX };
    let reply = bus.request(subject, encode(&request).into(), Duration::from_millis(FETCH_TIMEOUT_MS)).await;
    let record = reply.ok().and_then(|bytes| decode::<RangeReply>(&bytes).ok()).and_then(|reply| reply.records.into_iter().next());
    record.and_then(|record| decode_record(&record).ok()).map(|stored| stored.log_id).unwrap_or_default()
}

/// Hears what risk says unasked, and hands it on. Runs until the process ends.
pub async fn hear(bus: Arc<dyn Bus>, subject: String, heard: mpsc::UnboundedSender<Tell>) {
    loop {
        let mut tells = subscribed(&*bus, &subject).await;
        while let Some(message) = tells.next().await {
            if let Ok(tell) = rmp_serde::from_slice::<Tell>(&message.payload)
                && heard.send(tell).is_err()
            {
                return;
            }
        }
    }
}
