//! The three threads behind a log: one chains what comes, one makes commits durable and answers, one carries them into sled.
//!
//! Hashing is most of the processor time of an append; on its own thread it goes on while the disk syncs.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use super::error::AppendError;
use super::frame::{self, COMMIT_RECORDS_MAX, FRAME_HEADER_BYTES};
use super::index::{self, IndexEntry, Seen};
use super::journal::Journal;
use super::record::{self, ChainContext};
use super::tail::{Group, Shared};
use super::{APPEND_RECORDS_MAX, Done, Head};
use crate::domain::event::Recorded;
use crate::domain::ids::Hash;

/// Waiting appends; a caller past it waits too, which is what slows the engine down instead of memory growing.
pub const QUEUE_MAX: usize = 8_192;
/// Chained appends that wait for the disk: two commits of the largest usual size.
pub const CHAINED_MAX: usize = 2 * COMMIT_RECORDS_GOAL;
/// One commit takes no more appends once it holds this much: past it a sync is no longer the larger part.
const COMMIT_RECORDS_GOAL: usize = 1_024;
const COMMIT_BYTES_GOAL: usize = 256 * 1024;

const _: () = assert!(COMMIT_RECORDS_GOAL + APPEND_RECORDS_MAX <= COMMIT_RECORDS_MAX);

/// An append on its way to the writer: encoded by the caller, but for the chain.
pub struct Pending {
    pub first_seq: u64,
    records: usize,
    frames: Vec<u8>,
    entries: Vec<IndexEntry>,
    pub done: Done,
}

impl Pending {
    /// Encodes on the caller's thread, so that the writer only hashes, seals and syncs.
    pub fn encode(records: &[Recorded], context: &ChainContext, done: Done) -> Result<Self, (AppendError, Done)> {
        if records.len() > APPEND_RECORDS_MAX {
            return Err((AppendError::TooMany { records: records.len(), limit: APPEND_RECORDS_MAX }, done));
        }
        let first_seq = records.first().map_or(0, |first| first.seq);
        let mut frames = Vec::with_capacity(records.len() * 640);
        let mut entries = Vec::new();
        for (position, recorded) in records.iter().enumerate() {
            let expected = first_seq + position as u64;
            if recorded.seq != expected {
                return Err((AppendError::OutOfOrder { expected, got: recorded.seq }, done));
            }
            let start = frame::open(&mut frames);
            if let Err(error) = record::encode_into(&mut frames, recorded, context, &Hash::ZERO) {
                return Err((error.into(), done));
            }
            frame::close(&mut frames, start, recorded.seq, position + 1 < records.len());
        }
        index::entries(records, &mut entries);
        Ok(Self { first_seq, records: records.len(), frames, entries, done })
    }
}

/// An append with its place in the chain, or where it would have had to start.
pub struct Chained {
    pending: Pending,
    place: Result<Head, u64>,
}

/// Chains appends in the order they came, from `head` on, until all senders are gone.
pub fn chain_all(mut head: Head, queue: &Receiver<Pending>, writer: &SyncSender<Chained>) {
    for mut pending in queue {
        let expected = head.seq + 1;
        let place = if pending.records == 0 || pending.first_seq == expected { Ok(pending.chain(&mut head)) } else { Err(expected) };
        // A writer that is gone has panicked; whoever waits hears it by the loss of the answer.
        if writer.send(Chained { pending, place }).is_err() {
            return;
        }
    }
}

impl Pending {
    fn chain(&mut self, head: &mut Head) -> Head {
        let mut at = 0;
        while at < self.frames.len() {
            let end = at + frame::stated_bytes(&self.frames[at..]);
            let record = &mut self.frames[at + FRAME_HEADER_BYTES..end];
            record::set_prev_hash(record, &head.hash);
            *head = Head { seq: head.seq + 1, hash: record::record_hash(record) };
            at = end;
        }
        *head
    }
}

/// The one who writes.
pub struct Writer {
    journal: Journal,
    head: Head,
    shared: Arc<Shared>,
    /// The appends of the commit at hand, each with the head it will be answered.
    waiting: Vec<(Done, Head)>,
}

impl Writer {
    pub fn new(journal: Journal, head: Head, shared: Arc<Shared>) -> Self {
        Self { journal, head, shared, waiting: Vec::new() }
    }

    /// Until all senders are gone; then the inserter is told to end.
    pub fn run(mut self, queue: &Receiver<Chained>) {
        let mut held = None;
        while let Some(first) = held.take().or_else(|| queue.recv().ok()) {
            held = self.gather_and_commit(first, queue);
        }
        self.shared.close();
    }

    /// One commit. Returns an append that didn't belong to it.
    fn gather_and_commit(&mut self, first: Chained, queue: &Receiver<Chained>) -> Option<Chained> {
        let before = self.head;
        let mut group = Group { first_seq: before.seq + 1, last_seq: before.seq, frames: Vec::new(), entries: Vec::new() };
        let mut next = Some(first);
        let mut held = None;
        while let Some(chained) = next.take() {
            if let Err(refused) = self.check(&chained) {
                // What came before it is still made durable; the refusal must not overtake it.
                if !self.waiting.is_empty() {
                    held = Some(chained);
                    break;
                }
                self.answer(chained.pending.done, Err(refused));
            } else {
                self.take(chained, &mut group, before);
            }
            let records = (self.head.seq - before.seq) as usize;
            if records < COMMIT_RECORDS_GOAL && group.frames.len() < COMMIT_BYTES_GOAL {
                next = queue.try_recv().ok();
            }
        }
        self.commit(group, before);
        held
    }

    fn check(&self, chained: &Chained) -> Result<(), AppendError> {
        if let Some(failure) = self.shared.failure() {
            return Err(failure);
        }
        let Err(expected) = chained.place else { return Ok(()) };
        let got = chained.pending.first_seq;
        if self.waiting.is_empty() {
            self.shared.fail(format!("an append came for seq {got} where {expected} was next"));
        }
        Err(AppendError::OutOfOrder { expected, got })
    }

    /// Seals the frames of one append at the end of the group.
    fn take(&mut self, chained: Chained, group: &mut Group, before: Head) {
        let Chained { pending: Pending { frames, entries, done, .. }, place } = chained;
        let mut at = group.frames.len();
        if at == 0 {
            (group.frames, group.entries) = (frames, entries);
        } else {
            group.frames.extend_from_slice(&frames);
            group.entries.extend(entries);
        }
        let mut behind = (self.head.seq - before.seq) as usize;
        while at < group.frames.len() {
            let end = at + frame::stated_bytes(&group.frames[at..]);
            frame::seal(&mut group.frames[at..end], behind);
            behind += 1;
            at = end;
        }
        self.head = place.unwrap_or(self.head);
        group.last_seq = self.head.seq;
        self.waiting.push((done, self.head));
    }

    fn commit(&mut self, group: Group, before: Head) {
        let mut failure = None;
        if !group.frames.is_empty() {
            match self.journal.commit(&group.frames, group.first_seq, &before.hash) {
                Ok(place) => self.shared.push(group, place, self.head),
                Err(error) => {
                    tracing::error!(%error, seq = group.first_seq, "the journal can't be written: the log takes no more records");
                    failure = Some(self.shared.fail(format!("writing the journal at seq {} failed: {error}", group.first_seq)));
                    self.head = before;
                }
            }
        }
        for (done, head) in mem::take(&mut self.waiting) {
            self.answer(done, failure.clone().map_or(Ok(head), Err));
        }
    }

    fn answer(&self, done: Done, result: Result<Head, AppendError>) {
        self.shared.answered();
        done(result);
    }
}

/// Carries commits into sled until the writer is done, or sled fails: then the log takes no more records.
pub fn insert_all(shared: &Shared) {
    if let Err(why) = insert_until_closed(shared) {
        tracing::error!(%why, "sled can't be written: the log takes no more records");
        shared.fail(why);
    }
}

fn insert_until_closed(shared: &Shared) -> Result<(), String> {
    // Handed to the operating system, so that kill -9 finds sled complete.
    let flush = || {
        if let Err(why) = shared.sled.flush() {
            tracing::warn!(%why, "sled can't be flushed; the journal is complete");
        }
    };
    let mut seen = Seen::default();
    let mut dirty = false;
    while let Some(load) = shared.next_load(dirty, flush)? {
        let entries = load.entries().filter(|entry| seen.is_new(entry));
        let inserted = shared.sled.insert(&load.frames, entries);
        inserted.map_err(|why| format!("writing sled from seq {} on failed: {why}", load.first_seq()))?;
        shared.inserted(&load);
        dirty = true;
    }
    Ok(())
}
