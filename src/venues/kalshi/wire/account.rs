//! Balances, positions, settlements, transfers, keys, limits.

use serde::Deserialize;

use super::number::{Cents, Num, Signed};
use super::{list, page};
use crate::domain::money::Usd;

#[derive(Clone, Debug, Deserialize)]
pub struct Balance {
    /// Exact; the integer beside it is cut off to cents.
    pub balance_dollars: Num<Usd>,
    #[serde(default)]
    pub balance_breakdown: Option<Vec<ShardBalance>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ShardBalance {
    pub exchange_index: Num<u32>,
    pub balance: Num<Usd>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Position {
    pub ticker: String,
    pub position_fp: Num<Signed>,
    pub market_exposure_dollars: Num<Usd>,
}

page!(Positions, market_positions, Position, |position| position.ticker.clone());

#[derive(Clone, Debug, Deserialize)]
pub struct Settlement {
    pub ticker: String,
    pub market_result: String,
    pub revenue: Num<Cents>,
    /// Of one YES contract.
    pub value: Option<Num<Cents>>,
    /// What the holding had cost, by outcome.
    pub yes_total_cost_dollars: Option<Num<Usd>>,
    pub no_total_cost_dollars: Option<Num<Usd>>,
    pub fee_cost: Num<Usd>,
    pub settled_time: String,
}

page!(Settlements, settlements, Settlement, |settlement| format!("{} {}", settlement.ticker, settlement.settled_time));

#[derive(Clone, Debug, Deserialize)]
pub struct Transfer {
    pub id: String,
    /// `applied` is in the balance.
    pub status: String,
    pub amount_cents: Num<Cents>,
    pub fee_cents: Option<Num<Cents>>,
    /// Seconds.
    pub created_ts: Num<i64>,
    pub finalized_ts: Option<Num<i64>>,
}

page!(Deposits, deposits, Transfer, |transfer| transfer.id.clone());
page!(Withdrawals, withdrawals, Transfer, |transfer| transfer.id.clone());

#[derive(Clone, Debug, Deserialize)]
pub struct ApiKey {
    pub api_key_id: String,
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    pub subaccount: Option<Num<u32>>,
}

#[derive(Debug, Deserialize)]
pub struct ApiKeys {
    #[serde(deserialize_with = "list")]
    pub api_keys: Vec<ApiKey>,
    /// Seconds; after it Sports, Elections and Entertainment are closed to keys.
    pub api_key_region_expiration_ts: Option<Num<i64>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    pub usage_tier: Option<String>,
    pub read: Bucket,
    pub write: Bucket,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Bucket {
    pub refill_rate: Num<u32>,
    pub bucket_capacity: Num<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Costs {
    pub default_cost: Num<u32>,
    #[serde(default)]
    pub endpoint_costs: Option<Vec<EndpointCost>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EndpointCost {
    pub method: String,
    pub path: String,
    pub cost: Num<u32>,
}
