//! Messages that couldn't be understood, kept raw with the reason: bounded, oldest dropped.
//!
//! They live in sled alone. No value exceeds the limit of a block, so a long message lies in chunks behind its head.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sled::{Batch, Tree};

use super::error::ReadError;
use crate::domain::ids::SignalId;
use crate::domain::time::Time;

/// A flood of poison must not fill the disk.
pub const DEAD_LETTERS_MAX: usize = 1_000;
pub const DEAD_LETTER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// NATS carries no larger message by default; the rest is cut and `raw_bytes` says so.
pub const DEAD_LETTER_RAW_BYTES_MAX: usize = 1024 * 1024;
/// Under the size that sled spills into files it never syncs.
const CHUNK_BYTES: usize = 4 * 1024;
/// Subject and reason, each: the head stays under the same limit.
const TEXT_BYTES_MAX: usize = 1024;

/// A message to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub received_at: Time,
    pub subject: String,
    pub stream_seq: u64,
    pub reason: String,
    pub signal_id: Option<SignalId>,
    pub raw: Vec<u8>,
}

/// A kept message, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterHead {
    /// Counts up from 1 and is never used again in this database.
    pub id: u64,
    pub received_at: Time,
    pub subject: String,
    pub stream_seq: u64,
    pub reason: String,
    pub signal_id: Option<SignalId>,
    /// Length of the message as received; more than what is kept when it was cut.
    pub raw_bytes: u64,
}

#[derive(Debug)]
pub struct DeadLetters {
    tree: Tree,
    /// sled's own file: its `flush` doesn't sync it.
    db_file: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    /// Id and kept bytes, oldest first.
    letters: std::collections::VecDeque<(u64, u64)>,
    bytes: u64,
}

fn key(id: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn cut(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text[..end.unwrap_or(0)].to_owned()
}

fn unreadable(error: impl std::fmt::Display) -> ReadError {
    ReadError::DeadLetter(error.to_string())
}

fn kept_bytes(raw_bytes: u64) -> u64 {
    raw_bytes.min(DEAD_LETTER_RAW_BYTES_MAX as u64)
}

impl DeadLetters {
    pub fn open(tree: Tree, db_file: PathBuf) -> Result<Self, ReadError> {
        let letters = Self { tree, db_file, kept: Mutex::default() };
        let mut kept = Kept::default();
        for head in letters.heads(usize::MAX)?.iter().rev() {
            kept.push(head);
        }
        *letters.lock() = kept;
        Ok(letters)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a message and drops the oldest ones over the bounds; durable when this returns. Blocks for one sync.
    pub fn add(&self, letter: &DeadLetter) -> Result<u64, ReadError> {
        let mut kept = self.lock();
        let head = DeadLetterHead {
            id: kept.last_id + 1,
            received_at: letter.received_at,
            subject: cut(&letter.subject),
            stream_seq: letter.stream_seq,
            reason: cut(&letter.reason),
            signal_id: letter.signal_id.clone(),
            raw_bytes: letter.raw.len() as u64,
        };
        let mut batch = Batch::default();
        batch.insert(&key(head.id, 0), rmp_serde::to_vec_named(&head).map_err(unreadable)?);
        let raw = &letter.raw[..letter.raw.len().min(DEAD_LETTER_RAW_BYTES_MAX)];
        for (part, chunk) in (1u16..).zip(raw.chunks(CHUNK_BYTES)) {
            batch.insert(&key(head.id, part), chunk);
        }
        kept.push(&head);
        while kept.letters.len() > DEAD_LETTERS_MAX || kept.bytes > DEAD_LETTER_BYTES_MAX {
            let Some((id, bytes)) = kept.letters.pop_front() else { break };
            kept.bytes -= bytes;
            for part in 0..=bytes.div_ceil(CHUNK_BYTES as u64) as u16 {
                batch.remove(&key(id, part));
            }
        }
        self.tree.apply_batch(batch)?;
        self.tree.flush()?;
        File::open(&self.db_file).and_then(|file| file.sync_data()).map_err(unreadable)?;
        Ok(head.id)
    }

    /// The newest first.
    pub fn heads(&self, max: usize) -> Result<Vec<DeadLetterHead>, ReadError> {
        let mut heads = Vec::new();
        let mut end = key(u64::MAX, u16::MAX);
        while heads.len() < max {
            // Seeking to each head: the chunks between them are not read.
            let Some((last, _)) = self.tree.get_lt(end)? else { break };
            let id = last.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(|| unreadable("a key is cut"))?;
            let Some(head) = self.tree.get(key(id, 0))? else { return Err(unreadable(format!("letter {id} has no head"))) };
            heads.push(rmp_serde::from_slice(&head).map_err(unreadable)?);
            end = key(id, 0);
        }
        Ok(heads)
    }

    /// One message with its bytes.
    pub fn get(&self, id: u64) -> Result<Option<(DeadLetterHead, Vec<u8>)>, ReadError> {
        let Some(head) = self.tree.get(key(id, 0))? else { return Ok(None) };
        let head: DeadLetterHead = rmp_serde::from_slice(&head).map_err(unreadable)?;
        let mut raw = Vec::new();
        for item in self.tree.range(key(id, 1)..=key(id, u16::MAX)) {
            raw.extend_from_slice(&item?.1);
        }
        if raw.len() as u64 != kept_bytes(head.raw_bytes) {
            return Err(unreadable(format!("letter {id} has {} of its {} bytes", raw.len(), head.raw_bytes)));
        }
        Ok(Some((head, raw)))
    }

    pub fn count(&self) -> usize {
        self.lock().letters.len()
    }

    /// All letters, oldest first: to carry them over into a new database.
    pub fn all(&self) -> Result<Vec<DeadLetter>, ReadError> {
        let mut letters = Vec::new();
        for head in self.heads(usize::MAX)?.into_iter().rev() {
            let Some((head, raw)) = self.get(head.id)? else { continue };
            let DeadLetterHead { received_at, subject, stream_seq, reason, signal_id, .. } = head;
            letters.push(DeadLetter { received_at, subject, stream_seq, reason, signal_id, raw });
        }
        Ok(letters)
    }
}

impl Kept {
    fn push(&mut self, head: &DeadLetterHead) {
        let bytes = kept_bytes(head.raw_bytes);
        self.last_id = self.last_id.max(head.id);
        self.letters.push_back((head.id, bytes));
        self.bytes += bytes;
    }
}
