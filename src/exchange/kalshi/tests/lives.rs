//! Markets close, pause, change and end; the exchange rests.

use serde_json::json;

use super::rig::{Rig, TICKER, ioc, options, resting};
use crate::clock::Clock;
use crate::exchange::kalshi::Options;

#[tokio::test]
async fn a_closed_market_takes_no_cancels_and_then_cancels_by_itself() {
    let rig = Rig::start().await;
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["user_orders"] } })]).await;
    let id = rig.created(resting("c1", "bid", "0.10", "1")).await;
    rig.admin(&format!("markets/{TICKER}/status"), json!({ "status": "closed" })).await;
    let (_, refused) = rig.cancel(&id).await;
    assert_eq!(refused["error"]["code"], json!("MARKET_INACTIVE"));
    assert_eq!(rig.create(resting("c2", "bid", "0.10", "1")).await.1["error"]["code"], json!("MARKET_INACTIVE"));
    let reason = loop {
        let frame = socket.hear_a("user_order").await;
        if frame["msg"]["status"] == json!("canceled") {
            break frame["msg"]["last_update_reason"].clone();
        }
    };
    assert_eq!(reason, json!("CloseCancel"));
}

#[tokio::test]
async fn a_pause_keeps_orders_and_coming_back_cancels_them() {
    let rig = Rig::start().await;
    rig.created(resting("c1", "bid", "0.10", "1")).await;
    let mut flagged = resting("c2", "bid", "0.10", "1");
    flagged["cancel_order_on_pause"] = json!(true);
    rig.created(flagged).await;
    let status = async |status: &str| rig.admin(&format!("markets/{TICKER}/status"), json!({ "status": status })).await;
    status("inactive").await;
    let truth = rig.truth().await;
    assert_eq!((&truth["orders"]["c1"]["status"], &truth["orders"]["c2"]["status"]), (&json!("resting"), &json!("canceled")));
    status("active").await;
    assert_eq!(rig.truth().await["orders"]["c1"]["status"], json!("canceled"));
}

#[tokio::test]
async fn a_settlement_pays_to_the_cent_and_empties_the_positions() {
    let rig = Rig::start().await;
    rig.created(ioc("c1", "bid", "0.52", "2")).await;
    rig.admin(&format!("markets/{TICKER}/settle"), json!({ "result": "yes" })).await;
    let truth = rig.truth().await;
    assert_eq!(truth["cash"]["cash"], json!("1000.925000"));
    let (_, settlements) = rig.get("/portfolio/settlements").await;
    let row = &settlements["settlements"][0];
    assert_eq!((&row["market_result"], &row["revenue"], &row["value"]), (&json!("yes"), &json!(200), &json!(100)));
    assert_eq!((&row["yes_count_fp"], &row["no_count_fp"], &row["fee_cost"]), (&json!("2.00"), &json!("0.00"), &json!("0.035000")));
    assert_eq!(rig.get("/portfolio/positions").await.1["market_positions"], json!([]));
    assert_eq!(rig.get(&format!("/markets/{TICKER}")).await.1["market"]["status"], json!("finalized"));
}

#[tokio::test]
async fn a_short_is_no_and_a_scalar_or_void_pays_its_part() {
    // 0.53 and a fee of 0.0175 are paid; NO then pays its part of a dollar, or the cost comes back.
    for (result, cash) in [("0.30", "1000.152500"), ("void", "999.982500"), ("no", "1000.452500"), ("yes", "999.452500")] {
        let rig = Rig::start().await;
        let (_, made) = rig.create(ioc("c1", "ask", "0.47", "1")).await;
        assert_eq!((&made["average_fill_price"], &made["average_fee_paid"]), (&json!("0.4700"), &json!("0.0175")));
        assert_eq!(rig.truth().await["positions"][TICKER]["position"], json!("-1.00"));
        rig.admin(&format!("markets/{TICKER}/settle"), json!({ "result": result })).await;
        assert_eq!(rig.truth().await["cash"]["cash"], json!(cash), "{result}");
    }
}

#[tokio::test]
async fn the_exchange_pauses_trading_and_then_everything() {
    let rig = Rig::start().await;
    let id = rig.created(resting("c1", "bid", "0.10", "1")).await;
    rig.admin("exchange", json!({ "trading_active": false, "resumes": "2026-11-26T10:00:00Z" })).await;
    let (_, status) = rig.get("/exchange/status").await;
    assert_eq!((&status["trading_active"], &status["exchange_estimated_resume_time"]), (&json!(false), &json!("2026-11-26T10:00:00Z")));
    assert_eq!(rig.create(resting("c2", "bid", "0.10", "1")).await.0, 400);
    assert_eq!(rig.cancel(&id).await.0, 200);
    rig.admin("exchange", json!({ "exchange_active": false })).await;
    assert_eq!(rig.cancel(&id).await.0, 503);
}

#[tokio::test]
async fn a_grid_changes_live() {
    let rig = Rig::start().await;
    assert_eq!(rig.create(resting("c1", "bid", "0.515", "1")).await.1["error"]["code"], json!("invalid_price"));
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["market_lifecycle_v2"] } })]).await;
    socket.hear_a("subscribed").await;
    rig.admin(&format!("markets/{TICKER}/structure"), json!({ "price_level_structure": "deci_cent" })).await;
    let told = socket.hear_a("market_lifecycle_v2").await;
    assert_eq!(told["msg"]["price_ranges"], json!([{ "start": "0.0000", "end": "1.0000", "step": "0.0010" }]));
    assert_eq!(told["seq"], json!(1));
    rig.created(resting("c1", "bid", "0.515", "1")).await;
}

#[tokio::test]
async fn a_fee_change_reaches_new_orders_and_their_event() {
    let rig = Rig::start().await;
    rig.admin(&format!("markets/{TICKER}/fees"), json!({ "fee_type": "quadratic", "fee_multiplier": "2" })).await;
    let (_, made) = rig.create(ioc("c1", "bid", "0.52", "1")).await;
    assert_eq!(made["average_fee_paid"], json!("0.0350"));
    assert_eq!(rig.get("/series/KXTEST").await.1["series"]["fee_multiplier"], json!(2));
    assert_eq!(rig.get("/events/KXTEST-26NOV22").await.1["event"]["event_ticker"], json!("KXTEST-26NOV22"));
}

#[tokio::test]
async fn money_lies_on_shards_and_an_order_needs_it_on_its_own() {
    let mut given = options();
    given.markets[0].shard = 2;
    let rig = Rig::start_with(given).await;
    assert_eq!(rig.create(resting("c1", "bid", "0.10", "1")).await.1["error"]["code"], json!("insufficient_balance"));
    rig.admin("cash", json!({ "amount": "5", "exchange_index": 2 })).await;
    rig.created(resting("c1", "bid", "0.10", "1")).await;
    let (_, balance) = rig.get("/portfolio/balance?exchange_index=2").await;
    assert_eq!(balance["balance_breakdown"], json!([{ "exchange_index": 2, "balance": "4.9000" }]));
}

#[tokio::test]
async fn an_expiry_is_kept_to_the_second() {
    let start = Clock::system().now().wall;
    let (clock, hand) = Clock::manual(start);
    let rig = Rig::start_with(Options { clock: Some(clock), ..options() }).await;
    let mut socket = rig.socket(&[json!({ "id": 1, "cmd": "subscribe", "params": { "channels": ["user_orders"] } })]).await;
    let mut order = resting("c1", "bid", "0.10", "1");
    order["expiration_time"] = json!(start.ms() / 1_000 + 5);
    rig.created(order).await;
    assert_eq!(socket.hear_a("user_order").await["msg"]["status"], json!("resting"));
    hand.advance_ms(5_000);
    assert_eq!(socket.hear_a("user_order").await["msg"]["last_update_reason"], json!("ExpiryCancel"));
}
