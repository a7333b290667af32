//! The ground truth: what really happened at the venue, without lags and faults.

use serde_json::{Map, Value, json};

use super::super::core::Core;
use super::super::wire::{count, dollars};
use crate::domain::money::Usd;
use crate::exchange::ids::AccountNo;
use crate::exchange::requests::Requests;

/// Everything about one account.
pub fn truth(core: &Core, requests: &Requests, account: AccountNo) -> Value {
    json!({
        "account": core.account(account).name,
        "orders": orders(core, account),
        "positions": positions(core, account),
        "cash": cash(core, account),
        "settlements": settlements(core, account),
        "creates": creates(requests),
        "refused": requests.json(true),
    })
}

/// How often each client order id was sent.
pub fn creates(requests: &Requests) -> Value {
    let ids = |body: &Value| {
        let rows = body["orders"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
        rows.iter().filter_map(|row| row["client_order_id"].as_str().map(str::to_owned)).collect()
    };
    json!(requests.creates(ids))
}

/// Orders by client order id, each with its fills.
pub fn orders(core: &Core, account: AccountNo) -> Value {
    let owner = core.account(account);
    let mut rows = Map::new();
    for no in &owner.orders {
        let order = core.order(*no);
        let mut row = core.order_json(order, &order.view);
        let fills: Vec<Value> = owner.fills.iter().filter(|fill| fill.order == *no).map(|fill| core.fill_json(fill)).collect();
        row["fills"] = fills.into();
        row["source"] = order.source.as_str().into();
        row["last_update_reason"] = order.view.reason.map_or(Value::Null, |reason| format!("{reason:?}").into());
        rows.insert(order.view.client_id.clone(), row);
    }
    Value::Object(rows)
}

pub fn positions(core: &Core, account: AccountNo) -> Value {
    let row = |(no, position): (&crate::exchange::ids::MarketNo, &super::super::account::Position)| {
        let row = json!({
            "position": count(position.signed), "cost": dollars(position.cost), "realized": dollars(position.realized),
            "fees": dollars(position.fees), "traded": count(position.traded_contracts),
        });
        (core.market(*no).ticker.clone(), row)
    };
    Value::Object(core.account(account).positions.iter().map(row).collect())
}

/// Cash, what resting orders hold of it, and what is free, to the millionth of a dollar.
pub fn cash(core: &Core, account: AccountNo) -> Value {
    let owner = core.account(account);
    let shard = |(shard, usd): (&u32, &Usd)| {
        let free = core.available(account, *shard);
        (shard.to_string(), json!({ "cash": dollars(*usd), "held": dollars(*usd - free), "available": dollars(free) }))
    };
    let (total, held): (Usd, Usd) = (owner.cash.values().copied().sum(), owner.held.values().copied().sum());
    json!({
        "cash": dollars(total), "held": dollars(held), "available": dollars(total - held),
        "shards": Value::Object(owner.cash.iter().map(shard).collect()),
    })
}

fn settlements(core: &Core, account: AccountNo) -> Value {
    let row = |settled: &super::super::account::Settled| {
        json!({
            "ticker": core.market(settled.market).ticker, "position": count(settled.before.signed),
            "revenue": dollars(settled.revenue), "result": format!("{:?}", settled.result),
        })
    };
    core.account(account).settlements.iter().map(row).collect()
}
