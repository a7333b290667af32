//! Who gets in: signatures, clocks, scopes, rates.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::auth::PublicKey;
use super::rig::{KEY, Rig, options, resting};
use crate::exchange::kalshi::{Limits, Options};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

async fn with(rig: &Rig, headers: &[(&str, String)]) -> (u16, Value) {
    let mut request = rig.http.get(format!("{}/portfolio/balance", rig.running.api_url()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.expect("a reply");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn four_refusals_of_a_signature_are_as_recorded() {
    let rig = Rig::start().await;
    let path = "/trade-api/v2/portfolio/balance";
    let good = rig.signed("GET", path, 0);
    assert_eq!(with(&rig, &good).await.0, 200);
    let refused = |error: Value| (401, json!({ "error": error }));
    let missing = refused(json!({ "code": "signature_is_missing_from_headers", "message": "signature is missing from headers" }));
    assert_eq!(with(&rig, &good[..2]).await, missing);
    let expired = refused(json!({ "code": "header_timestamp_expired", "message": "header timestamp expired" }));
    assert_eq!(with(&rig, &rig.signed("GET", path, -31_000)).await, expired);
    assert_eq!(with(&rig, &rig.signed("GET", path, 60_000)).await, expired);
    assert_eq!(with(&rig, &rig.signed("GET", path, -10_000)).await.0, 200);
    let other = |details: &str| refused(json!({ "code": "authentication_error", "message": "authentication_error", "details": details }));
    assert_eq!(with(&rig, &rig.signed("GET", "/portfolio/balance", 0)).await, other("INCORRECT_API_KEY_SIGNATURE"));
    let mut stranger = rig.signed("GET", path, 0);
    stranger[0].1 = "00000000-0000-0000-0000-000000000000".into();
    assert_eq!(with(&rig, &stranger).await, other("NOT_FOUND"));
    rig.admin("keys", json!({ "key": KEY, "revoked": true })).await;
    assert_eq!(with(&rig, &rig.signed("GET", path, 0)).await, other("NOT_FOUND"));
}

#[tokio::test]
async fn a_key_that_only_reads_may_not_trade() {
    let rig = Rig::start().await;
    rig.admin("keys", json!({ "key": KEY, "scopes": ["read"] })).await;
    assert_eq!(rig.create(resting("c1", "bid", "0.01", "1")).await.0, 403);
    assert_eq!(rig.get("/portfolio/orders").await.0, 200);
    rig.admin("keys", json!({ "key": KEY, "scopes": ["write::trade"] })).await;
    assert_eq!(rig.create(resting("c1", "bid", "0.01", "1")).await.0, 201);
    assert_eq!(rig.get("/portfolio/orders").await.0, 403);
}

#[tokio::test]
async fn an_expired_attestation_ends_sports() {
    let rig = Rig::start().await;
    rig.admin("keys", json!({ "region_expires": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(rig.create(resting("c1", "bid", "0.01", "1")).await.0, 403);
    let (_, keys) = rig.get("/api_keys").await;
    assert_eq!((&keys["api_key_region_expiration_ts"], &keys["api_keys"][0]["api_key_id"]), (&json!(1_577_836_800), &json!(KEY)));
}

#[tokio::test]
async fn an_empty_bucket_is_a_429_with_a_bare_string() {
    let rig = Rig::start_with(Options { limits: Limits::BASIC, ..options() }).await;
    let sharded = |number: usize| {
        let mut order = resting(&format!("c{number}"), "bid", "0.01", "1");
        order["exchange_index"] = json!(0);
        order
    };
    let mut refused = None;
    for number in 0..40 {
        let reply = rig.create(sharded(number)).await;
        if reply.0 != 201 {
            refused = Some((number, reply));
            break;
        }
    }
    let (number, reply) = refused.expect("ten creates a second and no more");
    assert!(number >= 10);
    assert_eq!(reply, (429, json!({ "error": "too many requests" })));
    assert!(rig.truth().await["orders"].get(format!("c{number}")).is_none());
    assert_eq!(rig.get("/account/limits").await.1["write"], json!({ "refill_rate": 100, "bucket_capacity": 100 }));
    assert_eq!(rig.get("/account/endpoint_costs").await.1["default_cost"], json!(10));
}

#[tokio::test]
async fn markets_need_no_signature() {
    let rig = Rig::start().await;
    let response = rig.http.get(format!("{}/markets", rig.running.api_url())).send().await.expect("a reply");
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(rig.call(Method::GET, "/no/such/call", None).await.0, 404);
}

/// Signatures that the official SDKs made, verified by the double.
#[test]
fn signatures_of_the_official_clients_verify() {
    let folder = super::recorded::kalshi_folder();
    let Ok(rows) = std::fs::read_to_string(folder.join("signing_vectors.jsonl")) else {
        eprintln!("SKIPPED: no signing_vectors.jsonl in {}", folder.display());
        return;
    };
    let key = |name: &str| PublicKey::from_pem(&std::fs::read_to_string(folder.join("test_keys").join(name)).expect(name)).expect(name);
    let (rsa, ed25519) = (key("rsa2048_pub_spki.pem"), key("ed25519_pub_spki.pem"));
    let mut verified = 0;
    for row in rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("JSON")) {
        let (Some(text), Some(signature)) = (row["string_to_sign"].as_str(), row["signature_b64"].as_str()) else { continue };
        let bytes = STANDARD.decode(signature).expect("base64");
        let key = if bytes.len() == 64 { &ed25519 } else { &rsa };
        assert!(key.verifies(text, &bytes), "{row}");
        assert!(!key.verifies(&format!("{text}x"), &bytes), "{row}");
        verified += 1;
    }
    assert!(verified > 10, "{verified}");
}
