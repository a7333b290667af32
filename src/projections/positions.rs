//! Holdings. Netting belongs to the venue: one signed position per Kalshi market, one per Polymarket token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fills::Change;
use crate::domain::event::Holding;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Instrument, Outcome, Quote, Settlement, Venue};
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::{Action, Groups};
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
        if position.quantity.is_zero() {
            position.groups = groups_from(groups, fill.instrument.outcome, position.instrument.outcome);
        }
        let same_outcome = fill.instrument.outcome == position.instrument.outcome;
        let counts_up = (fill.action == Action::Buy) == same_outcome;
        // The price of the outcome that `quantity` counts up.
        let price = if same_outcome { fill.price } else { fill.price.complement() };
        let change = trade(position, fill.quantity, counts_up, price);
        position.quantity += change.quantity;
        position.cost += change.cost;
        position.realized += change.realized;
        position.fees += fill.fee;
        if !fill.settled && fill.action == Action::Buy {
            position.unsettled += fill.quantity;
        }
        position.note_flat();
        change
    }

    /// The book holds exactly this from now on.
    pub(super) fn adopt(&mut self, key: &BookKey, holding: &Holding) {
        let position = self.0.entry(key.clone()).or_insert_with(|| Position::flat(&holding.instrument, &holding.groups));
        let same_outcome = holding.instrument.outcome == position.instrument.outcome;
        position.groups = groups_from(&holding.groups, holding.instrument.outcome, position.instrument.outcome);
        position.quantity = if same_outcome { holding.quantity } else { -holding.quantity };
        position.cost = holding.cost;
        position.unsettled = Quantity::ZERO;
        position.note_flat();
    }

    pub(super) fn settle_fill(&mut self, key: &BookKey, quantity: Quantity) {
        if let Some(position) = self.0.get_mut(key) {
            position.unsettled = (position.unsettled - quantity).or_zero();
        }
    }

    /// Takes back exactly what a fill changed.
    pub(super) fn undo(&mut self, key: &BookKey, change: &Change, fee: Usd, unsettled: Option<Quantity>) {
        let Some(position) = self.0.get_mut(key) else { return };
        position.quantity -= change.quantity;
        position.cost -= change.cost;
        position.realized -= change.realized;
        position.fees -= fee;
        if let Some(quantity) = unsettled {
            position.unsettled = (position.unsettled - quantity).or_zero();
        }
        position.note_flat();
    }

    pub(super) fn add_fee(&mut self, key: &BookKey, difference: Usd) {
        if let Some(position) = self.0.get_mut(key) {
            position.fees += difference;
        }
    }

    /// Pays the holding out and leaves it flat; `None` when nothing is held.
    pub(super) fn pay_out(&mut self, key: &BookKey, settlement: Settlement) -> Option<Paid> {
        let position = self.0.get_mut(key).filter(|position| !position.quantity.is_zero())?;
        let cash = match settlement.payout(position.outcome()) {
            Some(per_contract) => per_contract.times(position.held(), Rounding::Down),
            None => position.cost,
        };
        let realized = cash - position.cost;
        position.realized += realized;
        position.quantity = Quantity::ZERO;
        position.unsettled = Quantity::ZERO;
        position.cost = Usd::ZERO;
        position.note_flat();
        Some(Paid { cash, realized })
    }

    /// The value before and after marking with this quote (in the book's terms).
    pub(super) fn revalue(&mut self, key: &BookKey, quote: Option<Quote>) -> (Usd, Usd) {
        let Some(position) = self.0.get_mut(key) else { return (Usd::ZERO, Usd::ZERO) };
        let before = position.value;
        let per_contract = quote.map(|quote| quote.executable(position.outcome(), position.instrument.book_outcome()));
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
        }
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
