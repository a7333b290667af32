//! Orders: each with what was asked, what the venue said, and what may still happen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fills::notional;
use crate::domain::event::NotPlaced;
use crate::domain::ids::{GameId, OrderId, VenueOrderId};
use crate::domain::market::BookKey;
use crate::domain::money::{Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::{Action, Order, OrderState};
use crate::domain::planted::{self, Bug};
use crate::domain::report::FillReport;
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::Approver;

/// One order and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    pub order: Order,
    pub state: OrderState,
    pub requested_at: Time,
    pub approved_by: Option<Approver>,
    /// Attempts to send, each durable before its socket.
    pub attempts: u32,
    pub first_sent_at: Option<Time>,
    pub last_sent_at: Option<Time>,
    /// Set while the fate of an attempt is not known.
    pub unknown_since: Option<Time>,
    /// The venue said that it has seen our id: it is used up, whatever became of the order.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub id_seen: bool,
    /// Placed by somebody else under this account: never cancelled or sent by us.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub external: bool,
    pub venue_order_id: Option<VenueOrderId>,
    /// The venue's name for it, known before it was sent; it stays, whatever becomes of the order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub known_as: Option<VenueOrderId>,
    /// What was signed, until the order is done: a resend sends exactly this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signed: Option<Box<SignedOrder>>,
    pub acked_at: Option<Time>,
    pub cancel_requested_at: Option<Time>,
    /// Folded fills.
    pub filled: Quantity,
    /// The venue's count in its terminal answer.
    pub venue_filled: Quantity,
    /// Fills that the venue took back: it counts them, they will not come again, and nothing is held of them.
    #[serde(skip_serializing_if = "nothing", default)]
    pub failed: Quantity,
    /// Dollars of the fills, fees aside.
    pub notional_filled: Usd,
    pub fees: Usd,
    /// Why it ended, in the venue's or our words.
    pub ended: Option<Box<str>>,
}

fn nothing(quantity: &Quantity) -> bool {
    quantity.is_zero()
}

impl OrderRecord {
    fn new(order: Order, requested_at: Time) -> Self {
        Self {
            order,
            state: OrderState::Requested,
            requested_at,
            approved_by: None,
            attempts: 0,
            first_sent_at: None,
            last_sent_at: None,
            unknown_since: None,
            id_seen: false,
            external: false,
            venue_order_id: None,
            known_as: None,
            signed: None,
            acked_at: None,
            cancel_requested_at: None,
            filled: Quantity::ZERO,
            venue_filled: Quantity::ZERO,
            failed: Quantity::ZERO,
            notional_filled: Usd::ZERO,
            fees: Usd::ZERO,
            ended: None,
        }
    }

    /// What may still be filled: everything while it lives, the venue's count once it has ended.
    pub fn outstanding(&self) -> Quantity {
        match self.state {
            OrderState::Unknown if planted::has(Bug::UnknownIsFree) => Quantity::ZERO,
            state if planted::has(Bug::FreedBeforeFills) && state.is_terminal() => Quantity::ZERO,
            OrderState::Requested | OrderState::Vetoed => Quantity::ZERO,
            OrderState::Submitting | OrderState::Unknown | OrderState::Working => (self.order.quantity - self.filled).or_zero(),
            _ => (self.venue_filled - self.filled - self.failed).or_zero(),
        }
    }

    /// Cash that the outstanding part may take.
    pub fn reserved(&self) -> Usd {
        let outstanding = self.outstanding();
        if outstanding.is_zero() { Usd::ZERO } else { self.order.cost_bound(outstanding) }
    }

    /// Dollars per contract filled, rounded against us.
    pub fn average_price(&self) -> Option<Price> {
        let against_us = if self.order.action == Action::Buy { Rounding::Up } else { Rounding::Down };
        let one = crate::domain::money::ONE;
        (!self.filled.is_zero()).then(|| Price::from_micros(mul_div(self.notional_filled.micros(), one, self.filled.micros(), against_us)))
    }

    /// Nothing more can come of it.
    pub fn is_done(&self) -> bool {
        self.state.is_terminal() && self.outstanding().is_zero()
    }

    /// Where the order belongs: among the live ones, among those of unknown fate.
    pub(super) fn place(&self) -> (bool, bool) {
        (!self.is_done() && self.state != OrderState::Requested, self.state == OrderState::Unknown)
    }

    /// The venue may keep what isn't filled at once. Of an order that was signed ahead that is always taken to be so: a
    /// cancel of what doesn't rest does no harm.
    pub fn may_rest(&self) -> bool {
        self.order.tif.rests() || self.known_as.is_some()
    }

    /// The venue's name for it: as acknowledged, or as known before that.
    pub fn venue_name(&self) -> Option<&VenueOrderId> {
        self.venue_order_id.as_ref().or(self.known_as.as_ref())
    }

    pub(super) fn submit_started(&mut self, attempt: u32, signed: Option<&SignedOrder>, at: Time) {
        if let Some(signed) = signed {
            self.known_as = Some(signed.venue_order_id.clone());
            self.signed = Some(Box::new(signed.clone()));
        }
        self.attempts = attempt;
        self.first_sent_at.get_or_insert(at);
        self.last_sent_at = Some(at);
        if self.state == OrderState::Requested {
            self.state = OrderState::Submitting;
        }
    }

    pub(super) fn acked(&mut self, venue_order_id: VenueOrderId, at: Time) {
        self.venue_order_id = Some(venue_order_id);
        self.acked_at.get_or_insert(at);
        self.unknown_since = None;
        if matches!(self.state, OrderState::Submitting | OrderState::Unknown | OrderState::NotPlaced | OrderState::Rejected) {
            self.state = OrderState::Working;
            self.ended = None;
        }
        self.complete();
    }

    pub(super) fn rejected(&mut self, message: Box<str>) {
        self.end(OrderState::Rejected, message);
    }

    pub(super) fn external(&mut self, venue_order_id: VenueOrderId, at: Time) {
        self.external = true;
        self.state = OrderState::Working;
        self.venue_order_id = Some(venue_order_id);
        self.acked_at = Some(at);
    }

    pub(super) fn unknown(&mut self, seen: bool, at: Time) {
        self.id_seen |= seen;
        if matches!(self.state, OrderState::Submitting | OrderState::Unknown) {
            self.state = OrderState::Unknown;
            self.unknown_since.get_or_insert(at);
        }
    }

    pub(super) fn not_placed(&mut self, cause: &NotPlaced) {
        let words: Box<str> = match cause {
            NotPlaced::Withheld(why) => why.clone(),
            NotPlaced::Absent { read_through } => format!("proven absent as of {read_through}").into(),
            NotPlaced::IdBurnt { read_through } => format!("id used up, no order there as of {read_through}").into(),
        };
        self.end(OrderState::NotPlaced, words);
    }

    pub(super) fn cancel_requested(&mut self, at: Time) {
        self.cancel_requested_at = Some(at);
    }

    pub(super) fn canceled(&mut self, filled: Quantity, cause: Box<str>) {
        self.venue_filled = self.venue_filled.max(filled);
        self.end(OrderState::Canceled, cause);
    }

    pub(super) fn expired(&mut self, filled: Quantity) {
        self.venue_filled = self.venue_filled.max(filled);
        self.end(OrderState::Expired, "expired".into());
    }

    fn end(&mut self, state: OrderState, words: Box<str>) {
        self.unknown_since = None;
        if self.state != OrderState::Filled {
            self.state = state;
            self.ended = Some(words);
        }
        self.complete();
    }

    pub(super) fn filled(&mut self, fill: &FillReport) {
        self.filled += fill.quantity;
        self.notional_filled += notional(fill);
        self.fees += fill.fee;
        self.complete();
    }

    /// `notional`: what the fill was booked with, where that is known; else its share.
    pub(super) fn unfilled(&mut self, quantity: Quantity, notional: Option<Usd>, fee: Usd) {
        let share = || mul_div(self.notional_filled.micros(), quantity.micros(), self.filled.micros().max(1), Rounding::Down);
        let notional = notional.unwrap_or_else(|| Usd::from_micros(share()));
        self.filled -= quantity;
        self.failed += quantity;
        self.notional_filled -= notional;
        self.fees -= fee;
        if self.state == OrderState::Filled {
            self.state = OrderState::Canceled;
            self.ended = Some("a fill was reversed by the venue".into());
        }
        self.complete();
    }

    /// Full is filled, whatever was said before.
    fn complete(&mut self) {
        if self.filled >= self.order.quantity {
            self.state = OrderState::Filled;
            self.unknown_since = None;
            self.ended = None;
        } else if !self.failed.is_zero() && self.filled + self.failed >= self.order.quantity && !self.state.is_terminal() {
            // The venue has matched all of it, and counts what it could not settle as done.
            self.state = OrderState::Canceled;
            self.unknown_since = None;
            self.ended = Some("matched in full, and in part reversed by the venue".into());
        }
    }
}

/// Orders by id; those that ended stay until their market is settled and past (late fills need them).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Boxed: ids come in no order, and an insertion moves its neighbours.
    all: BTreeMap<OrderId, Box<OrderRecord>>,
    /// Those with something outstanding, per game.
    live: BTreeMap<GameId, BTreeSet<OrderId>>,
    /// In the order asked, per book.
    by_book: BTreeMap<BookKey, Vec<OrderId>>,
    /// Those whose fate is unknown.
    unknown: BTreeSet<OrderId>,
}

impl Orders {
    pub fn get(&self, order_id: &OrderId) -> Option<&OrderRecord> {
        self.all.get(order_id).map(Box::as_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = &OrderRecord> {
        self.all.values().map(Box::as_ref)
    }

    /// Orders that are not done, all games.
    pub fn live(&self) -> impl Iterator<Item = &OrderRecord> {
        self.live.values().flatten().filter_map(|id| self.get(id))
    }

    pub fn live_of_game(&self, game: &GameId) -> impl Iterator<Item = &OrderRecord> {
        self.live.get(game).into_iter().flatten().filter_map(|id| self.get(id))
    }

    pub fn unknown(&self) -> impl Iterator<Item = &OrderRecord> {
        self.unknown.iter().filter_map(|id| self.get(id))
    }

    /// Newest first.
    pub fn of_book(&self, key: &BookKey) -> impl Iterator<Item = &OrderRecord> {
        self.by_book.get(key).into_iter().flat_map(|ids| ids.iter().rev()).filter_map(|id| self.get(id))
    }

    pub(super) fn get_mut(&mut self, order_id: &OrderId) -> Option<&mut OrderRecord> {
        self.all.get_mut(order_id).map(Box::as_mut)
    }

    pub(super) fn request(&mut self, order: Order, at: Time) {
        self.by_book.entry(order.instrument.book_key()).or_default().push(order.order_id);
        self.all.insert(order.order_id, Box::new(OrderRecord::new(order, at)));
    }

    pub(super) fn approve(&mut self, order_id: &OrderId, by: Approver) -> Option<&Order> {
        let record = self.all.get_mut(order_id)?;
        record.approved_by = Some(by);
        Some(&record.order)
    }

    /// A vetoed order never reaches a venue: nothing of it has to stay.
    pub(super) fn forget_vetoed(&mut self, order_id: &OrderId) {
        if let Some(record) = self.all.remove(order_id) {
            self.unbook(&record.order.instrument.book_key(), order_id);
        }
    }

    fn unbook(&mut self, key: &BookKey, order_id: &OrderId) {
        if let Some(ids) = self.by_book.get_mut(key) {
            ids.retain(|id| id != order_id);
            if ids.is_empty() {
                self.by_book.remove(key);
            }
        }
    }

    /// Puts the order where its state belongs.
    pub(super) fn index(&mut self, order_id: &OrderId) {
        let Some(record) = self.all.get(order_id) else { return };
        let game = &record.order.groups.game;
        let (live, unknown) = record.place();
        if !live {
            if let Some(ids) = self.live.get_mut(game) {
                ids.remove(order_id);
                if ids.is_empty() {
                    self.live.remove(game);
                }
            }
        } else {
            self.live.entry(game.clone()).or_default().insert(*order_id);
        }
        if unknown {
            self.unknown.insert(*order_id);
        } else {
            self.unknown.remove(order_id);
        }
    }

    pub(super) fn forget_book(&mut self, key: &BookKey) {
        for order_id in self.by_book.remove(key).unwrap_or_default() {
            if self.all.get(&order_id).is_some_and(|record| !record.is_done()) {
                self.by_book.entry(key.clone()).or_default().push(order_id);
            } else {
                self.all.remove(&order_id);
            }
        }
    }
}
