//! Token buckets (`kalshi.md` §6): reads have one, writes one per shard.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::time::Mono;
use crate::exchange::bucket::{Bucket, Budget};
use crate::exchange::ids::AccountNo;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub read: Budget,
    pub write: Budget,
}

impl Limits {
    /// The lowest tier, as of October 2026.
    pub const BASIC: Self =
        Self { read: Budget { refill_rate: 200, bucket_capacity: 600 }, write: Budget { refill_rate: 100, bucket_capacity: 100 } };

    pub fn json(&self) -> Value {
        let budget = |budget: Budget| json!({ "refill_rate": budget.refill_rate, "bucket_capacity": budget.bucket_capacity });
        json!({ "usage_tier": "basic", "read": budget(self.read), "write": budget(self.write), "grants": [] })
    }
}

/// What a call takes out of the buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bill {
    Nothing,
    Read(i64),
    /// One shard's bucket; `None` where the venue finds the shard: every bucket pays.
    Write {
        tokens: i64,
        shard: Option<u32>,
    },
}

/// An account's bucket: for reads, or for writes on a shard.
type BucketKey = (AccountNo, Option<u32>);

#[derive(Debug)]
pub struct Buckets {
    pub limits: Limits,
    buckets: BTreeMap<BucketKey, Bucket>,
}

impl Buckets {
    pub fn new(limits: Limits) -> Self {
        Self { limits, buckets: BTreeMap::new() }
    }

    pub fn set(&mut self, limits: Limits) {
        *self = Self::new(limits);
    }

    /// Takes all of the bill or nothing of it.
    pub fn pay(&mut self, account: AccountNo, bill: &Bill, shards: &[u32], now: Mono) -> bool {
        let (tokens, keys): (i64, Vec<BucketKey>) = match bill {
            Bill::Nothing => return true,
            Bill::Read(tokens) => (*tokens, vec![(account, None)]),
            Bill::Write { tokens, shard: Some(shard) } => (*tokens, vec![(account, Some(*shard))]),
            Bill::Write { tokens, shard: None } => (*tokens, shards.iter().map(|shard| (account, Some(*shard))).collect()),
        };
        let enough = keys.iter().all(|key| self.filled(*key, now).holds(tokens));
        if enough {
            for key in keys {
                self.filled(key, now).milli -= tokens * 1_000;
            }
        }
        enough
    }

    fn filled(&mut self, key: BucketKey, now: Mono) -> &mut Bucket {
        let budget = if key.1.is_none() { self.limits.read } else { self.limits.write };
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::full(budget, now));
        bucket.fill(budget, now);
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AccountNo = AccountNo(1);

    fn write(tokens: i64, shard: Option<u32>) -> Bill {
        Bill::Write { tokens, shard }
    }

    #[test]
    fn ten_creates_a_second_and_then_no_more() {
        let mut buckets = Buckets::new(Limits::BASIC);
        let start = Mono(0);
        assert!((0..10).all(|_| buckets.pay(ME, &write(10, Some(0)), &[0], start)));
        assert!(!buckets.pay(ME, &write(2, Some(0)), &[0], start));
        assert!(buckets.pay(ME, &write(2, Some(0)), &[0], start.plus_ms(20)));
        assert!(!buckets.pay(ME, &write(10, Some(0)), &[0], start.plus_ms(100)));
        assert!(buckets.pay(ME, &write(10, Some(0)), &[0], start.plus_ms(120)));
    }

    #[test]
    fn a_write_without_a_shard_pays_on_every_shard() {
        let mut buckets = Buckets::new(Limits::BASIC);
        assert!(buckets.pay(ME, &write(60, None), &[0, 2], Mono(0)));
        assert!(!buckets.pay(ME, &write(60, Some(2)), &[0, 2], Mono(0)));
        assert!(!buckets.pay(ME, &write(60, None), &[0, 2], Mono(0)));
        assert!(buckets.pay(ME, &write(40, Some(2)), &[0, 2], Mono(0)));
        assert!(buckets.pay(ME, &Bill::Read(600), &[0], Mono(0)));
    }
}
