//! The log on disk: one folder, one process, one writer.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use super::dead_letters::{DeadLetter, DeadLetterHead};
use super::error::{OpenError, ReadError};
use super::index::SignalEntry;
use super::intake::{Intake, NotTaken};
use super::journal::{FIRST_SEGMENT_BYTES_DEFAULT, Journal, SEGMENT_BYTES_DEFAULT, SegmentSizes};
use super::open::{self, OpenReport, Places};
use super::reread::Start;
use super::sled_store::SledStore;
use super::tail::Shared;
use super::writer::{Writer, insert_all};
use super::{ChainContext, Done, EventStore, Head, StoredBytes, Visit};
use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, LogId, Mode, OrderId, SignalId};

#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Made when it isn't there.
    pub dir: PathBuf,
    pub mode: Mode,
    /// Size of a journal segment, in bytes.
    pub segment_bytes: u64,
    /// The first one is no larger than this: most folders of a first run never fill more.
    pub first_segment_bytes: u64,
}

impl OpenOptions {
    pub fn new(dir: impl Into<PathBuf>, mode: Mode) -> Self {
        Self { dir: dir.into(), mode, segment_bytes: SEGMENT_BYTES_DEFAULT, first_segment_bytes: FIRST_SEGMENT_BYTES_DEFAULT }
    }
}

impl OpenOptions {
    pub(super) fn sizes(&self) -> SegmentSizes {
        SegmentSizes { first: self.first_segment_bytes.min(self.segment_bytes), each: self.segment_bytes }
    }
}

/// What `open` found and made.
pub(super) struct Opened {
    pub lock: File,
    pub context: ChainContext,
    pub head: Head,
    pub journal: Journal,
    pub starts: Vec<Start>,
    pub sled: SledStore,
}

/// Dropping it waits until everything queued is answered and sled has it all.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    intake: Arc<Intake>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the last thread is gone.
    _lock: File,
}

impl Log {
    /// Opens, checks and if need be repairs the log; `fold` gets each record with its hash, in order, on this thread.
    /// When it fails `fold` may have seen records, and nothing but an empty folder was changed.
    pub fn open(options: &OpenOptions, mut fold: impl FnMut(&Recorded, &Hash)) -> Result<(Self, OpenReport), OpenError> {
        let mut epoch = 0;
        let (opened, report) = open::open(options, |recorded, hash| {
            epoch = recorded.epoch;
            fold(recorded, hash);
        })?;
        let Opened { lock, context, head, journal, starts, sled } = opened;
        let shared = Arc::new(Shared::new(context, Places::of(&options.dir).journal, starts, sled, head));
        let intake = Arc::new(Intake::new(context, head, epoch));
        let writer = Writer::new(journal, shared.clone(), intake.clone());
        let spawned = |thread: std::io::Result<JoinHandle<()>>| thread.map_err(OpenError::io("start the writer of", &options.dir));
        let inserter_shared = shared.clone();
        let inserter = thread::Builder::new().name("log-sled".into()).spawn(move || insert_all(&inserter_shared));
        let mut log = Self { shared, intake, threads: vec![spawned(inserter)?], _lock: lock };
        log.threads.push(spawned(thread::Builder::new().name("log-writer".into()).spawn(move || writer.run()))?);
        Ok((log, report))
    }

    /// Tells when a commit of the journal begins (`true`) and ends, on the writer's thread; the first teller counts.
    pub fn tell_syncs(&self, told: impl Fn(bool) + Send + Sync + 'static) {
        self.shared.syncing.tell(told);
    }
}

impl EventStore for Log {
    fn log_id(&self) -> LogId {
        self.shared.context.log_id
    }

    fn mode(&self) -> Mode {
        self.shared.context.mode
    }

    fn head(&self) -> Head {
        self.shared.head()
    }

    fn append(&self, records: Vec<Recorded>, done: Done) {
        if let Some(failure) = self.shared.failure() {
            return done(Err(failure));
        }
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let (error, done) = match self.intake.append(&records, done) {
            Ok(()) => return,
            Err(NotTaken::Refused(error, done)) => (error, done),
            Err(NotTaken::WriterGone(done)) => (self.shared.fail("the writer's thread is gone"), done),
        };
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        done(Err(error));
    }

    fn queue_len(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    fn failed(&self) -> Option<String> {
        self.shared.failed_text()
    }

    fn read_from(&self, seq: u64, records_max: usize, bytes_max: usize) -> Result<Vec<StoredBytes>, ReadError> {
        let mut out = Vec::new();
        self.visit_from(seq, records_max, bytes_max, &mut |seq, bytes| out.push(StoredBytes { seq, bytes: bytes.into() }))?;
        Ok(out)
    }

    fn visit_from(&self, seq: u64, records_max: usize, bytes_max: usize, visit: Visit<'_>) -> Result<(), ReadError> {
        self.shared.visit_from(seq, records_max, bytes_max, visit)
    }

    fn signal(&self, signal_id: &SignalId) -> Result<Option<SignalEntry>, ReadError> {
        self.shared.signal(signal_id)
    }

    fn order_seqs(&self, order_id: &OrderId) -> Result<Vec<u64>, ReadError> {
        self.shared.order_seqs(order_id)
    }

    fn dead_letter_add(&self, letter: &DeadLetter) -> Result<u64, ReadError> {
        self.shared.sled.dead_letters.add(letter)
    }

    fn dead_letter_list(&self, max: usize) -> Result<Vec<DeadLetterHead>, ReadError> {
        self.shared.sled.dead_letters.heads(max)
    }

    fn dead_letter_get(&self, id: u64) -> Result<Option<(DeadLetterHead, Vec<u8>)>, ReadError> {
        self.shared.sled.dead_letters.get(id)
    }

    fn dead_letter_len(&self) -> usize {
        self.shared.sled.dead_letters.count()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.intake.close();
        let own = thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}
