//! Time, what lies in the air, and what strikes.

use arbees::domain::time::{Mono, Now, Time};
use arbees::engine::Input;

use super::{Message, START_MS, World};
use crate::faults::{Class, Faults, bit};

/// A fault counts as acting for this long after it struck.
const ACTS_MS: i64 = 1_500;

impl World {
    /// As the venues have it.
    pub(super) fn true_time(&self) -> Time {
        Time::from_ms(START_MS + self.clock_ms)
    }

    /// As the machine has it.
    pub(super) fn now(&self) -> Now {
        Now { wall: Time::from_ms(START_MS + self.clock_ms + self.skew_ms), mono: Mono(self.clock_ms * 1_000_000) }
    }

    pub(super) fn push(&mut self, after_ms: i64, message: Message) {
        self.count += 1;
        self.queue.insert((self.clock_ms + after_ms, self.count), message);
    }

    pub(super) fn trace(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            println!("{:>7} ms  {}", self.clock_ms, text());
        }
    }

    /// Whether this fault strikes now.
    pub(super) fn strikes(&mut self, class: Class) -> bool {
        let chance = self.faults.of(class);
        let struck = chance > 0 && self.dice.per_mille(chance);
        if struck {
            self.struck[class as usize] = self.clock_ms;
            self.trace(|| format!("FAULT {class:?}"));
        }
        struck
    }

    /// The faults that act now.
    pub(super) fn acting(&self) -> u64 {
        let acts = |(class, _, _): &&(Class, &str, u64)| self.clock_ms - self.struck[*class as usize] <= ACTS_MS;
        Class::ALL.iter().filter(acts).map(|(class, _, _)| bit(*class)).sum()
    }

    pub(super) fn tell_engine(&mut self, after_ms: i64, input: Input) {
        self.push(after_ms, Message::ToEngine(self.engine_life, Box::new(input)));
    }

    /// One tick at a time is on its way, the earliest that is wanted.
    pub(super) fn wake_engine(&mut self) {
        let now = self.now();
        let Some(wait_ms) = self.engine.as_ref().and_then(|engine| engine.next_wake_ms(now)) else { return };
        let wait_ms = wait_ms.clamp(1, 500);
        let due = self.clock_ms + wait_ms;
        if self.tick_at.is_none_or(|at| due < at) {
            self.tick_at = Some(due);
            self.tell_engine(wait_ms, Input::Tick);
        }
    }

    pub(super) fn end_faults(&mut self) {
        if self.faults == Faults::none() {
            return;
        }
        self.trace(|| "FAULTS END".to_owned());
        self.faults = Faults::none();
        self.queue.retain(|_, message| !matches!(message, Message::CrashEngine | Message::CrashRisk));
    }
}
