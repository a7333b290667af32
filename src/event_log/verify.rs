//! A complete check of a log: the journal by itself, then sled against it, record by record and entry by entry.

use std::fmt;
use std::path::Path;

use super::Head;
use super::error::OpenError;
use super::frame;
use super::open::{self, Places};
use super::scan::{self, Batch, Flow};
use super::sled_store::{SledStore, guarded};
use crate::domain::ids::{LogId, Mode};

/// A broken log can differ in every record; the first ones say where.
const PROBLEMS_MAX: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    pub log_id: LogId,
    pub mode: Mode,
    /// The last whole record of the journal.
    pub head: Head,
    pub segments: u64,
    /// Records that sled holds and that are the journal's.
    pub sled_records: u64,
    /// What is wrong and where, at most twenty; empty when all is well.
    pub problems: Vec<String>,
}

impl VerifyReport {
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "log {} ({}): {} records in {} segments, head {}",
            self.log_id, self.mode, self.head.seq, self.segments, self.head.hash
        )?;
        for problem in &self.problems {
            writeln!(f, "wrong: {problem}")?;
        }
        f.write_str(if self.is_good() { "journal and sled are whole and equal" } else { "the log is not good" })
    }
}

/// Reads journal and sled completely; repairs nothing. Errors: held, unreadable, or damaged in the journal, with the record.
pub fn verify_dir(dir: &Path) -> Result<VerifyReport, OpenError> {
    let _lock = open::lock(dir)?;
    let places = Places::of(dir);
    let mut sled = SledSide::open(&places.sled);
    let scan = scan::scan(&places.journal, None, &mut |batch| {
        sled.compare(&batch);
        Flow::GoOn
    })?;
    sled.finish();
    if let Some(torn) = scan.torn {
        sled.problem(format!(
            "the journal ends with {} bytes of record {} that isn't whole ({}; {} at byte {})",
            torn.bytes,
            torn.bad_seq,
            torn.why,
            torn.file.display(),
            torn.offset
        ));
    }
    let SledSide { matched: sled_records, problems, .. } = sled;
    Ok(VerifyReport {
        log_id: scan.context.log_id,
        mode: scan.context.mode,
        head: scan.head,
        segments: scan.segments,
        sled_records,
        problems,
    })
}

/// sled, read in step with the journal.
struct SledSide {
    store: Option<SledStore>,
    blocks: Box<dyn Iterator<Item = Result<sled::IVec, String>>>,
    block: sled::IVec,
    at: usize,
    matched: u64,
    entries: u64,
    problems: Vec<String>,
}

impl SledSide {
    fn open(dir: &Path) -> Self {
        let opened = if dir.exists() { SledStore::open(dir) } else { Err("there is no sled database".to_owned()) };
        let mut problems = Vec::new();
        let store = opened.map_err(|why| problems.push(format!("sled: {why}"))).ok();
        let blocks: Box<dyn Iterator<Item = _>> = match &store {
            Some(store) => Box::new(store.blocks()),
            None => Box::new(std::iter::empty()),
        };
        Self { store, blocks, block: sled::IVec::default(), at: 0, matched: 0, entries: 0, problems }
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }

    /// The next frame of sled, if there is a whole one.
    fn next_frame(&mut self) -> Result<Option<std::ops::Range<usize>>, String> {
        if self.at == self.block.len() {
            let next = guarded(|| self.blocks.next().transpose())?;
            let Some(block) = next else { return Ok(None) };
            (self.block, self.at) = (block, 0);
        }
        match frame::parse(&self.block[self.at..]) {
            frame::Parsed::Frame(frame) => {
                let start = self.at;
                self.at += frame.frame_bytes();
                Ok(Some(start..self.at))
            }
            _ => Err("a frame in sled isn't whole".to_owned()),
        }
    }

    fn compare(&mut self, batch: &Batch<'_>) {
        self.compare_entries(batch);
        for frame in frame::split(batch.frames) {
            if self.store.is_none() {
                return;
            }
            let seq = frame::stated_seq(frame);
            let wrong = match self.next_frame() {
                Ok(Some(range)) if &self.block[range.clone()] == frame => {
                    self.matched += 1;
                    continue;
                }
                Ok(Some(range)) => format!("sled holds other bytes there (record {})", frame::stated_seq(&self.block[range])),
                Ok(None) => "sled ends before it".to_owned(),
                Err(why) => format!("sled: {why}"),
            };
            self.problem(format!("record {seq}: {wrong}"));
            self.stop();
        }
    }

    fn compare_entries(&mut self, batch: &Batch<'_>) {
        let Some(store) = &self.store else { return };
        let first = batch.records.first().map_or(0, |recorded| recorded.seq);
        let mut wrong = Vec::new();
        for entry in batch.entries {
            match guarded(|| store.holds(entry)) {
                Ok(true) => {}
                Ok(false) => {
                    wrong.push(format!("record {first} or its batch: an entry of sled's index is missing or another one: {entry:?}"))
                }
                Err(why) => wrong.push(format!("record {first} or its batch: sled: {why}")),
            }
        }
        self.entries += batch.entries.len() as u64;
        for what in wrong {
            self.problem(what);
        }
    }

    /// After the first difference the two no longer run in step.
    fn stop(&mut self) {
        self.store = None;
    }

    fn finish(&mut self) {
        let Some(store) = &self.store else { return };
        let count = guarded(|| store.entry_count());
        match self.next_frame() {
            Ok(None) => {}
            Ok(Some(range)) => {
                let seq = frame::stated_seq(&self.block[range]);
                self.problem(format!("record {seq}: sled holds it, the journal doesn't"));
            }
            Err(why) => self.problem(format!("behind the journal's last record: {why}")),
        }
        match count {
            Ok(count) if count == self.entries => {}
            Ok(count) => self.problem(format!("sled's index has {count} entries, the journal's records make {}", self.entries)),
            Err(why) => self.problem(format!("sled: {why}")),
        }
    }
}
