//! Cash and holdings of the paper account. A Kalshi market is one signed position, so an opposite purchase first gives
//! back $1 per pair (`kalshi.md` §8); a Polymarket token is held for itself.

use std::collections::BTreeMap;

use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Instrument, Outcome, Settlement, Venue};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Rounding, Usd, mul_div};

use super::StartHolding;

/// What is held in one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub market: MarketId,
    /// The outcome a positive quantity is of; a negative one is of the other.
    pub book_outcome: Outcome,
    pub signed: Quantity,
    /// Paid for what is held, fees aside.
    pub cost: Usd,
}

impl Holding {
    /// The outcome held.
    pub fn outcome(&self) -> Outcome {
        if self.signed < Quantity::ZERO { self.book_outcome.other() } else { self.book_outcome }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    cash: Usd,
    /// Promised to working purchases.
    reserved: Usd,
    holdings: BTreeMap<BookKey, Holding>,
}

/// A trade split into what it closes and what it opens.
struct Split {
    closing: Quantity,
    opening: Quantity,
}

impl Account {
    pub fn new(cash: Usd, holdings: &[StartHolding]) -> Self {
        let mut account = Self { cash, ..Self::default() };
        for start in holdings {
            let same = start.instrument.outcome == start.instrument.book_outcome();
            let signed = if same { start.quantity } else { -start.quantity };
            let holding = account.holding_mut(&start.instrument);
            holding.signed += signed;
            holding.cost += start.cost;
        }
        account.holdings.retain(|_, holding| !holding.signed.is_zero());
        account
    }

    pub fn cash(&self) -> Usd {
        self.cash
    }

    pub fn free(&self) -> Usd {
        self.cash - self.reserved
    }

    pub fn holdings(&self) -> impl Iterator<Item = (&BookKey, &Holding)> {
        self.holdings.iter()
    }

    /// Contracts held of exactly this outcome.
    pub fn held(&self, instrument: &Instrument) -> Quantity {
        let signed = self.signed(&instrument.book_key());
        if instrument.outcome == instrument.book_outcome() { signed.or_zero() } else { (-signed).or_zero() }
    }

    /// Contracts of the opposite outcome that a purchase would net against.
    pub fn netted(&self, instrument: &Instrument) -> Quantity {
        let opposite = Instrument { outcome: instrument.outcome.other(), ..instrument.clone() };
        if instrument.venue.nets_outcomes() { self.held(&opposite) } else { Quantity::ZERO }
    }

    pub fn reserve(&mut self, amount: Usd) {
        self.reserved += amount;
    }

    pub fn release(&mut self, amount: Usd) {
        self.reserved -= amount;
    }

    /// The change of cash a trade brings before its fee: purchases rounded up, proceeds down.
    pub fn gross(&self, instrument: &Instrument, side: Side, price: Price, quantity: Quantity) -> Usd {
        let split = self.split(&instrument.book_key(), side, quantity);
        let (buys_at, sells_at) = match side {
            Side::Bid => (price, price.complement()),
            Side::Ask => (price.complement(), price),
        };
        sells_at.times(split.closing, Rounding::Down) - buys_at.times(split.opening, Rounding::Up)
    }

    /// Books a trade at a book price, with the gross of `gross` and its fee.
    pub fn book(&mut self, instrument: &Instrument, side: Side, price: Price, quantity: Quantity, fee: Usd) {
        self.cash += self.gross(instrument, side, price, quantity) - fee;
        let key = instrument.book_key();
        let split = self.split(&key, side, quantity);
        let holding = self.holding_mut(instrument);
        if !split.closing.is_zero() {
            let held = holding.signed.abs().micros();
            holding.cost -= Usd::from_micros(mul_div(holding.cost.micros(), split.closing.micros(), held, Rounding::Down));
        }
        let buys_at = if side == Side::Bid { price } else { price.complement() };
        holding.cost += buys_at.times(split.opening, Rounding::Up);
        holding.signed += if side == Side::Bid { quantity } else { -quantity };
        if holding.signed.is_zero() {
            self.holdings.remove(&key);
        }
    }

    /// Pays out and forgets all that is held of a market; `market` is its name or a token's. A void gives back what was paid.
    pub fn settle(&mut self, venue: Venue, market: &MarketId, settlement: Settlement) -> Usd {
        let named = |key: &BookKey, holding: &Holding| key.venue == venue && (key.id == *market || holding.market == *market);
        let mut paid = Usd::ZERO;
        self.holdings.retain(|key, holding| {
            if !named(key, holding) {
                return true;
            }
            paid += match settlement.payout(holding.outcome()) {
                Some(each) => each.times(holding.signed.abs(), Rounding::Down),
                None => holding.cost,
            };
            false
        });
        self.cash += paid;
        paid
    }

    fn signed(&self, key: &BookKey) -> Quantity {
        self.holdings.get(key).map_or(Quantity::ZERO, |holding| holding.signed)
    }

    fn split(&self, key: &BookKey, side: Side, quantity: Quantity) -> Split {
        let signed = self.signed(key);
        let against = if side == Side::Bid { (-signed).or_zero() } else { signed.or_zero() };
        let closing = against.min(quantity);
        Split { closing, opening: quantity - closing }
    }

    fn holding_mut(&mut self, instrument: &Instrument) -> &mut Holding {
        self.holdings.entry(instrument.book_key()).or_insert_with(|| Holding {
            market: instrument.market.clone(),
            book_outcome: instrument.book_outcome(),
            signed: Quantity::ZERO,
            cost: Usd::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(outcome: Outcome) -> Instrument {
        Instrument { venue: Venue::Kalshi, market: MarketId::new("KX-A").expect("id"), token: None, outcome }
    }

    fn p(text: &str) -> Price {
        Price::parse(text).expect(text)
    }

    fn usd(text: &str) -> Usd {
        Usd::parse(text).expect(text)
    }

    #[test]
    fn buying_no_costs_the_complement_and_a_pair_gives_a_dollar_back() {
        let mut account = Account::new(usd("100"), &[]);
        account.book(&instrument(Outcome::No), Side::Ask, p("0.6"), Quantity::whole(10), Usd::ZERO);
        assert_eq!((account.cash(), account.held(&instrument(Outcome::No))), (usd("96"), Quantity::whole(10)));
        account.book(&instrument(Outcome::Yes), Side::Bid, p("0.5"), Quantity::whole(15), usd("0.1"));
        // 10 pairs: NO sold at 0.5 each; 5 YES bought at 0.5.
        assert_eq!(account.cash(), usd("98.4"));
        assert_eq!(account.held(&instrument(Outcome::Yes)), Quantity::whole(5));
        assert_eq!(account.settle(Venue::Kalshi, &instrument(Outcome::Yes).market, Settlement::Yes), usd("5"));
        assert_eq!(account.holdings().count(), 0);
    }

    #[test]
    fn a_void_gives_back_what_was_paid() {
        let start = StartHolding { instrument: instrument(Outcome::No), quantity: Quantity::whole(4), cost: usd("1.2") };
        let mut account = Account::new(usd("1"), &[start]);
        account.book(&instrument(Outcome::No), Side::Bid, p("0.5"), Quantity::whole(1), Usd::ZERO);
        assert_eq!(account.cash(), usd("1.5"));
        account.settle(Venue::Kalshi, &instrument(Outcome::No).market, Settlement::Void);
        assert_eq!(account.cash(), usd("2.4"));
    }
}
