//! Records of the log, and a journal made of any bytes: what is read is what was written, or it is refused.

use std::fs;
use std::path::{Path, PathBuf};

use arbees::domain::ids::Mode;
use arbees::event_log::record::{ChainContext, decode, encode, record_hash};
use arbees::event_log::verify::verify_dir;
use arbees::event_log::{Log, OpenOptions};

/// The first byte says what the rest is: a record, or a segment of a journal.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((b'J', segment)) => check_journal(segment),
        Some((_, record)) => check_record(record),
        None => {}
    }
}

/// A record that is taken encodes to bytes that say the same; those are its only spelling.
fn check_record(bytes: &[u8]) {
    let Ok(stored) = decode(bytes) else { return };
    let context = ChainContext { log_id: stored.log_id, mode: stored.mode };
    // The reader is more patient than the writer: other spellings of a number may be larger than a record.
    let Ok(written) = encode(&stored.recorded, &context, &stored.prev_hash) else { return };
    let again = decode(&written).expect("what was written can be read");
    assert_eq!(again, stored);
    assert_eq!(encode(&again.recorded, &context, &again.prev_hash).expect("written before"), written);
    assert_eq!(record_hash(&written) == record_hash(bytes), written == bytes, "the hash tells spellings apart");
}

/// A folder in memory, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn with_segment(bytes: &[u8]) -> Self {
        let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let folder = Self(base.join(format!("arbees-fuzz-{}", std::process::id())));
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(folder.0.join("journal")).expect("a folder");
        fs::write(folder.0.join("journal/0000000001.seg"), bytes).expect("a segment");
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A journal opens whole, with its tail cut, or not at all; and then always with the same history.
fn check_journal(bytes: &[u8]) {
    let folder = Folder::with_segment(bytes);
    let options = OpenOptions { segment_bytes: 4_096, ..OpenOptions::new(&folder.0, Mode::Paper) };
    let open = || {
        let mut seen = Vec::new();
        Log::open(&options, |recorded, hash| seen.push((recorded.clone(), *hash))).map(|(log, report)| (log, report, seen))
    };
    let Ok((log, _, first)) = open() else { return };
    drop(log);
    for (at, (recorded, _)) in first.iter().enumerate() {
        assert_eq!(recorded.seq, at as u64 + 1, "without gaps");
    }
    let (log, report, again) = open().expect("what was mended opens");
    drop(log);
    assert_eq!((again, report.repairs), (first, Vec::new()), "the second opening finds what the first left");
    let verified = verify_dir(&folder.0).expect("verifies");
    assert!(verified.is_good(), "{verified}");
}
