//! Segment files of the journal: their names, their head, and reading them batch by batch.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, Parsed};
use super::record::ChainContext;
use crate::domain::ids::{Hash, LogId, Mode};

pub const HEADER_BYTES: usize = 84;
const MAGIC: [u8; 8] = *b"ARBEESJ1";
const CHUNK_BYTES: usize = 1024 * 1024;

/// The head of a segment. With `prev_hash` a closed segment can be checked on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts the segments from 1; also the file's name.
    pub number: u64,
    pub first_seq: u64,
    /// Of the record before `first_seq`.
    pub prev_hash: Hash,
    pub context: ChainContext,
}

pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.seg"))
}

/// The segment being prepared; it takes its number when it is needed.
pub fn next_path(dir: &Path) -> PathBuf {
    dir.join("next.tmp")
}

/// Where a commit lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub number: u64,
    pub offset: u64,
    pub len: usize,
}

/// The bytes of a commit.
pub fn read_place(dir: &Path, place: Place) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; place.len];
    File::open(path(dir, place.number))?.read_exact_at(&mut bytes, place.offset)?;
    Ok(bytes)
}

/// The numbers of all segment files, in order. A folder that isn't there has none.
pub fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let listing = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut numbers = Vec::new();
    for item in listing {
        let name = item?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        let number: Option<u64> = digits.and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn mode_number(mode: Mode) -> u32 {
    match mode {
        Mode::Paper => 1,
        Mode::DryRun => 2,
        Mode::Demo => 3,
        Mode::Live => 4,
    }
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&mode_number(self.context.mode).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.context.log_id.0);
        bytes[48..80].copy_from_slice(&self.prev_hash.0);
        let crc = crc32c::crc32c(&bytes[..80]);
        bytes[80..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or("the head of the segment is cut")?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if bytes[..8] != MAGIC {
            return Err("this is no segment of a journal");
        }
        if word(80) != crc32c::crc32c(&bytes[..80]) {
            return Err("the CRC of the segment's head doesn't match");
        }
        if word(8) != 1 {
            return Err("a newer release wrote this segment");
        }
        let modes = [Mode::Paper, Mode::DryRun, Mode::Demo, Mode::Live];
        let mode = modes.into_iter().find(|mode| mode_number(*mode) == word(12)).ok_or("the segment's mode is unknown")?;
        let mut log_id = LogId::default();
        log_id.0.copy_from_slice(&bytes[32..48]);
        let mut prev_hash = Hash::ZERO;
        prev_hash.0.copy_from_slice(&bytes[48..80]);
        Ok(Self { number: long(16), first_seq: long(24), prev_hash, context: ChainContext { log_id, mode } })
    }
}

/// One step through a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Whole frames, all of one batch, in sequence.
    Batch(&'a [u8]),
    /// Only zeros, or nothing, from here on.
    End,
    /// The segment was closed here; `next_seq` heads the next one.
    Closed { next_seq: u64 },
    /// What follows isn't a whole batch.
    Broken { bad_seq: u64, why: &'static str },
}

/// Reads a segment in chunks: memory stays at one chunk plus one batch, whatever the segment's size.
#[derive(Debug)]
pub struct SegmentReader {
    file: File,
    buffer: Vec<u8>,
    /// What was read and not yet handed out lies in `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    at_end: bool,
    next_seq: u64,
}

impl SegmentReader {
    /// Opens the file and reads its head. The inner error says what is wrong with the head.
    pub fn open(path: &Path) -> io::Result<Result<(Self, Header), &'static str>> {
        let file = File::open(path)?;
        let mut reader = Self { file, buffer: vec![0; 2 * CHUNK_BYTES], start: 0, end: 0, offset: 0, at_end: false, next_seq: 0 };
        reader.fill()?;
        Ok(Header::decode(&reader.buffer[..reader.end]).map(|header| {
            reader.skip(HEADER_BYTES);
            reader.next_seq = header.first_seq;
            (reader, header)
        }))
    }

    /// Where the next step begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset`, where `next_seq` begins.
    pub fn seek(&mut self, offset: u64, next_seq: u64) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(offset))?;
        (self.start, self.end, self.offset, self.next_seq) = (0, 0, offset, next_seq);
        self.fill()
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < self.end + CHUNK_BYTES {
            // Only when a batch is longer than a chunk, and then never more than its bound.
            let mut longer = vec![0; self.end + CHUNK_BYTES];
            longer[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = longer;
        }
        let goal = self.end + CHUNK_BYTES;
        while self.end < goal {
            match self.file.read(&mut self.buffer[self.end..goal]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at_end = self.end < goal;
        Ok(())
    }

    pub fn step(&mut self) -> io::Result<Step<'_>> {
        let mut len = 0;
        let mut seq = self.next_seq;
        loop {
            match frame::parse(&self.buffer[self.start + len..self.end]) {
                Parsed::Short if !self.at_end => self.fill()?,
                Parsed::Frame(frame) if frame.seq != seq => {
                    return Ok(Step::Broken { bad_seq: seq, why: "another record stands in its place" });
                }
                Parsed::Frame(frame) => {
                    len += frame.frame_bytes();
                    seq += 1;
                    if !frame.continues {
                        break;
                    }
                }
                Parsed::Zeros | Parsed::Short | Parsed::Closed { .. } if len > 0 => {
                    return Ok(Step::Broken { bad_seq: seq, why: "its batch is cut" });
                }
                Parsed::Closed { seq: next_seq } => {
                    return Ok(if next_seq == seq {
                        Step::Closed { next_seq }
                    } else {
                        Step::Broken { bad_seq: seq, why: "the closing mark names another record" }
                    });
                }
                Parsed::Zeros => return self.end_of_zeros(seq),
                Parsed::Short if self.end == self.start => return Ok(Step::End),
                Parsed::Short => return self.short_end(seq),
                Parsed::Bad(why) => return Ok(Step::Broken { bad_seq: seq, why }),
            }
        }
        self.next_seq = seq;
        let batch = self.start..self.start + len;
        self.skip(len);
        Ok(Step::Batch(&self.buffer[batch]))
    }

    fn short_end(&self, seq: u64) -> io::Result<Step<'static>> {
        let zeros = self.buffer[self.start..self.end].iter().all(|&byte| byte == 0);
        Ok(if zeros { Step::End } else { Step::Broken { bad_seq: seq, why: "it is cut" } })
    }

    fn end_of_zeros(&mut self, seq: u64) -> io::Result<Step<'static>> {
        let (start, offset) = (self.start, self.offset);
        loop {
            if self.buffer[self.start..self.end].iter().any(|&byte| byte != 0) {
                // The caller reads the rest from the file itself.
                (self.start, self.offset) = (start.min(self.end), offset);
                return Ok(Step::Broken { bad_seq: seq, why: "it is zeros, but bytes follow" });
            }
            if self.at_end {
                self.offset = offset;
                return Ok(Step::End);
            }
            self.start = self.end;
            self.fill()?;
        }
    }
}

/// What lies behind a broken frame in the segment that was being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// From the break to the last byte that isn't zero.
    pub torn_bytes: u64,
    /// The highest seq of a whole frame there.
    pub later_seq: Option<u64>,
    /// One of them belongs to a later commit: the broken frame had been synced.
    pub later_commit: bool,
}

/// Looks for whole frames behind a broken one, at every byte.
pub fn look_behind(path: &Path, offset: u64, bad_seq: u64) -> io::Result<Behind> {
    let bytes = fs::read(path)?;
    let rest = bytes.get(offset as usize..).unwrap_or_default();
    let used = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut behind = Behind { torn_bytes: used as u64, ..Behind::default() };
    for at in 0..used {
        let candidate = &rest[at..];
        // The seq is checked before the CRC: almost no other place has a plausible one.
        if candidate.len() < frame::FRAME_HEADER_BYTES || !plausible(frame::stated_seq(candidate), bad_seq) {
            continue;
        }
        match frame::parse(candidate) {
            Parsed::Frame(frame) => {
                behind.later_seq = behind.later_seq.max(Some(frame.seq));
                behind.later_commit |= frame.commit_seq() > bad_seq;
            }
            Parsed::Closed { seq } => {
                behind.later_seq = behind.later_seq.max(Some(seq));
                behind.later_commit = true;
            }
            Parsed::Zeros | Parsed::Short | Parsed::Bad(_) => {}
        }
    }
    Ok(behind)
}

/// A segment holds at most a few million records; a frame at the bad seq itself is the broken place, moved.
fn plausible(seq: u64, bad_seq: u64) -> bool {
    seq > bad_seq && seq - bad_seq < 1 << 32
}
