//! Unknown outcomes: asked about until there is evidence, resent only where that can't double (design §3.2-3.4).

use super::cancel::backoff_ms;
use super::{Deferred, Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event, NotPlaced, Scope};
use crate::domain::ids::{OrderId, VenueOrderId};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, OrderState};
use crate::domain::planted::{self, Bug};
use crate::domain::report::{LookUp, VenueState};
use crate::domain::time::{Now, Time};
use crate::domain::verdict::Reason;
use crate::projections::{OrderRecord, venue_ready};

const LOOK_UP_MS: i64 = 100;
const LOOK_UP_MAX_MS: i64 = 5_000;
/// What clocks and delivery may add to the moment after which an order can't appear any more.
const PROOF_MARGIN_MS: i64 = 2_000;
/// An id older than this is only looked up, never sent again.
const RESEND_WITHIN_MS: i64 = 600_000;
/// From a verdict's question, the reduce rule's grant or a resend's look-up to the socket, at most.
pub(super) const SOCKET_WITHIN_MS: i64 = 1_000;
/// Attempts in all: more would only hammer a venue in trouble.
pub(super) const ATTEMPTS_MAX: u32 = 5;

impl Engine {
    pub(super) fn look_up(&mut self, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        // An order whose fills are still to come is asked about until they have.
        if record.is_done() || record.state == OrderState::Submitting {
            return;
        }
        let order = Box::new(record.order.clone());
        let (venue_order_id, first_sent_at) = (record.venue_name().cloned(), record.first_sent_at);
        let work = self.work(&order_id);
        if !work.looking && !work.sending {
            work.looking = true;
            work.looking_after_strike = work.struck;
            out.push(Effect::LookUp { order, venue_order_id, first_sent_at });
        }
    }

    pub(super) fn look_again(&mut self, now: Now, order_id: OrderId) {
        let work = self.work(&order_id);
        let wait_ms = backoff_ms(LOOK_UP_MS, LOOK_UP_MAX_MS, work.look_ups);
        work.look_ups += 1;
        self.set_timer(now.mono.plus_ms(wait_ms), Timer::LookUp(order_id));
    }

    pub(super) fn looked_up(&mut self, now: Now, order_id: OrderId, begun_at: Time, found: LookUp, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            return;
        }
        self.work(&order_id).looking = false;
        let Some(record) = self.book.orders.get(&order_id) else { return };
        if record.is_done() {
            return self.tidy(&order_id);
        }
        match found {
            LookUp::Incomplete { .. } => self.look_again(now, order_id),
            LookUp::Found { matches, venue_order_id, .. }
                if !matches || record.known_as.as_ref().is_some_and(|known| *known != venue_order_id) =>
            {
                self.look_again(now, order_id);
                self.mismatched(now, order_id, &venue_order_id, out);
            }
            LookUp::Found { venue_order_id, state, filled, .. } => {
                self.found(now, order_id, venue_order_id, state, (filled, "found ended at the venue".to_owned()), out);
            }
            LookUp::Absent { read_through, nothing_in_flight } => {
                self.absent(now, order_id, begun_at, read_through, nothing_in_flight, out)
            }
        }
    }

    /// The venue has an order under our id that isn't what was sent: nobody trades there until a person has looked.
    pub(super) fn mismatched(&mut self, now: Now, order_id: OrderId, venue_order_id: &VenueOrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let key = record.order.instrument.book_key();
        let observed = format!("order {venue_order_id} carries our id of {order_id} but not its terms");
        let limit = "ticker, side, price and count as sent".to_owned();
        self.trip(now, Scope::Market(key), Reason::UnknownOrders, observed, limit, out);
    }

    /// The venue shows our order, with our terms. `filled` is its count.
    pub(super) fn found(
        &mut self,
        now: Now,
        order_id: OrderId,
        venue_order_id: VenueOrderId,
        state: VenueState,
        (filled, cause): (Quantity, String),
        out: &mut Vec<Effect>,
    ) {
        if self.book.orders.get(&order_id).is_some_and(|record| record.venue_order_id.is_none()) {
            self.append(now, vec![Event::OrderAcked { order_id, venue_order_id, venue_at: None }], out);
            self.claim(now, &order_id, out);
        }
        match state {
            VenueState::Resting => {
                self.after_ack(now, order_id, out);
                self.cancel_if_it_must_not_rest(now, order_id, out);
                self.retry_wanted_cancel(now, order_id, out);
            }
            VenueState::Executed => {
                self.executed_short(now, order_id, filled, out);
                self.fills_to_come(now, order_id);
            }
            VenueState::Canceled | VenueState::Expired => {
                self.venue_ended(now, order_id, state, filled, cause, out);
                self.fills_to_come(now, order_id);
            }
        }
    }

    /// What was to be filled at once or not at all rests: an exact number of shares is bought by an order that crosses the
    /// book and is cancelled as soon as it doesn't (`polymarket.md` §0.6).
    fn cancel_if_it_must_not_rest(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        if self.book.orders.get(&order_id).is_some_and(|record| !record.order.tif.rests()) {
            self.request_cancel(now, order_id, CancelCause::Expiry, out);
        }
    }

    /// An order stated in dollars can be done with another number of shares than asked for: the venue's count is the end of it.
    fn executed_short(&mut self, now: Now, order_id: OrderId, filled: Quantity, out: &mut Vec<Effect>) {
        let short = |record: &OrderRecord| record.known_as.is_some() && !filled.is_zero() && filled < record.order.quantity;
        if self.book.orders.get(&order_id).is_some_and(short) {
            self.venue_ended(now, order_id, VenueState::Canceled, filled, "executed; nothing of it is left at the venue".to_owned(), out);
        }
    }

    /// Asks again while fills are missing.
    pub(super) fn fills_to_come(&mut self, now: Now, order_id: OrderId) {
        if self.book.orders.get(&order_id).is_some_and(|record| !record.is_done()) {
            self.look_again(now, order_id);
        }
    }

    /// A cancel that was answered "not working" by a venue that still shows the order resting.
    fn retry_wanted_cancel(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        if self.book.orders.get(&order_id).is_some_and(|record| record.cancel_requested_at.is_some()) {
            self.send_cancel(now, &order_id, out);
        }
    }

    fn absent(&mut self, now: Now, order_id: OrderId, begun_at: Time, read_through: Time, nothing_in_flight: bool, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        // Once acknowledged it can't vanish: reads lag. Its end comes as an end.
        if record.state != OrderState::Unknown {
            return self.look_again(now, order_id);
        }
        let struck = self.work.get(&order_id).is_some_and(|work| work.looking_after_strike);
        let proven = if record.known_as.is_some() { struck } else { read_through > self.proof_time(record) };
        if nothing_in_flight || proven || planted::has(Bug::NotFoundIsFinal) {
            let cause = if record.id_seen { NotPlaced::IdBurnt { read_through } } else { NotPlaced::Absent { read_through } };
            self.append(now, vec![Event::OrderNotPlaced { order_id, cause }], out);
            return self.ended(now, &order_id, out);
        }
        if self.is_past_arrival(now, record) && !self.work.get(&order_id).is_some_and(|work| work.struck) {
            // What isn't there can't be cancelled; but once that has been answered, it can't come any more either.
            return self.send_cancel(now, &order_id, out);
        }
        if self.may_resend(now, record, begun_at) {
            let attempt = record.attempts + 1;
            let seq = self.append(now, vec![Event::SubmitStarted { order_id, attempt, signed: None }], out);
            self.work(&order_id).look_ups = 0;
            self.after(seq, Deferred::Send { order_id, attempt, until: now.mono.plus_ms(SOCKET_WITHIN_MS) });
            return;
        }
        self.look_again(now, order_id);
    }

    /// An order that is known by what was signed, of which no attempt can still be on its way.
    pub(super) fn is_past_arrival(&self, now: Now, record: &OrderRecord) -> bool {
        record.known_as.is_some() && record.state == OrderState::Unknown && now.wall > self.last_arrival(record)
    }

    /// No attempt can reach the venue any more. The last one may have been on record so long before its
    /// socket as the log may take.
    fn last_arrival(&self, record: &OrderRecord) -> Time {
        let on_record_at = record.last_sent_at.unwrap_or(record.requested_at);
        on_record_at.plus_ms(SOCKET_WITHIN_MS + self.settings.submit_stale_after_ms + PROOF_MARGIN_MS)
    }

    /// Complete reads past this moment prove absence.
    fn proof_time(&self, record: &OrderRecord) -> Time {
        if record.order.tif.rests() {
            return record.order.venue_expires_at.plus_ms(PROOF_MARGIN_MS);
        }
        self.last_arrival(record)
    }

    /// Only a resting order, only while its signal lives, only after a look-up begun after the last attempt.
    fn may_resend(&self, now: Now, record: &OrderRecord, begun_at: Time) -> bool {
        let order = &record.order;
        let opens = order.action == Action::Buy;
        let stopped = opens && (self.killed || !self.book.breakers.covering(order).is_empty());
        let looked_after = record.last_sent_at.is_some_and(|sent| begun_at > sent);
        let young = record.first_sent_at.is_some_and(|first| now.wall.ms_since(first) < RESEND_WITHIN_MS);
        (order.tif.rests() || planted::has(Bug::IocResent))
            && !record.id_seen
            && !record.external
            && !self.work.get(&order.order_id).is_some_and(|work| work.struck || work.canceling)
            && venue_ready(&self.book, order.instrument.venue, order.action).passed
            && record.attempts < ATTEMPTS_MAX
            && record.cancel_requested_at.is_none()
            && looked_after
            && young
            && !stopped
            && now.wall < order.expires_at
    }
}
