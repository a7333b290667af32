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
        if let Some((sport, venue, all)) = worst_of_one_place(&items)
            && self.move_one_place(game, sport, venue, all)
        {
            return;
        }
        let fresh = worst_of(&items);
        drop(items);
        if let Some(old) = self.games.remove(game) {
            self.add(&old, true);
        }
        if fresh != GameWorst::default() {
            self.add(&fresh, false);
            self.games.insert(game.clone(), fresh);
            return;
        }
        let idle = |key: &BookKey| positions.get(key).is_none_or(|position| position.quantity.is_zero());
        if orders.live_of_game(game).next().is_none() && self.books.get(game).is_some_and(|books| books.iter().all(idle)) {
            self.books.remove(game);
        }
    }

    /// The usual change: a game of one sport at one venue is worth another sum. False when it isn't that simple.
    fn move_one_place(&mut self, game: &GameId, sport: &str, venue: Venue, all: Usd) -> bool {
        let Some(old) = self.games.get_mut(game).filter(|_| !all.is_zero()) else { return false };
        if old.by_sport.len() != 1 || old.by_venue.len() != 1 {
            return false;
        }
        let (Some(of_sport), Some(of_venue)) = (old.by_sport.get_mut(sport), old.by_venue.get_mut(&venue)) else { return false };
        let (Some(sport_sum), Some(venue_sum)) = (self.by_sport.get_mut(sport), self.by_venue.get_mut(&venue)) else { return false };
        self.total += all - old.all;
        *sport_sum += all - *of_sport;
        *venue_sum += all - *of_venue;
        (old.all, *of_sport, *of_venue) = (all, all, all);
        true
    }

    fn add(&mut self, worst: &GameWorst, take_away: bool) {
        let signed = |usd: Usd| if take_away { -usd } else { usd };
        self.total += signed(worst.all);
        for (sport, usd) in &worst.by_sport {
            if !self.by_sport.contains_key(sport) {
                self.by_sport.insert(sport.clone(), Usd::ZERO);
            }
            let Some(sum) = self.by_sport.get_mut(sport) else { continue };
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

/// Sport, venue and worst case, when all is of one sport at one venue.
fn worst_of_one_place<'a>(items: &[Item<'a>]) -> Option<(&'a str, Venue, Usd)> {
    let first = items.first()?;
    let alike = items.iter().all(|item| item.sport == first.sport && item.venue == first.venue);
    alike.then(|| (first.sport, first.venue, worst_case(items.iter())))
}

fn worst_of(items: &[Item<'_>]) -> GameWorst {
    if let Some((sport, venue, all)) = worst_of_one_place(items) {
        if all.is_zero() {
            return GameWorst::default();
        }
        return GameWorst { all, by_sport: [(sport.into(), all)].into(), by_venue: [(venue, all)].into() };
    }
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
fn worst_case<'a>(items: impl Iterator<Item = &'a Item<'a>> + Clone) -> Usd {
    if let Some(worst) = worst_of_one_subject(items.clone()) {
        return worst;
    }
    let contest = || items.clone().filter(|item| item.stance.contest);
    let single = || items.clone().filter(|item| !item.stance.contest);
    let loss = |winner: Option<&str>, item: &Item<'_>| {
        if (winner == Some(&*item.stance.subject)) == item.wins { item.if_won } else { item.if_lost }
    };
    let if_wins = |winner: Option<&str>| -> Usd { contest().map(|item| loss(winner, item)).sum() };
    let mut named = 0;
    let mut worst = Usd::ZERO;
    for subject in subjects(contest()) {
        named += 1;
        worst = worst.max(if_wins(Some(subject)));
    }
    // With one subject named, its opponent may win too.
    if named < 2 {
        worst = worst.max(if_wins(None));
    }
    for subject in subjects(single()) {
        let of = |winner| -> Usd { single().filter(|item| &*item.stance.subject == subject).map(|item| loss(winner, item)).sum() };
        worst += of(Some(subject)).max(of(None)).or_zero();
    }
    worst
}

/// Each subject once. They are few: the first ones of a game are soon found again.
fn subjects<'a>(items: impl Iterator<Item = &'a Item<'a>> + Clone) -> impl Iterator<Item = &'a str> {
    let all = items.clone().enumerate();
    all.filter_map(move |(position, item)| {
        let before = items.clone().take(position).any(|earlier| earlier.stance.subject == item.stance.subject);
        (!before).then_some(&*item.stance.subject)
    })
}

/// With one subject among them there are two outcomes, contest or not: it wins, or it doesn't. `None` for more subjects.
fn worst_of_one_subject<'a>(items: impl Iterator<Item = &'a Item<'a>>) -> Option<Usd> {
    let (mut if_it_wins, mut if_not) = (Usd::ZERO, Usd::ZERO);
    let mut first: Option<&Stance> = None;
    for item in items {
        let stance = *first.get_or_insert(item.stance);
        if stance.subject != item.stance.subject || stance.contest != item.stance.contest {
            return None;
        }
        if_it_wins += if item.wins { item.if_won } else { item.if_lost };
        if_not += if item.wins { item.if_lost } else { item.if_won };
    }
    Some(if_it_wins.max(if_not).or_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that any outcome loses: every winner of the contest (or nobody named, while fewer than two are) with
    /// every result of each other subject.
    fn by_enumeration(items: &[&Item<'_>]) -> Usd {
        let subjects = |contest| -> Vec<&str> {
            let all: BTreeSet<&str> =
                items.iter().filter(|item| item.stance.contest == contest).map(|item| &*item.stance.subject).collect();
            all.into_iter().collect()
        };
        let (teams, single) = (subjects(true), subjects(false));
        let mut winners: Vec<Option<&str>> = teams.iter().map(|team| Some(*team)).collect();
        if teams.len() < 2 {
            winners.push(None);
        }
        let loss = |item: &Item<'_>, won: bool| if won == item.wins { item.if_won } else { item.if_lost };
        let contest: Usd = winners
            .iter()
            .map(|winner| {
                let of = items.iter().filter(|item| item.stance.contest);
                of.map(|item| loss(item, *winner == Some(&*item.stance.subject))).sum::<Usd>()
            })
            .max()
            .unwrap_or_default();
        let alone = single.iter().map(|subject| {
            let of = |won| {
                items.iter().filter(|item| !item.stance.contest && &*item.stance.subject == *subject).map(move |item| loss(item, won)).sum()
            };
            let (won, lost): (Usd, Usd) = (of(true), of(false));
            won.max(lost).or_zero()
        });
        contest.or_zero() + alone.sum()
    }

    #[test]
    fn short_cuts_give_what_enumerating_every_outcome_gives() {
        let stance = |subject: &str, contest| Stance { subject: subject.into(), wins: true, contest };
        let stances = [stance("POR", true), stance("WAS", true), stance("total", false), stance("spread", false)];
        let mut items = Vec::new();
        for (number, stance) in stances.iter().enumerate() {
            for wins in [true, false] {
                let (lost, won) = (7 + 5 * number as i64, -3 - 4 * number as i64);
                let venue = if number == 1 { Venue::Polymarket } else { Venue::Kalshi };
                let sport = if number == 3 { "NFL" } else { "NBA" };
                items.push(Item { stance, wins, venue, sport, if_lost: Usd::from_micros(lost), if_won: Usd::from_micros(won) });
            }
        }
        for chosen in 0u32..256 {
            let these = || (0..items.len()).filter(|n| chosen >> n & 1 == 1).map(|n| &items[n]);
            let wanted = |keep: &dyn Fn(&Item<'_>) -> bool| by_enumeration(&these().filter(|item| keep(item)).collect::<Vec<_>>());
            let worst = worst_of(&these().map(Item::again).collect::<Vec<_>>());
            assert_eq!(worst.all, wanted(&|_| true), "{chosen:b}");
            for sport in ["NBA", "NFL"] {
                let got = worst.by_sport.get(sport).copied();
                assert_eq!(got, Some(wanted(&|item| item.sport == sport)).filter(|usd| !usd.is_zero()), "{sport} {chosen:b}");
            }
            for venue in [Venue::Kalshi, Venue::Polymarket] {
                let got = worst.by_venue.get(&venue).copied();
                assert_eq!(got, Some(wanted(&|item| item.venue == venue)).filter(|usd| !usd.is_zero()), "{venue} {chosen:b}");
            }
        }
    }

    impl Item<'_> {
        fn again(&self) -> Self {
            Self { ..*self }
        }
    }
}
