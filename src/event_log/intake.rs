//! Where appends come in: encoded, chained and sealed by whoever appends, so that the writer only writes and syncs.
//!
//! Commits fill while the disk syncs the one before: what waits lies ready in one piece. A thread of its own for the hashes was
//! slower: waking it costs more than a record's hash does.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::AppendError;
use super::frame::{self, COMMIT_RECORDS_MAX, FRAME_HEADER_BYTES};
use super::index;
use super::record::{self, ChainContext};
use super::tail::Group;
use super::{APPEND_RECORDS_MAX, Done, Head};
use crate::domain::event::Recorded;
use crate::domain::ids::Hash;

/// Waiting appends; a caller past it waits too, which is what slows the engine down instead of memory growing.
const QUEUE_MAX: usize = 8_192;
/// One commit takes no more appends once it holds this much: past it a sync is no longer the larger part.
const COMMIT_RECORDS_GOAL: usize = 1_024;
const COMMIT_BYTES_GOAL: usize = 256 * 1024;
/// Room kept between appends for their encoding.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;

const _: () = assert!(COMMIT_RECORDS_GOAL + APPEND_RECORDS_MAX <= COMMIT_RECORDS_MAX);

/// What the writer does next.
pub enum Work {
    Commit(Commit),
    /// An append that didn't go on where the last one ended.
    Refuse {
        done: Done,
        expected: u64,
        got: u64,
    },
}

/// Appends that become durable together.
pub struct Commit {
    /// The head once everything before it is durable.
    pub before: Head,
    /// The head once it is durable itself.
    pub head: Head,
    pub group: Group,
    /// Each append with the head it will be answered.
    pub waiting: Vec<(Done, Head)>,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    appends: usize,
    writer_sleeps: bool,
    closed: bool,
    /// The writer is gone.
    left: bool,
    /// A used buffer for the next commit's frames.
    spare: Vec<u8>,
}

struct Chain {
    /// Of everything taken in, durable or not.
    head: Head,
    /// Of the newest record taken in.
    epoch: u64,
    scratch: Vec<u8>,
}

/// Locked in this order: the chain, which says who comes next, then the queue, which the writer shares and nobody holds for long.
pub struct Intake {
    context: ChainContext,
    chain: Mutex<Chain>,
    queue: Mutex<Queue>,
    came: Condvar,
    room: Condvar,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intake({:?})", self.context)
    }
}

/// Why an append was not taken in, and who must hear it.
pub enum NotTaken {
    Refused(AppendError, Done),
    WriterGone(Done),
}

impl Intake {
    pub fn new(context: ChainContext, head: Head, epoch: u64) -> Self {
        let chain = Mutex::new(Chain { head, epoch, scratch: Vec::new() });
        Self { context, chain, queue: Mutex::default(), came: Condvar::new(), room: Condvar::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one append in. Waits while too many wait.
    pub fn append(&self, records: &[Recorded], done: Done) -> Result<(), NotTaken> {
        let mut entries = Vec::new();
        index::entries(records, &mut entries);
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = newest_epoch(chain.epoch, records);
        let encoded = encoded.and_then(|epoch| encode(&mut chain.scratch, records, &self.context).map(|()| epoch));
        let epoch = match encoded {
            Ok(epoch) => epoch,
            Err(error) => return Err(NotTaken::Refused(error, done)),
        };
        let (before, expected) = (chain.head, chain.head.seq + 1);
        let refused = records.first().map(|first| first.seq).filter(|first| *first != expected);
        if refused.is_none() {
            chain.epoch = epoch;
            let Chain { head, scratch, .. } = &mut *chain;
            link(scratch, head);
        }
        let mut queue = self.queue();
        while queue.appends >= QUEUE_MAX && !queue.left {
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.left {
            return Err(NotTaken::WriterGone(done));
        }
        queue.appends += 1;
        match refused {
            Some(got) => queue.work.push_back(Work::Refuse { done, expected, got }),
            None => {
                let commit = queue.open_commit(before);
                commit.group.add(&chain.scratch, before.seq);
                commit.group.entries.append(&mut entries);
                commit.group.last_seq = chain.head.seq;
                commit.head = chain.head;
                commit.waiting.push((done, chain.head));
            }
        }
        let wake = std::mem::take(&mut queue.writer_sleeps);
        drop(queue);
        if wake {
            self.came.notify_one();
        }
        if chain.scratch.capacity() > SCRATCH_BYTES_KEPT {
            chain.scratch = Vec::new();
        }
        Ok(())
    }

    /// For the writer: waits for what comes next; `None` once the intake is closed and everything was taken.
    pub fn next(&self) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            if let Some(work) = queue.work.pop_front() {
                let was_full = queue.appends >= QUEUE_MAX;
                queue.appends -= work.appends();
                drop(queue);
                if was_full {
                    self.room.notify_all();
                }
                return Some(work);
            }
            if queue.closed {
                return None;
            }
            queue.writer_sleeps = true;
            queue = self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives a buffer back for a later commit.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.queue().spare = buffer;
    }

    /// No more appends come.
    pub fn close(&self) {
        self.queue().closed = true;
        self.came.notify_one();
    }

    /// The writer takes nothing any more. Who still waits hears it by the loss of the answer.
    pub fn leave(&self) {
        let mut queue = self.queue();
        queue.left = true;
        let lost = std::mem::take(&mut queue.work);
        drop(queue);
        self.room.notify_all();
        drop(lost);
    }
}

impl Queue {
    /// The commit that still takes appends; a new one behind a full one or a refusal.
    fn open_commit(&mut self, before: Head) -> &mut Commit {
        let has_room = matches!(self.work.back(), Some(Work::Commit(commit)) if commit.has_room());
        if !has_room {
            let frames = std::mem::take(&mut self.spare);
            let group = Group { first_seq: before.seq + 1, last_seq: before.seq, frames, entries: Vec::new() };
            self.work.push_back(Work::Commit(Commit { before, head: before, group, waiting: Vec::new() }));
        }
        match self.work.back_mut() {
            Some(Work::Commit(commit)) => commit,
            _ => unreachable!("Invariant: a commit with room is the last"),
        }
    }
}

impl Work {
    fn appends(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.waiting.len(),
            Self::Refuse { .. } => 1,
        }
    }
}

impl Commit {
    fn has_room(&self) -> bool {
        let records = (self.head.seq - self.before.seq) as usize;
        // Barriers add no records, but somebody answers them one after the other.
        records < COMMIT_RECORDS_GOAL && self.group.frames.len() < COMMIT_BYTES_GOAL && self.waiting.len() < COMMIT_RECORDS_GOAL
    }
}

impl Group {
    /// Adds chained frames and seals them in their place in the commit; `last_seq` is of the record before them.
    fn add(&mut self, frames: &[u8], last_seq: u64) {
        let mut at = self.frames.len();
        let mut behind = (last_seq + 1 - self.first_seq) as usize;
        self.frames.extend_from_slice(frames);
        while at < self.frames.len() {
            let end = at + frame::stated_bytes(&self.frames[at..]);
            frame::seal(&mut self.frames[at..end], behind);
            behind += 1;
            at = end;
        }
    }
}

/// Epochs never go back: whoever has an older one was followed by another owner.
pub(super) fn newest_epoch(newest: u64, records: &[Recorded]) -> Result<u64, AppendError> {
    records.iter().try_fold(newest, |newest, record| match record.epoch {
        got if got < newest => Err(AppendError::OlderEpoch { newest, got }),
        epoch => Ok(epoch),
    })
}

/// The frames of one append, neither chained nor sealed.
fn encode(frames: &mut Vec<u8>, records: &[Recorded], context: &ChainContext) -> Result<(), AppendError> {
    frames.clear();
    if records.len() > APPEND_RECORDS_MAX {
        return Err(AppendError::TooMany { records: records.len(), limit: APPEND_RECORDS_MAX });
    }
    let first_seq = records.first().map_or(0, |first| first.seq);
    for (position, recorded) in records.iter().enumerate() {
        let expected = first_seq + position as u64;
        if recorded.seq != expected {
            return Err(AppendError::OutOfOrder { expected, got: recorded.seq });
        }
        let start = frame::open(frames);
        record::encode_into(frames, recorded, context, &Hash::ZERO)?;
        frame::close(frames, start, recorded.seq, position + 1 < records.len());
    }
    Ok(())
}

/// Chains encoded records to `head` and moves it behind them.
fn link(frames: &mut [u8], head: &mut Head) {
    let mut at = 0;
    while at < frames.len() {
        let end = at + frame::stated_bytes(&frames[at..]);
        let record = &mut frames[at + FRAME_HEADER_BYTES..end];
        record::set_prev_hash(record, &head.hash);
        *head = Head { seq: head.seq + 1, hash: record::record_hash(record) };
        at = end;
    }
}
