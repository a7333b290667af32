//! Token buckets as the venue keeps them: one for reads, one for writes per shard. Cancels may spend what creates may
//! not, so they never starve behind them (`kalshi.md` §6).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::bucket::Bucket;
pub use super::super::bucket::Limit;
use crate::clock::Clock;
use crate::domain::time::Mono;

/// Ten cancels at the venue's price of 2.
const CANCEL_RESERVE: i64 = 20;
/// Basic tier, until the account's own limits are read.
pub const BASIC: Limits = Limits { read: Limit { per_second: 200, capacity: 200 }, write: Limit { per_second: 100, capacity: 100 } };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub read: Limit,
    pub write: Limit,
}

/// Which bucket pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Read,
    /// A write to a shard; `None` is routed by the venue and bills every shard.
    Write(Option<u32>),
    /// A cancel: spends the reserve too.
    Cancel(Option<u32>),
}

#[derive(Debug)]
struct Buckets {
    limits: Limits,
    read: Bucket,
    writes: BTreeMap<u32, Bucket>,
}

#[derive(Debug)]
pub struct Budget {
    clock: Clock,
    buckets: Mutex<Buckets>,
    /// Creates and reads queue in the order in which they came.
    reads: tokio::sync::Mutex<()>,
    writes: tokio::sync::Mutex<()>,
}

impl Budget {
    pub fn new(clock: Clock, limits: Limits) -> Self {
        let read = Bucket::full(limits.read, clock.now().mono);
        let write = Bucket::full(limits.write, clock.now().mono);
        let buckets = Buckets { limits, read, writes: BTreeMap::from([(0, write)]) };
        Self { clock, buckets: Mutex::new(buckets), reads: tokio::sync::Mutex::default(), writes: tokio::sync::Mutex::default() }
    }

    /// The account's own limits, once read.
    pub fn set_limits(&self, limits: Limits) {
        let mut buckets = self.locked();
        buckets.limits = limits;
    }

    /// Whole tokens that are there now, by bucket.
    pub fn left(&self) -> Vec<(&'static str, i64)> {
        let now = self.clock.now().mono;
        let mut buckets = self.locked();
        [("read", Lane::Read), ("write", Lane::Write(None))]
            .map(|(name, lane)| {
                buckets.wait_ms(lane, 0, now);
                (name, buckets.of(lane).map(|bucket| bucket.level()).min().unwrap_or(0).div_euclid(1_000))
            })
            .to_vec()
    }

    /// Waits until the tokens are there, and takes them.
    pub async fn take(&self, lane: Lane, cost: u32) {
        let _turn = match lane {
            Lane::Read => Some(self.reads.lock().await),
            Lane::Write(_) => Some(self.writes.lock().await),
            Lane::Cancel(_) => None,
        };
        while let Some(wait_ms) = self.try_take(lane, cost) {
            tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
        }
    }

    /// Errors: it took longer than this; with it, in how many milliseconds to come again. Nothing was taken then.
    pub async fn take_within(&self, lane: Lane, cost: u32, within: Duration) -> Result<(), i64> {
        match tokio::time::timeout(within, self.take(lane, cost)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.wait_ms(lane, cost).max(1)),
        }
    }

    /// `None`: taken. Else how many milliseconds until it is worth asking again.
    pub fn try_take(&self, lane: Lane, cost: u32) -> Option<i64> {
        let mut buckets = self.locked();
        let wait_ms = buckets.wait_ms(lane, cost, self.clock.now().mono);
        if wait_ms > 0 {
            return Some(wait_ms);
        }
        for bucket in buckets.of(lane) {
            bucket.spend(cost);
        }
        None
    }

    /// The venue said 429: its bucket is empty, whatever ours says. Returns how long to wait in milliseconds.
    pub fn refused(&self, lane: Lane, retry_after_ms: Option<i64>) -> i64 {
        let now = self.clock.now().mono;
        let mut buckets = self.locked();
        let mut longest = 0;
        for bucket in buckets.of(lane) {
            longest = longest.max(bucket.refused(now, retry_after_ms));
        }
        longest
    }

    /// An answer other than 429.
    pub fn accepted(&self, lane: Lane) {
        for bucket in self.locked().of(lane) {
            bucket.accepted();
        }
    }

    fn wait_ms(&self, lane: Lane, cost: u32) -> i64 {
        self.locked().wait_ms(lane, cost, self.clock.now().mono)
    }

    fn locked(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buckets {
    fn wait_ms(&mut self, lane: Lane, cost: u32, now: Mono) -> i64 {
        let limit = self.limit(lane);
        let reserve = if matches!(lane, Lane::Write(_)) { CANCEL_RESERVE.min(i64::from(limit.capacity) / 5) } else { 0 };
        // A cost above the capacity waits for a full bucket instead of for ever.
        let needed = (i64::from(cost) + reserve).min(i64::from(limit.capacity)) * 1_000;
        let mut wait_ms = 0;
        for bucket in self.of(lane) {
            wait_ms = wait_ms.max(bucket.wait_ms(limit, needed, now));
        }
        wait_ms
    }

    fn limit(&self, lane: Lane) -> Limit {
        if lane == Lane::Read { self.limits.read } else { self.limits.write }
    }

    /// A shard first heard of starts as full as the emptiest one: its bucket at the venue may have been used before us.
    fn of(&mut self, lane: Lane) -> impl Iterator<Item = &mut Bucket> {
        let shard = match lane {
            Lane::Read => return Chosen::Read(std::iter::once(&mut self.read)),
            Lane::Write(shard) | Lane::Cancel(shard) => shard,
        };
        match shard {
            None => Chosen::Every(self.writes.values_mut()),
            Some(shard) => {
                if !self.writes.contains_key(&shard)
                    && let Some(emptiest) = self.writes.values().min_by_key(|bucket| bucket.level()).copied()
                {
                    self.writes.insert(shard, emptiest);
                }
                Chosen::One(self.writes.get_mut(&shard).into_iter())
            }
        }
    }
}

enum Chosen<'a> {
    Read(std::iter::Once<&'a mut Bucket>),
    One(std::option::IntoIter<&'a mut Bucket>),
    Every(std::collections::btree_map::ValuesMut<'a, u32, Bucket>),
}

impl<'a> Iterator for Chosen<'a> {
    type Item = &'a mut Bucket;

    fn next(&mut self) -> Option<&'a mut Bucket> {
        match self {
            Self::Read(one) => one.next(),
            Self::One(one) => one.next(),
            Self::Every(all) => all.next(),
        }
    }
}

/// What a request costs, by method and path.
#[derive(Clone, Debug)]
pub struct CostTable {
    default: u32,
    rows: BTreeMap<(String, String), u32>,
}

impl Default for CostTable {
    /// As documented in October 2026, until the venue's own table is read.
    fn default() -> Self {
        let mut table = Self { default: 10, rows: BTreeMap::new() };
        table.set("DELETE", "/portfolio/events/orders/{}", 2);
        table.set("GET", "/portfolio/orders/{}", 2);
        table
    }
}

impl CostTable {
    pub fn new(default: u32) -> Self {
        Self { default, rows: BTreeMap::new() }
    }

    /// `path` as the venue writes it, `/trade-api/v2/portfolio/orders/:order_id`, or as we do.
    pub fn set(&mut self, method: &str, path: &str, cost: u32) {
        self.rows.insert((method.to_ascii_uppercase(), pattern(path)), cost);
    }

    /// `pattern` with `{}` for each name that varies.
    pub fn cost(&self, method: &str, pattern: &str) -> u32 {
        self.rows.get(&(method.to_owned(), pattern.to_owned())).copied().unwrap_or(self.default)
    }
}

fn pattern(path: &str) -> String {
    let path = path.strip_prefix("/trade-api/v2").unwrap_or(path);
    let varies = |part: &str| part.starts_with([':', '{', '*']);
    path.split('/').map(|part| if varies(part) { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockHand;
    use crate::domain::time::Time;

    fn budget() -> (Budget, ClockHand) {
        let (clock, hand) = Clock::manual(Time::from_ms(0));
        (Budget::new(clock, BASIC), hand)
    }

    const CREATE: Lane = Lane::Write(Some(0));
    const CANCEL: Lane = Lane::Cancel(Some(0));

    #[test]
    fn cancels_never_starve_behind_creates() {
        let (budget, _hand) = budget();
        let mut creates = 0;
        while budget.try_take(CREATE, 10).is_none() {
            creates += 1;
        }
        assert_eq!(creates, 8);
        for _ in 0..10 {
            assert_eq!(budget.try_take(CANCEL, 2), None);
        }
        assert_eq!(budget.try_take(CANCEL, 2), Some(20));
    }

    #[test]
    fn tokens_come_back_with_time() {
        let (budget, hand) = budget();
        while budget.try_take(CREATE, 10).is_none() {}
        assert_eq!(budget.try_take(CREATE, 10), Some(100));
        hand.advance_ms(99);
        assert_eq!(budget.try_take(CREATE, 10), Some(1));
        hand.advance_ms(1);
        assert_eq!(budget.try_take(CREATE, 10), None);
    }

    #[test]
    fn each_shard_has_its_own_bucket_and_unrouted_writes_pay_all() {
        let (budget, _hand) = budget();
        assert_eq!(budget.try_take(Lane::Write(Some(3)), 10), None);
        for _ in 0..8 {
            assert_eq!(budget.try_take(CREATE, 10), None);
        }
        assert!(budget.try_take(CREATE, 10).is_some());
        assert_eq!(budget.try_take(Lane::Write(Some(3)), 10), None);
        assert!(budget.try_take(Lane::Write(None), 10).is_some(), "shard 0 has none left");
    }

    #[test]
    fn a_429_empties_the_bucket_and_backs_off_longer_each_time() {
        let (budget, hand) = budget();
        assert_eq!(budget.refused(CREATE, None), 250);
        assert_eq!(budget.try_take(CREATE, 10), Some(300), "empty: thirty tokens are needed");
        hand.advance_ms(300);
        assert_eq!(budget.try_take(CREATE, 10), None);
        assert_eq!(budget.refused(CREATE, None), 500);
        budget.accepted(CREATE);
        assert_eq!(budget.refused(CREATE, Some(2_000)), 2_000);
        assert_eq!(budget.try_take(CANCEL, 2), Some(2_001), "a refused account is refused for cancels too");
        assert_eq!(budget.try_take(Lane::Read, 10), None);
    }

    #[tokio::test]
    async fn an_order_does_not_wait_longer_than_told() {
        let (budget, _hand) = budget();
        while budget.try_take(CREATE, 10).is_none() {}
        assert_eq!(budget.take_within(CREATE, 10, Duration::from_millis(1)).await, Err(100));
        assert_eq!(budget.take_within(CANCEL, 2, Duration::from_millis(1)).await, Ok(()));
    }

    #[test]
    fn costs_are_found_under_the_venues_way_of_writing_paths() {
        let mut table = CostTable::new(10);
        table.set("delete", "/trade-api/v2/portfolio/events/orders/:order_id", 2);
        table.set("GET", "/portfolio/orders/{order_id}", 3);
        assert_eq!(table.cost("DELETE", "/portfolio/events/orders/{}"), 2);
        assert_eq!(table.cost("GET", "/portfolio/orders/{}"), 3);
        assert_eq!(table.cost("POST", "/portfolio/events/orders"), 10);
    }

    #[test]
    fn a_cost_above_the_capacity_is_paid_from_a_full_bucket() {
        let (budget, hand) = budget();
        assert_eq!(budget.try_take(Lane::Read, 500), None);
        assert_eq!(budget.try_take(Lane::Read, 10), Some(1_550));
        hand.advance_ms(1_550);
        assert_eq!(budget.try_take(Lane::Read, 10), None);
    }
}
