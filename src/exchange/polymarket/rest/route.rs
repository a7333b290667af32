//! Which call a method and a path are, and who may make it.

use super::{Answer, Cx, GAMMA};

/// One call of the API.
#[derive(Clone, Copy)]
pub struct Call {
    /// The name under which faults find it.
    pub name: &'static str,
    pub scope: Scope,
    pub run: fn(&mut Cx) -> Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Public,
    /// L1.
    Wallet,
    /// L2.
    Read,
    Write,
}

impl Scope {
    pub fn is_write(self) -> bool {
        self == Self::Write
    }
}

/// The call, and the id in its path.
pub fn find<'p>(method: &str, path: &'p str) -> Option<(Call, &'p str)> {
    if let Some(inside) = path.strip_prefix(GAMMA) {
        return gamma(method, inside);
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let id = parts.last().copied().unwrap_or_default();
    let found = match method {
        "GET" => reading(&parts),
        _ => writing(method, &parts),
    };
    found.map(|call| (call, id))
}

fn call(name: &'static str, scope: Scope, run: fn(&mut Cx) -> Answer) -> Option<Call> {
    Some(Call { name, scope, run })
}

fn reading(parts: &[&str]) -> Option<Call> {
    let public = |name, run| call(name, Scope::Public, run);
    let read = |name, run| call(name, Scope::Read, run);
    match parts {
        ["auth", "derive-api-key"] => call("api_keys", Scope::Wallet, |cx| cx.derive_key()),
        ["auth", "api-keys"] => read("api_keys", |cx| cx.list_keys()),
        ["auth", "ban-status", "closed-only"] => read("closed_only", |cx| cx.closed_only()),
        ["data", "order", _] => read("order", |cx| cx.get_order()),
        ["data", "orders"] => read("orders", |cx| cx.list_orders()),
        ["data", "trades"] => read("trades", |cx| cx.list_trades()),
        ["balance-allowance"] => read("balance", |cx| cx.balance()),
        ["balance-allowance", "update"] => read("balance_update", |cx| cx.balance_update()),
        ["notifications"] => read("notifications", |_| Ok((200, serde_json::json!([])))),
        ["book"] => public("book", |cx| cx.book()),
        ["tick-size"] => public("tick_size", |cx| cx.tick_size()),
        ["neg-risk"] => public("neg_risk", |cx| cx.neg_risk()),
        ["midpoint"] => public("midpoint", |cx| cx.midpoint()),
        ["price"] => public("price", |cx| cx.price()),
        ["spread"] => public("spread", |cx| cx.spread()),
        ["last-trade-price"] => public("price", |cx| cx.last_trade_price()),
        ["fee-rate"] => public("fee_rate", |_| Ok((200, serde_json::json!({ "base_fee": 0 })))),
        ["markets-by-token", _] => public("market_by_token", |cx| cx.market_by_token()),
        ["clob-markets", _] => public("clob_market", |cx| cx.clob_market()),
        ["markets", _] => public("market", |cx| cx.market()),
        ["version"] => public("version", |cx| cx.version()),
        ["time"] => public("time", |cx| cx.time()),
        ["ok" | ""] => public("ok", |_| Ok((200, "OK".into()))),
        ["v2", "positions"] => public("positions", |cx| cx.positions()),
        ["api", "geoblock"] => {
            public("geoblock", |_| Ok((200, serde_json::json!({ "blocked": false, "ip": "127.0.0.1", "country": "IE", "region": "L" }))))
        }
        _ => None,
    }
}

fn writing(method: &str, parts: &[&str]) -> Option<Call> {
    let write = |name, run| call(name, Scope::Write, run);
    match (method, parts) {
        ("POST", ["auth", "api-key"]) => call("api_keys", Scope::Wallet, |cx| cx.create_key()),
        ("DELETE", ["auth", "api-key"]) => call("api_keys", Scope::Read, |cx| cx.delete_key()),
        ("POST", ["order"]) => write("create", |cx| cx.create()),
        ("POST", ["orders"]) => write("batch_create", |cx| cx.batch_create()),
        ("DELETE", ["order"]) => write("cancel", |cx| cx.cancel()),
        ("DELETE", ["orders"]) => write("batch_cancel", |cx| cx.batch_cancel()),
        ("DELETE", ["cancel-all"]) => write("cancel_all", |cx| cx.cancel_all()),
        ("DELETE", ["cancel-market-orders"]) => write("cancel_market", |cx| cx.cancel_market()),
        ("POST", ["v1", "heartbeats"] | ["heartbeats"]) => write("heartbeat", |cx| cx.heartbeat()),
        ("POST", ["books"]) => call("books", Scope::Public, |cx| cx.books()),
        _ => None,
    }
}

fn gamma<'p>(method: &str, inside: &'p str) -> Option<(Call, &'p str)> {
    let parts: Vec<&'p str> = inside.trim_matches('/').split('/').collect();
    let id = parts.last().copied().unwrap_or_default();
    let found = match (method, &parts[..]) {
        ("GET", ["markets"]) => call("gamma", Scope::Public, |cx| cx.gamma_markets()),
        ("GET", ["markets", "keyset"]) => call("gamma", Scope::Public, |cx| cx.gamma_keyset()),
        ("GET", ["markets", "slug", _]) => call("gamma", Scope::Public, |cx| cx.gamma_slug()),
        _ => None,
    };
    found.map(|call| (call, id))
}
