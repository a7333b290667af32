//! The way to an end: nothing opens any more, what rests is cancelled where that is wanted, and what is in the air comes down.

use super::{Effect, Engine};
use crate::domain::event::CancelCause;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderState;
use crate::domain::time::Now;
use crate::projections::OrderRecord;

/// Sent and not answered, or asked to be cancelled and still there.
fn is_in_the_air(record: &OrderRecord) -> bool {
    match record.state {
        OrderState::Requested | OrderState::Submitting | OrderState::Unknown => true,
        OrderState::Working => record.cancel_requested_at.is_some(),
        _ => false,
    }
}

impl Engine {
    /// Signals are given back from now on, those that wait for a verdict among them; what was sent goes on.
    pub(super) fn drain(&mut self, now: Now, cancel_resting: bool, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        self.draining = true;
        let waiting = std::mem::take(&mut self.waiting).into_values().flatten().map(|input| input.delivery);
        let asked = std::mem::take(&mut self.asked).into_values().flat_map(|asked| asked.deliveries);
        out.extend(waiting.chain(asked).map(|delivery| Effect::GiveBack { delivery }));
        self.asked_signals.clear();
        // Risk need not hold room for what nobody waits for.
        self.gave_up = true;
        self.heartbeat(now, out);
        if cancel_resting {
            self.cancel_resting(now, CancelCause::Shutdown, out);
        }
    }

    /// Cancels every own order that may rest, one by one. How many those are.
    pub(super) fn cancel_resting(&mut self, now: Now, why: CancelCause, out: &mut Vec<Effect>) -> usize {
        let resting = self.book.orders.live().filter(|record| record.may_rest() && !record.external);
        let ids: Vec<OrderId> = resting.map(|record| record.order.order_id).collect();
        for order_id in &ids {
            self.request_cancel(now, *order_id, why, out);
        }
        ids.len()
    }

    /// Cancels that were sent as the engine halted, and not answered yet.
    pub fn last_cancels(&self) -> usize {
        self.last_cancels.len()
    }

    /// Own orders of which the venue's word is awaited.
    pub fn in_the_air(&self) -> impl Iterator<Item = &OrderRecord> {
        self.book.orders.live().filter(|record| !record.external && is_in_the_air(record))
    }
}
