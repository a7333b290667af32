//! Orders from their placing to their end, and trades from their match to the chain.

use reqwest::Method;
use serde_json::{Value, json};

use super::rig::{Rig, SLUG, options, spec};
use crate::clock::Clock;
use crate::exchange::polymarket::{MarketSpec, Options, Rules};

/// One trade's status, wherever there is only one.
fn only_trade(truth: &Value) -> &Value {
    let trades = truth["trades"].as_object().expect("trades");
    assert_eq!(trades.len(), 1, "{truth}");
    trades.values().next().expect("one")
}

#[tokio::test]
async fn an_order_rests_is_seen_and_is_cancelled_once() {
    let rig = Rig::start().await;
    let (status, body) = rig.create(rig.buy(40, 10)).await;
    assert_eq!((status, &body["status"], &body["makingAmount"]), (200, &json!("live"), &json!("")), "{body}");
    let id = body["orderID"].as_str().expect("id").to_owned();
    let order = rig.get(&format!("/data/order/{id}")).await.1;
    assert_eq!((&order["status"], &order["price"], &order["original_size"]), (&json!("LIVE"), &json!("0.4"), &json!("10")));
    assert_eq!(rig.get(&format!("/data/order/0x{}", "11".repeat(32))).await, (200, Value::Null));
    assert_eq!(rig.truth().await["cash"]["held"], json!("4"));
    assert_eq!(rig.cancel(&id).await, json!({ "canceled": [id], "not_canceled": {} }));
    assert_eq!(rig.cancel(&id).await["not_canceled"][&id], json!("order already canceled or matched"));
    assert_eq!(rig.get("/data/orders").await.1["data"], json!([]));
    assert_eq!(rig.truth().await["cash"]["held"], json!("0"));
}

#[tokio::test]
async fn a_crossing_limit_buy_takes_its_shares_and_pays_when_confirmed() {
    let rules = Rules { mined_ms: 30, confirmed_ms: 30, ..Rules::default() };
    let rig = Rig::start_with(Options { rules, ..options() }).await;
    rig.book(json!({ "asks": [["0.50", "4"], ["0.52", "100"]] })).await;
    let body = rig.create(rig.buy(52, 10)).await.1;
    assert_eq!(
        (&body["status"], &body["makingAmount"], &body["takingAmount"]),
        (&json!("matched"), &json!("5.12"), &json!("10")),
        "{body}"
    );
    assert_eq!(body["tradeIDs"].as_array().map(Vec::len), Some(2));
    let truth = rig.truth().await;
    let position = &truth["positions"][rig.yes()];
    assert_eq!((&position["settled"], &position["matched"], &truth["cash"]["settled"]), (&json!("0"), &json!("10"), &json!("1000")));
    let truth = rig.truth_when("settled", |truth| truth["positions"][rig.yes()]["settled"] == "10").await;
    // 4 x 0.05 x 0.25 and 6 x 0.05 x 0.2496.
    assert_eq!((&truth["cash"]["fees"], &truth["cash"]["settled"]), (&json!("0.12488"), &json!("994.75512")), "{truth}");
    let trades = rig.get("/data/trades").await.1;
    assert_eq!(trades["data"][0]["status"], json!("TRADE_STATUS_CONFIRMED"));
    assert_eq!(trades["data"][0]["trader_side"], json!("TAKER"));
}

#[tokio::test]
async fn a_market_buy_spends_its_dollars_and_gets_more_shares_at_better_prices() {
    let rig = Rig::start().await;
    let ask = rig.buy(99, 2);
    let ask = super::rig::Ask { maker_amount: 2_000_000, taker_amount: 2_020_200, kind: "FOK", ..ask };
    let body = rig.create(ask).await.1;
    assert_eq!((&body["status"], &body["takingAmount"]), (&json!("matched"), &json!("3.8461")), "{body}");
}

#[tokio::test]
async fn a_sale_is_in_shares_and_only_of_what_is_settled() {
    let rig = Rig::start().await;
    let words = rig.refused(rig.sell(47, 5).kind("FAK")).await;
    assert!(words.starts_with("not enough balance / allowance"), "{words}");
    rig.give(rig.yes(), "120").await;
    let body = rig.create(rig.sell(47, 120).kind("FAK")).await.1;
    assert_eq!((&body["status"], &body["makingAmount"], &body["takingAmount"]), (&json!("matched"), &json!("100"), &json!("47")));
    assert_eq!(rig.refused(rig.sell(47, 5).kind("FAK")).await.split(" with ").next(), Some("no orders found to match"));
    assert!(rig.refused(rig.sell(47, 5).kind("FOK")).await.starts_with("order couldn't be fully filled"));
}

#[tokio::test]
async fn two_buyers_of_both_outcomes_mint_a_pair() {
    let rig = Rig::start_with(options()).await;
    let id = rig.created(rig.limit(true, rig.no(), 45, 10)).await;
    let yes = rig.get(&format!("/book?token_id={}", rig.yes())).await.1;
    assert_eq!(yes["asks"], json!([{ "price": "0.55", "size": "10" }]));
    rig.admin("crowd/order", json!({ "market": rig.yes(), "side": "buy", "price": "0.60", "quantity": "4" })).await;
    let truth = rig.truth_when("confirmed", |truth| only_trade(truth)["status"] == "CONFIRMED").await;
    let trade = only_trade(&truth);
    assert_eq!((&trade["asset_id"], &trade["price"], &trade["trader_side"]), (&json!(rig.yes()), &json!("0.55"), &json!("MAKER")));
    let maker = &trade["maker_orders"][0];
    assert_eq!((&maker["asset_id"], &maker["price"], &maker["side"]), (&json!(rig.no()), &json!("0.45"), &json!("BUY")));
    assert_eq!((&maker["matched_amount"], &maker["order_id"]), (&json!("4"), &json!(id)));
    assert_eq!((&truth["positions"][rig.no()]["settled"], &truth["cash"]["settled"]), (&json!("4"), &json!("998.2")));
}

#[tokio::test]
async fn several_makers_of_one_account_are_in_one_trade() {
    let rig = Rig::start_with(options()).await;
    let (one, two) = (rig.created(rig.buy(40, 6)).await, rig.created(rig.buy(40, 5)).await);
    rig.admin("crowd/order", json!({ "market": SLUG, "side": "sell", "price": "0.40", "quantity": "9" })).await;
    let truth = rig.truth().await;
    let makers = &only_trade(&truth)["maker_orders"];
    assert_eq!((&makers[0]["order_id"], &makers[1]["order_id"], &makers[1]["matched_amount"]), (&json!(one), &json!(two), &json!("3")));
    assert_eq!((&truth["orders"][&one]["status"], &truth["orders"][&two]["size_matched"]), (&json!("MATCHED"), &json!("3")));
    assert_eq!(rig.get("/data/orders").await.1["data"][0]["associate_trades"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn trades_retry_fail_and_are_held_as_told() {
    let rig = Rig::start().await;
    rig.fault(json!({ "kind": "trade_fail", "count": 1, "market": SLUG })).await;
    rig.created(rig.buy(52, 5)).await;
    let truth = rig.truth_when("failed", |truth| only_trade(truth)["status"] == "FAILED").await;
    assert_eq!((&truth["cash"]["settled"], &truth["positions"][rig.yes()]["matched"]), (&json!("1000"), &json!("0")));
    rig.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let id = rig.created(rig.buy(52, 5)).await;
    let trade = rig.truth().await["orders"][&id]["fills"][0]["trade_id"].as_str().expect("id").to_owned();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(rig.truth().await["trades"][&trade]["status"], json!("MATCHED"));
    for (word, status, settled) in [("confirm", "CONFIRMED", "5"), ("fail", "FAILED", "0"), ("confirm", "CONFIRMED", "5")] {
        rig.admin(&format!("trades/{trade}/status"), json!({ "status": word })).await;
        let truth = rig.truth().await;
        assert_eq!((&truth["trades"][&trade]["status"], &truth["positions"][rig.yes()]["settled"]), (&json!(status), &json!(settled)));
    }
}

#[tokio::test]
async fn a_limit_order_with_an_expiry_ends_a_minute_early() {
    let (clock, hand) = Clock::manual(Clock::system().now().wall);
    let now = clock.now().wall.ms() / 1_000;
    let rig = Rig::start_with(Options { clock: Some(clock), skew_s_max: 1_000, ..options() }).await;
    assert_eq!(rig.refused(rig.buy(40, 5).expires(now + 170)).await, "invalid expiration");
    let id = rig.created(rig.buy(40, 5).expires(now + 200)).await;
    hand.advance_ms(138_000);
    assert_eq!(rig.truth().await["orders"][&id]["status"], json!("LIVE"));
    hand.advance_ms(3_000);
    assert_eq!(rig.truth().await["orders"][&id]["status"], json!("CANCELED_EXPIRED_ORDER"));
}

#[tokio::test]
async fn a_batch_answers_each_entry_and_a_refused_one_says_success() {
    let rig = Rig::start().await;
    let body = json!([rig.order(&rig.buy(40, 10)), rig.order(&rig.buy(40, 1)), rig.order(&rig.buy(41, 5))]);
    let (status, rows) = rig.call(Method::POST, "/orders", Some(&body)).await;
    assert_eq!((status, rows.as_array().map(Vec::len)), (200, Some(3)), "{rows}");
    assert_eq!((&rows[1]["success"], &rows[1]["orderID"]), (&json!(true), &json!("")));
    assert!(rows[1]["errorMsg"].as_str().expect("words").ends_with("lower than the minimum: 5"), "{rows}");
    let ids: Vec<&str> = [0, 2].iter().filter_map(|at| rows[*at]["orderID"].as_str()).collect();
    let gone = rig.call(Method::DELETE, "/orders", Some(&json!(ids))).await.1;
    assert_eq!(gone["canceled"], json!(ids));
    let many: Vec<Value> = (0..16).map(|_| rig.order(&rig.buy(40, 5))).collect();
    let (status, refused) = rig.call(Method::POST, "/orders", Some(&json!(many))).await;
    assert_eq!((status, &refused["error"]), (400, &json!("Too many orders in payload: 16, max allowed: 15")));
}

#[tokio::test]
async fn cancels_reach_a_market_a_token_or_everything() {
    let other = MarketSpec::open("another", Clock::system().now().wall);
    let rig = Rig::start_with(Options { markets: vec![spec(), other.clone()], ..options() }).await;
    let yes = rig.created(rig.buy(40, 5)).await;
    let no = rig.created(rig.limit(true, rig.no(), 40, 5)).await;
    let elsewhere = rig.created(rig.limit(true, &other.tokens[0], 40, 5)).await;
    let cancel = async |body: Value| rig.call(Method::DELETE, "/cancel-market-orders", Some(&body)).await.1["canceled"].clone();
    assert_eq!(cancel(json!({ "market": null, "asset_id": rig.no() })).await, json!([no]));
    assert_eq!(cancel(json!({ "market": other.condition })).await, json!([elsewhere]));
    assert_eq!(rig.call(Method::DELETE, "/cancel-all", None).await.1["canceled"], json!([yes]));
}

#[tokio::test]
async fn pages_go_on_until_their_cursor_says_the_end() {
    let rules = Rules { page_limit: 2, ..Rules::default() };
    let rig = Rig::start_with(Options { rules, ..options() }).await;
    for cents in 40..45 {
        rig.created(rig.buy(cents, 5)).await;
    }
    let (mut cursor, mut seen) = ("MA==".to_owned(), Vec::new());
    while cursor != "LTE=" {
        let page = rig.get(&format!("/data/orders?next_cursor={cursor}")).await.1;
        seen.extend(page["data"].as_array().expect("rows").iter().map(|row| row["price"].as_str().expect("price").to_owned()));
        cursor = page["next_cursor"].as_str().expect("cursor").to_owned();
    }
    assert_eq!(seen, ["0.44", "0.43", "0.42", "0.41", "0.4"]);
}

#[tokio::test]
async fn a_resolved_market_names_its_winner_and_pays() {
    let rig = Rig::start().await;
    rig.give(rig.yes(), "10").await;
    let id = rig.created(rig.buy(40, 5)).await;
    rig.admin(&format!("markets/{SLUG}/settle"), json!({ "result": "yes", "redeem": false })).await;
    let market = rig.get(&format!("/markets/{}", rig.spec.condition)).await.1;
    assert_eq!(
        (&market["tokens"][0]["winner"], &market["tokens"][1]["winner"], &market["closed"]),
        (&json!(true), &json!(false), &json!(true))
    );
    assert_eq!(rig.truth().await["orders"][&id]["status"], json!("CANCELED_MARKET_RESOLVED"));
    assert_eq!(rig.get(&format!("/book?token_id={}", rig.yes())).await.0, 404);
    rig.admin(&format!("markets/{SLUG}/redeem"), json!({})).await;
    assert_eq!(rig.truth().await["cash"]["settled"], json!("1010"));
    assert!(rig.refused(rig.buy(40, 5)).await.ends_with("does not exist"));
}

#[tokio::test]
async fn delays_hold_the_reply_or_answer_delayed() {
    let rig = Rig::start().await;
    rig.admin(&format!("markets/{SLUG}/delay"), json!({ "taker_delay_ms": 60 })).await;
    let start = std::time::Instant::now();
    assert_eq!(rig.create(rig.buy(52, 5)).await.1["status"], json!("matched"));
    assert!(start.elapsed().as_millis() >= 60);
    rig.admin(&format!("markets/{SLUG}/delay"), json!({ "taker_delay_ms": 0, "delay_s": 1 })).await;
    let body = rig.create(rig.buy(52, 5)).await.1;
    assert_eq!((&body["status"], &body["makingAmount"]), (&json!("delayed"), &json!("")));
    let id = body["orderID"].as_str().expect("id").to_owned();
    assert_eq!(rig.cancel(&id).await["canceled"], json!([]));
    rig.truth_when("matched", |truth| truth["orders"][&id]["status"] == "MATCHED").await;
}

#[tokio::test]
async fn a_missed_heartbeat_costs_the_open_orders() {
    let rules = Rules { heartbeat_ms: 100, heartbeat_sweep_ms: 20, ..Rules::default() };
    let rig = Rig::start_with(Options { rules, ..options() }).await;
    let id = rig.created(rig.buy(40, 5)).await;
    let beat = async |id: Value| rig.call(Method::POST, "/v1/heartbeats", Some(&json!({ "heartbeat_id": id }))).await;
    let (_, first) = beat(Value::Null).await;
    let (status, wrong) = beat(json!("")).await;
    assert_eq!((status, &wrong["error_msg"], &wrong["heartbeat_id"]), (400, &json!("Invalid Heartbeat ID"), &first["heartbeat_id"]));
    assert_eq!(beat(first["heartbeat_id"].clone()).await.0, 200);
    assert_eq!(rig.truth().await["orders"][&id]["status"], json!("LIVE"));
    rig.truth_when("cancelled", |truth| truth["orders"][&id]["status"] == "CANCELED").await;
    assert_eq!(beat(json!("")).await.0, 200);
}
