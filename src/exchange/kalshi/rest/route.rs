//! Which call a method and a path are, what it costs, and who may make it.

use super::super::refusal::Refusal;
use super::{Answer, Cx};

/// Tokens of a call that isn't listed.
pub const COST_DEFAULT: i64 = 10;

/// The exceptions (`kalshi.md` §6, and the recorded list where it still holds).
pub const COSTS: [(&str, &str, i64); 5] = [
    ("DELETE", "/portfolio/events/orders", 2),
    ("DELETE", "/portfolio/events/orders/:order_id", 2),
    ("DELETE", "/portfolio/events/orders/batched", 2),
    ("GET", "/portfolio/orders/:order_id", 2),
    ("POST", "/account/api_usage_level/upgrade", 30),
];

/// One call of the API.
#[derive(Clone, Copy)]
pub struct Call {
    /// The name under which faults find it.
    pub name: &'static str,
    pub scope: Scope,
    pub cost: i64,
    pub run: fn(&mut Cx) -> Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Public,
    Read,
    Trade,
}

impl Scope {
    pub fn is_write(self) -> bool {
        self == Self::Trade
    }
}

fn call(name: &'static str, scope: Scope, run: fn(&mut Cx) -> Answer) -> Option<Call> {
    let cost = match name {
        "cancel" | "batch_cancel" | "cancel_all" | "order" => 2,
        _ => COST_DEFAULT,
    };
    Some(Call { name, scope, cost, run })
}

fn public(name: &'static str, run: fn(&mut Cx) -> Answer) -> Option<Call> {
    call(name, Scope::Public, run)
}

fn read(name: &'static str, run: fn(&mut Cx) -> Answer) -> Option<Call> {
    call(name, Scope::Read, run)
}

fn write(name: &'static str, run: fn(&mut Cx) -> Answer) -> Option<Call> {
    call(name, Scope::Trade, run)
}

/// The call, and the id in its path. `path` begins after `/trade-api/v2`.
pub fn find<'p>(method: &str, path: &'p str) -> Option<(Call, &'p str)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let id = parts.get(match parts[..] {
        ["portfolio", "events", "orders", ..] => 3,
        ["portfolio", _, ..] => 2,
        _ => 1,
    });
    let found = match (method, parts[0]) {
        ("GET", "portfolio") => portfolio_read(&parts),
        (_, "portfolio") => portfolio_write(method, &parts),
        ("GET", _) => other_read(&parts),
        _ => None,
    };
    found.map(|call| (call, id.copied().unwrap_or_default()))
}

fn portfolio_read(parts: &[&str]) -> Option<Call> {
    match parts[1..] {
        ["orders"] => read("orders", |cx| cx.list_orders()),
        ["orders", "queue_positions"] => read("queue", |cx| cx.queue_positions()),
        ["orders", _] => read("order", |cx| cx.get_order()),
        ["orders", _, "queue_position"] => read("queue", |cx| cx.queue_position()),
        ["fills"] => read("fills", |cx| cx.fills()),
        ["positions"] => read("positions", |cx| cx.positions()),
        ["balance"] => read("balance", |cx| cx.balance()),
        ["settlements"] => read("settlements", |cx| cx.settlements()),
        ["deposits"] => read("deposits", |cx| cx.moves(true)),
        ["withdrawals"] => read("withdrawals", |cx| cx.moves(false)),
        ["summary", "total_resting_order_value"] => read("resting_value", |cx| cx.resting_value()),
        ["order_groups"] => read("groups", |cx| cx.list_groups()),
        ["order_groups", _] => read("groups", |cx| cx.get_group()),
        _ => None,
    }
}

fn portfolio_write(method: &str, parts: &[&str]) -> Option<Call> {
    match (method, &parts[1..]) {
        ("POST", ["events", "orders"]) => write("create", |cx| cx.create()),
        ("POST", ["events", "orders", "batched"]) => write("batch_create", |cx| cx.batch_create()),
        ("DELETE", ["events", "orders", "batched"]) => write("batch_cancel", |cx| cx.batch_cancel()),
        // What the venue makes of an empty id is unknown; the worse reading is a cancel-all (`kalshi.md` P1).
        ("DELETE", ["events", "orders"] | ["events", "orders", ""]) => write("cancel_all", |cx| cx.cancel_all()),
        ("DELETE", ["events", "orders", _]) => write("cancel", |cx| cx.cancel()),
        ("POST", ["events", "orders", _, "amend"]) => write("amend", |cx| cx.amend()),
        ("POST", ["events", "orders", _, "decrease"]) => write("decrease", |cx| cx.decrease()),
        ("POST" | "DELETE", ["orders", ..]) => write("create", |_| Err(Refusal::deprecated_v1())),
        ("POST", ["order_groups", "create"]) => write("groups", |cx| cx.create_group()),
        ("DELETE", ["order_groups", _]) => write("groups", |cx| cx.delete_group()),
        ("PUT", ["order_groups", _, "reset"]) => write("groups", |cx| cx.reset_group()),
        ("PUT", ["order_groups", _, "trigger"]) => write("groups", |cx| cx.trigger_group()),
        ("PUT", ["order_groups", _, "limit"]) => write("groups", |cx| cx.limit_group()),
        _ => None,
    }
}

fn other_read(parts: &[&str]) -> Option<Call> {
    match parts {
        ["markets"] => public("markets", |cx| cx.markets()),
        ["markets", "orderbooks"] => public("orderbooks", |cx| cx.orderbooks()),
        ["markets", "trades"] => public("trades", |cx| cx.trades()),
        ["markets", _] => public("market", |cx| cx.market()),
        ["markets", _, "orderbook"] => public("orderbook", |cx| cx.orderbook()),
        ["series"] => public("series", |cx| cx.series_list()),
        ["series", "fee_changes"] => public("fee_changes", |cx| cx.fee_changes()),
        ["series", _] => public("series", |cx| cx.series()),
        ["events", "fee_changes"] => public("event_fee_changes", |cx| cx.event_fee_changes()),
        ["events", _] => public("event", |cx| cx.event()),
        ["exchange", "status"] => public("exchange", |cx| cx.status()),
        ["exchange", "schedule"] => public("exchange", |cx| cx.schedule()),
        ["exchange", "user_data_timestamp"] => public("exchange", |cx| cx.user_data_timestamp()),
        ["account", "limits"] => read("account", |cx| cx.limits()),
        ["account", "endpoint_costs"] => public("account", |cx| cx.endpoint_costs()),
        ["api_keys"] => read("api_keys", |cx| cx.api_keys()),
        ["historical", "cutoff"] => public("historical", |cx| cx.cutoff()),
        ["historical", "orders"] => read("historical", |cx| cx.nothing_historical("orders")),
        ["historical", "fills"] => read("historical", |cx| cx.nothing_historical("fills")),
        _ => None,
    }
}
