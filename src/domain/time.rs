//! Points in time as integers. Reading a clock happens elsewhere (`clock.rs`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Wall-clock nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// Nanoseconds of a clock that only goes forward, from an arbitrary start: for deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Mono(pub i64);

/// Both readings, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub wall: Time,
    pub mono: Mono,
}

pub const NANOS_PER_MS: i64 = 1_000_000;
const NANOS_PER_DAY: i64 = 86_400 * 1_000_000_000;

impl Mono {
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(NANOS_PER_MS)))
    }
}

impl Time {
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(NANOS_PER_MS))
    }

    pub const fn nanos(self) -> i64 {
        self.0
    }

    pub const fn ms(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MS)
    }

    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(NANOS_PER_MS)))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(NANOS_PER_MS)
    }

    /// Days since 1970-01-01 at a fixed offset from UTC.
    pub fn day(self, offset_minutes: i32) -> i32 {
        let shifted = self.0.saturating_add(i64::from(offset_minutes) * 60_000 * NANOS_PER_MS);
        shifted.div_euclid(NANOS_PER_DAY) as i32
    }

    /// Reads RFC 3339; a time without a zone is taken as UTC and reported as `naive`.
    pub fn parse(text: &str) -> Option<(Self, Zone)> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Some((Self(i64::try_from(stamp.as_nanosecond()).ok()?), Zone::Given));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let stamp = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some((Self(i64::try_from(stamp.as_nanosecond()).ok()?), Zone::Naive))
    }
}

/// Whether a time text carried its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Given,
    Naive,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({self})")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return i64::deserialize(d).map(Self);
        }
        let text = String::deserialize(d)?;
        Self::parse(&text).map(|(time, _)| time).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naive_times_are_utc_and_say_so() {
        let (given, zone) = Time::parse("2026-01-28T01:14:02.532Z").expect("RFC 3339");
        assert_eq!(zone, Zone::Given);
        let (naive, zone) = Time::parse("2026-01-28T01:14:02.532").expect("naive");
        assert_eq!((naive, zone), (given, Zone::Naive));
        assert_eq!(Time::parse("2026-01-28T02:14:02.532+01:00").expect("offset").0, given);
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn s66_days_turn_at_midnight_of_the_fixed_offset() {
        let (late, _) = Time::parse("2026-01-27T23:59:59.999Z").expect("time");
        assert_eq!(late.plus_ms(1).day(0), late.day(0) + 1);
        assert_eq!(late.day(60), late.day(0) + 1);
    }
}
