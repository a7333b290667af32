//! Creates, cancels, changes and look-ups in the venue's words.

use reqwest::Method;
use serde_json::json;

use super::rig::{Rig, TICKER, ioc, options, order, resting};
use crate::exchange::kalshi::{Options, PostOnlyCross, Rules};

#[tokio::test]
async fn a_resting_order_is_created_read_cancelled_and_then_gone() {
    let rig = Rig::start().await;
    let (status, made) = rig.create(resting("c1", "bid", "0.0100", "1.00")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("0.00"), &json!("1.00")));
    let id = made["order_id"].as_str().expect("id");
    let (_, read) = rig.get(&format!("/portfolio/orders/{id}")).await;
    assert_eq!((&read["order"]["status"], &read["order"]["yes_price_dollars"]), (&json!("resting"), &json!("0.0100")));
    let (status, gone) = rig.cancel(id).await;
    assert_eq!((status, &gone["order_id"], &gone["reduced_by"]), (200, &json!(id), &json!("1.00")));
    let (status, again) = rig.cancel(id).await;
    assert_eq!((status, &again["error"]["code"]), (404, &json!("not_found")));
    assert_eq!(rig.cancel("00000000-0000-0000-0000-000000000000").await.0, 404);
}

#[tokio::test]
async fn a_taker_gets_the_better_price_and_pays_the_recorded_fee() {
    let rig = Rig::start().await;
    let (status, made) = rig.create(ioc("c1", "bid", "0.9900", "1.00")).await;
    assert_eq!(status, 201);
    assert_eq!((&made["average_fill_price"], &made["average_fee_paid"]), (&json!("0.5200"), &json!("0.0175")));
    let (_, fills) = rig.get("/portfolio/fills").await;
    let fill = &fills["fills"][0];
    assert_eq!((&fill["fee_cost"], &fill["yes_price_dollars"], &fill["count_fp"]), (&json!("0.017500"), &json!("0.5200"), &json!("1.00")));
    assert!(fill.get("client_order_id").is_none());
    let (_, balance) = rig.get("/portfolio/balance").await;
    assert_eq!((&balance["balance"], &balance["balance_dollars"]), (&json!(99_946), &json!("999.4625")));
    let (_, positions) = rig.get("/portfolio/positions").await;
    assert_eq!(positions["market_positions"][0]["position_fp"], json!("1.00"));
    assert_eq!(positions["market_positions"][0]["market_exposure_dollars"], json!("0.520000"));
    assert_eq!(rig.truth().await["cash"]["cash"], json!("999.462500"));
}

#[tokio::test]
async fn an_ioc_cancels_its_rest_and_a_partial_fill_is_told() {
    let rig = Rig::start().await;
    let (status, made) = rig.create(ioc("c1", "bid", "0.52", "5")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("3.00"), &json!("0.00")));
    let (_, read) = rig.get(&format!("/portfolio/orders/{}", made["order_id"].as_str().expect("id"))).await;
    assert_eq!((&read["order"]["status"], &read["order"]["fill_count_fp"]), (&json!("canceled"), &json!("3.00")));
}

#[tokio::test]
async fn a_fill_or_kill_that_cant_be_filled_burns_its_id_and_leaves_no_order() {
    let rig = Rig::start().await;
    let (status, killed) = rig.create(order("c1", "bid", "0.52", "5", "fill_or_kill")).await;
    assert_eq!((status, &killed["error"]["code"]), (409, &json!("fill_or_kill_insufficient_resting_volume")));
    let (status, again) = rig.create(order("c1", "bid", "0.52", "1", "fill_or_kill")).await;
    assert_eq!((status, &again["error"]["code"]), (409, &json!("order_already_exists")));
    assert_eq!(rig.get("/portfolio/orders").await.1["orders"], json!([]));
    rig.admin("rules", json!({ "fill_or_kill": "accept_and_cancel" })).await;
    let (status, made) = rig.create(order("c2", "bid", "0.52", "5", "fill_or_kill")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("0.00"), &json!("0.00")));
    assert_eq!(rig.create(order("c3", "bid", "0.52", "3", "fill_or_kill")).await.1["fill_count"], json!("3.00"));
}

#[tokio::test]
async fn an_id_is_burnt_by_a_cancelled_order_too() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.01", "1")).await;
    rig.cancel(&id).await;
    let (status, again) = rig.create(resting("c1", "bid", "0.01", "1")).await;
    assert_eq!((status, &again["error"]["code"]), (409, &json!("order_already_exists")));
}

#[tokio::test]
async fn bad_orders_are_refused_in_the_recorded_words() {
    let rig = Rig::start().await;
    let mut number = resting("c1", "bid", "0.01", "1");
    number["count"] = json!(1);
    let (status, flat) = rig.create(number).await;
    let details = "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string";
    assert_eq!((status, flat), (400, json!({ "code": "bad_request", "message": "bad request", "details": details })));
    let code = async |body| rig.create(body).await;
    let refused = |code: &str, words: &str| (400, json!({ "error": { "code": code, "message": words } }));
    assert_eq!(code(resting("c1", "bid", "0.5150", "1")).await, refused("invalid_price", "invalid price"));
    assert_eq!(code(resting("c1", "bid", "0.9900", "10099")).await, refused("insufficient_balance", "insufficient balance"));
    let mut crossing = resting("c1", "bid", "0.9900", "1");
    crossing["post_only"] = json!(true);
    let words = json!({ "error": { "code": "invalid_order", "message": "invalid order", "details": "post only cross" } });
    assert_eq!(code(crossing).await, (400, words));
    let mut unknown = resting("c1", "bid", "0.01", "1");
    unknown["ticker"] = json!("KXNOSUCH-1-A");
    assert_eq!(code(unknown).await.0, 404);
    let mut past = resting("c1", "bid", "0.01", "1");
    past["expiration_time"] = json!(1_700_000_000);
    assert_eq!(code(past).await.1["error"]["code"], json!("invalid_order"));
    let mut ioc_expiry = ioc("c1", "bid", "0.01", "1");
    ioc_expiry["expiration_time"] = json!(4_000_000_000_i64);
    assert_eq!(code(ioc_expiry).await.1["error"]["code"], json!("invalid_order"));
    let mut reducing = resting("c1", "bid", "0.01", "1");
    reducing["reduce_only"] = json!(true);
    assert_eq!(code(reducing).await.1["error"]["code"], json!("invalid_order"));
    let mut wrong_shard = resting("c1", "bid", "0.01", "1");
    wrong_shard["exchange_index"] = json!(2);
    assert_eq!(code(wrong_shard).await.1["error"]["code"], json!("market_not_found"));
    assert_eq!(rig.truth().await["orders"], json!({}));
    rig.created(resting("c1", "bid", "0.01", "1")).await;
}

#[tokio::test]
async fn post_only_may_also_be_accepted_and_cancelled() {
    let rules = Rules { post_only_cross: PostOnlyCross::AcceptAndCancel, ..Rules::default() };
    let rig = Rig::start_with(Options { rules, ..options() }).await;
    rig.admin(&format!("markets/{TICKER}/book"), json!({ "asks": [["0.52", "3"]] })).await;
    let mut crossing = resting("c1", "bid", "0.9900", "1");
    crossing["post_only"] = json!(true);
    let (status, made) = rig.create(crossing).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("0.00"), &json!("0.00")));
    assert_eq!(rig.truth().await["orders"]["c1"]["last_update_reason"], json!("PostOnlyCrossCancel"));
}

#[tokio::test]
async fn reduce_only_is_cut_to_the_position_and_to_nothing_is_cancelled() {
    let rig = Rig::start().await;
    let reduce = |id: &str, count: &str| {
        let mut order = ioc(id, "ask", "0.47", count);
        order["reduce_only"] = json!(true);
        order
    };
    rig.created(ioc("open", "bid", "0.52", "2")).await;
    let (status, made) = rig.create(reduce("close", "5")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("2.00"), &json!("0.00")));
    let (status, made) = rig.create(reduce("nothing", "5")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("0.00"), &json!("0.00")));
    let truth = rig.truth().await;
    assert_eq!(truth["orders"]["nothing"]["last_update_reason"], json!("ReduceOnlyCancel"));
    assert_eq!(truth["positions"][TICKER]["position"], json!("0.00"));
}

#[tokio::test]
async fn an_order_that_meets_its_own_account_stops_or_takes_the_old_one_out() {
    let rig = Rig::start().await;
    let own = rig.created(resting("own", "ask", "0.50", "1")).await;
    let (status, made) = rig.create(resting("taker", "bid", "0.50", "1")).await;
    assert_eq!((status, &made["fill_count"], &made["remaining_count"]), (201, &json!("0.00"), &json!("0.00")));
    let (_, read) = rig.get(&format!("/portfolio/orders/{own}")).await;
    assert_eq!(read["order"]["status"], json!("resting"));
    let mut maker = resting("maker", "bid", "0.52", "1");
    maker["self_trade_prevention_type"] = json!("maker");
    let (_, made) = rig.create(maker).await;
    assert_eq!(made["fill_count"], json!("1.00"));
    assert_eq!(rig.truth().await["orders"]["own"]["last_update_reason"], json!("SelfTradeCancel"));
}

#[tokio::test]
async fn an_amendment_counts_the_total_and_loses_its_place_only_when_it_must() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.47", "4")).await;
    let amend = async |body| rig.call(Method::POST, &format!("/portfolio/events/orders/{id}/amend"), Some(body)).await;
    let ahead = async || rig.get(&format!("/portfolio/orders/{id}/queue_position")).await.1["queue_position_fp"].clone();
    assert_eq!(ahead().await, json!("3.00"));
    rig.admin("hit", json!({ "client_order_id": "c1", "quantity": "1" })).await;
    let base = json!({ "ticker": TICKER, "side": "bid", "price": "0.47", "count": "3.00" });
    let (status, made) = amend(base.clone()).await;
    assert_eq!((status, &made["remaining_count"]), (200, &json!("2.00")));
    let mut other = base.clone();
    other["side"] = json!("ask");
    assert_eq!(amend(other).await.1["error"]["code"], json!("order_side_mismatch"));
    let mut expiry = base.clone();
    expiry["expiration_time"] = json!(4_000_000_000_i64);
    assert!(amend(expiry).await.1.get("remaining_count").is_none());
    let mut crossing = base;
    (crossing["price"], crossing["updated_client_order_id"]) = (json!("0.52"), json!("c2"));
    let (_, made) = amend(crossing).await;
    assert_eq!(
        (&made["fill_count"], &made["client_order_id"], &made["average_fill_price"]),
        (&json!("2.00"), &json!("c2"), &json!("0.5200"))
    );
    assert_eq!(rig.truth().await["positions"][TICKER]["position"], json!("3.00"));
}

#[tokio::test]
async fn decreases_batches_and_cancel_all() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.10", "4")).await;
    let decrease = async |body| rig.call(Method::POST, &format!("/portfolio/events/orders/{id}/decrease"), Some(body)).await;
    assert_eq!(decrease(json!({ "reduce_to": "1.00" })).await.1["remaining_count"], json!("1.00"));
    assert_eq!(decrease(json!({ "reduce_to": "1.00", "reduce_by": "1.00" })).await.0, 400);
    let batch = json!({ "orders": [resting("b1", "bid", "0.10", "1"), resting("b1", "bid", "0.10", "1")] });
    let (status, made) = rig.call(Method::POST, "/portfolio/events/orders/batched", Some(batch)).await;
    assert_eq!((status, &made["orders"][1]["error"]["code"]), (201, &json!("order_already_exists")));
    let batch = json!({ "orders": [{ "order_id": made["orders"][0]["order_id"] }, { "order_id": "nonsense" }] });
    let (status, made) = rig.call(Method::DELETE, "/portfolio/events/orders/batched", Some(batch)).await;
    assert_eq!((status, &made["orders"][0]["reduced_by"]), (200, &json!("1.00")));
    assert_eq!(made["orders"][1]["error"]["code"], json!("not_found"));
    let (status, _) = rig.call(Method::DELETE, "/portfolio/events/orders", None).await;
    assert_eq!(status, 204);
    let (_, orders) = rig.get("/portfolio/orders?status=resting").await;
    assert_eq!(orders["orders"], json!([]));
    let (status, late) = rig.create(resting("late", "bid", "0.10", "1")).await;
    assert_eq!((status, &late["remaining_count"]), (201, &json!("0.00")));
}

#[tokio::test]
async fn lists_filter_and_page() {
    let rig = Rig::start().await;
    for number in 0..5 {
        rig.created(resting(&format!("c{number}"), "bid", "0.10", "1")).await;
    }
    let (_, first) = rig.get("/portfolio/orders?limit=2").await;
    let ids = |page: &serde_json::Value| {
        page["orders"].as_array().expect("orders").iter().map(|order| order["client_order_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), [json!("c4"), json!("c3")]);
    let cursor = first["cursor"].as_str().expect("cursor");
    let (_, second) = rig.get(&format!("/portfolio/orders?limit=3&cursor={cursor}")).await;
    assert_eq!((ids(&second), &second["cursor"]), (vec![json!("c2"), json!("c1"), json!("c0")], &json!("")));
    assert_eq!(ids(&rig.get("/portfolio/orders?limit=1&cursor=garbage").await.1), [json!("c4")]);
    assert_eq!(ids(&rig.get("/portfolio/orders?ticker=KXOTHER").await.1), Vec::<serde_json::Value>::new());
    assert_eq!(ids(&rig.get("/portfolio/orders?min_ts=4000000000").await.1), Vec::<serde_json::Value>::new());
    let (status, refused) = rig.get("/portfolio/orders?limit=1001").await;
    assert_eq!(status, 400);
    assert!(refused["msg"].as_str().is_some_and(|msg| msg.starts_with("Parameter validation failed for GetOrders")));
}

#[tokio::test]
async fn the_first_protocol_is_gone() {
    let rig = Rig::start().await;
    for (method, path) in
        [(Method::POST, "/portfolio/orders"), (Method::DELETE, "/portfolio/orders/x"), (Method::POST, "/portfolio/orders/batched")]
    {
        let (status, body) = rig.call(method, path, Some(json!({}))).await;
        assert_eq!((status, &body["error"]["code"]), (410, &json!("deprecated_v1_order_endpoint")));
    }
}

#[tokio::test]
async fn a_group_blows_at_its_limit_and_refuses_until_it_is_reset() {
    let rig = Rig::start().await;
    let (status, group) = rig.call(Method::POST, "/portfolio/order_groups/create", Some(json!({ "contracts_limit": 2 }))).await;
    assert_eq!(status, 201);
    let id = group["order_group_id"].as_str().expect("id").to_owned();
    let grouped = |client: &str, price: &str, count: &str| {
        let mut order = resting(client, "bid", price, count);
        order["order_group_id"] = json!(id);
        order
    };
    rig.created(grouped("rests", "0.10", "1")).await;
    assert_eq!(rig.create(grouped("takes", "0.52", "2")).await.1["fill_count"], json!("2.00"));
    assert_eq!(rig.truth().await["orders"]["rests"]["status"], json!("canceled"));
    assert_eq!(rig.create(grouped("refused", "0.10", "1")).await.0, 400);
    let (status, _) = rig.call(Method::PUT, &format!("/portfolio/order_groups/{id}/reset"), Some(json!({}))).await;
    assert_eq!(status, 200);
    rig.created(grouped("again", "0.10", "1")).await;
    assert_eq!(rig.get(&format!("/portfolio/order_groups/{id}")).await.1["orders"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.call(Method::DELETE, &format!("/portfolio/order_groups/{id}"), None).await.0, 200);
    assert_eq!(rig.truth().await["orders"]["again"]["status"], json!("canceled"));
}
