//! Token buckets by signer (`polymarket.md` §4): one for orders, one for cancels.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::eip712::Address;
use crate::domain::time::Mono;
use crate::exchange::bucket::{Bucket, Budget};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub orders: Budget,
    pub cancels: Budget,
}

impl Limits {
    /// The lowest tier.
    pub const STANDARD: Self =
        Self { orders: Budget { refill_rate: 40, bucket_capacity: 60 }, cancels: Budget { refill_rate: 80, bucket_capacity: 120 } };
    /// What nothing on loopback meets.
    pub const PLENTY: Self = Self {
        orders: Budget { refill_rate: 1_000_000, bucket_capacity: 1_000_000 },
        cancels: Budget { refill_rate: 1_000_000, bucket_capacity: 1_000_000 },
    };
}

/// What a call takes out of a signer's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bill {
    Nothing,
    Orders(i64),
    Cancels(i64),
}

/// What is left, for the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub tokens: i64,
    /// Seconds until the bucket is full again.
    pub reset_s: i64,
}

#[derive(Debug)]
pub struct Buckets {
    pub limits: Limits,
    buckets: BTreeMap<(Address, bool), Bucket>,
}

impl Buckets {
    pub fn new(limits: Limits) -> Self {
        Self { limits, buckets: BTreeMap::new() }
    }

    /// Takes all of the bill or nothing of it. Errors: seconds to wait.
    pub fn pay(&mut self, signer: Address, bill: Bill, now: Mono) -> Result<Option<Left>, i64> {
        let (tokens, cancels) = match bill {
            Bill::Nothing => return Ok(None),
            Bill::Orders(tokens) => (tokens, false),
            Bill::Cancels(tokens) => (tokens, true),
        };
        let (bucket, budget) = self.filled(signer, cancels, now);
        if !bucket.holds(tokens) {
            let missing = tokens * 1_000 - bucket.milli;
            return Err((missing / budget.refill_rate.max(1)).max(0) / 1_000 + 1);
        }
        bucket.milli -= tokens * 1_000;
        Ok(Some(left(bucket, budget)))
    }

    /// A cancel-all costs what it has cancelled, afterwards: the bucket may go below zero.
    pub fn owe(&mut self, signer: Address, cancels: i64, now: Mono) {
        let (bucket, _) = self.filled(signer, true, now);
        bucket.milli -= cancels * 1_000;
    }

    fn filled(&mut self, signer: Address, cancels: bool, now: Mono) -> (&mut Bucket, Budget) {
        let budget = if cancels { self.limits.cancels } else { self.limits.orders };
        let bucket = self.buckets.entry((signer, cancels)).or_insert_with(|| Bucket::full(budget, now));
        bucket.fill(budget, now);
        (bucket, budget)
    }
}

fn left(bucket: &Bucket, budget: Budget) -> Left {
    let missing = budget.bucket_capacity * 1_000 - bucket.milli;
    Left { tokens: bucket.milli.div_euclid(1_000), reset_s: missing / budget.refill_rate.max(1) / 1_000 + 1 }
}
