//! What the double answers, against the OpenAPI document: every kind of reply that a client gets from it.

use serde_json::{Value, json};

use crate::double::{Double, TICKER, ioc, order, resting};
use crate::schemas::Document;

const ORDERS: &str = "/portfolio/events/orders";

struct Conformance {
    double: Double,
    document: Document,
}

impl Conformance {
    async fn start() -> Self {
        Self { double: Double::start().await, document: Document::openapi() }
    }

    /// A request that fits the document, and a reply that does.
    async fn call(&mut self, wanted: u16, method: &str, target: &str, body: Option<Value>) -> Value {
        let path = target.split('?').next().unwrap_or_default();
        let (call, operation) = self.document.operation(method, path);
        let operation = operation.clone();
        if let (Some(body), Some(schema), true) = (&body, operation["body"].as_str(), wanted < 300) {
            self.document.check(&format!("request of {call}"), schema, body);
        }
        let (status, reply) = self.double.call(method, target, body.as_ref(), true).await;
        assert_eq!(status, wanted, "{method} {target}: {reply}");
        if status >= 300 {
            self.refusal(&call, status, &reply);
        } else {
            let schema = operation["replies"][status.to_string()].as_str();
            let schema = schema.unwrap_or_else(|| panic!("the document has no {status} of {call}"));
            self.document.check(&format!("{call} {status}"), schema, &reply);
        }
        reply
    }

    async fn get(&mut self, target: &str) -> Value {
        self.call(200, "GET", target, None).await
    }

    async fn place(&mut self, order: Value) -> String {
        let reply = self.call(201, "POST", ORDERS, Some(order)).await;
        reply["order_id"].as_str().expect("order id").to_owned()
    }

    /// The document has the flat shape; the venue also sends it under `error` (recorded), and a bare `msg` for parameters.
    fn refusal(&mut self, call: &str, status: u16, reply: &Value) {
        let name = format!("{call} {status}");
        if reply.get("msg").is_some_and(Value::is_string) && reply.as_object().is_some_and(|object| object.len() == 1) {
            return;
        }
        let error = reply.get("error").unwrap_or(reply);
        if error.is_string() {
            // A 429 has a bare string (`kalshi.md` §6).
            assert_eq!(status, 429, "{name}: {reply}");
            return;
        }
        self.document.check(&name, "ErrorResponse", error);
        assert!(error["code"].is_string() && error["message"].is_string(), "{name}: {reply}");
    }
}

#[tokio::test]
async fn orders_are_answered_as_documented() {
    let mut venue = Conformance::start().await;
    let filled = venue.place(ioc("filled", "bid", "0.55", "2")).await;
    venue.place(ioc("short", "ask", "0.40", "1")).await;
    venue.place(ioc("nothing", "bid", "0.05", "1")).await;
    venue.place(order("killed-not", "bid", "0.60", "1", "fill_or_kill")).await;
    let mut expiring = resting("expiring", "bid", "0.10", "1.50");
    expiring["expiration_time"] = json!(4_000_000_000_i64);
    expiring["post_only"] = json!(true);
    expiring["cancel_order_on_pause"] = json!(true);
    let expiring = venue.place(expiring).await;
    let partly = venue.place(resting("partly", "bid", "0.52", "10")).await;
    let other = venue.place(resting("other", "ask", "0.90", "5")).await;
    venue.get("/portfolio/orders").await;
    for status in ["resting", "canceled", "executed"] {
        venue.get(&format!("/portfolio/orders?status={status}&ticker={TICKER}")).await;
    }
    let page = venue.get("/portfolio/orders?limit=1").await;
    venue.get(&format!("/portfolio/orders?limit=1&cursor={}", page["cursor"].as_str().expect("cursor"))).await;
    for id in [&filled, &expiring, &partly] {
        venue.get(&format!("/portfolio/orders/{id}")).await;
    }
    venue.get(&format!("/portfolio/orders/{other}/queue_position")).await;
    venue.get(&format!("/portfolio/orders/queue_positions?market_tickers={TICKER}")).await;
    venue.get("/portfolio/summary/total_resting_order_value").await;
    venue.call(200, "POST", &format!("{ORDERS}/{other}/decrease"), Some(json!({ "reduce_to": "3.00" }))).await;
    venue.call(200, "POST", &format!("{ORDERS}/{other}/decrease"), Some(json!({ "reduce_by": "1.00" }))).await;
    let amend = json!({ "ticker": TICKER, "side": "ask", "price": "0.88", "count": "2.00", "updated_client_order_id": "other-2" });
    venue.call(200, "POST", &format!("{ORDERS}/{other}/amend"), Some(amend)).await;
    venue.call(200, "DELETE", &format!("{ORDERS}/{other}"), None).await;
    venue.get(&format!("/portfolio/orders/{other}")).await;
    let refused = resting("filled", "bid", "0.10", "1");
    let batch = json!({ "orders": [resting("b1", "bid", "0.11", "1"), refused] });
    let made = venue.call(201, "POST", &format!("{ORDERS}/batched"), Some(batch)).await;
    let id = &made["orders"][0]["order_id"];
    assert!(id.is_string() && made["orders"][1]["error"].is_object(), "{made}");
    let gone = json!({ "orders": [{ "order_id": id }, { "order_id": id }] });
    venue.call(200, "DELETE", &format!("{ORDERS}/batched"), Some(gone)).await;
}

#[tokio::test]
async fn the_account_is_told_as_documented() {
    let mut venue = Conformance::start().await;
    venue.place(ioc("long", "bid", "0.52", "3")).await;
    venue.place(resting("rests", "bid", "0.20", "2")).await;
    venue.double.admin("cash", json!({ "amount": "25" })).await;
    venue.double.admin("cash", json!({ "amount": "-5" })).await;
    for target in ["/portfolio/balance", "/portfolio/fills", "/portfolio/positions", "/portfolio/deposits", "/portfolio/withdrawals"] {
        venue.get(target).await;
    }
    venue.double.admin(&format!("markets/{TICKER}/settle"), json!({ "result": "yes" })).await;
    let settled = venue.get("/portfolio/settlements").await;
    assert_eq!(settled["settlements"].as_array().map(Vec::len), Some(1), "{settled}");
    for target in ["/portfolio/positions", "/account/limits", "/account/endpoint_costs", "/api_keys"] {
        venue.get(target).await;
    }
    for target in ["/historical/cutoff", "/historical/orders", "/historical/fills"] {
        venue.get(target).await;
    }
}

#[tokio::test]
async fn markets_and_the_exchange_are_told_as_documented() {
    let mut venue = Conformance::start().await;
    venue.place(ioc("trade", "bid", "0.52", "1")).await;
    let (series, event) = ("KXCONF", "KXCONF-26NOV22");
    let targets = [
        "/markets".to_owned(),
        format!("/markets?tickers={TICKER}&limit=1"),
        format!("/markets/{TICKER}"),
        format!("/markets/{TICKER}/orderbook"),
        format!("/markets/{TICKER}/orderbook?depth=1"),
        format!("/markets/orderbooks?tickers={TICKER}"),
        "/markets/trades".to_owned(),
        "/series".to_owned(),
        format!("/series/{series}"),
        "/series/fee_changes".to_owned(),
        format!("/events/{event}"),
        format!("/events/{event}?with_nested_markets=true"),
        "/events/fee_changes".to_owned(),
        "/exchange/status".to_owned(),
        "/exchange/schedule".to_owned(),
        "/exchange/user_data_timestamp".to_owned(),
    ];
    for target in &targets {
        venue.get(target).await;
    }
    for structure in ["deci_cent", "tapered_deci_cent"] {
        venue.double.admin(&format!("markets/{TICKER}/structure"), json!({ "price_level_structure": structure })).await;
        venue.get(&format!("/markets/{TICKER}")).await;
    }
    venue.double.admin(&format!("markets/{TICKER}/fees"), json!({ "fee_type": "quadratic", "fee_multiplier": "0.5" })).await;
    venue.get(&format!("/events/{event}")).await;
    venue.double.admin("exchange", json!({ "exchange_active": true, "trading_active": false, "resumes": "2030-01-01T00:00:00Z" })).await;
    venue.get("/exchange/status").await;
    venue.double.admin("exchange", json!({ "exchange_active": true, "trading_active": true })).await;
    venue.double.admin(&format!("markets/{TICKER}/settle"), json!({ "result": "0.30" })).await;
    venue.get(&format!("/markets/{TICKER}")).await;
}

#[tokio::test]
async fn order_groups_are_answered_as_documented() {
    let mut venue = Conformance::start().await;
    let body = json!({ "contracts_limit_fp": "10.00", "exchange_index": 0 });
    let made = venue.call(201, "POST", "/portfolio/order_groups/create", Some(body)).await;
    let group = format!("/portfolio/order_groups/{}", made["order_group_id"].as_str().expect("id"));
    let mut member = resting("member", "bid", "0.10", "1");
    member["order_group_id"] = made["order_group_id"].clone();
    venue.place(member).await;
    venue.get("/portfolio/order_groups").await;
    venue.get(&group).await;
    venue.call(200, "PUT", &format!("{group}/limit"), Some(json!({ "contracts_limit": 20 }))).await;
    venue.call(200, "PUT", &format!("{group}/trigger"), Some(json!({}))).await;
    venue.get("/portfolio/orders").await;
    venue.call(200, "PUT", &format!("{group}/reset"), Some(json!({}))).await;
    venue.call(200, "DELETE", &group, None).await;
    venue.call(404, "GET", &group, None).await;
}

#[tokio::test]
async fn refusals_have_the_documented_fields() {
    let mut venue = Conformance::start().await;
    venue.place(resting("twice", "bid", "0.10", "1")).await;
    let refused = [
        (409, resting("twice", "bid", "0.10", "1")),
        (409, order("killed", "bid", "0.10", "1", "fill_or_kill")),
        (400, resting("off-grid", "bid", "0.1050", "1")),
        (400, resting("much", "bid", "0.99", "99999")),
        (400, order("word", "bid", "0.10", "1", "whenever")),
        (400, json!({ "ticker": TICKER })),
    ];
    for (status, order) in refused {
        venue.call(status, "POST", ORDERS, Some(order)).await;
    }
    let mut unknown = resting("unknown", "bid", "0.10", "1");
    unknown["ticker"] = json!("KXNONE-1");
    venue.call(404, "POST", ORDERS, Some(unknown)).await;
    let nobody = "3b23c1c7-f4ef-4f0d-8b9a-9e53c61f1a0d";
    venue.call(404, "DELETE", &format!("{ORDERS}/{nobody}"), None).await;
    venue.call(404, "GET", &format!("/portfolio/orders/{nobody}"), None).await;
    venue.call(404, "POST", &format!("{ORDERS}/{nobody}/decrease"), Some(json!({ "reduce_to": "1.00" }))).await;
    venue.call(404, "GET", "/markets/KXNONE-1", None).await;
    venue.call(400, "GET", "/markets?limit=1001", None).await;
    let (status, reply) = venue.double.call("GET", "/portfolio/balance", None, false).await;
    assert_eq!(status, 401, "{reply}");
    venue.refusal("GET /portfolio/balance", status, &reply);
    let tight = json!({ "refill_rate": 1, "bucket_capacity": 1 });
    venue.double.admin("limits", json!({ "read": tight, "write": tight })).await;
    venue.call(429, "GET", "/portfolio/balance", None).await;
    venue.call(429, "POST", ORDERS, Some(resting("late", "bid", "0.10", "1"))).await;
}
