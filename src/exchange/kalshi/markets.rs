//! Markets: what they are, their grids, and what their lives look like in REST's words.

use serde_json::{Map, Value, json};

use super::wire::{count, price, stamp};
use crate::domain::decimal::Decimal;
use crate::domain::market::{FeeRate, PriceBand, PriceGrid, Settlement};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Rounding};
use crate::domain::time::Time;
use crate::exchange::book::Book;
use crate::exchange::ids::Id;

/// The taker's rate before the series' multiplier, in millionths (`kalshi.md` §5).
const TAKER_MICROS: i64 = 70_000;

/// `kalshi.md` §3: eight words, and the filter words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Initialized,
    Inactive,
    Active,
    Closed,
    Determined,
    Disputed,
    Amended,
    Finalized,
}

impl Life {
    pub const ALL: [Self; 8] =
        [Self::Initialized, Self::Inactive, Self::Active, Self::Closed, Self::Determined, Self::Disputed, Self::Amended, Self::Finalized];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Determined => "determined",
            Self::Disputed => "disputed",
            Self::Amended => "amended",
            Self::Finalized => "finalized",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|life| life.as_str() == text)
    }

    /// The word that `GET /markets?status=` takes for it.
    pub fn filter(self) -> &'static str {
        match self {
            Self::Initialized => "unopened",
            Self::Active => "open",
            Self::Inactive => "paused",
            Self::Closed | Self::Determined | Self::Disputed | Self::Amended => "closed",
            Self::Finalized => "settled",
        }
    }
}

/// A fee schedule as series and events carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTerms {
    pub kind: String,
    /// As written: it is a JSON number on the wire.
    pub multiplier: Decimal,
}

impl FeeTerms {
    pub const KINDS: [&'static str; 4] = ["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"];

    pub fn quadratic() -> Self {
        Self { kind: "quadratic".into(), multiplier: Decimal::parse("1").expect("Invariant: 1 is a decimal") }
    }

    pub fn rate(&self) -> FeeRate {
        let multiplier = self.multiplier.to_micros(Rounding::Up).unwrap_or(ONE);
        let taker_micros = crate::domain::money::mul_div(TAKER_MICROS, multiplier, ONE, Rounding::Up);
        let maker_micros = match self.kind.as_str() {
            "quadratic_with_maker_fees" => taker_micros / 4,
            "quadratic_with_combo_maker_fees" => taker_micros / 2,
            _ => 0,
        };
        FeeRate::new(taker_micros, maker_micros)
    }

    /// The multiplier as a JSON number.
    pub fn multiplier_json(&self) -> Value {
        serde_json::from_str(&self.multiplier.to_string()).unwrap_or(Value::Null)
    }
}

/// A market as somebody asks for it.
#[derive(Clone, Debug)]
pub struct MarketSpec {
    pub ticker: String,
    pub title: String,
    pub category: String,
    pub shard: u32,
    pub structure: String,
    pub bands: Vec<PriceBand>,
    pub life: Life,
    pub open_time: Time,
    pub close_time: Time,
    pub fees: FeeTerms,
}

impl MarketSpec {
    /// An open market of whole cents that closes in a week.
    pub fn open(ticker: &str, now: Time) -> Self {
        Self {
            ticker: ticker.to_owned(),
            title: format!("Will {ticker} happen?"),
            category: "Sports".into(),
            shard: 0,
            structure: "linear_cent".into(),
            bands: structure_bands("linear_cent").expect("Invariant: the commonest structure is known"),
            life: Life::Active,
            open_time: now.plus_ms(-3_600_000),
            close_time: now.plus_ms(7 * 86_400_000),
            fees: FeeTerms::quadratic(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Market {
    pub id: Id,
    pub ticker: String,
    pub event: String,
    pub series: String,
    pub title: String,
    pub category: String,
    pub shard: u32,
    pub structure: String,
    pub bands: Vec<PriceBand>,
    pub grid: PriceGrid,
    pub life: Life,
    pub created: Time,
    pub updated: Time,
    pub open_time: Time,
    pub close_time: Time,
    pub result: Option<Settlement>,
    pub settled: Option<Time>,
    pub fees: FeeTerms,
    pub book: Book,
    /// What the crowd puts back whenever somebody takes it: side, price, size.
    pub kept: Vec<(Side, Price, Quantity)>,
    pub last: Option<(Price, Quantity)>,
    pub volume: Quantity,
    pub open_interest: Quantity,
}

impl Market {
    /// `None` when the bands are no grid.
    pub fn new(id: Id, spec: MarketSpec, now: Time) -> Option<Self> {
        let series = spec.ticker.split('-').next().unwrap_or_default().to_owned();
        let event = spec.ticker.rsplit_once('-').map_or(spec.ticker.as_str(), |(event, _)| event).to_owned();
        let grid = PriceGrid::new(spec.bands.clone())?;
        Some(Self {
            id,
            ticker: spec.ticker,
            event,
            series,
            title: spec.title,
            category: spec.category,
            shard: spec.shard,
            structure: spec.structure,
            bands: spec.bands,
            grid,
            life: spec.life,
            created: now,
            updated: now,
            open_time: spec.open_time,
            close_time: spec.close_time,
            result: None,
            settled: None,
            fees: spec.fees,
            book: Book::default(),
            kept: Vec::new(),
            last: None,
            volume: Quantity::ZERO,
            open_interest: Quantity::ZERO,
        })
    }

    /// Trading has not ended: cancels are taken.
    pub fn takes_cancels(&self) -> bool {
        matches!(self.life, Life::Active | Life::Inactive | Life::Initialized)
    }

    pub fn json(&self) -> Value {
        let mut market = self.quotes_json();
        let facts = json!({
            "ticker": self.ticker, "event_ticker": self.event, "market_type": "binary",
            "title": self.title, "yes_sub_title": self.title, "no_sub_title": self.title,
            "created_time": stamp(self.created), "updated_time": stamp(self.updated),
            "open_time": stamp(self.open_time), "close_time": stamp(self.close_time),
            "expected_expiration_time": stamp(self.close_time), "expiration_time": stamp(self.close_time),
            "latest_expiration_time": stamp(self.close_time), "occurrence_datetime": stamp(self.close_time),
            "settlement_timer_seconds": 60, "status": self.life.as_str(), "response_price_units": "usd_cent",
            "result": self.result.map_or("", result_word), "can_close_early": true,
            "early_close_condition": "This market will close and expire after the event occurs.",
            "notional_value_dollars": "1.0000",
            "expiration_value": "", "rules_primary": format!("If {} happens, then the market resolves to Yes.", self.ticker),
            "rules_secondary": "", "strike_type": "structured", "custom_strike": {},
            "price_level_structure": self.structure, "price_ranges": self.bands_json(), "exchange_index": self.shard,
            "settlement_bounds_type": "default",
        });
        market.extend(facts.as_object().cloned().unwrap_or_default());
        if let (Some(result), Some(settled)) = (self.result, self.settled) {
            market.insert("settlement_ts".into(), stamp(settled).into());
            market.extend(settlement_price(result).map(|value| ("settlement_value_dollars".to_owned(), price(value).into())));
        }
        Value::Object(market)
    }

    fn quotes_json(&self) -> Map<String, Value> {
        let (bid, ask) = (self.book.best(Side::Bid), self.book.best(Side::Ask));
        let bid_price = bid.map_or(Price::ZERO, |(price, _)| price);
        let ask_price = ask.map_or(Price::ONE, |(price, _)| price);
        let size = |level: Option<(Price, Quantity)>| count(level.map_or(Quantity::ZERO, |(_, size)| size));
        let last = self.last.map_or(Price::ZERO, |(price, _)| price);
        let quotes = json!({
            "yes_bid_dollars": price(bid_price), "yes_bid_size_fp": size(bid),
            "yes_ask_dollars": price(ask_price), "yes_ask_size_fp": size(ask),
            "no_bid_dollars": price(ask_price.complement()), "no_ask_dollars": price(bid_price.complement()),
            "last_price_dollars": price(last), "volume_fp": count(self.volume), "volume_24h_fp": count(self.volume),
            "open_interest_fp": count(self.open_interest),
            "previous_yes_bid_dollars": "0.0000", "previous_yes_ask_dollars": "0.0000", "previous_price_dollars": "0.0000",
        });
        quotes.as_object().cloned().unwrap_or_default()
    }

    pub fn bands_json(&self) -> Value {
        let band = |band: &PriceBand| json!({ "start": price(band.start), "end": price(band.end), "step": price(band.step) });
        self.bands.iter().map(band).collect()
    }

    /// Bids of both outcomes, ascending, the best last; the asks of YES are the bids of NO.
    pub fn book_json(&self, depth: usize) -> (Vec<Value>, Vec<Value>) {
        let side = |side: Side, terms: fn(Price) -> Price| {
            let take = if depth == 0 { usize::MAX } else { depth };
            let mut levels: Vec<Value> =
                self.book.levels(side).take(take).map(|(at, size)| json!([price(terms(at)), count(size)])).collect();
            levels.reverse();
            levels
        };
        (side(Side::Bid, |at| at), side(Side::Ask, Price::complement))
    }

    pub fn series_json(&self) -> Value {
        json!({
            "ticker": self.series, "frequency": "custom", "title": self.series, "category": self.category, "tags": [],
            "settlement_sources": [], "contract_url": "", "contract_terms_url": "", "fee_type": self.fees.kind,
            "fee_multiplier": self.fees.multiplier_json(), "additional_prohibitions": [], "exchange_index": self.shard,
        })
    }

    pub fn event_json(&self) -> Map<String, Value> {
        let event = json!({
            "event_ticker": self.event, "series_ticker": self.series, "sub_title": self.event, "title": self.title,
            "collateral_return_type": "", "mutually_exclusive": false, "category": self.category,
            "available_on_brokers": true, "settlement_sources": [], "exchange_index": self.shard,
        });
        event.as_object().cloned().unwrap_or_default()
    }
}

pub fn result_word(result: Settlement) -> &'static str {
    match result {
        Settlement::Yes => "yes",
        Settlement::No => "no",
        // The venue has no void: it settles at a fair price. Ours gives the cost back under the same word.
        Settlement::Scalar(_) | Settlement::Void => "scalar",
    }
}

/// What YES pays; a void pays everybody something else.
pub fn settlement_price(result: Settlement) -> Option<Price> {
    result.payout(crate::domain::market::Outcome::Yes)
}

/// The bands of a known structure (`kalshi.md` §7); where only steps are known, the edges are taken at 0.10 and 0.90.
pub fn structure_bands(name: &str) -> Option<Vec<PriceBand>> {
    let uniform = |step: i64| vec![band(0, 10_000, step)];
    let edged = |at: i64, edge: i64, centre: i64| vec![band(0, at, edge), band(at, 10_000 - at, centre), band(10_000 - at, 10_000, edge)];
    Some(match name {
        "linear_cent" => uniform(100),
        "deci_cent" => uniform(10),
        "tapered_deci_cent" => edged(1_000, 10, 100),
        "center_whole_edge_half_cent" => edged(1_000, 50, 100),
        "center_whole_edge_quint_cent" => edged(1_000, 20, 100),
        "center_half_edge_half_cent" => uniform(50),
        "center_half_edge_quint_cent" => edged(1_000, 20, 50),
        "center_half_edge_deci_cent" => edged(1_000, 10, 50),
        "center_quint_edge_quint_cent" => uniform(20),
        "center_quint_edge_deci_cent" => edged(1_000, 10, 20),
        "center_centi_edge_centi_cent" => uniform(1),
        "center_deci_edge_centi_cent" => edged(100, 1, 10),
        _ => return None,
    })
}

/// In ten-thousandths of a dollar.
fn band(start: i64, end: i64, step: i64) -> PriceBand {
    let price = |units: i64| Price::from_micros(units * 100);
    PriceBand { start: price(start), end: price(end), step: price(step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_structure_is_a_grid() {
        for name in ["linear_cent", "tapered_deci_cent", "center_deci_edge_centi_cent", "center_half_edge_quint_cent"] {
            assert!(PriceGrid::new(structure_bands(name).expect(name)).is_some(), "{name}");
        }
        assert_eq!(structure_bands("centre_of_the_earth"), None);
    }

    #[test]
    fn fees_follow_kind_and_multiplier() {
        let terms = |kind: &str, multiplier| FeeTerms { kind: kind.into(), multiplier: Decimal::parse(multiplier).expect("decimal") };
        assert_eq!(terms("quadratic", "1").rate(), FeeRate::new(70_000, 0));
        assert_eq!(terms("quadratic_with_maker_fees", "1").rate(), FeeRate::new(70_000, 17_500));
        assert_eq!(terms("quadratic_with_combo_maker_fees", "0.5").rate(), FeeRate::new(35_000, 17_500));
    }
}
