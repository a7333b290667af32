use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel, sync_channel};

use super::records::{Records, context};
use super::report::{Figure, Goal, Measure};
use super::stage::{Stage, quantile};
use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, Mode};
use crate::event_log::record;
use crate::event_log::{Done, EventStore, Head, Log, OpenOptions};

/// Each round measures log and plain file next to each other; the medians count.
const ROUNDS: usize = 3;
/// Appenders and records per round: a burst that sled, which follows the journal, may lag behind (`event_log/tail.rs` has the bounds).
const CASES: [(usize, usize); 3] = [(1, 4_000), (64, 100_000), (1_024, 100_000)];
/// As the log's own queue and commits (`event_log/intake.rs`).
const QUEUE_MAX: usize = 8_192;
const COMMIT_RECORDS_GOAL: usize = 1_024;
const COMMIT_BYTES_GOAL: usize = 256 * 1024;
const FRAME_HEADER_BYTES: usize = 16;
/// More than a record takes on average, frame included.
const FRAME_BYTES_GUESS: u64 = 1_536;

pub fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let records = Records::new()?;
    for (appenders, count) in CASES {
        let recorded: Vec<Recorded> = records.all().take(count).collect();
        let (mut logged, mut plain) = (Rounds::default(), Rounds::default());
        for round in 1..=ROUNDS {
            plain.add(plain_file(stage, appenders, &recorded)?);
            logged.add(log(stage, appenders, recorded.clone())?);
            stage.say(&format!("append: {appenders} appenders, round {round} of {ROUNDS}"));
        }
        figures.extend(figures_of(appenders, logged, plain));
    }
    Ok(figures)
}

fn figures_of(appenders: usize, logged: Rounds, plain: Rounds) -> [Figure; 2] {
    let ((rate, wait), (plain_rate, plain_wait)) = (logged.medians(), plain.medians());
    let word = if appenders == 1 { "appender" } else { "appenders" };
    let figure =
        |what: String, measured, baseline, goal| Figure { bench: "append", what, measured, baseline: Some(("plain file", baseline)), goal };
    [
        figure(
            format!("durable records, {appenders} {word}"),
            Measure::PerSecond(rate),
            Measure::PerSecond(plain_rate),
            Goal::RatioAtLeast(800),
        ),
        figure(format!("median wait, {appenders} {word}"), Measure::Nanos(wait), Measure::Nanos(plain_wait), Goal::None),
    ]
}

/// Rate and median wait of each round.
#[derive(Default)]
struct Rounds {
    rates: Vec<i64>,
    waits: Vec<i64>,
}

impl Rounds {
    fn add(&mut self, (rate, wait): (i64, i64)) {
        self.rates.push(rate);
        self.waits.push(wait);
    }

    fn medians(mut self) -> (i64, i64) {
        (quantile(&mut self.rates, 500), quantile(&mut self.waits, 500))
    }
}

/// `appenders`, each with one record on its way. Records a second, and the median wait.
fn measure<T>(stage: &Stage, appenders: usize, inputs: Vec<T>, mut submit: impl FnMut(T, Done)) -> anyhow::Result<(i64, i64)> {
    let (answer, answers) = channel();
    let count = inputs.len();
    let started = stage.nanos();
    let mut waits = Vec::with_capacity(count);
    for (number, input) in inputs.into_iter().enumerate() {
        if number >= appenders {
            waits.push(answers.recv()??);
        }
        let (answer, clock) = (answer.clone(), stage.clone());
        let asked = stage.nanos();
        submit(input, Box::new(move |result| drop(answer.send(result.map(|_| clock.nanos() - asked)))));
    }
    while waits.len() < count {
        waits.push(answers.recv()??);
    }
    let rate = count as i64 * 1_000_000_000 / (stage.nanos() - started).max(1);
    Ok((rate, quantile(&mut waits, 500)))
}

fn log(stage: &Stage, appenders: usize, recorded: Vec<Recorded>) -> anyhow::Result<(i64, i64)> {
    let folder = stage.folder("append")?;
    // Preallocated as the plain file is: a file that grows takes half as many commits, whoever writes it.
    let bytes = recorded.len() as u64 * FRAME_BYTES_GUESS;
    let options = OpenOptions { segment_bytes: bytes, first_segment_bytes: bytes, ..OpenOptions::new(&folder, Mode::Paper) };
    let (log, _) = Log::open(&options, |_, _| {})?;
    let result = measure(stage, appenders, recorded, |record, done| log.append(vec![record], done));
    drop(log);
    std::fs::remove_dir_all(&folder)?;
    result
}

/// The same bytes into a preallocated file: one write and one fdatasync for what has gathered, and nothing else.
fn plain_file(stage: &Stage, appenders: usize, recorded: &[Recorded]) -> anyhow::Result<(i64, i64)> {
    let folder = stage.folder("plain")?;
    let frames = recorded.iter().map(frame_of).collect::<anyhow::Result<Vec<_>>>()?;
    let file = preallocated(&folder.join("plain"), frames.iter().map(Vec::len).sum())?;
    let (queue, waiting) = sync_channel(QUEUE_MAX);
    let writer = std::thread::spawn(move || write_all(&file, &waiting));
    let result = measure(stage, appenders, frames, |frame, done| drop(queue.send((frame, done))));
    drop(queue);
    writer.join().map_err(|_| anyhow::anyhow!("the plain file's writer panicked"))??;
    std::fs::remove_dir_all(&folder)?;
    result
}

fn frame_of(recorded: &Recorded) -> anyhow::Result<Vec<u8>> {
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    record::encode_into(&mut frame, recorded, &context(), &Hash::ZERO)?;
    Ok(frame)
}

fn preallocated(path: &Path, bytes: usize) -> std::io::Result<File> {
    let file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..bytes as u64).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    Ok(file)
}

fn write_all(file: &File, waiting: &Receiver<(Vec<u8>, Done)>) -> std::io::Result<()> {
    let (mut at, mut buffer, mut dones) = (0, Vec::new(), Vec::new());
    while let Ok(first) = waiting.recv() {
        let mut next = Some(first);
        while let Some((frame, done)) = next.take() {
            buffer.extend_from_slice(&frame);
            dones.push(done);
            if dones.len() < COMMIT_RECORDS_GOAL && buffer.len() < COMMIT_BYTES_GOAL {
                next = waiting.try_recv().ok();
            }
        }
        file.write_all_at(&buffer, at)?;
        file.sync_data()?;
        at += buffer.len() as u64;
        buffer.clear();
        dones.drain(..).for_each(|done: Done| done(Ok(Head::START)));
    }
    Ok(())
}
