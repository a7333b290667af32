//! Frames of the double's WebSocket, against the AsyncAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::double::{Double, Socket, TICKER, ioc, resting};
use crate::schemas::Document;

struct Stream {
    socket: Socket,
    document: Document,
    seen: BTreeSet<&'static str>,
}

/// The message of the document that a frame is.
fn message(frame: &Value) -> &'static str {
    let listed = frame["msg"].is_array();
    match frame["type"].as_str().expect("type") {
        "subscribed" => "subscribedResponse",
        "unsubscribed" => "unsubscribedResponse",
        "ok" if listed => "listSubscriptionsResponse",
        "ok" => "okResponse",
        "error" => "errorResponse",
        "orderbook_snapshot" => "orderbookSnapshot",
        "orderbook_delta" => "orderbookDelta",
        "ticker" => "ticker",
        "trade" => "trade",
        "fill" => "fill",
        "market_lifecycle_v2" => "marketLifecycleV2",
        "event_lifecycle" => "eventLifecycle",
        "event_fee_update" => "eventFeeUpdate",
        "market_position" => "marketPosition",
        "order_group_updates" => "orderGroupUpdates",
        "user_order" => "userOrder",
        other => panic!("no message of the document is a {other}: {frame}"),
    }
}

impl Stream {
    async fn say(&mut self, name: &str, command: Value) {
        let schema = self.document.message(name);
        self.document.check(name, &schema, &command);
        self.socket.say(&command).await;
    }

    /// Checks every frame up to the first that is this message.
    async fn until(&mut self, wanted: &str) -> Value {
        loop {
            let frame = self.socket.hear().await;
            let name = message(&frame);
            let schema = self.document.message(name);
            self.document.check(name, &schema, &frame);
            self.seen.insert(name);
            if name == wanted {
                return frame;
            }
        }
    }

    /// Checks every frame up to a change of the market's life.
    async fn until_life(&mut self, event: &str) {
        while self.until("marketLifecycleV2").await["msg"]["event_type"] != event {}
    }
}

#[tokio::test]
async fn every_frame_is_as_documented() {
    let double = Double::start().await;
    let socket = double.socket().await;
    let mut stream = Stream { socket, document: Document::asyncapi(), seen: BTreeSet::new() };
    let private = ["fill", "user_orders", "market_positions", "order_group_updates", "market_lifecycle_v2"];
    stream.say("subscribeCommand", json!({ "id": 1, "cmd": "subscribe", "params": { "channels": private } })).await;
    let params = json!({ "channels": ["orderbook_delta", "trade", "ticker"], "market_tickers": [TICKER] });
    stream.say("subscribeCommand", json!({ "id": 2, "cmd": "subscribe", "params": params })).await;
    stream.until("orderbookSnapshot").await;
    stream.say("listSubscriptionsCommand", json!({ "id": 3, "cmd": "list_subscriptions" })).await;
    let listed = stream.until("listSubscriptionsResponse").await;
    let book = listed["msg"].as_array().expect("list").iter().find(|row| row["channel"] == "orderbook_delta").expect("book")["sid"].clone();
    trade(&double, &mut stream).await;
    let update = json!({ "sids": [book], "market_tickers": [TICKER], "action": "add_markets" });
    stream.say("updateSubscriptionCommand", json!({ "id": 4, "cmd": "update_subscription", "params": update })).await;
    stream.until("okResponse").await;
    stream.say("unsubscribeCommand", json!({ "id": 5, "cmd": "unsubscribe", "params": { "sids": [book] } })).await;
    stream.until("unsubscribedResponse").await;
    stream.socket.say(&json!({ "id": 6, "cmd": "dance" })).await;
    stream.until("errorResponse").await;
    live(&double, &mut stream).await;
    let all = ["subscribedResponse", "ticker", "trade", "fill", "marketPosition", "userOrder", "orderbookDelta", "eventFeeUpdate"];
    assert!(all.iter().all(|name| stream.seen.contains(name)), "{:?}", stream.seen);
}

async fn trade(double: &Double, stream: &mut Stream) {
    let create = async |order: Value| {
        let (status, reply) = double.call("POST", "/portfolio/events/orders", Some(&order), true).await;
        assert_eq!(status, 201, "{reply}");
        reply["order_id"].as_str().expect("id").to_owned()
    };
    create(ioc("taker", "bid", "0.52", "1")).await;
    for message in ["fill", "marketPosition"] {
        stream.until(message).await;
    }
    let group = json!({ "contracts_limit": 2 });
    let (status, made) = double.call("POST", "/portfolio/order_groups/create", Some(&group), true).await;
    assert_eq!(status, 201, "{made}");
    let mut maker = resting("maker", "bid", "0.48", "3");
    maker["expiration_time"] = json!(4_000_000_000_i64);
    maker["order_group_id"] = made["order_group_id"].clone();
    create(maker).await;
    stream.until("orderbookDelta").await;
    double.admin("hit", json!({ "client_order_id": "maker", "quantity": "2" })).await;
    stream.until("fill").await;
    stream.until("orderGroupUpdates").await;
    let short = create(ioc("short", "ask", "0.10", "9")).await;
    assert!(!short.is_empty());
    stream.until("marketPosition").await;
}

async fn live(double: &Double, stream: &mut Stream) {
    let market = |what: &str| format!("markets/{TICKER}/{what}");
    double.admin(&market("close_time"), json!({ "close_time": "2030-01-01T00:00:00Z" })).await;
    stream.until_life("close_date_updated").await;
    double.admin(&market("structure"), json!({ "price_level_structure": "deci_cent" })).await;
    stream.until_life("price_level_structure_updated").await;
    double.admin(&market("fees"), json!({ "fee_type": "quadratic_with_maker_fees", "fee_multiplier": "0.5" })).await;
    stream.until("eventFeeUpdate").await;
    for (status, event) in [("inactive", "deactivated"), ("active", "activated")] {
        double.admin(&market("status"), json!({ "status": status })).await;
        stream.until_life(event).await;
    }
    double.admin("markets", json!({ "ticker": "KXNEW-26NOV22-B" })).await;
    stream.until_life("created").await;
    double.admin(&market("settle"), json!({ "result": "yes" })).await;
    for event in ["determined", "settled"] {
        stream.until_life(event).await;
    }
}
