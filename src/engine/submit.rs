//! Sends: the record first, then the socket, then one of three answers.

use super::{Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event, NotPlaced};
use crate::domain::ids::OrderId;
use crate::domain::order::{Action, OrderState};
use crate::domain::report::SubmitOutcome;
use crate::domain::time::{Mono, Now};
use crate::domain::verdict::ApprovedOrder;

/// The first look-up of an unknown order.
const FIRST_LOOK_UP_MS: i64 = 50;

impl Engine {
    /// The send is on record; last look before the socket.
    pub(super) fn send(&mut self, now: Now, order_id: OrderId, attempt: u32, until: Mono, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let order = record.order.clone();
        let opens = order.action == Action::Buy;
        let why = if opens && self.killed {
            Some("a kill came in before the send")
        } else if now.wall >= order.expires_at {
            Some("the signal expired before the send")
        } else if now.mono >= until {
            Some("the log took longer than the approval lives")
        } else {
            None
        };
        // A resend that is withheld proves nothing about the earlier attempt: that one stays unknown.
        if let Some(why) = why {
            if attempt == 1 {
                self.append(now, vec![Event::OrderNotPlaced { order_id, cause: NotPlaced::Withheld(why.into()) }], out);
                self.ended(now, &order_id, out);
            } else {
                self.set_timer(now.mono.plus_ms(FIRST_LOOK_UP_MS), Timer::LookUp(order_id));
            }
            return;
        }
        let work = self.work(&order_id);
        work.sending = true;
        let quote = work.quote;
        out.push(Effect::Submit { order: Box::new(ApprovedOrder::after_durable_approval(order)), attempt, quote });
    }

    pub(super) fn submitted(&mut self, now: Now, order_id: OrderId, attempt: u32, outcome: SubmitOutcome, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            return;
        }
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let (state, unknown) = (record.state, record.unknown_since.is_some());
        self.work(&order_id).sending = false;
        match outcome {
            SubmitOutcome::Acked { venue_order_id, venue_at } => {
                if record_is_acked(self, &order_id) {
                    return;
                }
                self.append(now, vec![Event::OrderAcked { order_id, venue_order_id, venue_at }], out);
                self.after_ack(now, order_id, out);
            }
            SubmitOutcome::Rejected { code, message } if !unknown && state == OrderState::Submitting => {
                let message = message.chars().take(256).collect::<String>().into();
                self.append(now, vec![Event::OrderRejected { order_id, attempt, code: code.into(), message }], out);
                self.ended(now, &order_id, out);
            }
            SubmitOutcome::Rejected { code, message } => {
                if state.is_terminal() || state == OrderState::Working {
                    return;
                }
                let why = format!("attempt {attempt} was refused ({code}: {message}), but an earlier one is unknown");
                self.unknown(now, order_id, attempt, &why, out);
            }
            SubmitOutcome::NotProcessed { why, .. } | SubmitOutcome::Seen { why } => self.unknown(now, order_id, attempt, &why, out),
            SubmitOutcome::Unknown { why } => self.unknown(now, order_id, attempt, &why, out),
        }
    }

    fn unknown(&mut self, now: Now, order_id: OrderId, attempt: u32, why: &str, out: &mut Vec<Effect>) {
        let live = self.book.orders.get(&order_id).is_some_and(|r| matches!(r.state, OrderState::Submitting | OrderState::Unknown));
        if live {
            let why: String = why.chars().take(256).collect();
            self.append(now, vec![Event::OrderOutcomeUnknown { order_id, attempt, why: why.into() }], out);
            self.set_timer(now.mono.plus_ms(FIRST_LOOK_UP_MS), Timer::LookUp(order_id));
        }
    }

    /// The order is known to be there: what waited for its identity happens now.
    pub(super) fn after_ack(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id).filter(|record| record.state == OrderState::Working) else {
            return self.tidy(&order_id);
        };
        let order = &record.order;
        let opens = order.action == Action::Buy;
        let cause = if opens && self.killed {
            Some(CancelCause::Killed)
        } else if opens && !self.book.breakers.covering(order).is_empty() {
            Some(CancelCause::Breaker)
        } else if record.cancel_requested_at.is_some() {
            return self.send_cancel(&order_id, out);
        } else if self.is_over(now, order) {
            Some(CancelCause::Expiry)
        } else {
            None
        };
        if let Some(cause) = cause.filter(|_| order.tif.rests()) {
            self.request_cancel(now, order_id, cause, out);
        }
    }
}

fn record_is_acked(engine: &Engine, order_id: &OrderId) -> bool {
    engine.book.orders.get(order_id).is_some_and(|record| record.venue_order_id.is_some())
}
