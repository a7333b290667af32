//! Closes: what one order leaves unfilled is asked for again as a new revision, clamped again, until the signal ends.

use super::{Asked, Effect, Engine, Timer};
use crate::domain::ids::{Hash, OrderId, SignalId};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::signal::{Intent, Signal, Size};
use crate::domain::time::Now;

/// Between two revisions: books need time to refill, venues have rate limits.
const REVISION_AFTER_MS: i64 = 1_000;
/// Orders that one close may send.
const REVISIONS_MAX: u32 = 60;

/// A close that may need another order.
#[derive(Clone, Debug)]
pub(super) struct Remainder {
    signal: Signal,
    content_hash: Hash,
    revision: u32,
    /// Contracts a `reduce` has left to give up; a `close` takes all there is.
    left: Option<Quantity>,
}

impl Engine {
    pub(super) fn remember_close(&mut self, asked: &Asked, order: &Order) {
        if order.action != Action::Sell {
            return;
        }
        let signal = asked.request.signal.clone();
        let left = (signal.intent == Intent::Reduce).then_some(match signal.size {
            Some(Size::Contracts(quantity)) => quantity,
            _ => order.quantity,
        });
        let remainder = Remainder { content_hash: asked.content_hash, revision: order.revision, left, signal };
        self.closes.insert(order.signal_id.clone(), remainder);
    }

    /// A close order has ended: is something left, and does the signal still live?
    pub(super) fn note_close_ended(&mut self, now: Now, order_id: &OrderId, _out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(order_id).filter(|record| record.order.action == Action::Sell && record.is_done()) else {
            return;
        };
        let (signal_id, revision, filled) = (record.order.signal_id.clone(), record.order.revision, record.filled);
        let left_of_order = (record.order.quantity - filled).or_zero();
        let Some(remainder) = self.closes.get_mut(&signal_id).filter(|remainder| remainder.revision == revision) else { return };
        if let Some(left) = &mut remainder.left {
            *left = (*left - filled).or_zero();
        }
        let nothing_left = left_of_order.is_zero() || remainder.left.is_some_and(|left| left.is_zero());
        if nothing_left || revision + 1 >= REVISIONS_MAX || now.wall >= remainder.signal.expires_at {
            self.closes.remove(&signal_id);
        } else {
            self.set_timer(now.mono.plus_ms(REVISION_AFTER_MS), Timer::CloseRemainder(signal_id));
        }
    }

    pub(super) fn close_remainder(&mut self, now: Now, signal_id: &SignalId, out: &mut Vec<Effect>) {
        let Some(remainder) = self.closes.remove(signal_id) else { return };
        if now.wall >= remainder.signal.expires_at {
            return;
        }
        let mut signal = remainder.signal;
        if let Some(left) = remainder.left {
            signal.size = Some(Size::Contracts(left));
        }
        let request = self.build(now, signal, remainder.revision + 1);
        // Nobody waits for an answer: the first order had it.
        if request.order.is_some() {
            self.ask(now, request, remainder.content_hash, Vec::new(), out);
        }
    }
}
