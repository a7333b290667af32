//! Ground truth: what each venue has, in its own bookkeeping, which shares nothing with the engine's. Kalshi moves money and
//! contracts with the match; Polymarket moves them when the transaction of a match is confirmed, and it may fail.

/// How orders meet the market.
mod matching;
/// What the venue says when asked, as of some moment.
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use arbees::domain::fees;
use arbees::domain::ids::{MarketId, OrderId, TradeId, VenueOrderId};
use arbees::domain::market::{BookKey, Outcome, Settlement, Venue};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity, Rounding, Usd};
use arbees::domain::order::Order;
use arbees::domain::report::{FillSettlement, Liquidity, VenueFill, VenueState};
use arbees::domain::time::Time;

pub struct Placed {
    pub order: Order,
    pub name: VenueOrderId,
    /// Sent by the engine, not by hand.
    pub ours: bool,
    pub placed_at: Time,
    pub ended: Option<(Time, VenueState)>,
}

pub struct Trade {
    pub id: TradeId,
    pub order_id: OrderId,
    pub name: VenueOrderId,
    pub key: BookKey,
    pub side: Side,
    /// In the terms of the book.
    pub price: Price,
    pub quantity: Quantity,
    pub fee: Usd,
    pub at: Time,
    /// What was said of its finality, and when.
    pub steps: Vec<(Time, FillSettlement)>,
}

/// A change of the account.
struct Move {
    at: Time,
    cash: Usd,
    key: Option<BookKey>,
    quantity: Quantity,
}

pub struct SimVenue {
    pub venue: Venue,
    pub orders: BTreeMap<OrderId, Placed>,
    pub trades: Vec<Trade>,
    moves: Vec<Move>,
    pub cash: Usd,
    /// Signed contracts of the book.
    pub held: BTreeMap<BookKey, Quantity>,
    opening_cash: Usd,
    /// Markets (Polymarket: conditions) that take no orders any more.
    pub closed: BTreeSet<MarketId>,
    pub settled: BTreeMap<BookKey, (Time, Settlement)>,
    /// Tokens of settled markets that are still there.
    pub unredeemed: BTreeMap<BookKey, Usd>,
    pub paused: bool,
    /// Somebody has traded by hand.
    pub touched: bool,
    counter: u64,
}

impl SimVenue {
    pub fn new(venue: Venue, cash: Usd) -> Self {
        Self {
            venue,
            orders: BTreeMap::new(),
            trades: Vec::new(),
            moves: Vec::new(),
            cash,
            held: BTreeMap::new(),
            opening_cash: cash,
            closed: BTreeSet::new(),
            settled: BTreeMap::new(),
            unredeemed: BTreeMap::new(),
            paused: false,
            touched: false,
            counter: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Where a book lies for settlement: Kalshi by market, Polymarket by condition.
    pub fn market_of(order: &Order) -> MarketId {
        order.instrument.market.clone()
    }

    /// The venue's count: what failed later stays counted.
    pub fn filled(&self, order_id: &OrderId) -> Quantity {
        self.filled_as_of(order_id, Time::from_ms(i64::MAX / 2_000_000))
    }

    pub fn filled_as_of(&self, order_id: &OrderId, as_of: Time) -> Quantity {
        self.trades.iter().filter(|trade| trade.order_id == *order_id && trade.at <= as_of).map(|trade| trade.quantity).sum()
    }

    pub fn is_resting(&self, order_id: &OrderId) -> bool {
        self.orders.get(order_id).is_some_and(|placed| placed.ended.is_none())
    }

    pub fn end(&mut self, order_id: &OrderId, state: VenueState, now: Time) -> bool {
        match self.orders.get_mut(order_id).filter(|placed| placed.ended.is_none()) {
            Some(placed) => {
                placed.ended = Some((now, state));
                true
            }
            None => false,
        }
    }

    /// Cash that resting buys may still take.
    pub fn committed(&self) -> Usd {
        let resting = self.orders.values().filter(|placed| placed.ended.is_none());
        resting.map(|placed| placed.order.cost_bound((placed.order.quantity - self.filled(&placed.order.order_id)).or_zero())).sum()
    }

    /// Contracts that trades in the air take from or bring to a token, if they hold.
    pub fn in_the_air(&self, key: &BookKey) -> (Quantity, Usd) {
        let open = self.trades.iter().filter(|trade| trade.standing() == FillSettlement::Provisional);
        let (mut sold, mut spent) = (Quantity::ZERO, Usd::ZERO);
        for trade in open {
            if trade.side == Side::Ask && trade.key == *key {
                sold += trade.quantity;
            }
            if trade.side == Side::Bid {
                spent += trade.price.times(trade.quantity, Rounding::Up) + trade.fee;
            }
        }
        (sold, spent)
    }

    fn book(&mut self, at: Time, cash: Usd, key: Option<BookKey>, quantity: Quantity) {
        self.cash += cash;
        if let Some(key) = &key {
            *self.held.entry(key.clone()).or_default() += quantity;
        }
        self.moves.push(Move { at, cash, key, quantity });
    }

    /// A trade of this order, at the price in the terms of the book.
    pub fn trade(&mut self, order_id: &OrderId, quantity: Quantity, price: Price, now: Time) -> Option<usize> {
        let placed = self.orders.get(order_id).filter(|placed| placed.ended.is_none())?;
        let order = placed.order.clone();
        let name = placed.name.clone();
        let quantity = quantity.min(order.quantity - self.filled(order_id));
        if quantity.is_zero() {
            return None;
        }
        let id = TradeId::new(&format!("t{}", self.next())).expect("id");
        let own_price = order.instrument.in_book_terms(price);
        let fee = Usd::from_micros(fees::taker_bound(order.fee, own_price, quantity).micros() - 1_000);
        let final_at_once = self.venue.nets_outcomes();
        let standing = if final_at_once { FillSettlement::Settled } else { FillSettlement::Provisional };
        let (key, side) = (order.instrument.book_key(), order.book_side());
        let trade = Trade { id, order_id: *order_id, name, key, side, price, quantity, fee, at: now, steps: vec![(now, standing)] };
        self.trades.push(trade);
        if self.filled(order_id) == order.quantity {
            self.end(order_id, VenueState::Executed, now);
        }
        let index = self.trades.len() - 1;
        if final_at_once {
            self.pay(index, now);
        }
        Some(index)
    }

    /// What a trade that holds moves.
    fn pay(&mut self, index: usize, now: Time) {
        let trade = &self.trades[index];
        let signed = if trade.side == Side::Bid { trade.quantity } else { -trade.quantity };
        let held = self.held.get(&trade.key).copied().unwrap_or_default();
        let paid = match trade.side {
            Side::Bid => -trade.price.times(trade.quantity, Rounding::Up),
            Side::Ask => trade.price.times(trade.quantity, Rounding::Down),
        };
        // Below zero the other outcome is held: a dollar is locked for each contract, less what it was sold for.
        let locked = |held: Quantity| if held < Quantity::ZERO { Price::ONE.times(held.abs(), Rounding::Up) } else { Usd::ZERO };
        let (fee, key) = (trade.fee, trade.key.clone());
        self.book(now, paid - fee - (locked(held + signed) - locked(held)), Some(key), signed);
    }

    /// The transaction of a match is confirmed or has failed for good.
    pub fn conclude(&mut self, index: usize, holds: bool, now: Time) {
        let standing = if holds { FillSettlement::Settled } else { FillSettlement::Failed };
        self.trades[index].steps.push((now, standing));
        if holds {
            self.pay(index, now);
        }
    }

    /// Pays out what is held of this book; of Polymarket's tokens once they are redeemed.
    pub fn settle(&mut self, key: &BookKey, outcome: Outcome, settlement: Settlement, now: Time) {
        self.settled.insert(key.clone(), (now, settlement));
        let held = self.held.get(key).copied().unwrap_or_default();
        let of = if held < Quantity::ZERO { outcome.other() } else { outcome };
        let paid = settlement.payout(of).map_or(Usd::ZERO, |each| each.times(held.abs(), Rounding::Down));
        if self.venue.nets_outcomes() {
            self.book(now, paid, Some(key.clone()), -held);
        } else if !held.is_zero() {
            self.unredeemed.insert(key.clone(), paid);
        }
    }

    pub fn redeem(&mut self, key: &BookKey, now: Time) {
        let Some(paid) = self.unredeemed.remove(key) else { return };
        let held = self.held.get(key).copied().unwrap_or_default();
        self.book(now, paid, Some(key.clone()), -held);
    }
}

impl Trade {
    pub fn standing(&self) -> FillSettlement {
        self.steps.last().map_or(FillSettlement::Provisional, |(_, standing)| *standing)
    }

    fn standing_as_of(&self, as_of: Time) -> FillSettlement {
        self.steps.iter().rev().find(|(at, _)| *at <= as_of).map_or(FillSettlement::Provisional, |(_, standing)| *standing)
    }

    /// As the venue tells it. Only a stream repeats our own name of an order (Kalshi).
    pub fn told(&self, standing: FillSettlement, named: bool, with_fee: bool) -> VenueFill {
        VenueFill {
            trade_id: self.id.clone(),
            venue_order_id: self.name.clone(),
            client_order_id: named.then(|| self.order_id.client_order_id()),
            key: self.key.clone(),
            side: self.side,
            price: self.price,
            quantity: self.quantity,
            fee: with_fee.then_some(self.fee),
            liquidity: Liquidity::Taker,
            settlement: standing,
            at: self.at,
        }
    }
}
