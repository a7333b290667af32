//! The log as `audit` reads it.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::audit::history::{DeadLetterInfo, History, RawRecord, ReadError, SignalRef};
use crate::domain::event::Recorded;
use crate::domain::ids::{OrderId, SignalId};
use crate::event_log::{DeadLetterHead, EventStore, StoredBytes, read_ahead};

/// Bytes of one page of records.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Any store is a history.
pub struct StoreHistory(pub Arc<dyn EventStore>);

fn unreadable(error: impl ToString) -> ReadError {
    ReadError(error.to_string())
}

impl StoreHistory {
    fn page(&self, seq: u64, max: usize) -> Result<Vec<StoredBytes>, ReadError> {
        self.0.read_from(seq.max(1), max, PAGE_BYTES).map_err(unreadable)
    }
}

impl History for StoreHistory {
    fn head_seq(&self) -> u64 {
        self.0.head().seq
    }

    fn read_from(&self, seq: u64, max: usize) -> Result<Vec<Recorded>, ReadError> {
        let decoded = |stored: StoredBytes| stored.decode().map(|record| record.recorded).map_err(unreadable);
        self.page(seq, max)?.into_iter().map(decoded).collect()
    }

    fn raw_from(&self, seq: u64, max: usize) -> Result<Vec<RawRecord>, ReadError> {
        let raw = |stored: StoredBytes| RawRecord { seq: stored.seq, hash: stored.hash(), bytes: stored.bytes };
        Ok(self.page(seq, max)?.into_iter().map(raw).collect())
    }

    fn scan(&self, seq: u64, visit: &mut dyn FnMut(&Recorded) -> bool) -> Result<(), ReadError> {
        let ended = read_ahead(&*self.0, seq, |stored| match visit(&stored.recorded) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        });
        ended.map(drop).map_err(unreadable)
    }

    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalRef>, ReadError> {
        let entry = self.0.signal(signal_id).map_err(unreadable)?;
        Ok(entry.map(|entry| SignalRef { seq: entry.seq, order_id: entry.order_id }))
    }

    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        self.0.order_seqs(order_id).map_err(unreadable)
    }

    fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetterInfo>, ReadError> {
        let heads = self.0.dead_letter_list(max).map_err(unreadable)?;
        Ok(heads.into_iter().map(info).collect())
    }

    fn dead_letter(&self, id: u64) -> Result<Option<(DeadLetterInfo, Vec<u8>)>, ReadError> {
        let found = self.0.dead_letter_get(id).map_err(unreadable)?;
        Ok(found.map(|(head, raw)| (info(head), raw)))
    }
}

fn info(head: DeadLetterHead) -> DeadLetterInfo {
    let DeadLetterHead { id, received_at, subject, stream_seq, reason, signal_id, raw_bytes } = head;
    DeadLetterInfo { id, received_at, subject, stream_seq, reason, signal_id, raw_bytes }
}
