//! The ground truth: what really happened at the venue, without lags and faults.

use serde_json::{Map, Value, json};

use super::super::core::Core;
use super::super::payload::Payload;
use super::super::trades::Trade;
use crate::domain::money::Usd;
use crate::exchange::ids::AccountNo;
use crate::exchange::requests::Requests;

/// Everything about one account.
pub fn truth(core: &Core, requests: &Requests, account: AccountNo) -> Value {
    json!({
        "account": core.account(account).name,
        "wallet": core.account(account).wallet,
        "orders": orders(core, account),
        "trades": trades(core, account),
        "positions": positions(core, account),
        "cash": cash(core, account),
        "creates": creates(core, requests),
        "refused": requests.json(true),
    })
}

/// How often each order was sent, by its hash; what can't be read is left out.
pub fn creates(core: &Core, requests: &Requests) -> Value {
    let id = |row: &Value| {
        let payload = Payload::read(row)?;
        let market = core.token_called(&payload.token)?.market;
        let domain = core.domain(market);
        Some(super::super::eip712::hex(&payload.fields.order_id(&domain)))
    };
    json!(requests.creates(|body| match body {
        Value::Array(rows) => rows.iter().filter_map(id).collect(),
        row => id(row).into_iter().collect(),
    }))
}

/// Orders by their id, each with its fills.
pub fn orders(core: &Core, account: AccountNo) -> Value {
    let mut rows = Map::new();
    for no in &core.account(account).orders {
        let order = core.order(*no);
        let mut row = core.order_json(order, &order.view);
        let legs = order.view.trades.iter().map(|trade| &core.trades[*trade]).flat_map(|trade| {
            let own = trade.legs.iter().enumerate().filter(|(_, leg)| leg.order == *no);
            own.map(move |(at, leg)| {
                json!({
                    "trade_id": trade.id, "status": trade.view.status.as_str(), "price": leg.price.to_string(),
                    "quantity": leg.quantity.to_string(), "fee": leg.fee.to_string(), "liquidity": if at == 0 { "taker" } else { "maker" },
                })
            })
        });
        row["fills"] = legs.collect::<Vec<_>>().into();
        row["token"] = row["asset_id"].clone();
        row["left"] = order.view.left.to_string().into();
        row["source"] = order.new.source.as_str().into();
        rows.insert(order.new.id.clone(), row);
    }
    Value::Object(rows)
}

pub fn trades(core: &Core, account: AccountNo) -> Value {
    let row = |trade: &Trade| (trade.id.to_string(), core.trade_json(trade, &trade.view, &[account]));
    Value::Object(core.trades_of(&[account]).into_iter().map(|index| row(&core.trades[index])).collect())
}

/// Tokens by id: settled, and as if every trade under way were confirmed.
pub fn positions(core: &Core, account: AccountNo) -> Value {
    let owner = core.account(account);
    let mut tokens: Vec<_> = owner.settled.tokens.keys().chain(owner.coming.tokens.keys()).chain(owner.leaving.tokens.keys()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    let row = |token: &super::super::account::Token| {
        let id = core.market(token.market).token_id(token.outcome).to_owned();
        let (settled, matched) = (owner.settled.of(*token), owner.matched_shares(*token));
        (id, json!({ "settled": settled.to_string(), "matched": matched.to_string(), "held": owner.held.of(*token).to_string() }))
    };
    Value::Object(tokens.into_iter().map(row).collect())
}

/// pUSD: settled, as if every trade under way were confirmed, and what open orders hold of it.
pub fn cash(core: &Core, account: AccountNo) -> Value {
    let owner = core.account(account);
    let legs = core.trades_of(&[account]).into_iter().flat_map(|index| &core.trades[index].legs);
    let fees: Usd = legs.filter(|leg| leg.account == account).map(|leg| leg.fee).sum();
    json!({
        "settled": owner.settled.cash.to_string(), "matched": owner.matched_cash().to_string(), "held": owner.held.cash.to_string(),
        "available": owner.free_cash().to_string(), "fees": fees.to_string(),
    })
}
