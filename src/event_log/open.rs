//! Opening: read the journal whole, compare sled with it, repair what the journal can repair, refuse the rest.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use ring::rand::{SecureRandom, SystemRandom};

use super::Head;
use super::dead_letters::DeadLetter;
use super::error::OpenError;
use super::index::Fingerprint;
use super::journal::{self, Journal};
use super::log::{OpenOptions, Opened};
use super::record::ChainContext;
use super::reread::Start;
use super::scan::{self, Flow, Scan, Torn};
use super::segment;
use super::sled_store::{Contents, SledStore, guarded};
use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, LogId};

/// Records go to the fold in parcels; this many may wait, so that memory stays bounded.
const PARCELS_MAX: usize = 8;
const PARCEL_RECORDS: usize = 512;
/// Frames inserted into sled at a time when it is made anew.
const INSERT_BYTES: usize = 4 * 1024 * 1024;
/// Damaged databases kept aside before a person must look after them.
const QUARANTINES_MAX: u32 = 1_000;

/// Something that was mended while opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The last commit was never answered: its bytes were cut.
    TornTail { file: PathBuf, offset: u64, bytes: u64, seq: u64 },
    /// sled lacked the newest records; they came from the journal.
    SledBehind { sled_seq: u64, inserted: u64 },
    /// sled was made anew from the journal; what it was like lies in `quarantine`, if there was anything.
    SledRebuilt { why: String, quarantine: Option<PathBuf>, records: u64, dead_letters: DeadLettersKept },
}

/// Dead letters are in sled alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLettersKept {
    All(usize),
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no log before.
    pub created: bool,
    pub log_id: LogId,
    pub head: Head,
    pub segments: u64,
    /// Empty: everything was as it had been promised.
    pub repairs: Vec<Repair>,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { file, offset, bytes, seq } => {
                write!(
                    f,
                    "cut {bytes} bytes of a commit from record {seq} on that was never answered ({} at byte {offset})",
                    file.display()
                )
            }
            Self::SledBehind { sled_seq, inserted } => write!(f, "sled ended at record {sled_seq}; {inserted} came from the journal"),
            Self::SledRebuilt { why, quarantine, records, dead_letters } => {
                write!(f, "sled was made anew from the journal with {records} records ({why})")?;
                if let Some(path) = quarantine {
                    write!(f, "; the old one is in {}", path.display())?;
                }
                match dead_letters {
                    DeadLettersKept::All(count) => write!(f, "; {count} dead letters were kept"),
                    DeadLettersKept::Lost => write!(f, "; dead letters could not be read and are only in the old one"),
                }
            }
        }
    }
}

/// What sled was like before it was compared.
enum SledState {
    Missing,
    Unreadable(String),
    Readable(Box<SledStore>, Contents),
}

/// Where things lie in a data folder.
pub(super) struct Places {
    pub dir: PathBuf,
    pub journal: PathBuf,
    pub sled: PathBuf,
}

impl Places {
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), journal: dir.join("journal"), sled: dir.join("sled") }
    }
}

/// Holds the folder for one process. Errors: held already, or not writable.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(OpenError::io("open for writing", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::io("lock", &path)(source)),
    }
}

pub(super) fn open(options: &OpenOptions, fold: impl FnMut(&Recorded, &Hash)) -> Result<(Opened, OpenReport), OpenError> {
    fs::create_dir_all(&options.dir).map_err(OpenError::io("make the folder", &options.dir))?;
    let lock = lock(&options.dir)?;
    let places = Places::of(&options.dir);
    let is_new = segment::numbers(&places.journal).map_err(OpenError::io("list", &places.journal))?.is_empty();
    if is_new { create(options, &places, lock) } else { reopen(options, &places, lock, fold) }
}

fn create(options: &OpenOptions, places: &Places, lock: File) -> Result<(Opened, OpenReport), OpenError> {
    if let Some(found) = found_in(&places.sled) {
        return Err(OpenError::JournalMissing { dir: places.dir.clone(), found });
    }
    let mut log_id = LogId::default();
    SystemRandom::new().fill(&mut log_id.0).map_err(|error| OpenError::NoRandomness(error.to_string()))?;
    let context = ChainContext { log_id, mode: options.mode };
    fs::create_dir_all(&places.journal).map_err(OpenError::io("make the folder", &places.journal))?;
    journal::sync_dir(&places.dir).map_err(OpenError::io("sync", &places.dir))?;
    let journal = Journal::create(&places.journal, context, options.sizes());
    let journal = journal.map_err(OpenError::io("make the journal in", &places.journal))?;
    let sled = SledStore::open(&places.sled).map_err(|why| OpenError::Sled { dir: places.sled.clone(), why })?;
    let head = Head::START;
    let report = OpenReport { created: true, log_id, head, segments: 1, repairs: Vec::new() };
    Ok((Opened { lock, context, head, journal, starts: vec![Start::FIRST], sled }, report))
}

/// What a database without a journal holds; `None` when that is nothing.
fn found_in(sled: &Path) -> Option<String> {
    if !sled.exists() {
        return None;
    }
    match SledStore::open(sled).and_then(|store| store.check()) {
        Ok(contents) if contents.head.seq == 0 && contents.problem.is_none() => None,
        Ok(contents) => Some(format!("up to record {}", contents.head.seq)),
        Err(why) => Some(format!("it can't be read: {why}")),
    }
}

fn reopen(
    options: &OpenOptions,
    places: &Places,
    lock: File,
    mut fold: impl FnMut(&Recorded, &Hash),
) -> Result<(Opened, OpenReport), OpenError> {
    let context = scan::header_of(&places.journal, 1)?.context;
    if context.mode != options.mode {
        return Err(OpenError::WrongMode { dir: places.dir.clone(), found: context.mode, wanted: options.mode });
    }
    // One core reads and decodes, the other folds; sled's index is read beside them.
    let (scan, sled) = thread::scope(|scope| {
        let sled = scope.spawn(|| state_of(&places.sled));
        let (parcels, received) = sync_channel(PARCELS_MAX);
        // Parcels go back to the thread that made them: an allocator has to lock for what another thread frees.
        let (used, back) = channel();
        let scan = scope.spawn(move || scan_in_parcels(&places.journal, parcels, &back));
        fold_parcels(&received, &used, &mut fold);
        drop(used);
        let scan = scan.join().expect("Invariant: reading the journal doesn't panic");
        (scan, sled.join().unwrap_or_else(|_| SledState::Unreadable("the thread that read it panicked".to_owned())))
    });
    let scan = scan?;
    refuse_if_short(&scan, &sled)?;
    let mut repairs = Vec::new();
    if let Some(Torn { file, offset, bytes, bad_seq, .. }) = &scan.torn {
        journal::cut(&places.journal, scan.tail).map_err(OpenError::io("cut the torn end of", file))?;
        repairs.push(Repair::TornTail { file: file.clone(), offset: *offset, bytes: *bytes, seq: *bad_seq });
    }
    let sled = mend_sled(places, &scan, sled, &mut repairs)?;
    let journal = Journal::resume(&places.journal, context, options.sizes(), scan.tail);
    let journal = journal.map_err(OpenError::io("open for writing", &segment::path(&places.journal, scan.tail.number)))?;
    let report = OpenReport { created: false, log_id: context.log_id, head: scan.head, segments: scan.segments, repairs };
    Ok((Opened { lock, context, head: scan.head, journal, starts: scan.starts(), sled }, report))
}

#[derive(Default)]
struct Parcel {
    records: Vec<Recorded>,
    hashes: Vec<Hash>,
}

fn scan_in_parcels(journal: &Path, parcels: SyncSender<Parcel>, back: &Receiver<Parcel>) -> Result<Scan, OpenError> {
    let mut parcel = Parcel::default();
    let scan = scan::scan(journal, None, &mut |batch| {
        back.try_iter().for_each(drop);
        parcel.records.append(batch.records);
        parcel.hashes.append(batch.hashes);
        if parcel.records.len() < PARCEL_RECORDS {
            return Flow::GoOn;
        }
        let next = Parcel { records: Vec::with_capacity(parcel.records.len()), hashes: Vec::with_capacity(parcel.hashes.len()) };
        if parcels.send(std::mem::replace(&mut parcel, next)).is_err() { Flow::Stop } else { Flow::GoOn }
    })?;
    // A receiver that is gone has panicked, and its panic goes on.
    let _ = parcels.send(parcel);
    Ok(scan)
}

fn fold_parcels(received: &Receiver<Parcel>, used: &Sender<Parcel>, fold: &mut impl FnMut(&Recorded, &Hash)) {
    for parcel in received {
        for (recorded, hash) in parcel.records.iter().zip(&parcel.hashes) {
            fold(recorded, hash);
        }
        // A reader that is done needs none back.
        let _ = used.send(parcel);
    }
}

fn state_of(sled: &Path) -> SledState {
    if !sled.exists() {
        return SledState::Missing;
    }
    match SledStore::open(sled).and_then(|store| store.check().map(|contents| (store, contents))) {
        Ok((store, contents)) => SledState::Readable(Box::new(store), contents),
        Err(why) => SledState::Unreadable(why),
    }
}

/// Refuses when sled knows of records that the journal lacks, or when nobody can tell whether it did.
fn refuse_if_short(scan: &Scan, sled: &SledState) -> Result<(), OpenError> {
    let journal_seq = scan.head.seq;
    let place = match &scan.torn {
        Some(torn) => format!("{} from byte {}: {}", torn.file.display(), torn.offset, torn.why),
        None => "its end".to_owned(),
    };
    if let SledState::Readable(_, contents) = sled {
        let sled_seq = contents.head.seq;
        return if sled_seq > journal_seq { Err(OpenError::JournalShort { journal_seq, sled_seq, place }) } else { Ok(()) };
    }
    // Without its witness, a broken record with a whole one behind it counts as damage, not as a torn write.
    match &scan.torn {
        Some(torn) if torn.later_seq.is_some() => {
            let Torn { file, offset, bad_seq, later_seq, why, .. } = torn.clone();
            Err(super::error::Damage {
                file,
                offset,
                seq: bad_seq,
                later_seq,
                why: format!("{why}, and sled can't tell what was promised"),
            }
            .into())
        }
        _ => Ok(()),
    }
}

/// Brings sled to the journal's state: as it is, with its tail completed, or made anew.
fn mend_sled(places: &Places, scan: &Scan, sled: SledState, repairs: &mut Vec<Repair>) -> Result<SledStore, OpenError> {
    let (why, dead_letters) = match sled {
        SledState::Missing => ("there was none".to_owned(), Some(Vec::new())),
        SledState::Unreadable(why) => (why, None),
        SledState::Readable(store, contents) => match difference(&places.journal, scan, &contents)? {
            None => {
                if let Some(inserted) = complete(places, scan, &store, &contents)? {
                    repairs.push(Repair::SledBehind { sled_seq: contents.head.seq, inserted });
                }
                return Ok(*store);
            }
            Some(why) => (why, guarded(|| store.dead_letters.all().map_err(|error| error.to_string())).ok()),
        },
    };
    rebuild(places, scan, why, dead_letters, repairs)
}

/// How sled differs from the journal up to sled's own end.
fn difference(journal: &Path, scan: &Scan, contents: &Contents) -> Result<Option<String>, OpenError> {
    if let Some(problem) = &contents.problem {
        return Ok(Some(problem.clone()));
    }
    let (head, fingerprint) = journal_at(journal, scan, contents.head.seq)?;
    if head != contents.head {
        return Ok(Some(format!("its record {} is another one", head.seq)));
    }
    Ok((fingerprint != contents.fingerprint).then(|| "its index differs from the journal".to_owned()))
}

/// What the journal was like at `seq`.
fn journal_at(journal: &Path, scan: &Scan, seq: u64) -> Result<(Head, Fingerprint), OpenError> {
    if seq == scan.head.seq {
        return Ok((scan.head, scan.fingerprint));
    }
    let mark = scan.mark_before(seq);
    let mut head = mark.map_or(Head::START, |mark| mark.head);
    let mut fingerprint = mark.map_or(Fingerprint::default(), |mark| mark.fingerprint);
    if head.seq < seq {
        scan::scan(journal, mark, &mut |batch| {
            head = batch.head();
            fingerprint.add_all(batch.entries);
            if head.seq >= seq { Flow::Stop } else { Flow::GoOn }
        })?;
    }
    Ok((head, fingerprint))
}

fn complete(places: &Places, scan: &Scan, store: &SledStore, contents: &Contents) -> Result<Option<u64>, OpenError> {
    if contents.head.seq == scan.head.seq {
        return Ok(None);
    }
    insert_from(places, scan, store, contents.head.seq + 1).map(Some)
}

/// Copies records from `seq` on into sled; a batch starts there. Returns how many.
fn insert_from(places: &Places, scan: &Scan, store: &SledStore, seq: u64) -> Result<u64, OpenError> {
    let failed = |why: String| OpenError::Sled { dir: places.sled.clone(), why };
    let (mut frames, mut entries) = (Vec::new(), Vec::new());
    let mut failure = None;
    scan::scan(&places.journal, scan.mark_before(seq - 1), &mut |batch| {
        if batch.head().seq < seq {
            return Flow::GoOn;
        }
        frames.extend_from_slice(batch.frames);
        entries.extend_from_slice(batch.entries);
        if frames.len() >= INSERT_BYTES {
            failure = store.insert(&frames, &entries).err();
            frames.clear();
            entries.clear();
        }
        if failure.is_some() { Flow::Stop } else { Flow::GoOn }
    })?;
    failure.map_or(Ok(()), Err).and_then(|()| store.insert(&frames, &entries)).and_then(|()| store.flush()).map_err(failed)?;
    Ok(scan.head.seq + 1 - seq)
}

fn rebuild(
    places: &Places,
    scan: &Scan,
    why: String,
    dead_letters: Option<Vec<DeadLetter>>,
    repairs: &mut Vec<Repair>,
) -> Result<SledStore, OpenError> {
    let quarantine = quarantine(places)?;
    let failed = |why: String| OpenError::Sled { dir: places.sled.clone(), why };
    let store = SledStore::open(&places.sled).map_err(failed)?;
    let records = insert_from(places, scan, &store, 1)?;
    let kept = match &dead_letters {
        Some(letters) => {
            for letter in letters {
                store.dead_letters.add(letter).map_err(|error| failed(error.to_string()))?;
            }
            DeadLettersKept::All(letters.len())
        }
        None => DeadLettersKept::Lost,
    };
    // A crash between the first two files of a new log leaves an empty journal alone: nothing was lost.
    if quarantine.is_some() || records > 0 {
        repairs.push(Repair::SledRebuilt { why, quarantine, records, dead_letters: kept });
    }
    Ok(store)
}

fn quarantine(places: &Places) -> Result<Option<PathBuf>, OpenError> {
    if !places.sled.exists() {
        return Ok(None);
    }
    let free = (1..=QUARANTINES_MAX).map(|n| places.dir.join(format!("sled.quarantine-{n}"))).find(|path| !path.exists());
    let Some(path) = free else {
        let why = format!("{QUARANTINES_MAX} damaged databases are kept aside already: look into the disk, then remove them");
        return Err(OpenError::Sled { dir: places.sled.clone(), why });
    };
    fs::rename(&places.sled, &path).map_err(OpenError::io("set aside", &places.sled))?;
    journal::sync_dir(&places.dir).map_err(OpenError::io("sync", &places.dir))?;
    Ok(Some(path))
}
