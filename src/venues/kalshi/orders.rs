//! Calls about orders and fills.

use reqwest::Method;

use super::address::{order_segment, segment};
use super::client::{Ask, CallError, Client, ORDERS_PATH};
use super::paging::Incomplete;
use super::rate::Lane;
use super::translate::{Route, create_request, fixed, time};
use super::wire::orders::{CancelReply, CreateReply, Cutoff, DecreaseReply, DecreaseRequest, Fill, Fills, OneOrder, Order as Row, Orders};
use crate::domain::ids::{MarketId, VenueOrderId};
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::time::Time;

/// The most the venue gives at once.
const ROWS: u32 = 1_000;

/// Which orders or fills; everything absent means all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    pub ticker: Option<&'a MarketId>,
    /// Of fills only.
    pub order_id: Option<&'a VenueOrderId>,
    /// Seconds.
    pub min_ts: Option<i64>,
    /// Of orders only: resting, canceled, executed.
    pub status: Option<&'static str>,
}

impl Client {
    pub async fn create(&self, order: &Order, route: &Route) -> Result<CreateReply, CallError> {
        self.json(&Self::create_ask(order, route)?).await
    }

    pub fn create_ask(order: &Order, route: &Route) -> Result<Ask, CallError> {
        let request = create_request(order, route)?;
        let lane = Lane::Write(route.exchange_index);
        Ok(with_body(Method::POST, ORDERS_PATH, ORDERS_PATH.to_owned(), lane, &request))
    }

    /// An id that is no UUID never gets as far as a request.
    pub async fn cancel_order(&self, id: &VenueOrderId, ticker: &MarketId, exchange_index: Option<u32>) -> Result<CancelReply, CallError> {
        self.json(&self.cancel_ask(id, ticker, exchange_index)?).await
    }

    pub fn cancel_ask(&self, id: &VenueOrderId, ticker: &MarketId, exchange_index: Option<u32>) -> Result<Ask, CallError> {
        let ask = Ask {
            method: Method::DELETE,
            pattern: "/portfolio/events/orders/{}",
            path: format!("{ORDERS_PATH}/{}", order_segment(id)?),
            query: Vec::new(),
            body: None,
            lane: Lane::Cancel(exchange_index),
        };
        // The shard names the place; without it the venue needs the ticker (`kalshi.md` §2.5).
        let ask = ask.maybe("exchange_index", exchange_index).maybe("subaccount", self.settings.subaccount);
        Ok(if exchange_index.is_none() { ask.with("market_ticker", ticker) } else { ask })
    }

    /// Signs the cancel of an order that rests now. Off the hot path.
    pub fn prepare_cancel(&self, id: &VenueOrderId) -> Result<(), CallError> {
        let path = format!("{ORDERS_PATH}/{}", order_segment(id)?);
        Ok(self.signer().prepare_cancel(self.settings.api.join(&path, "").path())?)
    }

    pub async fn decrease(
        &self,
        id: &VenueOrderId,
        ticker: &MarketId,
        exchange_index: Option<u32>,
        reduce_to: Quantity,
    ) -> Result<DecreaseReply, CallError> {
        self.json(&Self::decrease_ask(id, ticker, exchange_index, reduce_to)?).await
    }

    pub fn decrease_ask(id: &VenueOrderId, ticker: &MarketId, exchange_index: Option<u32>, reduce_to: Quantity) -> Result<Ask, CallError> {
        let reduce_to = fixed(reduce_to.micros(), 2, "reduce_to")?;
        let request = DecreaseRequest { reduce_to, exchange_index, market_ticker: ticker.as_str() };
        let path = format!("{ORDERS_PATH}/{}/decrease", order_segment(id)?);
        Ok(with_body(Method::POST, "/portfolio/events/orders/{}/decrease", path, Lane::Write(exchange_index), &request))
    }

    pub async fn order(&self, id: &VenueOrderId) -> Result<Row, CallError> {
        self.json::<OneOrder>(&Self::order_ask(id)?).await.map(|one| one.order)
    }

    pub fn order_ask(id: &VenueOrderId) -> Result<Ask, CallError> {
        Ok(Ask::get("/portfolio/orders/{}", format!("/portfolio/orders/{}", segment(id.as_str())?)))
    }

    pub async fn orders(&self, filter: Filter<'_>) -> Result<Vec<Row>, Incomplete> {
        self.all::<Orders>(self.listing("/portfolio/orders", filter), ROWS).await
    }

    pub async fn fills(&self, filter: Filter<'_>) -> Result<Vec<Fill>, Incomplete> {
        self.all::<Fills>(self.listing("/portfolio/fills", filter), ROWS).await
    }

    /// Fills that have left the listing for the archive, since; the archive knows no `min_ts`, so the caller's bound is
    /// kept to here (`kalshi.md` §3). A venue without an archive has nothing in it.
    pub async fn archived_fills(&self, since: Time) -> Result<Vec<Fill>, Incomplete> {
        let cutoff = match self.json::<Cutoff>(&Ask::get("/historical/cutoff", "/historical/cutoff")).await {
            Ok(cutoff) => cutoff,
            Err(error) if error.status() == Some(404) => return Ok(Vec::new()),
            Err(error) => return Err(Incomplete::Broken { what: "/historical/cutoff", error }),
        };
        match time(None, Some(&cutoff.trades_created_ts)) {
            None => Err(Incomplete::Unsure(format!("/historical/cutoff: {:.40} is no time", cutoff.trades_created_ts))),
            Some(begins) if begins <= since => Ok(Vec::new()),
            Some(_) => self.all::<Fills>(Ask::get("/historical/fills", "/historical/fills"), ROWS).await,
        }
    }

    pub fn listing(&self, path: &'static str, filter: Filter<'_>) -> Ask {
        Ask::get(path, path)
            .maybe("ticker", filter.ticker)
            .maybe("order_id", filter.order_id)
            .maybe("min_ts", filter.min_ts)
            .maybe("status", filter.status)
            .maybe("subaccount", self.settings.subaccount)
    }
}

pub(super) fn with_body(method: Method, pattern: &'static str, path: String, lane: Lane, body: &impl serde::Serialize) -> Ask {
    let body = serde_json::to_vec(body).expect("Invariant: requests hold text, integers and truth values only");
    Ask { method, pattern, path, query: Vec::new(), body: Some(body), lane }
}
