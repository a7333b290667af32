//! Records read back from the journal, where sled can't give them.

use std::path::Path;

use super::error::ReadError;
use super::frame;
use super::segment::{self, HEADER_BYTES, SegmentReader, Step};
use super::{ReadLimit, Visit};

/// Where a batch starts in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Of its first record.
    pub seq: u64,
    /// Of the segment.
    pub number: u64,
    pub offset: u64,
}

impl Start {
    /// The first batch of all.
    pub const FIRST: Self = Self { seq: 1, number: 1, offset: HEADER_BYTES as u64 };
}

/// Durable records from `seq` up to, not with, `end`, within `limit`; `start` lies at or before `seq`.
pub fn visit(dir: &Path, start: Start, seq: u64, end: u64, limit: &mut ReadLimit, visit: Visit<'_>) -> Result<(), ReadError> {
    let failed = |seq: u64, why: String| ReadError::Journal { seq, why };
    let (mut number, mut next) = (start.number, seq);
    let mut reader = open(dir, number).map_err(|why| failed(next, why))?;
    reader.seek(start.offset, start.seq).map_err(|error| failed(next, error.to_string()))?;
    while next < end {
        match reader.step().map_err(|error| failed(next, error.to_string()))? {
            Step::Batch(batch) => {
                for frame in frame::frames(batch).flatten().filter(|frame| (seq..end).contains(&frame.seq)) {
                    if !limit.take(frame.record.len()) {
                        return Ok(());
                    }
                    visit(frame.seq, frame.record);
                    next = frame.seq + 1;
                }
            }
            Step::Closed { .. } => {
                number += 1;
                reader = open(dir, number).map_err(|why| failed(next, why))?;
            }
            Step::End => return Err(failed(next, "the journal ends before it".to_owned())),
            Step::Broken { why, .. } => return Err(failed(next, why.to_owned())),
        }
    }
    Ok(())
}

fn open(dir: &Path, number: u64) -> Result<SegmentReader, String> {
    let opened = SegmentReader::open(&segment::path(dir, number)).map_err(|error| error.to_string())?;
    opened.map(|(reader, _)| reader).map_err(str::to_owned)
}
