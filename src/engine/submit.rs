//! Sends: the record first, then the socket, then one of three answers.

use super::lookup::{ATTEMPTS_MAX, SOCKET_WITHIN_MS};
use super::{Deferred, Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event, NotPlaced, Scope};
use crate::domain::ids::{OrderId, VenueOrderId};
use crate::domain::order::{Action, OrderState};
use crate::domain::planted::{self, Bug};
use crate::domain::report::{SubmitOutcome, VenueMode};
use crate::domain::time::{Mono, Now};
use crate::domain::verdict::{ApprovedOrder, Reason};
use crate::projections::venue_ready;

/// An order that is filled at once or cancelled is over by then.
const SOON_OVER_MS: i64 = 1_000;
/// The first look-up of an unknown order.
const FIRST_LOOK_UP_MS: i64 = 50;

impl Engine {
    /// The send is on record; last look before the socket.
    pub(super) fn send(&mut self, now: Now, order_id: OrderId, attempt: u32, until: Mono, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let (order, signed) = (record.order.clone(), record.signed.clone());
        let opens = order.action == Action::Buy;
        let ready = venue_ready(&self.book, order.instrument.venue, order.action);
        let why = if opens && self.killed {
            Some("a kill came in before the send")
        } else if opens && !self.book.breakers.covering(&order).is_empty() {
            Some("a breaker opened before the send")
        } else if !ready.passed {
            Some("the venue stopped taking orders before the send")
        } else if now.wall >= order.expires_at && !planted::has(Bug::ExpiryUnchecked) {
            Some("the signal expired before the send")
        } else if self.book.markets.get(&order.instrument.book_key()).is_some_and(|market| !market.grid.holds(order.book_limit())) {
            Some("the market's price steps changed before the send")
        } else if now.mono >= until && !planted::has(Bug::VerdictNeverDies) {
            Some("the log took longer than the approval lives")
        } else {
            None
        };
        if let Some(why) = why {
            return self.withheld(now, order_id, why, out);
        }
        let work = self.work(&order_id);
        work.sending = true;
        let quote = work.quote;
        out.push(Effect::Submit { order: Box::new(ApprovedOrder::after_durable_approval(order)), attempt, quote, signed });
    }

    /// Nothing was sent this time. That proves nothing about an earlier attempt whose fate is unknown.
    fn withheld(&mut self, now: Now, order_id: OrderId, why: &str, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        match (record.unknown_since, record.state) {
            (None, OrderState::Submitting) => {
                let why: String = why.chars().take(256).collect();
                self.append(now, vec![Event::OrderNotPlaced { order_id, cause: NotPlaced::Withheld(why.into()) }], out);
                self.ended(now, &order_id, out);
            }
            _ => self.set_timer(now.mono.plus_ms(FIRST_LOOK_UP_MS), Timer::LookUp(order_id)),
        }
    }

    /// What was turned away before it was looked at is sent again under the same id, while its signal lives.
    pub(super) fn resend(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        if record.unknown_since.is_some() || record.state != OrderState::Submitting {
            return;
        }
        if now.wall >= record.order.expires_at {
            return self.withheld(now, order_id, "the signal expired before the send", out);
        }
        if record.attempts >= ATTEMPTS_MAX {
            return self.withheld(now, order_id, "turned away by the venue's rate limit too often", out);
        }
        let attempt = record.attempts + 1;
        let seq = self.append(now, vec![Event::SubmitStarted { order_id, attempt, signed: None }], out);
        self.after(seq, Deferred::Send { order_id, attempt, until: now.mono.plus_ms(SOCKET_WITHIN_MS) });
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
                if let Some(known) = self.book.orders.get(&order_id).and_then(|record| record.known_as.clone())
                    && known != venue_order_id
                {
                    return self.misnamed(now, order_id, attempt, (&known, &venue_order_id), out);
                }
                self.append(now, vec![Event::OrderAcked { order_id, venue_order_id, venue_at }], out);
                self.claim(now, &order_id, out);
                self.after_ack(now, order_id, out);
            }
            SubmitOutcome::Unknown { why } if planted::has(Bug::TimeoutIsFailed) && state == OrderState::Submitting => {
                self.append(now, vec![Event::OrderRejected { order_id, attempt, code: "timeout".into(), message: why.into() }], out);
            }
            SubmitOutcome::Rejected { code, message }
                if !unknown && state == OrderState::Submitting
                    || planted::has(Bug::RefusedResendCloses) && state == OrderState::Unknown =>
            {
                let message = message.chars().take(256).collect::<String>().into();
                self.append(now, vec![Event::OrderRejected { order_id, attempt, code: code.into(), message }], out);
                self.ended(now, &order_id, out);
            }
            SubmitOutcome::Rejected { code, message } => {
                if state.is_terminal() || state == OrderState::Working {
                    return;
                }
                let why = format!("attempt {attempt} was refused ({code}: {message}), but an earlier one is unknown");
                self.unknown(now, order_id, attempt, &why, false, out);
            }
            SubmitOutcome::Withheld { why } => self.withheld(now, order_id, &why, out),
            SubmitOutcome::NotProcessed { retry_after_ms, .. } if !unknown => {
                self.set_timer(now.mono.plus_ms(retry_after_ms.max(1)), Timer::Resend(order_id));
            }
            SubmitOutcome::NotProcessed { why, .. } | SubmitOutcome::Unknown { why } => {
                self.unknown(now, order_id, attempt, &why, false, out);
            }
            SubmitOutcome::Seen { why } => self.unknown(now, order_id, attempt, &why, true, out),
        }
    }

    fn unknown(&mut self, now: Now, order_id: OrderId, attempt: u32, why: &str, seen: bool, out: &mut Vec<Effect>) {
        let Some(state) = self.book.orders.get(&order_id).map(|record| record.state) else { return };
        if state == OrderState::Working {
            // Named by the stream meanwhile; whether it still works, this answer would have said.
            return self.set_timer(now.mono.plus_ms(FIRST_LOOK_UP_MS), Timer::LookUp(order_id));
        }
        if matches!(state, OrderState::Submitting | OrderState::Unknown) {
            let why: String = why.chars().take(256).collect();
            self.append(now, vec![Event::OrderOutcomeUnknown { order_id, attempt, why: why.into(), seen }], out);
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
            return self.send_cancel(now, &order_id, out);
        } else if self.is_over(now, order) {
            Some(CancelCause::Expiry)
        } else {
            None
        };
        let (may_rest, rests, signed) = (record.may_rest(), order.tif.rests(), record.known_as.is_some());
        if let Some(cause) = cause.filter(|_| may_rest) {
            self.request_cancel(now, order_id, cause, out);
        } else if signed && !rests {
            // It may be resting all the same: nobody else would tell.
            self.set_timer(now.mono.plus_ms(SOON_OVER_MS), Timer::LookUp(order_id));
        }
    }

    /// The venue has named an order otherwise than the hash of what was signed: it has another order than we think, or hashes
    /// otherwise. Nothing more is sent there until a person has looked; the order itself stays unknown.
    fn misnamed(&mut self, now: Now, order_id: OrderId, attempt: u32, names: (&VenueOrderId, &VenueOrderId), out: &mut Vec<Effect>) {
        let Some(venue) = self.book.orders.get(&order_id).map(|record| record.order.instrument.venue) else { return };
        let why = format!("the venue calls it {}, but what was signed is {}", names.1, names.0);
        self.unknown(now, order_id, attempt, &why, false, out);
        self.trip(now, Scope::Venue(venue), Reason::UnknownOrders, why.clone(), "the hash of what was signed".to_owned(), out);
        self.venue_mode(now, venue, VenueMode::Halted, &why, out);
    }
}

fn record_is_acked(engine: &Engine, order_id: &OrderId) -> bool {
    engine.book.orders.get(order_id).is_some_and(|record| record.venue_order_id.is_some())
}
