//! A log in memory with the same bytes and hashes: for the simulation and for tests.
//!
//! It has a disk that can lose what wasn't synced, and one that can fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::dead_letters::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterHead};
use super::error::{AppendError, ReadError};
use super::index::{self, IndexEntry, SignalEntry, SignalMark};
use super::intake::newest_epoch;
use super::record::{self, ChainContext};
use super::{APPEND_RECORDS_MAX, Done, EventStore, Head, ReadLimit, StoredBytes};
use crate::domain::event::Recorded;
use crate::domain::ids::{LogId, Mode, OrderId, SignalId};

#[derive(Debug)]
pub struct MemoryLog {
    context: ChainContext,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    durable: Vec<StoredBytes>,
    signals: BTreeMap<SignalId, SignalMark>,
    orders: BTreeMap<OrderId, Vec<u64>>,
    head: Option<Head>,
    unsynced: VecDeque<Unsynced>,
    /// The seq behind everything appended, synced or not.
    next_seq: u64,
    /// Of the newest record appended.
    epoch: u64,
    sync_by_hand: bool,
    failing: Option<String>,
    dead_letters: VecDeque<(DeadLetterHead, Vec<u8>)>,
    last_dead_letter: u64,
}

struct Unsynced {
    records: Vec<Recorded>,
    done: Done,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} durable records, {} appends not synced", self.durable.len(), self.unsynced.len())
    }
}

impl MemoryLog {
    /// Each append is durable and answered at once, until [`Self::sync_by_hand`].
    pub fn new(log_id: LogId, mode: Mode) -> Self {
        let state = State { next_seq: 1, ..State::default() };
        Self { context: ChainContext { log_id, mode }, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on appends wait, unanswered and invisible, for [`Self::sync`].
    pub fn sync_by_hand(&self) {
        self.lock().sync_by_hand = true;
    }

    /// Makes everything appended durable and answers it, in order. Returns the number of appends.
    pub fn sync(&self) -> usize {
        let mut answers = Vec::new();
        let mut state = self.lock();
        while let Some(Unsynced { records, done }) = state.unsynced.pop_front() {
            let result = state.store(&records, &self.context);
            answers.push((done, result));
        }
        drop(state);
        let count = answers.len();
        for (done, result) in answers {
            done(result);
        }
        count
    }

    /// A power cut: what wasn't synced is gone, and nobody is ever answered for it.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.unsynced.clear();
        state.next_seq = state.head().seq + 1;
    }

    /// The disk fails, for good: everything waiting and every later append gets the error.
    pub fn fail_appends(&self, why: &str) {
        let mut state = self.lock();
        state.failing = Some(why.to_owned());
        let waiting = std::mem::take(&mut state.unsynced);
        drop(state);
        for unsynced in waiting {
            (unsynced.done)(Err(AppendError::Failed { why: why.into() }));
        }
    }

    /// The program was restarted on a mended disk.
    pub fn mend(&self) {
        self.crash();
        self.lock().failing = None;
    }
}

impl State {
    fn head(&self) -> Head {
        self.head.unwrap_or(Head::START)
    }

    fn check(&self, records: &[Recorded]) -> Result<(), AppendError> {
        if let Some(why) = &self.failing {
            return Err(AppendError::Failed { why: why.as_str().into() });
        }
        if records.len() > APPEND_RECORDS_MAX {
            return Err(AppendError::TooMany { records: records.len(), limit: APPEND_RECORDS_MAX });
        }
        newest_epoch(self.epoch, records)?;
        for (expected, recorded) in (self.next_seq..).zip(records) {
            if recorded.seq != expected {
                return Err(AppendError::OutOfOrder { expected, got: recorded.seq });
            }
            record::encoded_bytes(recorded)?;
        }
        Ok(())
    }

    fn store(&mut self, records: &[Recorded], context: &ChainContext) -> Result<Head, AppendError> {
        let mut entries = Vec::new();
        for recorded in records {
            let bytes = record::encode(recorded, context, &self.head().hash)?;
            self.head = Some(Head { seq: recorded.seq, hash: record::record_hash(&bytes) });
            self.durable.push(StoredBytes { seq: recorded.seq, bytes: bytes.into() });
            if let Some(order_id) = index::order_of(recorded) {
                self.orders.entry(order_id).or_default().push(recorded.seq);
            }
        }
        index::entries(records, &mut entries);
        for entry in entries {
            if let IndexEntry::Signal { signal_id, mark } = entry {
                self.signals.entry(signal_id).or_insert(mark);
            }
        }
        Ok(self.head())
    }
}

impl EventStore for MemoryLog {
    fn log_id(&self) -> LogId {
        self.context.log_id
    }

    fn mode(&self) -> Mode {
        self.context.mode
    }

    fn head(&self) -> Head {
        self.lock().head()
    }

    fn append(&self, records: Vec<Recorded>, done: Done) {
        let mut state = self.lock();
        if let Err(error) = state.check(&records) {
            if matches!(error, AppendError::OutOfOrder { .. }) {
                state.failing = Some(error.to_string());
            }
            drop(state);
            return done(Err(error));
        }
        state.next_seq += records.len() as u64;
        state.epoch = records.last().map_or(state.epoch, |last| last.epoch);
        state.unsynced.push_back(Unsynced { records, done });
        let by_hand = state.sync_by_hand;
        drop(state);
        if !by_hand {
            self.sync();
        }
    }

    fn queue_len(&self) -> usize {
        self.lock().unsynced.len()
    }

    fn failed(&self) -> Option<String> {
        self.lock().failing.clone()
    }

    fn read_from(&self, seq: u64, records_max: usize, bytes_max: usize) -> Result<Vec<StoredBytes>, ReadError> {
        let state = self.lock();
        let start = (seq.max(1) - 1).min(state.durable.len() as u64) as usize;
        let mut limit = ReadLimit::new(records_max, bytes_max);
        Ok(state.durable[start..].iter().take_while(|record| limit.take(record.bytes.len())).cloned().collect())
    }

    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalEntry>, ReadError> {
        Ok(self.lock().signals.get(signal_id).cloned().map(SignalEntry::from))
    }

    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        Ok(self.lock().orders.get(order_id).cloned().unwrap_or_default())
    }

    fn dead_letter_add(&self, letter: &DeadLetter) -> Result<u64, ReadError> {
        let mut state = self.lock();
        state.last_dead_letter += 1;
        let DeadLetter { received_at, subject, stream_seq, reason, signal_id, raw } = letter.clone();
        let (id, raw_bytes) = (state.last_dead_letter, raw.len() as u64);
        state.dead_letters.push_back((DeadLetterHead { id, received_at, subject, stream_seq, reason, signal_id, raw_bytes }, raw));
        if state.dead_letters.len() > DEAD_LETTERS_MAX {
            state.dead_letters.pop_front();
        }
        Ok(id)
    }

    fn dead_letter_list(&self, max: usize) -> Result<Vec<DeadLetterHead>, ReadError> {
        Ok(self.lock().dead_letters.iter().rev().take(max).map(|(head, _)| head.clone()).collect())
    }

    fn dead_letter_get(&self, id: u64) -> Result<Option<(DeadLetterHead, Vec<u8>)>, ReadError> {
        Ok(self.lock().dead_letters.iter().find(|(head, _)| head.id == id).cloned())
    }

    fn dead_letter_len(&self) -> usize {
        self.lock().dead_letters.len()
    }
}
