//! The demo's seeded market: a random walk in whole cents for a few sample markets of both venues. The same seed gives the
//! same rows and the same winners.

use crate::domain::fees;
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, Instrument, Outcome, Settlement, Venue};
use crate::domain::matching::{BookChange, Mark, Print, Side};
use crate::domain::money::{Price, Quantity};

use super::{Feed, MarketRow};

/// Levels shown on each side of a book.
const LEVELS: i64 = 4;
/// The walk stays where all levels of both sides have prices between 1 and 99 cents.
const MID_CENTS: std::ops::RangeInclusive<i64> = 8..=92;

/// One sample market: what a strategy needs to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoListing {
    pub venue: Venue,
    /// Ticker or condition id.
    pub market: MarketId,
    /// YES and NO of a Polymarket market.
    pub tokens: Option<[TokenId; 2]>,
    pub game_id: &'static str,
    /// As signals name it: `NBA`, `NHL`, `crypto`.
    pub sport: &'static str,
    /// Who wins when YES pays.
    pub subject: &'static str,
    fee_kind: &'static str,
    /// Shares its walk with the listing of this number, seen from the other side.
    mirrors: Option<usize>,
}

impl DemoListing {
    /// What is traded when a signal names this outcome.
    pub fn instrument(&self, outcome: Outcome) -> Instrument {
        let token = self.tokens.as_ref().map(|tokens| tokens[usize::from(outcome == Outcome::No)].clone());
        Instrument { venue: self.venue, market: self.market.clone(), token, outcome }
    }
}

/// Marsaglia's xorshift64: integers only, never zero.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 to `sides` - 1.
    fn throw(&mut self, sides: u64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % sides) as i64
    }
}

/// The market itself: each `step` is one look at every book.
#[derive(Clone, Debug)]
pub struct DemoMarket {
    listings: Vec<DemoListing>,
    /// In cents, YES terms, one per listing.
    mids: Vec<i64>,
    dice: Dice,
    rows: u64,
}

impl DemoMarket {
    pub fn new(seed: u64) -> Self {
        let listings = listings();
        let mut dice = Dice::new(seed);
        let mut mids: Vec<i64> = Vec::with_capacity(listings.len());
        for listing in &listings {
            let mid = listing.mirrors.map_or_else(|| 40 + dice.throw(21), |other| 100 - mids[other]);
            mids.push(mid);
        }
        Self { listings, mids, dice, rows: 0 }
    }

    pub fn listings(&self) -> &[DemoListing] {
        &self.listings
    }

    /// The middle of a listing's book, YES terms.
    pub fn mid(&self, listing: usize) -> Option<Price> {
        self.mids.get(listing).map(|mid| cents(*mid))
    }

    /// Every price moves by up to one cent; then each book in full and, now and then, a trade at its touch.
    pub fn step(&mut self, ts_ms: i64) -> Vec<MarketRow> {
        for at in 0..self.listings.len() {
            self.mids[at] = match self.listings[at].mirrors {
                Some(other) => 100 - self.mids[other],
                None => (self.mids[at] + self.dice.throw(3) - 1).clamp(*MID_CENTS.start(), *MID_CENTS.end()),
            };
        }
        let mut rows = Vec::new();
        for at in 0..self.listings.len() {
            rows.extend(self.books_of(at, ts_ms));
        }
        rows
    }

    /// How each market ends if it ends now: the favourite wins.
    pub fn settlements(&self) -> Vec<(Venue, MarketId, Settlement)> {
        let settlement = |at: usize| if self.yes_wins(at) { Settlement::Yes } else { Settlement::No };
        self.listings.iter().enumerate().map(|(at, listing)| (listing.venue, listing.market.clone(), settlement(at))).collect()
    }

    /// At exactly 50 the first of a mirrored pair wins, so that just one of the two does.
    fn yes_wins(&self, at: usize) -> bool {
        self.listings[at].mirrors.map_or(self.mids[at] >= 50, |other| !self.yes_wins(other))
    }

    fn books_of(&mut self, at: usize, ts_ms: i64) -> Vec<MarketRow> {
        let listing = self.listings[at].clone();
        let mid = self.mids[at];
        match &listing.tokens {
            None => vec![self.row(&listing, listing.market.clone(), Outcome::Yes, mid, ts_ms)],
            Some(tokens) => [(Outcome::Yes, mid), (Outcome::No, 100 - mid)]
                .into_iter()
                .zip(tokens)
                .map(|((outcome, mid), token)| {
                    let id = MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id");
                    self.row(&listing, id, outcome, mid, ts_ms)
                })
                .collect(),
        }
    }

    fn row(&mut self, listing: &DemoListing, id: MarketId, outcome: Outcome, mid: i64, ts_ms: i64) -> MarketRow {
        self.rows += 1;
        let changes = vec![self.window(Side::Bid, mid), self.window(Side::Ask, mid)];
        let print = (self.dice.throw(4) == 0).then(|| self.print(mid));
        MarketRow {
            key: BookKey { venue: listing.venue, id },
            market: listing.market.clone(),
            outcome,
            feed: Feed::Demo,
            fee: fees::assumed_rate(listing.venue, Some(listing.fee_kind)),
            mark: Mark { row: self.rows, ts_ms },
            changes,
            print,
        }
    }

    fn window(&mut self, side: Side, mid: i64) -> BookChange {
        let level = |away: i64| if side == Side::Bid { mid - away } else { mid + away };
        let levels = (1..=LEVELS).map(|away| (cents(level(away)), Quantity::whole(20 + self.dice.throw(180)))).collect();
        BookChange::Window { side, levels }
    }

    fn print(&mut self, mid: i64) -> Print {
        let taker = if self.dice.throw(2) == 0 { Side::Bid } else { Side::Ask };
        let price = cents(if taker == Side::Bid { mid + 1 } else { mid - 1 });
        Print { price, quantity: Quantity::whole(1 + self.dice.throw(60)), taker }
    }
}

fn cents(cents: i64) -> Price {
    Price::from_micros(cents * 10_000)
}

fn listings() -> Vec<DemoListing> {
    let kalshi = |ticker: &str, game_id, sport, subject, mirrors| DemoListing {
        venue: Venue::Kalshi,
        market: MarketId::new(ticker).expect("Invariant: sample tickers are valid"),
        tokens: None,
        game_id,
        sport,
        subject,
        fee_kind: "sports",
        mirrors,
    };
    let polymarket = |condition: &str, first_token: u64, game_id, sport, subject, fee_kind| DemoListing {
        venue: Venue::Polymarket,
        market: MarketId::new(condition).expect("Invariant: sample condition ids are valid"),
        tokens: Some([sample_token(first_token), sample_token(first_token + 1)]),
        game_id,
        sport,
        subject,
        fee_kind,
        mirrors: None,
    };
    vec![
        kalshi("KXNBAGAME-26NOV22BOSNYK-BOS", "demo-nba-bos-nyk", "NBA", "BOS", None),
        kalshi("KXNBAGAME-26NOV22BOSNYK-NYK", "demo-nba-bos-nyk", "NBA", "NYK", Some(0)),
        kalshi("KXNHLGAME-26NOV22TORMTL-TOR", "demo-nhl-tor-mtl", "NHL", "TOR", None),
        polymarket(
            "0x00000000000000000000000000000000000000000000000000000000de300001",
            7_000_001,
            "demo-nba-lal-den",
            "NBA",
            "LAL",
            "sports",
        ),
        polymarket(
            "0x00000000000000000000000000000000000000000000000000000000de300002",
            7_000_003,
            "demo-btc-15m",
            "crypto",
            "BTC up",
            "crypto",
        ),
    ]
}

/// As long as a real token id, and plainly made up.
fn sample_token(number: u64) -> TokenId {
    TokenId::new(&format!("1{number:076}")).expect("Invariant: sample tokens are digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seed: u64) -> Vec<MarketRow> {
        let mut market = DemoMarket::new(seed);
        (0..300).flat_map(|step| market.step(step * 100)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
        assert_eq!(rows(7), rows(7));
        assert_ne!(rows(7), rows(8));
    }

    #[test]
    fn books_have_depth_on_the_grid_and_are_never_crossed() {
        let mut prints = 0;
        for row in rows(3) {
            let mut book = crate::domain::matching::book::Book::default();
            for change in &row.changes {
                book.apply(change, row.mark);
            }
            assert!(!book.is_crossed() && book.quote().bid.is_some() && book.quote().ask.is_some(), "{row:?}");
            assert_eq!(row.finest_needed(&crate::domain::market::PriceGrid::cents()), None);
            prints += u32::from(row.print.is_some());
        }
        assert!(prints > 100);
    }

    #[test]
    fn exactly_one_team_of_a_game_wins() {
        for seed in 0..50 {
            let mut market = DemoMarket::new(seed);
            (0..20).for_each(|step| drop(market.step(step)));
            let ended = market.settlements();
            assert_ne!(ended[0].2, ended[1].2, "seed {seed}");
        }
    }
}
