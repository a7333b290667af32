//! How long each step of an order took, from its records.

use std::collections::BTreeMap;

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::OrderId;
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::domain::verdict::RiskRequest;

/// Orders whose next step is awaited; more don't live at once.
const AWAITED_MAX: usize = 4_096;

/// Where an order is on its way.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    venue: Venue,
    asked_at: Time,
    sent_at: Option<Time>,
    acked_at: Option<Time>,
}

/// A step by its name, and its nanoseconds.
pub type Took = (&'static str, i64);

#[derive(Debug, Default)]
pub struct Stages(BTreeMap<OrderId, Awaited>);

fn took(stage: &'static str, from: Time, until: Time) -> Took {
    (stage, until.nanos().saturating_sub(from.nanos()))
}

impl Stages {
    /// Of an order that is on its way.
    pub fn venue(&self, order_id: &OrderId) -> Option<Venue> {
        self.0.get(order_id).map(|awaited| awaited.venue)
    }

    /// `delivery`: from the signal's making to the question to risk.
    pub fn asked(&mut self, order_id: OrderId, question: &RiskRequest) -> Took {
        let signal = &question.request.signal;
        if self.0.len() >= AWAITED_MAX {
            self.0.pop_first();
        }
        self.0.insert(order_id, Awaited { venue: signal.venue, asked_at: question.asked_at, sent_at: None, acked_at: None });
        took("delivery", signal.created_at, question.asked_at)
    }

    /// `verdict`: from the question to its answer on record; `reply`: from the attempt on record to the venue's answer on record;
    /// `fill`: from there to the first fill.
    pub fn take(&mut self, recorded: &Recorded) -> Option<Took> {
        let (order_id, at) = (recorded.event.order_id()?, recorded.recorded_at);
        match &recorded.event {
            Event::OrderApproved { .. } => self.0.get(&order_id).map(|awaited| took("verdict", awaited.asked_at, at)),
            Event::OrderVetoed { .. } => self.0.remove(&order_id).map(|awaited| took("verdict", awaited.asked_at, at)),
            Event::SubmitStarted { .. } => {
                self.0.get_mut(&order_id)?.sent_at = Some(at);
                None
            }
            Event::OrderAcked { .. } => {
                let awaited = self.0.get_mut(&order_id)?;
                awaited.acked_at = Some(at);
                awaited.sent_at.map(|sent_at| took("reply", sent_at, at))
            }
            Event::OrderRejected { .. } | Event::OrderNotPlaced { .. } => {
                self.0.remove(&order_id)?.sent_at.map(|sent_at| took("reply", sent_at, at))
            }
            Event::Filled(_) => self.0.remove(&order_id)?.acked_at.map(|acked_at| took("fill", acked_at, at)),
            Event::OrderCanceled { .. } | Event::OrderExpired { .. } => {
                self.0.remove(&order_id);
                None
            }
            _ => None,
        }
    }
}
