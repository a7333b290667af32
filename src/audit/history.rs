//! What is read of a log, whoever keeps it.

use serde::Serialize;
use thiserror::Error;

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, OrderId, SignalId, sha256};
use crate::domain::time::Time;

/// Records of one reading: some hundred kilobytes.
pub const PAGE_RECORDS: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the log can't be read: {0}")]
pub struct ReadError(pub String);

/// Where the first answer to a signal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalRef {
    /// Of the record that asked for its order, or rejected it.
    pub seq: u64,
    /// Absent for a rejection.
    pub order_id: Option<OrderId>,
}

/// A message that was kept because nobody understood it, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterInfo {
    pub id: u64,
    pub received_at: Time,
    pub subject: String,
    pub stream_seq: u64,
    pub reason: String,
    pub signal_id: Option<SignalId>,
    /// As received; more than what is kept when it was cut.
    pub raw_bytes: u64,
}

/// One record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    pub seq: u64,
    pub bytes: Box<[u8]>,
    pub hash: Hash,
}

/// The durable records of one log, and what is indexed of them.
pub trait History: Send + Sync {
    /// 0 when the log is empty.
    fn head_seq(&self) -> u64;

    /// Records from `seq` (at least 1) on: at least one if there is one, at most `max`.
    fn read_from(&self, seq: u64, max: usize) -> Result<Vec<Recorded>, ReadError>;

    /// The same, as stored.
    fn raw_from(&self, seq: u64, max: usize) -> Result<Vec<RawRecord>, ReadError>;

    /// The first answer to this signal.
    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalRef>, ReadError>;

    /// All records of an order, ascending.
    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError>;

    /// The newest first.
    fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetterInfo>, ReadError>;

    fn dead_letter(&self, id: u64) -> Result<Option<(DeadLetterInfo, Vec<u8>)>, ReadError>;

    /// One record.
    fn read_one(&self, seq: u64) -> Result<Recorded, ReadError> {
        let found = self.read_from(seq, 1)?.into_iter().find(|record| record.seq == seq);
        found.ok_or_else(|| ReadError(format!("record {seq} is missing; the log ends at {}", self.head_seq())))
    }

    /// Every record from `seq` on, up to the head as it is now, until `visit` says stop.
    fn scan(&self, seq: u64, visit: &mut dyn FnMut(&Recorded) -> bool) -> Result<(), ReadError> {
        let head = self.head_seq();
        let mut next = seq.max(1);
        while next <= head {
            let page = self.read_from(next, PAGE_RECORDS)?;
            let Some(last) = page.last() else { return Err(ReadError(format!("record {next} is missing; the log ends at {head}"))) };
            let after = last.seq + 1;
            if page.iter().any(|record| !visit(record)) {
                return Ok(());
            }
            next = after;
        }
        Ok(())
    }
}

/// A history in memory: for tests and for records that came over the network.
#[derive(Clone, Debug, Default)]
pub struct MemoryHistory {
    pub records: Vec<Recorded>,
    pub letters: Vec<(DeadLetterInfo, Vec<u8>)>,
}

impl MemoryHistory {
    pub fn new(records: Vec<Recorded>) -> Self {
        Self { records, letters: Vec::new() }
    }
}

impl History for MemoryHistory {
    fn head_seq(&self) -> u64 {
        self.records.last().map_or(0, |record| record.seq)
    }

    fn read_from(&self, seq: u64, max: usize) -> Result<Vec<Recorded>, ReadError> {
        Ok(self.records.iter().skip_while(|record| record.seq < seq).take(max).cloned().collect())
    }

    fn raw_from(&self, seq: u64, max: usize) -> Result<Vec<RawRecord>, ReadError> {
        let raw = |record: Recorded| {
            let bytes = rmp_serde::to_vec_named(&record).map_err(|error| ReadError(error.to_string()))?;
            Ok(RawRecord { seq: record.seq, hash: sha256(&[&bytes]), bytes: bytes.into() })
        };
        self.read_from(seq, max)?.into_iter().map(raw).collect()
    }

    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalRef>, ReadError> {
        let first = self.records.iter().find_map(|record| match &record.event {
            Event::OrderRequested { signal_id: id, order_id, .. } if id == signal_id => {
                Some(SignalRef { seq: record.seq, order_id: Some(*order_id) })
            }
            Event::SignalRejected { signal_id: Some(id), .. } if id == signal_id => Some(SignalRef { seq: record.seq, order_id: None }),
            _ => None,
        });
        Ok(first)
    }

    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        let of_order = |record: &&Recorded| record.correlation == Some(*order_id);
        Ok(self.records.iter().filter(of_order).map(|record| record.seq).collect())
    }

    fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetterInfo>, ReadError> {
        Ok(self.letters.iter().rev().take(max).map(|(info, _)| info.clone()).collect())
    }

    fn dead_letter(&self, id: u64) -> Result<Option<(DeadLetterInfo, Vec<u8>)>, ReadError> {
        Ok(self.letters.iter().find(|(info, _)| info.id == id).cloned())
    }
}
