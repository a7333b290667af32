//! Range reads of a log over the bus: a question with written limits, and as many records as fit.
//! MessagePack with named fields; trailing bytes are refused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

/// Records in one reply.
pub const RANGE_RECORDS_MAX: u32 = 4_096;
/// Bytes of records in one reply: half of what a NATS server takes by default (1 MiB).
pub const RANGE_BYTES_MAX: u32 = 512 * 1024;
/// Bytes of one encoded message that are looked at.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// "Send me the records from `from_seq` on."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRequest {
    pub from_seq: u64,
    pub max_records: u32,
    pub max_bytes: u32,
}

impl RangeRequest {
    /// As much as one reply carries.
    pub fn from(from_seq: u64) -> Self {
        Self { from_seq, max_records: RANGE_RECORDS_MAX, max_bytes: RANGE_BYTES_MAX }
    }

    /// The request with the limits of this side: whoever answers doesn't trust whoever asks.
    pub fn clamped(self) -> Self {
        let max_records = self.max_records.clamp(1, RANGE_RECORDS_MAX);
        Self { max_records, max_bytes: self.max_bytes.clamp(1, RANGE_BYTES_MAX), ..self }
    }
}

/// Stored records, byte for byte, without gaps from `from_seq`; none when it lies past `head_seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeReply {
    pub records: Vec<ByteBuf>,
    /// The last record there is; 0 for an empty log.
    pub head_seq: u64,
}

impl RangeReply {
    /// Takes records until a limit is reached; the first one always fits, so that a reader gets on.
    pub fn gather<'a>(request: RangeRequest, head_seq: u64, records: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let request = request.clamped();
        let mut reply = Self { records: Vec::new(), head_seq };
        let mut bytes = 0usize;
        for record in records.into_iter().take(request.max_records as usize) {
            bytes = bytes.saturating_add(record.len());
            if bytes > request.max_bytes as usize && !reply.records.is_empty() {
                break;
            }
            reply.records.push(ByteBuf::from(record));
        }
        reply
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    #[error("{bytes} bytes are more than the {MESSAGE_BYTES_MAX} of a range message")]
    TooLarge { bytes: usize },
    #[error("not a range message: {0}")]
    Malformed(String),
    #[error("{bytes} bytes follow the range message")]
    Trailing { bytes: usize },
}

pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(message).expect("Invariant: range messages hold only integers and bytes")
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnvelopeError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
    }
    let mut rest = bytes;
    let message =
        T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(EnvelopeError::Trailing { bytes: rest.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_survives_the_wire() {
        let request = RangeRequest::from(17);
        assert_eq!(decode::<RangeRequest>(&encode(&request)), Ok(request));
        let reply = RangeReply { records: vec![ByteBuf::from([1, 2, 200]), ByteBuf::new()], head_seq: 18 };
        assert_eq!(decode::<RangeReply>(&encode(&reply)), Ok(reply));
    }

    #[test]
    fn trailing_and_cut_bytes_are_refused() {
        let mut bytes = encode(&RangeRequest::from(1));
        bytes.push(0);
        assert_eq!(decode::<RangeRequest>(&bytes), Err(EnvelopeError::Trailing { bytes: 1 }));
        bytes.truncate(bytes.len() - 2);
        assert!(matches!(decode::<RangeRequest>(&bytes), Err(EnvelopeError::Malformed(_))));
        assert!(matches!(decode::<RangeRequest>(&vec![0; MESSAGE_BYTES_MAX + 1]), Err(EnvelopeError::TooLarge { .. })));
    }

    #[test]
    fn a_reply_stops_at_the_limits_but_always_gets_on() {
        let big = vec![7u8; 600];
        let records = || std::iter::repeat_n(big.as_slice(), 10);
        let ask = |max_records, max_bytes| RangeRequest { from_seq: 1, max_records, max_bytes };
        assert_eq!(RangeReply::gather(ask(3, u32::MAX), 10, records()).records.len(), 3);
        assert_eq!(RangeReply::gather(ask(u32::MAX, 1_300), 10, records()).records.len(), 2);
        assert_eq!(RangeReply::gather(ask(u32::MAX, 0), 10, records()).records.len(), 1);
    }
}
