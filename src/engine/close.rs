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
    /// The order of this revision.
    order_id: OrderId,
    /// Contracts a `reduce` had left to give up before that; a `close` takes all there is.
    left: Option<Quantity>,
}

impl Remainder {
    /// The same after its order has filled this much.
    fn left_after(&self, filled: Quantity) -> Option<Quantity> {
        self.left.map(|left| (left - filled).or_zero())
    }
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
        let (content_hash, revision, order_id) = (asked.content_hash, order.revision, order.order_id);
        self.closes.insert(order.signal_id.clone(), Remainder { content_hash, revision, order_id, left, signal });
    }

    /// A close order has ended: is something left, and does the signal still live? What was sold and isn't settled may come
    /// back as long as it does.
    pub(super) fn note_close_ended(&mut self, now: Now, order_id: &OrderId, _out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(order_id).filter(|record| record.order.action == Action::Sell && record.is_done()) else {
            return;
        };
        let (signal_id, filled) = (record.order.signal_id.clone(), record.filled);
        let left_of_order = (record.order.quantity - filled).or_zero();
        let may_come_back = self.book.positions.get(&record.order.instrument.book_key()).is_some_and(|position| position.may_gain());
        let Some(remainder) = self.closes.get(&signal_id).filter(|remainder| remainder.order_id == *order_id) else { return };
        let lives_ms = remainder.signal.expires_at.ms_since(now.wall);
        let nothing_left = left_of_order.is_zero() || remainder.left_after(filled).is_some_and(|left| left.is_zero());
        if lives_ms <= 0 || remainder.revision + 1 >= REVISIONS_MAX || nothing_left && !may_come_back {
            self.closes.remove(&signal_id);
        } else {
            // Kept for what may come back, it is forgotten when its signal ends.
            let wait_ms = if nothing_left { lives_ms + 1 } else { REVISION_AFTER_MS };
            self.set_timer(now.mono.plus_ms(wait_ms), Timer::CloseRemainder(signal_id));
        }
    }

    pub(super) fn close_remainder(&mut self, now: Now, signal_id: &SignalId, out: &mut Vec<Effect>) {
        let Some(remainder) = self.closes.get(signal_id) else { return };
        if now.wall >= remainder.signal.expires_at {
            self.closes.remove(signal_id);
            return;
        }
        // A timer of an earlier revision finds one that is still being worked on, or has done all there was.
        let Some(record) = self.book.orders.get(&remainder.order_id).filter(|record| record.is_done()) else { return };
        let left = remainder.left_after(record.filled);
        if record.filled >= record.order.quantity || left.is_some_and(|left| left.is_zero()) {
            return;
        }
        let Some(remainder) = self.closes.remove(signal_id) else { return };
        let mut signal = remainder.signal;
        if let Some(left) = left {
            signal.size = Some(Size::Contracts(left));
        }
        let request = self.build(now, signal, remainder.revision + 1);
        // Nobody waits for an answer: the first order had it.
        if request.order.is_some() {
            self.ask(now, request, remainder.content_hash, Vec::new(), out);
        }
    }
}
