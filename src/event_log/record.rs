//! One record as it is stored: a version byte, then MessagePack with named fields. The hash chain covers these bytes.

use std::io;

use ring::digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::plain;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, LogId, Mode, OrderId};
use crate::domain::time::Time;

/// The first byte of each record.
pub const RECORD_VERSION: u8 = 1;
/// Larger values spill into sled's `blobs/`, which it never syncs (measurements §0.2).
pub const RECORD_BYTES_MAX: usize = 6 * 1024;
/// Deeper than any event; a crafted record must not exhaust the stack.
const DEPTH_MAX: usize = 32;
/// Version byte, map head, `log_id` with 16 bytes, `prev_hash` with its two length bytes: always the same.
const PREV_HASH_AT: usize = 1 + 1 + (1 + 6) + (2 + 16) + (1 + 9) + 2;

/// What all records of one log share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainContext {
    pub log_id: LogId,
    pub mode: Mode,
}

/// A record as read: the event in its place, and the chain it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub log_id: LogId,
    pub mode: Mode,
    /// Hash of the stored bytes of the record before; zeros before the first.
    pub prev_hash: Hash,
    pub recorded: Recorded,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("{event} at seq {seq} takes {bytes} bytes; a record holds at most {RECORD_BYTES_MAX}: refuse the input it came from")]
    TooLarge { seq: u64, event: &'static str, bytes: usize },
    #[error("the record is empty")]
    Empty,
    #[error("the record has version {0}; this program reads version {RECORD_VERSION}: use the release that wrote it, or a newer one")]
    Version(u8),
    #[error("the record can't be read: {0}")]
    Unreadable(String),
    #[error("the record has bytes after its end")]
    Trailing,
}

// `log_id` and `prev_hash` stand first so that the writer knows where to put the hash.
#[derive(Serialize)]
struct EnvelopeRef<'a> {
    log_id: LogId,
    prev_hash: Hash,
    seq: u64,
    epoch: u64,
    recorded_at_ns: Time,
    mode: Mode,
    correlation_id: Option<OrderId>,
    causation_seq: u64,
    event: &'a Event,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    log_id: LogId,
    prev_hash: Hash,
    seq: u64,
    epoch: u64,
    recorded_at_ns: Time,
    mode: Mode,
    correlation_id: Option<OrderId>,
    causation_seq: u64,
    event: Event,
}

/// The bytes that are stored and hashed. Errors: larger than [`RECORD_BYTES_MAX`].
pub fn encode(recorded: &Recorded, context: &ChainContext, prev_hash: &Hash) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::with_capacity(640);
    encode_into(&mut bytes, recorded, context, prev_hash)?;
    Ok(bytes)
}

/// As [`encode`], at the end of `buffer`, which stays as it was on an error. Returns the bytes written.
pub fn encode_into(buffer: &mut Vec<u8>, recorded: &Recorded, context: &ChainContext, prev_hash: &Hash) -> Result<usize, RecordError> {
    let start = buffer.len();
    buffer.push(RECORD_VERSION);
    let envelope = EnvelopeRef {
        log_id: context.log_id,
        prev_hash: *prev_hash,
        seq: recorded.seq,
        epoch: recorded.epoch,
        recorded_at_ns: recorded.recorded_at,
        mode: context.mode,
        correlation_id: recorded.correlation,
        causation_seq: recorded.causation_seq,
        event: &recorded.event,
    };
    let mut serializer = rmp_serde::Serializer::new(&mut *buffer).with_struct_map();
    envelope.serialize(&mut serializer).expect("Invariant: a record always encodes into memory");
    let bytes = buffer.len() - start;
    if bytes > RECORD_BYTES_MAX {
        buffer.truncate(start);
        return Err(RecordError::TooLarge { seq: recorded.seq, event: recorded.event.name(), bytes });
    }
    Ok(bytes)
}

/// How many bytes the record will take: to refuse a too large input before it is answered.
pub fn encoded_bytes(recorded: &Recorded) -> Result<usize, RecordError> {
    let context = ChainContext { log_id: LogId::default(), mode: Mode::DryRun };
    encode_into(&mut Vec::with_capacity(640), recorded, &context, &Hash::ZERO)
}

/// Puts the hash of the record before into a record that was encoded without it.
pub(crate) fn set_prev_hash(record: &mut [u8], prev_hash: &Hash) {
    record[PREV_HASH_AT..PREV_HASH_AT + 32].copy_from_slice(&prev_hash.0);
}

/// Reads one record. Errors: another version, an unknown event type, a missing or unknown field of the envelope, trailing bytes.
pub fn decode(bytes: &[u8]) -> Result<StoredRecord, RecordError> {
    let (&version, body) = bytes.split_first().ok_or(RecordError::Empty)?;
    if version != RECORD_VERSION {
        return Err(RecordError::Version(version));
    }
    if let Some(envelope) = plain::read::<Envelope>(body) {
        return Ok(envelope.into());
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(DEPTH_MAX);
    let envelope = Envelope::deserialize(&mut deserializer).map_err(|error| RecordError::Unreadable(error.to_string()))?;
    // The borrowing reader doesn't tell where it stands, but at the end it can't find the head of another value.
    match <()>::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(end)) if end.kind() == io::ErrorKind::UnexpectedEof => {}
        _ => return Err(RecordError::Trailing),
    }
    Ok(envelope.into())
}

impl From<Envelope> for StoredRecord {
    fn from(envelope: Envelope) -> Self {
        let recorded = Recorded {
            seq: envelope.seq,
            epoch: envelope.epoch,
            recorded_at: envelope.recorded_at_ns,
            correlation: envelope.correlation_id,
            causation_seq: envelope.causation_seq,
            event: envelope.event,
        };
        Self { log_id: envelope.log_id, mode: envelope.mode, prev_hash: envelope.prev_hash, recorded }
    }
}

/// SHA-256 of the stored bytes, which hold the hash of the record before.
pub fn record_hash(bytes: &[u8]) -> Hash {
    Hash::from_digest(&digest::digest(&digest::SHA256, bytes))
}
