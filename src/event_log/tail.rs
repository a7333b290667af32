//! What is durable in the journal but not yet in sled, and what all threads of a log share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::error::{AppendError, ReadError};
use super::frame;
use super::index::{IndexEntry, OrderMark, SignalEntry, SignalMark};
use super::record::ChainContext;
use super::sled_store::SledStore;
use super::{Head, ReadLimit, StoredBytes};
use crate::domain::ids::{OrderId, SignalId};

/// When sled lags this far behind, the writer waits for it: memory stays bounded.
const TAIL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The records of one commit.
#[derive(Debug)]
pub struct Group {
    pub first_seq: u64,
    pub last_seq: u64,
    pub frames: Vec<u8>,
    pub entries: Vec<IndexEntry>,
}

#[derive(Debug)]
struct Tail {
    head: Head,
    groups: VecDeque<Arc<Group>>,
    bytes: usize,
    closing: bool,
}

#[derive(Debug)]
pub struct Shared {
    pub context: ChainContext,
    pub sled: SledStore,
    /// Appends not answered yet.
    pub queued: AtomicUsize,
    failed: OnceLock<Arc<str>>,
    tail: Mutex<Tail>,
    grown: Condvar,
    shrunk: Condvar,
}

/// What the inserter does next.
pub enum Work {
    Insert(Arc<Group>),
    /// Nothing came for a while.
    Idle,
    Close,
}

impl Shared {
    pub fn new(context: ChainContext, sled: SledStore, head: Head) -> Self {
        let tail = Tail { head, groups: VecDeque::new(), bytes: 0, closing: false };
        Self {
            context,
            sled,
            queued: AtomicUsize::new(0),
            failed: OnceLock::new(),
            tail: Mutex::new(tail),
            grown: Condvar::new(),
            shrunk: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn head(&self) -> Head {
        self.lock().head
    }

    /// The first failure is the one that counts.
    pub fn fail(&self, why: impl Into<Arc<str>>) -> AppendError {
        let why = self.failed.get_or_init(|| why.into()).clone();
        self.shrunk.notify_all();
        AppendError::Failed { why }
    }

    pub fn failure(&self) -> Option<AppendError> {
        self.failed.get().map(|why| AppendError::Failed { why: why.clone() })
    }

    pub fn failed_text(&self) -> Option<String> {
        self.failed.get().map(|why| why.to_string())
    }

    pub fn answered(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// A durable commit: readers see it from now on. Waits while sled is too far behind, unless the log has failed.
    pub fn push(&self, group: Group, head: Head) {
        let mut tail = self.lock();
        while tail.bytes > TAIL_BYTES_MAX && self.failed.get().is_none() {
            tail = self.shrunk.wait(tail).unwrap_or_else(PoisonError::into_inner);
        }
        tail.bytes += group.frames.len();
        tail.head = head;
        tail.groups.push_back(Arc::new(group));
        drop(tail);
        self.grown.notify_one();
    }

    /// Waits for a group that isn't in sled; at most `idle` long when given.
    pub fn next_work(&self, idle: Option<Duration>) -> Work {
        let mut tail = self.lock();
        loop {
            if let Some(group) = tail.groups.front() {
                return Work::Insert(group.clone());
            }
            if tail.closing {
                return Work::Close;
            }
            tail = match idle {
                None => self.grown.wait(tail).unwrap_or_else(PoisonError::into_inner),
                Some(idle) => {
                    let (tail, waited) = self.grown.wait_timeout(tail, idle).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && tail.groups.is_empty() && !tail.closing {
                        return Work::Idle;
                    }
                    tail
                }
            };
        }
    }

    /// The first group is in sled.
    pub fn inserted(&self) {
        let mut tail = self.lock();
        if let Some(group) = tail.groups.pop_front() {
            tail.bytes -= group.frames.len();
        }
        drop(tail);
        self.shrunk.notify_one();
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.grown.notify_all();
    }

    /// The groups not in sled, as of now. Taken before sled is read, nothing falls between the two.
    fn snapshot(&self) -> (Head, Vec<Arc<Group>>) {
        let tail = self.lock();
        (tail.head, tail.groups.iter().cloned().collect())
    }

    pub fn read_from(&self, seq: u64, records_max: usize, bytes_max: usize) -> Result<Vec<StoredBytes>, ReadError> {
        let (head, groups) = self.snapshot();
        let seq = seq.max(1);
        let mut limit = ReadLimit::new(records_max, bytes_max);
        let mut out = Vec::new();
        if seq > head.seq || limit.is_spent() {
            return Ok(out);
        }
        let in_sled = groups.first().map_or(head.seq + 1, |group| group.first_seq);
        if seq < in_sled {
            self.sled.read(seq, in_sled, &mut limit, &mut out)?;
        }
        for group in groups.iter().filter(|group| group.last_seq >= seq) {
            for frame in frame::frames(&group.frames).flatten().filter(|frame| frame.seq >= seq) {
                if limit.is_spent() || !limit.take(frame.record.len()) {
                    return Ok(out);
                }
                out.push(StoredBytes { seq: frame.seq, bytes: frame.record.into() });
            }
        }
        Ok(out)
    }

    pub fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalEntry>, ReadError> {
        let (_, groups) = self.snapshot();
        let mark = match self.sled.signal(signal_id)? {
            Some(mark) => Some(mark),
            None => groups.iter().flat_map(|group| &group.entries).find_map(|entry| entry.mark_of(signal_id)).cloned(),
        };
        let Some(SignalMark { seq, content_hash, order_id }) = mark else { return Ok(None) };
        let answer = match &order_id {
            None => crate::domain::answer::AnswerKind::Rejected,
            Some(order_id) => OrderMark::answer(self.order(order_id, &groups)?.into_iter().map(|(_, mark)| mark)),
        };
        Ok(Some(SignalEntry { content_hash, seq, order_id, answer }))
    }

    pub fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        let (_, groups) = self.snapshot();
        Ok(self.order(order_id, &groups)?.into_iter().map(|(seq, _)| seq).collect())
    }

    fn order(&self, order_id: &OrderId, groups: &[Arc<Group>]) -> Result<Vec<(u64, OrderMark)>, ReadError> {
        let mut marks = self.sled.order(order_id)?;
        let last = marks.last().map_or(0, |(seq, _)| *seq);
        let later = groups.iter().flat_map(|group| &group.entries).filter_map(|entry| match entry {
            IndexEntry::Order { order_id: id, seq, mark } if id == order_id && *seq > last => Some((*seq, *mark)),
            _ => None,
        });
        marks.extend(later);
        Ok(marks)
    }
}
