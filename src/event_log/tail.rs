//! What is durable in the journal but not yet in sled, and what all threads of a log share.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::error::{AppendError, ReadError};
use super::frame;
use super::index::{self, IndexEntry, SignalEntry, SignalMark};
use super::record::{self, ChainContext};
use super::reread::{self, Start};
use super::segment::{self, Place};
use super::sled_store::{SledStore, guarded};
use super::{Head, ReadLimit, Visit};
use crate::domain::ids::{OrderId, SignalId};

/// Frames kept in memory for sled; past it they are read back from the journal.
const MEMORY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// When sled lags this far behind, the writer waits for it: index entries take about 100 bytes of memory a record.
const BEHIND_RECORDS_MAX: u64 = 500_000;
/// As long as appends are waiting, sled leaves them processor and disk until it lags this far ...
const BEHIND_RECORDS_GOAL: u64 = 200_000;
/// ... or for this many ticks. It bounds what must be inserted when opening after a crash.
const PATIENCE_TICKS: u32 = 80;
/// Commits are gathered for a tick: sled takes one large batch much faster than many small ones.
const TICK: Duration = Duration::from_millis(25);
/// One batch for sled.
const BATCH_BYTES_GOAL: usize = 4 * 1024 * 1024;

/// The records of one commit.
#[derive(Debug)]
pub struct Group {
    pub first_seq: u64,
    pub last_seq: u64,
    pub frames: Vec<u8>,
    pub entries: Vec<IndexEntry>,
}

#[derive(Debug)]
struct Kept {
    first_seq: u64,
    last_seq: u64,
    /// Empty when only the journal has them.
    frames: Vec<u8>,
    place: Place,
    entries: Vec<IndexEntry>,
}

#[derive(Debug)]
struct Tail {
    head: Head,
    groups: VecDeque<Arc<Kept>>,
    /// Where stretches of the journal start, so that a record is found there without reading it whole.
    starts: Vec<Start>,
    memory_bytes: usize,
    /// First answers that aren't in sled.
    signals: HashMap<SignalId, SignalMark>,
    closing: bool,
}

type Told = Box<dyn Fn(bool) + Send + Sync>;

/// Whoever times commits of the journal: told before each (`true`) and after it.
#[derive(Default)]
pub struct Syncing(OnceLock<Told>);

impl std::fmt::Debug for Syncing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Syncing")
    }
}

impl Syncing {
    /// The first one counts.
    pub fn tell(&self, told: impl Fn(bool) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(told));
    }

    pub fn is(&self, begins: bool) {
        if let Some(told) = self.0.get() {
            told(begins);
        }
    }
}

#[derive(Debug)]
pub struct Shared {
    pub context: ChainContext,
    pub sled: SledStore,
    /// Appends not answered yet.
    pub queued: AtomicUsize,
    journal: PathBuf,
    failed: OnceLock<Arc<str>>,
    pub syncing: Syncing,
    tail: Mutex<Tail>,
    grown: Condvar,
    shrunk: Condvar,
}

/// Some commits for sled, ready to insert.
pub struct Load {
    pub frames: Vec<u8>,
    groups: Vec<Arc<Kept>>,
}

impl Load {
    pub fn first_seq(&self) -> u64 {
        self.groups.first().map_or(0, |group| group.first_seq)
    }

    pub fn entries(&self) -> impl Iterator<Item = &IndexEntry> {
        self.groups.iter().flat_map(|group| &group.entries)
    }
}

impl Tail {
    fn behind_records(&self) -> u64 {
        self.groups.front().map_or(0, |group| self.head.seq + 1 - group.first_seq)
    }
}

impl Shared {
    pub fn new(context: ChainContext, journal: PathBuf, starts: Vec<Start>, sled: SledStore, head: Head) -> Self {
        let tail = Tail { head, groups: VecDeque::new(), starts, memory_bytes: 0, signals: HashMap::new(), closing: false };
        Self {
            context,
            sled,
            syncing: Syncing::default(),
            queued: AtomicUsize::new(0),
            journal,
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

    /// A durable commit: readers see it from now on. Waits while sled is too far behind, unless the log has failed.
    /// Returns the frames when they need not be kept.
    pub fn push(&self, group: Group, place: Place, head: Head) -> Option<Vec<u8>> {
        let mut tail = self.lock();
        while tail.behind_records() > BEHIND_RECORDS_MAX && self.failed.get().is_none() {
            tail = self.shrunk.wait(tail).unwrap_or_else(PoisonError::into_inner);
        }
        let Group { first_seq, last_seq, mut frames, entries } = group;
        for entry in &entries {
            if let IndexEntry::Signal { signal_id, mark } = entry {
                tail.signals.entry(signal_id.clone()).or_insert_with(|| mark.clone());
            }
        }
        let spare = (tail.memory_bytes + frames.len() > MEMORY_BYTES_MAX).then(|| std::mem::take(&mut frames));
        if frames.capacity() > 2 * frames.len() {
            frames.shrink_to_fit();
        }
        tail.memory_bytes += frames.capacity();
        tail.head = head;
        if tail.starts.last().is_none_or(|last| index::stretch_of(last.seq) < index::stretch_of(first_seq)) {
            tail.starts.push(Start { seq: first_seq, number: place.number, offset: place.offset });
        }
        tail.groups.push_back(Arc::new(Kept { first_seq, last_seq, frames, place, entries }));
        let wake = tail.groups.len() == 1 || tail.behind_records() > BEHIND_RECORDS_GOAL;
        drop(tail);
        if wake {
            self.grown.notify_one();
        }
        spare
    }

    /// Waits for commits that sled should get now; `None` when the log is closed and sled has everything.
    /// When sled has everything and is `dirty`, `flush` is called once nothing came for a tick.
    pub fn next_load(&self, mut dirty: bool, flush: impl Fn()) -> Result<Option<Load>, String> {
        let mut tail = self.lock();
        let mut ticks = 0;
        loop {
            let behind = tail.behind_records();
            let calm = self.queued.load(Ordering::Relaxed) == 0;
            if tail.closing || behind > BEHIND_RECORDS_GOAL || (behind > 0 && ticks > if calm { 0 } else { PATIENCE_TICKS }) {
                let groups = first_groups(&tail);
                drop(tail);
                return if groups.is_empty() { Ok(None) } else { self.load(groups).map(Some) };
            }
            if behind == 0 && dirty && ticks > 0 {
                drop(tail);
                flush();
                dirty = false;
                tail = self.lock();
            } else if behind == 0 && !dirty {
                tail = self.grown.wait(tail).unwrap_or_else(PoisonError::into_inner);
                ticks = 0;
            } else {
                let (woken, waited) = self.grown.wait_timeout(tail, TICK).unwrap_or_else(PoisonError::into_inner);
                tail = woken;
                ticks += u32::from(waited.timed_out());
            }
        }
    }

    fn load(&self, groups: Vec<Arc<Kept>>) -> Result<Load, String> {
        let mut frames = Vec::new();
        for group in &groups {
            self.with_frames(group, |bytes| frames.extend_from_slice(bytes)).map_err(|error| error.to_string())?;
        }
        Ok(Load { frames, groups })
    }

    fn with_frames<T>(&self, group: &Kept, read: impl FnOnce(&[u8]) -> T) -> Result<T, ReadError> {
        if !group.frames.is_empty() {
            return Ok(read(&group.frames));
        }
        let bytes = segment::read_place(&self.journal, group.place);
        bytes.map(|bytes| read(&bytes)).map_err(|error| ReadError::Journal { seq: group.first_seq, why: error.to_string() })
    }

    /// These are in sled now.
    pub fn inserted(&self, load: &Load) {
        let mut tail = self.lock();
        for group in &load.groups {
            tail.groups.pop_front();
            tail.memory_bytes -= group.frames.capacity();
            for entry in &group.entries {
                let IndexEntry::Signal { signal_id, .. } = entry else { continue };
                if tail.signals.get(signal_id).is_some_and(|mark| mark.seq <= group.last_seq) {
                    tail.signals.remove(signal_id);
                }
            }
        }
        drop(tail);
        self.shrunk.notify_one();
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.grown.notify_all();
    }

    /// The groups from `seq` on that are not in sled, as of now. Taken before sled is read, nothing falls between the two.
    fn snapshot(&self, seq: u64) -> (Head, u64, Vec<Arc<Kept>>) {
        let tail = self.lock();
        let in_sled = tail.groups.front().map_or(tail.head.seq + 1, |group| group.first_seq);
        let from = tail.groups.partition_point(|group| group.last_seq < seq);
        (tail.head, in_sled, tail.groups.range(from..).cloned().collect())
    }

    pub fn visit_from(&self, seq: u64, records_max: usize, bytes_max: usize, visit: Visit<'_>) -> Result<(), ReadError> {
        let seq = seq.max(1);
        let (head, in_sled, groups) = self.snapshot(seq);
        let mut limit = ReadLimit::new(records_max, bytes_max);
        if seq > head.seq || limit.is_spent() {
            return Ok(());
        }
        if seq < in_sled {
            self.visit_sled(seq, in_sled, &mut limit, visit)?;
        }
        for group in groups {
            if limit.is_spent() {
                break;
            }
            self.with_frames(&group, |bytes| {
                for frame in frame::frames(bytes).flatten().filter(|frame| frame.seq >= seq) {
                    if !limit.take(frame.record.len()) {
                        break;
                    }
                    visit(frame.seq, frame.record);
                }
            })?;
        }
        Ok(())
    }

    /// From sled, or where it is damaged from the journal: opening has checked the journal whole, but of sled only the index.
    fn visit_sled(&self, seq: u64, end: u64, limit: &mut ReadLimit, visit: Visit<'_>) -> Result<(), ReadError> {
        let mut next = seq;
        let read = guarded(|| {
            let visit = &mut |seq: u64, bytes: &[u8]| {
                visit(seq, bytes);
                next = seq + 1;
            };
            self.sled.visit(seq, end, limit, visit).map_err(|error| error.to_string())
        });
        let Err(why) = read else { return Ok(()) };
        self.sled.note_damage(&why);
        let starts = &self.lock().starts;
        let start = starts.iter().rev().find(|start| start.seq <= next).copied().unwrap_or(Start::FIRST);
        reread::visit(&self.journal, start, next, end, limit, visit)
    }

    pub fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalEntry>, ReadError> {
        let waiting = self.lock().signals.get(signal_id).cloned();
        // What sled has is older.
        let mark = self.sled.signal(signal_id)?.or(waiting);
        Ok(mark.map(SignalEntry::from))
    }

    pub fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        let (_, _, groups) = self.snapshot(0);
        let mut stretches = self.sled.order(order_id)?;
        stretches.extend(groups.iter().flat_map(|group| &group.entries).filter_map(|entry| match entry {
            IndexEntry::Order { order_id: id, stretch } if id == order_id => Some(*stretch),
            _ => None,
        }));
        stretches.sort_unstable();
        stretches.dedup();
        let mut seqs = Vec::new();
        for stretch in stretches {
            self.seqs_in(stretch, order_id, &mut seqs)?;
        }
        seqs.dedup();
        Ok(seqs)
    }

    /// The records of an order in one stretch. Two stretches may overlap by one batch.
    fn seqs_in(&self, stretch: u64, order_id: &OrderId, seqs: &mut Vec<u64>) -> Result<(), ReadError> {
        let range = index::seqs_of(stretch);
        let start = seqs.last().map_or(range.start, |last| range.start.max(last + 1));
        let count = range.end.saturating_sub(start) as usize;
        let mut failed = None;
        self.visit_from(start, count, usize::MAX, &mut |seq, bytes| match record::decode(bytes) {
            Ok(stored) if index::order_of(&stored.recorded) == Some(*order_id) => seqs.push(seq),
            Ok(_) => {}
            Err(why) => failed = failed.take().or(Some(ReadError::Unreadable { seq, why })),
        })?;
        failed.map_or(Ok(()), Err)
    }
}

fn first_groups(tail: &Tail) -> Vec<Arc<Kept>> {
    let mut bytes = 0;
    let fits = |group: &&Arc<Kept>| {
        let before = bytes;
        bytes += group.place.len;
        before < BATCH_BYTES_GOAL
    };
    tail.groups.iter().take_while(fits).cloned().collect()
}
