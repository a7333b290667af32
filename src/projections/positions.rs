//! Holdings. Netting belongs to the venue: one signed position per Kalshi market, one per Polymarket token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fills::Change;
use super::provisional::{Moved, Pending, Step, Tail};
use crate::domain::event::Holding;
use crate::domain::ids::{MarketId, OrderId, TradeId};
use crate::domain::market::{BookKey, Instrument, Outcome, Quote, Settlement, Venue};
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::{Action, Groups};
use crate::domain::planted::{self, Bug};
use crate::domain::report::FillReport;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The instrument of the first fill; its outcome is the one `quantity` counts up.
    pub instrument: Instrument,
    /// Groups as seen from `instrument.outcome`.
    pub groups: Groups,
    /// Contracts; below zero the other outcome is held (Kalshi's one signed number).
    pub quantity: Quantity,
    /// Contracts bought whose settlement at the venue is still open: they can't be sold yet.
    pub unsettled: Quantity,
    /// What the held contracts cost, fees aside.
    pub cost: Usd,
    pub realized: Usd,
    pub fees: Usd,
    /// At the last executable mark; nothing without a mark.
    pub value: Usd,
    pub marked: bool,
    /// Realised when the position was last flat: tells a win from a loss.
    realized_when_flat: Usd,
    /// What this round trip has realised, set when it closes.
    round_trip: Usd,
    /// Paid out by the market's result, but only once its tokens are redeemed.
    #[serde(skip_serializing_if = "no_money", default)]
    pub redeemable: Usd,
    /// What may still be taken back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    tail: Option<Box<Tail>>,
}

fn no_money(amount: &Usd) -> bool {
    amount.is_zero()
}

impl Position {
    /// The outcome held now.
    pub fn outcome(&self) -> Outcome {
        if self.quantity < Quantity::ZERO { self.instrument.outcome.other() } else { self.instrument.outcome }
    }

    /// Contracts in the terms of the book: above zero the book's own outcome is held.
    pub fn in_book_terms(&self) -> Quantity {
        if self.instrument.outcome == self.instrument.book_outcome() { self.quantity } else { -self.quantity }
    }

    /// The least and the most of it, in the terms of the book, that its venue may show while fills aren't final.
    pub fn may_be_shown_as(&self) -> (Quantity, Quantity) {
        let (bought, sold) = self.tail.as_ref().map(|tail| tail.open()).unwrap_or_default();
        let ours = self.in_book_terms();
        (ours - bought, ours + sold)
    }

    /// What was sold may come back: not all of it is final.
    pub fn may_gain(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| !tail.open().1.is_zero())
    }

    /// Some fill of it isn't final.
    pub fn is_open_ended(&self) -> bool {
        self.tail.is_some()
    }

    /// The groups as seen from this outcome.
    pub fn groups_for(&self, outcome: Outcome) -> Groups {
        groups_from(&self.groups, self.instrument.outcome, outcome)
    }

    /// Contracts held, never below zero.
    pub fn held(&self) -> Quantity {
        self.quantity.abs()
    }

    /// Whether the holding pays when the groups' subject wins.
    pub fn wins(&self) -> bool {
        self.groups.stance.wins == (self.quantity >= Quantity::ZERO)
    }

    /// Cost per contract, rounded against us.
    pub fn average_price(&self) -> Price {
        let held = self.held().micros();
        if held == 0 { Price::ZERO } else { Price::from_micros(mul_div(self.cost.micros(), ONE, held, Rounding::Up)) }
    }

    /// Value at the mark less cost.
    pub fn unrealized(&self) -> Usd {
        if self.quantity.is_zero() { Usd::ZERO } else { self.value - self.cost }
    }
}

/// What a settlement paid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    pub cash: Usd,
    pub realized: Usd,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions(BTreeMap<BookKey, Position>);

impl Positions {
    pub fn get(&self, key: &BookKey) -> Option<&Position> {
        self.0.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&BookKey, &Position)> {
        self.0.iter()
    }

    /// Those that hold something.
    pub fn held(&self) -> impl Iterator<Item = (&BookKey, &Position)> {
        self.0.iter().filter(|(_, position)| !position.quantity.is_zero())
    }

    /// Contracts of this outcome that are held and settled.
    pub fn sellable(&self, instrument: &Instrument) -> Quantity {
        let Some(position) = self.0.get(&instrument.book_key()) else { return Quantity::ZERO };
        if position.quantity.is_zero() || position.outcome() != instrument.outcome {
            return Quantity::ZERO;
        }
        (position.held() - position.unsettled).or_zero()
    }

    pub(super) fn keys_of(&self, venue: Venue, market: &MarketId) -> Vec<BookKey> {
        let of =
            |(key, position): &(&BookKey, &Position)| key.venue == venue && (position.instrument.market == *market || key.id == *market);
        self.0.iter().filter(of).map(|(key, _)| key.clone()).collect()
    }

    /// Books a fill: closing contracts realise, the rest opens.
    pub(super) fn apply(&mut self, key: &BookKey, fill: &FillReport, groups: &Groups) -> Change {
        let position = self.0.entry(key.clone()).or_insert_with(|| Position::flat(&fill.instrument, groups));
        if !fill.settled && position.tail.is_none() {
            position.tail = Some(Box::new(Tail::from(position.clone())));
        }
        position.remember(|| Step::Fill { fill: Box::new(fill.clone()), groups: groups.clone() });
        position.take(fill, groups)
    }

    /// The book holds exactly this from now on. `counts`: as a result of trading that moved this much cash; returns what it
    /// realises.
    pub(super) fn adopt(&mut self, key: &BookKey, holding: &Holding, counts: Option<Usd>) -> Usd {
        let position = self.0.entry(key.clone()).or_insert_with(|| Position::flat(&holding.instrument, &holding.groups));
        position.remember(|| Step::Adopted { holding: Box::new(holding.clone()), counts });
        position.adopt(holding, counts)
    }

    /// At its mark; what it cost where there is none yet, so that a mark that comes later is no gain of its whole value.
    pub(super) fn worth(&self, key: &BookKey) -> Usd {
        self.0.get(key).map_or(Usd::ZERO, |position| if position.marked { position.value } else { position.cost })
    }

    /// A fill of this book that is counted has become final.
    pub(super) fn settle_fill(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId, quantity: Quantity) {
        let Some(position) = self.0.get_mut(key) else { return };
        let Some(mut tail) = position.tail.take() else {
            position.unsettled = (position.unsettled - quantity).or_zero();
            return;
        };
        tail.settle(trade_id, order_id);
        position.unsettled = tail.unsettled();
        if !tail.trim() {
            position.tail = Some(tail);
        }
    }

    /// Leaves what there would be without this fill; how much more was moved without it. One that was final already is
    /// taken back by what it changed.
    pub(super) fn undo(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId, change: &Change, fee: Usd) -> Moved {
        let Some(position) = self.0.get_mut(key) else { return Moved::default() };
        if let Some(mut tail) = position.tail.take() {
            let without = tail.without(trade_id, order_id);
            let empty = tail.trim();
            if let Some((replayed, moved)) = without {
                // What was redeemed meanwhile is no step of these.
                let redeemable = position.redeemable + moved.redeemable;
                *position = Position { value: position.value, marked: position.marked, redeemable, ..replayed };
                position.tail = (!empty).then_some(tail);
                return moved;
            }
            position.tail = Some(tail);
        }
        position.quantity -= change.quantity;
        position.cost -= change.cost;
        position.realized -= change.realized;
        position.fees -= fee;
        position.note_flat();
        Moved { cash: -change.cash, realized: -change.realized, redeemable: Usd::ZERO }
    }

    pub(super) fn add_fee(&mut self, key: &BookKey, trade_id: &TradeId, order_id: &OrderId, difference: Usd) {
        let Some(position) = self.0.get_mut(key) else { return };
        position.fees += difference;
        if let Some(tail) = &mut position.tail {
            tail.add_fee(trade_id, order_id, difference);
        }
    }

    /// Cash of this book's fills that aren't final.
    pub(super) fn pending(&self, key: &BookKey) -> Pending {
        self.0.get(key).and_then(|position| position.tail.as_ref()).map(|tail| tail.pending()).unwrap_or_default()
    }

    /// Pays the holding out and leaves it flat; `None` when nothing is held.
    pub(super) fn pay_out(&mut self, key: &BookKey, settlement: Settlement, redeemed_later: bool) -> Option<Paid> {
        let position = self.0.get_mut(key)?;
        // Also when nothing is held: a sale that is taken back later brings back what this pays out.
        position.remember(|| Step::Settled { settlement, redeemed_later });
        position.pay_out(settlement, redeemed_later)
    }

    /// The tokens of this book are redeemed; how much of what was expected this was.
    pub(super) fn redeemed(&mut self, key: &BookKey, amount: Usd) -> Usd {
        let Some(position) = self.0.get_mut(key) else { return Usd::ZERO };
        let expected = position.redeemable.min(amount);
        position.redeemable -= expected;
        expected
    }

    /// The value before and after marking with this quote (in the book's terms).
    pub(super) fn revalue(&mut self, key: &BookKey, quote: Option<Quote>) -> (Usd, Usd) {
        let Some(position) = self.0.get_mut(key) else { return (Usd::ZERO, Usd::ZERO) };
        let before = position.value;
        let own = position.instrument.book_outcome();
        let held = if planted::has(Bug::NoAtYes) { own } else { position.outcome() };
        let per_contract = quote.map(|quote| quote.executable(held, own));
        position.marked = quote.is_some();
        position.value = per_contract.map_or(Usd::ZERO, |price| price.times(position.held(), Rounding::Down));
        (before, position.value)
    }

    /// What the last round trip of this book realised.
    pub(super) fn round_trip(&self, key: &BookKey) -> Usd {
        self.0.get(key).map_or(Usd::ZERO, |position| position.round_trip)
    }

    pub(super) fn forget(&mut self, key: &BookKey) {
        if self.0.get(key).is_some_and(|position| position.quantity.is_zero()) {
            self.0.remove(key);
        }
    }
}

impl Position {
    fn flat(instrument: &Instrument, groups: &Groups) -> Self {
        Self {
            instrument: instrument.clone(),
            groups: groups.clone(),
            quantity: Quantity::ZERO,
            unsettled: Quantity::ZERO,
            cost: Usd::ZERO,
            realized: Usd::ZERO,
            fees: Usd::ZERO,
            value: Usd::ZERO,
            marked: false,
            realized_when_flat: Usd::ZERO,
            round_trip: Usd::ZERO,
            redeemable: Usd::ZERO,
            tail: None,
        }
    }

    fn remember(&mut self, step: impl FnOnce() -> Step) {
        if let Some(tail) = &mut self.tail {
            tail.push(step());
        }
    }

    /// Books a fill: closing contracts realise, the rest opens.
    pub(super) fn take(&mut self, fill: &FillReport, groups: &Groups) -> Change {
        if self.quantity.is_zero() {
            self.groups = groups_from(groups, fill.instrument.outcome, self.instrument.outcome);
        }
        let same_outcome = fill.instrument.outcome == self.instrument.outcome;
        let counts_up = (fill.action == Action::Buy) == same_outcome;
        // The price of the outcome that `quantity` counts up.
        let price = if same_outcome { fill.price } else { fill.price.complement() };
        let change = trade(self, fill.quantity, counts_up, price);
        self.quantity += change.quantity;
        self.cost += change.cost;
        self.realized += change.realized;
        self.fees += fill.fee;
        if !fill.settled && fill.action == Action::Buy {
            self.unsettled += fill.quantity;
        }
        self.note_flat();
        change
    }

    pub(super) fn adopt(&mut self, holding: &Holding, counts: Option<Usd>) -> Usd {
        let realized = counts.map_or(Usd::ZERO, |cash| cash + holding.cost - self.cost);
        let same_outcome = holding.instrument.outcome == self.instrument.outcome;
        self.groups = groups_from(&holding.groups, holding.instrument.outcome, self.instrument.outcome);
        self.quantity = if same_outcome { holding.quantity } else { -holding.quantity };
        self.cost = holding.cost;
        self.unsettled = Quantity::ZERO;
        self.realized += realized;
        self.note_flat();
        realized
    }

    pub(super) fn pay_out(&mut self, settlement: Settlement, redeemed_later: bool) -> Option<Paid> {
        if self.quantity.is_zero() {
            return None;
        }
        let cash = match settlement.payout(self.outcome()) {
            Some(per_contract) => per_contract.times(self.held(), Rounding::Down),
            None => self.cost,
        };
        let realized = cash - self.cost;
        self.realized += realized;
        if redeemed_later {
            self.redeemable += cash;
        }
        self.quantity = Quantity::ZERO;
        self.unsettled = Quantity::ZERO;
        self.cost = Usd::ZERO;
        self.note_flat();
        Some(Paid { cash, realized })
    }

    fn note_flat(&mut self) {
        if self.quantity.is_zero() {
            self.round_trip = self.realized - self.realized_when_flat;
            self.realized_when_flat = self.realized;
            self.unsettled = Quantity::ZERO;
        }
    }
}

/// The groups as seen from another outcome of the same book.
fn groups_from(groups: &Groups, seen_from: Outcome, wanted: Outcome) -> Groups {
    let mut groups = groups.clone();
    if seen_from != wanted {
        groups.stance.wins = !groups.stance.wins;
    }
    groups
}

/// What trading `quantity` at `price` (of the outcome counted up) changes.
fn trade(position: &Position, quantity: Quantity, counts_up: bool, price: Price) -> Change {
    let held_up = position.quantity > Quantity::ZERO;
    let closes = !position.quantity.is_zero() && held_up != counts_up;
    let closing = if closes { quantity.min(position.held()) } else { Quantity::ZERO };
    let opening = quantity - closing;
    let (mut cost, mut realized, mut cash) = (Usd::ZERO, Usd::ZERO, Usd::ZERO);
    if !closing.is_zero() {
        let held_price = if held_up { price } else { price.complement() };
        let proceeds = held_price.times(closing, Rounding::Down);
        let share = Usd::from_micros(mul_div(position.cost.micros(), closing.micros(), position.held().micros(), Rounding::Up));
        cost -= share;
        realized += proceeds - share;
        cash += proceeds;
    }
    if !opening.is_zero() {
        let open_price = if counts_up { price } else { price.complement() };
        let paid = open_price.times(opening, Rounding::Up);
        cost += paid;
        cash -= paid;
    }
    let signed = if counts_up { quantity } else { -quantity };
    Change { quantity: signed, cost, realized, cash }
}
