//! What every history must obey, checked record by record and apart from the fold: a second opinion.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::explain::checks_of;
use super::history::{History, ReadError};
use super::replay::{Living, ReplayReport, replay};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, OrderId, TradeId};
use crate::domain::money::Quantity;
use crate::domain::time::Mono;
use crate::domain::verdict::{Approver, Reason, SignedVerdict, Verdict, request_hash};

/// A broken log can break a law in every record; the first ones say where.
const PROBLEMS_MAX: usize = 20;

/// What the store found when it compared journal and index (`event_log::verify`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreCheck {
    pub head_seq: u64,
    pub head_hash: Hash,
    pub segments: u64,
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub good: bool,
    /// Absent when the history isn't on this machine's disk.
    pub store: Option<StoreCheck>,
    /// Absent when the fold doesn't get through.
    pub replay: Option<ReplayReport>,
    pub approvals: u64,
    /// Whose signature was checked against the risk keys.
    pub signatures_checked: u64,
    pub fills: u64,
    /// What is wrong and where, the first twenty.
    pub problems: Vec<String>,
}

/// Checks the store's findings, the laws, and that the fold of everything gets through (and equals `living`, if given).
/// `risk_public_keys`: every key this engine has ever taken verdicts of, the newest last; a signature of none of them shows as a problem.
/// Without any, signatures are not checked.
pub fn verify(
    history: &dyn History,
    store: Option<StoreCheck>,
    living: Option<Living>,
    risk_public_keys: &[Vec<u8>],
    mono: &dyn Fn() -> Mono,
) -> Result<VerifyReport, ReadError> {
    let mut laws = Laws { keys: risk_public_keys, ..Laws::default() };
    history.scan(1, &mut |record| {
        laws.check(record);
        true
    })?;
    for order_id in std::mem::take(&mut laws.overfilled) {
        laws.problem(format!("order {order_id} was filled beyond its size and no breaker opened"));
    }
    if let Some(check) = &store
        && check.head_seq != laws.last_seq
    {
        laws.problem(format!("the store's head is record {}, but {} records could be read", check.head_seq, laws.last_seq));
    }
    let replay = match replay(history, None, living, mono) {
        Ok((report, _)) => Some(report),
        Err(error) => {
            laws.problem(error.to_string());
            None
        }
    };
    if replay.as_ref().is_some_and(|report| report.identical == Some(false)) {
        laws.problem("the fold from zero gives another state than the living engine has".to_owned());
    }
    let good = laws.problems.is_empty() && store.as_ref().is_none_or(|check| check.problems.is_empty());
    let Laws { approvals, signatures_checked, fills, problems, .. } = laws;
    Ok(VerifyReport { good, store, replay, approvals, signatures_checked, fills, problems })
}

/// One order's way through the log.
#[derive(Debug, Default)]
struct Way {
    request_hash: Hash,
    complete: bool,
    approved: bool,
    vetoed: bool,
    attempts: u32,
    quantity: Quantity,
    filled: Quantity,
    trades: BTreeMap<TradeId, Quantity>,
}

#[derive(Default)]
struct Laws<'a> {
    keys: &'a [Vec<u8>],
    last_seq: u64,
    last_epoch: u64,
    ways: BTreeMap<OrderId, Way>,
    /// Filled beyond their size, and no breaker has opened over it yet.
    overfilled: BTreeSet<OrderId>,
    approvals: u64,
    signatures_checked: u64,
    fills: u64,
    problems: Vec<String>,
}

impl Laws<'_> {
    fn problem(&mut self, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }

    fn check(&mut self, record: &Recorded) {
        let seq = record.seq;
        if seq != self.last_seq + 1 {
            self.problem(format!("record {seq} follows record {}", self.last_seq));
        }
        if record.epoch < self.last_epoch {
            self.problem(format!("record {seq} is of epoch {}, after epoch {}", record.epoch, self.last_epoch));
        }
        if record.causation_seq >= seq {
            self.problem(format!("record {seq} names record {} as its cause", record.causation_seq));
        }
        if record.correlation != record.event.order_id() {
            self.problem(format!("record {seq} is filed under another order than the one it speaks of"));
        }
        (self.last_seq, self.last_epoch) = (seq, record.epoch);
        if let Err(what) = self.follow(&record.event) {
            self.problem(format!("record {seq} ({}): {what}", record.event.name()));
        }
    }

    fn way(&mut self, order_id: &OrderId) -> Result<&mut Way, String> {
        self.ways.get_mut(order_id).ok_or_else(|| format!("order {order_id} was never requested"))
    }

    fn follow(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::OrderRequested { order_id, request, order, .. } => {
                let quantity = order.as_ref().map_or(Quantity::ZERO, |order| order.quantity);
                let way = Way { request_hash: request_hash(request), complete: order.is_some(), quantity, ..Way::default() };
                match self.ways.insert(*order_id, way) {
                    Some(_) => Err(format!("order {order_id} was requested before")),
                    None => Ok(()),
                }
            }
            Event::OrderApproved { order_id, by, verdict, signature, .. } => self.approved(order_id, *by, verdict, signature),
            Event::OrderVetoed { order_id, .. } => {
                let way = self.way(order_id)?;
                let before = std::mem::replace(&mut way.vetoed, true);
                if before || way.approved { Err(format!("order {order_id} had its verdict before")) } else { Ok(()) }
            }
            Event::SubmitStarted { order_id, attempt, .. } => self.submitted(order_id, *attempt),
            Event::Filled(fill) => {
                self.fills += 1;
                let way = self.way(&fill.order_id)?;
                if way.trades.insert(fill.trade_id.clone(), fill.quantity).is_some() {
                    return Err(format!("trade {} of order {} was booked before", fill.trade_id, fill.order_id));
                }
                way.filled += fill.quantity;
                if way.filled > way.quantity {
                    self.overfilled.insert(fill.order_id);
                }
                Ok(())
            }
            Event::FillReversed { order_id, trade_id, .. } => {
                let way = self.way(order_id)?;
                let taken_back = way.trades.get_mut(trade_id).map(std::mem::take).unwrap_or_default();
                way.filled -= taken_back;
                Ok(())
            }
            Event::BreakerTripped { reason: Reason::UnexpectedFill, .. } => {
                self.overfilled.clear();
                Ok(())
            }
            other => match other.order_id() {
                Some(order_id) => self.way(&order_id).map(|_| ()),
                None => Ok(()),
            },
        }
    }

    fn approved(&mut self, order_id: &OrderId, by: Approver, verdict: &[u8], signature: &[u8]) -> Result<(), String> {
        self.approvals += 1;
        let keys = self.keys;
        let way = self.way(order_id)?;
        if way.approved || way.vetoed {
            return Err(format!("order {order_id} had its verdict before"));
        }
        way.approved = true;
        if !way.complete {
            return Err(format!("order {order_id} was approved, though something of it was open"));
        }
        let wanted = way.request_hash;
        let checks = checks_of(by, verdict).ok_or_else(|| format!("the verdict on order {order_id} can't be read"))?;
        if let Some(failed) = checks.iter().find(|check| !check.passed) {
            return Err(format!("order {order_id} was approved against {} ({} against {})", failed.reason, failed.observed, failed.limit));
        }
        if by == Approver::ReduceRule {
            return Ok(());
        }
        let said: Verdict = rmp_serde::from_slice(verdict).map_err(|error| error.to_string())?;
        if !said.approved || said.order_id != *order_id || said.request_hash != wanted {
            return Err(format!("the verdict on order {order_id} is for another request, or is no approval"));
        }
        let Some((newest, earlier)) = keys.split_last() else { return Ok(()) };
        self.signatures_checked += 1;
        let signed = SignedVerdict { verdict: verdict.to_vec().into(), signature: signature.to_vec().into() };
        // A key that was replaced since doesn't make forged what it signed while it was the one.
        match signed.verify(newest) {
            Err(error) if !earlier.iter().any(|key| signed.verify(key).is_ok()) => Err(format!("order {order_id}: {error}")),
            _ => Ok(()),
        }
    }

    fn submitted(&mut self, order_id: &OrderId, attempt: u32) -> Result<(), String> {
        let way = self.way(order_id)?;
        if !way.approved {
            return Err(format!("order {order_id} was sent without an approval"));
        }
        if attempt != way.attempts + 1 {
            return Err(format!("order {order_id}: attempt {attempt} follows attempt {}", way.attempts));
        }
        way.attempts = attempt;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::World;
    use crate::audit::history::MemoryHistory;

    fn report(history: &MemoryHistory, keys: &[Vec<u8>]) -> VerifyReport {
        verify(history, None, None, keys, &|| Mono(0)).expect("readable")
    }

    fn traded() -> World {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        world.close("s-2", "KXNBAGAME-26JAN27PORWAS-POR", "yes", "0.50");
        world.open("s-3", "KXNBAGAME-26JAN27PORWAS-POR", "0.99", 10);
        world
    }

    #[test]
    fn a_true_history_obeys_every_law() {
        let world = traded();
        let report = report(&world.history(), &[world.public_key()]);
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(report.good);
        assert_eq!((report.approvals, report.signatures_checked, report.fills), (2, 2, 2));
    }

    #[test]
    fn a_replaced_key_still_vouches_for_what_it_signed_and_a_strange_one_for_nothing() {
        let world = traded();
        let (own, strange) = (world.public_key(), vec![7; 32]);
        let rotated = report(&world.history(), &[own, strange.clone()]);
        assert_eq!((rotated.problems, rotated.signatures_checked), (Vec::<String>::new(), 2));
        let forged = report(&world.history(), &[strange]);
        assert_eq!((forged.good, forged.problems.len()), (false, 2), "{forged:?}");
        let unchecked = report(&world.history(), &[]);
        assert_eq!((unchecked.good, unchecked.signatures_checked), (true, 0));
    }

    #[test]
    fn a_forged_approval_a_repeated_fill_and_a_send_without_leave_are_found() {
        let world = traded();
        let spoiled = |spoil: fn(&mut Vec<Recorded>)| {
            let mut history = world.history();
            spoil(&mut history.records);
            report(&history, &[world.public_key()]).problems.join("\n")
        };
        let forged = spoiled(|records| {
            for record in records {
                if let Event::OrderApproved { signature, .. } = &mut record.event {
                    signature[0] ^= 1;
                }
            }
        });
        assert!(forged.contains("signature"), "{forged}");
        let twice = spoiled(|records| {
            let fill = records.iter().position(|record| matches!(record.event, Event::Filled(_))).expect("a fill");
            let mut again = records[fill].clone();
            again.seq = records.len() as u64 + 1;
            records.push(again);
        });
        assert!(twice.contains("booked before"), "{twice}");
        let unasked = spoiled(|records| {
            let at = records.iter().position(|record| matches!(record.event, Event::OrderApproved { .. })).expect("an approval");
            let order_id = records[at].correlation.expect("order");
            records[at].event = Event::OrderExpired { order_id, filled: Quantity::ZERO };
        });
        assert!(unasked.contains("without an approval"), "{unasked}");
    }
}
