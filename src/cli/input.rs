//! Files of signals: one JSON object, JSON lines, or one MessagePack map.

use std::io::Read;
use std::path::Path;

use super::CliError;
use crate::domain::market::Venue;
use crate::domain::signal::fields::Fields;
use crate::domain::signal::value::{Value, decode};

/// A day of signals; more is the wrong file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The file's bytes; `-` is standard input. Errors: unreadable, too long.
pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("can't read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CliError::Failed(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// The messages of a file. JSON lines are told from one long object by their first line, which is whole by itself.
pub fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let is_map = |byte: &u8| matches!(byte, 0x80..=0x8f | 0xde | 0xdf);
    if bytes.first().is_some_and(is_map) {
        return vec![bytes];
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    let whole = |line: &&&[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    if lines.len() > 1 && lines.first().filter(whole).is_none() { vec![bytes.trim_ascii()] } else { lines }
}

/// The venue that a message names itself.
pub fn venue_of(message: &[u8]) -> Option<Venue> {
    let Ok(Value::Map(outer)) = decode(message) else { return None };
    let inner = match Fields(&outer).get("payload") {
        Some(Value::Map(inner)) => inner.as_slice(),
        _ => &outer,
    };
    let fields = Fields(inner);
    let named = |name: &&str| fields.word(name).ok().flatten();
    Venue::parse(["venue", "platform_buy", "platform"].iter().find_map(named)?)
}

/// The venue for a message: as told, else as the message says. Errors: neither.
pub fn venue_for(told: Option<Venue>, message: &[u8]) -> Result<Venue, CliError> {
    let missing = || CliError::Usage("which venue? The message names none: add --venue kalshi, polymarket or paper".to_owned());
    told.or_else(|| venue_of(message)).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_long_objects_and_message_pack_are_told_apart() {
        assert_eq!(messages(b"{\"a\": 1}\n\n{\"a\": 2}\r\n").len(), 2);
        assert_eq!(messages(b"{\n  \"a\": 1\n}\n"), [b"{\n  \"a\": 1\n}".as_slice()]);
        assert_eq!(messages(b"{\"a\": 1}\nnot json\n").len(), 2);
        assert_eq!(messages(&[0x81, 0xa1, b'a', b'\n']), [[0x81, 0xa1, b'a', b'\n'].as_slice()]);
        assert!(messages(b" \n").is_empty());
    }

    #[test]
    fn a_message_may_name_its_venue_under_any_alias() {
        assert_eq!(venue_of(br#"{"platform_buy": "Kalshi"}"#), Some(Venue::Kalshi));
        assert_eq!(venue_of(br#"{"seq": 1, "payload": {"platform": "poly"}}"#), Some(Venue::Polymarket));
        assert_eq!(venue_of(br#"{"venue": 7}"#), None);
        assert!(matches!(venue_for(None, b"{}"), Err(CliError::Usage(_))));
        assert_eq!(venue_for(Some(Venue::Paper), b"{}"), Ok(Venue::Paper));
    }
}
