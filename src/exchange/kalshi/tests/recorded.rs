//! Replies beside recorded ones: every recorded field is there in the same JSON type, but for those that are gone since.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::rig::{Rig, TICKER, ioc, resting};

/// Fields that left the wire after the recordings (`kalshi.md` §9), and those that only some markets have.
const GONE: [&str; 10] = [
    "service",
    "fractional_trading_enabled",
    "liquidity_dollars",
    "custom_strike",
    "floor_strike",
    "cap_strike",
    "primary_participant_key",
    "is_provisional",
    "mve_collection_ticker",
    "mve_selected_legs",
];

/// Where the recordings of others lie.
pub fn kalshi_folder() -> PathBuf {
    let shared = std::env::var("ARBEES_SHARED").map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    // A worktree lies one floor deeper.
    let deeper = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = if shared.is_dir() { shared } else { deeper };
    shared.join("protocols/kalshi")
}

fn recorded(name: &str) -> Option<Value> {
    let path = kalshi_folder().join("recorded_demo").join(format!("{name}.json"));
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("a recording is JSON")),
        Err(error) => {
            eprintln!("SKIPPED: {}: {error}; set ARBEES_SHARED to the shared folder", path.display());
            None
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the recording has and the reply lacks or has otherwise.
fn lacks(at: &str, recording: &Value, reply: &Value, found: &mut Vec<String>) {
    if kind(recording) != kind(reply) {
        found.push(format!("{at}: recorded {}, replied {}", kind(recording), kind(reply)));
        return;
    }
    match (recording, reply) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (name, value) in wanted.iter().filter(|(name, _)| !GONE.contains(&name.as_str())) {
                match there.get(name) {
                    Some(got) => lacks(&format!("{at}.{name}"), value, got, found),
                    None => found.push(format!("{at}.{name}: absent")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            if let (Some(wanted), Some(there)) = (wanted.first(), there.first()) {
                lacks(&format!("{at}[0]"), wanted, there, found);
            }
        }
        _ => {}
    }
}

fn check(name: &str, reply: (u16, Value), status: u16) {
    let Some(recording) = recorded(name) else { return };
    let mut found = Vec::new();
    lacks(name, &recording, &reply.1, &mut found);
    assert!(found.is_empty() && reply.0 == status, "{} {found:#?}\n{}", reply.0, reply.1);
}

#[tokio::test]
async fn replies_have_the_recorded_fields_and_types() {
    let rig = Rig::start().await;
    check("orders__create_v2_taker_ioc", rig.create(ioc("taker", "bid", "0.99", "1")).await, 201);
    let made = rig.create(resting("maker", "bid", "0.01", "1")).await;
    let id = made.1["order_id"].as_str().expect("id").to_owned();
    check("orders__create_v2_maker", made, 201);
    check("orders__duplicate_client_order_id", rig.create(resting("maker", "bid", "0.01", "1")).await, 409);
    check("orders__get_after_create", rig.get(&format!("/portfolio/orders/{id}")).await, 200);
    check("orders__cancel_v2", rig.cancel(&id).await, 200);
    check("orders__cancel_already_canceled", rig.cancel(&id).await, 404);
    check("orders__insufficient_balance", rig.create(resting("much", "bid", "0.99", "10099")).await, 400);
    check("orders__invalid_price_structure", rig.create(resting("off", "bid", "0.5150", "1")).await, 400);
    check("portfolio__orders_list", rig.get("/portfolio/orders").await, 200);
    check("portfolio__positions", rig.get("/portfolio/positions").await, 200);
    check("settlements__page", rig.get("/portfolio/settlements").await, 200);
    check("auth__balance_ok", rig.get("/portfolio/balance").await, 200);
    check("markets__single", rig.get(&format!("/markets/{TICKER}")).await, 200);
    check("markets__limit_over_max", rig.get("/markets?limit=1001").await, 400);
    check("markets__status_open", rig.get("/markets?status=open").await, 200);
    check("orderbook__base", rig.get(&format!("/markets/{TICKER}/orderbook")).await, 200);
    check("trades__public_recorded", rig.get("/markets/trades").await, 200);
    check("series__fee_changes", rig.get("/series/fee_changes").await, 200);
    check("exchange__status", rig.get("/exchange/status").await, 200);
    check("account__limits", rig.get("/account/limits").await, 200);
    check("account__endpoint_costs", rig.get("/account/endpoint_costs").await, 200);
    rig.admin(&format!("markets/{TICKER}/settle"), json!({ "result": "no" })).await;
    check("markets__status_settled", rig.get("/markets?status=settled").await, 200);
}

/// What the official TypeScript client sends is taken: every call that is played answers something else than "no such call".
#[tokio::test]
async fn requests_of_the_official_client_reach_their_calls() {
    let path = kalshi_folder().join("requests_ts_sdk_3.30.0.jsonl");
    let Ok(rows) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {}", path.display());
        return;
    };
    let rig = Rig::start().await;
    for row in rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("JSON")) {
        let method = Method::from_bytes(row["method"].as_str().expect("method").as_bytes()).expect("method");
        let target = row["raw_target"].as_str().expect("target").strip_prefix("/trade-api/v2").expect("root");
        let body = Some(row["body_json"].clone()).filter(|body| !body.is_null());
        let (status, reply) = rig.call(method, target, body).await;
        assert!(reply != json!("404 page not found") && ![400, 405, 410, 500].contains(&status), "{row} {status} {reply}");
    }
}
