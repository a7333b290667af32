//! Token buckets (`polymarket.md` §4): per signer one for orders and one for cancels, per address one for each kind of
//! read. Cancels have a bucket of their own and never wait behind orders.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::bucket::{Bucket, Limit};
use crate::clock::Clock;

/// The lowest tier: ours until the venue says otherwise, and never more.
const ORDERS: Limit = Limit { per_second: 40, capacity: 60 };
const CANCELS: Limit = Limit { per_second: 80, capacity: 120 };
/// Orders that one call may cancel: what a full bucket allows.
pub const CANCELS_AT_ONCE_MAX: usize = 100;

/// Which bucket pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Order,
    Cancel,
    Read(Shelf),
}

/// Reads with a limit of their own, per IP address in ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    General,
    Book,
    Data,
    Facts,
    Balance,
    BalanceUpdate,
    Keys,
    Gamma,
}

const SHELVES: usize = 8;

impl Lane {
    fn index(self) -> usize {
        match self {
            Self::Order => SHELVES,
            Self::Cancel => SHELVES + 1,
            Self::Read(shelf) => shelf as usize,
        }
    }

    /// The venue counts in windows of ten seconds. A bucket of half of that, filled at half of that in ten seconds, never
    /// lets more through in any window.
    fn limit(self) -> Limit {
        let window = match self {
            Self::Order => return ORDERS,
            Self::Cancel => return CANCELS,
            Self::Read(Shelf::General) => 9_000,
            Self::Read(Shelf::Book) => 1_500,
            Self::Read(Shelf::Data) => 500,
            Self::Read(Shelf::Facts | Shelf::Balance) => 200,
            Self::Read(Shelf::BalanceUpdate) => 50,
            Self::Read(Shelf::Keys) => 100,
            Self::Read(Shelf::Gamma) => 300,
        };
        Limit { per_second: (window / 20u32).max(1), capacity: window / 2 }
    }
}

#[derive(Debug)]
pub struct Budget {
    clock: Clock,
    buckets: Mutex<Vec<Bucket>>,
    /// Requests of a lane queue in the order in which they came; cancels don't queue at all.
    turns: Vec<tokio::sync::Mutex<()>>,
}

impl Budget {
    pub fn new(clock: Clock) -> Self {
        let shelves =
            [Shelf::General, Shelf::Book, Shelf::Data, Shelf::Facts, Shelf::Balance, Shelf::BalanceUpdate, Shelf::Keys, Shelf::Gamma];
        let now = clock.now().mono;
        let lanes = shelves.into_iter().map(Lane::Read).chain([Lane::Order, Lane::Cancel]);
        let buckets: Vec<Bucket> = lanes.map(|lane| Bucket::full(lane.limit(), now)).collect();
        let turns = buckets.iter().map(|_| tokio::sync::Mutex::default()).collect();
        Self { clock, buckets: Mutex::new(buckets), turns }
    }

    /// Whole tokens that are there now, by bucket.
    pub fn left(&self) -> Vec<(&'static str, i64)> {
        let lanes = [("general", Lane::Read(Shelf::General)), ("orders", Lane::Order), ("cancels", Lane::Cancel)];
        let left = |(name, lane): (&'static str, Lane)| {
            self.wait_ms(lane, 0);
            (name, self.locked()[lane.index()].level().div_euclid(1_000))
        };
        lanes.map(left).to_vec()
    }

    /// Waits until the tokens are there, and takes them.
    pub async fn take(&self, lane: Lane, cost: u32) {
        let _turn = match lane {
            Lane::Cancel => None,
            _ => Some(self.turns[lane.index()].lock().await),
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
        let wait_ms = self.wait_ms(lane, cost);
        if wait_ms > 0 {
            return Some(wait_ms);
        }
        self.locked()[lane.index()].spend(cost);
        None
    }

    /// The venue said 429. Returns how long to wait in milliseconds.
    pub fn refused(&self, lane: Lane, retry_after_ms: Option<i64>) -> i64 {
        let now = self.clock.now().mono;
        self.locked()[lane.index()].refused(now, retry_after_ms)
    }

    /// An answer other than 429, and what the venue says is left.
    pub fn accepted(&self, lane: Lane, remaining: Option<u32>) {
        let mut buckets = self.locked();
        let bucket = &mut buckets[lane.index()];
        bucket.accepted();
        if let Some(remaining) = remaining {
            bucket.at_most(remaining);
        }
    }

    fn wait_ms(&self, lane: Lane, cost: u32) -> i64 {
        let limit = lane.limit();
        // A cost above the capacity waits for a full bucket instead of for ever.
        let needed = i64::from(cost.min(limit.capacity)) * 1_000;
        let now = self.clock.now().mono;
        self.locked()[lane.index()].wait_ms(limit, needed, now)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Time;

    #[test]
    fn a_burst_of_orders_leaves_the_cancels_theirs() {
        let (clock, hand) = Clock::manual(Time::from_ms(0));
        let budget = Budget::new(clock);
        let orders = (0..100).filter(|_| budget.try_take(Lane::Order, 1).is_none()).count();
        let cancels = (0..200).filter(|_| budget.try_take(Lane::Cancel, 1).is_none()).count();
        assert_eq!((orders, cancels), (60, 120));
        assert_eq!(budget.try_take(Lane::Order, 1), Some(25));
        hand.advance_ms(25);
        assert_eq!(budget.try_take(Lane::Order, 1), None);
    }

    #[test]
    fn no_window_of_ten_seconds_holds_more_reads_than_the_venue_allows() {
        let (clock, hand) = Clock::manual(Time::from_ms(0));
        let budget = Budget::new(clock);
        let mut read = 0;
        for _ in 0..1_000 {
            while budget.try_take(Lane::Read(Shelf::Data), 1).is_none() {
                read += 1;
            }
            hand.advance_ms(10);
        }
        assert!((450..=500).contains(&read), "{read}");
    }

    #[tokio::test]
    async fn what_the_venue_says_is_left_counts() {
        let (clock, hand) = Clock::manual(Time::from_ms(0));
        let budget = Budget::new(clock);
        budget.accepted(Lane::Order, Some(0));
        assert_eq!(budget.take_within(Lane::Order, 1, Duration::from_millis(1)).await, Err(25));
        assert_eq!(budget.refused(Lane::Order, Some(2_000)), 2_000);
        hand.advance_ms(1_999);
        assert_eq!(budget.try_take(Lane::Order, 1), Some(2));
        assert_eq!(budget.try_take(Lane::Cancel, 1), None, "a refused order bars no cancel");
    }
}
