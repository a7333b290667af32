//! Markets: one condition with two outcome tokens over one book, which is YES's.

use std::collections::BTreeMap;

use super::account::Token;
use super::eip712::{Address, EXCHANGE, NEG_RISK_EXCHANGE, decimal_text, decimal_word, hex, keccak, word_of};
use crate::domain::market::{Outcome, Settlement};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Usd};
use crate::domain::order::Action;
use crate::domain::time::Time;
use crate::exchange::book::Book;
use crate::exchange::ids::MarketNo;

/// Ticks and how many decimals price, size and amount then have; a lookup, not derivable (`polymarket.md` §3).
pub const TICKS: [(i64, &str); 6] =
    [(100_000, "0.1"), (10_000, "0.01"), (5_000, "0.005"), (2_500, "0.0025"), (1_000, "0.001"), (100, "0.0001")];

pub fn is_tick(tick: Price) -> bool {
    TICKS.iter().any(|(micros, _)| *micros == tick.micros())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Known to gamma, not yet to the book.
    NotReady,
    Active,
    /// Takes no orders for a while.
    Paused,
    Closed,
    Resolved,
}

impl Life {
    pub const ALL: [Self; 5] = [Self::NotReady, Self::Active, Self::Paused, Self::Closed, Self::Resolved];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Resolved => "resolved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|life| life.as_str() == text)
    }

    pub fn is_closed(self) -> bool {
        matches!(self, Self::Closed | Self::Resolved)
    }
}

/// The taker's fee: `shares x rate x (p (1 - p))^exponent` (`polymarket.md` §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeTerms {
    pub rate_micros: i64,
    pub exponent: u8,
}

impl FeeTerms {
    /// Five decimals, half up. The venue's own rounding is not documented.
    pub fn taker(&self, price: Price, quantity: Quantity) -> Usd {
        const UNIT: i128 = 10;
        let one = i128::from(ONE);
        let spread = i128::from(price.micros()) * i128::from(ONE - price.micros());
        // p (1 - p) at 10^-12, and its powers again.
        let power = (0..self.exponent).fold(one * one, |power, _| power * spread / (one * one));
        let exact = i128::from(quantity.micros()) * i128::from(self.rate_micros) * power;
        let scale = one * one * one * UNIT;
        let half_up = i128::from(2 * exact.rem_euclid(scale) >= scale);
        Usd::from_micros(i64::try_from((exact.div_euclid(scale) + half_up) * UNIT).unwrap_or(i64::MAX))
    }
}

/// A market as somebody asks for it.
#[derive(Clone, Debug)]
pub struct MarketSpec {
    pub slug: String,
    pub question: String,
    /// `0x` and 64 digits.
    pub condition: String,
    /// Decimal token ids: YES, NO.
    pub tokens: [String; 2],
    pub outcomes: [String; 2],
    pub tick: Price,
    pub size_min: Quantity,
    pub neg_risk: bool,
    /// Absent: the market takes no fees.
    pub fees: Option<FeeTerms>,
    pub life: Life,
    pub category: String,
    pub end: Time,
    /// Marketable orders are answered `delayed` and match so much later (games).
    pub delay_s: i64,
    /// Marketable orders are held so long before they match, and their reply, too (`itode`).
    pub taker_delay_ms: i64,
}

impl MarketSpec {
    /// An open market of whole cents that ends in a week; its ids come from its name.
    pub fn open(slug: &str, now: Time) -> Self {
        let token = |outcome: &str| decimal_text(&keccak(format!("{slug} {outcome}").as_bytes()));
        Self {
            slug: slug.to_owned(),
            question: format!("Will {slug} happen?"),
            condition: hex(&keccak(slug.as_bytes())),
            tokens: [token("Yes"), token("No")],
            outcomes: ["Yes".to_owned(), "No".to_owned()],
            tick: Price::from_micros(10_000),
            size_min: Quantity::whole(5),
            neg_risk: false,
            fees: Some(FeeTerms { rate_micros: 50_000, exponent: 1 }),
            life: Life::Active,
            category: "Sports".to_owned(),
            end: now.plus_ms(7 * 24 * 3_600_000),
            delay_s: 0,
            taker_delay_ms: 0,
        }
    }

    /// Ids are what they must be, and the tick is one of the known.
    pub fn is_sound(&self) -> bool {
        let tokens = self.tokens.iter().all(|token| decimal_word(token).is_some()) && self.tokens[0] != self.tokens[1];
        tokens && word_of(&self.condition).is_some() && is_tick(self.tick) && self.size_min > Quantity::ZERO
    }
}

pub struct Market {
    pub no: MarketNo,
    pub spec: MarketSpec,
    pub created: Time,
    pub book: Book,
    /// Levels that the crowd puts back, in YES's terms.
    pub kept: Vec<(Side, Price, Quantity)>,
    /// The last trade, in YES's terms, and its size.
    pub last: Option<(Price, Quantity)>,
    pub volume: Quantity,
    pub result: Option<Settlement>,
    /// What sockets were last told of the best prices.
    pub told_best: (Option<Price>, Option<Price>),
}

impl Market {
    pub fn new(no: MarketNo, spec: MarketSpec, now: Time) -> Self {
        let (book, kept, told_best) = (Book::default(), Vec::new(), (None, None));
        Self { no, spec, created: now, book, kept, last: None, volume: Quantity::ZERO, result: None, told_best }
    }

    /// What orders here are signed for.
    pub fn exchange(&self) -> Address {
        if self.spec.neg_risk { NEG_RISK_EXCHANGE } else { EXCHANGE }
    }

    pub fn token_id(&self, outcome: Outcome) -> &str {
        &self.spec.tokens[index(outcome)]
    }

    pub fn outcome_word(&self, outcome: Outcome) -> &str {
        &self.spec.outcomes[index(outcome)]
    }

    /// Levels of a token's own book, best first. Buying NO is selling YES, so that both books show the same orders.
    pub fn levels(&self, outcome: Outcome, side: Side) -> Vec<(Price, Quantity)> {
        match outcome {
            Outcome::Yes => self.book.levels(side).collect(),
            Outcome::No => self.book.levels(side.opposite()).map(|(price, size)| (price.complement(), size)).collect(),
        }
    }

    pub fn best(&self, outcome: Outcome, side: Side) -> Option<Price> {
        let of = |side| self.book.best(side).map(|(price, _)| price);
        match outcome {
            Outcome::Yes => of(side),
            Outcome::No => of(side.opposite()).map(Price::complement),
        }
    }

    /// The largest price on the grid that isn't above.
    pub fn grid_floor(&self, price: Price) -> Price {
        let tick = self.spec.tick.micros();
        Price::from_micros(price.micros().div_euclid(tick) * tick)
    }

    /// The price on the grid that amounts of a FOK or FAK stand for; one in between stands for itself, and is refused.
    ///
    /// Shares rounded down imply a little more than a buy's price. Rounded up they imply a little less, so that it never reaches
    /// the level it meant (`polymarket.md` §3: orders silently killed). A sale is the mirror of it.
    pub fn grid_near(&self, implied: Price, action: Action) -> Price {
        let tick = self.spec.tick.micros();
        let below = self.grid_floor(implied);
        let over = implied.micros() - below.micros();
        match action {
            Action::Buy if 2 * over < tick || 10 * over >= 9 * tick => below,
            Action::Sell if over == 0 => below,
            Action::Sell if 2 * over >= tick || 10 * over <= tick => Price::from_micros(below.micros() + tick),
            _ => implied,
        }
    }

    pub fn grid_holds(&self, price: Price) -> bool {
        self.grid_floor(price) == price && price >= self.spec.tick && price <= self.spec.tick.complement()
    }

    /// What one token pays once the market is resolved: half where nobody won.
    pub fn payout(&self, outcome: Outcome) -> Option<Price> {
        self.result.map(|result| result.payout(outcome).unwrap_or(Price::from_micros(ONE / 2)))
    }
}

pub fn index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Yes => 0,
        Outcome::No => 1,
    }
}

/// Markets by what they are called: slug, condition, token.
#[derive(Default)]
pub struct Names {
    names: BTreeMap<String, Token>,
}

impl Names {
    /// False when one of its names is taken.
    pub fn add(&mut self, no: MarketNo, spec: &MarketSpec) -> bool {
        let of = |outcome| Token { market: no, outcome };
        let [yes, no_token] = &spec.tokens;
        let names = [(&spec.slug, Outcome::Yes), (&spec.condition, Outcome::Yes), (yes, Outcome::Yes), (no_token, Outcome::No)];
        if names.iter().any(|(name, _)| self.names.contains_key(*name)) {
            return false;
        }
        self.names.extend(names.map(|(name, outcome)| (name.clone(), of(outcome))));
        true
    }

    /// A slug or a condition stands for its YES token.
    pub fn get(&self, name: &str) -> Option<Token> {
        self.names.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(rate_micros: i64, exponent: u8, price: &str, shares: &str) -> String {
        let (price, shares) = (Price::parse(price).expect("price"), Quantity::parse(shares).expect("quantity"));
        FeeTerms { rate_micros, exponent }.taker(price, shares).to_string()
    }

    #[test]
    fn fees_are_the_documented_ones() {
        assert_eq!(fee(70_000, 1, "0.5", "100"), "1.75");
        assert_eq!(fee(50_000, 1, "0.5", "100"), "1.25");
        assert_eq!(fee(40_000, 1, "0.5", "100"), "1");
        assert_eq!(fee(50_000, 2, "0.5", "100"), "0.3125");
    }

    #[test]
    fn fees_have_five_decimals_half_up() {
        assert_eq!(fee(50_000, 1, "0.52", "0.01"), "0.00012");
        assert_eq!(fee(50_000, 1, "0.5", "0.001"), "0.00001");
        assert_eq!(fee(50_000, 1, "0.5", "0.0004"), "0.00001");
        assert_eq!(fee(50_000, 1, "0.5", "0.0003"), "0");
    }
}
