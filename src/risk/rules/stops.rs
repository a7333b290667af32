//! Kill and breakers.

use super::Case;
use crate::domain::event::Scope;
use crate::domain::order::{Action, Order};
use crate::domain::verdict::{Check, Reason};
use crate::projections::is_minimal;

pub fn killed(case: &Case<'_>) -> Option<Check> {
    let kill = case.projections.breakers.kill.as_ref();
    let observed = kill.map_or("off".to_owned(), |kill| format!("on since {} by {}: {}", kill.at, kill.by, kill.reason));
    Some(Check::new(Reason::Killed, kill.is_none(), observed, "off"))
}

pub fn breakers(case: &Case<'_>) -> Option<Check> {
    let breakers = &case.projections.breakers;
    let open = match case.order {
        Some(order) => breakers.stopping(order, probes(case, order)),
        None => breakers.open().filter(|(scope, _)| **scope == Scope::Global).collect(),
    };
    let observed = match open.first() {
        None => "closed".to_owned(),
        Some((scope, trip)) => format!("{scope} open since {}: {} {} (limit {})", trip.at, trip.reason, trip.observed, trip.limit),
    };
    Some(Check::new(Reason::BreakerOpen, open.is_empty(), observed, "closed"))
}

/// Of the size of a probe, and no other grant is.
fn probes(case: &Case<'_>, order: &Order) -> bool {
    let goes_through = |other: &&Order| other.action == Action::Buy && case.projections.breakers.wants_probe(other);
    is_minimal(case.projections, order) && !case.others.iter().any(goes_through)
}
