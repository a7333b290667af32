//! The journal's writing side: preallocated segment files, one write and one `fdatasync` a commit.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::frame;
use super::record::ChainContext;
use super::segment::{self, HEADER_BYTES, Header, Place};
use crate::crash_points::{Point, reach};
use crate::domain::ids::Hash;

pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
pub const FIRST_SEGMENT_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;
/// Larger commits cost as much in a file that grows, and zeros written beside them would take half of the disk.
const SMALL_COMMIT_BYTES: usize = 64 * 1024;
/// Zeros are written in steps, each synced, so that a commit never waits behind a whole segment of them.
const ZEROS_BYTES: usize = 1024 * 1024;
/// The helper's steps are smaller, and in between it leaves the disk to the commits.
const PACED_ZEROS_BYTES: usize = 256 * 1024;
const PAUSE: Duration = Duration::from_millis(10);
/// The next segment is begun when the open one is filled to this part.
const PREPARE_AT: u64 = 4;

/// Up to where segments are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    pub first: u64,
    pub each: u64,
}

/// Where the writer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    pub number: u64,
    /// Offset behind the last whole frame.
    pub used: u64,
}

/// The open segment. After an error of any method it must not be used again: a failed sync is never retried.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    context: ChainContext,
    sizes: SegmentSizes,
    file: File,
    tail: Tail,
    next: Option<Preparation>,
}

/// A helper thread that fills the next segment with zeros.
#[derive(Debug)]
struct Preparation {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Journal {
    /// The first segment of a new log: durable when this returns.
    pub fn create(dir: &Path, context: ChainContext, sizes: SegmentSizes) -> io::Result<Self> {
        zero_file(&segment::next_path(dir), sizes.first, ZEROS_BYTES, || true)?;
        let header = Header { number: 1, first_seq: 1, prev_hash: Hash::ZERO, context };
        let file = install(dir, &header)?;
        let tail = Tail { number: 1, used: HEADER_BYTES as u64 };
        Ok(Self { dir: dir.to_owned(), context, sizes, file, tail, next: None })
    }

    /// Goes on in the segment that `tail` names. What lies behind `tail.used` must be zeros.
    pub fn resume(dir: &Path, context: ChainContext, sizes: SegmentSizes, tail: Tail) -> io::Result<Self> {
        match fs::remove_file(segment::next_path(dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().read(true).write(true).open(segment::path(dir, tail.number))?;
        Ok(Self { dir: dir.to_owned(), context, sizes, file, tail, next: None })
    }

    /// Makes sealed frames durable and says where they lie. `first_seq` and `prev_hash` head a new segment, should one be needed.
    pub fn commit(&mut self, frames: &[u8], first_seq: u64, prev_hash: &Hash) -> io::Result<Place> {
        let needed = frames.len() as u64;
        // A closing mark must fit behind the last frame without growing the file.
        let room = self.capacity().saturating_sub(self.tail.used + frame::FRAME_HEADER_BYTES as u64);
        if needed > room && self.tail.used > HEADER_BYTES as u64 {
            self.roll(first_seq, prev_hash)?;
        }
        reach(Point::JournalAppendBefore);
        self.file.write_all_at(frames, self.tail.used)?;
        reach(Point::JournalAppendAfter);
        self.file.sync_data()?;
        reach(Point::JournalSyncAfter);
        let place = Place { number: self.tail.number, offset: self.tail.used, len: frames.len() };
        self.tail.used += needed;
        let is_small = frames.len() < SMALL_COMMIT_BYTES;
        if is_small && self.next.is_none() && self.tail.used > self.capacity() / PREPARE_AT {
            self.next = Some(Preparation::start(segment::next_path(&self.dir), self.sizes.each)?);
        }
        Ok(place)
    }

    fn capacity(&self) -> u64 {
        if self.tail.number == 1 { self.sizes.first } else { self.sizes.each }
    }

    /// The next segment is durable before the old one is closed: a closed one always has a successor.
    fn roll(&mut self, first_seq: u64, prev_hash: &Hash) -> io::Result<()> {
        match self.next.take() {
            // Whatever it has done by now will do: the rest of the segment grows as it is written.
            Some(preparation) => preparation.finish()?,
            None => zero_file(&segment::next_path(&self.dir), 0, ZEROS_BYTES, || true)?,
        }
        let header = Header { number: self.tail.number + 1, first_seq, prev_hash: *prev_hash, context: self.context };
        let file = install(&self.dir, &header)?;
        self.file.write_all_at(&frame::closing_mark(first_seq), self.tail.used)?;
        self.file.set_len(self.tail.used + frame::FRAME_HEADER_BYTES as u64)?;
        self.file.sync_all()?;
        self.file = file;
        self.tail = Tail { number: header.number, used: HEADER_BYTES as u64 };
        Ok(())
    }
}

impl Preparation {
    fn start(path: PathBuf, bytes: u64) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let pause = move || {
            if !stopped.load(Ordering::Relaxed) {
                thread::park_timeout(PAUSE);
            }
            !stopped.load(Ordering::Relaxed)
        };
        let thread = thread::Builder::new().name("log-prepare".into());
        let thread = thread.spawn(move || zero_file(&path, bytes, PACED_ZEROS_BYTES, pause))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    fn finish(mut self) -> io::Result<()> {
        let thread = self.stop().expect("Invariant: a preparation is finished once");
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that prepares segments panicked")))
    }

    fn stop(&mut self) -> Option<JoinHandle<io::Result<()>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().inspect(|thread| thread.thread().unpark())
    }
}

impl Drop for Preparation {
    /// Another journal may use the folder next: nobody may still write there.
    fn drop(&mut self) {
        if let Some(thread) = self.stop() {
            let _ = thread.join();
        }
    }
}

/// Real zeros, not a hole: a commit into written blocks changes no metadata and costs a third less (measurements §2).
fn zero_file(path: &Path, bytes: u64, step: usize, go_on: impl Fn() -> bool) -> io::Result<()> {
    let file = File::options().write(true).create(true).truncate(true).open(path)?;
    write_zeros(&file, 0, bytes, step, go_on)?;
    file.sync_all()
}

/// `go_on` is asked after each step.
fn write_zeros(file: &File, from: u64, to: u64, step: usize, go_on: impl Fn() -> bool) -> io::Result<()> {
    let zeros = vec![0; step.min((to - from) as usize)];
    let mut at = from;
    while at < to {
        let step = (to - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..step as usize], at)?;
        file.sync_data()?;
        at += step;
        if !go_on() {
            break;
        }
    }
    Ok(())
}

/// Heads the prepared file and gives it its name, durable step by step.
fn install(dir: &Path, header: &Header) -> io::Result<File> {
    let prepared = segment::next_path(dir);
    let file = File::options().read(true).write(true).open(&prepared)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_all()?;
    fs::rename(&prepared, segment::path(dir, header.number))?;
    sync_dir(dir)?;
    Ok(file)
}

/// Cuts what lies behind the last whole frame and fills the room with zeros again.
pub fn cut(dir: &Path, tail: Tail) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(segment::path(dir, tail.number))?;
    let allocated = file.metadata()?.len();
    file.set_len(tail.used)?;
    file.sync_all()?;
    if allocated > tail.used {
        write_zeros(&file, tail.used, allocated, ZEROS_BYTES, || true)?;
    }
    file.sync_all()
}

pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
