//! Edge and probability.

use super::Case;
use crate::domain::fees;
use crate::domain::market::{FeeRate, Outcome};
use crate::domain::money::{Edge, Probability};
use crate::domain::verdict::{Check, Reason};

/// Win probability of the side less limit less taker fee, per contract.
fn recomputed(case: &Case<'_>) -> Option<Edge> {
    let win = win_probability(case)?;
    let limit = case.request.limit?;
    let fee = fees::per_contract(fee_rate(case), limit);
    Some(Edge::from_micros(win.micros() - limit.micros() - fee.micros()))
}

fn win_probability(case: &Case<'_>) -> Option<Probability> {
    let yes = case.request.signal.model_prob?;
    Some(if case.request.signal.side? == Outcome::Yes { yes } else { yes.complement() })
}

fn fee_rate(case: &Case<'_>) -> FeeRate {
    let signal = &case.request.signal;
    case.order.map_or_else(|| fees::assumed_rate(signal.venue, signal.kind.as_deref()), |order| order.fee)
}

/// Declared (where given) and recomputed must both reach the minimum. What can't be recomputed doesn't.
pub fn minimum(case: &Case<'_>) -> Option<Check> {
    let declared = case.request.signal.declared_edge;
    let recomputed = recomputed(case);
    let limit = case.limits.edge_min;
    let passed = recomputed.is_some_and(|edge| edge >= limit) && declared.is_none_or(|edge| edge >= limit);
    let observed = format!("declared {}, recomputed {}", points(declared), points(recomputed));
    Some(Check::new(Reason::EdgeBelowMinimum, passed, observed, format!("at least {}", limit.points())))
}

pub fn consistent(case: &Case<'_>) -> Option<Check> {
    let (declared, recomputed) = (case.request.signal.declared_edge?, recomputed(case)?);
    let apart = Edge::from_micros((declared - recomputed).micros().abs());
    let limit = case.limits.edge_tolerance;
    let observed = format!("declared {}, recomputed {}", declared.points(), recomputed.points());
    Some(Check::new(Reason::EdgeInconsistent, apart <= limit, observed, format!("at most {} apart", limit.points())))
}

pub fn probability(case: &Case<'_>) -> Option<Check> {
    let (probability, low, high) = (case.request.signal.model_prob?, case.limits.probability_min, case.limits.probability_max);
    Some(Check::new(
        Reason::ProbabilityBounds,
        low <= probability && probability <= high,
        probability.to_string(),
        format!("{low} to {high}"),
    ))
}

fn points(edge: Option<Edge>) -> String {
    edge.map_or("unknown".to_owned(), Edge::points)
}
