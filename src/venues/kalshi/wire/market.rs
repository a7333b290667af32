//! Markets, series, events, order books, and the exchange's own state.

use serde::Deserialize;

use super::number::{MillionthsUp, Num};
use super::{list, page};
use crate::domain::money::{Price, Quantity};

#[derive(Clone, Debug, Deserialize)]
pub struct Market {
    pub ticker: String,
    pub event_ticker: Option<String>,
    pub status: String,
    pub close_time: Option<String>,
    #[serde(default)]
    pub price_ranges: Option<Vec<PriceRange>>,
    pub exchange_index: Option<Num<u32>>,
    /// Empty until decided.
    pub result: Option<String>,
    pub settlement_value_dollars: Option<Num<Price>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PriceRange {
    pub start: Num<Price>,
    pub end: Num<Price>,
    pub step: Num<Price>,
}

#[derive(Debug, Deserialize)]
pub struct OneMarket {
    pub market: Market,
}

page!(Markets, markets, Market, |market| market.ticker.clone());

#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    pub fee_type: String,
    pub fee_multiplier: Option<Num<MillionthsUp>>,
}

#[derive(Debug, Deserialize)]
pub struct OneSeries {
    pub series: Series,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    pub series_ticker: Option<String>,
    pub fee_type_override: Option<String>,
    pub fee_multiplier_override: Option<Num<MillionthsUp>>,
}

#[derive(Debug, Deserialize)]
pub struct OneEvent {
    pub event: Event,
}

pub type Level = (Num<Price>, Num<Quantity>);

/// Bids of both outcomes; a missing side is empty.
#[derive(Clone, Debug, Deserialize)]
pub struct Book {
    #[serde(default)]
    pub yes_dollars: Option<Vec<Level>>,
    #[serde(default)]
    pub no_dollars: Option<Vec<Level>>,
}

#[derive(Debug, Deserialize)]
pub struct OneBook {
    pub orderbook_fp: Book,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ExchangeStatus {
    pub exchange_active: bool,
    pub trading_active: bool,
    pub exchange_estimated_resume_time: Option<String>,
    #[serde(default)]
    pub exchange_index_statuses: Option<Vec<ShardStatus>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ShardStatus {
    pub exchange_index: Num<u32>,
    pub exchange_active: bool,
    pub trading_active: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Schedule {
    #[serde(default)]
    pub maintenance_windows: Option<Vec<Window>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Window {
    pub start_datetime: String,
    pub end_datetime: String,
}

#[derive(Debug, Deserialize)]
pub struct OneSchedule {
    pub schedule: Schedule,
}

#[derive(Debug, Deserialize)]
pub struct UserDataTimestamp {
    pub as_of_time: String,
}

#[derive(Debug, Deserialize)]
pub struct Groups {
    #[serde(deserialize_with = "list")]
    pub order_groups: Vec<Group>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    pub id: String,
    pub contracts_limit_fp: Option<Num<Quantity>>,
    pub is_auto_cancel_enabled: bool,
    pub exchange_index: Option<Num<u32>>,
}

impl Group {
    /// As we arm them: where it names no shard it is on the first.
    pub fn is_fuse(&self, exchange_index: u32, contracts_max: Quantity) -> bool {
        let shard = self.exchange_index.as_ref().map_or(0, |shard| shard.0);
        shard == exchange_index && self.contracts_limit_fp.as_ref().is_some_and(|limit| limit.0 == contracts_max)
    }
}

#[derive(Debug, Deserialize)]
pub struct OneGroup {
    pub contracts_limit_fp: Option<Num<Quantity>>,
    pub is_auto_cancel_enabled: bool,
    #[serde(default)]
    pub orders: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct CreatedGroup {
    pub order_group_id: String,
}
