//! Our requests against those of the official SDKs: method, path, query, header names, and what the body means.

use arbees::domain::decimal::Decimal;
use arbees::domain::fees::KALSHI;
use arbees::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId, VenueOrderId};
use arbees::domain::market::{Instrument, Outcome, Venue};
use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use arbees::domain::time::Time;
use arbees::venues::kalshi::Client;
use arbees::venues::kalshi::client::Ask;
use arbees::venues::kalshi::orders::Filter;
use arbees::venues::kalshi::translate::Route;
use serde_json::Value;

use crate::vectors::{client, files, rows};

/// What we never send, by method and path (`{}` varies), and why.
const NOT_SENT: &[(&str, &str, &str)] = &[
    ("POST", "/portfolio/events/orders/batched", "orders go one by one: each has its own record before its socket"),
    ("DELETE", "/portfolio/events/orders/batched", "orders are cancelled one by one, each with its own answer"),
    ("DELETE", "/portfolio/events/orders", "cancel-all also kills what others placed, and what follows for a minute"),
    ("POST", "/portfolio/events/orders/{}/amend", "a changed order is a cancel, proven, and a new one"),
    ("GET", "/portfolio/orders/{}/queue_position", "nothing is decided on it"),
    ("GET", "/portfolio/orders/queue_positions", "nothing is decided on it"),
    ("GET", "/portfolio/summary/total_resting_order_value", "the resting orders themselves are read"),
    ("GET", "/series/fee_changes", "the series is read again every hour"),
    ("POST", "/portfolio/orders", "the V1 way: 410 since June 2026"),
    ("DELETE", "/portfolio/orders/{}", "the V1 way: 410 since June 2026"),
    ("POST", "/portfolio/orders/{}/amend", "the V1 way: 410 since June 2026"),
    ("POST", "/portfolio/orders/{}/decrease", "the V1 way: 410 since June 2026"),
    ("POST", "/portfolio/orders/batched", "the V1 way: 410 since June 2026"),
    ("DELETE", "/portfolio/orders/batched", "the V1 way: 410 since June 2026"),
    ("GET", "/markets/trades", "trades between others are not read"),
];

/// Parameters of reads that we never send, and why.
const PARAMETERS_NOT_SENT: &[(&str, &str, &str)] = &[
    ("/portfolio/positions", "event_ticker", "all positions are read, or none"),
    ("/portfolio/balance", "exchange_index", "all shards are read at once"),
    ("/portfolio/order_groups/create", "contracts_limit", "the limit is sent as contracts_limit_fp, which takes fractions"),
];

/// Fields that ours carry beside the SDK's for the same order, and why.
const ADDED: &[(&str, &str)] = &[
    ("expiration_time", "every resting order has its dead-man switch at the venue"),
    ("market_ticker", "of a cancel without exchange_index: the venue routes by it"),
    ("count_filter", "positions of nothing are not asked for"),
];

struct Row {
    name: String,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    headers: Vec<String>,
}

impl Row {
    fn read(file: &str, line: usize, row: &Value) -> Self {
        let target = row["raw_target"].as_str().expect("target");
        let url = reqwest::Url::parse(&format!("http://host{target}")).expect("target");
        let body = row["body_raw"].as_str().filter(|body| !body.is_empty()).map(|body| serde_json::from_str(body).expect("body"));
        Self {
            name: format!("{file}:{line} {}", row["sdk_call"]["label"].as_str().unwrap_or_default()),
            method: row["method"].as_str().expect("method").to_owned(),
            path: url.path().strip_prefix("/trade-api/v2").expect("path").to_owned(),
            query: pairs(&url),
            body,
            headers: row["headers"].as_object().expect("headers").keys().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.body.as_ref().and_then(|body| body[name].as_str())
    }

    /// Why we send nothing like it.
    fn not_sent(&self) -> Option<&'static str> {
        let fits = |pattern: &str| {
            let (ours, theirs): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), self.path.split('/').collect());
            ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| *ours == "{}" || ours == theirs)
        };
        let whole = NOT_SENT.iter().find(|(method, pattern, _)| *method == self.method && fits(pattern));
        let has = |name: &str| self.parameter(name).is_some() || self.body.as_ref().is_some_and(|body| !body[name].is_null());
        let part = PARAMETERS_NOT_SENT.iter().find(|(path, name, _)| *path == self.path && has(name));
        whole.map(|row| row.2).or(part.map(|row| row.2))
    }
}

fn pairs(url: &reqwest::Url) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    pairs.sort();
    pairs
}

fn market(text: &str) -> MarketId {
    MarketId::new(text).expect(text)
}

fn order_id(text: &str) -> VenueOrderId {
    VenueOrderId::new(text).expect(text)
}

/// The order that such a body asks for; `Err`: we never ask for it, and why.
fn order(body: &Value) -> Result<(Order, Route), &'static str> {
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}"));
    let is = |name: &str| body[name].as_bool().unwrap_or(false);
    if is("post_only") {
        return Err("post_only: a limit is never a wish for the maker's fee");
    }
    if is("cancel_order_on_pause") {
        return Err("cancel_order_on_pause: orders have an expiry instead");
    }
    if text("self_trade_prevention_type") != "taker_at_cross" {
        return Err("self_trade_prevention_type: always taker_at_cross");
    }
    let price = Price::parse(text("price")).expect("price");
    let (action, outcome) = match (text("side"), is("reduce_only")) {
        ("bid", false) => (Action::Buy, Outcome::Yes),
        ("ask", false) => (Action::Buy, Outcome::No),
        ("ask", true) => (Action::Sell, Outcome::Yes),
        ("bid", true) => (Action::Sell, Outcome::No),
        other => panic!("side {other:?}"),
    };
    let expires_at = Time::from_ms(body["expiration_time"].as_i64().unwrap_or(1_795_362_000) * 1_000);
    let signal_id = SignalId::new("s").expect("id");
    let order = Order {
        order_id: OrderId::of(&Instance::new("main").expect("name"), Mode::Live, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: Instrument { venue: Venue::Kalshi, market: market(text("ticker")), token: None, outcome },
        action,
        quantity: Quantity::parse(text("count")).expect("count"),
        limit: outcome.price_of(price),
        tif: TimeInForce::parse(text("time_in_force")).expect("tif"),
        expires_at,
        venue_expires_at: expires_at,
        created_at: None,
        fee: KALSHI,
        groups: Groups {
            game: GameId::new("g").expect("id"),
            sport: "s".into(),
            stance: Stance { subject: "m".into(), wins: true, contest: false },
        },
    };
    let route = Route {
        exchange_index: body["exchange_index"].as_i64().and_then(|index| u32::try_from(index).ok()),
        order_group: body["order_group_id"].as_str().map(str::to_owned),
        subaccount: body["subaccount"].as_u64().map(|subaccount| subaccount as u32),
    };
    Ok((order, route))
}

/// Our request for the same inputs.
fn ours(row: &Row) -> Result<(Client, Ask), &'static str> {
    if let Some(why) = row.not_sent() {
        return Err(why);
    }
    let subaccount = row.parameter("subaccount").or(row.field("subaccount")).map(|text| text.parse().expect("subaccount"));
    let subaccount = subaccount.or(row.body.as_ref().and_then(|body| body["subaccount"].as_u64()).map(|subaccount| subaccount as u32));
    let client = client(subaccount);
    let exchange_index = || row.parameter("exchange_index").map(|index| index.parse().expect("index"));
    let filter_ids = (row.parameter("ticker").map(market), row.parameter("order_id").map(order_id));
    let filter = Filter {
        ticker: filter_ids.0.as_ref(),
        order_id: filter_ids.1.as_ref(),
        min_ts: row.parameter("min_ts").map(|ts| ts.parse().expect("seconds")),
        status: row.parameter("status").map(|status| match status {
            "resting" => "resting",
            "canceled" => "canceled",
            "executed" => "executed",
            other => panic!("status {other}"),
        }),
    };
    let since = Time::from_ms(row.parameter("min_ts").map_or(0, |ts| ts.parse::<i64>().expect("seconds") * 1_000));
    let ask = match (row.method.as_str(), row.path.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("POST", ["portfolio", "events", "orders"]) => {
            let (order, route) = order(row.body.as_ref().expect("body"))?;
            Client::create_ask(&order, &route).expect("request")
        }
        ("DELETE", ["portfolio", "events", "orders", id]) => {
            let ticker = row.parameter("market_ticker").unwrap_or("KXHIGHNY-26NOV22-T60");
            client.cancel_ask(&order_id(id), &market(ticker), exchange_index()).expect("request")
        }
        ("POST", ["portfolio", "events", "orders", id, "decrease"]) => {
            let reduce_to = row.field("reduce_to").ok_or("reduce_by: what is to remain is said, so that twice is once")?;
            let ticker = row.field("market_ticker").ok_or("decrease without market_ticker: the venue would take shard 0")?;
            Client::decrease_ask(&order_id(id), &market(ticker), None, Quantity::parse(reduce_to).expect("count")).expect("request")
        }
        ("GET", ["portfolio", "orders", id]) => Client::order_ask(&order_id(id)).expect("request"),
        ("GET", ["portfolio", "orders"]) => client.listing("/portfolio/orders", filter),
        ("GET", ["portfolio", "fills"]) => client.listing("/portfolio/fills", filter),
        ("GET", ["portfolio", "balance"]) => client.balance_ask(),
        ("GET", ["portfolio", "positions"]) => client.positions_ask(),
        ("GET", ["portfolio", "settlements"]) => client.settlements_ask(since),
        ("GET", ["markets"]) => {
            let tickers: Vec<MarketId> = row.parameter("tickers").ok_or("markets are asked for by name")?.split(',').map(market).collect();
            Client::markets_ask(&tickers.iter().collect::<Vec<_>>())
        }
        ("GET", ["markets", ticker]) => Client::market_ask(&market(ticker)).expect("request"),
        ("GET", ["markets", ticker, "orderbook"]) => {
            let depth = row.parameter("depth").map(|depth| depth.parse().expect("depth"));
            Client::book_ask(&market(ticker), depth).expect("request")
        }
        ("GET", ["exchange", "status"]) => Ask::get("/exchange/status", "/exchange/status"),
        ("GET", ["exchange", "schedule"]) => Ask::get("/exchange/schedule", "/exchange/schedule"),
        ("GET", ["exchange", "user_data_timestamp"]) => Ask::get("/exchange/user_data_timestamp", "/exchange/user_data_timestamp"),
        ("GET", ["account", "limits"]) => Ask::get("/account/limits", "/account/limits"),
        ("GET", ["account", "endpoint_costs"]) => Ask::get("/account/endpoint_costs", "/account/endpoint_costs"),
        ("GET", ["api_keys"]) => Ask::get("/api_keys", "/api_keys"),
        ("GET", ["portfolio", "order_groups"]) => client.groups_ask(),
        ("POST", ["portfolio", "order_groups", "create"]) => {
            let limit = Quantity::parse(row.field("contracts_limit_fp").expect("limit")).expect("limit");
            let index = row.body.as_ref().and_then(|body| body["exchange_index"].as_u64()).ok_or("a fuse is always of a named shard")?;
            client.create_group_ask(limit, index as u32).expect("request")
        }
        ("PUT", ["portfolio", "order_groups", id, verb @ ("reset" | "trigger")]) => {
            let verb = if *verb == "reset" { "reset" } else { "trigger" };
            client.group_ask(reqwest::Method::PUT, id, Some(verb), exchange_index()).expect("request")
        }
        ("DELETE", ["portfolio", "order_groups", id]) => {
            client.group_ask(reqwest::Method::DELETE, id, None, exchange_index()).expect("request")
        }
        _ => panic!("{}: {} {} has neither a request of ours nor a reason in NOT_SENT", row.name, row.method, row.path),
    };
    // The page size is the caller's, and taken over here.
    Ok((client, ask.maybe("limit", row.parameter("limit")).maybe("cursor", row.parameter("cursor"))))
}

/// What a body means: decimals by value, defaults as if they weren't there, ids by kind.
fn meaning(body: &Value) -> Value {
    let mut fields = body.as_object().cloned().unwrap_or_default();
    for name in ["count", "price", "reduce_to", "contracts_limit_fp"] {
        if let Some(Value::String(text)) = fields.get(name) {
            let decimal = Decimal::parse(text).expect(name).to_string();
            fields.insert(name.to_owned(), Value::String(decimal));
        }
    }
    if let Some(Value::String(id)) = fields.get("client_order_id") {
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
        fields.insert("client_order_id".to_owned(), Value::String("a uuid".to_owned()));
    }
    for name in ["post_only", "reduce_only", "cancel_order_on_pause"] {
        if fields.get(name) == Some(&Value::Bool(false)) {
            fields.remove(name);
        }
    }
    // -1 and nothing both mean: route by ticker (`kalshi.md` §2.1).
    if fields.get("exchange_index").and_then(Value::as_i64) == Some(-1) {
        fields.remove("exchange_index");
    }
    Value::Object(fields)
}

fn check(row: &Row) -> Result<(), &'static str> {
    let (client, ask) = ours(row)?;
    let request = client.request(&ask).expect("request");
    assert_eq!(request.method().as_str(), row.method, "{}", row.name);
    assert_eq!(request.url().path(), format!("/trade-api/v2{}", row.path), "{}", row.name);
    let added = |name: &str| ADDED.iter().any(|(known, _)| *known == name);
    let mut query = pairs(request.url());
    query.retain(|(name, value)| row.query.contains(&(name.clone(), value.clone())) || !added(name));
    assert_eq!(query, row.query, "{}", row.name);
    let body = request.body().and_then(|body| body.as_bytes()).map(|bytes| serde_json::from_slice::<Value>(bytes).expect("our body"));
    let (mut mine, theirs) = (body.as_ref().map(meaning), row.body.as_ref().map(meaning));
    if let (Some(Value::Object(mine)), Some(theirs)) = (&mut mine, &theirs) {
        mine.retain(|name, _| !theirs[name].is_null() || !added(name));
    }
    assert_eq!(mine, theirs, "{}", row.name);
    for name in row.headers.iter().filter(|name| name.starts_with("kalshi-") || (*name == "content-type" && row.body.is_some())) {
        assert!(request.headers().contains_key(name.as_str()), "{}: header {name}", row.name);
    }
    let ours: Vec<&str> = request.headers().keys().map(|name| name.as_str()).filter(|name| name.starts_with("kalshi-")).collect();
    assert!(ours.iter().all(|name| row.headers.iter().any(|theirs| theirs == name)), "{}: {ours:?}", row.name);
    Ok(())
}

#[tokio::test]
async fn our_requests_are_those_of_the_official_sdks() {
    let (mut same, mut not_sent) = (0, 0);
    for file in files("requests_") {
        for (line, row) in rows(&file) {
            let row = Row::read(&file, line, &row);
            match check(&row) {
                Ok(()) => same += 1,
                Err(why) => {
                    not_sent += 1;
                    eprintln!("not sent: {} {} {}: {why}", row.name, row.method, row.path);
                }
            }
        }
    }
    eprintln!("{same} requests are the same, {not_sent} are not sent");
    assert!(same > not_sent, "{same} same, {not_sent} not sent");
}

#[tokio::test]
async fn documented_examples_are_what_we_send_and_read() {
    for file in files("fixtures_rest_examples") {
        for (line, row) in rows(&file) {
            let (schema, example) = (row["schema"].as_str().expect("schema"), &row["example"]);
            let name = format!("{file}:{line} {schema}");
            match schema {
                "CreateOrderV2Request" => {
                    let (order, route) = order(example).expect("sent");
                    let ask = Client::create_ask(&order, &route).expect("request");
                    let mut mine = meaning(&serde_json::from_slice(ask.body.as_deref().expect("body")).expect("json"));
                    mine.as_object_mut().expect("object").remove("expiration_time");
                    assert_eq!(mine, meaning(example), "{name}");
                }
                "CreateOrderV2Response" => drop(decoded::<arbees::venues::kalshi::wire::orders::CreateReply>(&name, example)),
                "CancelOrderV2Response" => drop(decoded::<arbees::venues::kalshi::wire::orders::CancelReply>(&name, example)),
                "DecreaseOrderV2Response" => drop(decoded::<arbees::venues::kalshi::wire::orders::DecreaseReply>(&name, example)),
                "DecreaseOrderV2Request" | "AmendOrderV2Request" | "AmendOrderV2Response" => eprintln!("not sent: {name}"),
                batch if batch.starts_with("Batch") => eprintln!("not sent: {name}"),
                other => panic!("{name}: {other} is not known here"),
            }
        }
    }
}

/// Every kind of body that we send, against the OpenAPI document.
#[tokio::test]
async fn our_bodies_fit_the_openapi_document() {
    let document: Value = serde_json::from_str(&crate::vectors::text("schemas_openapi_3.28.0.json")).expect("schemas");
    let check = |schema: &str, ask: &Ask| {
        let mut whole = document.clone();
        whole["$ref"] = Value::String(format!("#/$defs/{schema}"));
        let validator = jsonschema::validator_for(&whole).expect("schema");
        let body: Value = serde_json::from_slice(ask.body.as_deref().expect("body")).expect("json");
        let faults: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert_eq!(faults, [""; 0], "{schema}: {body}");
        let fields = document["$defs"][schema]["properties"].as_object().expect("properties");
        assert!(body.as_object().expect("object").keys().all(|name| fields.contains_key(name)), "{schema}: {body}");
    };
    let id = order_id("3b23c1c7-f4ef-4f0d-8b9a-9e53c61f1a0d");
    for tif in ["good_till_canceled", "immediate_or_cancel", "fill_or_kill"] {
        for (side, reduce_only) in [("bid", false), ("ask", false), ("ask", true), ("bid", true)] {
            let body = serde_json::json!({"ticker": "T", "side": side, "count": "1.50", "price": "0.0550", "time_in_force": tif,
                "reduce_only": reduce_only, "self_trade_prevention_type": "taker_at_cross", "exchange_index": 2, "order_group_id": "g", "subaccount": 1});
            let (order, route) = order(&body).expect("sent");
            check("CreateOrderV2Request", &Client::create_ask(&order, &route).expect("request"));
        }
    }
    check("DecreaseOrderV2Request", &Client::decrease_ask(&id, &market("T"), Some(0), Quantity::whole(1)).expect("request"));
    check("CreateOrderGroupRequest", &client(Some(1)).create_group_ask(Quantity::whole(100), 1).expect("request"));
}

fn decoded<T: serde::de::DeserializeOwned>(name: &str, example: &Value) -> T {
    serde_json::from_str(&example.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"))
}
