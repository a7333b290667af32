//! What everything reads: blocks of frames and the index, in one sled tree. The journal is what was promised.
//!
//! One tree with key prefixes: `Tree::apply_batch` is atomic within one tree, and unlike a transaction over several trees it
//! keeps no undo set of what it touches and never runs twice.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sled::{Batch, Db, Tree};

use super::dead_letters::DeadLetters;
use super::error::ReadError;
use super::frame::{self, FRAME_BYTES_MAX};
use super::index::{self, Fingerprint, IndexEntry, ORDER_KEY, RECORD_KEY, SIGNAL_KEY, SignalMark};
use super::record::record_hash;
use super::{Head, StoredBytes, journal};
use crate::domain::ids::{OrderId, SignalId};

/// Blocks are read once in a while; the operating system caches the file.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Measured with a million records: none 500 MB, one 110 MB, four 75 MB.
const TOUCHES: u32 = 1;
/// sled cleans its file from this thread only; durability doesn't depend on it.
const FLUSH_EVERY_MS: u64 = 1_000;
/// sled's threads give its file lock back a moment after the last handle is gone.
const LOCK_ATTEMPTS_MAX: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct SledStore {
    db: Db,
    log: Tree,
    pub dead_letters: DeadLetters,
}

/// What a complete reading of sled found.
#[derive(Debug)]
pub struct Contents {
    /// The last whole record.
    pub head: Head,
    pub fingerprint: Fingerprint,
    /// The first thing that is wrong, if any; `head` then lies before or after it.
    pub problem: Option<String>,
}

/// Runs a closure over sled, which panics on some bad data.
pub fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("sled panicked: {}", text.unwrap_or("no message")))
    })
}

impl SledStore {
    /// Opens or creates the database. Errors, in words: sled refuses, or panics, whatever the reason.
    pub fn open(dir: &Path) -> Result<Self, String> {
        remove_torn_snapshots(dir).map_err(|error| format!("can't remove torn snapshots: {error}"))?;
        guarded(|| {
            let db = open_db(dir).map_err(|error| error.to_string())?;
            let log = db.open_tree("log").map_err(|error| error.to_string())?;
            let dead = db.open_tree("dead_letters").map_err(|error| error.to_string())?;
            let dead_letters = DeadLetters::open(dead, dir.join("db")).map_err(|error| error.to_string())?;
            if !db.was_recovered() {
                db.flush().map_err(|error| error.to_string())?;
                sync_new(dir).map_err(|error| format!("can't sync the new database: {error}"))?;
            }
            Ok(Self { db, log, dead_letters })
        })
    }

    /// Reads everything. Errors: sled can't be read to the end.
    pub fn check(&self) -> Result<Contents, String> {
        guarded(|| {
            let mut contents = Contents { head: Head::START, fingerprint: Fingerprint::default(), problem: None };
            let mut last_record = Vec::new();
            for item in self.log.iter() {
                let (key, value) = item.map_err(|error| error.to_string())?;
                match key.first() {
                    Some(&RECORD_KEY) => {
                        contents.add_block(&key, &value, &mut last_record);
                        self.touch(&key)?;
                    }
                    Some(&(SIGNAL_KEY | ORDER_KEY)) => contents.fingerprint.add_entry(&key, &value),
                    _ => contents.wrong(format!("an unknown key {:02x?}", &key[..key.len().min(8)])),
                }
            }
            if contents.head.seq > 0 {
                contents.head.hash = record_hash(&last_record);
            }
            Ok(contents)
        })
    }

    /// sled evicts only after it has counted many accesses: an iterator makes so few that a long log would stay in memory whole.
    fn touch(&self, key: &[u8]) -> Result<(), String> {
        for _ in 0..TOUCHES {
            self.log.contains_key(key).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Inserts whole batches with their index entries, atomically. The caller keeps the amount in bounds:
    /// a batch of sled costs 0.2 ms whatever it holds, so fewer and larger ones are ten times cheaper than one per block.
    pub fn insert<'a>(&self, frames: &[u8], entries: impl IntoIterator<Item = &'a IndexEntry>) -> Result<(), String> {
        let mut batch = Batch::default();
        let mut rest = frames;
        while !rest.is_empty() {
            let block = block_of(rest);
            rest = &rest[block.len()..];
            batch.insert(&index::record_key(frame::stated_seq(block)), block);
        }
        for entry in entries {
            batch.insert(entry.key(), entry.value());
        }
        guarded(|| self.log.apply_batch(batch).map_err(|error| error.to_string()))
    }

    /// Hands what was inserted to the operating system.
    pub fn flush(&self) -> Result<(), String> {
        guarded(|| self.db.flush().map(drop).map_err(|error| error.to_string()))
    }

    /// Records from `seq` up to, not with, `end`, until `out` holds `records_max` or more than `bytes_max` bytes.
    pub fn read(&self, seq: u64, end: u64, limit: &mut super::ReadLimit, out: &mut Vec<StoredBytes>) -> Result<(), ReadError> {
        let start = self.log.range(..=index::record_key(seq)).next_back().transpose()?;
        let from =
            start.filter(|(key, _)| key.first() == Some(&RECORD_KEY)).map_or(seq, |(key, _)| index::number_at_end(&key).unwrap_or(seq));
        let mut next = seq;
        for item in self.log.range(index::record_key(from)..index::record_key(end)) {
            let (_, block) = item?;
            for frame in frame::frames(&block) {
                let frame = frame.map_err(|why| ReadError::Sled(format!("in the block with record {next}: {why}")))?;
                if frame.seq < next || frame.seq >= end {
                    continue;
                }
                if frame.seq > next {
                    return Err(ReadError::Hole { seq: next });
                }
                if !limit.take(frame.record.len()) {
                    return Ok(());
                }
                out.push(StoredBytes { seq: frame.seq, bytes: frame.record.into() });
                next += 1;
            }
        }
        if next < end { Err(ReadError::Hole { seq: next }) } else { Ok(()) }
    }

    /// The first mark of a signal.
    pub fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalMark>, ReadError> {
        let Some(item) = self.log.scan_prefix(index::signal_prefix(signal_id)).next() else { return Ok(None) };
        let (key, value) = item?;
        let mark = index::number_at_end(&key).and_then(|seq| SignalMark::decode(seq, &value));
        mark.map(Some).ok_or_else(|| ReadError::Sled(format!("the entry of signal {signal_id} is unreadable")))
    }

    /// The stretches an order appears in, ascending.
    pub fn order(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        let unreadable = || ReadError::Sled(format!("an entry of order {order_id} is unreadable"));
        let keys = self.log.scan_prefix(index::order_prefix(order_id)).keys();
        keys.map(|key| index::number_at_end(&key?).ok_or_else(unreadable)).collect()
    }

    /// All blocks in order: for `verify`.
    pub fn blocks(&self) -> impl Iterator<Item = Result<sled::IVec, String>> + use<> {
        self.log.scan_prefix([RECORD_KEY]).map(|item| item.map(|(_, block)| block).map_err(|error| error.to_string()))
    }

    /// How many index entries there are. Reads all keys.
    pub fn entry_count(&self) -> Result<u64, String> {
        let mut count = 0;
        for prefix in [SIGNAL_KEY, ORDER_KEY] {
            for item in self.log.scan_prefix([prefix]) {
                item.map_err(|error| error.to_string())?;
                count += 1;
            }
        }
        Ok(count)
    }

    pub fn holds(&self, entry: &IndexEntry) -> Result<bool, String> {
        let value = self.log.get(entry.key()).map_err(|error| error.to_string())?;
        Ok(value.is_some_and(|value| value == entry.value().as_slice()))
    }
}

impl Contents {
    fn wrong(&mut self, what: String) {
        self.problem.get_or_insert(what);
    }

    fn add_block(&mut self, key: &[u8], block: &[u8], last_record: &mut Vec<u8>) {
        let mut last: Option<&[u8]> = None;
        for (position, frame) in frame::frames(block).enumerate() {
            let expected = self.head.seq + 1;
            let frame = match frame {
                Ok(frame) => frame,
                Err(why) => return self.wrong(format!("record {expected}: {why}")),
            };
            if position == 0 && key != index::record_key(frame.seq) {
                self.wrong(format!("record {} under another key", frame.seq));
            }
            if frame.seq != expected {
                self.wrong(format!("record {expected} is missing, {} follows", frame.seq));
            }
            // Past a hole the highest seq still says what had been promised.
            self.head.seq = self.head.seq.max(frame.seq);
            self.fingerprint.add_frame(frame.crc);
            last = Some(frame.record);
        }
        if let Some(record) = last {
            last_record.clear();
            last_record.extend_from_slice(record);
        }
    }
}

/// As many frames as fit into one value.
fn block_of(frames: &[u8]) -> &[u8] {
    let mut len = 0;
    for frame in frame::split(frames) {
        if len > 0 && len + frame.len() > FRAME_BYTES_MAX {
            break;
        }
        len += frame.len();
    }
    &frames[..len]
}

fn open_db(dir: &Path) -> sled::Result<Db> {
    let config =
        sled::Config::new().path(dir).mode(sled::Mode::HighThroughput).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS));
    for _ in 1..LOCK_ATTEMPTS_MAX {
        match config.open() {
            // Another process can't be the cause: the folder's own lock is ours.
            Err(sled::Error::Io(error)) if error.to_string().contains("lock") => std::thread::sleep(LOCK_WAIT),
            opened => return opened,
        }
    }
    config.open()
}

/// A torn one would be taken for the newest snapshot (measurements §0.3).
fn remove_torn_snapshots(dir: &Path) -> io::Result<()> {
    for path in files_of(dir)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn files_of(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listing => listing?.map(|item| item.map(|item| item.path())).collect(),
    }
}

/// sled doesn't sync what it creates; a torn `conf` would stop it from ever opening again (measurements §3.5).
fn sync_new(dir: &Path) -> io::Result<()> {
    for name in ["conf", "db"] {
        File::open(dir.join(name))?.sync_all()?;
    }
    journal::sync_dir(dir)?;
    dir.parent().map_or(Ok(()), journal::sync_dir)
}
