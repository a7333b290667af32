//! Every row of `shared/signals/signals.jsonl` (or of `SIGNALS_FILE`), each on a fresh engine after the rows it names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arbees::domain::limits::Limits;
use arbees::domain::money::{Edge, Usd};
use arbees::domain::time::Time;
use serde_json::Value;

use crate::rig::Rig;

/// `MIN_EDGE_PCT=15 BANKROLL_USD=1000 MAX_GAME_EXPOSURE=100`, everything else as it comes.
pub fn row_limits() -> Limits {
    let settings = [("MIN_EDGE_PCT", "15"), ("BANKROLL_USD", "1000"), ("MAX_GAME_EXPOSURE", "100")];
    let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = arbees::config::from_sources(&environment, None).expect("settings");
    assert_eq!(config.limits.edge_min, Edge::from_micros(150_000));
    assert_eq!(config.limits.bankroll, Usd::parse("1000").expect("usd"));
    config.limits
}

fn file() -> PathBuf {
    if let Some(path) = std::env::var_os("SIGNALS_FILE") {
        return path.into();
    }
    let shared =
        std::env::var_os("ARBEES_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    shared.join("signals/signals.jsonl")
}

fn rows() -> Option<BTreeMap<u64, Value>> {
    let path = file();
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no rows of signals at {} (set SIGNALS_FILE or ARBEES_SHARED)", path.display());
        return None;
    };
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    Some(
        rows.map(|line| serde_json::from_str::<Value>(line).expect("a row is JSON"))
            .map(|row| (row["n"].as_u64().expect("n"), row))
            .collect(),
    )
}

fn send(rig: &mut Rig, row: &Value) -> arbees::domain::answer::Answer {
    let (at, _) = Time::parse(row["at"].as_str().expect("at")).expect("time");
    rig.at(at);
    let raw = row["raw"].as_str().expect("raw").as_bytes();
    rig.send(row["subject"].as_str().expect("subject"), raw)
}

/// What differs from the row, if anything does.
fn judge(row: &Value, answer: &arbees::domain::answer::Answer) -> Option<String> {
    let wanted = row["answer"].as_str().expect("answer");
    let got: Vec<&str> = answer.reasons.iter().map(|failure| failure.reason.as_str()).collect();
    let allowed: Vec<&str> = row["reasons"].as_array().expect("reasons").iter().filter_map(Value::as_str).collect();
    let n = &row["n"];
    if answer.answer.as_str() != wanted {
        return Some(format!("row {n}: {} {got:?} {:?} instead of {wanted}", answer.answer.as_str(), answer.error));
    }
    if let Some(first) = allowed.first().filter(|first| !got.contains(first)) {
        return Some(format!("row {n}: {first} is missing among {got:?}"));
    }
    let outside: Vec<&&str> = got.iter().filter(|reason| !allowed.contains(reason)).collect();
    (!outside.is_empty()).then(|| format!("row {n}: {outside:?} given, only {allowed:?} allowed; {:?}", answer.reasons))
}

#[test]
fn every_row_of_the_signals_gets_its_answer() {
    let Some(rows) = rows() else { return };
    let mut wrong = Vec::new();
    for row in rows.values() {
        for restart in [false, true] {
            let mut before: Vec<&Value> = row["after"].as_array().expect("after").iter().map(|n| &rows[&n.as_u64().expect("n")]).collect();
            before.sort_by_key(|row| row["at"].as_str().map(str::to_owned));
            let (first, _) = Time::parse(before.first().copied().unwrap_or(row)["at"].as_str().expect("at")).expect("time");
            let mut rig = Rig::new(row_limits(), first);
            for earlier in &before {
                send(&mut rig, earlier);
            }
            if restart {
                let (at, _) = Time::parse(row["at"].as_str().expect("at")).expect("time");
                if before.is_empty() || at.ms_since(rig.now().wall) < 1_100 && row["answer"] != "duplicate" {
                    continue;
                }
                rig.restart();
            }
            let answer = send(&mut rig, row);
            wrong.extend(judge(row, &answer).map(|text| if restart { format!("{text} (after a restart)") } else { text }));
            rig.assert_replays();
        }
    }
    assert!(wrong.is_empty(), "{} rows answered wrongly:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_first_row_is_sized_by_kelly_and_capped() {
    let Some(rows) = rows().filter(|rows| rows.contains_key(&1) && rows.contains_key(&17)) else { return };
    let (at, _) = Time::parse(rows[&1]["at"].as_str().expect("at")).expect("time");
    let mut rig = Rig::new(row_limits(), at);
    assert_eq!(send(&mut rig, &rows[&1]).answer.as_str(), "requested");
    let (_, position) = rig.engine.book().positions.held().next().expect("a position");
    assert_eq!((position.held().to_string(), position.average_price().to_string()), ("99".to_owned(), "0.52".to_owned()));
    // Row 17 closes all of it at 0.55 or better.
    assert_eq!(send(&mut rig, &rows[&17]).answer.as_str(), "requested");
    assert!(rig.engine.book().positions.held().next().is_none(), "closed");
    let (_, position) = rig.engine.book().positions.iter().next().expect("kept for its result");
    assert_eq!(position.realized, Usd::parse("3.96").expect("usd"), "99 x (0.56 - 0.52)");
    rig.assert_replays();
}
