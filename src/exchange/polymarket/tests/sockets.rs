//! What the two sockets say, beside the recorded frames.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Frames, Options, Rules};
use super::rig::{Rig, SLUG, options};

/// Fields of a frame.
fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

fn recorded(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vectors/polymarket/ws_samples.json");
    let samples: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("samples")).expect("JSON");
    samples.get(name).unwrap_or_else(|| panic!("{name}")).clone()
}

#[tokio::test]
async fn an_owner_hears_of_orders_and_trades_as_recorded() {
    let rig = Rig::start().await;
    let mut socket = rig.user_socket().await;
    let id = rig.created(rig.buy(40, 5)).await;
    let placed = socket.hear("order").await;
    assert_eq!((&placed["id"], &placed["type"], &placed["size_matched"]), (&json!(id), &json!("PLACEMENT"), &json!("0")));
    assert_eq!(names(&placed), names(&recorded("user_order")));
    assert_eq!(placed["associate_trades"], Value::Null);
    rig.admin("hit", json!({ "order_id": id, "quantity": "2", "complement": true })).await;
    let matched = socket.hear("trade").await;
    assert_eq!(names(&matched), names(&recorded("user_trade")));
    assert_eq!(names(&matched["maker_orders"][0]), names(&recorded("user_trade")["maker_orders"][0]));
    assert_eq!(
        (&matched["status"], &matched["transaction_hash"], &matched["asset_id"]),
        (&json!("MATCHED"), &Value::Null, &json!(rig.no()))
    );
    let updated = socket.hear("order").await;
    assert_eq!((&updated["type"], &updated["size_matched"], &updated["status"]), (&json!("UPDATE"), &json!("2"), &json!("LIVE")));
    let (mined, confirmed) = (socket.hear("trade").await, socket.hear("trade").await);
    assert_eq!((&mined["status"], &confirmed["status"], &confirmed["id"]), (&json!("MINED"), &json!("CONFIRMED"), &matched["id"]));
    rig.cancel(&id).await;
    let gone = socket.hear("order").await;
    assert_eq!((&gone["type"], &gone["status"]), (&json!("CANCELLATION"), &json!("CANCELED")));
}

#[tokio::test]
async fn a_killed_order_is_told_with_its_odd_fields() {
    let rig = Rig::start().await;
    let mut socket = rig.user_socket().await;
    rig.refused(rig.buy(52, 1_000).kind("FOK")).await;
    let killed = socket.hear("order").await;
    let sample = recorded("user_order_fok_killed (source: nautilus_trader test_data 2026-07; real shape)");
    assert_eq!(names(&killed), names(&sample));
    for name in ["status", "size_matched", "created_at", "outcome", "type", "associate_trades"] {
        assert_eq!(killed[name], sample[name], "{name}");
    }
}

#[tokio::test]
async fn strangers_are_hung_up_on_and_markets_are_filtered() {
    let rig = Rig::start().await;
    let mut stranger = rig.socket("user").await;
    stranger.say(&json!({ "auth": { "apiKey": "a", "secret": "b", "passphrase": "c" }, "type": "user" }).to_string()).await;
    assert_eq!(stranger.text().await, None);
    rig.admin("markets", json!({ "market": "another" })).await;
    let mut socket = rig.user_socket().await;
    socket.say(&json!({ "operation": "subscribe", "markets": [rig.spec.condition] }).to_string()).await;
    socket.say("PING").await;
    assert_eq!(socket.text().await.as_deref(), Some("PONG"));
    let order = |market: &str| json!({ "market": market, "side": "buy", "price": "0.40", "quantity": "5" });
    rig.admin("website/order", order("another")).await;
    rig.admin("website/order", order(SLUG)).await;
    assert_eq!(socket.hear("order").await["market"], json!(rig.spec.condition));
}

#[tokio::test]
async fn a_market_socket_gets_a_snapshot_and_replacements() {
    let rig = Rig::start().await;
    let mut socket = rig.market_socket(&[rig.yes()]).await;
    let book = socket.hear("book").await;
    assert_eq!(names(&book), names(&recorded("market_book")));
    assert_eq!(book["asks"], json!([{ "price": "0.52", "size": "100" }]));
    rig.admin("crowd/order", json!({ "market": rig.no(), "side": "buy", "price": "0.49", "quantity": "7" })).await;
    let change = socket.hear("price_change").await;
    assert_eq!(names(&change), names(&recorded("market_price_change")));
    let level = &change["price_changes"][0];
    assert_eq!(names(level), names(&recorded("market_price_change")["price_changes"][0]));
    assert_eq!((&level["price"], &level["side"], &level["size"]), (&json!("0.51"), &json!("SELL"), &json!("7")));
    assert_eq!((&level["best_bid"], &level["best_ask"]), (&json!("0.47"), &json!("0.51")));
    let best = socket.hear("best_bid_ask").await;
    assert_eq!(names(&best), names(&recorded("market_best_bid_ask")));
    assert_eq!(best["spread"], json!("0.04"));
    rig.created(rig.buy(51, 7)).await;
    assert_eq!(names(&socket.hear("last_trade_price").await), names(&recorded("market_last_trade_price")));
    assert_eq!(socket.hear("price_change").await["price_changes"][0]["size"], json!("0"));
    rig.admin(&format!("markets/{SLUG}/tick"), json!({ "tick": "0.001" })).await;
    assert_eq!(names(&socket.hear("tick_size_change").await), names(&recorded("market_tick_size_change")));
    rig.admin(&format!("markets/{SLUG}/settle"), json!({ "result": "no" })).await;
    assert_eq!(socket.hear("market_resolved").await["winning_asset_id"], json!(rig.no()));
}

#[tokio::test]
async fn frames_come_as_objects_or_lists() {
    let rules = Rules { frames: Frames::Alternating, ..Rules::default() };
    let rig = Rig::start_with(Options { rules, ..options() }).await;
    let mut socket = rig.user_socket().await;
    for _ in 0..2 {
        rig.created(rig.buy(40, 5)).await;
    }
    let frames = [socket.text().await.expect("a frame"), socket.text().await.expect("a frame")];
    assert!(frames[0].starts_with('{') && frames[1].starts_with('['), "{frames:?}");
}

#[tokio::test]
async fn frames_are_dropped_doubled_and_silenced() {
    let rig = Rig::start().await;
    let mut socket = rig.user_socket().await;
    rig.fault(json!({ "kind": "ws_drop", "channel": "order", "count": 1 })).await;
    rig.created(rig.buy(40, 5)).await;
    rig.fault(json!({ "kind": "ws_duplicate", "channel": "order", "count": 1 })).await;
    let doubled = rig.created(rig.buy(41, 5)).await;
    let (one, two) = (socket.hear("order").await, socket.hear("order").await);
    assert_eq!((&one["id"], &one), (&json!(doubled), &two));
    rig.fault(json!({ "kind": "ws_silence" })).await;
    rig.created(rig.buy(42, 5)).await;
    rig.fault(json!({ "kind": "ws_disconnect" })).await;
    assert_eq!(socket.text().await, None);
    rig.fault(json!({ "kind": "ws_refuse", "status": 503, "count": 1 })).await;
    let url = format!("{}/user", rig.running.ws_url());
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
}
