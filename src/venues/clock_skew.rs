//! How far our clock is from the venue's: bounds from each reply's `Date` and the round trip, intersected.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{DATE, HeaderMap};

use super::standing::Standing;
use crate::domain::time::{Now, Time};

/// New orders stop when the whole possible skew lies beyond this (`kalshi.md` §1: keep below 2 s).
pub const SKEW_MS_MAX: i64 = 2_000;
/// Samples that are intersected; more say little more.
const SAMPLES_MAX: usize = 32;
/// Crystals drift by less than 100 ms in this time.
const SAMPLE_AGE_MS_MAX: i64 = 300_000;
/// A wall clock that moved this much against the monotonic one was set.
const STEP_MS: i64 = 100;

/// The venue's clock minus ours lies between these, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkewBounds {
    pub low_ms: i64,
    pub high_ms: i64,
}

impl SkewBounds {
    /// How far the clocks are apart at least, in milliseconds.
    pub fn at_least_ms(self) -> i64 {
        self.low_ms.max(-self.high_ms).max(0)
    }

    /// Every possible skew is too large.
    pub fn beyond(self) -> bool {
        self.low_ms > SKEW_MS_MAX || self.high_ms < -SKEW_MS_MAX
    }
}

impl fmt::Display for SkewBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "between {} and {} ms", self.low_ms, self.high_ms)
    }
}

#[derive(Debug, Default)]
pub struct ClockSkew {
    samples: VecDeque<(Now, SkewBounds)>,
}

impl ClockSkew {
    /// `date` is the reply's header: whole seconds, cut off, of some moment between the two readings.
    pub fn heard(&mut self, sent: Now, received: Now, date: Time) {
        if stepped(sent, received) {
            self.samples.clear();
            return;
        }
        if self.samples.back().is_some_and(|(last, _)| stepped(*last, received)) {
            self.samples.clear();
        }
        let bounds = SkewBounds { low_ms: date.ms_since(received.wall), high_ms: date.plus_ms(1_000).ms_since(sent.wall) + 1 };
        let old = |at: Now| received.mono.0.saturating_sub(at.mono.0) / 1_000_000 > SAMPLE_AGE_MS_MAX;
        while self.samples.len() >= SAMPLES_MAX || self.samples.front().is_some_and(|(at, _)| old(*at)) {
            self.samples.pop_front();
        }
        self.samples.push_back((received, bounds));
        if self.intersection().is_none() {
            // One of the clocks was set: only the newest reply counts.
            self.samples.drain(..self.samples.len() - 1);
        }
    }

    pub fn bounds(&self) -> Option<SkewBounds> {
        self.intersection()
    }

    fn intersection(&self) -> Option<SkewBounds> {
        let low_ms = self.samples.iter().map(|(_, bounds)| bounds.low_ms).max()?;
        let high_ms = self.samples.iter().map(|(_, bounds)| bounds.high_ms).min()?;
        (low_ms <= high_ms).then_some(SkewBounds { low_ms, high_ms })
    }
}

/// Learns from the `Date` of a reply, and tells whether the clocks are too far apart.
pub fn listen(skew: &Mutex<ClockSkew>, standing: &Standing, sent: Now, received: Now, headers: &HeaderMap) {
    if let Some(date) = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date) {
        learn(skew, standing, sent, received, date);
    }
}

/// The same from a time in whole seconds that the venue named in another way.
pub fn learn(skew: &Mutex<ClockSkew>, standing: &Standing, sent: Now, received: Now, date: Time) {
    let mut skew = skew.lock().unwrap_or_else(PoisonError::into_inner);
    skew.heard(sent, received, date);
    let beyond = skew.bounds().filter(|bounds| bounds.beyond());
    drop(skew);
    standing.clock(beyond.map(|bounds| format!("our clock is off: the venue's is ahead {bounds}; see to NTP")));
}

fn stepped(earlier: Now, later: Now) -> bool {
    let by_wall = later.wall.ms_since(earlier.wall);
    let by_mono = later.mono.0.saturating_sub(earlier.mono.0) / 1_000_000;
    (by_wall - by_mono).abs() > STEP_MS
}

/// Reads `Sun, 22 Nov 2026 20:55:20 GMT`.
pub fn http_date(text: &str) -> Option<Time> {
    let stamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Time::from_ms(stamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Mono;

    fn now(ms: i64) -> Now {
        Now { wall: Time::from_ms(1_000_000_000 + ms), mono: Mono(ms * 1_000_000) }
    }

    fn date(ms: i64) -> Time {
        Time::from_ms((1_000_000_000 + ms).div_euclid(1_000) * 1_000)
    }

    #[test]
    fn several_replies_bound_the_skew_closer_than_a_second() {
        let mut skew = ClockSkew::default();
        for at in (0..20_000).step_by(930) {
            skew.heard(now(at), now(at + 20), date(at + 10 + 300));
        }
        let bounds = skew.bounds().expect("bounds");
        assert!(bounds.low_ms <= 300 && 300 <= bounds.high_ms, "{bounds}");
        assert!(bounds.high_ms - bounds.low_ms < 250, "{bounds}");
        assert!(!bounds.beyond());
    }

    #[test]
    fn beyond_means_that_no_possible_skew_is_small_enough() {
        let skew_of = |offset: i64| {
            let mut skew = ClockSkew::default();
            skew.heard(now(500), now(520), date(510 + offset));
            skew.bounds().expect("bounds").beyond()
        };
        assert!(!skew_of(0) && !skew_of(1_900) && !skew_of(-1_900) && !skew_of(2_100));
        assert!(skew_of(5_000) && skew_of(-5_000));
    }

    #[test]
    fn a_clock_that_is_set_starts_the_bounds_anew() {
        let mut skew = ClockSkew::default();
        skew.heard(now(0), now(10), date(60_000));
        assert!(skew.bounds().expect("bounds").beyond());
        skew.heard(now(1_000), now(1_010), date(1_005));
        assert!(!skew.bounds().expect("bounds").beyond(), "the venue's clock was set");
        let set = |ms: i64| Now { wall: now(ms).wall.plus_ms(-30_000), mono: now(ms).mono };
        skew.heard(set(2_000), set(2_010), date(2_005));
        assert!(skew.bounds().expect("bounds").beyond(), "ours was set");
    }

    #[test]
    fn reads_the_date_of_http() {
        assert_eq!(http_date("Thu, 11 Jun 2026 06:29:20 GMT").map(|time| time.to_string()).as_deref(), Some("2026-06-11T06:29:20Z"));
        assert_eq!(http_date("yesterday"), None);
    }
}
