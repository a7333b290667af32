//! The day as a funnel, a curve and a clock: what came in, what became of it, what it was worth, how long it took.
//! Counted from the records of the day and nothing else; bounded whatever the day brings.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{OrderId, SignalId};
use crate::domain::money::Usd;
use crate::domain::time::Time;
use crate::domain::verdict::{Reason, RiskRequest};

/// Points of the curve; when there are more, every second one goes.
const POINTS_MAX: usize = 480;
/// The first distance of two points.
const POINT_EVERY_MS: i64 = 1_000;
/// The last so many durations of each stage.
const DURATIONS_MAX: usize = 256;
/// Orders whose next step is awaited.
const AWAITED_MAX: usize = 4_096;

/// Steps of an order whose time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the signal's making to the question to risk.
    Delivery,
    /// From the question to its answer on record.
    Verdict,
    /// From the attempt on record to the venue's answer on record.
    Reply,
    /// From there to the first fill.
    Fill,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    asked_at: Option<Time>,
    sent_at: Option<Time>,
    acked_at: Option<Time>,
}

/// A reason and the last signal it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vetoed {
    pub reason: Reason,
    pub count: u64,
    pub example: SignalId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Took {
    pub stage: Stage,
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
    asked: BTreeMap<OrderId, SignalId>,
    awaited: BTreeMap<OrderId, Awaited>,
    curve: Curve,
    durations: BTreeMap<Stage, VecDeque<i64>>,
}

impl Today {
    /// `timed`: not while an old log is read, whose durations are history.
    pub fn take(&mut self, recorded: &Recorded, timed: bool) {
        let at = recorded.recorded_at;
        match &recorded.event {
            Event::TradingDayStarted { day, .. } if self.day != Some(*day) => {
                *self = Self { day: Some(*day), awaited: std::mem::take(&mut self.awaited), ..Self::default() };
            }
            Event::SignalRejected { .. } => {
                self.received += 1;
                self.rejected += 1;
            }
            Event::OrderRequested { order_id, signal_id, request, order, .. } => {
                // A close that goes on is one signal's.
                self.received += u64::from(order.as_ref().is_none_or(|order| order.revision == 0));
                self.asked.insert(*order_id, signal_id.clone());
                let asked = if timed { RiskRequest::decode(request).ok() } else { None };
                if let Some(asked) = &asked {
                    self.note(Stage::Delivery, asked.request.signal.created_at, asked.asked_at);
                }
                self.wait_for(*order_id, asked.map(|asked| asked.asked_at));
            }
            Event::OrderVetoed { order_id, failures, .. } => {
                self.vetoed += 1;
                self.answered(order_id, at);
                self.awaited.remove(order_id);
                let Some(signal_id) = self.asked.remove(order_id) else { return };
                for failure in failures {
                    let counted = self.vetoes.entry(failure.reason).or_insert_with(|| (0, signal_id.clone()));
                    *counted = (counted.0 + 1, signal_id.clone());
                }
            }
            Event::OrderApproved { order_id, .. } => {
                self.approved += 1;
                self.asked.remove(order_id);
                self.answered(order_id, at);
            }
            Event::SubmitStarted { order_id, .. } => {
                if let Some(awaited) = self.awaited.get_mut(order_id) {
                    awaited.sent_at = timed.then_some(at);
                }
            }
            Event::OrderAcked { order_id, .. } => {
                self.acked += 1;
                let sent_at = self.awaited.get_mut(order_id).and_then(|awaited| {
                    awaited.acked_at = timed.then_some(at);
                    awaited.sent_at
                });
                if let Some(sent_at) = sent_at {
                    self.note(Stage::Reply, sent_at, at);
                }
            }
            // The first one of an order.
            Event::Filled(fill) => {
                if let Some(awaited) = self.awaited.remove(&fill.order_id) {
                    self.filled += 1;
                    if let Some(acked_at) = awaited.acked_at {
                        self.note(Stage::Fill, acked_at, at);
                    }
                }
            }
            Event::OrderRejected { order_id, .. } | Event::OrderNotPlaced { order_id, .. } => drop(self.awaited.remove(order_id)),
            _ => {}
        }
    }

    /// The account is worth this much now.
    pub fn worth(&mut self, at: Time, equity: Usd) {
        self.curve.add(at, equity);
    }

    fn wait_for(&mut self, order_id: OrderId, asked_at: Option<Time>) {
        if self.awaited.len() >= AWAITED_MAX {
            self.awaited.pop_first();
        }
        if self.asked.len() > AWAITED_MAX {
            self.asked.pop_first();
        }
        self.awaited.insert(order_id, Awaited { asked_at, sent_at: None, acked_at: None });
    }

    fn answered(&mut self, order_id: &OrderId, at: Time) {
        if let Some(asked_at) = self.awaited.get(order_id).and_then(|awaited| awaited.asked_at) {
            self.note(Stage::Verdict, asked_at, at);
        }
    }

    fn note(&mut self, stage: Stage, from: Time, until: Time) {
        let durations = self.durations.entry(stage).or_default();
        if durations.len() >= DURATIONS_MAX {
            durations.pop_front();
        }
        durations.push_back((until.nanos().saturating_sub(from.nanos()) / 1_000).max(0));
    }

    pub fn view(&self) -> TodayView {
        let vetoed =
            |(reason, (count, example)): (&Reason, &(u64, SignalId))| Vetoed { reason: *reason, count: *count, example: example.clone() };
        let mut vetoes: Vec<Vetoed> = self.vetoes.iter().map(vetoed).collect();
        vetoes.sort_by_key(|vetoed| std::cmp::Reverse(vetoed.count));
        let took = |(stage, durations): (&Stage, &VecDeque<i64>)| {
            let mut sorted: Vec<i64> = durations.iter().copied().collect();
            sorted.sort_unstable();
            let at = |per_cent: usize| sorted[(sorted.len() - 1) * per_cent / 100];
            Took { stage: *stage, count: sorted.len(), p50_us: at(50), p95_us: at(95) }
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
            today.take(recorded, true);
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
