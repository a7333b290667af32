//! How Kalshi says what goes wrong, and what its calls are called.

use super::notices::Channel;
use super::refusal::Refusal;
use crate::exchange::faults::{Dialect, Fault};

pub const DIALECT: Dialect = Dialect {
    calls: &[
        "create",
        "cancel",
        "amend",
        "decrease",
        "batch_create",
        "batch_cancel",
        "cancel_all",
        "order",
        "orders",
        "queue",
        "fills",
        "positions",
        "balance",
        "settlements",
        "deposits",
        "withdrawals",
        "resting_value",
        "market",
        "markets",
        "orderbook",
        "orderbooks",
        "trades",
        "series",
        "fee_changes",
        "event",
        "event_fee_changes",
        "exchange",
        "account",
        "groups",
        "historical",
        "api_keys",
        "reads",
        "writes",
    ],
    channels: &Channel::NAMES,
    more: &[],
    without: &[],
    server_error: r#"{"error":{"code":"internal_server_error","message":"internal server error"}}"#,
    broken: r#"{"order_id":"#,
    too_many_requests: r#"{"error":"too many requests"}"#,
    refused,
};

fn refused(fault: &Fault) -> (u16, String) {
    let code = fault.code.as_deref().unwrap_or("order_already_exists");
    let refusal = Refusal::nested(fault.status.unwrap_or(409), code, fault.details.as_deref());
    (refusal.status, refusal.body)
}
