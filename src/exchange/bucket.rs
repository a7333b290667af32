//! Token buckets: what a double's rate limits are made of.

use serde::Deserialize;

use crate::domain::time::{Mono, NANOS_PER_MS};

/// Tokens a second, and how many may gather.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub refill_rate: i64,
    pub bucket_capacity: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// In thousandths, so that a millisecond's refill is exact. Below zero where a call may cost more than there is.
    pub milli: i64,
    at: Mono,
}

impl Bucket {
    pub fn full(budget: Budget, now: Mono) -> Self {
        Self { milli: budget.bucket_capacity * 1_000, at: now }
    }

    /// Lets flow in what has come since.
    pub fn fill(&mut self, budget: Budget, now: Mono) {
        let passed_ms = (now.0 - self.at.0) / NANOS_PER_MS;
        self.milli = self.milli.saturating_add(passed_ms.saturating_mul(budget.refill_rate)).min(budget.bucket_capacity * 1_000);
        self.at = self.at.plus_ms(passed_ms);
    }

    pub fn holds(&self, tokens: i64) -> bool {
        self.milli >= tokens * 1_000
    }
}
