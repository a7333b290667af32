//! A quick reader for what our own encoder writes: MessagePack with named fields, nothing unknown, nothing twice.
//!
//! It knows one error, "not plain", and then the general reader decides: whatever this one reads, that one reads as the same value.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Visitor};

/// The value, if `bytes` are plain and end with it.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let mut reader = Reader { rest: bytes };
    let value = T::deserialize(&mut reader).ok()?;
    reader.rest.is_empty().then_some(value)
}

#[derive(Debug)]
struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain")
    }
}

impl std::error::Error for NotPlain {}

impl de::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    #[inline]
    fn byte(&mut self) -> Result<u8, NotPlain> {
        let (&byte, rest) = self.rest.split_first().ok_or(NotPlain)?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'de [u8], NotPlain> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(NotPlain)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of `len` bytes.
    #[inline]
    fn number(&mut self, len: usize) -> Result<u64, NotPlain> {
        Ok(self.take(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    #[inline]
    fn text_bytes(&mut self) -> Result<&'de [u8], NotPlain> {
        let len = match self.byte()? {
            marker @ 0xa0..=0xbf => u64::from(marker & 0x1f),
            0xd9 => self.number(1)?,
            0xda => self.number(2)?,
            _ => return Err(NotPlain),
        };
        self.take(len as usize)
    }

    fn binary(&mut self) -> Result<&'de [u8], NotPlain> {
        let len = match self.byte()? {
            0xc4 => self.number(1)?,
            0xc5 => self.number(2)?,
            _ => return Err(NotPlain),
        };
        self.take(len as usize)
    }

    #[inline]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.byte()? {
            marker @ 0..=0x7f => visitor.visit_u64(u64::from(marker)),
            marker @ 0xe0..=0xff => visitor.visit_i64(i64::from(marker as i8)),
            0xcc => visitor.visit_u64(self.number(1)?),
            0xcd => visitor.visit_u64(self.number(2)?),
            0xce => visitor.visit_u64(self.number(4)?),
            0xcf => visitor.visit_u64(self.number(8)?),
            0xd0 => visitor.visit_i64(i64::from(self.number(1)? as i8)),
            0xd1 => visitor.visit_i64(i64::from(self.number(2)? as i16)),
            0xd2 => visitor.visit_i64(i64::from(self.number(4)? as i32)),
            0xd3 => visitor.visit_i64(self.number(8)? as i64),
            _ => Err(NotPlain),
        }
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotPlain> {
        let left = match self.byte()? {
            marker @ 0x80..=0x8f => usize::from(marker & 0x0f),
            0xde => self.number(2)? as usize,
            _ => return Err(NotPlain),
        };
        let mut items = Items { reader: self, left };
        let value = visitor.visit_map(&mut items)?;
        if items.left == 0 { Ok(value) } else { Err(NotPlain) }
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotPlain> {
        let left = match self.byte()? {
            marker @ 0x90..=0x9f => usize::from(marker & 0x0f),
            0xdc => self.number(2)? as usize,
            _ => return Err(NotPlain),
        };
        let mut items = Items { reader: self, left };
        let value = visitor.visit_seq(&mut items)?;
        if items.left == 0 { Ok(value) } else { Err(NotPlain) }
    }
}

macro_rules! integers {
    ($($name:ident)+) => {
        $(
            #[inline]
            fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
                self.integer(visitor)
            }
        )+
    };
}

macro_rules! never_plain {
    ($($name:ident)+) => {
        $(
            fn $name<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NotPlain> {
                Err(NotPlain)
            }
        )+
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = NotPlain;

    integers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    never_plain! { deserialize_any deserialize_ignored_any deserialize_i128 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_unit }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.byte()? {
            0xc2 => visitor.visit_bool(false),
            0xc3 => visitor.visit_bool(true),
            _ => Err(NotPlain),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_borrowed_str(std::str::from_utf8(self.text_bytes()?).map_err(|_| NotPlain)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_borrowed_bytes(self.binary()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.rest.first() == Some(&0xc0) {
            self.byte()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, NotPlain> {
        Err(NotPlain)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.array(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NotPlain> {
        self.array(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, NotPlain> {
        self.array(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, NotPlain> {
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, NotPlain> {
        match self.rest.first() {
            Some(0x81) => {
                self.byte()?;
                visitor.visit_enum(Variant { reader: self, is_unit: false })
            }
            _ => visitor.visit_enum(Variant { reader: self, is_unit: true }),
        }
    }

    /// Names are compared as bytes; that they are text is seen from their being ASCII.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        let name = self.text_bytes()?;
        if name.is_ascii() { visitor.visit_borrowed_bytes(name) } else { Err(NotPlain) }
    }
}

/// The items of a map or an array.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> de::MapAccess<'de> for Items<'_, 'de> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, NotPlain> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, NotPlain> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = NotPlain;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, NotPlain> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A variant: its name alone, or a map from its name to what it holds.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_unit: bool,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = NotPlain;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), NotPlain> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = NotPlain;

    fn unit_variant(self) -> Result<(), NotPlain> {
        if self.is_unit { Ok(()) } else { Err(NotPlain) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, NotPlain> {
        if self.is_unit { Err(NotPlain) } else { seed.deserialize(self.reader) }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NotPlain> {
        if self.is_unit { Err(NotPlain) } else { self.reader.array(visitor) }
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, NotPlain> {
        if self.is_unit { Err(NotPlain) } else { self.reader.map(visitor) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;
    use crate::domain::market::Settlement;
    use crate::domain::money::Price;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        numbers: Vec<i64>,
        large: u64,
        text: Box<str>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        perhaps: Option<bool>,
        kinds: Vec<Settlement>,
        names: BTreeMap<Box<str>, u8>,
        raw: serde_bytes::ByteBuf,
    }

    fn sample() -> Sample {
        Sample {
            numbers: vec![0, -1, -32, -33, 127, 128, -129, 65_536, i64::MIN, i64::MAX],
            large: u64::MAX,
            text: "ä€ and so on, longer than what a short marker can say".into(),
            perhaps: Some(true),
            kinds: vec![Settlement::Yes, Settlement::Void, Settlement::Scalar(Price::from_micros(350_000))],
            names: [("a".into(), 1), ("b".into(), 255)].into(),
            raw: vec![7; 300].into(),
        }
    }

    #[test]
    fn what_it_reads_the_general_reader_reads_as_the_same() {
        let bytes = rmp_serde::to_vec_named(&sample()).expect("encodes");
        assert_eq!(read::<Sample>(&bytes), Some(sample()));
        for end in 0..bytes.len() {
            assert_eq!(read::<Sample>(&bytes[..end]), None, "cut at {end}");
        }
        let mut read_too = 0;
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let Some(value) = read::<Sample>(&damaged) else { continue };
                assert_eq!(rmp_serde::from_slice::<Sample>(&damaged).ok(), Some(value), "byte {at} flipped by {flip}");
                read_too += 1;
            }
        }
        assert!(read_too > 1_000, "{read_too}");
        let trailing = [bytes.as_slice(), &[0xc0]].concat();
        assert_eq!(read::<Sample>(&trailing), None);
    }
}
