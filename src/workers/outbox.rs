//! Answers, dead letters and acknowledgements: the raw message is kept before the answer, the answer is published
//! before the bus may forget the signal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::deliveries::{Deliveries, Held};
use super::recent::Recent;
use crate::bus::subjects::PING;
use crate::bus::{Bus, BusError};
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::answer::{Answer, AnswerKind};
use crate::domain::ids::SignalId;
use crate::engine::DeliveryId;
use crate::event_log::{DeadLetter, EventStore};

/// A signal that can't be answered now comes again after this.
const GIVE_BACK_MS: u64 = 1_000;

/// Answers that share one proof of arrival.
const BATCH_MAX: usize = 64;
const PROOF_TIMEOUT: Duration = Duration::from_secs(2);

pub enum Outgoing {
    Answer { answer: Box<Answer>, deliveries: Vec<DeliveryId> },
    DeadLetter { delivery: DeliveryId, signal_id: Option<SignalId>, error: String },
    GiveBack { delivery: DeliveryId },
}

/// How often each answer was given since the start.
#[derive(Debug, Default)]
pub struct AnswerCounts {
    pub requested: AtomicU64,
    pub vetoed: AtomicU64,
    pub rejected: AtomicU64,
    pub duplicate: AtomicU64,
    pub ignored: AtomicU64,
}

impl AnswerCounts {
    fn count(&self, kind: AnswerKind) {
        let counter = match kind {
            AnswerKind::Requested => &self.requested,
            AnswerKind::Vetoed => &self.vetoed,
            AnswerKind::Rejected => &self.rejected,
            AnswerKind::Duplicate => &self.duplicate,
            AnswerKind::Ignored => &self.ignored,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub struct Outbox {
    pub bus: Arc<dyn Bus>,
    pub log: Arc<dyn EventStore>,
    pub clock: Clock,
    pub deliveries: Deliveries,
    pub counts: Arc<AnswerCounts>,
    pub recent: Arc<Mutex<Recent>>,
    /// Subject of the answers.
    pub subject: String,
}

impl Outbox {
    /// Runs until the process ends.
    pub async fn run(self, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while outgoing.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut published = Vec::new();
            for one in batch.drain(..) {
                match one {
                    Outgoing::Answer { answer, deliveries } => published.extend(self.answer(*answer, deliveries).await),
                    Outgoing::DeadLetter { delivery, signal_id, error } => self.keep(delivery, signal_id, error).await,
                    Outgoing::GiveBack { delivery } => {
                        if let Some(held) = self.deliveries.take(delivery) {
                            let _ = held.delivery.nak(GIVE_BACK_MS).await;
                        }
                    }
                }
            }
            self.acknowledge(published).await;
        }
    }

    /// Publishes one answer. Returns the deliveries that it answers; without them the signal comes again and is
    /// answered as a duplicate.
    async fn answer(&self, answer: Answer, deliveries: Vec<DeliveryId>) -> Vec<Held> {
        self.counts.count(answer.answer);
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).note(&answer);
        let payload = serde_json::to_vec(&answer).expect("Invariant: an answer always encodes");
        let id = answer.answer_id.to_string();
        reach(Point::AnswerBefore);
        let sent = self.bus.publish(&self.subject, payload.into(), Some(&id)).await;
        reach(Point::AnswerAfter);
        let held = deliveries.into_iter().filter_map(|delivery| self.deliveries.take(delivery)).collect();
        match sent {
            Ok(()) => held,
            Err(error) => {
                tracing::warn!("the answer to {:?} could not be published: {error}", answer.signal_id);
                Vec::new()
            }
        }
    }

    /// A published answer lies in the client's buffer until the server has read it: only then may the bus forget the signal.
    async fn acknowledge(&self, answered: Vec<Held>) {
        if answered.is_empty() {
            return;
        }
        // Nobody listens there: "no responders" comes back after everything we sent before was read.
        match self.bus.request(PING, Bytes::new(), PROOF_TIMEOUT).await {
            Ok(_) | Err(BusError::NoResponders { .. }) => {}
            Err(error) => {
                tracing::warn!("{} answers may not have arrived, their signals will come again: {error}", answered.len());
                return;
            }
        }
        for held in answered {
            reach(Point::AcknowledgeBefore);
            if let Err(error) = held.delivery.ack().await {
                tracing::warn!("an acknowledgement failed, the signal will come again: {error}");
            }
            reach(Point::AcknowledgeAfter);
        }
    }

    async fn keep(&self, delivery: DeliveryId, signal_id: Option<SignalId>, reason: String) {
        let Some((subject, stream_seq, raw)) = self.deliveries.look(delivery) else { return };
        tracing::warn!("signal {stream_seq} on {subject} was rejected: {reason}");
        let letter = DeadLetter { received_at: self.clock.now().wall, subject, stream_seq, reason, signal_id, raw };
        let log = Arc::clone(&self.log);
        reach(Point::DeadLetterBefore);
        let kept = tokio::task::spawn_blocking(move || log.dead_letter_add(&letter)).await;
        reach(Point::DeadLetterAfter);
        if !matches!(kept, Ok(Ok(_))) {
            tracing::error!("a rejected message could not be kept: {kept:?}");
        }
    }
}
