//! Each fault over a real connection, beside what really happened.

use reqwest::Method;
use serde_json::{Value, json};

use super::rig::{Rig, TICKER, ioc, options, resting};
use crate::clock::Clock;
use crate::exchange::kalshi::Options;

/// Whether the venue has an order by this client id.
async fn exists(rig: &Rig, client_id: &str) -> bool {
    rig.truth().await["orders"].get(client_id).is_some()
}

async fn fails(rig: &Rig, order: Value) -> reqwest::Error {
    let request = rig.request(Method::POST, "/portfolio/events/orders", Some(order)).timeout(std::time::Duration::from_millis(400));
    match request.send().await {
        Err(error) => error,
        Ok(response) => response.bytes().await.expect_err("no whole reply"),
    }
}

#[tokio::test]
async fn no_reply_hangs_or_resets_with_or_without_the_order() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "no_reply", "call": "create", "count": 1 })).await;
    assert!(fails(&rig, resting("hung", "bid", "0.01", "1")).await.is_timeout());
    assert!(exists(&rig, "hung").await);
    rig.fault(json!({ "kind": "no_reply", "call": "create", "count": 1, "how": "reset", "processed": false })).await;
    assert!(!fails(&rig, resting("reset", "bid", "0.01", "1")).await.is_timeout());
    assert!(!exists(&rig, "reset").await);
    rig.fault(json!({ "kind": "truncated", "call": "create", "count": 1 })).await;
    fails(&rig, resting("cut", "bid", "0.01", "1")).await;
    assert!(exists(&rig, "cut").await);
    assert_eq!(rig.create(resting("cut", "bid", "0.01", "1")).await.0, 409);
    let truth = rig.truth().await;
    assert_eq!((&truth["creates"]["cut"], &truth["creates"]["reset"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn wrong_replies_say_nothing_about_the_order() {
    let rig = Rig::start().await;
    let cases = [
        (json!({ "kind": "status", "status": 503 }), 503, false),
        (json!({ "kind": "status", "status": 500, "processed": true }), 500, true),
        (json!({ "kind": "html" }), 502, false),
        (json!({ "kind": "too_many_requests" }), 429, false),
        (json!({ "kind": "refuse", "status": 409, "code": "order_already_exists" }), 409, false),
        (json!({ "kind": "refuse", "processed": true }), 409, true),
        (json!({ "kind": "broken_json" }), 201, true),
        (json!({ "kind": "empty" }), 201, true),
    ];
    for (number, (mut fault, status, placed)) in cases.into_iter().enumerate() {
        (fault["call"], fault["count"]) = (json!("create"), json!(1));
        rig.fault(fault.clone()).await;
        let id = format!("c{number}");
        assert_eq!(rig.create(resting(&id, "bid", "0.01", "1")).await.0, status, "{fault}");
        assert_eq!(exists(&rig, &id).await, placed, "{fault}");
    }
}

#[tokio::test]
async fn a_late_reply_lets_its_fill_come_first() {
    let rig = Rig::start().await;
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["fill"] } })]).await;
    socket.hear_a("subscribed").await;
    rig.fault(json!({ "kind": "late_reply", "call": "create", "count": 1, "ms": 200 })).await;
    let creating = rig.create(ioc("c1", "bid", "0.52", "1"));
    tokio::pin!(creating);
    tokio::select! {
        _ = &mut creating => panic!("the reply came first"),
        fill = socket.hear_a("fill") => assert_eq!(fill["msg"]["client_order_id"], json!("c1")),
    }
    assert_eq!(creating.await.0, 201);
}

#[tokio::test]
async fn a_request_on_its_way_arrives_after_its_sender_gave_up() {
    let rig = Rig::start().await;
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["user_orders"] } })]).await;
    socket.hear_a("subscribed").await;
    rig.fault(json!({ "kind": "late_request", "call": "create", "ticker": TICKER, "count": 1, "ms": 700 })).await;
    assert!(fails(&rig, resting("late", "bid", "0.01", "1")).await.is_timeout());
    assert!(!exists(&rig, "late").await);
    assert_eq!(socket.hear_a("user_order").await["msg"]["client_order_id"], json!("late"));
}

#[tokio::test]
async fn a_request_that_arrives_too_late_is_refused_by_its_signature() {
    let (clock, hand) = Clock::manual(Clock::system().now().wall);
    let rig = Rig::start_with(Options { clock: Some(clock), ..options() }).await;
    rig.fault(json!({ "kind": "late_request", "call": "create", "count": 1, "ms": 50 })).await;
    hand.advance_ms(31_000);
    let (status, refused) = rig.create(resting("late", "bid", "0.01", "1")).await;
    assert_eq!((status, &refused["error"]["code"]), (401, &json!("header_timestamp_expired")));
}

#[tokio::test]
async fn a_cancel_that_races_a_fill_finds_nothing_or_less() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.10", "2")).await;
    rig.fault(json!({ "kind": "cancel_fills", "call": "cancel", "count": 1 })).await;
    assert_eq!(rig.cancel(&id).await.0, 404);
    assert_eq!(rig.truth().await["orders"]["c1"]["fill_count_fp"], json!("2.00"));
    let id = rig.created(resting("c2", "bid", "0.10", "2")).await;
    rig.fault(json!({ "kind": "cancel_fills", "call": "cancel", "count": 1, "quantity": "0.50" })).await;
    assert_eq!(rig.cancel(&id).await.1["reduced_by"], json!("1.50"));
    let order = &rig.truth().await["orders"]["c2"];
    assert_eq!((&order["status"], &order["fill_count_fp"]), (&json!("canceled"), &json!("0.50")));
}

#[tokio::test]
async fn an_order_fills_in_parts_over_time() {
    let rig = Rig::start().await;
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["fill"] } })]).await;
    socket.hear_a("subscribed").await;
    rig.fault(json!({ "kind": "partial_fills", "call": "create", "count": 1, "parts": 3, "ms": 10 })).await;
    rig.created(resting("c1", "bid", "0.10", "1.00")).await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(socket.hear_a("fill").await["msg"]["count_fp"].clone());
    }
    assert_eq!(counts, [json!("0.33"), json!("0.33"), json!("0.34")]);
    assert_eq!(rig.truth().await["orders"]["c1"]["status"], json!("executed"));
}

#[tokio::test]
async fn reads_may_be_stale_or_lack_rows() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.01", "1")).await;
    rig.fault(json!({ "kind": "stale_read", "call": "order", "count": 1, "ms": 60_000 })).await;
    assert_eq!(rig.get(&format!("/portfolio/orders/{id}")).await.0, 404);
    assert_eq!(rig.get(&format!("/portfolio/orders/{id}")).await.0, 200);
    rig.fault(json!({ "kind": "drop_rows", "call": "orders", "count": 1 })).await;
    assert_eq!(rig.get("/portfolio/orders").await.1["orders"], json!([]));
    rig.admin("read_lag", json!({ "ms": 60_000 })).await;
    rig.created(ioc("c2", "bid", "0.52", "1")).await;
    assert_eq!(rig.get("/portfolio/fills").await.1["fills"], json!([]));
    assert_eq!(rig.get("/portfolio/positions").await.1["market_positions"], json!([]));
    assert_eq!(rig.get("/portfolio/balance").await.1["balance_dollars"], json!("1000.0000"));
    rig.admin("read_lag", json!({ "ms": 0 })).await;
    assert_eq!(rig.get("/portfolio/fills").await.1["fills"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_stale_read_after_a_cancel_still_says_resting() {
    let (clock, hand) = Clock::manual(Clock::system().now().wall);
    let rig = Rig::start_with(Options { clock: Some(clock), ..options() }).await;
    let id = rig.created(resting("c1", "bid", "0.01", "1")).await;
    hand.advance_ms(60);
    let before = rig.get(&format!("/portfolio/orders/{id}")).await.1;
    rig.cancel(&id).await;
    rig.fault(json!({ "kind": "stale_read", "call": "order", "count": 1, "ms": 40 })).await;
    assert_eq!(rig.get(&format!("/portfolio/orders/{id}")).await.1, before);
    assert_eq!(rig.get(&format!("/portfolio/orders/{id}")).await.1["order"]["status"], json!("canceled"));
}

#[tokio::test]
async fn the_clock_may_be_wrong_in_the_header_or_altogether() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "skewed_date", "count": 1, "ms": 3_600_000 })).await;
    let date = |response: reqwest::Response| response.headers()["date"].to_str().expect("text").to_owned();
    let shifted = date(rig.request(Method::GET, "/exchange/status", None).send().await.expect("a reply"));
    let plain = date(rig.request(Method::GET, "/exchange/status", None).send().await.expect("a reply"));
    assert_ne!(shifted[..22], plain[..22]);
    rig.fault(json!({ "kind": "skewed_clock", "ms": -120_000 })).await;
    assert_eq!(rig.get("/portfolio/balance").await.1["error"]["code"], json!("header_timestamp_expired"));
}

#[tokio::test]
async fn frames_are_dropped_doubled_delayed_and_skipped() {
    let rig = Rig::start().await;
    let params = json!({ "channels": ["fill", "orderbook_delta"], "market_tickers": [TICKER], "use_yes_price": true });
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": params })]).await;
    assert_eq!(socket.hear_a("orderbook_snapshot").await["seq"], json!(1));
    rig.fault(json!({ "kind": "ws_drop", "channel": "fill", "count": 1 })).await;
    rig.created(ioc("dropped", "bid", "0.52", "1")).await;
    rig.fault(json!({ "kind": "ws_duplicate", "channel": "fill", "count": 1 })).await;
    rig.created(ioc("doubled", "bid", "0.52", "1")).await;
    let (one, two) = (socket.hear_a("fill").await, socket.hear_a("fill").await);
    assert_eq!((&one["msg"]["client_order_id"], &one["msg"]), (&json!("doubled"), &two["msg"]));
    rig.fault(json!({ "kind": "ws_gap", "channel": "orderbook_delta", "count": 1 })).await;
    rig.created(resting("c1", "bid", "0.10", "1")).await;
    rig.created(resting("c2", "bid", "0.10", "1")).await;
    let (first, second) = (socket.hear_a("orderbook_delta").await, socket.hear_a("orderbook_delta").await);
    assert_eq!(second["seq"].as_u64(), first["seq"].as_u64().map(|seq| seq + 2));
    rig.fault(json!({ "kind": "ws_silence" })).await;
    rig.created(ioc("silent", "bid", "0.52", "1")).await;
    rig.fault(json!({ "kind": "ws_disconnect" })).await;
    assert_eq!(socket.hear().await, None);
}

#[tokio::test]
async fn the_website_and_the_bank_are_heard_of_too() {
    let rig = Rig::start().await;
    let order = json!({ "ticker": TICKER, "side": "bid", "price": "0.52", "quantity": "1", "time_in_force": "immediate_or_cancel" });
    rig.admin("website/order", order).await;
    assert_eq!(rig.get("/portfolio/positions").await.1["market_positions"][0]["position_fp"], json!("1.00"));
    rig.admin("cash", json!({ "amount": "-100" })).await;
    assert_eq!(rig.get("/portfolio/withdrawals").await.1["withdrawals"][0]["amount_cents"], json!(10_000));
    assert_eq!(rig.get("/portfolio/deposits").await.1["deposits"], json!([]));
    assert_eq!(rig.truth().await["cash"]["cash"], json!("899.462500"));
}
