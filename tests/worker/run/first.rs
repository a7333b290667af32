//! The spine: signal, answer, order, fill, position, and the same again from the log.

use serde_json::json;

use crate::arbees::Place;
use crate::strategy::{Strategy, open};
use crate::support::{NatsServer, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_on_nats_becomes_a_position_that_the_log_tells_again() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;

    let answer = strategy.ask(&open("first", "KXNBAGAME-26JAN07TORCHA-TOR")).await;
    assert_eq!((answer["answer"].as_str(), answer["reasons"].clone()), (Some("requested"), json!([])), "{answer}");
    let order_id = answer["order_id"].as_str().expect("an order id").to_owned();
    let filled = async || place.json(&["orders", "--json"]).as_array()?.iter().find(|order| order["state"] == "filled").cloned();
    let order = until("the fill", filled).await;
    for (field, expected) in
        [("order_id", order_id.as_str()), ("signal_id", "first"), ("quantity", "10"), ("filled", "10"), ("average_price", "0.5")]
    {
        assert_eq!(order[field], expected, "{field} of {order}");
    }
    let positions = place.json(&["positions", "--json"]);
    assert_eq!(positions.as_array().map(Vec::len), Some(1), "{positions}");
    // 0.07 x 10 x 0.5 x 0.5 = $0.175: Kalshi keeps fractions of a cent.
    for (field, expected) in [
        ("venue", "kalshi"),
        ("market", "KXNBAGAME-26JAN07TORCHA-TOR"),
        ("outcome", "yes"),
        ("quantity", "10"),
        ("average_price", "0.5"),
        ("realized_pnl", "0"),
        ("unrealized_pnl", "-0.2"),
        ("fees", "0.175"),
    ] {
        assert_eq!(positions[0][field], expected, "{field} of {positions}");
    }
    let told = place.json(&["explain", "first", "--json"]);
    assert_eq!((told["signal_id"].as_str(), told["answer"].as_str()), (Some("first"), Some("requested")));
    let of_order = &told["orders"][0];
    assert_eq!((of_order["order_id"].as_str(), of_order["state"].as_str()), (Some(order_id.as_str()), Some("filled")));
    assert_eq!(of_order["fills"].as_array().map(Vec::len), Some(1), "{of_order}");
    let names: Vec<&str> = told["events"].as_array().expect("events").iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["OrderRequested", "OrderApproved", "SubmitStarted", "OrderAcked", "Filled"]);
    assert_eq!(place.json(&["explain", &order_id[..8], "--json"])["signal_id"], "first", "by the first digits of the order");
    assert!(place.good(&["explain", "first"]).contains("filled 10 at 0.5"));

    let (status, replay) = (place.json(&["status", "--json"]), place.json(&["replay", "--json"]));
    assert_eq!(status["ready"], true, "{status}");
    assert_eq!((&replay["state_hash"], &replay["identical"]), (&status["state_hash"], &json!(true)), "{replay}");
    let (_, over_http) = place.get("/api/positions").await.expect("the API");
    assert_eq!(over_http, positions, "the API and the command show the same");
    let (code, alive) = place.get("/healthz").await.expect("the API");
    assert_eq!((code, &alive["status"], &alive["log_id"]), (200, &json!("alive"), &status["log_id"]));

    assert_eq!(engine.stop(), 0, "{}", engine.lines());
    assert_eq!(place.json(&["positions", "--json"]), positions, "without an engine the log says the same");
    assert_eq!(place.json(&["explain", "first", "--json"])["orders"], told["orders"]);
    let verified = place.json(&["verify", "--json"]);
    assert_eq!(
        (&verified["good"], &verified["fills"], &verified["signatures_checked"]),
        (&json!(true), &json!(1), &json!(1)),
        "{verified}"
    );
    let until_then = place.json(&["replay", "--json", "--until", &status["seq"].to_string()]);
    assert_eq!(until_then["state_hash"], status["state_hash"], "the log up to there folds to the living engine's state");
    let offline = place.json(&["status", "--json"]);
    assert_eq!((&offline["running"], &offline["ready"]), (&json!(false), &json!(false)));

    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(place.json(&["positions", "--json"]), positions, "and so does the next engine");
    assert_eq!(engine.stop(), 0);
}
