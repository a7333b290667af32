//! A log that can't be written: no start, or an end of trading at once.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::arbees::{Place, Process};
use crate::strategy::{Strategy, open, with};
use crate::support::{NatsServer, until};

pub(super) fn strace_works() -> bool {
    let tried = Command::new("strace").args(["-f", "-e", "trace=none", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s98_a_failed_sync_halts_the_engine_and_nothing_is_sent_after_it() {
    halts_under("fdatasync", "EIO").await;
}

/// What Linux does to a disk with errors; nobody can do it by hand while files are open for writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s98_a_disk_that_becomes_read_only_halts_the_engine_and_nothing_is_sent_after_it() {
    halts_under("pwrite64", "EROFS").await;
}

async fn halts_under(call: &str, error: &str) {
    if !strace_works() {
        eprintln!("SKIPPED: no strace that works here; {call} with {error} is not tried");
        return;
    }
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("MAX_ORDERS_PER_MINUTE", "1000").with("MAX_ORDERS_PER_HOUR", "1000");
    let strategy = Strategy::connect(&server.url()).await;
    let (traced, fail) = (format!("trace={call}"), format!("inject={call}:error={error}:when=30+"));
    let strace = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", &traced, "-e", &fail];
    let mut engine = place.start_under(&strace, &["run"]);
    place.ready().await;
    let lines = until_halted(&mut engine, &strategy).await;
    nothing_is_beside_the_log(&place, &strategy, &lines);
    trades_again(&place, &strategy).await;
}

/// Signals come until the engine has ended by itself; returns its log lines.
pub(super) async fn until_halted(engine: &mut Process, strategy: &Strategy) -> String {
    let mut number = 0;
    until("the engine to end", async || {
        number += 1;
        strategy.send(&with(open(&format!("s{number}"), &format!("KXSYNC-{number}-A")), json!({ "size": "1" }))).await;
        (!engine.lives()).then_some(())
    })
    .await;
    assert_eq!(engine.exit_code(), 3, "halted");
    let lines = engine.lines();
    assert!(lines.contains("trading has halted"), "{lines}");
    assert!(!lines.contains("panicked"), "{lines}");
    lines
}

/// What was sent, filled or answered was durable before: the log holds it. (The lines follow the log, so their order
/// among themselves tells nothing of the halt.)
pub(super) fn nothing_is_beside_the_log(place: &Place, strategy: &Strategy, lines: &str) {
    let orders = |word: &str| -> BTreeSet<String> {
        let mine = lines.lines().filter_map(|line| line.split_once(word)?.1.split_once("(order ")?.1.split([',', ')']).next());
        mine.map(str::to_owned).collect()
    };
    let (placed, filled) = (orders("placing "), orders("filled "));
    assert!(!placed.is_empty() && !filled.is_empty(), "some were placed and filled before: {lines}");
    let events = place.events();
    let of = |name: &str| -> BTreeSet<String> {
        let mine = events.iter().filter(|event| event["event"] == name);
        mine.filter_map(|event| event["order_id"].as_str().map(str::to_owned)).collect()
    };
    let (sent, booked) = (of("SubmitStarted"), of("Filled"));
    assert!(placed.is_subset(&sent), "sent, but not in the log: {:?}", placed.difference(&sent));
    assert!(filled.is_subset(&booked), "filled, but not in the log: {:?}", filled.difference(&booked));
    for answer in strategy.heard().iter().filter(|answer| answer["answer"] == "requested") {
        assert!(sent.contains(answer["order_id"].as_str().expect("an order")), "{answer} is not in the log");
    }
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}

pub(super) async fn trades_again(place: &Place, strategy: &Strategy) {
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("healthy again", "KXSYNC-again-A")).await["answer"], "requested");
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
}

#[test]
fn a_folder_that_cannot_hold_a_log_is_refused_with_its_name() {
    let place = Place::new("embedded");
    fs::create_dir_all(place.mode_dir()).expect("folder");
    fs::write(place.mode_dir().join("journal"), "not a folder").expect("file");
    let said = place.say(&["run"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("journal"), "{said:?}");
    let place = Place::new("embedded");
    fs::write(place.dir.join("file"), "").expect("file");
    let inside = place.dir.join("file").join("data").display().to_string();
    let place = place.with("DATA_DIR", &inside);
    let said = place.say(&["run"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&inside), "{said:?}");
}

#[test]
fn reading_commands_without_a_log_say_so() {
    let place = Place::new("embedded");
    for command in ["status", "positions", "orders", "pnl", "verify", "replay"] {
        let said = place.say(&[command]);
        assert_eq!((said.code, said.err.contains("there is no log")), (1, true), "{command}: {said:?}");
    }
}
