//! What an auditor gets: reports and exports of a real log, with an engine and without.

use serde_json::json;

use crate::arbees::Place;
use crate::strategy::{Strategy, close, open, with};
use crate::support::NatsServer;

async fn traded() -> (NatsServer, Place, crate::arbees::Process) {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let engine = place.start(&["run"]);
    place.ready().await;
    let named = |id: &str, market: &str| with(open(id, market), json!({ "signal_type": "=cmd|' /C calc'!A0" }));
    assert_eq!(strategy.ask(&named("one", "KXAUDIT-1-A")).await["answer"], "requested");
    assert_eq!(strategy.ask(&close("out", "KXAUDIT-1-A")).await["answer"], "requested");
    assert_eq!(strategy.ask(&with(open("thin", "KXTHIN-1-A"), json!({ "model_prob": "0.525" }))).await["answer"], "vetoed");
    (server, place, engine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_says_the_same_with_an_engine_and_without_and_adds_up() {
    let (_server, place, mut engine) = traded().await;
    let living = place.json(&["report", "weekly", "--json"]);
    assert_eq!((&living["signals"], &living["approved"], &living["vetoed"]), (&json!(3), &json!(2), &json!(1)), "{living}");
    let pnl = place.json(&["pnl", "--json"]);
    assert_eq!((&living["realized"], &living["fees"], &living["closing_equity"]), (&pnl["realized_pnl"], &pnl["fees"], &pnl["equity"]));
    assert_eq!(engine.stop(), 0);
    let read = place.json(&["report", "weekly", "--json"]);
    for figure in ["signals", "realized", "fees", "closing_equity", "vetoes", "by_venue", "execution"] {
        assert_eq!(living[figure], read[figure], "{figure}");
    }
    let markdown = place.good(&["report", "daily"]);
    assert!(markdown.starts_with("# Trading on 20") && markdown.contains("| edge below minimum"), "{markdown}");
    let page = place.dir.join("week.html");
    place.good(&["report", "weekly", "--format", "html", "--out", page.to_str().expect("path")]);
    let html = std::fs::read_to_string(page).expect("written");
    assert!(html.starts_with("<!doctype html>") && html.contains("<polyline"), "{html}");
    let wrong = place.say(&["report", "daily", "--day", "yesterday"]);
    assert!(wrong.code == 2 && wrong.err.contains("a date as 2026-01-28"), "{wrong:?}");
    let none = place.say(&["report", "daily", "--day", "2020-01-01"]);
    assert!(none.code == 1 && none.err.contains("no trading day from 2020-01-01"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_hold_every_fact_once_and_no_formula() {
    let (_server, place, mut engine) = traded().await;
    let orders = place.good(&["export", "orders"]);
    assert_eq!(
        orders.lines().next(),
        Some(
            "order_id,signal_id,revision,venue,market,outcome,action,quantity,filled,average_price,fees,limit,tif,state,attempts,game,requested_at,acked_at,ended"
        )
    );
    assert_eq!(orders.lines().count(), 3, "{orders}");
    let fills = place.good(&["export", "fills", "--format", "jsonl"]);
    let filled = place.events().iter().filter(|event| event["event"] == "Filled").count();
    assert_eq!(fills.lines().count(), filled);
    let vetoes = place.good(&["export", "vetoes"]);
    assert!(vetoes.lines().any(|line| line.contains(",edge_below_minimum,")), "{vetoes}");
    assert_eq!(engine.stop(), 0);
    let events = place.good(&["export", "events", "--format", "jsonl"]);
    assert_eq!(events.lines().count(), place.events().len());
    for what in ["orders", "fills", "positions", "pnl", "vetoes", "events"] {
        let sheet = place.good(&["export", what]);
        assert!(sheet.lines().count() > 1, "{what}: {sheet}");
        assert!(sheet.split([',', '\n']).all(|cell| !cell.starts_with(['=', '@'])), "{sheet}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_is_quiet_about_a_living_engine_and_clear_about_a_dead_one() {
    let (_server, place, mut engine) = traded().await;
    for args in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let said = place.say(args);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""), "{args:?}");
    }
    place.good(&["kill", "on", "--reason", "test"]);
    assert_eq!(place.say(&["healthcheck"]).code, 0);
    let killed = place.say(&["healthcheck", "--ready"]);
    assert!(killed.code == 1 && killed.err.contains("the kill is on"), "{killed:?}");
    assert_eq!(engine.stop(), 0);
    let dead = place.say(&["healthcheck"]);
    assert!(dead.code == 1 && dead.err.contains("no engine"), "{dead:?}");
}
