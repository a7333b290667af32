//! What can go wrong with a log, by what one can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::record::RecordError;
use crate::domain::ids::Mode;

/// Why a log doesn't open. In each case nothing was changed and nothing may be traded.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the data folder {} is in use by another process: stop it, or choose another DATA_DIR", .dir.display())]
    Held { dir: PathBuf },
    #[error("can't {what} {}: {source}; check that the folder exists, is writable and has room", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the log in {} was made in mode {found}, this run is {wanted}: each mode has its own data folder", .dir.display())]
    WrongMode { dir: PathBuf, found: Mode, wanted: Mode },
    #[error("no system randomness for a log id: {0}")]
    NoRandomness(String),
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error(
        "the journal ends at seq {journal_seq}, but sled knows seq {sled_seq}: records that were promised are missing or damaged at {place}; restore the journal from a backup"
    )]
    JournalShort { journal_seq: u64, sled_seq: u64, place: String },
    #[error("there is no journal in {}, but sled holds a log ({found}): restore the journal from a backup", .dir.display())]
    JournalMissing { dir: PathBuf, found: String },
    #[error("sled in {} can't be made anew from the journal: {why}", .dir.display())]
    Sled { dir: PathBuf, why: String },
}

impl OpenError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// The journal is damaged in a place that had been promised.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} at byte {offset}: record {seq} is damaged ({why}){}; restore the segment from a backup", .file.display(), later(.later_seq))]
pub struct Damage {
    pub file: PathBuf,
    pub offset: u64,
    /// The record that should stand there.
    pub seq: u64,
    /// A whole record behind it.
    pub later_seq: Option<u64>,
    pub why: String,
}

fn later(seq: &Option<u64>) -> String {
    seq.map_or(String::new(), |seq| format!(", but record {seq} follows"))
}

/// Why an append was not made durable. All but `TooLarge`, `TooMany` and `OlderEpoch` end the log's life: nothing is ever
/// written again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    #[error(transparent)]
    TooLarge(#[from] RecordError),
    #[error("{records} records in one append; at most {limit}")]
    TooMany { records: usize, limit: usize },
    #[error("an append starts at seq {got}, the log goes on at {expected}: engine and log have parted; restart")]
    OutOfOrder { expected: u64, got: u64 },
    #[error("an append of epoch {got}, but the log has one of epoch {newest}: its writer is no owner any more")]
    OlderEpoch { newest: u64, got: u64 },
    #[error("the log has failed and takes no more records: {why}; restart after the cause is mended")]
    Failed { why: Arc<str> },
}

/// Why something durable couldn't be read back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("sled can't be read: {0}; restart, it is made anew from the journal")]
    Sled(String),
    #[error("sled holds no record {seq}, though the log has it; restart, it is made anew from the journal")]
    Hole { seq: u64 },
    #[error("record {seq} can't be read back from the journal: {why}")]
    Journal { seq: u64, why: String },
    #[error("record {seq} is there, but {why}")]
    Unreadable { seq: u64, why: RecordError },
    #[error("a dead letter can't be kept or read: {0}")]
    DeadLetter(String),
}

impl From<sled::Error> for ReadError {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error.to_string())
    }
}
