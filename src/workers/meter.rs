//! Counts what the log says: signals, verdicts, orders, fills, and how long each step took. Reads durable records and nothing
//! else, so that no order waits for a figure.

use std::sync::Arc;

use tokio::sync::watch;

use super::stages::{Stages, Took};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::OrderId;
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::domain::verdict::{Approver, RiskRequest};
use crate::metrics::{Metrics, names};

pub struct Meter {
    metrics: Arc<Metrics>,
    stages: Stages,
    /// When the last signal was answered.
    pub last_signal: watch::Sender<Option<Time>>,
}

impl Meter {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, stages: Stages::default(), last_signal: watch::Sender::new(None) }
    }

    /// Counts one record. What step it ended, if one.
    pub fn take(&mut self, recorded: &Recorded) -> Option<Took> {
        let metrics = &self.metrics;
        match &recorded.event {
            Event::SignalRejected { reason, subject, .. } => {
                let venue = subject.split('.').nth(1).and_then(Venue::parse).map_or("unknown", |venue| venue.as_str());
                metrics.count(names::SIGNALS_RECEIVED, &[("venue", venue)], 1);
                metrics.count(names::SIGNALS_REJECTED, &[("reason", reason.map_or("malformed", |reason| reason.as_str()))], 1);
                metrics.count(names::DEAD_LETTERS_ADDED, &[], 1);
                self.last_signal.send_replace(Some(recorded.recorded_at));
            }
            Event::OrderApproved { by, .. } => {
                let by = if *by == Approver::Risk { "risk" } else { "reduce_rule" };
                metrics.count(names::APPROVALS, &[("by", by)], 1);
                metrics.count(names::SIGNALS_REQUESTED, &[], 1);
            }
            Event::OrderVetoed { failures, .. } => {
                metrics.count(names::SIGNALS_VETOED, &[], 1);
                failures.iter().for_each(|failure| metrics.count(names::VETOES, &[("reason", failure.reason.as_str())], 1));
            }
            Event::SubmitStarted { order_id, .. } => {
                let venue = self.stages.venue(order_id).map_or("unknown", |venue| venue.as_str());
                metrics.count(names::ORDERS_SENT, &[("venue", venue)], 1);
            }
            Event::Filled(fill) => metrics.count(names::FILLS, &[("venue", fill.instrument.venue.as_str())], 1),
            _ => {}
        }
        let took = match &recorded.event {
            Event::OrderRequested { order_id, request, .. } => self.requested(*order_id, request, recorded.recorded_at),
            _ => self.stages.take(recorded),
        };
        if let Some((stage, nanos)) = took {
            self.metrics.took(names::STAGES, &[("stage", stage)], nanos);
        }
        took
    }

    /// A close that goes on is one signal's.
    fn requested(&mut self, order_id: OrderId, request: &[u8], at: Time) -> Option<Took> {
        let question = RiskRequest::decode(request).ok()?;
        let took = self.stages.asked(order_id, &question);
        let first = question.request.order.as_ref().is_none_or(|order| order.revision == 0);
        if first {
            self.metrics.count(names::SIGNALS_RECEIVED, &[("venue", question.request.signal.venue.as_str())], 1);
            self.last_signal.send_replace(Some(at));
        }
        first.then_some(took)
    }
}
