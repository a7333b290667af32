//! Sessions: commands, acknowledgements, channels, pings.

use std::time::Duration;

use serde_json::json;

use super::rig::{Rig, TICKER, ioc, options, resting};
use crate::exchange::kalshi::Options;

#[tokio::test]
async fn commands_are_acknowledged_in_the_documented_shapes() {
    let rig = Rig::start().await;
    let params = json!({ "channels": ["orderbook_delta", "fill"], "market_ticker": TICKER, "use_yes_price": true });
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": params })]).await;
    let ack = |channel: &str, sid: u64| json!({ "type": "subscribed", "id": 1, "msg": { "channel": channel, "sid": sid } });
    assert_eq!(socket.hear().await, Some(ack("orderbook_delta", 1)));
    assert_eq!(socket.hear().await, Some(ack("fill", 2)));
    let snapshot = socket.hear().await.expect("snapshot");
    assert_eq!((&snapshot["type"], &snapshot["seq"]), (&json!("orderbook_snapshot"), &json!(1)));
    assert_eq!(snapshot["msg"]["yes_dollars_fp"], json!([["0.4700", "3.00"]]));
    assert_eq!(snapshot["msg"]["no_dollars_fp"], json!([["0.5200", "3.00"]]));
    let update = json!({ "sid": 1, "action": "get_snapshot", "market_tickers": [TICKER] });
    socket.say(&json!({ "id": 2, "cmd": "update_subscription", "params": update })).await;
    assert_eq!(socket.hear().await.expect("snapshot")["seq"], json!(2));
    socket.say(&json!({ "id": 3, "cmd": "list_subscriptions" })).await;
    let listed = json!([{ "channel": "orderbook_delta", "sid": 1 }, { "channel": "fill", "sid": 2 }]);
    assert_eq!(socket.hear().await, Some(json!({ "type": "ok", "id": 3, "msg": listed })));
    socket.say(&json!({ "id": 4, "cmd": "unsubscribe", "params": { "sids": [1] } })).await;
    assert_eq!(socket.hear().await, Some(json!({ "type": "unsubscribed", "id": 4, "sid": 1, "seq": 3 })));
}

#[tokio::test]
async fn mistakes_have_their_codes() {
    let rig = Rig::start().await;
    let mut socket = rig.socket(&[]).await;
    let cases = [
        (json!({ "id": 1, "cmd": "dance" }), 5),
        (json!({ "id": 1, "cmd": "subscribe" }), 2),
        (json!({ "id": 1, "cmd": "subscribe", "params": {} }), 3),
        (json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["gossip"] } }), 8),
        (json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["orderbook_delta"] } }), 14),
        (json!({ "id": 1, "cmd": "unsubscribe", "params": {} }), 4),
        (json!({ "id": 1, "cmd": "unsubscribe", "params": { "sids": [9] } }), 7),
        (json!({ "id": 1, "cmd": "update_subscription", "params": { "sids": [1, 2], "action": "add_markets" } }), 12),
        (json!({ "id": 1, "cmd": "update_subscription", "params": { "sid": 1 } }), 15),
    ];
    for (command, code) in cases {
        socket.say(&command).await;
        let answer = socket.hear().await.expect("an answer");
        assert_eq!((&answer["type"], &answer["id"], &answer["msg"]["code"]), (&json!("error"), &json!(1), &json!(code)), "{command}");
    }
}

#[tokio::test]
async fn a_trade_is_told_on_every_channel() {
    let rig = Rig::start().await;
    let channels = ["fill", "user_orders", "market_positions", "orderbook_delta", "trade", "ticker"];
    let params = json!({ "channels": channels, "market_tickers": [TICKER], "use_yes_price": true });
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": params })]).await;
    socket.hear_a("orderbook_snapshot").await;
    let id = rig.created(ioc("c1", "bid", "0.52", "1")).await;
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 6 {
        let frame = socket.hear().await.expect("a frame");
        assert!(frame["sending_ts_ms"].is_i64(), "{frame}");
        let kind = frame["type"].as_str().expect("type").to_owned();
        seen.entry(kind).or_insert(frame);
    }
    let fill = &seen["fill"]["msg"];
    assert_eq!((&fill["order_id"], &fill["client_order_id"], &fill["is_taker"]), (&json!(id), &json!("c1"), &json!(true)));
    assert_eq!((&fill["post_position_fp"], &fill["fee_cost"]), (&json!("1.00"), &json!("0.017500")));
    assert!(seen["fill"].get("seq").is_none() && seen["trade"]["seq"] == json!(1));
    assert_eq!(
        (&seen["user_order"]["msg"]["status"], &seen["user_order"]["msg"]["last_update_reason"]),
        (&json!("executed"), &json!("Trade"))
    );
    assert_eq!(seen["market_position"]["msg"]["position_fp"], json!("1.00"));
    let delta = &seen["orderbook_delta"];
    assert_eq!((&delta["seq"], &delta["msg"]["delta_fp"], &delta["msg"]["side"]), (&json!(2), &json!("-1.00"), &json!("no")));
    assert_eq!(delta["msg"]["price_dollars"], json!("0.5200"));
}

#[tokio::test]
async fn without_the_flag_the_no_side_has_no_prices() {
    let rig = Rig::start().await;
    let params = json!({ "channels": ["orderbook_delta"], "market_tickers": [TICKER] });
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": params })]).await;
    assert_eq!(socket.hear_a("orderbook_snapshot").await["msg"]["no_dollars_fp"], json!([["0.4800", "3.00"]]));
    rig.created(resting("c1", "ask", "0.60", "1")).await;
    let delta = socket.hear_a("orderbook_delta").await;
    assert_eq!((&delta["msg"]["price_dollars"], &delta["msg"]["client_order_id"]), (&json!("0.4000"), &json!("c1")));
}

#[tokio::test]
async fn heartbeats_come_and_an_unsigned_handshake_is_refused() {
    let rig = Rig::start_with(Options { ping_every: Duration::from_millis(20), ..options() }).await;
    let mut socket = rig.socket(&[]).await;
    assert_eq!(socket.ping().await, b"heartbeat");
    let refused = tokio_tungstenite::connect_async(rig.running.ws_url()).await.expect_err("no signature");
    assert!(matches!(refused, tokio_tungstenite::tungstenite::Error::Http(reply) if reply.status() == 401));
    rig.running.stop().await;
    assert_eq!(socket.hear().await, None);
}
