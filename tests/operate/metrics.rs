//! `/metrics` of a running engine: what is there, and that it is true.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use arbees::metrics::{ALL, Kind, markdown};
use serde_json::json;

use crate::arbees::Place;
use crate::strategy::{Strategy, open, with};
use crate::support::{NatsServer, until};

/// Only venues with money, or with books of their own, have these.
const OF_ACCOUNTS: [&str; 12] = [
    "arbees_cash_stated_dollars",
    "arbees_cash_unexplained_dollars",
    "arbees_venue_request_seconds",
    "arbees_rate_budget_remaining",
    "arbees_stream_last_message_age_seconds",
    "arbees_clock_skew_seconds",
    "arbees_venue_mode",
    "arbees_reconciliation_age_seconds",
    "arbees_reconciliation_divergences",
    "arbees_lease_epoch",
    "arbees_lease_held",
    "arbees_rate_budget_remaining",
];

/// Series and their values.
async fn scrape(place: &Place) -> BTreeMap<String, String> {
    let text = place.text("/metrics").await;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(' ').expect("a value")).map(|(series, value)| (series.to_owned(), value.to_owned())).collect()
}

/// The metric of a series.
fn name_of(series: &str) -> String {
    let name = series.split('{').next().expect("a name");
    let histogram = |end: &str| name.strip_suffix(end).filter(|base| ALL.iter().any(|m| m.name == *base && m.kind == Kind::Histogram));
    ["_bucket", "_sum", "_count"].iter().find_map(|end| histogram(end)).unwrap_or(name).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_table_is_served_and_says_what_happened() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("good", "KXGOOD-1-A")).await["answer"], "requested");
    assert_eq!(strategy.ask(&with(open("thin", "KXTHIN-1-A"), json!({ "model_prob": "0.525" }))).await["answer"], "vetoed");
    strategy.send(&open("good", "KXGOOD-1-A")).await;
    strategy.send(&with(open("odd", "KXODD-1-A"), json!({ "limit_price": [1] }))).await;
    let rejected = async || (scrape(&place).await.get("arbees_dead_letters").map(String::as_str) == Some("1")).then_some(());
    until("a rejected signal", rejected).await;
    let repeated = async || (scrape(&place).await["arbees_signals_duplicate_total"] == "1").then_some(());
    until("a duplicate", repeated).await;

    let seen = scrape(&place).await;
    let names: BTreeSet<String> = seen.keys().map(|series| name_of(series)).collect();
    let known: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(names.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "served and not in the table");
    let missing: Vec<&String> = known.difference(&names).filter(|name| !OF_ACCOUNTS.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "in the table and not served");

    for (series, value) in [
        ("arbees_ready", "1"),
        ("arbees_kill_on", "0"),
        ("arbees_signals_received_total{venue=\"kalshi\"}", "3"),
        ("arbees_signals_requested_total", "1"),
        ("arbees_signals_vetoed_total", "1"),
        ("arbees_vetoes_total{reason=\"edge_below_minimum\"}", "1"),
        ("arbees_signals_rejected_total{reason=\"malformed\"}", "1"),
        ("arbees_approvals_total{by=\"risk\"}", "1"),
        ("arbees_orders_sent_total{venue=\"kalshi\"}", "1"),
        ("arbees_stage_seconds_count{stage=\"verdict\"}", "2"),
        ("arbees_log_writable", "1"),
        ("arbees_exposure_limit_dollars{scope=\"game\"}", "100"),
        ("arbees_daily_loss_limit_dollars", "500"),
    ] {
        assert_eq!(seen.get(series).map(String::as_str), Some(value), "{series}");
    }
    let status = place.json(&["status", "--json"]);
    assert_eq!(seen["arbees_log_records"], status["seq"].to_string());
    let exposure = place.json(&["exposure", "--json"]);
    assert_eq!(json!(seen["arbees_exposure_dollars{scope=\"total\"}"]), exposure["total"]["worst"]);
    let cash = place.json(&["pnl", "--json"]);
    assert_eq!(json!(seen["arbees_cash_dollars{venue=\"paper\"}"]), cash["cash"]);

    place.good(&["kill", "on", "--reason", "test"]);
    let seen = scrape(&place).await;
    assert_eq!((seen["arbees_kill_on"].as_str(), seen["arbees_ready"].as_str()), ("1", "0"));
    assert_eq!(engine.stop(), 0);
}

/// Whatever strangers write, the number of series stays what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_strange_signals_bring_no_new_series() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let count = async || place.text("/metrics").await.lines().filter(|line| !line.starts_with('#')).count();
    let strange = |number: usize| {
        let (id, ticker) = (format!("strange-{number}"), format!("KX{number}\"}}-1-A"));
        with(
            open(&id, &ticker),
            json!({ "sport": format!("sport {number}"), "signal_type": format!("type {number}"), "model_prob": "0.525" }),
        )
    };
    assert_eq!(strategy.ask(&strange(0)).await["answer"], "vetoed");
    let before = count().await;
    for number in 1..100 {
        assert_eq!(strategy.ask(&strange(number)).await["answer"], "vetoed");
    }
    assert_eq!(count().await, before);
    assert_eq!(engine.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_own_linter_finds_nothing_wrong() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no promtool (package prometheus); the metrics are not linted");
        return;
    }
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let text = place.text("/metrics").await;
    let mut linter =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool");
    linter.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let done = linter.wait_with_output().expect("promtool's end");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(engine.stop(), 0);
}

/// `UPDATE_EXPECT=1` writes it.
#[test]
fn the_list_for_people_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ops/metrics.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, markdown()).expect("written");
    }
    let text = std::fs::read_to_string(path).expect("ops/metrics.md");
    assert_eq!(text, markdown(), "run `UPDATE_EXPECT=1 cargo test --test operate the_list` after changing the table");
}
