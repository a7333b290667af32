//! One market's YES book: resting orders of several accounts in price-time priority. Knows no money and no time.

use std::collections::{BTreeMap, VecDeque};

use super::ids::{AccountNo, OrderNo};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};

/// A resting order, as much as the book needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub order: OrderNo,
    pub owner: AccountNo,
    pub left: Quantity,
}

/// What happens when an order meets one of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTrade {
    /// The newcomer stops there; what it traded before stands.
    TakerAtCross,
    /// The resting one is cancelled, and the newcomer goes on.
    Maker,
    /// Only for the crowd, which is many people.
    Allowed,
}

/// An order on its way into the book.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    pub side: Side,
    pub limit: Price,
    pub quantity: Quantity,
    pub owner: AccountNo,
    pub self_trade: SelfTrade,
}

/// One thing a newcomer did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    Traded { maker: OrderNo, price: Price, quantity: Quantity },
    MakerCanceled { maker: OrderNo },
}

/// What a newcomer did, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossed {
    pub contacts: Vec<Contact>,
    pub left: Quantity,
    /// It met an order of its own account and goes no further.
    pub stopped: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Book {
    bids: BTreeMap<Price, VecDeque<Entry>>,
    asks: BTreeMap<Price, VecDeque<Entry>>,
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<Price, VecDeque<Entry>> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, VecDeque<Entry>> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Levels with their sizes, best first.
    pub fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (Price, Quantity)> + '_> {
        let level = |(price, queue): (&Price, &VecDeque<Entry>)| (*price, queue.iter().map(|entry| entry.left).sum());
        match side {
            Side::Bid => Box::new(self.bids.iter().rev().map(level)),
            Side::Ask => Box::new(self.asks.iter().map(level)),
        }
    }

    pub fn best(&self, side: Side) -> Option<(Price, Quantity)> {
        self.levels(side).next()
    }

    fn best_price(&self, side: Side) -> Option<Price> {
        match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        }
        .map(|(price, _)| *price)
    }

    /// An order of this side at this limit would trade at once.
    pub fn would_cross(&self, side: Side, limit: Price) -> bool {
        self.best_price(side.opposite()).is_some_and(|best| side.reaches(limit, best))
    }

    /// How much of the newcomer would trade: what decides a fill-or-kill, and what collateral needs fees for.
    pub fn reachable(&self, new: &Newcomer) -> Quantity {
        let mut reached = Quantity::ZERO;
        let opposite = new.side.opposite();
        let prices: Vec<Price> = self.levels(opposite).map(|(price, _)| price).collect();
        for price in prices.into_iter().take_while(|price| new.side.reaches(new.limit, *price)) {
            for entry in &self.side(opposite)[&price] {
                match new.self_trade {
                    SelfTrade::TakerAtCross if entry.owner == new.owner => return reached.min(new.quantity),
                    SelfTrade::Maker if entry.owner == new.owner => {}
                    _ => reached += entry.left,
                }
            }
            if reached >= new.quantity {
                break;
            }
        }
        reached.min(new.quantity)
    }

    /// Takes what the newcomer can get; its rest is not put anywhere.
    pub fn cross(&mut self, new: &Newcomer) -> Crossed {
        let opposite = new.side.opposite();
        let mut done = Crossed { contacts: Vec::new(), left: new.quantity, stopped: false };
        while !done.left.is_zero() && !done.stopped {
            let Some(price) = self.best_price(opposite).filter(|best| new.side.reaches(new.limit, *best)) else { break };
            let levels = self.side_mut(opposite);
            let queue = levels.get_mut(&price).expect("Invariant: the best price has a level");
            meet(queue, price, new, &mut done);
            if queue.is_empty() {
                levels.remove(&price);
            }
        }
        done
    }

    /// Puts an order at the end of its level.
    pub fn rest(&mut self, side: Side, price: Price, entry: Entry) {
        self.side_mut(side).entry(price).or_default().push_back(entry);
    }

    /// Takes an order out and says how much was left of it.
    pub fn remove(&mut self, side: Side, price: Price, order: OrderNo) -> Option<Quantity> {
        let levels = self.side_mut(side);
        let queue = levels.get_mut(&price)?;
        let at = queue.iter().position(|entry| entry.order == order)?;
        let entry = queue.remove(at)?;
        if queue.is_empty() {
            levels.remove(&price);
        }
        Some(entry.left)
    }

    /// Makes an order smaller where it stands.
    pub fn shrink(&mut self, side: Side, price: Price, order: OrderNo, left: Quantity) {
        let queue = self.side_mut(side).get_mut(&price);
        if let Some(entry) = queue.and_then(|queue| queue.iter_mut().find(|entry| entry.order == order)) {
            entry.left = left;
        }
    }

    /// Contracts that are served before this order at better prices and at its own.
    pub fn ahead(&self, side: Side, price: Price, order: OrderNo) -> Quantity {
        let better: Quantity = self.levels(side).take_while(|(level, _)| side.before(*level, price)).map(|(_, size)| size).sum();
        let queue = self.side(side).get(&price);
        let same = queue.into_iter().flatten().take_while(|entry| entry.order != order).map(|entry| entry.left).sum();
        better + same
    }

    pub fn orders(&self) -> Vec<OrderNo> {
        self.bids.values().chain(self.asks.values()).flatten().map(|entry| entry.order).collect()
    }
}

fn meet(queue: &mut VecDeque<Entry>, price: Price, new: &Newcomer, done: &mut Crossed) {
    while let Some(entry) = queue.front_mut() {
        if done.left.is_zero() {
            return;
        }
        let own = entry.owner == new.owner;
        if own && new.self_trade == SelfTrade::TakerAtCross {
            done.stopped = true;
            return;
        }
        if own && new.self_trade == SelfTrade::Maker {
            done.contacts.push(Contact::MakerCanceled { maker: entry.order });
            queue.pop_front();
            continue;
        }
        let quantity = entry.left.min(done.left);
        done.contacts.push(Contact::Traded { maker: entry.order, price, quantity });
        done.left -= quantity;
        entry.left -= quantity;
        if entry.left.is_zero() {
            queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AccountNo = AccountNo(1);
    const YOU: AccountNo = AccountNo(2);

    fn cents(cents: i64) -> Price {
        Price::from_micros(cents * 10_000)
    }

    fn book(asks: &[(usize, AccountNo, i64, i64)]) -> Book {
        let mut book = Book::default();
        for (no, owner, price, size) in asks {
            let entry = Entry { order: OrderNo(*no), owner: *owner, left: Quantity::whole(*size) };
            book.rest(Side::Ask, cents(*price), entry);
        }
        book
    }

    fn bid(limit: i64, size: i64, self_trade: SelfTrade) -> Newcomer {
        Newcomer { side: Side::Bid, limit: cents(limit), quantity: Quantity::whole(size), owner: ME, self_trade }
    }

    fn traded(no: usize, price: i64, size: i64) -> Contact {
        Contact::Traded { maker: OrderNo(no), price: cents(price), quantity: Quantity::whole(size) }
    }

    #[test]
    fn better_prices_go_first_and_then_who_came_first() {
        let mut book = book(&[(1, YOU, 52, 2), (2, YOU, 51, 1), (3, YOU, 52, 5)]);
        let done = book.cross(&bid(52, 5, SelfTrade::TakerAtCross));
        assert_eq!(done.contacts, [traded(2, 51, 1), traded(1, 52, 2), traded(3, 52, 2)]);
        assert_eq!((done.left, book.best(Side::Ask)), (Quantity::ZERO, Some((cents(52), Quantity::whole(3)))));
    }

    #[test]
    fn the_limit_holds() {
        let mut book = book(&[(1, YOU, 52, 2)]);
        assert!(!book.would_cross(Side::Bid, cents(51)) && book.would_cross(Side::Bid, cents(52)));
        let done = book.cross(&bid(51, 1, SelfTrade::TakerAtCross));
        assert_eq!((done.contacts, done.left), (vec![], Quantity::whole(1)));
    }

    #[test]
    fn a_taker_stops_at_its_own_order_and_keeps_what_it_had() {
        let mut book = book(&[(1, YOU, 51, 1), (2, ME, 52, 1), (3, YOU, 52, 1)]);
        let new = bid(52, 3, SelfTrade::TakerAtCross);
        assert_eq!(book.reachable(&new), Quantity::whole(1));
        let done = book.cross(&new);
        assert_eq!((done.contacts, done.left, done.stopped), (vec![traded(1, 51, 1)], Quantity::whole(2), true));
        assert_eq!(book.orders(), [OrderNo(2), OrderNo(3)]);
    }

    #[test]
    fn a_resting_order_of_the_same_account_gives_way_when_asked_to() {
        let mut book = book(&[(2, ME, 52, 1), (3, YOU, 52, 1)]);
        let new = bid(52, 2, SelfTrade::Maker);
        assert_eq!(book.reachable(&new), Quantity::whole(1));
        let done = book.cross(&new);
        assert_eq!(done.contacts, [Contact::MakerCanceled { maker: OrderNo(2) }, traded(3, 52, 1)]);
        assert_eq!((done.left, book.orders()), (Quantity::whole(1), vec![]));
    }

    #[test]
    fn a_queue_position_counts_better_prices_and_earlier_orders() {
        let mut book = book(&[(1, YOU, 51, 4), (2, YOU, 52, 2), (3, ME, 52, 1)]);
        assert_eq!(book.ahead(Side::Ask, cents(52), OrderNo(3)), Quantity::whole(6));
        book.shrink(Side::Ask, cents(52), OrderNo(2), Quantity::whole(1));
        assert_eq!(book.ahead(Side::Ask, cents(52), OrderNo(3)), Quantity::whole(5));
        assert_eq!(book.remove(Side::Ask, cents(51), OrderNo(1)), Some(Quantity::whole(4)));
        assert_eq!(book.remove(Side::Ask, cents(51), OrderNo(1)), None);
        assert_eq!(book.ahead(Side::Ask, cents(52), OrderNo(3)), Quantity::whole(1));
    }
}
