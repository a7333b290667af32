//! What is looked up by name: each entry follows from one record alone, so that the index can be rebuilt and checked.
//!
//! Keys carry the seq of their record. Nothing is ever overwritten: the first answer to a signal is its lowest seq.

use std::hash::{DefaultHasher, Hasher};

use super::frame;
use crate::domain::answer::AnswerKind;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, OrderId, SignalId};

/// The first letter of each kind of key in sled's `log` tree.
pub const RECORD_KEY: u8 = b'r';
pub const SIGNAL_KEY: u8 = b's';
pub const ORDER_KEY: u8 = b'o';

/// The first answer to a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalEntry {
    pub content_hash: Hash,
    /// Of the record that answered.
    pub seq: u64,
    /// Absent for a rejection.
    pub order_id: Option<OrderId>,
    /// `Requested`, `Vetoed` or `Rejected`. An order without a verdict in the log counts as requested.
    pub answer: AnswerKind,
}

/// What the log says of a signal at one seq; the verdict on an order is a record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMark {
    pub seq: u64,
    pub content_hash: Hash,
    pub order_id: Option<OrderId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderMark {
    Other = 0,
    Approved = 1,
    Vetoed = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexEntry {
    Signal { signal_id: SignalId, mark: SignalMark },
    Order { order_id: OrderId, seq: u64, mark: OrderMark },
}

/// The entries of one record, at the end of `out`.
pub fn entries(recorded: &Recorded, out: &mut Vec<IndexEntry>) {
    let seq = recorded.seq;
    if let Some(order_id) = recorded.correlation.or_else(|| recorded.event.order_id()) {
        let mark = match recorded.event {
            Event::OrderApproved { .. } => OrderMark::Approved,
            Event::OrderVetoed { .. } => OrderMark::Vetoed,
            _ => OrderMark::Other,
        };
        out.push(IndexEntry::Order { order_id, seq, mark });
    }
    match &recorded.event {
        Event::OrderRequested { order_id, signal_id, content_hash, .. } => {
            let mark = SignalMark { seq, content_hash: *content_hash, order_id: Some(*order_id) };
            out.push(IndexEntry::Signal { signal_id: signal_id.clone(), mark });
        }
        Event::SignalRejected { signal_id: Some(signal_id), content_hash, .. } => {
            let mark = SignalMark { seq, content_hash: *content_hash, order_id: None };
            out.push(IndexEntry::Signal { signal_id: signal_id.clone(), mark });
        }
        _ => {}
    }
}

pub fn record_key(first_seq: u64) -> [u8; 9] {
    let mut key = [RECORD_KEY; 9];
    key[1..].copy_from_slice(&first_seq.to_be_bytes());
    key
}

/// All keys of one signal start like this; ids hold no control characters, so the zero ends them.
pub fn signal_prefix(signal_id: &SignalId) -> Vec<u8> {
    let mut key = Vec::with_capacity(signal_id.as_str().len() + 10);
    key.push(SIGNAL_KEY);
    key.extend_from_slice(signal_id.as_str().as_bytes());
    key.push(0);
    key
}

pub fn order_prefix(order_id: &OrderId) -> [u8; 17] {
    let mut key = [ORDER_KEY; 17];
    key[1..].copy_from_slice(&order_id.0);
    key
}

/// The seq at the end of any key.
pub fn seq_at_end(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

impl IndexEntry {
    pub fn seq(&self) -> u64 {
        match self {
            Self::Signal { mark, .. } => mark.seq,
            Self::Order { seq, .. } => *seq,
        }
    }

    /// The mark, if this entry is one of that signal.
    pub fn mark_of(&self, id: &SignalId) -> Option<&SignalMark> {
        match self {
            Self::Signal { signal_id, mark } if signal_id == id => Some(mark),
            _ => None,
        }
    }

    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Signal { signal_id, mark } => {
                let mut key = signal_prefix(signal_id);
                key.extend_from_slice(&mark.seq.to_be_bytes());
                key
            }
            Self::Order { order_id, seq, .. } => {
                let mut key = order_prefix(order_id).to_vec();
                key.extend_from_slice(&seq.to_be_bytes());
                key
            }
        }
    }

    pub fn value(&self) -> Vec<u8> {
        match self {
            Self::Signal { mark, .. } => mark.encode(),
            Self::Order { mark, .. } => vec![*mark as u8],
        }
    }
}

impl SignalMark {
    fn encode(&self) -> Vec<u8> {
        let mut value = self.content_hash.0.to_vec();
        if let Some(order_id) = &self.order_id {
            value.extend_from_slice(&order_id.0);
        }
        value
    }

    /// Reads a value of the index; `None` when it has an impossible length.
    pub fn decode(seq: u64, value: &[u8]) -> Option<Self> {
        let (hash, order) = value.split_first_chunk::<32>()?;
        let order_id = if order.is_empty() { None } else { Some(OrderId(order.try_into().ok()?)) };
        Some(Self { seq, content_hash: Hash(*hash), order_id })
    }
}

impl OrderMark {
    pub fn decode(value: &[u8]) -> Option<Self> {
        match value {
            [0] => Some(Self::Other),
            [1] => Some(Self::Approved),
            [2] => Some(Self::Vetoed),
            _ => None,
        }
    }

    /// What the marks of one order say of its signal.
    pub fn answer(marks: impl IntoIterator<Item = Self>) -> AnswerKind {
        let verdict = marks.into_iter().find(|mark| *mark != Self::Other);
        if verdict == Some(Self::Vetoed) { AnswerKind::Vetoed } else { AnswerKind::Requested }
    }
}

/// A digest of records in their order and of index entries in any order: equal means equal content, within one run of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    frames: u32,
    entries: u64,
    entry_sum: u64,
}

impl Fingerprint {
    pub fn add_frame(&mut self, crc: u32) {
        self.frames = crc32c::crc32c_append(self.frames, &crc.to_le_bytes());
    }

    /// One record of the journal.
    pub fn add(&mut self, frame: &[u8], entries: &[IndexEntry]) {
        self.add_frame(frame::stated_crc(frame));
        for entry in entries {
            self.add_own(entry);
        }
    }

    /// As `add_entry` with the entry's key and value, without making them.
    fn add_own(&mut self, entry: &IndexEntry) {
        match entry {
            IndexEntry::Order { order_id, seq, mark } => {
                let mut key = [0; 25];
                key[..17].copy_from_slice(&order_prefix(order_id));
                key[17..].copy_from_slice(&seq.to_be_bytes());
                self.add_entry(&key, &[*mark as u8]);
            }
            IndexEntry::Signal { .. } => self.add_entry(&entry.key(), &entry.value()),
        }
    }

    pub fn add_entry(&mut self, key: &[u8], value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        hasher.write(value);
        self.entries += 1;
        self.entry_sum = self.entry_sum.wrapping_add(hasher.finish());
    }
}
