//! Cancels: at the signal's end, by a kill, by an operator. They need no verdict.

use super::{Deferred, Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event};
use crate::domain::ids::OrderId;
use crate::domain::order::{Action, Order, OrderState, TimeInForce};
use crate::domain::planted::{self, Bug};
use crate::domain::report::CancelOutcome;
use crate::domain::time::Now;
use crate::projections::OrderRecord;

/// A cancel whose fate is unknown is sent again after this, doubling up to the last value.
const RETRY_MS: i64 = 200;
const RETRY_MAX_MS: i64 = 5_000;

/// Doubling waits with an upper end.
pub(super) fn backoff_ms(first_ms: i64, max_ms: i64, tries: u32) -> i64 {
    first_ms.saturating_mul(1i64 << tries.min(20)).min(max_ms)
}

/// A working order; and one of unknown fate whose name at the venue is known all the same.
fn is_cancelable(record: &OrderRecord) -> bool {
    record.state == OrderState::Working || record.state == OrderState::Unknown && record.known_as.is_some()
}

impl Engine {
    /// The order's own life is over. A `gtc` order outlives its signal.
    pub(super) fn is_over(&self, now: Now, order: &Order) -> bool {
        let end = if order.tif == TimeInForce::Gtc { order.venue_expires_at } else { order.expires_at };
        now.wall >= end
    }

    pub(super) fn expired(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        if !self.is_over(now, &record.order) {
            self.expiries.insert((record.order.venue_expires_at, order_id));
            return;
        }
        if is_cancelable(record) && record.may_rest() {
            self.request_cancel(now, order_id, CancelCause::Expiry, out);
        }
    }

    /// Records the wish, then acts on it. An order without identity is cancelled when it has one.
    pub(super) fn request_cancel(&mut self, now: Now, order_id: OrderId, why: CancelCause, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        if record.state.is_terminal() || record.cancel_requested_at.is_some() || record.external {
            return;
        }
        let seq = self.append(now, vec![Event::CancelRequested { order_id, why }], out);
        self.after(seq, Deferred::Cancel { order_id });
    }

    pub(super) fn send_cancel(&mut self, now: Now, order_id: &OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(order_id).filter(|record| is_cancelable(record)) else { return };
        let (order, venue_order_id) = (Box::new(record.order.clone()), record.venue_name().cloned());
        let past_arrival = self.is_past_arrival(now, record);
        let work = self.work(order_id);
        if !work.canceling {
            work.canceling = true;
            work.canceling_past_arrival = past_arrival;
            out.push(Effect::Cancel { order, venue_order_id });
        }
    }

    pub(super) fn cancel_answered(&mut self, now: Now, order_id: OrderId, outcome: CancelOutcome, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            self.last_cancels.remove(&order_id);
            return;
        }
        let past_arrival = self.book.orders.get(&order_id).is_some_and(|record| self.is_past_arrival(now, record));
        let work = self.work(&order_id);
        work.canceling = false;
        let answered = !matches!(outcome, CancelOutcome::Unknown { .. } | CancelOutcome::Over);
        work.struck |= work.canceling_past_arrival && answered;
        match outcome {
            CancelOutcome::Canceled { filled } => {
                if self.book.orders.get(&order_id).is_some_and(|record| !record.state.is_terminal()) {
                    self.append(now, vec![Event::OrderCanceled { order_id, filled, cause: "cancelled by us".into() }], out);
                }
                self.ended(now, &order_id, out);
                self.fills_to_come(now, order_id);
            }
            CancelOutcome::NotWorking if planted::has(Bug::CancelNotFoundIsCanceled) => {
                if self.book.orders.get(&order_id).is_some_and(|record| !record.state.is_terminal()) {
                    self.append(now, vec![Event::OrderCanceled { order_id, filled: Default::default(), cause: "not found".into() }], out);
                }
            }
            // Not working any more is not the same as cancelled with nothing filled: look (reads may lag: not in a hurry).
            CancelOutcome::NotWorking | CancelOutcome::Over => {
                let wait_ms = backoff_ms(RETRY_MS, RETRY_MAX_MS, work.cancels) - RETRY_MS;
                work.cancels += 1;
                self.set_timer(now.mono.plus_ms(wait_ms), Timer::LookUp(order_id));
            }
            CancelOutcome::Unknown { .. } => {
                let wait_ms = backoff_ms(RETRY_MS, RETRY_MAX_MS, work.cancels);
                work.cancels += 1;
                // The proof of absence begins with a look-up, which sends the cancel again.
                let again = if past_arrival { Timer::LookUp(order_id) } else { Timer::RetryCancel(order_id) };
                self.set_timer(now.mono.plus_ms(wait_ms), again);
            }
        }
    }

    /// Cancels own resting opens one by one; closes are kept.
    pub(super) fn cancel_opens(&mut self, now: Now, why: CancelCause, covers: impl Fn(&Order) -> bool, out: &mut Vec<Effect>) {
        let open =
            self.book.orders.live().filter(|record| record.order.action == Action::Buy && record.may_rest() && covers(&record.order));
        let ids: Vec<OrderId> = open.map(|record| record.order.order_id).collect();
        for order_id in ids {
            self.request_cancel(now, order_id, why, out);
        }
    }
}
