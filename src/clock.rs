//! The one door to time. Everything else is given a `Now`, or a `Clock` to ask.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Mono, Now, Time};

/// Tells the time; cheap to clone and to ask (two readings of the system's clocks).
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { start: Instant },
    Manual(Arc<Mutex<Now>>),
}

/// The hand that moves a manual clock.
#[derive(Clone)]
pub struct ClockHand(Arc<Mutex<Now>>);

impl Clock {
    /// Wall clock of the machine; `mono` counts from this call and isn't moved by clock corrections.
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands still at `wall` until its hand moves it.
    pub fn manual(wall: Time) -> (Self, ClockHand) {
        let now = Arc::new(Mutex::new(Now { wall, mono: Mono(0) }));
        (Self(Source::Manual(Arc::clone(&now))), ClockHand(now))
    }

    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System { start } => Now { wall: wall(), mono: Mono(nanos(start.elapsed().as_nanos())) },
            Source::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl ClockHand {
    /// Time passes: wall and monotonic time together.
    pub fn advance_ms(&self, ms: u32) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.wall = now.wall.plus_ms(i64::from(ms));
        now.mono = now.mono.plus_ms(i64::from(ms));
    }

    /// Somebody sets the wall clock, in either direction; no time passes.
    pub fn set_wall(&self, wall: Time) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }
}

/// A clock set before 1970 reads as 1970: every signal is then from the future, and nothing trades.
fn wall() -> Time {
    Time::from_nanos(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| nanos(since.as_nanos())))
}

fn nanos(value: u128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s102_a_stepped_wall_clock_moves_no_deadline() {
        let (clock, hand) = Clock::manual(Time::from_ms(1_000));
        hand.advance_ms(5);
        hand.set_wall(Time::from_ms(10));
        assert_eq!(clock.now(), Now { wall: Time::from_ms(10), mono: Mono(5_000_000) });
        hand.advance_ms(1);
        assert_eq!(clock.clone().now(), Now { wall: Time::from_ms(11), mono: Mono(6_000_000) });
    }

    #[test]
    fn the_system_clock_goes_forward_and_lives_in_this_century() {
        let clock = Clock::system();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.mono >= first.mono);
        let (y2020, _) = Time::parse("2020-01-01T00:00:00Z").expect("time");
        assert!(first.wall > y2020, "{:?}", first.wall);
    }
}
