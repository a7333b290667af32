//! Calls about the account: money, holdings, keys, limits.

use super::client::{Ask, CallError, Client};
use super::paging::Incomplete;
use super::rate::{CostTable, Limit, Limits};
use super::translate::{movement, time};
use super::wire::account::{
    ApiKeys, Balance, Bucket, Costs, Deposits, Limits as WireLimits, Position, Positions, Settlement, Settlements, Transfer, Withdrawals,
};
use super::wire::market::UserDataTimestamp;
use crate::domain::report::CashMovement;
use crate::domain::time::Time;

const ROWS: u32 = 1_000;
const TRANSFER_ROWS: u32 = 500;

impl Client {
    pub async fn balance(&self) -> Result<Balance, CallError> {
        self.json(&self.balance_ask()).await
    }

    pub fn balance_ask(&self) -> Ask {
        Ask::get("/portfolio/balance", "/portfolio/balance").maybe("subaccount", self.settings.subaccount)
    }

    /// Holdings that are not nothing.
    pub async fn positions(&self) -> Result<Vec<Position>, Incomplete> {
        let rows = self.all::<Positions>(self.positions_ask(), ROWS).await?;
        Ok(rows.into_iter().filter(|row| !row.position_fp.0.0.is_zero()).collect())
    }

    pub fn positions_ask(&self) -> Ask {
        let ask = Ask::get("/portfolio/positions", "/portfolio/positions").with("count_filter", "position");
        ask.maybe("subaccount", self.settings.subaccount)
    }

    pub async fn settlements(&self, since: Time) -> Result<Vec<Settlement>, Incomplete> {
        self.all::<Settlements>(self.settlements_ask(since), ROWS).await
    }

    pub fn settlements_ask(&self, since: Time) -> Ask {
        let ask = Ask::get("/portfolio/settlements", "/portfolio/settlements").maybe("min_ts", seconds(since));
        ask.maybe("subaccount", self.settings.subaccount)
    }

    /// Deposits and withdrawals since. The protocol pages don't tell of these listings, only the OpenAPI document does: a
    /// venue (or a key) without them has none, and the comparison of cash finds what they would have explained.
    pub async fn movements(&self, since: Time) -> Result<Vec<CashMovement>, Incomplete> {
        let deposits = absent_is_empty(self.all::<Deposits>(Ask::get("/portfolio/deposits", "/portfolio/deposits"), TRANSFER_ROWS).await)?;
        let withdrawals = Ask::get("/portfolio/withdrawals", "/portfolio/withdrawals");
        let withdrawals = absent_is_empty(self.all::<Withdrawals>(withdrawals, TRANSFER_ROWS).await)?;
        let came = deposits.iter().filter_map(|row| movement(row, true));
        let went = withdrawals.iter().filter_map(|row| movement(row, false));
        Ok(came.chain(went).filter(|movement| movement.at >= since).collect())
    }

    /// How fresh the account's listings are (`kalshi.md` §3).
    pub async fn user_data_timestamp(&self) -> Result<Time, CallError> {
        let path = "/exchange/user_data_timestamp";
        let answer: UserDataTimestamp = self.json(&Ask::get(path, path)).await?;
        time(None, Some(&answer.as_of_time))
            .ok_or_else(|| CallError::Unclear { why: format!("GET {path}: {:.40} is no time", answer.as_of_time) })
    }

    pub async fn api_keys(&self) -> Result<ApiKeys, CallError> {
        self.json(&Ask::get("/api_keys", "/api_keys")).await
    }

    pub async fn limits(&self) -> Result<WireLimits, CallError> {
        self.json(&Ask::get("/account/limits", "/account/limits")).await
    }

    pub async fn endpoint_costs(&self) -> Result<Costs, CallError> {
        self.json(&Ask::get("/account/endpoint_costs", "/account/endpoint_costs")).await
    }

    /// Reads the account's limits and the venue's prices, and keeps to them from now on.
    pub async fn learn_limits(&self) -> Result<WireLimits, CallError> {
        let limits = self.limits().await?;
        self.budget().set_limits(Limits { read: limit(limits.read), write: limit(limits.write) });
        let costs = self.endpoint_costs().await?;
        let mut table = CostTable::new(costs.default_cost.0);
        for row in costs.endpoint_costs.iter().flatten() {
            table.set(&row.method, &row.path, row.cost.0);
        }
        self.set_costs(table);
        Ok(limits)
    }
}

fn limit(bucket: Bucket) -> Limit {
    Limit { per_second: bucket.refill_rate.0.max(1), capacity: bucket.bucket_capacity.0.max(1) }
}

fn absent_is_empty(listed: Result<Vec<Transfer>, Incomplete>) -> Result<Vec<Transfer>, Incomplete> {
    match listed {
        Err(Incomplete::Broken { error, .. }) if matches!(error.status(), Some(403 | 404 | 405 | 501)) => Ok(Vec::new()),
        other => other,
    }
}

/// The venue counts in seconds; earlier is safe. The beginning of time asks for everything.
pub(super) fn seconds(since: Time) -> Option<i64> {
    let seconds = since.ms().div_euclid(1_000);
    (seconds > 0).then_some(seconds)
}
