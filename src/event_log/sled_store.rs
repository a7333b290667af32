//! What everything reads: blocks of frames and the index, in one sled tree. The journal is what was promised.
//!
//! One tree with key prefixes: `Tree::apply_batch` is atomic within one tree, and unlike a transaction over several trees it
//! keeps no undo set of what it touches and never runs twice.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sled::{Batch, Db, Tree};

use super::dead_letters::DeadLetters;
use super::error::ReadError;
use super::frame::{self, FRAME_BYTES_MAX};
use super::index::{self, Fingerprint, IndexEntry, ORDER_KEY, RECORD_KEY, SIGNAL_KEY, SignalMark};
use super::record::record_hash;
use super::{Head, ReadLimit, Visit, journal};
use crate::domain::ids::{OrderId, SignalId};

/// Blocks are read once in a while; the operating system caches the file.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// About once a leaf.
const TOUCH_EVERY: usize = 8;
/// In sled's own folder, so that it goes where that goes.
const DAMAGE_FILE: &str = "damaged";
/// sled cleans its file from this thread only; durability doesn't depend on it.
const FLUSH_EVERY_MS: u64 = 1_000;
/// sled's threads give its file lock back a moment after the last handle is gone.
const LOCK_ATTEMPTS_MAX: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct SledStore {
    dir: PathBuf,
    db: Db,
    log: Tree,
    pub dead_letters: DeadLetters,
    damage_noted: AtomicBool,
}

/// What sled's index and its last block say.
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
            Ok(Self { dir: dir.to_owned(), db, log, dead_letters, damage_noted: AtomicBool::new(false) })
        })
    }

    /// Reads the whole index, whose loss would let a signal be traded again, and the last block, which says what had been promised.
    /// The other blocks are checked whenever they are read: each frame has its CRC and its seq, and the journal has it too.
    /// Errors: sled can't be read.
    pub fn check(&self) -> Result<Contents, String> {
        guarded(|| {
            let mut contents = Contents { head: Head::START, fingerprint: Fingerprint::default(), problem: self.noted_damage() };
            for kind in [ORDER_KEY, SIGNAL_KEY] {
                for (position, item) in self.log.range([kind]..[kind + 1]).enumerate() {
                    let (key, value) = item.map_err(|error| error.to_string())?;
                    contents.fingerprint.add(&key, &value);
                    if position % TOUCH_EVERY == 0 {
                        // sled evicts only after it has counted many accesses, and an iterator makes few:
                        // the index of a long log would stay in memory whole.
                        self.log.contains_key(&key).map_err(|error| error.to_string())?;
                    }
                }
            }
            self.find_foreign(&mut contents)?;
            if let Some(item) = self.log.range([RECORD_KEY]..[RECORD_KEY + 1]).next_back() {
                let (key, block) = item.map_err(|error| error.to_string())?;
                contents.add_last_block(&key, &block);
            }
            Ok(contents)
        })
    }

    fn find_foreign(&self, contents: &mut Contents) -> Result<(), String> {
        let gaps = [
            self.log.range(..[ORDER_KEY]),
            self.log.range([ORDER_KEY + 1]..[RECORD_KEY]),
            self.log.range([RECORD_KEY + 1]..[SIGNAL_KEY]),
            self.log.range([SIGNAL_KEY + 1]..),
        ];
        for mut gap in gaps {
            if let Some(item) = gap.next() {
                let (key, _) = item.map_err(|error| error.to_string())?;
                contents.wrong(format!("an unknown key {:02x?}", &key[..key.len().min(8)]));
            }
        }
        Ok(())
    }

    /// The next opening makes sled anew: until then what it can't give comes from the journal.
    pub fn note_damage(&self, why: &str) {
        if self.damage_noted.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::error!(%why, "sled is damaged: its records come from the journal until the next start makes it anew");
        if let Err(error) = fs::write(self.dir.join(DAMAGE_FILE), why) {
            tracing::error!(%error, "the damage of sled can't be noted in its folder");
        }
    }

    /// What an earlier process found.
    pub fn noted_damage(&self) -> Option<String> {
        let noted = fs::read(self.dir.join(DAMAGE_FILE)).ok()?;
        Some(format!("found while reading: {}", String::from_utf8_lossy(&noted)))
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
        let mut is_damaged = true;
        let inserted = guarded(|| {
            self.log.apply_batch(batch).map_err(|error| {
                is_damaged = !matches!(error, sled::Error::Io(_));
                error.to_string()
            })
        });
        inserted.inspect_err(|why| {
            if is_damaged {
                self.note_damage(why)
            }
        })
    }

    /// Hands what was inserted to the operating system.
    pub fn flush(&self) -> Result<(), String> {
        guarded(|| self.db.flush().map(drop).map_err(|error| error.to_string()))
    }

    /// Records from `seq` up to, not with, `end`, within `limit`.
    pub fn visit(&self, seq: u64, end: u64, limit: &mut ReadLimit, visit: Visit<'_>) -> Result<(), ReadError> {
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
                visit(frame.seq, frame.record);
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

    fn add_last_block(&mut self, key: &[u8], block: &[u8]) {
        // Whatever is wrong with it: its key says that the record before it had been promised.
        self.head.seq = index::number_at_end(key).unwrap_or(0).saturating_sub(1);
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
            self.head = Head { seq: frame.seq, hash: record_hash(frame.record) };
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

pub(super) fn open_db(dir: &Path) -> sled::Result<Db> {
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
