//! All checks of one request: every one is evaluated, every failure reported.

use super::rules::{Case, activity, book, canary, edge, exposure, loss, size, stops, terms};
use crate::domain::ids::Mode;
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::signal::Intent;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, OrderRequest, Reason};
use crate::projections::{Projections, reduce_checks};

/// `others`: grants that the log doesn't hold yet.
pub fn judge(projections: &Projections, request: &OrderRequest, others: &[&Order], mode: Mode, now: Time) -> Vec<Check> {
    let Some(limits) = &projections.limits else {
        return vec![Check::failed(Reason::RiskSilent, "no limits in the log", "limits loaded")];
    };
    let order = request.order.as_ref();
    let worst = order.map(|order| projections.exposure.with(order, others, &projections.orders, &projections.positions));
    let case = Case { projections, limits, request, order, others, worst, mode, now };
    let missing = terms::missing(&case);
    if request.signal.intent != Intent::Open {
        return missing.into_iter().chain(closes(&case)).collect();
    }
    missing.into_iter().chain(opens(&case)).collect()
}

fn closes(case: &Case<'_>) -> Vec<Check> {
    let Some(order) = case.order else { return Vec::new() };
    let same_book = |other: &&&Order| other.action == Action::Sell && other.instrument.book_key() == order.instrument.book_key();
    let reserved: Quantity = case.others.iter().filter(same_book).map(|other| other.quantity).sum();
    reduce_checks(case.projections, order, case.request.signal.created_at, reserved, case.now)
}

type Rule = fn(&Case<'_>) -> Option<Check>;

/// One short function per row of design §6.
const OPEN_RULES: &[Rule] = &[
    terms::expired,
    terms::from_the_future,
    terms::venue_ready,
    terms::market_known,
    terms::market_open,
    terms::on_grid,
    terms::team_matches,
    stops::killed,
    stops::breakers,
    size::minimum,
    size::contracts,
    size::notional,
    size::price_band,
    canary::one_open_order,
    canary::small_orders,
    canary::small_days,
    edge::minimum,
    edge::consistent,
    edge::probability,
    book::age,
    book::depth,
    book::distance,
    exposure::game,
    exposure::sport,
    exposure::venue,
    exposure::total,
    exposure::opposite_side,
    exposure::duplicate_intent,
    exposure::cool_down,
    loss::daily,
    loss::marks,
    activity::per_minute,
    activity::per_hour,
    activity::errors,
    activity::unknown_age,
    activity::unknown_amount,
    activity::cash,
];

fn opens(case: &Case<'_>) -> Vec<Check> {
    OPEN_RULES.iter().filter_map(|rule| rule(case)).collect()
}
