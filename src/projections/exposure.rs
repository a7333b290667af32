//! The worst that can happen: per game over its outcomes, per sport, per venue, and in all.
//!
//! Held contracts lose their cost when the outcome goes against them and gain the rest when it doesn't;
//! an outstanding order is assumed to fill exactly in the outcomes in which that hurts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::orders::Orders;
use super::positions::Positions;
use crate::domain::ids::GameId;
use crate::domain::market::{BookKey, Venue};
use crate::domain::money::{Price, Rounding, Usd};
use crate::domain::order::{Action, Order, Stance};

/// Worst cases of one game.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct GameWorst {
    all: Usd,
    by_sport: BTreeMap<Box<str>, Usd>,
    by_venue: BTreeMap<Venue, Usd>,
}

/// Worst cases in every scope of one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    pub game: Usd,
    pub sport: Usd,
    pub venue: Usd,
    pub total: Usd,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    games: BTreeMap<GameId, GameWorst>,
    pub by_sport: BTreeMap<Box<str>, Usd>,
    pub by_venue: BTreeMap<Venue, Usd>,
    pub total: Usd,
    /// Books that ever held something of the game.
    books: BTreeMap<GameId, BTreeSet<BookKey>>,
}

/// Something that can lose money, and when.
struct Item<'a> {
    stance: &'a Stance,
    wins: bool,
    venue: Venue,
    sport: &'a str,
    if_lost: Usd,
    if_won: Usd,
}

impl<'a> Item<'a> {
    fn of_order(order: &'a Order, outstanding: crate::domain::money::Quantity) -> Self {
        let cost = order.cost_bound(outstanding);
        let gain = Price::ONE.times(outstanding, Rounding::Down);
        Self {
            stance: &order.groups.stance,
            wins: order.groups.stance.wins,
            venue: order.instrument.venue,
            sport: &order.groups.sport,
            if_lost: cost,
            // It may as well not fill: no gain is counted on.
            if_won: (cost - gain).or_zero(),
        }
    }
}

impl Exposure {
    /// Games with their worst cases.
    pub fn games(&self) -> impl Iterator<Item = (&GameId, Usd)> {
        self.games.iter().map(|(game, worst)| (game, worst.all))
    }

    /// Books of the game that hold something or have lately.
    pub fn books_of(&self, game: &GameId) -> impl Iterator<Item = &BookKey> {
        self.books.get(game).into_iter().flatten()
    }

    pub fn of_game(&self, game: &GameId) -> Usd {
        self.games.get(game).map_or(Usd::ZERO, |worst| worst.all)
    }

    /// Counts one game anew after something in it has changed.
    pub(super) fn refresh(&mut self, game: &GameId, key: &BookKey, orders: &Orders, positions: &Positions) {
        if !self.books.get(game).is_some_and(|books| books.contains(key)) {
            self.books.entry(game.clone()).or_default().insert(key.clone());
        }
        let items = self.items(game, orders, positions);
        let fresh = worst_of(&items);
        drop(items);
        if let Some(old) = self.games.remove(game) {
            self.add(&old, true);
        }
        if fresh == GameWorst::default() {
            let idle = |key: &BookKey| positions.get(key).is_none_or(|position| position.quantity.is_zero());
            if orders.live_of_game(game).next().is_none() && self.books.get(game).is_some_and(|books| books.iter().all(idle)) {
                self.books.remove(game);
            }
            return;
        }
        self.add(&fresh, false);
        self.games.insert(game.clone(), fresh);
    }

    fn add(&mut self, worst: &GameWorst, take_away: bool) {
        let signed = |usd: Usd| if take_away { -usd } else { usd };
        self.total += signed(worst.all);
        for (sport, usd) in &worst.by_sport {
            let sum = self.by_sport.entry(sport.clone()).or_default();
            *sum += signed(*usd);
            if sum.is_zero() {
                self.by_sport.remove(sport);
            }
        }
        for (venue, usd) in &worst.by_venue {
            let sum = self.by_venue.entry(*venue).or_default();
            *sum += signed(*usd);
            if sum.is_zero() {
                self.by_venue.remove(venue);
            }
        }
    }

    fn items<'a>(&self, game: &GameId, orders: &'a Orders, positions: &'a Positions) -> Vec<Item<'a>> {
        let mut items: Vec<Item<'a>> = orders.live_of_game(game).map(|r| Item::of_order(&r.order, r.outstanding())).collect();
        for position in self.books.get(game).into_iter().flatten().filter_map(|key| positions.get(key)) {
            if position.quantity.is_zero() || position.groups.game != *game {
                continue;
            }
            items.push(Item {
                stance: &position.groups.stance,
                wins: position.wins(),
                venue: position.instrument.venue,
                sport: &position.groups.sport,
                if_lost: position.cost,
                if_won: position.cost - Price::ONE.times(position.held(), Rounding::Down),
            });
        }
        items
    }

    /// The worst cases in the scopes of `order`, were it and the `others` (grants and requests not yet in the log) sent.
    pub fn with(&self, order: &Order, others: &[&Order], orders: &Orders, positions: &Positions) -> Worst {
        let mut extra: BTreeMap<&GameId, Vec<&Order>> = BTreeMap::new();
        for one in others.iter().copied().chain([order]).filter(|one| one.action == Action::Buy) {
            extra.entry(&one.groups.game).or_default().push(one);
        }
        let (sport, venue) = (&order.groups.sport, order.instrument.venue);
        let mut worst = Worst {
            game: self.of_game(&order.groups.game),
            sport: self.by_sport.get(sport).copied().unwrap_or_default(),
            venue: self.by_venue.get(&venue).copied().unwrap_or_default(),
            total: self.total,
        };
        for (game, more) in extra {
            let mut items = self.items(game, orders, positions);
            items.extend(more.into_iter().map(|one| Item::of_order(one, one.quantity)));
            let fresh = worst_of(&items);
            let old = self.games.get(game);
            let before = |pick: fn(&GameWorst, &str, Venue) -> Usd| old.map_or(Usd::ZERO, |worst| pick(worst, sport, venue));
            if *game == order.groups.game {
                worst.game = fresh.all;
            }
            worst.total += fresh.all - before(|worst, _, _| worst.all);
            worst.sport += fresh.by_sport.get(sport).copied().unwrap_or_default()
                - before(|worst, sport, _| worst.by_sport.get(sport).copied().unwrap_or_default());
            worst.venue += fresh.by_venue.get(&venue).copied().unwrap_or_default()
                - before(|worst, _, venue| worst.by_venue.get(&venue).copied().unwrap_or_default());
        }
        worst
    }
}

fn worst_of(items: &[Item<'_>]) -> GameWorst {
    let sports: BTreeSet<&str> = items.iter().map(|item| item.sport).collect();
    let venues: BTreeSet<Venue> = items.iter().map(|item| item.venue).collect();
    let of = |keep: &dyn Fn(&Item<'_>) -> bool| worst_case(items.iter().filter(|item| keep(item)));
    GameWorst {
        all: of(&|_| true),
        by_sport: sports
            .iter()
            .map(|sport| ((*sport).into(), of(&|item| item.sport == *sport)))
            .filter(|(_, usd): &(_, Usd)| !usd.is_zero())
            .collect(),
        by_venue: venues
            .iter()
            .map(|venue| (*venue, of(&|item| item.venue == *venue)))
            .filter(|(_, usd): &(_, Usd)| !usd.is_zero())
            .collect(),
    }
}

/// The contest has one winner among its subjects (or somebody unnamed); each other subject wins or loses by itself.
fn worst_case<'a>(items: impl Iterator<Item = &'a Item<'a>>) -> Usd {
    let (contest, single): (Vec<&Item<'_>>, Vec<&Item<'_>>) = items.partition(|item| item.stance.contest);
    let subjects: BTreeSet<&str> = contest.iter().map(|item| &*item.stance.subject).collect();
    let loss = |winner: Option<&str>, of: &[&Item<'_>]| -> Usd {
        of.iter().map(|item| if (winner == Some(&*item.stance.subject)) == item.wins { item.if_won } else { item.if_lost }).sum()
    };
    // With one subject named, its opponent may win too.
    let unnamed = (subjects.len() < 2).then_some(None);
    let outcomes = subjects.iter().map(|subject| Some(*subject)).chain(unnamed);
    let mut worst = outcomes.map(|winner| loss(winner, &contest)).max().unwrap_or_default().or_zero();
    let alone: BTreeSet<&str> = single.iter().map(|item| &*item.stance.subject).collect();
    for subject in alone {
        let of: Vec<&Item<'_>> = single.iter().copied().filter(|item| &*item.stance.subject == subject).collect();
        worst += loss(Some(subject), &of).max(loss(None, &of)).or_zero();
    }
    worst
}
