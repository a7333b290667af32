//! What goes now, what waits and what is only counted: quiet hours, so many a minute, nothing twice. What is critical goes at once.

use std::collections::{BTreeMap, VecDeque};

use super::message::{Kind, Message};
use super::quiet::QuietHours;
use crate::domain::time::{Mono, NANOS_PER_MS, Now};

/// The same thing is not told again for this long, unless it was over meanwhile.
const REPEAT_MS: i64 = 600_000;
/// Keys remembered; the oldest goes first.
const KEYS_MAX: usize = 1_024;
/// What was held back is summed up after this long.
const SUMMARY_AFTER_MS: i64 = 15_000;
/// Daily summaries that wait for the end of the quiet hours.
const KEPT_MAX: usize = 3;
const MINUTE_MS: i64 = 60_000;

#[derive(Debug)]
pub struct Pacing {
    rules: Rules,
    /// What may still go, in messages times the milliseconds of a minute.
    room: i64,
    refilled_at: Mono,
    told: BTreeMap<String, Mono>,
    held: BTreeMap<Kind, u32>,
    held_since: Mono,
    kept: VecDeque<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Messages that aren't critical.
    pub per_minute: u32,
    pub quiet: Option<QuietHours>,
    /// Minutes east of UTC at which the trading day turns.
    pub offset_minutes: i32,
}

impl Pacing {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            room: i64::from(rules.per_minute) * MINUTE_MS,
            refilled_at: Mono::default(),
            told: BTreeMap::new(),
            held: BTreeMap::new(),
            held_since: Mono::default(),
            kept: VecDeque::new(),
        }
    }

    /// The message, if it goes now. Otherwise it says what was told already, or `due` tells of it later.
    pub fn offer(&mut self, message: Message, now: Now) -> Option<Message> {
        if let Some(over) = &message.ends {
            self.told.remove(over);
        }
        if self.is_repeat(&message.key, now.mono) {
            return None;
        }
        if message.critical {
            return Some(message);
        }
        let quiet = self.is_quiet(now);
        if message.kind == Kind::Day && quiet {
            self.kept.truncate(KEPT_MAX - 1);
            self.kept.push_front(message);
            return None;
        }
        // While something is held, the rest waits with it: the sum comes in its place.
        if quiet || !self.held.is_empty() || !self.take_room(now.mono) {
            self.hold(message.kind, now.mono);
            return None;
        }
        Some(message)
    }

    /// What was held back and may go now. `text`: the sum in words, with the mark of the mode.
    pub fn due(&mut self, now: Now, text: impl Fn(&str) -> Message) -> Vec<Message> {
        if self.is_quiet(now) {
            return Vec::new();
        }
        let mut out: Vec<Message> = self.kept.drain(..).rev().collect();
        if !self.held.is_empty() && since_ms(now.mono, self.held_since) >= SUMMARY_AFTER_MS && self.take_room(now.mono) {
            out.push(text(&self.sum()));
            self.held.clear();
        }
        out
    }

    /// What waits at the end, however full the minute is.
    pub fn rest(&mut self, now: Now, text: impl Fn(&str) -> Message) -> Vec<Message> {
        if self.is_quiet(now) {
            return Vec::new();
        }
        let mut out: Vec<Message> = self.kept.drain(..).rev().collect();
        if !self.held.is_empty() {
            out.push(text(&self.sum()));
            self.held.clear();
        }
        out
    }

    /// Whether `due` has anything to say, now or later.
    pub fn holds(&self) -> bool {
        !self.held.is_empty() || !self.kept.is_empty()
    }

    fn sum(&self) -> String {
        let count: u32 = self.held.values().sum();
        let kinds: Vec<String> = self.held.iter().map(|(kind, count)| kind.counted(*count)).collect();
        format!("{count} more: {}", kinds.join(", "))
    }

    fn hold(&mut self, kind: Kind, now: Mono) {
        if self.held.is_empty() {
            self.held_since = now;
        }
        let count = self.held.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    fn is_quiet(&self, now: Now) -> bool {
        self.rules.quiet.is_some_and(|hours| hours.hold(now.wall, self.rules.offset_minutes))
    }

    fn is_repeat(&mut self, key: &str, now: Mono) -> bool {
        if self.told.get(key).is_some_and(|told| since_ms(now, *told) < REPEAT_MS) {
            return true;
        }
        if self.told.len() >= KEYS_MAX {
            self.told.retain(|_, told| since_ms(now, *told) < REPEAT_MS);
        }
        if self.told.len() >= KEYS_MAX
            && let Some(oldest) = self.told.iter().min_by_key(|(_, told)| **told).map(|(key, _)| key.clone())
        {
            self.told.remove(&oldest);
        }
        self.told.insert(key.to_owned(), now);
        false
    }

    fn take_room(&mut self, now: Mono) -> bool {
        let per_minute = i64::from(self.rules.per_minute);
        let passed = since_ms(now, self.refilled_at).clamp(0, MINUTE_MS);
        self.room = (self.room + passed * per_minute).min(per_minute * MINUTE_MS);
        self.refilled_at = now;
        let goes = self.room >= MINUTE_MS;
        if goes {
            self.room -= MINUTE_MS;
        }
        goes
    }
}

fn since_ms(now: Mono, earlier: Mono) -> i64 {
    now.0.saturating_sub(earlier.0).div_euclid(NANOS_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Time;

    fn rules(per_minute: u32) -> Rules {
        Rules { per_minute, quiet: QuietHours::parse("22:00-07:00"), offset_minutes: 0 }
    }

    fn at(time: &str, ms: i64) -> Now {
        let (wall, _) = Time::parse(&format!("2026-01-28T{time}Z")).expect("time");
        Now { wall: wall.plus_ms(ms), mono: Mono::default().plus_ms(ms) }
    }

    fn message(kind: Kind, critical: bool, key: &str) -> Message {
        Message { kind, critical, text: key.to_owned(), key: key.to_owned(), ends: None, seq: 1, at: Time::default() }
    }

    fn sum(text: &str) -> Message {
        message(Kind::Notice, false, text)
    }

    fn texts(messages: Vec<Message>) -> Vec<String> {
        messages.into_iter().map(|message| message.text).collect()
    }

    #[test]
    fn so_many_go_and_the_rest_is_one_line() {
        let mut pacing = Pacing::new(rules(2));
        let went: Vec<bool> =
            (0..5).map(|n| pacing.offer(message(Kind::Fill, false, &n.to_string()), at("12:00:00", n)).is_some()).collect();
        assert_eq!(went, [true, true, false, false, false]);
        assert_eq!(pacing.offer(message(Kind::Veto, false, "v"), at("12:00:00", 10)), None);
        assert!(pacing.offer(message(Kind::Kill, true, "kill"), at("12:00:00", 11)).is_some(), "what is critical goes");
        assert_eq!(pacing.due(at("12:00:00", 15_001), sum), [], "no room yet");
        assert_eq!(texts(pacing.due(at("12:00:00", 31_000), sum)), ["4 more: 3 fills, 1 veto"]);
        assert_eq!((pacing.due(at("12:00:00", 90_000), sum), pacing.holds()), (vec![], false));
        assert!(pacing.offer(message(Kind::Fill, false, "next"), at("12:00:00", 90_001)).is_some());
    }

    #[test]
    fn in_quiet_hours_only_the_critical_is_told_and_the_day_waits_for_the_morning() {
        let mut pacing = Pacing::new(rules(60));
        for kind in [Kind::Fill, Kind::Fill, Kind::Day] {
            assert_eq!(pacing.offer(message(kind, false, &format!("{kind}{}", pacing.held.len())), at("23:00:00", 0)), None);
        }
        assert!(pacing.offer(message(Kind::Kill, true, "kill"), at("23:00:00", 1)).is_some());
        assert_eq!((pacing.due(at("06:59:59", 20_000), sum).len(), pacing.rest(at("23:30:00", 0), sum).len()), (2, 0), "7:00:19 and 23:30");
        let mut pacing = Pacing::new(rules(60));
        pacing.offer(message(Kind::Fill, false, "f"), at("23:00:00", 0));
        pacing.offer(message(Kind::Day, false, "the day"), at("23:00:00", 0));
        assert_eq!((pacing.due(at("06:00:00", 20_000), sum), pacing.holds()), (vec![], true));
        assert_eq!(texts(pacing.due(at("07:00:00", 20_000), sum)), ["the day", "1 more: 1 fill"]);
    }

    #[test]
    fn the_same_thing_is_told_once_until_it_is_over_or_long_ago() {
        let mut pacing = Pacing::new(rules(60));
        let kill = |pacing: &mut Pacing, ms| pacing.offer(message(Kind::Kill, true, "kill"), at("12:00:00", ms)).is_some();
        assert_eq!((kill(&mut pacing, 0), kill(&mut pacing, 1)), (true, false));
        let off = Message { ends: Some("kill".to_owned()), ..message(Kind::Kill, false, "kill off 7") };
        assert!(pacing.offer(off, at("12:00:00", 2)).is_some());
        assert_eq!((kill(&mut pacing, 3), kill(&mut pacing, 600_002), kill(&mut pacing, 600_003)), (true, false, true));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut pacing = Pacing::new(rules(60));
        for n in 0..3_000 {
            pacing.offer(message(Kind::Unknown, true, &n.to_string()), at("12:00:00", n));
        }
        assert_eq!(pacing.told.len(), KEYS_MAX);
        for n in 0..9 {
            pacing.offer(message(Kind::Day, false, &format!("day {n}")), at("23:00:00", n));
        }
        assert_eq!(texts(pacing.due(at("12:00:00", 0), sum)), ["day 6", "day 7", "day 8"]);
    }

    #[test]
    fn at_the_end_what_was_held_is_summed_up_at_once() {
        let mut pacing = Pacing::new(rules(1));
        for key in ["a", "b"] {
            pacing.offer(message(Kind::Fill, false, key), at("12:00:00", 0));
        }
        assert_eq!(texts(pacing.rest(at("12:00:00", 1), sum)), ["1 more: 1 fill"]);
        assert!(!pacing.holds());
    }
}
