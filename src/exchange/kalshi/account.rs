//! What an account owns: cash per shard, one signed position per market, and what it did before.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::orders::Fill;
use crate::domain::market::Settlement;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::time::Time;
use crate::exchange::ids::{Id, MarketNo, OrderNo};

/// Versions of cash and positions that a lagging read may still see.
const PAST_MAX: usize = 512;

/// One market's holding: plus is YES, minus is NO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub signed: Quantity,
    /// What the open contracts cost.
    pub cost: Usd,
    pub realized: Usd,
    pub fees: Usd,
    /// Dollars and contracts that ever changed hands.
    pub traded: Usd,
    pub traded_contracts: Quantity,
    pub updated: Time,
}

impl Position {
    /// How much of an order of this side would close what is held.
    pub fn closing(&self, side: Side, quantity: Quantity) -> Quantity {
        let opposite = match side {
            Side::Bid => -self.signed,
            Side::Ask => self.signed,
        };
        opposite.or_zero().min(quantity)
    }

    /// Books a trade. Returns the change of cash before fees: a bid pays p or gets 1 - p for the NO it gives back.
    pub fn trade(&mut self, side: Side, price: Price, quantity: Quantity) -> Usd {
        let closed = self.closing(side, quantity);
        let opened = quantity - closed;
        let own = own_price(side, price);
        let proceeds = own.complement().times(closed, Rounding::Down);
        let cost_back = if closed.is_zero() {
            Usd::ZERO
        } else {
            Usd::from_micros(mul_div(self.cost.micros(), closed.micros(), self.signed.abs().micros(), Rounding::Down))
        };
        let paid = own.times(opened, Rounding::Up);
        self.realized += proceeds - cost_back;
        self.cost = self.cost - cost_back + paid;
        self.traded += own.times(quantity, Rounding::Down);
        self.traded_contracts += quantity;
        self.signed += if side == Side::Bid { quantity } else { -quantity };
        proceeds - paid
    }

    /// What the holding pays when its market ends so.
    pub fn payout(&self, result: Settlement) -> Usd {
        let value = |yes: Price| {
            let own = if self.signed >= Quantity::ZERO { yes } else { yes.complement() };
            own.times(self.signed.abs(), Rounding::Down)
        };
        match result {
            Settlement::Yes => value(Price::ONE),
            Settlement::No => value(Price::ZERO),
            Settlement::Scalar(yes) => value(yes),
            Settlement::Void => self.cost,
        }
    }
}

/// What one contract of this side costs to open.
pub fn own_price(side: Side, price: Price) -> Price {
    if side == Side::Bid { price } else { price.complement() }
}

/// A market's end, as it reached one account.
#[derive(Clone, Debug)]
pub struct Settled {
    pub market: MarketNo,
    pub result: Settlement,
    pub before: Position,
    pub revenue: Usd,
    pub at: Time,
}

/// Money in or out.
#[derive(Clone, Debug)]
pub struct Moved {
    pub id: Id,
    /// Plus is a deposit.
    pub amount: Usd,
    pub at: Time,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    pub user_id: Id,
    pub cash: BTreeMap<u32, Usd>,
    pub positions: BTreeMap<MarketNo, Position>,
    /// Every client order id the matching engine has seen, for ever.
    pub burnt: HashSet<String>,
    pub resting: BTreeMap<MarketNo, BTreeSet<OrderNo>>,
    /// Collateral of resting orders.
    pub held: BTreeMap<MarketNo, Usd>,
    pub orders: Vec<OrderNo>,
    pub fills: Vec<Fill>,
    pub settlements: Vec<Settled>,
    pub moves: Vec<Moved>,
    /// Until then a cancel-all also takes what is newly placed.
    pub cancel_all_until: Time,
    past_cash: Vec<(Time, BTreeMap<u32, Usd>)>,
    past_positions: BTreeMap<MarketNo, Vec<Position>>,
}

impl Account {
    pub fn new(name: String, user_id: Id, cash: BTreeMap<u32, Usd>, at: Time) -> Self {
        Self {
            name,
            user_id,
            past_cash: vec![(at, cash.clone())],
            cash,
            positions: BTreeMap::new(),
            burnt: HashSet::new(),
            resting: BTreeMap::new(),
            held: BTreeMap::new(),
            orders: Vec::new(),
            fills: Vec::new(),
            settlements: Vec::new(),
            moves: Vec::new(),
            cancel_all_until: Time::default(),
            past_positions: BTreeMap::new(),
        }
    }

    pub fn position(&self, market: MarketNo) -> Position {
        self.positions.get(&market).copied().unwrap_or_default()
    }

    pub fn cash_on(&self, shard: u32) -> Usd {
        self.cash.get(&shard).copied().unwrap_or_default()
    }

    pub fn move_cash(&mut self, shard: u32, change: Usd) {
        *self.cash.entry(shard).or_default() += change;
    }

    pub fn set_position(&mut self, market: MarketNo, position: Position) {
        self.positions.insert(market, position);
        let past = self.past_positions.entry(market).or_default();
        trim(past);
        past.push(position);
    }

    /// Remembers cash less collateral as of `at`; call after every change of either.
    pub fn remember(&mut self, at: Time, available: BTreeMap<u32, Usd>) {
        trim(&mut self.past_cash);
        self.past_cash.push((at, available));
    }

    /// Cash less collateral as a read at this time sees it, and when it last changed.
    pub fn available_at(&self, at: Time) -> (Time, &BTreeMap<u32, Usd>) {
        let seen = self.past_cash.iter().rev().find(|(since, _)| *since <= at).or(self.past_cash.first());
        seen.map(|(since, cash)| (*since, cash)).expect("Invariant: an account begins with a balance")
    }

    /// Positions as a read at this time sees them.
    pub fn positions_at(&self, at: Time) -> Vec<(MarketNo, Position)> {
        let seen = |past: &Vec<Position>| past.iter().rev().find(|position| position.updated <= at).copied();
        self.past_positions.iter().filter_map(|(market, past)| Some((*market, seen(past)?))).collect()
    }
}

fn trim<T>(past: &mut Vec<T>) {
    if past.len() >= PAST_MAX {
        past.drain(..PAST_MAX / 2);
    }
}

/// Collateral of resting orders of one market: what they open, at their limits, after what they would close.
pub fn held(position: &Position, orders: impl Iterator<Item = (Side, Price, Quantity)>) -> Usd {
    let mut closable = [(-position.signed).or_zero(), position.signed.or_zero()];
    let mut total = Usd::ZERO;
    for (side, price, left) in orders {
        let closable = &mut closable[usize::from(side == Side::Ask)];
        let closed = left.min(*closable);
        *closable -= closed;
        total += own_price(side, price).times(left - closed, Rounding::Up);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).expect(text)
    }

    fn usd(text: &str) -> Usd {
        Usd::parse(text).expect(text)
    }

    #[test]
    fn an_ask_beyond_the_holding_goes_short_and_pays_one_minus_p_for_the_rest() {
        let mut position = Position::default();
        assert_eq!(position.trade(Side::Bid, price("0.40"), Quantity::whole(2)), usd("-0.8"));
        assert_eq!(position.trade(Side::Ask, price("0.55"), Quantity::whole(5)), usd("1.1") - usd("1.35"));
        assert_eq!((position.signed, position.cost), (-Quantity::whole(3), usd("1.35")));
        assert_eq!(position.realized, usd("0.3"));
        assert_eq!(position.trade(Side::Bid, price("0.25"), Quantity::whole(3)), usd("2.25"));
        assert_eq!((position.signed, position.cost, position.realized), (Quantity::ZERO, Usd::ZERO, usd("1.2")));
    }

    #[test]
    fn every_end_pays_what_it_says() {
        let mut long = Position::default();
        long.trade(Side::Bid, price("0.40"), Quantity::whole(10));
        let mut short = Position::default();
        short.trade(Side::Ask, price("0.40"), Quantity::whole(10));
        let pays = |result| (long.payout(result), short.payout(result));
        assert_eq!(pays(Settlement::Yes), (usd("10"), Usd::ZERO));
        assert_eq!(pays(Settlement::No), (Usd::ZERO, usd("10")));
        assert_eq!(pays(Settlement::Scalar(price("0.3"))), (usd("3"), usd("7")));
        assert_eq!(pays(Settlement::Void), (usd("4"), usd("6")));
    }

    #[test]
    fn resting_orders_hold_only_what_they_would_open() {
        let position = Position { signed: Quantity::whole(3), ..Position::default() };
        let orders = [(Side::Ask, price("0.6"), Quantity::whole(2)), (Side::Ask, price("0.7"), Quantity::whole(2))];
        assert_eq!(held(&position, orders.into_iter()), usd("0.3"));
        assert_eq!(held(&position, [(Side::Bid, price("0.1"), Quantity::whole(5))].into_iter()), usd("0.5"));
    }
}
