//! Calls about order groups: a fuse at the venue that cancels ours when too much is matched within 15 s
//! (`kalshi.md` §2.6).

use reqwest::Method;
use serde::Serialize;

use super::address::segment;
use super::client::{Ask, CallError, Client};
use super::orders::with_body;
use super::rate::Lane;
use super::translate::fixed;
use super::wire::market::{CreatedGroup, Group, Groups, OneGroup};
use crate::domain::money::Quantity;

const GROUPS: &str = "/portfolio/order_groups";

#[derive(Serialize)]
struct LimitRequest {
    contracts_limit_fp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subaccount: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange_index: Option<u32>,
}

#[derive(Serialize)]
struct Nothing {}

impl Client {
    pub async fn create_group(&self, contracts_max: Quantity, exchange_index: u32) -> Result<String, CallError> {
        let ask = self.create_group_ask(contracts_max, exchange_index)?;
        self.json::<CreatedGroup>(&ask).await.map(|created| created.order_group_id)
    }

    pub fn create_group_ask(&self, contracts_max: Quantity, exchange_index: u32) -> Result<Ask, CallError> {
        let contracts_limit_fp = fixed(contracts_max.micros(), 2, "contracts_limit")?;
        let request = LimitRequest { contracts_limit_fp, subaccount: self.settings.subaccount, exchange_index: Some(exchange_index) };
        let path = format!("{GROUPS}/create");
        Ok(with_body(Method::POST, "/portfolio/order_groups/create", path, Lane::Write(Some(exchange_index)), &request))
    }

    pub async fn groups(&self) -> Result<Vec<Group>, CallError> {
        self.json::<Groups>(&self.groups_ask()).await.map(|groups| groups.order_groups)
    }

    pub fn groups_ask(&self) -> Ask {
        Ask::get(GROUPS, GROUPS).maybe("subaccount", self.settings.subaccount)
    }

    pub async fn group(&self, id: &str) -> Result<OneGroup, CallError> {
        self.json(&Ask::get("/portfolio/order_groups/{}", format!("{GROUPS}/{}", segment(id)?))).await
    }

    /// Takes orders again after the fuse has blown.
    pub async fn reset_group(&self, id: &str, exchange_index: Option<u32>) -> Result<(), CallError> {
        self.send(&self.group_ask(Method::PUT, id, Some("reset"), exchange_index)?).await.map(drop)
    }

    /// Cancels everything in it and takes no more until it is reset.
    pub async fn trigger_group(&self, id: &str, exchange_index: Option<u32>) -> Result<(), CallError> {
        self.send(&self.group_ask(Method::PUT, id, Some("trigger"), exchange_index)?).await.map(drop)
    }

    pub async fn limit_group(&self, id: &str, exchange_index: Option<u32>, contracts_max: Quantity) -> Result<(), CallError> {
        let contracts_limit_fp = fixed(contracts_max.micros(), 2, "contracts_limit")?;
        let request = LimitRequest { contracts_limit_fp, subaccount: None, exchange_index: None };
        let mut ask = self.group_ask(Method::PUT, id, Some("limit"), exchange_index)?;
        ask.body = with_body(Method::PUT, GROUPS, String::new(), Lane::Read, &request).body;
        self.send(&ask).await.map(drop)
    }

    /// Cancels everything in it.
    pub async fn delete_group(&self, id: &str, exchange_index: Option<u32>) -> Result<(), CallError> {
        self.send(&self.group_ask(Method::DELETE, id, None, exchange_index)?).await.map(drop)
    }

    pub fn group_ask(&self, method: Method, id: &str, verb: Option<&'static str>, exchange_index: Option<u32>) -> Result<Ask, CallError> {
        let (pattern, tail) = match verb {
            Some("reset") => ("/portfolio/order_groups/{}/reset", "/reset"),
            Some("trigger") => ("/portfolio/order_groups/{}/trigger", "/trigger"),
            Some(_) => ("/portfolio/order_groups/{}/limit", "/limit"),
            None => ("/portfolio/order_groups/{}", ""),
        };
        let path = format!("{GROUPS}/{}{tail}", segment(id)?);
        let lane = Lane::Write(exchange_index);
        // The venue's own SDK sends `{}` with these (`kalshi.md` §2.6).
        let ask = match verb {
            Some(_) => with_body(method, pattern, path, lane, &Nothing {}),
            None => Ask { method, pattern, path, query: Vec::new(), body: None, lane },
        };
        Ok(ask.maybe("subaccount", self.settings.subaccount).maybe("exchange_index", exchange_index))
    }
}
