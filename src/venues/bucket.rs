//! One token bucket as a venue keeps it.

use crate::domain::time::Mono;

/// First wait after a 429 in milliseconds, doubled with each further one.
const BACK_OFF_MS: i64 = 250;
const BACK_OFF_MS_MAX: i64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub per_second: u32,
    pub capacity: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// In thousandths of a token, so that a refill of a few milliseconds counts.
    level: i64,
    filled_at: Mono,
    not_before: Mono,
    refusals: u32,
}

impl Bucket {
    pub fn full(limit: Limit, now: Mono) -> Self {
        Self { level: i64::from(limit.capacity) * 1_000, filled_at: now, not_before: now, refusals: 0 }
    }

    fn refill(&mut self, limit: Limit, now: Mono) {
        let elapsed_ms = now.0.saturating_sub(self.filled_at.0).max(0) / 1_000_000;
        let gained = elapsed_ms.min(3_600_000) * i64::from(limit.per_second);
        self.level = (self.level + gained).min(i64::from(limit.capacity) * 1_000);
        self.filled_at = self.filled_at.plus_ms(elapsed_ms);
    }

    /// How many milliseconds until this many thousandths of a token are there; zero: now.
    pub fn wait_ms(&mut self, limit: Limit, needed: i64, now: Mono) -> i64 {
        self.refill(limit, now);
        let barred_ms = (self.not_before.0.saturating_sub(now.0)).max(0).div_euclid(1_000_000);
        let barred_ms = if self.not_before > now { barred_ms + 1 } else { 0 };
        let missing = (needed - self.level).max(0);
        let rate = i64::from(limit.per_second).max(1);
        barred_ms.max(missing.div_euclid(rate) + i64::from(missing % rate != 0))
    }

    /// Takes whole tokens.
    pub fn spend(&mut self, cost: u32) {
        self.level -= i64::from(cost) * 1_000;
    }

    /// The venue says how many whole tokens are left: never more than we count.
    pub fn at_most(&mut self, tokens: u32) {
        self.level = self.level.min(i64::from(tokens) * 1_000);
    }

    /// In thousandths of a token.
    pub fn level(&self) -> i64 {
        self.level
    }

    /// The venue said 429: its bucket is empty, whatever ours says. Returns how long to wait in milliseconds.
    pub fn refused(&mut self, now: Mono, retry_after_ms: Option<i64>) -> i64 {
        // Sent before the first of them was refused: one refusal, however many requests were on their way.
        if self.not_before > now && retry_after_ms.is_none() {
            return (self.not_before.0 - now.0).div_euclid(1_000_000) + 1;
        }
        let doubled = BACK_OFF_MS << self.refusals.min(5);
        let wait_ms = retry_after_ms.unwrap_or(doubled).clamp(0, 10 * BACK_OFF_MS_MAX).max(doubled.min(BACK_OFF_MS_MAX));
        self.level = self.level.min(0);
        self.filled_at = now;
        self.not_before = now.plus_ms(wait_ms);
        self.refusals += 1;
        wait_ms
    }

    /// An answer other than 429.
    pub fn accepted(&mut self) {
        self.refusals = 0;
    }
}
