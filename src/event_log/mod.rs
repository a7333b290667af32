//! The book: append-only, hash-chained, durable before anyone is answered (design §9).
//!
//! `journal` is what was promised: one write and one `fdatasync` a commit, shared by all who wait. `sled_store` is what everything
//! reads, a moment behind; what lies between is kept in memory, so that a reader always sees up to the durable head. `open` reads the
//! journal whole and compares sled's index and end with it; a damaged block of sled is noticed when it is read, comes from the journal
//! then, and sled is made anew at the next start. Absent: decisions, clocks, the network; nothing is ever deleted but dead letters over their bound.

/// Reading on one thread, working on another.
mod ahead;
/// Messages nobody understood.
pub mod dead_letters;
/// What can go wrong.
pub mod error;
mod frame;
mod index;
mod intake;
mod journal;
/// The log on disk.
pub mod log;
/// The log in memory.
pub mod memory;
mod open;
/// What our own encoder writes, read quickly.
mod plain;
/// The record format.
pub mod record;
/// Back to the journal where sled is damaged.
mod reread;
mod scan;
mod segment;
mod sled_store;
mod tail;
/// A complete check.
pub mod verify;
mod writer;

#[cfg(test)]
mod tests;

use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, LogId, Mode, OrderId, SignalId};
pub use ahead::read_ahead;
pub use dead_letters::{DeadLetter, DeadLetterHead};
pub use error::{AppendError, OpenError, ReadError};
pub use index::SignalEntry;
pub use log::{Log, OpenOptions};
pub use memory::MemoryLog;
pub use open::{OpenReport, Repair};
pub use record::{ChainContext, RECORD_BYTES_MAX, RecordError, StoredRecord};

/// One append is one atomic batch: all of its records or none. The engine's largest has a handful.
pub const APPEND_RECORDS_MAX: usize = 1_024;

/// The last durable record. What the risk consumer compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 0 when the log is empty.
    pub seq: u64,
    /// Of the stored bytes of the record at `seq`.
    pub hash: Hash,
}

impl Head {
    pub const START: Self = Self { seq: 0, hash: Hash::ZERO };
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    pub seq: u64,
    pub bytes: Box<[u8]>,
}

impl StoredBytes {
    pub fn decode(&self) -> Result<StoredRecord, RecordError> {
        record::decode(&self.bytes)
    }

    pub fn hash(&self) -> Hash {
        record::record_hash(&self.bytes)
    }
}

/// Called once: with the head as of this append, or with why it isn't durable. Runs on the writer's thread: it must not wait.
pub type Done = Box<dyn FnOnce(Result<Head, AppendError>) + Send>;

/// Takes records one after the other: seq and stored bytes.
pub type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]);

/// A log, on disk or in memory.
pub trait EventStore: Send + Sync {
    fn log_id(&self) -> LogId;

    fn mode(&self) -> Mode;

    /// The last durable record.
    fn head(&self) -> Head;

    /// Makes the records durable, all or none. Appends are answered in the order they came in; no records = a barrier.
    /// Their seqs go on where the last append ended. Waits while the queue is full.
    fn append(&self, records: Vec<Recorded>, done: Done);

    /// Appends not answered yet.
    fn queue_len(&self) -> usize;

    /// Why nothing is written any more.
    fn failed(&self) -> Option<String>;

    /// Durable records from `seq` on; at least one if there is one, else within both limits.
    fn read_from(&self, seq: u64, records_max: usize, bytes_max: usize) -> Result<Vec<StoredBytes>, ReadError>;

    /// As [`Self::read_from`], handing over each record's seq and bytes where they lie.
    fn visit_from(&self, seq: u64, records_max: usize, bytes_max: usize, visit: Visit<'_>) -> Result<(), ReadError> {
        for record in self.read_from(seq, records_max, bytes_max)? {
            visit(record.seq, &record.bytes);
        }
        Ok(())
    }

    /// The first answer to a signal, if it is durable.
    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalEntry>, ReadError>;

    /// The seqs of all durable records of an order, ascending.
    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError>;

    /// Keeps a message nobody understood; durable when this returns. Returns its id.
    fn dead_letter_add(&self, letter: &DeadLetter) -> Result<u64, ReadError>;

    /// The newest first, without their bytes.
    fn dead_letter_list(&self, max: usize) -> Result<Vec<DeadLetterHead>, ReadError>;

    fn dead_letter_get(&self, id: u64) -> Result<Option<(DeadLetterHead, Vec<u8>)>, ReadError>;

    fn dead_letter_len(&self) -> usize;
}

/// How much a reader still takes.
#[derive(Clone, Copy, Debug)]
struct ReadLimit {
    records: usize,
    bytes: usize,
    taken: bool,
}

impl ReadLimit {
    fn new(records: usize, bytes: usize) -> Self {
        Self { records, bytes, taken: false }
    }

    /// Counts one record; false when it no longer fits. The first always fits.
    fn take(&mut self, len: usize) -> bool {
        if self.records == 0 || (self.taken && len > self.bytes) {
            self.records = 0;
            return false;
        }
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(len);
        self.taken = true;
        true
    }

    fn is_spent(&self) -> bool {
        self.records == 0
    }
}
