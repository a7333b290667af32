//! Markets that are open now, for somebody who hasn't named one.

use serde::Deserialize;

use super::client::{Ask, CallError};
use super::venue::KalshiVenue;
use super::wire::market::Market;
use crate::domain::ids::MarketId;

#[derive(Deserialize)]
struct FirstPage {
    markets: Vec<Market>,
}

impl KalshiVenue {
    /// Tickers of open markets, as the venue lists them.
    pub async fn open_markets(&self, count_max: usize) -> Result<Vec<MarketId>, CallError> {
        let ask = Ask::get("/markets", "/markets").with("status", "open").with("limit", count_max);
        let page: FirstPage = self.client().json(&ask).await?;
        Ok(page.markets.iter().filter_map(|row| MarketId::new(&row.ticker).ok()).take(count_max).collect())
    }
}
