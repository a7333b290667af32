//! The day as a funnel, a curve and a clock: what came in, what became of it, what it was worth, how long it took.
//! Counted from the records of the day and nothing else; bounded whatever the day brings.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{OrderId, SignalId};
use crate::domain::money::Usd;
use crate::domain::time::Time;
use crate::domain::verdict::Reason;

/// Points of the curve; when there are more, every second one goes.
const POINTS_MAX: usize = 480;
/// The first distance of two points.
const POINT_EVERY_MS: i64 = 1_000;
/// The last so many durations of each stage.
const DURATIONS_MAX: usize = 256;
/// More don't live at once.
const UNFILLED_MAX: usize = 4_096;

/// A reason and the last signal it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vetoed {
    pub reason: Reason,
    pub count: u64,
    pub example: SignalId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Took {
    pub stage: &'static str,
    pub count: usize,
    /// Microseconds that half of the last ones took at most; and 95 % of them.
    pub p50_us: i64,
    pub p95_us: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TodayView {
    pub received: u64,
    pub rejected: u64,
    pub vetoed: u64,
    pub approved: u64,
    pub acked: u64,
    pub filled: u64,
    /// The most frequent first.
    pub vetoes: Vec<Vetoed>,
    /// Milliseconds since 1970 and equity.
    pub equity: Vec<(i64, Usd)>,
    pub took: Vec<Took>,
}

/// Equity over time, in a bounded number of points.
#[derive(Clone, Debug)]
pub struct Curve {
    points: Vec<(i64, Usd)>,
    every_ms: i64,
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), every_ms: POINT_EVERY_MS }
    }
}

impl Curve {
    /// The account is worth this much now.
    pub fn add(&mut self, at: Time, equity: Usd) {
        let ms = at.ms();
        if self.points.last().is_some_and(|(last, _)| ms - last < self.every_ms) {
            return;
        }
        self.points.push((ms, equity));
        if self.points.len() > POINTS_MAX {
            self.every_ms *= 2;
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    /// Milliseconds since 1970 and equity.
    pub fn points(&self) -> Vec<(i64, Usd)> {
        self.points.clone()
    }
}

#[derive(Debug, Default)]
pub struct Today {
    day: Option<i32>,
    received: u64,
    rejected: u64,
    vetoed: u64,
    approved: u64,
    acked: u64,
    filled: u64,
    vetoes: BTreeMap<Reason, (u64, SignalId)>,
    /// A request and its answer are one batch.
    asked: Option<(OrderId, SignalId)>,
    /// Orders whose first fill is to come.
    unfilled: BTreeSet<OrderId>,
    curve: Curve,
    durations: BTreeMap<&'static str, VecDeque<i64>>,
}

impl Today {
    pub fn take(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::TradingDayStarted { day, .. } if self.day != Some(*day) => {
                *self = Self { day: Some(*day), unfilled: std::mem::take(&mut self.unfilled), ..Self::default() };
            }
            Event::SignalRejected { .. } => {
                self.received += 1;
                self.rejected += 1;
            }
            Event::OrderRequested { order_id, signal_id, order, .. } => {
                // A close that goes on is one signal's.
                self.received += u64::from(order.as_ref().is_none_or(|order| order.revision == 0));
                self.asked = Some((*order_id, signal_id.clone()));
            }
            Event::OrderVetoed { order_id, failures, .. } => {
                self.vetoed += 1;
                let Some((_, signal_id)) = self.asked.take().filter(|(asked, _)| asked == order_id) else { return };
                for failure in failures {
                    let counted = self.vetoes.entry(failure.reason).or_insert_with(|| (0, signal_id.clone()));
                    *counted = (counted.0 + 1, signal_id.clone());
                }
            }
            Event::OrderApproved { order_id, .. } => {
                self.approved += 1;
                if self.unfilled.len() >= UNFILLED_MAX {
                    self.unfilled.pop_first();
                }
                self.unfilled.insert(*order_id);
            }
            Event::OrderAcked { .. } => self.acked += 1,
            Event::Filled(fill) => self.filled += u64::from(self.unfilled.remove(&fill.order_id)),
            Event::OrderRejected { order_id, .. } | Event::OrderNotPlaced { order_id, .. } => drop(self.unfilled.remove(order_id)),
            _ => {}
        }
    }

    /// The account is worth this much now.
    pub fn worth(&mut self, at: Time, equity: Usd) {
        self.curve.add(at, equity);
    }

    /// A step of an order took so long.
    pub fn took(&mut self, stage: &'static str, nanos: i64) {
        let durations = self.durations.entry(stage).or_default();
        if durations.len() >= DURATIONS_MAX {
            durations.pop_front();
        }
        durations.push_back((nanos / 1_000).max(0));
    }

    pub fn view(&self) -> TodayView {
        let vetoed =
            |(reason, (count, example)): (&Reason, &(u64, SignalId))| Vetoed { reason: *reason, count: *count, example: example.clone() };
        let mut vetoes: Vec<Vetoed> = self.vetoes.iter().map(vetoed).collect();
        vetoes.sort_by_key(|vetoed| std::cmp::Reverse(vetoed.count));
        let took = |(stage, durations): (&&'static str, &VecDeque<i64>)| {
            let mut sorted: Vec<i64> = durations.iter().copied().collect();
            sorted.sort_unstable();
            let at = |per_cent: usize| sorted[(sorted.len() - 1) * per_cent / 100];
            Took { stage, count: sorted.len(), p50_us: at(50), p95_us: at(95) }
        };
        TodayView {
            received: self.received,
            rejected: self.rejected,
            vetoed: self.vetoed,
            approved: self.approved,
            acked: self.acked,
            filled: self.filled,
            vetoes,
            equity: self.curve.points(),
            took: self.durations.iter().map(took).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::World;
    use crate::audit::history::History;

    #[test]
    fn a_days_funnel_is_counted_from_its_records() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        world.open("s-2", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10_000);
        world.raw("signals.kalshi", b"nonsense");
        let mut today = Today::default();
        let all = |recorded: &Recorded| {
            today.take(recorded);
            true
        };
        world.history().scan(1, &mut { all }).expect("read");
        let view = today.view();
        assert_eq!(view.received, view.rejected + view.vetoed + view.approved, "{view:?}");
        assert_eq!((view.received, view.rejected, view.vetoed, view.approved, view.acked, view.filled), (3, 1, 1, 1, 1, 1), "{view:?}");
    }

    #[test]
    fn the_curve_stays_short_and_keeps_its_first_and_newest_point() {
        let mut today = Today::default();
        for second in 0..10_000 {
            today.worth(Time::from_ms(second * 1_000), Usd::whole(second));
        }
        let equity = today.view().equity;
        assert!(equity.len() <= POINTS_MAX, "{}", equity.len());
        assert_eq!(equity[0], (0, Usd::ZERO));
        assert!(equity.last().expect("points").0 > 9_900_000);
    }
}
