//! What is there after the power came back, held against what was promised.

use std::path::Path;

use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, Mode};
use arbees::event_log::verify::verify_dir;
use arbees::event_log::{EventStore, Log, OpenOptions, Repair};

use super::records::Plan;
use super::writer::Told;

/// Counted while checking; anything that isn't as promised is a panic.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub segments: u64,
    /// The last seq that was promised, and the last that is there: what was written but not answered may survive.
    pub promised: u64,
    pub records: u64,
    pub letters: u64,
    /// The last seq that was told after the switch was thrown.
    pub late: u64,
    /// Records and dead letters that were promised and aren't there.
    pub lost: u64,
    pub torn_bytes: u64,
    pub sled: &'static str,
}

/// How many segments the journal has; 0 where there is no log.
pub fn segments(log: &Path) -> u64 {
    let paths = std::fs::read_dir(log.join("journal")).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| is_segment(path)).count() as u64
}

/// Segments have numbers as names; what is prepared for the next one doesn't.
pub fn is_segment(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Found {
    /// Opens the log as the engine would and checks all of it; then once more, when nothing may be left to mend.
    pub fn opened(plan: Plan, dir: &Path, promised: &[Told], late: &[Told]) -> Self {
        let options = OpenOptions { segment_bytes: plan.segment_bytes, ..OpenOptions::new(dir, Mode::Paper) };
        let mut seen: Vec<(Recorded, Hash)> = Vec::new();
        let opened = Log::open(&options, |recorded, hash| seen.push((recorded.clone(), *hash)));
        let (log, report) = opened.unwrap_or_else(|error| panic!("{plan:?}: the log doesn't open any more: {error}"));
        let mut found = Self { segments: report.segments, records: seen.len() as u64, sled: "whole", ..Self::default() };
        report.repairs.iter().for_each(|repair| found.mended(repair));
        found.promised = check_promised(plan, &seen, promised);
        found.late = check_promised(plan, &seen, late);
        check_blocks(plan, &seen);
        check_stored(&log, &seen);
        found.letters = promised.iter().filter_map(Told::letter).count() as u64;
        found.lost = found.promised.saturating_sub(found.records) + lost_letters(plan, &log, promised);
        drop(log);
        check_twice(&options, &seen);
        found
    }

    fn mended(&mut self, repair: &Repair) {
        match repair {
            Repair::TornTail { bytes, .. } => self.torn_bytes = *bytes,
            Repair::SledBehind { .. } => self.sled = "behind",
            Repair::SledRebuilt { why, .. } => {
                println!("  sled was made anew: {why}");
                self.sled = "made anew";
            }
        }
    }
}

/// The last seq that was told. Each that is there has the hash that was told.
fn check_promised(plan: Plan, seen: &[(Recorded, Hash)], promised: &[Told]) -> u64 {
    let mut last = 0;
    for (seq, hash) in promised.iter().filter_map(Told::head) {
        if let Some((_, found)) = seen.get(seq as usize - 1) {
            assert_eq!(found.to_string(), hash, "{plan:?}: record {seq} is another one");
        }
        last = last.max(seq);
    }
    last
}

/// Every record is the one that was written, and the last append is there whole or not at all.
fn check_blocks(plan: Plan, seen: &[(Recorded, Hash)]) {
    let mut next = 1;
    while next <= seen.len() as u64 {
        for written in plan.block(next) {
            let found = seen.get(next as usize - 1).map(|(recorded, _)| recorded);
            assert_eq!(found, Some(&written), "{plan:?}: record {next}, in an append that must be whole");
            next += 1;
        }
    }
}

/// The stored bytes chain, link by link, by what stands in each record; each signal and each order is found by its id.
fn check_stored(log: &Log, seen: &[(Recorded, Hash)]) {
    let stored = log.read_from(1, usize::MAX, usize::MAX).expect("reads");
    assert_eq!(stored.len(), seen.len());
    let mut before = Hash::ZERO;
    for (bytes, (recorded, hash)) in stored.iter().zip(seen) {
        assert_eq!(bytes.decode().expect("a record").prev_hash, before, "record {} doesn't chain", bytes.seq);
        assert_eq!(bytes.hash(), *hash);
        before = *hash;
        if let Event::OrderRequested { signal_id, .. } = &recorded.event {
            let entry = log.signal(signal_id).expect("reads");
            assert!(entry.is_some(), "{signal_id} would be traded again");
        }
    }
    check_last_order(log, seen);
}

fn check_last_order(log: &Log, seen: &[(Recorded, Hash)]) {
    let Some(id) = seen.last().and_then(|(recorded, _)| recorded.correlation) else { return };
    let theirs: Vec<u64> = seen.iter().filter(|(recorded, _)| recorded.correlation == Some(id)).map(|(recorded, _)| recorded.seq).collect();
    assert_eq!(log.order_seqs(&id).expect("reads"), theirs);
}

/// Dead letters are in sled alone and promised all the same. The oldest give way to new ones: those aren't lost.
fn lost_letters(plan: Plan, log: &Log, promised: &[Told]) -> u64 {
    let there = log.dead_letter_list(usize::MAX).expect("reads");
    let oldest = there.last().map_or(0, |letter| letter.id);
    let mut lost = 0;
    for id in promised.iter().filter_map(Told::letter).filter(|id| *id >= oldest) {
        match log.dead_letter_get(id).expect("reads") {
            Some((_, raw)) => assert!(plan.letter(id).raw.starts_with(&raw), "{plan:?}: dead letter {id} is another one"),
            None => lost += 1,
        }
    }
    lost
}

/// What was mended is mended: a second opening finds nothing, and the complete check is content.
fn check_twice(options: &OpenOptions, seen: &[(Recorded, Hash)]) {
    let mut again = 0;
    let (log, report) = Log::open(options, |_, _| again += 1).expect("opens again");
    assert_eq!((report.repairs, again), (Vec::new(), seen.len()));
    drop(log);
    let verified = verify_dir(&options.dir).expect("verifies");
    assert!(verified.is_good() && verified.sled_records == seen.len() as u64, "{verified}");
}
