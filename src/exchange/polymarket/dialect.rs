//! How Polymarket says what goes wrong, and what its calls are called here.

use serde_json::json;

use super::notices::CHANNELS;
use crate::exchange::faults::{Dialect, Fault, Kind};

pub const DIALECT: Dialect = Dialect {
    calls: &[
        "create",
        "batch_create",
        "cancel",
        "batch_cancel",
        "cancel_all",
        "cancel_market",
        "heartbeat",
        "order",
        "orders",
        "trades",
        "book",
        "books",
        "tick_size",
        "neg_risk",
        "midpoint",
        "price",
        "spread",
        "fee_rate",
        "market_by_token",
        "clob_market",
        "market",
        "balance",
        "balance_update",
        "closed_only",
        "notifications",
        "version",
        "time",
        "ok",
        "api_keys",
        "gamma",
        "positions",
        "geoblock",
        "reads",
        "writes",
    ],
    channels: &CHANNELS,
    more: &[Kind::Delayed, Kind::SuccessFalse, Kind::SuccessButEmptyId, Kind::TradeHold, Kind::TradeRetry, Kind::TradeFail],
    // Frames carry no numbers that could have a gap.
    without: &[Kind::WsGap],
    server_error: r#"{"error":"Internal Server Error"}"#,
    broken: r#"{"success":true,"orderID":"0x"#,
    too_many_requests: r#"{"error":"Too Many Requests"}"#,
    refused,
};

/// The words are `details`, or `code`.
fn refused(fault: &Fault) -> (u16, String) {
    let text = fault.details.as_deref().or(fault.code.as_deref()).unwrap_or("invalid signature");
    (fault.status.unwrap_or(400), json!({ "error": text }).to_string())
}
