//! What a feed shows of one book, level by level, and how much of each level we took.

use std::collections::BTreeMap;

use super::super::market::Quote;
use super::super::money::{Price, Quantity};
use super::{BookChange, Mark, Side, whole_lots};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    shown: Quantity,
    /// The last row that said something about this level.
    seen: Mark,
}

/// What was odd about a change; the book holds what could be made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// More was taken from a level than it was known to hold.
    pub underflows: u64,
    /// Levels better than the stated best price, dropped.
    pub stale_levels: u64,
}

#[derive(Clone, Debug)]
struct Half {
    side: Side,
    levels: BTreeMap<Price, Level>,
    /// Never more than shown; kept for levels that merely left the feed's window.
    taken: BTreeMap<Price, Quantity>,
    /// The worst price the feed's window reaches to; `None` when it tells every level.
    window_end: Option<Price>,
}

impl Half {
    fn new(side: Side) -> Self {
        Self { side, levels: BTreeMap::new(), taken: BTreeMap::new(), window_end: None }
    }

    fn set(&mut self, price: Price, shown: Quantity, seen: Mark) {
        if shown.micros() <= 0 {
            self.levels.remove(&price);
            self.taken.remove(&price);
            return;
        }
        self.levels.insert(price, Level { shown, seen });
        if let Some(taken) = self.taken.get_mut(&price) {
            *taken = (*taken).min(shown);
        }
    }

    fn clear(&mut self) {
        *self = Self::new(self.side);
    }

    fn drop_better_than(&mut self, best: Price) -> u64 {
        let side = self.side;
        let before = self.levels.len();
        self.levels.retain(|price, _| !side.before(*price, best));
        self.taken.retain(|price, _| !side.before(*price, best));
        (before - self.levels.len()) as u64
    }

    fn replace_window(&mut self, levels: &[(Price, Quantity)], seen: Mark) {
        let side = self.side;
        let worst = levels.iter().map(|(price, _)| *price).reduce(|a, b| if side.before(a, b) { b } else { a });
        let Some(worst) = worst else { return self.clear() };
        self.levels.clear();
        let listed: BTreeMap<Price, Quantity> = levels.iter().copied().collect();
        self.taken.retain(|price, _| side.before(worst, *price) || listed.contains_key(price));
        for (price, shown) in listed {
            self.set(price, shown, seen);
        }
        self.window_end = Some(worst);
    }

    /// Best level first.
    fn best_first(&self) -> Box<dyn Iterator<Item = (&Price, &Level)> + '_> {
        match self.side {
            Side::Bid => Box::new(self.levels.iter().rev()),
            Side::Ask => Box::new(self.levels.iter()),
        }
    }

    fn best(&self) -> Option<Price> {
        match self.side {
            Side::Bid => self.levels.last_key_value(),
            Side::Ask => self.levels.first_key_value(),
        }
        .map(|(price, _)| *price)
    }

    fn available(&self, price: Price, level: &Level) -> Quantity {
        let taken = self.taken.get(&price).copied().unwrap_or_default();
        whole_lots((level.shown - taken).or_zero())
    }
}

/// Both sides, and whether the feed's word can be trusted at the moment.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Half,
    asks: Half,
    /// The feed itself last stated a crossed top.
    stated_crossed: bool,
}

impl Default for Book {
    fn default() -> Self {
        Self { bids: Half::new(Side::Bid), asks: Half::new(Side::Ask), stated_crossed: false }
    }
}

impl Book {
    pub fn apply(&mut self, change: &BookChange, mark: Mark) -> Oddities {
        let mut odd = Oddities::default();
        match change {
            BookChange::Top { side, level: None } => self.half_mut(*side).clear(),
            BookChange::Top { side, level: Some((price, quantity)) } => {
                self.half_mut(*side).drop_better_than(*price);
                self.half_mut(*side).set(*price, *quantity, mark);
            }
            BookChange::Window { side, levels } => self.half_mut(*side).replace_window(levels, mark),
            BookChange::Level { side, price, quantity } => self.half_mut(*side).set(*price, *quantity, mark),
            BookChange::Delta { side, price, signed } => {
                let sum = self.shown(*side, *price).micros().saturating_add(signed.micros());
                odd.underflows = u64::from(sum < 0);
                let shown = Quantity::from_micros(sum.clamp(0, Quantity::MAX_MICROS));
                self.half_mut(*side).set(*price, shown, mark);
            }
            BookChange::Stated { bid, ask } => odd.stale_levels = self.believe(*bid, *ask),
            BookChange::Clear => *self = Self::default(),
        }
        odd
    }

    fn believe(&mut self, bid: Option<Price>, ask: Option<Price>) -> u64 {
        self.stated_crossed = matches!((bid, ask), (Some(bid), Some(ask)) if bid >= ask);
        if self.stated_crossed {
            return 0;
        }
        let stale = bid.map_or(0, |best| self.bids.drop_better_than(best));
        stale + ask.map_or(0, |best| self.asks.drop_better_than(best))
    }

    /// Bid at or above ask, here or in the feed's own words: such a book is wrong somewhere.
    pub fn is_crossed(&self) -> bool {
        let crossed = matches!((self.bids.best(), self.asks.best()), (Some(bid), Some(ask)) if bid >= ask);
        crossed || self.stated_crossed
    }

    pub fn quote(&self) -> Quote {
        Quote { bid: self.bids.best(), ask: self.asks.best() }
    }

    pub fn best(&self, side: Side) -> Option<Price> {
        self.half(side).best()
    }

    pub fn shown(&self, side: Side, price: Price) -> Quantity {
        self.half(side).levels.get(&price).map_or(Quantity::ZERO, |level| level.shown)
    }

    /// The feed would tell a size at this price if there were one.
    pub fn sees(&self, side: Side, price: Price) -> bool {
        let half = self.half(side);
        half.window_end.is_none_or(|end| !side.before(end, price))
    }

    /// What an order of `side` could still take at its limit or better.
    pub fn available_to(&self, side: Side, limit: Price) -> Quantity {
        let half = self.half(side.opposite());
        let reachable = half.best_first().take_while(|(price, _)| side.reaches(limit, **price));
        reachable.map(|(price, level)| half.available(*price, level)).sum()
    }

    /// Takes up to `quantity` for an order of `side`, best levels first: price, size and mark of each level used.
    pub fn take(&mut self, side: Side, limit: Price, quantity: Quantity) -> Vec<(Price, Quantity, Mark)> {
        let half = self.half(side.opposite());
        let mut left = quantity;
        let mut used = Vec::new();
        for (price, level) in half.best_first().take_while(|(price, _)| side.reaches(limit, **price)) {
            let part = half.available(*price, level).min(left);
            if !part.is_zero() {
                used.push((*price, part, level.seen));
                left -= part;
            }
            if left.is_zero() {
                break;
            }
        }
        let half = self.half_mut(side.opposite());
        for (price, part, _) in &used {
            *half.taken.entry(*price).or_default() += *part;
        }
        used
    }

    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}
