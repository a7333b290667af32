//! The venue's calls, one function each.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::super::address::segment;
use super::super::call::{PAGES_MAX, Untranslatable};
use super::client::{Ask, Auth, CallError, Client, Host, Incomplete, ORDER_PATH, unreadable};
use super::credentials::ApiCredentials;
use super::order::OrderSigner;
use super::rate::{CANCELS_AT_ONCE_MAX, Lane, Shelf};
use super::translate::{self, Levels, Ours, TopOfBook};
use super::wire::account::{BalanceAllowance, Beat, ClosedOnly, Geoblock, Version, server_time_s};
use super::wire::market::{Book, ClobMarket, GammaMarket, MarketState, condition_of, gamma_markets};
use super::wire::orders::{CancelReply, Order as OrderRow, PostReply};
use super::wire::trades::Trade;
use super::wire::{FIRST_PAGE, Page};
use crate::domain::ids::{MarketId, TokenId, VenueOrderId};
use crate::domain::market::{BookKey, FeeRate};
use crate::domain::report::{VenueFill, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::{Now, Time};

/// What of the open orders or trades is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    pub token: Option<&'a TokenId>,
    pub after: Option<Time>,
}

/// Which kind of thing a balance is of.
#[derive(Clone, Copy, Debug)]
pub enum Asset<'a> {
    Collateral,
    Token(&'a str),
}

impl Client {
    /// The identical bytes for a signed order, now or again.
    pub fn post_ask(&self, signed: &SignedOrder) -> Result<Ask, CallError> {
        let owner = self.requests()?;
        let body = self.signer()?.body(signed, owner.credentials().key());
        let body = body.map_err(|error| Untranslatable { what: "order", why: error.to_string() })?;
        Ok(Ask::send(Method::POST, ORDER_PATH, Some(body), Lane::Order))
    }

    pub async fn post(&self, signed: &SignedOrder) -> Result<PostReply, CallError> {
        self.json(&self.post_ask(signed)?).await
    }

    pub fn cancel_ask(id: &VenueOrderId) -> Ask {
        Ask::send(Method::DELETE, ORDER_PATH, Some(bytes(&json!({"orderID": id.as_str()}))), Lane::Cancel)
    }

    pub async fn cancel_order(&self, id: &VenueOrderId) -> Result<CancelReply, CallError> {
        self.json(&Self::cancel_ask(id)).await
    }

    /// Several at once; more than a full bucket allows go in several calls.
    pub async fn cancel_orders(&self, ids: &[VenueOrderId]) -> Result<CancelReply, CallError> {
        let mut whole = CancelReply::default();
        for part in ids.chunks(CANCELS_AT_ONCE_MAX) {
            let names: Vec<&str> = part.iter().map(VenueOrderId::as_str).collect();
            let mut ask = Ask::send(Method::DELETE, "/orders", Some(bytes(&json!(names))), Lane::Cancel);
            ask.cost = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let reply: CancelReply = self.json(&ask).await?;
            whole.canceled.extend(reply.canceled);
            whole.not_canceled.extend(reply.not_canceled);
        }
        Ok(whole)
    }

    /// Everything of these API credentials.
    pub async fn cancel_all(&self) -> Result<CancelReply, CallError> {
        self.json(&Ask::send(Method::DELETE, "/cancel-all", None, Lane::Cancel)).await
    }

    /// Everything of ours in both tokens of a condition.
    pub async fn cancel_market(&self, condition: &MarketId) -> Result<CancelReply, CallError> {
        let body = bytes(&json!({"market": condition.as_str()}));
        self.json(&Ask::send(Method::DELETE, "/cancel-market-orders", Some(body), Lane::Cancel)).await
    }

    /// Everything of ours in one token.
    pub async fn cancel_token(&self, token: &TokenId) -> Result<CancelReply, CallError> {
        let body = bytes(&json!({"asset_id": token.as_str()}));
        self.json(&Ask::send(Method::DELETE, "/cancel-market-orders", Some(body), Lane::Cancel)).await
    }

    pub fn order_ask(id: &VenueOrderId) -> Result<Ask, CallError> {
        Ok(Ask::get("/data/order/{}", format!("/data/order/{}", segment(id.as_str())?), Shelf::General, Auth::Key))
    }

    /// `None`: the venue shows no such order, which does not prove that there is none (`polymarket.md` §4).
    pub async fn order(&self, id: &VenueOrderId) -> Result<Option<VenueOrder>, CallError> {
        let ask = Self::order_ask(id)?;
        let body = match self.send(&ask).await {
            Err(CallError::Refused { refusal, .. }) if refusal.status == 404 && refusal.typed => return Ok(None),
            answer => answer?,
        };
        match body.trim_ascii() {
            b"" | b"null" | b"{}" => Ok(None),
            body => {
                let row: OrderRow<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&ask, &error.to_string()))?;
                let order = translate::venue_order(&row)?;
                // Of an order that isn't ours we know nothing.
                if order.venue_order_id == *id { Ok(Some(order)) } else { Err(unreadable(&ask, "it is about another order")) }
            }
        }
    }

    pub fn orders_ask(filter: Filter<'_>) -> Ask {
        Ask::get("/data/orders", "/data/orders", Shelf::Data, Auth::Key).maybe("asset_id", filter.token)
    }

    /// Every open order.
    pub async fn orders(&self, filter: Filter<'_>) -> Result<Vec<VenueOrder>, Incomplete> {
        self.all(Self::orders_ask(filter), |body| {
            let mut page: Page<OrderRow<'_>> = serde_json::from_slice(body)?;
            let next = page.next_page();
            let rows = page.data.iter().map(|row| Ok((row.id.to_string(), translate::venue_order(row)?))).collect::<Result<_, _>>();
            Ok((rows, next))
        })
        .await
    }

    pub fn trades_ask(filter: Filter<'_>) -> Ask {
        let after = filter.after.map(|after| after.ms().div_euclid(1_000)).filter(|seconds| *seconds > 0);
        Ask::get("/data/trades", "/data/trades", Shelf::Data, Auth::Key).maybe("asset_id", filter.token).maybe("after", after)
    }

    /// Every fill of ours in the trades asked for. `fees`: as in `translate::fills`.
    pub async fn fills(
        &self,
        filter: Filter<'_>,
        fees: &(dyn Fn(&BookKey) -> Option<FeeRate> + Sync),
    ) -> Result<Vec<VenueFill>, Incomplete> {
        let ours = self.ours().map_err(|error| Incomplete::Broken { what: "/data/trades", error })?;
        let trades = self.all(Self::trades_ask(filter), |body| {
            let mut page: Page<Trade<'_>> = serde_json::from_slice(body)?;
            let next = page.next_page();
            let rows = page.data.iter().map(|row| Ok((row.id.to_string(), translate::fills(row, &ours, fees)?))).collect::<Result<_, _>>();
            Ok((rows, next))
        });
        Ok(trades.await?.into_iter().flatten().collect())
    }

    /// Which rows are ours.
    pub fn ours(&self) -> Result<Ours, CallError> {
        let key = self.requests()?.credentials().key().to_owned();
        Ok(Ours { key, wallet: self.signer()?.wallet().maker().lower() })
    }

    /// Every row of a listing, whole or not at all.
    async fn all<R>(&self, ask: Ask, page: impl Fn(&[u8]) -> PageRead<R>) -> Result<Vec<R>, Incomplete> {
        let what = ask.pattern;
        let broken = |error| Incomplete::Broken { what, error };
        let (mut rows, mut keys, mut cursors) = (Vec::new(), BTreeSet::new(), BTreeSet::from([FIRST_PAGE.to_owned()]));
        let mut cursor = FIRST_PAGE.to_owned();
        for number in 1..=PAGES_MAX {
            let asked = ask.clone().with("next_cursor", &cursor);
            let body = self.send(&asked).await.map_err(broken)?;
            let (new, next) = page(&body).map_err(|error| broken(unreadable(&asked, &error.to_string())))?;
            rows.extend(new?.into_iter().filter(|(key, _)| keys.insert(key.clone())).map(|(_, row)| row));
            match next {
                None => return Ok(rows),
                // A cursor that is not understood gives the same page again, for ever.
                Some(next) if !cursors.insert(next.clone()) => return Err(Incomplete::RepeatedPage { what, page: number }),
                Some(next) => cursor = next,
            }
        }
        Err(Incomplete::TooManyPages { what })
    }

    pub async fn book(&self, token: &TokenId) -> Result<Levels, CallError> {
        let ask = Ask::get("/book", "/book", Shelf::Book, Auth::Nobody).with("token_id", token);
        let body = self.send(&ask).await?;
        let book: Book<'_> = read_borrowed(&ask, &body)?;
        if book.asset_id != token.as_str() {
            return Err(unreadable(&ask, "it is about another token"));
        }
        Ok(translate::levels(&book))
    }

    pub async fn top_of_book(&self, token: &TokenId) -> Result<TopOfBook, CallError> {
        self.book(token).await.map(|(bids, asks)| translate::top(&bids, &asks))
    }

    /// The condition that a token is an outcome of.
    pub async fn condition_of(&self, token: &TokenId) -> Result<MarketId, CallError> {
        let path = format!("/markets-by-token/{}", segment(token.as_str())?);
        let ask = Ask::get("/markets-by-token/{}", path, Shelf::General, Auth::Nobody);
        let body = self.send(&ask).await?;
        let text = condition_of(&body).ok_or_else(|| unreadable(&ask, "it names no condition"))?;
        MarketId::new(&text).map_err(|error| unreadable(&ask, &error.to_string()))
    }

    pub async fn clob_market(&self, condition: &MarketId) -> Result<ClobMarket, CallError> {
        let path = format!("/clob-markets/{}", segment(condition.as_str())?);
        self.json(&Ask::get("/clob-markets/{}", path, Shelf::General, Auth::Nobody)).await
    }

    pub async fn market_state(&self, condition: &MarketId) -> Result<MarketState, CallError> {
        let path = format!("/markets/{}", segment(condition.as_str())?);
        self.json(&Ask::get("/markets/{}", path, Shelf::General, Auth::Nobody)).await
    }

    /// `None`: gamma isn't configured, or doesn't know the market yet.
    pub async fn gamma_market(&self, condition: &MarketId, closed: bool) -> Result<Option<GammaMarket>, CallError> {
        if self.settings().gamma.is_none() {
            return Ok(None);
        }
        let ask = Ask { host: Host::Gamma, ..Ask::get("gamma /markets", "/markets", Shelf::Gamma, Auth::Nobody) };
        let ask = ask.with("condition_ids", condition).with("closed", closed);
        let body = self.send(&ask).await?;
        let markets = gamma_markets(&body).map_err(|error| unreadable(&ask, &error.to_string()))?;
        Ok(markets.into_iter().find(|market| market.condition_id.as_deref() == Some(condition.as_str())))
    }

    pub fn balance_ask(&self, asset: Asset<'_>) -> Result<Ask, CallError> {
        self.balance_path("/balance-allowance", Shelf::Balance, asset)
    }

    pub async fn balance(&self, asset: Asset<'_>) -> Result<BalanceAllowance, CallError> {
        self.json(&self.balance_ask(asset)?).await
    }

    /// Makes the venue look at the chain again: it keeps what it once saw (`polymarket.md` §4).
    pub async fn refresh_balance(&self, asset: Asset<'_>) -> Result<(), CallError> {
        let ask = self.balance_path("/balance-allowance/update", Shelf::BalanceUpdate, asset)?;
        self.send(&ask).await.map(drop)
    }

    fn balance_path(&self, path: &'static str, shelf: Shelf, asset: Asset<'_>) -> Result<Ask, CallError> {
        let (kind, token) = match asset {
            Asset::Collateral => ("COLLATERAL", None),
            Asset::Token(token) => ("CONDITIONAL", Some(token)),
        };
        let signature_type = self.signer().map(OrderSigner::wallet)?.kind().number();
        let ask = Ask::get(path, path, shelf, Auth::Key).with("asset_type", kind);
        Ok(ask.maybe("token_id", token).with("signature_type", signature_type))
    }

    pub async fn closed_only(&self) -> Result<bool, CallError> {
        let path = "/auth/ban-status/closed-only";
        self.json::<ClosedOnly>(&Ask::get(path, path, Shelf::General, Auth::Key)).await.map(|answer| answer.closed_only)
    }

    pub async fn version(&self) -> Result<u32, CallError> {
        self.json::<Version>(&Ask::get("/version", "/version", Shelf::General, Auth::Nobody)).await.map(|answer| answer.version.0)
    }

    /// The venue's clock; what it says is learnt.
    pub async fn time(&self) -> Result<Time, CallError> {
        let ask = Ask::get("/time", "/time", Shelf::General, Auth::Nobody);
        let sent: Now = self.clock().now();
        let body = self.send(&ask).await?;
        let seconds = server_time_s(&body).ok_or_else(|| unreadable(&ask, "it names no time"))?;
        let time = Time::from_ms(seconds.saturating_mul(1_000));
        self.learn_time(sent, time);
        Ok(time)
    }

    /// `None`: nobody is to be asked.
    pub async fn geoblock(&self) -> Result<Option<Geoblock>, CallError> {
        if self.settings().geoblock.is_none() {
            return Ok(None);
        }
        let ask = Ask { host: Host::Geoblock, ..Ask::get("geoblock", "", Shelf::General, Auth::Nobody) };
        self.json(&ask).await.map(Some)
    }

    /// Creates the API key of this wallet, or derives the one that it already has.
    pub async fn create_or_derive_key(&self) -> Result<ApiCredentials, CallError> {
        let create = Ask { auth: Auth::Wallet, ..Ask::send(Method::POST, "/auth/api-key", None, Lane::Read(Shelf::Keys)) };
        let created = self.send(&create).await;
        // It exists already, or the answer was lost: deriving tells.
        match created.as_deref().map(ApiCredentials::from_json) {
            Ok(Ok(credentials)) => return Ok(credentials),
            Err(CallError::NotSent { .. } | CallError::Unbuildable(_)) => {
                return Err(created.err().unwrap_or_else(|| unreadable(&create, "")));
            }
            _ => {}
        }
        let path = "/auth/derive-api-key";
        let derive = Ask::get(path, path, Shelf::Keys, Auth::Wallet);
        let body = self.send(&derive).await?;
        ApiCredentials::from_json(&body).map_err(|error| unreadable(&derive, &error.to_string()))
    }

    /// One beat of the dead man's switch; gives the id of the next.
    pub async fn beat(&self, id: &str) -> Result<String, CallError> {
        let body = bytes(&json!({"heartbeat_id": id}));
        let ask = Ask::send(Method::POST, "/v1/heartbeats", Some(body), Lane::Read(Shelf::General));
        self.json::<Beat>(&ask).await.map(|beat| beat.heartbeat_id)
    }
}

/// Rows with the names that tell them apart, and the next cursor; a row that has no meaning spoils the listing.
type Rows<R> = Result<Vec<(String, R)>, Untranslatable>;
type PageRead<R> = Result<(Rows<R>, Option<String>), serde_json::Error>;

fn bytes(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn read_borrowed<'a, T: Deserialize<'a>>(ask: &Ask, body: &'a [u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|error| unreadable(ask, &error.to_string()))
}
