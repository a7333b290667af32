//! Reading the journal from front to back: every CRC, seq, log id, mode and link of the chain.

use std::io;
use std::path::{Path, PathBuf};

use super::Head;
use super::error::{Damage, OpenError};
use super::frame::{self, FRAME_HEADER_BYTES};
use super::index::{self, Fingerprint, IndexEntry, Seen};
use super::journal::Tail;
use super::record::{self, ChainContext, StoredRecord};
use super::reread::Start;
use super::segment::{self, Header, SegmentReader, Step};
use crate::domain::event::Recorded;
use crate::domain::ids::Hash;

/// One whole batch of the journal.
#[derive(Debug)]
pub struct Batch<'a> {
    /// May be taken out.
    pub records: &'a mut Vec<Recorded>,
    /// Of each record.
    pub hashes: &'a mut Vec<Hash>,
    /// The frames as they lie in the file.
    pub frames: &'a [u8],
    /// What it adds to the index.
    pub entries: &'a [IndexEntry],
}

impl Batch<'_> {
    pub fn head(&self) -> Head {
        let last = self.records.last().zip(self.hashes.last());
        last.map_or(Head::START, |(recorded, hash)| Head { seq: recorded.seq, hash: *hash })
    }
}

/// The start of a stretch, and what was read up to there: what sled lacks is found again without reading the whole journal twice.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub number: u64,
    pub offset: u64,
    pub head: Head,
    pub fingerprint: Fingerprint,
}

/// The journal ends with bytes that aren't a whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub file: PathBuf,
    pub offset: u64,
    pub bytes: u64,
    /// The first record that isn't whole.
    pub bad_seq: u64,
    /// A whole record of the same commit behind it: a power cut may leave that, and so may a flipped byte.
    pub later_seq: Option<u64>,
    pub why: &'static str,
}

#[derive(Debug)]
pub struct Scan {
    pub context: ChainContext,
    pub head: Head,
    pub segments: u64,
    pub tail: Tail,
    pub torn: Option<Torn>,
    pub fingerprint: Fingerprint,
    marks: Vec<Mark>,
}

impl Scan {
    /// Where stretches of the journal start.
    pub fn starts(&self) -> Vec<Start> {
        let marked = self.marks.iter().map(|mark| Start { seq: mark.head.seq + 1, number: mark.number, offset: mark.offset });
        std::iter::once(Start::FIRST).chain(marked).collect()
    }

    /// The last mark at or before `seq`; `None` is the beginning.
    pub fn mark_before(&self, seq: u64) -> Option<Mark> {
        self.marks.iter().rev().find(|mark| mark.head.seq <= seq).copied()
    }
}

/// Whether the reader of a scan wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    Stop,
}

struct Scanner<'a> {
    dir: &'a Path,
    each: &'a mut dyn FnMut(Batch<'_>) -> Flow,
    context: ChainContext,
    head: Head,
    fingerprint: Fingerprint,
    marks: Vec<Mark>,
    seen: Seen,
    /// Of the batch at hand, kept for their room.
    records: Vec<Recorded>,
    hashes: Vec<Hash>,
    entries: Vec<IndexEntry>,
}

enum End {
    Open { torn: Option<Torn> },
    Closed,
    Stopped,
}

/// Hands each batch to `each`, from the beginning or from a mark of an earlier scan.
/// Errors: damage anywhere but in the last, never answered bytes. The scan itself changes nothing.
pub fn scan(dir: &Path, from: Option<Mark>, each: &mut dyn FnMut(Batch<'_>) -> Flow) -> Result<Scan, OpenError> {
    let numbers = segment::numbers(dir).map_err(OpenError::io("list", dir))?;
    let first = from.map_or(1, |mark| mark.number);
    let context = header_of(dir, first)?.context;
    let head = from.map_or(Head::START, |mark| mark.head);
    let fingerprint = from.map_or(Fingerprint::default(), |mark| mark.fingerprint);
    let mut scanner = Scanner {
        dir,
        each,
        context,
        head,
        fingerprint,
        marks: Vec::new(),
        seen: Seen::default(),
        records: Vec::new(),
        hashes: Vec::new(),
        entries: Vec::new(),
    };
    let last = numbers.last().copied().unwrap_or(first).max(first);
    let mut tail = Tail { number: first, used: 0 };
    let mut torn = None;
    for number in first..=last {
        let start = from.filter(|mark| mark.number == number);
        let (used, end) = scanner.segment(number, number == last, start)?;
        tail = Tail { number, used };
        match end {
            End::Open { torn: found } => torn = found,
            End::Stopped => break,
            End::Closed if number < last => {}
            End::Closed => return Err(scanner.damage(number + 1, 0, "the segment is missing, though the one before it was closed").into()),
        }
    }
    let Scanner { context, head, fingerprint, marks, .. } = scanner;
    Ok(Scan { context, head, segments: numbers.len() as u64, tail, torn, fingerprint, marks })
}

/// The head of the first segment.
pub fn header_of(dir: &Path, number: u64) -> Result<Header, OpenError> {
    let path = segment::path(dir, number);
    let damage = |why: &str| Damage { file: path.clone(), offset: 0, seq: 0, later_seq: None, why: why.to_owned() };
    match SegmentReader::open(&path) {
        Ok(Ok((_, header))) => Ok(header),
        Ok(Err(why)) => Err(damage(why).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damage("the segment is missing").into()),
        Err(source) => Err(OpenError::io("read", &path)(source)),
    }
}

impl Scanner<'_> {
    fn damage(&self, number: u64, offset: u64, why: impl Into<String>) -> Damage {
        Damage { file: segment::path(self.dir, number), offset, seq: self.head.seq + 1, later_seq: None, why: why.into() }
    }

    /// Reads one segment. Returns the offset behind its last whole batch and how it ends.
    fn segment(&mut self, number: u64, is_last: bool, start: Option<Mark>) -> Result<(u64, End), OpenError> {
        let path = segment::path(self.dir, number);
        let opened = match SegmentReader::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.damage(number, 0, "the segment is missing").into()),
            opened => opened.map_err(OpenError::io("read", &path))?,
        };
        let (mut reader, header) = opened.map_err(|why| self.damage(number, 0, why))?;
        match start {
            Some(mark) => reader.seek(mark.offset, mark.head.seq + 1).map_err(OpenError::io("read", &path))?,
            None => self.check_header(number, &header)?,
        }
        loop {
            let offset = reader.offset();
            match reader.step().map_err(OpenError::io("read", &path))? {
                Step::Batch(batch) => {
                    self.mark(number, offset);
                    if self.batch(number, offset, batch)? == Flow::Stop {
                        return Ok((reader.offset(), End::Stopped));
                    }
                }
                Step::End => return Ok((offset, End::Open { torn: None })),
                Step::Closed { .. } => return Ok((offset, End::Closed)),
                Step::Broken { bad_seq, why } => {
                    let torn = self.torn(&path, offset, bad_seq, why, is_last)?;
                    return Ok((offset, End::Open { torn: Some(torn) }));
                }
            }
        }
    }

    fn check_header(&self, number: u64, header: &Header) -> Result<(), Damage> {
        let wrong = |why: &str| Err(self.damage(number, 0, why));
        if header.number != number {
            return wrong("the file bears another segment's name");
        }
        if header.context != self.context {
            return wrong("the segment is of another log");
        }
        if header.first_seq != self.head.seq + 1 {
            return wrong(&format!("the segment starts at record {}", header.first_seq));
        }
        if header.prev_hash != self.head.hash {
            return wrong("the segment continues another history");
        }
        Ok(())
    }

    /// Whether a break may be the torn end of a commit that nobody was answered for.
    fn torn(&self, path: &Path, offset: u64, bad_seq: u64, why: &'static str, is_last: bool) -> Result<Torn, OpenError> {
        let behind = segment::look_behind(path, offset, bad_seq).map_err(OpenError::io("read", path))?;
        if !is_last || behind.later_commit {
            let later_seq = behind.later_seq;
            return Err(Damage { file: path.to_owned(), offset, seq: bad_seq, later_seq, why: why.to_owned() }.into());
        }
        Ok(Torn { file: path.to_owned(), offset, bytes: behind.torn_bytes, bad_seq, later_seq: behind.later_seq, why })
    }

    fn mark(&mut self, number: u64, offset: u64) {
        let stretch = |seq| index::stretch_of(seq + 1);
        let last = self.marks.last().map_or(0, |mark| stretch(mark.head.seq));
        if stretch(self.head.seq) > last {
            self.marks.push(Mark { number, offset, head: self.head, fingerprint: self.fingerprint });
        }
    }

    fn batch(&mut self, number: u64, offset: u64, frames: &[u8]) -> Result<Flow, Damage> {
        let mut at = 0;
        self.records.clear();
        self.hashes.clear();
        self.entries.clear();
        for frame in frame::split(frames) {
            let (seq, record) = (frame::stated_seq(frame), &frame[FRAME_HEADER_BYTES..]);
            self.records.push(self.check(seq, record).map_err(|why| self.damage(number, offset + at, why))?);
            at += frame.len() as u64;
            self.head = Head { seq, hash: record::record_hash(record) };
            self.hashes.push(self.head.hash);
        }
        index::entries(&self.records, &mut self.entries);
        self.entries.retain(|entry| self.seen.is_new(entry));
        self.fingerprint.add_all(&self.entries);
        let (records, hashes) = (&mut self.records, &mut self.hashes);
        Ok((self.each)(Batch { records, hashes, frames, entries: &self.entries }))
    }

    fn check(&self, seq: u64, record: &[u8]) -> Result<Recorded, String> {
        let StoredRecord { log_id, mode, prev_hash, recorded } = record::decode(record).map_err(|error| error.to_string())?;
        if (ChainContext { log_id, mode }) != self.context {
            return Err("it is of another log or mode".to_owned());
        }
        if recorded.seq != seq {
            return Err(format!("it says it is record {}", recorded.seq));
        }
        if prev_hash != self.head.hash {
            return Err("it doesn't chain to the record before".to_owned());
        }
        Ok(recorded)
    }
}
