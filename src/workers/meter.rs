//! Counts what the log says: signals, verdicts, orders, fills, and how long each step took. Reads durable records and nothing
//! else, so that no order waits for a figure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::OrderId;
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::domain::verdict::{Approver, RiskRequest};
use crate::event_log::EventStore;
use crate::metrics::{Metrics, names};

const RETRY_MS: u64 = 200;
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
/// Orders whose next step is timed; more don't live at once.
const TIMED_MAX: usize = 4_096;

/// Where an order is on its way.
#[derive(Clone, Copy, Debug)]
struct Timed {
    venue: Venue,
    asked_at: Time,
    sent_at: Option<Time>,
    acked_at: Option<Time>,
}

pub struct Meter {
    metrics: Arc<Metrics>,
    timed: BTreeMap<OrderId, Timed>,
    /// When the last signal was answered.
    pub last_signal: watch::Sender<Option<Time>>,
}

impl Meter {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, timed: BTreeMap::new(), last_signal: watch::Sender::new(None) }
    }

    /// Counts every record after `from_seq`. Runs until the process ends.
    pub async fn run(mut self, log: Arc<dyn EventStore>, from_seq: u64, mut durable: watch::Receiver<u64>) {
        let mut counted = from_seq;
        loop {
            match log.read_from(counted + 1, BATCH_RECORDS, BATCH_BYTES) {
                Err(error) => {
                    tracing::warn!("records can't be read for counting: {error}");
                    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                }
                Ok(records) if records.is_empty() => {
                    if durable.changed().await.is_err() {
                        return;
                    }
                }
                Ok(records) => {
                    for record in records {
                        counted = record.seq;
                        if let Ok(stored) = record.decode() {
                            self.count(&stored.recorded);
                        }
                    }
                }
            }
        }
    }

    fn took(&self, stage: &str, from: Time, until: Time) {
        self.metrics.took(names::STAGES, &[("stage", stage)], until.nanos().saturating_sub(from.nanos()));
    }

    fn count(&mut self, recorded: &Recorded) {
        let (metrics, at) = (Arc::clone(&self.metrics), recorded.recorded_at);
        match &recorded.event {
            Event::SignalRejected { reason, subject, .. } => {
                let venue = subject.split('.').nth(1).and_then(Venue::parse).map_or("unknown", |venue| venue.as_str());
                metrics.count(names::SIGNALS_RECEIVED, &[("venue", venue)], 1);
                metrics.count(names::SIGNALS_REJECTED, &[("reason", reason.map_or("malformed", |reason| reason.as_str()))], 1);
                metrics.count(names::DEAD_LETTERS_ADDED, &[], 1);
                self.last_signal.send_replace(Some(at));
            }
            Event::OrderRequested { order_id, request, .. } => self.requested(*order_id, request, at),
            Event::OrderApproved { order_id, by, .. } => {
                let by = if *by == Approver::Risk { "risk" } else { "reduce_rule" };
                metrics.count(names::APPROVALS, &[("by", by)], 1);
                metrics.count(names::SIGNALS_REQUESTED, &[], 1);
                self.answered(order_id, at);
            }
            Event::OrderVetoed { order_id, failures, .. } => {
                metrics.count(names::SIGNALS_VETOED, &[], 1);
                failures.iter().for_each(|failure| metrics.count(names::VETOES, &[("reason", failure.reason.as_str())], 1));
                self.answered(order_id, at);
                self.timed.remove(order_id);
            }
            Event::SubmitStarted { order_id, .. } => {
                if let Some(timed) = self.timed.get_mut(order_id) {
                    timed.sent_at = Some(at);
                    metrics.count(names::ORDERS_SENT, &[("venue", timed.venue.as_str())], 1);
                }
            }
            Event::OrderAcked { order_id, .. } => self.replied(order_id, at),
            Event::OrderRejected { order_id, .. } | Event::OrderNotPlaced { order_id, .. } => {
                self.replied(order_id, at);
                self.timed.remove(order_id);
            }
            Event::Filled(fill) => {
                metrics.count(names::FILLS, &[("venue", fill.instrument.venue.as_str())], 1);
                // The first one of an order.
                if let Some(acked_at) = self.timed.remove(&fill.order_id).and_then(|timed| timed.acked_at) {
                    self.took("fill", acked_at, at);
                }
            }
            Event::OrderCanceled { order_id, .. } | Event::OrderExpired { order_id, .. } => {
                self.timed.remove(order_id);
            }
            _ => {}
        }
    }

    fn requested(&mut self, order_id: OrderId, request: &[u8], at: Time) {
        let Ok(question) = RiskRequest::decode(request) else { return };
        let (signal, asked_at) = (&question.request.signal, question.asked_at);
        let revision = question.request.order.as_ref().map_or(0, |order| order.revision);
        if revision == 0 {
            self.metrics.count(names::SIGNALS_RECEIVED, &[("venue", signal.venue.as_str())], 1);
            self.took("delivery", signal.created_at, asked_at);
            self.last_signal.send_replace(Some(at));
        }
        if self.timed.len() >= TIMED_MAX {
            self.timed.pop_first();
        }
        self.timed.insert(order_id, Timed { venue: signal.venue, asked_at, sent_at: None, acked_at: None });
    }

    fn answered(&self, order_id: &OrderId, at: Time) {
        if let Some(timed) = self.timed.get(order_id) {
            self.took("verdict", timed.asked_at, at);
        }
    }

    fn replied(&mut self, order_id: &OrderId, at: Time) {
        let Some(timed) = self.timed.get_mut(order_id) else { return };
        timed.acked_at = Some(at);
        if let Some(sent_at) = timed.sent_at {
            self.took("reply", sent_at, at);
        }
    }
}
