//! For long at a strategy's pace, with bursts and with faults at both venues: memory and files over time, then everything is
//! counted. `./run soak MINUTES`; `SOAK_MINUTES` in the environment.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arbees::Process;
use crate::counting::count;
use crate::load::Load;
use crate::world::World;

/// In an ordinary test run: too short to judge growth, long enough for each fault.
const SHORT: Duration = Duration::from_secs(40);
/// From here on memory is judged.
const JUDGED_FROM: Duration = Duration::from_secs(180);
/// Fills what is bounded, before memory is judged: the engine's last 8,192 answers, and sled's cache of 16 MiB.
const WARM_UP_SIGNALS: u64 = 10_000;
const WARM_UP_PER_SECOND: u64 = 200;
/// 300 a minute, and ten times as many in a burst.
const SIGNALS_PER_SECOND: u64 = 5;
const SIGNALS_PER_SECOND_IN_BURSTS: u64 = 50;
const BURST_EVERY: Duration = Duration::from_secs(30);
const BURST: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FAULT_EVERY: Duration = Duration::from_secs(2);
/// Orders of markets that aren't settled stay in memory by design, some kilobytes each.
const GROWTH_KB_MAX: u64 = 6 * 1_024;
const GROWTH_PERCENT_MAX: u64 = 5;
const FILES_MORE_MAX: u64 = 20;

/// One at a time, each for a call or two, at both venues; then from the beginning.
fn faults() -> Vec<Value> {
    vec![
        json!({ "kind": "late_reply", "call": "create", "ms": 400, "count": 2 }),
        json!({ "kind": "no_reply", "call": "create", "how": "reset", "count": 1 }),
        json!({ "kind": "status", "call": "reads", "status": 500, "count": 2 }),
        json!({ "kind": "too_many_requests", "call": "create", "count": 1 }),
        json!({ "kind": "ws_duplicate", "count": 5 }),
        json!({ "kind": "ws_drop", "count": 3 }),
        json!({ "kind": "broken_json", "call": "create", "count": 1 }),
        json!({ "kind": "html", "call": "reads", "status": 502, "count": 1 }),
        json!({ "kind": "late_request", "call": "cancel", "ms": 300, "count": 1 }),
        json!({ "kind": "ws_disconnect", "count": 1 }),
        json!({ "kind": "stale_read", "call": "reads", "ms": 500, "count": 2 }),
        json!({ "kind": "truncated", "call": "cancel", "count": 1 }),
    ]
}

/// One look at both processes and the data folder.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    signals: u64,
    engine_kb: u64,
    risk_kb: u64,
    engine_files: u64,
    records: u64,
    sled_kb: u64,
    data_kb: u64,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, signals, engine_kb, risk_kb, engine_files, records, sled_kb, data_kb } = self;
        let seconds = at.as_secs();
        write!(f, "{seconds:>6} s {signals:>8} {records:>9} {engine_kb:>10} {risk_kb:>9} {engine_files:>6} {sled_kb:>9} {data_kb:>9}")
    }
}

fn rss_kb(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn open_files(process: &Process) -> u64 {
    fs::read_dir(format!("/proc/{}/fd", process.id())).expect("a living process").count() as u64
}

fn folder_kb(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_kb(&entry.path()),
        Ok(data) => data.len() / 1_024,
        // sled removes files while it runs.
        Err(_) => 0,
    });
    sizes.sum()
}

async fn look(world: &World, at: Duration, signals: u64) -> Look {
    let status = world.place.get("/api/status").await.map(|(_, status)| status).unwrap_or_default();
    let dir = world.place.mode_dir();
    Look {
        at,
        signals,
        engine_kb: rss_kb(&world.engine),
        risk_kb: rss_kb(&world.risk),
        engine_files: open_files(&world.engine),
        records: status["seq"].as_u64().unwrap_or_default(),
        sled_kb: folder_kb(&dir.join("sled")),
        data_kb: folder_kb(&dir),
    }
}

fn median(looks: &[Look], of: fn(&Look) -> u64) -> u64 {
    let mut all: Vec<u64> = looks.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// The first third is left out; the middle of the second is held against the middle of the last.
fn growth(looks: &[Look]) -> Vec<String> {
    let (second, last) = (&looks[looks.len() / 3..looks.len() * 2 / 3], &looks[looks.len() * 2 / 3..]);
    let mut found = Vec::new();
    let mut held = |what: &str, of: fn(&Look) -> u64, more_max: fn(u64) -> u64| {
        let (before, after) = (median(second, of), median(last, of));
        let flat = after <= before + more_max(before);
        eprintln!("  {what:22}{before:>10} then {after:>10}   {}", if flat { "flat" } else { "GROWS" });
        if !flat {
            found.push(format!("{what}: {before}, then {after}"));
        }
    };
    let memory: fn(u64) -> u64 = |before| before * GROWTH_PERCENT_MAX / 100 + GROWTH_KB_MAX;
    held("engine, kB of memory", |look| look.engine_kb, memory);
    held("risk, kB of memory", |look| look.risk_kb, memory);
    held("engine, open files", |look| look.engine_files, |_| FILES_MORE_MAX);
    found
}

async fn warm_up(load: &Load) {
    eprintln!("  warm-up: {WARM_UP_SIGNALS} signals at {WARM_UP_PER_SECOND} a second");
    load.pace(WARM_UP_PER_SECOND);
    while load.count() < WARM_UP_SIGNALS {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Runs for so long, changing pace and faults. What was seen, a look a second.
async fn run(world: &World, load: &Load, length: Duration) -> Vec<Look> {
    let (started, mut looks, mut faults) = (Instant::now(), Vec::new(), faults().into_iter().cycle());
    let (mut next_fault, row_every) = (Duration::ZERO, (length / 20).max(LOOK_EVERY));
    let mut next_row = Duration::ZERO;
    eprintln!(
        "{:>8} {:>8} {:>9} {:>10} {:>9} {:>6} {:>9} {:>9}",
        "", "signals", "records", "engine kB", "risk kB", "files", "sled kB", "data kB"
    );
    while started.elapsed() < length {
        let at = started.elapsed();
        let in_burst = at.as_millis() % BURST_EVERY.as_millis() >= (BURST_EVERY - BURST).as_millis();
        load.pace(if in_burst { SIGNALS_PER_SECOND_IN_BURSTS } else { SIGNALS_PER_SECOND });
        if at >= next_fault {
            let fault = faults.next().expect("faults");
            for double in [&world.kalshi, &world.polymarket] {
                double.admin("POST", "/faults", fault.clone()).await;
            }
            next_fault = at + FAULT_EVERY;
        }
        let seen = look(world, at, load.count()).await;
        if at >= next_row {
            eprintln!("{seen}");
            next_row = at + row_every;
        }
        looks.push(seen);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    looks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_long_with_bursts_and_faults_memory_stays_flat_and_everything_adds_up() {
    let minutes = std::env::var("SOAK_MINUTES").ok().map(|text| text.parse::<u64>().expect("SOAK_MINUTES is a number"));
    let length = minutes.map_or(SHORT, |minutes| Duration::from_secs(minutes * 60));
    let mut world = World::start(&[]).await;
    let load = Load::start(&world.server.url(), SIGNALS_PER_SECOND).await;
    if length >= JUDGED_FROM {
        warm_up(&load).await;
    }
    let looks = run(&world, &load, length).await;
    for double in [&world.kalshi, &world.polymarket] {
        double.admin("DELETE", "/faults", Value::Null).await;
    }
    let published = load.end().await;
    let grown = if length >= JUDGED_FROM { growth(&looks) } else { Vec::new() };
    if let (Some(first), Some(last)) = (looks.first(), looks.last()) {
        let (records, data) = (last.records.saturating_sub(first.records).max(1), last.sled_kb.saturating_sub(first.sled_kb));
        eprintln!("  sled grew by {data} kB for {records} records: {} bytes each", data * 1_024 / records);
    }
    let counted = count(&mut world, &published).await;
    eprintln!("{counted}");
    assert!(counted.is_good(), "{counted}");
    assert_eq!(grown, Vec::<String>::new(), "grows after the warm-up");
}
