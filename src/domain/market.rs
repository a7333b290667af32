//! Venues, outcomes, instruments, and the price grid of a market.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{MarketId, TokenId};
use super::money::{ONE, Price, Quantity, Rounding, Usd};
use super::time::Time;

/// Whose rules an order follows. In paper mode the paper exchange plays that venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    Kalshi,
    Polymarket,
    Paper,
}

impl Venue {
    /// Reads the venue's name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "kalshi" => Some(Self::Kalshi),
            "polymarket" | "poly" => Some(Self::Polymarket),
            "paper" => Some(Self::Paper),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kalshi => "kalshi",
            Self::Polymarket => "polymarket",
            Self::Paper => "paper",
        }
    }

    /// Kalshi holds one signed position per market; Polymarket holds a token per outcome (design §3.7).
    pub fn nets_outcomes(self) -> bool {
        self != Self::Polymarket
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Yes,
    No,
}

impl Outcome {
    pub fn other(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    /// A YES price in this outcome's terms.
    pub fn price_of(self, yes: Price) -> Price {
        match self {
            Self::Yes => yes,
            Self::No => yes.complement(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that can be held: an outcome of a market at a venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instrument {
    pub venue: Venue,
    /// Kalshi ticker or Polymarket condition id; the token id where no condition id is known.
    pub market: MarketId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<TokenId>,
    pub outcome: Outcome,
}

/// What has one order book and one position: a Kalshi market, or a Polymarket token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BookKey {
    pub venue: Venue,
    /// A ticker or a token id.
    pub id: MarketId,
}

impl fmt::Display for BookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.venue, self.id)
    }
}

impl Instrument {
    pub fn book_key(&self) -> BookKey {
        let id = match &self.token {
            Some(token) if self.venue == Venue::Polymarket => {
                MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id")
            }
            _ => self.market.clone(),
        };
        BookKey { venue: self.venue, id }
    }

    /// The outcome whose prices the book quotes: a Kalshi book is the YES book, a token has its own.
    pub fn book_outcome(&self) -> Outcome {
        if self.venue.nets_outcomes() { Outcome::Yes } else { self.outcome }
    }

    /// A price of this outcome in the terms of the book, and back again.
    pub fn in_book_terms(&self, price: Price) -> Price {
        if self.book_outcome() == self.outcome { price } else { price.complement() }
    }
}

/// Prices from `start` to `end` lie `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceBand {
    pub start: Price,
    pub end: Price,
    pub step: Price,
}

/// The prices a market takes, as bands from low to high.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceGrid(Vec<PriceBand>);

impl PriceGrid {
    /// Whole cents, 1 to 99.
    pub fn cents() -> Self {
        Self::uniform(Price::from_micros(10_000))
    }

    pub fn uniform(step: Price) -> Self {
        Self(vec![PriceBand { start: Price::ZERO, end: Price::ONE, step }])
    }

    /// `None` unless the bands are in order, join without gaps, cover 0 to 1 and divide into whole steps.
    pub fn new(bands: Vec<PriceBand>) -> Option<Self> {
        let joined = bands.windows(2).all(|pair| pair[0].end == pair[1].start);
        let covers = bands.first()?.start == Price::ZERO && bands.last()?.end == Price::ONE;
        let whole = bands.iter().all(|b| {
            let width = b.end.micros() - b.start.micros();
            b.step.micros() > 0 && width > 0 && width % b.step.micros() == 0
        });
        (joined && covers && whole).then_some(Self(bands))
    }

    /// The nearest price on the grid in the given direction; may be 0 or 1, which no order can have.
    pub fn snap(&self, price: Price, rounding: Rounding) -> Price {
        let inside = |b: &&PriceBand| b.start <= price && price <= b.end;
        let band = self.0.iter().find(inside).expect("Invariant: bands cover 0 to 1");
        let offset = price.micros() - band.start.micros();
        let step = band.step.micros();
        let steps = match rounding {
            Rounding::Down => offset.div_euclid(step),
            Rounding::Up => (offset + step - 1).div_euclid(step),
        };
        Price::from_micros(band.start.micros() + steps * step)
    }

    /// On the grid and strictly between 0 and 1.
    pub fn holds(&self, price: Price) -> bool {
        price.micros() > 0 && price.micros() < ONE && self.snap(price, Rounding::Down) == price
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarketStatus {
    Open,
    Closed,
    Settled,
}

/// Who told us about a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarketSource {
    /// Described by the venue (or by a tape or the demo market that plays it).
    Venue,
    /// Only a signal has named it; paper mode then assumes whole cents and the fee of its kind.
    Signal,
}

/// How a venue charges a taker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeRate {
    /// Rate in `rate x price x (1 - price)` per contract, in millionths.
    pub taker_micros: i64,
    /// The same for resting orders.
    pub maker_micros: i64,
    /// `rate x (price x (1 - price))^exponent`: of Polymarket's schedules (`polymarket.md` §8).
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub exponent: u8,
}

impl FeeRate {
    /// `rate x price x (1 - price)`, takers and makers.
    pub const fn new(taker_micros: i64, maker_micros: i64) -> Self {
        Self { taker_micros, maker_micros, exponent: 1 }
    }
}

fn one() -> u8 {
    1
}

fn is_one(exponent: &u8) -> bool {
    *exponent == 1
}

/// What is known of a market: the facts that checks and fees need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Market {
    pub key: BookKey,
    pub status: MarketStatus,
    pub grid: PriceGrid,
    pub fee: FeeRate,
    pub source: MarketSource,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub close_time: Option<Time>,
    /// The condition this token is an outcome of (Polymarket), and which: the first of a market's tokens counts as YES.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<MarketId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// Fewest contracts of one order; zero where the venue names none.
    #[serde(skip_serializing_if = "no_quantity", default)]
    pub quantity_min: Quantity,
    /// Fewest dollars of a buy; zero where the venue names none.
    #[serde(skip_serializing_if = "no_money", default)]
    pub notional_min: Usd,
}

fn no_quantity(quantity: &Quantity) -> bool {
    quantity.is_zero()
}

fn no_money(amount: &Usd) -> bool {
    amount.is_zero()
}

/// How a market ended, in YES terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    Yes,
    No,
    /// YES pays this, NO pays the rest.
    Scalar(Price),
    /// Everybody gets back what they paid.
    Void,
}

impl Settlement {
    /// Reads `yes`, `no`, `void` or a YES value such as `0.35`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "yes" => Some(Self::Yes),
            "no" => Some(Self::No),
            "void" => Some(Self::Void),
            number => Price::parse(number).ok().map(Self::Scalar),
        }
    }

    /// What one contract of `outcome` pays; `None` for a void, which pays back its cost.
    pub fn payout(self, outcome: Outcome) -> Option<Price> {
        let yes = match self {
            Self::Yes => Price::ONE,
            Self::No => Price::ZERO,
            Self::Scalar(value) => value,
            Self::Void => return None,
        };
        Some(outcome.price_of(yes))
    }
}

/// Best prices of a book, in the book's own terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bid: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ask: Option<Price>,
}

impl Quote {
    /// What a holder of `outcome` would get for one contract now, when the quote is a YES quote.
    /// An empty side is worth nothing: the cautious mark.
    pub fn executable(&self, held: Outcome, book: Outcome) -> Price {
        let value = if held == book { self.bid } else { self.ask.map(Price::complement) };
        value.unwrap_or(Price::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).expect(text)
    }

    #[test]
    fn off_grid_prices_move_to_the_passive_side() {
        let cents = PriceGrid::cents();
        assert_eq!(cents.snap(price("0.451"), Rounding::Down), price("0.45"));
        assert_eq!(cents.snap(price("0.451"), Rounding::Up), price("0.46"));
        assert_eq!(cents.snap(price("0.45"), Rounding::Up), price("0.45"));
        assert!(!cents.holds(price("0.005")) && !cents.holds(Price::ONE) && !cents.holds(Price::ZERO));
    }

    #[test]
    fn a_tapered_grid_has_a_step_of_its_own_in_each_band() {
        let band = |a: &str, b: &str, s: &str| PriceBand { start: price(a), end: price(b), step: price(s) };
        let grid = PriceGrid::new(vec![band("0", "0.1", "0.001"), band("0.1", "0.9", "0.01"), band("0.9", "1", "0.001")]).expect("grid");
        assert!(grid.holds(price("0.099")) && grid.holds(price("0.11")) && grid.holds(price("0.901")));
        assert!(!grid.holds(price("0.111")));
        assert_eq!(PriceGrid::new(vec![band("0", "0.5", "0.01")]), None);
    }

    #[test]
    fn no_is_marked_at_no_prices() {
        let quote = Quote { bid: Some(price("0.5")), ask: Some(price("0.52")) };
        assert_eq!(quote.executable(Outcome::Yes, Outcome::Yes), price("0.5"));
        assert_eq!(quote.executable(Outcome::No, Outcome::Yes), price("0.48"));
    }
}
