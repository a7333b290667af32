//! Calls about markets and the exchange itself; none of them is about us.

use super::address::segment;
use super::client::{Ask, CallError, Client};
use super::wire::market::{Book, Event, ExchangeStatus, Market, OneBook, OneEvent, OneMarket, OneSchedule, OneSeries, Schedule, Series};
use crate::domain::ids::MarketId;

impl Client {
    pub async fn market_row(&self, ticker: &MarketId) -> Result<Market, CallError> {
        self.json::<OneMarket>(&Self::market_ask(ticker)?).await.map(|one| one.market)
    }

    pub fn market_ask(ticker: &MarketId) -> Result<Ask, CallError> {
        Ok(Ask::get("/markets/{}", format!("/markets/{}", segment(ticker.as_str())?)))
    }

    /// Several at once, up to a page.
    pub fn markets_ask(tickers: &[&MarketId]) -> Ask {
        let tickers: Vec<&str> = tickers.iter().map(|ticker| ticker.as_str()).collect();
        Ask::get("/markets", "/markets").with("tickers", tickers.join(","))
    }

    pub async fn market_rows(&self, tickers: &[&MarketId]) -> Result<Vec<Market>, super::paging::Incomplete> {
        self.all::<super::wire::market::Markets>(Self::markets_ask(tickers), 1_000).await
    }

    /// `depth`: levels of each side; `None` for all.
    pub async fn book(&self, ticker: &MarketId, depth: Option<u32>) -> Result<Book, CallError> {
        self.json::<OneBook>(&Self::book_ask(ticker, depth)?).await.map(|one| one.orderbook_fp)
    }

    pub fn book_ask(ticker: &MarketId, depth: Option<u32>) -> Result<Ask, CallError> {
        let path = format!("/markets/{}/orderbook", segment(ticker.as_str())?);
        Ok(Ask::get("/markets/{}/orderbook", path).maybe("depth", depth))
    }

    pub async fn event(&self, ticker: &str) -> Result<Event, CallError> {
        self.json::<OneEvent>(&Ask::get("/events/{}", format!("/events/{}", segment(ticker)?))).await.map(|one| one.event)
    }

    pub async fn series(&self, ticker: &str) -> Result<Series, CallError> {
        self.json::<OneSeries>(&Ask::get("/series/{}", format!("/series/{}", segment(ticker)?))).await.map(|one| one.series)
    }

    pub async fn exchange_status(&self) -> Result<ExchangeStatus, CallError> {
        self.json(&Ask::get("/exchange/status", "/exchange/status")).await
    }

    pub async fn exchange_schedule(&self) -> Result<Schedule, CallError> {
        self.json::<OneSchedule>(&Ask::get("/exchange/schedule", "/exchange/schedule")).await.map(|one| one.schedule)
    }
}
