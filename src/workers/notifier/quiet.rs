//! Hours of the day in which only what is critical is told.

/// From one minute of the day to another, over midnight where the end comes first. The days turn at the configured offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: i64,
    to: i64,
}

use crate::domain::time::Time;

const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MS: i64 = 60_000;

impl QuietHours {
    /// Reads `22:00-07:00`. `None`: it isn't two times of day, or both are the same.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute_of(from.trim())?, minute_of(to.trim())?);
        (from != to).then_some(Self { from, to })
    }

    pub fn hold(self, at: Time, offset_minutes: i32) -> bool {
        let minute = (at.ms().div_euclid(MINUTE_MS) + i64::from(offset_minutes)).rem_euclid(DAY_MINUTES);
        if self.from < self.to { (self.from..self.to).contains(&minute) } else { minute >= self.from || minute < self.to }
    }
}

fn minute_of(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<i64>().ok())?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: &str, at: &str, offset: i32) -> bool {
        let (at, _) = Time::parse(at).expect("time");
        QuietHours::parse(hours).expect("hours").hold(at, offset)
    }

    #[test]
    fn quiet_hours_reach_over_midnight_and_end_with_their_last_minute() {
        for (at, expected) in [("21:59:59", false), ("22:00:00", true), ("00:30:00", true), ("06:59:59", true), ("07:00:00", false)] {
            assert_eq!(quiet("22:00-07:00", &format!("2026-01-28T{at}Z"), 0), expected, "{at}");
        }
        assert!(quiet("12:00-13:00", "2026-01-28T12:30:00Z", 0) && !quiet("12:00-13:00", "2026-01-28T13:00:00Z", 0));
    }

    #[test]
    fn hours_are_those_of_the_trading_day() {
        assert!(!quiet("22:00-07:00", "2026-01-28T10:00:00Z", 0) && quiet("22:00-07:00", "2026-01-28T10:00:00Z", -300));
        assert!(quiet("22:00-07:00", "1969-12-31T23:59:00Z", 0), "before 1970 as well");
    }

    #[test]
    fn what_is_no_span_of_hours_is_refused() {
        for bad in ["", "22:00", "22-07", "24:00-07:00", "22:60-07:00", "22:00-22:00", "2:00-07:00", "+2:00-07:00", "22:00-07:00-08:00"] {
            assert_eq!(QuietHours::parse(bad), None, "{bad}");
        }
    }
}
