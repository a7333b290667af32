//! One row of market data: what a tape, or the demo's market, says about one book.

use crate::domain::fees;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, FeeRate, Market, MarketSource, MarketStatus, Outcome, PriceGrid, Venue};
use crate::domain::matching::{BookChange, Mark, Print};
use crate::domain::money::Price;
use crate::domain::report::FillSource;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    Tape,
    Demo,
    /// Kalshi itself, now.
    Kalshi,
    /// Polymarket itself, now.
    Polymarket,
}

impl Feed {
    pub fn source(self, mark: Mark) -> FillSource {
        match self {
            Self::Tape => FillSource::Tape { row: mark.row, ts_ms: mark.ts_ms },
            Self::Demo => FillSource::DemoMarket,
            Self::Kalshi => FillSource::KalshiBook,
            Self::Polymarket => FillSource::PolymarketBook,
        }
    }

    /// The venue describes its markets itself; a row says nothing of them.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Kalshi | Self::Polymarket)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRow {
    pub key: BookKey,
    /// The market as the feed names it: the ticker, a condition id, or a recorder's name for it.
    pub market: MarketId,
    /// The outcome whose prices these are.
    pub outcome: Outcome,
    pub feed: Feed,
    pub fee: FeeRate,
    pub mark: Mark,
    pub changes: Vec<BookChange>,
    pub print: Option<Print>,
}

/// Price steps of the venues, coarse to fine, in millionths; the last one holds every price of both venues.
const STEPS: [i64; 4] = [10_000, 1_000, 100, 1];

impl MarketRow {
    /// What can be said of the market from this row alone.
    pub fn describe(&self) -> Market {
        Market {
            key: self.key.clone(),
            status: MarketStatus::Open,
            grid: self.finest_needed(&PriceGrid::cents()).unwrap_or_else(PriceGrid::cents),
            fee: self.fee,
            source: MarketSource::Venue,
            close_time: None,
            condition: None,
            outcome: None,
            quantity_min: Default::default(),
            notional_min: Default::default(),
        }
    }

    /// A finer grid, when this row has prices that `grid` doesn't: venues refine their steps near the extremes.
    pub fn finest_needed(&self, grid: &PriceGrid) -> Option<PriceGrid> {
        let fits = |grid: &PriceGrid| self.prices().all(|price| price == Price::ZERO || price == Price::ONE || grid.holds(price));
        if fits(grid) {
            return None;
        }
        STEPS.iter().map(|step| PriceGrid::uniform(Price::from_micros(*step))).find(fits)
    }

    fn prices(&self) -> impl Iterator<Item = Price> + '_ {
        self.changes.iter().flat_map(change_prices)
    }
}

fn change_prices(change: &BookChange) -> Vec<Price> {
    match change {
        BookChange::Top { level, .. } => level.iter().map(|(price, _)| *price).collect(),
        BookChange::Window { levels, .. } => levels.iter().map(|(price, _)| *price).collect(),
        BookChange::Level { price, .. } | BookChange::Delta { price, .. } => vec![*price],
        BookChange::Stated { .. } | BookChange::Clear => Vec::new(),
    }
}

/// A taker's fee at the venue for a market of this name; for Polymarket the highest where the name tells no kind.
pub fn fee_by_name(venue: Venue, market: &str) -> FeeRate {
    let has = |words: &[&str]| words.iter().any(|word| market.contains(word));
    let kind = if has(&["updown", "btc-", "eth-", "sol-", "xrp-"]) {
        Some("crypto")
    } else if has(&["nba", "nhl", "nfl", "mlb", "ncaa"]) {
        Some("sports")
    } else {
        None
    };
    fees::assumed_rate(venue, kind)
}
