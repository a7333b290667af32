//! The tree behind a message, JSON or MessagePack, with every number still text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::domain::decimal::Decimal;
use crate::domain::ids::{Hash, sha256};

/// Bytes of one signal: more than any publisher of today needs, little enough to refuse bombs early.
pub const SIGNAL_BYTES_MAX: usize = 64 * 1024;
/// Nesting of lists and maps.
pub const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    /// In the order sent; names are unique.
    Map(Vec<(String, Value)>),
}

#[derive(Debug, Error)]
pub enum DecodeError {
    #[error("{0} bytes; at most {SIGNAL_BYTES_MAX} are read")]
    TooLong(usize),
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("not MessagePack: {0}")]
    NotMessagePack(#[from] rmp_serde::decode::Error),
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    #[error("neither a JSON object nor a MessagePack map: it starts with byte {0:#04x}")]
    Neither(u8),
    #[error("empty message")]
    Empty,
}

/// Tells JSON from MessagePack by the first byte and reads it whole.
pub fn decode(raw: &[u8]) -> Result<Value, DecodeError> {
    if raw.len() > SIGNAL_BYTES_MAX {
        return Err(DecodeError::TooLong(raw.len()));
    }
    match raw.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(DecodeError::Empty),
        Some(b'{') => from_json(raw),
        Some(0x80..=0x8f | 0xde | 0xdf) => from_message_pack(raw),
        Some(other) => Err(DecodeError::Neither(*other)),
    }
}

fn from_json(raw: &[u8]) -> Result<Value, DecodeError> {
    let text = std::str::from_utf8(raw).map_err(|error| DecodeError::NotUtf8(error.valid_up_to()))?;
    if json_depth(text) > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    let whole: &RawValue = serde_json::from_str(text)?;
    Ok(from_raw(whole)?)
}

/// The deepest nesting of brackets outside strings.
fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn from_raw(raw: &RawValue) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str::<Entries<&RawValue>>(text)?;
            Value::Map(entries.into_iter().map(|(name, inner)| Ok((name, from_raw(inner)?))).collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Value::List(items.into_iter().map(from_raw).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(text)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(text.to_owned()),
    })
}

fn from_message_pack(raw: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(raw));
    reader.set_max_depth(DEPTH_MAX + 1);
    let value = Value::deserialize(&mut reader)?;
    let read = reader.get_ref().position() as usize;
    if read < raw.len() { Err(DecodeError::Trailing(raw.len() - read)) } else { Ok(value) }
}

/// A map that refuses to hold a name twice: which of two prices did the sender mean?
struct Entries<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Each<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Each<V> {
            type Value = Entries<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entries<V>, A::Error> {
                unique_entries(map).map(Entries)
            }
        }
        d.deserialize_map(Each(std::marker::PhantomData))
    }
}

fn unique_entries<'de, A: MapAccess<'de>, V: Deserialize<'de>>(mut map: A) -> Result<Vec<(String, V)>, A::Error> {
    let mut entries: Vec<(String, V)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while let Some((name, value)) = map.next_entry::<String, V>()? {
        if !seen.insert(name.clone()) {
            return Err(serde::de::Error::custom(format_args!("the name {name:?} stands there twice")));
        }
        entries.push((name, value));
    }
    Ok(entries)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, a number, text, a list or a map with text names")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }
    /// MessagePack has only binary fractions: the shortest text that reads back the same is what was meant.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() { Ok(Value::Number(value.to_string())) } else { Err(E::custom("a number that is not finite")) }
    }
    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<Value, E> {
        if value.is_finite() { Ok(Value::Number(value.to_string())) } else { Err(E::custom("a number that is not finite")) }
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        unique_entries(map).map(Value::Map)
    }
}

impl Value {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The same for the same meaning: order of names, spacing, number spelling and encoding don't count.
    pub fn content_hash(&self) -> Hash {
        match self {
            Self::Null => sha256(&[b"null"]),
            Self::Bool(value) => sha256(&[b"bool", &[u8::from(*value)]]),
            Self::Number(text) => sha256(&[b"number", normal_number(text).as_bytes()]),
            Self::Text(text) => sha256(&[b"text", text.as_bytes()]),
            Self::List(items) => {
                let hashes: Vec<Hash> = items.iter().map(Self::content_hash).collect();
                let mut parts: Vec<&[u8]> = vec![b"list"];
                parts.extend(hashes.iter().map(|hash| hash.0.as_slice()));
                sha256(&parts)
            }
            Self::Map(entries) => {
                let mut sorted: Vec<(&str, Hash)> = entries.iter().map(|(name, value)| (name.as_str(), value.content_hash())).collect();
                sorted.sort();
                let mut parts: Vec<&[u8]> = vec![b"map"];
                for (name, hash) in &sorted {
                    parts.extend([name.as_bytes(), hash.0.as_slice()]);
                }
                sha256(&parts)
            }
        }
    }

    /// One line of text, for fields that are kept as sent.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::to_text).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                format!("{{{}}}", entries.iter().map(|(n, v)| format!("{n}: {}", v.to_text())).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// `15.0`, `15` and `1.5e1` spell one number.
fn normal_number(text: &str) -> String {
    match Decimal::parse(text) {
        Ok(decimal) => decimal.to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_written() {
        let Value::Map(entries) = decode(br#"{"a": 0.1000000000000000055, "b": [1e2, null]}"#).expect("json") else { panic!("map") };
        assert_eq!(entries[0].1, Value::Number("0.1000000000000000055".to_owned()));
    }

    #[test]
    fn refuses_poison_with_a_reason() {
        let deep = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
        let cases: [(&[u8], &str); 8] = [
            (b"", "empty"),
            (b"{\"a\": NaN}", "not JSON"),
            (b"{\"a\": 1", "not JSON"),
            (b"{\"a\": \"\xff\xfe\"}", "not UTF-8"),
            (deep.as_bytes(), "nested deeper"),
            (b"{\"a\": 1, \"a\": 2}", "twice"),
            (b"[1]", "neither"),
            (b"{} {}", "not JSON"),
        ];
        for (raw, part) in cases {
            let error = decode(raw).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(decode(&vec![b' '; SIGNAL_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn message_pack_says_the_same_as_json() {
        let json = decode(br#"{"limit_price": 0.52, "n": 15.0, "t": "x"}"#).expect("json");
        let mut packed = vec![0x83];
        packed.extend(rmp_serde::to_vec(&"n").expect("pack"));
        packed.extend(rmp_serde::to_vec(&15u8).expect("pack"));
        packed.extend(rmp_serde::to_vec(&"limit_price").expect("pack"));
        packed.extend(rmp_serde::to_vec(&0.52f64).expect("pack"));
        packed.extend(rmp_serde::to_vec(&"t").expect("pack"));
        packed.extend(rmp_serde::to_vec(&"x").expect("pack"));
        assert_eq!(decode(&packed).expect("msgpack").content_hash(), json.content_hash());
        packed.push(0xc0);
        assert!(matches!(decode(&packed), Err(DecodeError::Trailing(1))));
    }

    #[test]
    fn other_content_has_another_hash() {
        let hash = |text: &str| decode(text.as_bytes()).expect("json").content_hash();
        assert_eq!(hash(r#"{"a": 1, "b": 2}"#), hash(r#"{"b":2.0,"a":1}"#));
        assert_ne!(hash(r#"{"a": 1}"#), hash(r#"{"a": "1"}"#));
        assert_ne!(hash(r#"{"a": 1}"#), hash(r#"{"a": 1.0000001}"#));
    }
}
