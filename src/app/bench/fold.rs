use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::channel;

use super::records::{Records, context};
use super::report::{Figure, Goal, Measure};
use super::stage::{Stage, quantile};
use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, Instance, Mode};
use crate::engine::{Engine, Input, Settings, Start};
use crate::event_log::record;
use crate::event_log::{EventStore, Log, OpenOptions, read_ahead};
use crate::projections::Projections;

const EVENTS: usize = 1_000_000;
const ROUNDS: usize = 3;
/// Records per append and appends on their way while the log is made.
const APPEND_RECORDS: usize = 500;
const APPENDS_ON_THEIR_WAY: usize = 8;

pub fn run(stage: &Stage, wants_fold: bool, wants_open: bool) -> anyhow::Result<Vec<Figure>> {
    let folder = stage.folder("million")?;
    let records = Records::new()?;
    let encoded = records.all().take(EVENTS).map(|recorded| record::encode(&recorded, &context(), &Hash::ZERO));
    let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = encoded.iter().map(Vec::len).sum();
    stage.say(&format!("fold: {EVENTS} events, {} bytes each on average", bytes / EVENTS));
    make_log(&folder, &records)?;
    stage.say("fold: their log is written");
    let mut figures = Vec::new();
    let (mut memory, mut logged) = (Vec::new(), Vec::new());
    // In turns: what else the machine does then weighs on both.
    for round in 1..=ROUNDS {
        memory.push(from_memory(stage, &encoded)?);
        if wants_fold {
            logged.push(from_log(stage, &folder)?);
        }
        stage.say(&format!("fold: round {round} of {ROUNDS}"));
    }
    let memory = quantile(&mut memory, 500);
    drop(encoded);
    if wants_fold {
        let rate = |nanos: i64| Measure::PerSecond(EVENTS as i64 * 1_000_000_000 / nanos.max(1));
        figures.push(Figure {
            bench: "fold",
            what: "1 M logged events, read, decoded and folded".to_owned(),
            measured: rate(quantile(&mut logged, 500)),
            baseline: Some(("decode + fold from memory", rate(memory))),
            goal: Goal::RatioAtLeast(800),
        });
    }
    if wants_open {
        let mut opens = Vec::new();
        for round in 1..=ROUNDS {
            opens.push(open(stage, &folder)?);
            stage.say(&format!("open: round {round} of {ROUNDS}"));
        }
        figures.push(Figure {
            bench: "open",
            what: "a log of 1 M events, ready to trade".to_owned(),
            measured: Measure::Nanos(quantile(&mut opens, 500)),
            baseline: Some(("decode + fold from memory", Measure::Nanos(memory))),
            goal: Goal::Below(Measure::Nanos(2_000_000_000)),
        });
    }
    Ok(figures)
}

fn make_log(folder: &Path, records: &Records) -> anyhow::Result<()> {
    let (log, _) = Log::open(&OpenOptions::new(folder, Mode::Paper), |_, _| {})?;
    let (answer, answers) = channel();
    let mut all = records.all().take(EVENTS).peekable();
    let mut on_their_way = 0;
    while all.peek().is_some() {
        let batch: Vec<Recorded> = all.by_ref().take(APPEND_RECORDS).collect();
        let answer = answer.clone();
        log.append(batch, Box::new(move |result| drop(answer.send(result))));
        on_their_way += 1;
        if on_their_way == APPENDS_ON_THEIR_WAY {
            answers.recv()??;
            on_their_way -= 1;
        }
    }
    for _ in 0..on_their_way {
        answers.recv()??;
    }
    anyhow::ensure!(log.head().seq == EVENTS as u64, "the log ends at record {}", log.head().seq);
    Ok(())
}

fn from_memory(stage: &Stage, encoded: &[Vec<u8>]) -> anyhow::Result<i64> {
    let started = stage.nanos();
    let mut book = Projections::default();
    for bytes in encoded {
        book.fold(&record::decode(bytes)?.recorded)?;
    }
    let took = stage.nanos() - started;
    checked(&book)?;
    Ok(took)
}

fn from_log(stage: &Stage, folder: &Path) -> anyhow::Result<i64> {
    let (log, _) = Log::open(&OpenOptions::new(folder, Mode::Paper), |_, _| {})?;
    let started = stage.nanos();
    let mut book = Projections::default();
    let broken = read_ahead(&log, 1, |stored| match book.fold(&stored.recorded) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    })?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    let took = stage.nanos() - started;
    checked(&book)?;
    Ok(took)
}

/// From a closed log to an engine that has started.
fn open(stage: &Stage, folder: &Path) -> anyhow::Result<i64> {
    let limits = stage.config(&super::records::generous())?.limits;
    let started = stage.nanos();
    let mut book = Projections::default();
    let mut broken = None;
    let (log, report) = Log::open(&OpenOptions::new(folder, Mode::Paper), |recorded, _| {
        if broken.is_none() {
            broken = book.fold(recorded).err();
        }
    })?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    let settings = Settings {
        account: Instance::new("main").expect("Invariant: main is a name"),
        mode: Mode::Paper,
        log_id: report.log_id,
        risk_public_key: Vec::new(),
        risk_timeout_ms: 300,
        submit_stale_after_ms: 60_000,
    };
    let opening_cash = book.cash.cash;
    let mut engine = Engine::new(settings, book);
    let start = Start {
        version: "bench".to_owned(),
        config_hash: Hash::ZERO,
        limits,
        paper_cash: Some(opening_cash),
        venues: Vec::new(),
        prepares: Vec::new(),
        epoch: None,
        head_hash: report.head.hash,
    };
    engine.step(stage.clock().now(), Input::Start(Box::new(start)));
    let took = stage.nanos() - started;
    anyhow::ensure!(report.repairs.is_empty(), "the log was repaired: {:?}", report.repairs);
    anyhow::ensure!(engine.book().seq > EVENTS as u64, "the engine ends at record {}", engine.book().seq);
    drop(log);
    Ok(took)
}

fn checked(book: &Projections) -> anyhow::Result<()> {
    anyhow::ensure!(book.seq == EVENTS as u64, "the fold ended at record {}", book.seq);
    Ok(())
}
