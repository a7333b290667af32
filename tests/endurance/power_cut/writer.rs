//! The child process that writes the log until the disk is gone. It is this test program, started anew for the one test below.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use arbees::domain::ids::Mode;
use arbees::event_log::{AppendError, EventStore, Head, Log, OpenOptions};

use super::PATIENCE;
use super::records::Plan;

/// A test without them does nothing.
const PLAN: &str = "POWER_CUT_PLAN";
const DIR: &str = "POWER_CUT_DIR";
const TEST: &str = "power_cut::writer::writes_while_the_disk_is_there";
/// One dead letter after so many appends.
const BLOCKS_A_LETTER: u64 = 16;

/// What the writer was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// This seq and all before are durable; the hash, as text, is that of its record.
    Head {
        seq: u64,
        hash: String,
    },
    Letter {
        id: u64,
    },
}

impl Told {
    fn of_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["durable", seq, hash] => Some(Self::Head { seq: seq.parse().expect("a seq"), hash: hash.to_owned() }),
            ["letter", id] => Some(Self::Letter { id: id.parse().expect("an id") }),
            _ => None,
        }
    }

    pub fn head(&self) -> Option<(u64, &str)> {
        match self {
            Self::Head { seq, hash } => Some((*seq, hash)),
            Self::Letter { .. } => None,
        }
    }

    pub fn letter(&self) -> Option<u64> {
        match self {
            Self::Letter { id } => Some(*id),
            Self::Head { .. } => None,
        }
    }
}

pub struct Writer {
    child: Child,
    listener: JoinHandle<()>,
}

impl Writer {
    /// What it is promised comes through `told`, whose sender lives as long as the writer.
    pub fn start(plan: Plan, dir: &Path, told: Sender<Told>) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", TEST, "--nocapture"])
            .env(PLAN, plan.to_text())
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the writer starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let listener = thread::spawn(move || {
            for one in lines.map_while(Result::ok).filter_map(|line| Told::of_line(&line)) {
                let _ = told.send(one);
            }
        });
        Self { child, listener }
    }

    /// It must notice by itself that the disk is gone: a log that can't be written any more says so to everyone who waits.
    pub fn ends(mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().expect("its state").is_none() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("the disk was gone, but the writer went on");
            }
            thread::yield_now();
        }
        self.listener.join().expect("the listener");
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// Not a test of its own: the child's part of the power cut.
#[test]
fn writes_while_the_disk_is_there() {
    let (Ok(plan), Some(dir)) = (std::env::var(PLAN), std::env::var_os(DIR)) else { return };
    // Behind what the harness has already printed on this line.
    say("\n");
    let plan = Plan::of_text(&plan);
    let options = OpenOptions { segment_bytes: plan.segment_bytes, ..OpenOptions::new(dir, Mode::Paper) };
    let Ok((log, _)) = Log::open(&options, |_, _| {}) else { return };
    write(plan, &log);
}

fn write(plan: Plan, log: &Log) {
    let (answer, answers) = channel();
    let mut seq = log.head().seq + 1;
    for block in 1.. {
        let records = plan.block(seq);
        seq += records.len() as u64;
        let answer = answer.clone();
        log.append(records, Box::new(move |result| answered(result, &answer)));
        let lives = block < plan.in_flight || answers.recv().expect("answered");
        if !lives || (block % BLOCKS_A_LETTER == 0 && !adds_letter(plan, log)) {
            return;
        }
    }
}

/// Told at once, on the writer's own thread: what is promised counts from this moment.
fn answered(result: Result<Head, AppendError>, answer: &Sender<bool>) {
    if let Ok(head) = &result {
        say(&format!("durable {} {}\n", head.seq, head.hash));
    }
    let _ = answer.send(result.is_ok());
}

fn adds_letter(plan: Plan, log: &Log) -> bool {
    let next = log.dead_letter_list(1).ok().map(|letters| letters.first().map_or(1, |letter| letter.id + 1));
    let added = next.and_then(|id| log.dead_letter_add(&plan.letter(id)).ok());
    added.inspect(|id| say(&format!("letter {id}\n"))).is_some()
}
