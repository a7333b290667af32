//! A market's facts from three calls: the market, its event and its series; the last two change rarely and are kept.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::client::{CallError, Client};
use super::translate::{fee_rate, market};
use super::venue::locked;
use super::wire::market::{Event, Market as Row, Series};
use crate::domain::ids::MarketId;
use crate::domain::market::{FeeRate, Market};
use crate::domain::time::Mono;

/// Fee changes are announced long before; an hour is soon enough.
const FEES_LIVE_MS: i64 = 3_600_000;
/// Series and events that are kept.
const KEPT_MAX: usize = 4_096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketFacts {
    pub market: Market,
    pub exchange_index: Option<u32>,
    pub event_ticker: Option<String>,
    /// The venue named no series for it, so the highest general schedule is taken: takers 0.07, makers a quarter.
    pub fee_assumed: bool,
}

#[derive(Debug, Default)]
pub struct FeeBook {
    kept: Mutex<BTreeMap<String, (Mono, FeeRate, bool)>>,
}

impl FeeBook {
    pub async fn market(&self, client: &Client, id: &MarketId) -> Result<MarketFacts, CallError> {
        let row = client.market_row(id).await?;
        if row.ticker != id.as_str() {
            return Err(CallError::Unclear { why: format!("asked for market {id}, the answer is about {:.64}", row.ticker) });
        }
        let (fee, fee_assumed) = self.fee(client, &row).await?;
        let exchange_index = row.exchange_index.map(|index| index.0);
        Ok(MarketFacts { market: market(&row, fee)?, exchange_index, event_ticker: row.event_ticker, fee_assumed })
    }

    /// Forgets what was read of an event's fees: the stream says that they changed.
    pub fn forget(&self, event_ticker: &str) {
        locked(&self.kept).remove(event_ticker);
    }

    async fn fee(&self, client: &Client, row: &Row) -> Result<(FeeRate, bool), CallError> {
        let event_ticker = row.event_ticker.as_deref().filter(|ticker| !ticker.is_empty()).unwrap_or(&row.ticker);
        let now = client.clock().now().mono;
        let kept = locked(&self.kept).get(event_ticker).copied();
        if let Some((read_at, fee, assumed)) = kept.filter(|(read_at, ..)| now < read_at.plus_ms(FEES_LIVE_MS)) {
            debug_assert!(read_at <= now, "Invariant: monotonic time");
            return Ok((fee, assumed));
        }
        let event = found(client.event(event_ticker).await)?;
        // By convention the series is what stands before the first dash.
        let by_name = row.ticker.split('-').next().unwrap_or(&row.ticker);
        let series_ticker =
            event.as_ref().and_then(|event| event.series_ticker.as_deref()).filter(|ticker| !ticker.is_empty()).unwrap_or(by_name);
        let series = found(client.series(series_ticker).await)?;
        let (fee, assumed) = rate(event.as_ref(), series.as_ref())?;
        let mut kept = locked(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.pop_first();
        }
        kept.insert(event_ticker.to_owned(), (now, fee, assumed));
        Ok((fee, assumed))
    }
}

/// The event's word goes before the series'.
fn rate(event: Option<&Event>, series: Option<&Series>) -> Result<(FeeRate, bool), CallError> {
    let kind = event.and_then(|event| event.fee_type_override.as_deref()).or(series.map(|series| series.fee_type.as_str()));
    let multiplier = event.and_then(|event| event.fee_multiplier_override).or(series.and_then(|series| series.fee_multiplier));
    Ok((fee_rate(kind.unwrap_or("quadratic_with_maker_fees"), multiplier)?, kind.is_none()))
}

/// A venue without this page knows no such thing; every other failure is one.
fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &str, series: &str, expected: Option<(i64, i64, bool)>) {
        let event: Option<Event> = serde_json::from_str(event).expect(event);
        let series: Option<Series> = serde_json::from_str(series).expect(series);
        let read = rate(event.as_ref(), series.as_ref()).ok();
        assert_eq!(read.map(|(fee, assumed)| (fee.taker_micros, fee.maker_micros, assumed)), expected);
    }

    #[test]
    fn the_fee_is_the_series_times_its_multiplier_unless_the_event_says_otherwise() {
        let series = r#"{"fee_type":"quadratic","fee_multiplier":1}"#;
        check("{}", series, Some((70_000, 0, false)));
        check("{}", r#"{"fee_type":"quadratic_with_maker_fees","fee_multiplier":0.5}"#, Some((35_000, 8_750, false)));
        check(r#"{"fee_type_override":null,"fee_multiplier_override":2}"#, series, Some((140_000, 0, false)));
        check(r#"{"fee_type_override":"quadratic_with_combo_maker_fees"}"#, series, Some((70_000, 35_000, false)));
        check("null", "null", Some((70_000, 17_500, true)));
        check("{}", r#"{"fee_type":"flat","fee_multiplier":1}"#, None);
        check("{}", r#"{"fee_type":"quadratic","fee_multiplier":-1}"#, None);
    }
}
