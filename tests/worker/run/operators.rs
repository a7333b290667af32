//! What operators do by hand: cancel-all, breakers, settlements.

use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, open, reasons, with};
use crate::support::{NatsServer, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resting_orders_are_cancelled_and_markets_settle_to_the_cent() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;

    for number in 0..3 {
        let resting = with(open(&format!("rest-{number}"), &format!("KXREST-{number}-A")), json!({ "tif": "gtc", "limit_price": "0.40" }));
        assert_eq!(strategy.ask(&resting).await["answer"], "requested");
    }
    let all =
        async |state: &str, count: usize| (place.json(&["orders", "--json", "--state", state]).as_array()?.len() == count).then_some(());
    until("three working orders", async || all("working", 3).await).await;
    assert_eq!(place.json(&["pnl", "--json"])["reserved"].as_str().map(|text| text != "0"), Some(true));
    assert!(place.good(&["cancel-all"]).starts_with('3'));
    until("three cancelled orders", async || all("canceled", 3).await).await;
    assert_eq!(place.json(&["pnl", "--json"])["reserved"], "0");

    // Ten at 50 c each: what they cost is $5 and $0.175 of fee.
    let results = [("yes", "5", "10"), ("no", "-5", "0"), ("0.35", "-1.5", "3.5"), ("void", "0", "5")];
    for (result, ..) in results {
        assert_eq!(strategy.ask(&open(result, &format!("KXSETTLE-{result}-A"))).await["answer"], "requested");
    }
    until("four fills", async || all("filled", 4).await).await;
    assert_eq!(place.json(&["pnl", "--json"])["cash"], "979.3");
    for (result, realized, paid) in results {
        let market = format!("KXSETTLE-{result}-A");
        let said = place.good(&["settle", &market, result]);
        assert!(said.contains(&format!("${paid} paid out")), "{said}");
        let positions = place.json(&["positions", "--json"]);
        let position = positions.as_array().expect("positions").iter().find(|position| position["market"] == market.as_str());
        let position = position.expect("the position");
        assert_eq!((&position["quantity"], &position["realized_pnl"]), (&json!("0"), &json!(realized)), "{position}");
        assert_eq!(place.say(&["settle", &market, result]).code, 1, "once");
        let answer = strategy.ask(&open(&format!("late-{result}"), &market)).await;
        assert!(reasons(&answer).contains(&"market_closed".to_owned()), "{answer}");
    }
    let pnl = place.json(&["pnl", "--json"]);
    assert_eq!((&pnl["cash"], &pnl["realized_pnl"], &pnl["fees"]), (&json!("997.8"), &json!("-1.5"), &json!("0.7")), "{pnl}");
    assert_eq!(place.say(&["settle", "KXNOBODY-1-A", "yes"]).code, 1);
    assert_eq!(place.say(&["settle", "KXSETTLE-yes-A", "maybe"]).code, 2);
    assert_eq!(engine.stop(), 0);
    assert_eq!(place.json(&["pnl", "--json"])["cash"], pnl["cash"]);
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_in_a_row_trip_the_breaker_which_only_a_hand_closes() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("PAPER_REJECT_PER_MILLE", "1000").with("MAX_CONSECUTIVE_ERRORS", "2");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let breaker = || place.json(&["breaker", "status", "--json"]);
    assert_eq!((&breaker()["state"], &breaker()["errors_in_a_row_max"]), (&json!("closed"), &json!(2)));
    for number in 0..3_usize {
        assert_eq!(strategy.ask(&open(&format!("bad-{number}"), &format!("KXBAD-{number}-A"))).await["answer"], "requested");
        let rejected = async || (place.json(&["orders", "--json", "--state", "rejected"]).as_array()?.len() == number + 1).then_some(());
        until("the reject", rejected).await;
    }
    until("an open breaker", async || (breaker()["state"] == "open").then_some(())).await;
    assert_eq!(breaker()["open"][0]["scope"], "global");
    place.not_ready("breaker is open").await;
    let answer = strategy.ask(&open("shut", "KXBAD-shut-A")).await;
    assert!(answer["answer"] == "vetoed" && reasons(&answer).contains(&"breaker_open".to_owned()), "{answer}");

    assert_eq!(engine.stop(), 0);
    let mut engine = place.start(&["run"]);
    place.not_ready("breaker is open").await;
    place.good(&["breaker", "reset", "global", "--reason", "test"]);
    assert_eq!(breaker()["state"], Value::from("closed"));
    assert_eq!(place.say(&["breaker", "reset"]).code, 1, "nothing to close");
    place.ready().await;
    assert_eq!(strategy.ask(&open("again", "KXBAD-again-A")).await["answer"], "requested");
    assert_eq!(engine.stop(), 0);
}
