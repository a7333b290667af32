//! Points in time: seconds or milliseconds, as text or as a number, or RFC 3339 (`polymarket.md` §4, §7).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::time::Time;

/// Seconds beyond this would be past the year 5138; such a number is in milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

/// `None` where nothing, an empty text, zero or no time stands: none of them is money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub Option<Time>);

impl Stamp {
    pub fn read(text: &str) -> Self {
        let time = match text.parse::<i64>() {
            Ok(..=0) => None,
            Ok(number) if number < SECONDS_MAX => Some(Time::from_ms(number * 1_000)),
            Ok(number) => Some(Time::from_ms(number)),
            Err(_) => Time::parse(text).map(|(time, _)| time),
        };
        Self(time)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::read(<&RawValue>::deserialize(d)?.get().trim_matches('"')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_dates_are_one_time() {
        let at = Stamp(Some(Time::from_ms(1_782_753_357_000)));
        for json in ["\"1782753357\"", "1782753357", "\"1782753357000\"", "1782753357000", "\"2026-06-29T17:15:57Z\""] {
            assert_eq!(serde_json::from_str::<Stamp>(json).expect(json), at, "{json}");
        }
        for json in ["\"0\"", "0", "\"\"", "null", "\"soon\"", "-1"] {
            assert_eq!(serde_json::from_str::<Stamp>(json).expect(json), Stamp(None), "{json}");
        }
    }
}
