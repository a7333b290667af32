//! A short text that can't change: inside the value itself when it fits, else shared. Ids are keys of every map of the
//! fold, and a comparison that has to follow a pointer costs a miss of the cache.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Holds UUIDs, tickers and our paper venue's order ids; a Polymarket token doesn't fit.
const INLINE_BYTES_MAX: usize = 38;

#[derive(Clone)]
pub(super) enum Text {
    Inline { len: u8, bytes: [u8; INLINE_BYTES_MAX] },
    Shared(Arc<str>),
}

impl Text {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Inline { .. } => std::str::from_utf8(self.as_bytes()).expect("Invariant: only text goes in"),
            Self::Shared(text) => text,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Shared(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.len() > INLINE_BYTES_MAX {
            return Self::Shared(text.into());
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self::Inline { len: text.len() as u8, bytes }
    }
}

// Bytes of UTF-8 compare as the text does. Behind an inline text stand zeros, so two of them compare in words.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline { len, bytes }, Self::Inline { len: other_len, bytes: other_bytes }) => len == other_len && bytes == other_bytes,
            _ => self.as_bytes() == other.as_bytes(),
        }
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Inline { len, bytes }, Self::Inline { len: other_len, bytes: other_bytes }) => {
                order_of(bytes, other_bytes).then(len.cmp(other_len))
            }
            _ => self.as_bytes().cmp(other.as_bytes()),
        }
    }
}

/// Big-endian words compare as their bytes do; the last one overlaps, which only repeats what was equal.
#[inline]
fn order_of(one: &[u8; INLINE_BYTES_MAX], other: &[u8; INLINE_BYTES_MAX]) -> Ordering {
    for at in [0, 8, 16, 24, INLINE_BYTES_MAX - 8] {
        let (a, b) = (word(one, at), word(other, at));
        if a != b {
            return a.cmp(&b);
        }
    }
    Ordering::Equal
}

#[inline]
fn word(bytes: &[u8; INLINE_BYTES_MAX], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Read)
    }
}

struct Read;

impl serde::de::Visitor<'_> for Read {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_are_those_of_the_text_whether_it_fits_or_not() {
        let long = "7".repeat(INLINE_BYTES_MAX + 1);
        let full = "7".repeat(INLINE_BYTES_MAX);
        let texts = ["", "a", "ab", "b", "ä€", full.as_str(), long.as_str(), "7\u{0}", "z"];
        for one in texts {
            assert_eq!(Text::from(one).as_str(), one);
            assert_eq!(matches!(Text::from(one), Text::Shared(_)), one.len() > INLINE_BYTES_MAX);
            for other in texts {
                assert_eq!(Text::from(one).cmp(&Text::from(other)), one.cmp(other), "{one:?} {other:?}");
                assert_eq!(Text::from(one) == Text::from(other), one == other);
            }
            let bytes = rmp_serde::to_vec(one).expect("encodes");
            assert_eq!(rmp_serde::to_vec(&Text::from(one)).expect("encodes"), bytes);
            assert_eq!(rmp_serde::from_slice::<Text>(&bytes).expect("decodes").as_str(), one);
        }
    }
}
