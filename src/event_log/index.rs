//! What is looked up by name: each entry follows from one batch alone, so that the index can be rebuilt and checked.
//!
//! A signal's keys carry the seq of their record. Nothing is ever overwritten: the first answer to a signal is its lowest seq.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use super::APPEND_RECORDS_MAX;
use crate::domain::answer::AnswerKind;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, OrderId, SignalId};

/// The first letter of each kind of key in sled's `log` tree.
pub const RECORD_KEY: u8 = b'r';
pub const SIGNAL_KEY: u8 = b's';
pub const ORDER_KEY: u8 = b'o';
/// 4,096 records a stretch: few enough to be read through when somebody asks for an order.
const STRETCH_SHIFT: u32 = 12;

/// The first answer to a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalEntry {
    pub content_hash: Hash,
    /// Of the record that answered.
    pub seq: u64,
    /// Absent for a rejection.
    pub order_id: Option<OrderId>,
    /// `Requested`, `Vetoed` or `Rejected`; vetoed only when the veto stands in the batch of the request.
    pub answer: AnswerKind,
}

/// What the log says of a signal at one seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMark {
    pub seq: u64,
    pub content_hash: Hash,
    pub order_id: Option<OrderId>,
    pub answer: AnswerKind,
}

/// One random place in sled costs 10 microseconds, so an order has one per stretch of records it appears in, not one per record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexEntry {
    Signal { signal_id: SignalId, mark: SignalMark },
    Order { order_id: OrderId, stretch: u64 },
}

/// The stretch of a batch that starts at `first_seq`: a batch lies in one stretch, whole.
pub fn stretch_of(first_seq: u64) -> u64 {
    first_seq >> STRETCH_SHIFT
}

/// The seqs a stretch may hold.
pub fn seqs_of(stretch: u64) -> std::ops::Range<u64> {
    stretch << STRETCH_SHIFT..((stretch + 1) << STRETCH_SHIFT) + APPEND_RECORDS_MAX as u64
}

/// The order a record belongs to.
pub fn order_of(recorded: &Recorded) -> Option<OrderId> {
    recorded.correlation.or_else(|| recorded.event.order_id())
}

/// The entries of one batch, at the end of `out`; an order may come more than once. A verdict stands in the batch of its request.
pub fn entries(batch: &[Recorded], out: &mut Vec<IndexEntry>) {
    let Some(first) = batch.first() else { return };
    let stretch = stretch_of(first.seq);
    for (position, recorded) in batch.iter().enumerate() {
        if let Some(order_id) = order_of(recorded) {
            let entry = IndexEntry::Order { order_id, stretch };
            // A batch is mostly of one order.
            if !out.iter().rev().take(2).any(|last| *last == entry) {
                out.push(entry);
            }
        }
        let (signal_id, content_hash, order_id, answer) = match &recorded.event {
            Event::OrderRequested { order_id, signal_id, content_hash, .. } => {
                (signal_id, content_hash, Some(*order_id), verdict_on(order_id, &batch[position..]))
            }
            Event::SignalRejected { signal_id: Some(signal_id), content_hash, .. } => (signal_id, content_hash, None, AnswerKind::Rejected),
            _ => continue,
        };
        let mark = SignalMark { seq: recorded.seq, content_hash: *content_hash, order_id, answer };
        out.push(IndexEntry::Signal { signal_id: signal_id.clone(), mark });
    }
}

fn verdict_on(order: &OrderId, rest: &[Recorded]) -> AnswerKind {
    let vetoed = rest.iter().any(|recorded| matches!(&recorded.event, Event::OrderVetoed { order_id, .. } if order_id == order));
    if vetoed { AnswerKind::Vetoed } else { AnswerKind::Requested }
}

/// Orders seen in the stretch at hand: what comes once into the index.
#[derive(Debug, Default)]
pub struct Seen {
    stretch: u64,
    orders: HashSet<OrderId>,
}

impl Seen {
    /// Whether the entry is new. Stretches must come in order.
    pub fn is_new(&mut self, entry: &IndexEntry) -> bool {
        let IndexEntry::Order { order_id, stretch } = entry else { return true };
        if *stretch != self.stretch {
            self.orders.clear();
            self.stretch = *stretch;
        }
        self.orders.insert(*order_id)
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

/// The seq or stretch at the end of any key.
pub fn number_at_end(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

impl IndexEntry {
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Signal { signal_id, mark } => {
                let mut key = signal_prefix(signal_id);
                key.extend_from_slice(&mark.seq.to_be_bytes());
                key
            }
            Self::Order { order_id, stretch } => {
                let mut key = order_prefix(order_id).to_vec();
                key.extend_from_slice(&stretch.to_be_bytes());
                key
            }
        }
    }

    pub fn value(&self) -> Vec<u8> {
        match self {
            Self::Signal { mark, .. } => mark.encode(),
            Self::Order { .. } => Vec::new(),
        }
    }
}

impl SignalMark {
    fn encode(&self) -> Vec<u8> {
        let mut value = self.content_hash.0.to_vec();
        value.push(match self.answer {
            AnswerKind::Requested => 1,
            AnswerKind::Vetoed => 2,
            AnswerKind::Rejected | AnswerKind::Duplicate | AnswerKind::Ignored => 3,
        });
        value.extend(self.order_id.iter().flat_map(|order_id| order_id.0));
        value
    }

    /// Reads a value of the index; `None` when it can't be one.
    pub fn decode(seq: u64, value: &[u8]) -> Option<Self> {
        let (hash, rest) = value.split_first_chunk::<32>()?;
        let (kind, order) = rest.split_first()?;
        let answer = [AnswerKind::Requested, AnswerKind::Vetoed, AnswerKind::Rejected].get(usize::from(*kind).checked_sub(1)?)?;
        let order_id = if order.is_empty() { None } else { Some(OrderId(order.try_into().ok()?)) };
        Some(Self { seq, content_hash: Hash(*hash), order_id, answer: *answer })
    }
}

impl From<SignalMark> for SignalEntry {
    fn from(SignalMark { seq, content_hash, order_id, answer }: SignalMark) -> Self {
        Self { content_hash, seq, order_id, answer }
    }
}

/// A digest of index entries in any order: equal means equal content, within one run of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    entries: u64,
    sum: u64,
}

impl Fingerprint {
    /// Entries that didn't come before.
    pub fn add_all(&mut self, entries: &[IndexEntry]) {
        for entry in entries {
            self.add(&entry.key(), &entry.value());
        }
    }

    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        hasher.write(value);
        self.entries += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}
