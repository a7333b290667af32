//! Each fault over a real connection, beside what really happened.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::rig::{Rig, SLUG};

async fn exists(rig: &Rig, cents: u64) -> bool {
    let price = crate::domain::money::Price::from_micros(i64::try_from(cents).expect("cents") * 10_000).to_string();
    let truth = rig.truth().await;
    truth["orders"].as_object().expect("orders").values().any(|order| order["price"] == json!(price))
}

async fn fails(rig: &Rig, cents: u64) -> reqwest::Error {
    let body = rig.order(&rig.buy(cents, 5));
    let request = rig.request(Method::POST, "/order", Some(&body)).timeout(Duration::from_millis(400));
    match request.send().await {
        Err(error) => error,
        Ok(response) => response.bytes().await.expect_err("no whole reply"),
    }
}

#[tokio::test]
async fn no_reply_hangs_or_resets_with_or_without_the_order() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "no_reply", "call": "create", "count": 1, "market": SLUG })).await;
    assert!(fails(&rig, 11).await.is_timeout());
    assert!(exists(&rig, 11).await);
    rig.fault(json!({ "kind": "no_reply", "call": "create", "count": 1, "how": "reset", "processed": false })).await;
    assert!(!fails(&rig, 12).await.is_timeout());
    assert!(!exists(&rig, 12).await);
    rig.fault(json!({ "kind": "truncated", "call": "create", "count": 1 })).await;
    fails(&rig, 13).await;
    assert!(exists(&rig, 13).await);
    rig.fault(json!({ "kind": "late_request", "call": "create", "count": 1, "ms": 600 })).await;
    assert!(fails(&rig, 14).await.is_timeout());
    assert!(!exists(&rig, 14).await);
    rig.truth_when("arrived", |truth| truth["orders"].to_string().contains("0.14")).await;
}

#[tokio::test]
async fn wrong_replies_say_nothing_about_the_order() {
    let rig = Rig::start().await;
    let cases = [
        (json!({ "kind": "status", "status": 503 }), 503, false),
        (json!({ "kind": "status", "status": 500, "processed": true }), 500, true),
        (json!({ "kind": "html" }), 502, false),
        (json!({ "kind": "too_many_requests" }), 429, false),
        (json!({ "kind": "refuse", "details": "order match delayed due to market conditions", "processed": true }), 400, true),
        (json!({ "kind": "broken_json" }), 200, true),
        (json!({ "kind": "empty" }), 200, true),
        (json!({ "kind": "success_false" }), 200, false),
        (json!({ "kind": "success_but_empty_id" }), 200, false),
        (json!({ "kind": "success_but_empty_id", "processed": true }), 200, true),
    ];
    for (cents, (mut fault, status, placed)) in (10_u64..).zip(cases) {
        (fault["call"], fault["count"]) = (json!("create"), json!(1));
        rig.fault(fault.clone()).await;
        let (found, reply) = rig.create(rig.buy(cents, 5)).await;
        assert_eq!(found, status, "{fault}");
        assert_eq!(exists(&rig, cents).await, placed, "{fault}");
        if fault["kind"] == "success_but_empty_id" {
            assert_eq!((&reply["success"], &reply["orderID"]), (&json!(true), &json!("")));
        }
    }
    rig.fault(json!({ "kind": "wrong_echo", "call": "create", "count": 1 })).await;
    let id = rig.create(rig.buy(30, 5)).await.1["orderID"].as_str().expect("id").to_owned();
    assert!(rig.truth().await["orders"].get(&id).is_none() && exists(&rig, 30).await);
}

#[tokio::test]
async fn a_delayed_order_matches_later_or_fails() {
    let rig = Rig::start().await;
    for (processed, status) in [(true, "MATCHED"), (false, "INVALID")] {
        rig.fault(json!({ "kind": "delayed", "call": "create", "count": 1, "ms": 40, "processed": processed })).await;
        let body = rig.create(rig.buy(52, 5)).await.1;
        assert_eq!((&body["status"], &body["tradeIDs"]), (&json!("delayed"), &json!([])));
        let id = body["orderID"].as_str().expect("id").to_owned();
        assert_eq!(rig.get(&format!("/data/order/{id}")).await.1["status"], json!("DELAYED"));
        rig.truth_when(status, |truth| truth["orders"][&id]["status"] == json!(status)).await;
    }
    rig.fault(json!({ "kind": "delayed", "call": "create", "count": 1, "code": "unmatched" })).await;
    assert_eq!(rig.create(rig.buy(40, 5)).await.1["status"], json!("unmatched"));
}

#[tokio::test]
async fn a_cancel_that_races_a_fill_finds_nothing_or_less() {
    let rig = Rig::start().await;
    let id = rig.created(rig.buy(40, 5)).await;
    rig.fault(json!({ "kind": "cancel_fills", "call": "cancel", "count": 1 })).await;
    assert_eq!(rig.cancel(&id).await["not_canceled"][&id], json!("order already matched"));
    let id = rig.created(rig.buy(40, 5)).await;
    rig.fault(json!({ "kind": "cancel_fills", "call": "cancel", "count": 1, "quantity": "2" })).await;
    assert_eq!(rig.cancel(&id).await["canceled"], json!([id]));
    let order = &rig.truth().await["orders"][&id];
    assert_eq!((&order["status"], &order["size_matched"]), (&json!("CANCELED"), &json!("2")));
}

#[tokio::test]
async fn an_order_fills_in_parts_over_time() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "partial_fills", "call": "create", "count": 1, "parts": 3, "ms": 10 })).await;
    let id = rig.created(rig.buy(40, 5)).await;
    let truth = rig.truth_when("filled", |truth| truth["orders"][&id]["status"] == "MATCHED").await;
    let fills = truth["orders"][&id]["fills"].as_array().expect("fills").iter().map(|fill| fill["quantity"].clone());
    assert_eq!(fills.collect::<Vec<_>>(), [json!("1.66"), json!("1.66"), json!("1.68")]);
}

#[tokio::test]
async fn reads_may_be_stale_or_lack_rows() {
    let rig = Rig::start().await;
    let id = rig.created(rig.buy(40, 5)).await;
    rig.fault(json!({ "kind": "stale_read", "call": "order", "count": 1, "ms": 60_000 })).await;
    assert_eq!(rig.get(&format!("/data/order/{id}")).await, (200, Value::Null));
    assert_eq!(rig.get(&format!("/data/order/{id}")).await.1["status"], json!("LIVE"));
    rig.fault(json!({ "kind": "drop_rows", "call": "orders", "count": 1 })).await;
    assert_eq!(rig.get("/data/orders").await.1["data"], json!([]));
    rig.admin("read_lag", json!({ "ms": 60_000 })).await;
    rig.created(rig.buy(52, 5)).await;
    assert_eq!(rig.get("/data/trades").await.1["data"], json!([]));
    rig.truth_when("settled", |truth| truth["positions"][rig.yes()]["settled"] == "5").await;
    let tokens = format!("/balance-allowance?asset_type=CONDITIONAL&token_id={}&signature_type=0", rig.yes());
    assert_eq!(rig.get(&tokens).await.1["balance"], json!("0"));
    rig.admin("read_lag", json!({ "ms": 0 })).await;
    assert_eq!(rig.get(&tokens).await.1["balance"], json!("5000000"));
}

#[tokio::test]
async fn the_clock_may_be_wrong_in_the_header_or_altogether() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "skewed_date", "count": 1, "ms": 3_600_000 })).await;
    let date = |response: reqwest::Response| response.headers()["date"].to_str().expect("text").to_owned();
    let shifted = date(rig.request(Method::GET, "/ok", None).send().await.expect("a reply"));
    let plain = date(rig.request(Method::GET, "/ok", None).send().await.expect("a reply"));
    assert_ne!(shifted[..22], plain[..22]);
    rig.fault(json!({ "kind": "skewed_clock", "ms": -120_000 })).await;
    assert_eq!(rig.get("/data/orders").await.0, 401);
}

#[tokio::test]
async fn the_website_trades_with_the_same_wallet() {
    let rig = Rig::start().await;
    let order = json!({ "market": SLUG, "side": "buy", "price": "0.40", "quantity": "5" });
    let placed = rig.admin("website/order", order).await;
    let id = placed["order_id"].as_str().expect("id").to_owned();
    let listed = rig.get("/data/orders").await.1;
    assert_eq!(listed["data"][0]["id"], json!(id));
    // A cancel-all is for one's own key.
    assert_eq!(rig.call(Method::DELETE, "/cancel-all", None).await.1["canceled"], json!([]));
    rig.admin("website/cancel", json!({ "order_id": id })).await;
    let truth = rig.truth().await;
    assert_eq!((&truth["orders"][&id]["status"], &truth["orders"][&id]["source"]), (&json!("CANCELED"), &json!("website")));
    rig.admin("cash", json!({ "amount": "-100" })).await;
    assert_eq!(rig.truth().await["cash"]["settled"], json!("900"));
}
