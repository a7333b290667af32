//! A record in its frame, as the journal and the blocks of sled hold it.
//!
//! `word u32, crc32c u32 (over word, seq and record), seq u64, record`, little-endian. The word holds the record's length (16 bits),
//! how many records its commit already held before it (15 bits), and whether its batch goes on with the next frame (1 bit).
//! A batch is atomic: one that ends in the middle is cut. Frames of a later commit prove that an earlier one was synced.

use super::record::RECORD_BYTES_MAX;

pub const FRAME_HEADER_BYTES: usize = 16;
pub const FRAME_BYTES_MAX: usize = FRAME_HEADER_BYTES + RECORD_BYTES_MAX;
/// What 15 bits can count.
pub const COMMIT_RECORDS_MAX: usize = 0x7fff;

const BEHIND_SHIFT: u32 = 16;
const CONTINUES: u32 = 1 << 31;

/// One frame whose CRC holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub seq: u64,
    pub crc: u32,
    /// Records of the same commit before this one.
    pub behind: u32,
    /// The next frame belongs to the same batch.
    pub continues: bool,
    pub record: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    Frame(Frame<'a>),
    /// The mark at the end of a closed segment; `seq` is the first of the next one.
    Closed {
        seq: u64,
    },
    /// Not written yet: preallocated zeros.
    Zeros,
    /// More bytes are needed.
    Short,
    Bad(&'static str),
}

impl Frame<'_> {
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.record.len()
    }

    /// The first record of the commit this one was synced with.
    pub fn commit_seq(&self) -> u64 {
        self.seq.saturating_sub(u64::from(self.behind))
    }
}

/// Starts a frame at the end of `buffer`; the record follows, then [`close`].
pub fn open(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

/// Writes length, flag and seq of the frame that starts at `start` and ends with the buffer.
pub fn close(buffer: &mut [u8], start: usize, seq: u64, continues: bool) {
    let len = (buffer.len() - start - FRAME_HEADER_BYTES) as u32;
    let word = if continues { len | CONTINUES } else { len };
    buffer[start..start + 4].copy_from_slice(&word.to_le_bytes());
    buffer[start + 8..start + 16].copy_from_slice(&seq.to_le_bytes());
}

/// Sets the place in the commit and the CRC: the last step before a frame is written.
pub fn seal(frame: &mut [u8], behind: usize) {
    debug_assert!(behind <= COMMIT_RECORDS_MAX);
    let word = word_of(frame) & !(0x7fff << BEHIND_SHIFT) | (behind as u32) << BEHIND_SHIFT;
    frame[..4].copy_from_slice(&word.to_le_bytes());
    let crc = crc_of(frame);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The mark at the end of a closed segment.
pub fn closing_mark(next_seq: u64) -> [u8; FRAME_HEADER_BYTES] {
    let mut mark = [0; FRAME_HEADER_BYTES];
    mark[8..].copy_from_slice(&next_seq.to_le_bytes());
    let crc = crc_of(&mark);
    mark[4..8].copy_from_slice(&crc.to_le_bytes());
    mark
}

fn word_of(frame: &[u8]) -> u32 {
    u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]])
}

fn seq_of(frame: &[u8]) -> u64 {
    let mut seq = [0; 8];
    seq.copy_from_slice(&frame[8..16]);
    u64::from_le_bytes(seq)
}

fn crc_of(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

/// Length of the frame at the head of `bytes`, header included, as its word says. Needs 4 bytes.
pub fn stated_bytes(bytes: &[u8]) -> usize {
    FRAME_HEADER_BYTES + (word_of(bytes) & 0xffff) as usize
}

/// The seq in the header of the frame at the head of `bytes`. Needs a whole header.
pub fn stated_seq(bytes: &[u8]) -> u64 {
    seq_of(bytes)
}

/// The CRC in the header of the frame at the head of `bytes`.
pub fn stated_crc(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// Reads the frame at the head of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(header) = bytes.get(..FRAME_HEADER_BYTES) else { return Parsed::Short };
    if header.iter().all(|&byte| byte == 0) {
        return Parsed::Zeros;
    }
    let word = word_of(header);
    let len = (word & 0xffff) as usize;
    if len > RECORD_BYTES_MAX {
        return Parsed::Bad("its length is impossible");
    }
    let Some(frame) = bytes.get(..FRAME_HEADER_BYTES + len) else { return Parsed::Short };
    let crc = stated_crc(header);
    if crc != crc_of(frame) {
        return Parsed::Bad("its CRC doesn't match");
    }
    let seq = seq_of(frame);
    if len == 0 {
        return Parsed::Closed { seq };
    }
    let behind = (word & !CONTINUES) >> BEHIND_SHIFT;
    Parsed::Frame(Frame { seq, crc, behind, continues: word & CONTINUES != 0, record: &frame[FRAME_HEADER_BYTES..] })
}

/// The frames of a block one after the other; ends early, with an error, at the first that isn't whole.
pub fn frames(mut bytes: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, &'static str>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        match parse(bytes) {
            Parsed::Frame(frame) => {
                bytes = &bytes[frame.frame_bytes()..];
                Some(Ok(frame))
            }
            Parsed::Bad(why) => {
                bytes = &[];
                Some(Err(why))
            }
            Parsed::Short | Parsed::Zeros | Parsed::Closed { .. } => {
                bytes = &[];
                Some(Err("it isn't whole"))
            }
        }
    })
}

/// The frames of bytes that were checked before, whole and in order.
pub fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let frame = bytes.get(..FRAME_HEADER_BYTES).and_then(|header| bytes.get(..stated_bytes(header)))?;
        bytes = &bytes[frame.len()..];
        Some(frame)
    })
}
