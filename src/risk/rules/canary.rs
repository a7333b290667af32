//! The caps of the first live days: `LIVE_STAGE=canary` until the operator says `full` (design §2.6).

use super::Case;
use crate::domain::limits::Canary;
use crate::domain::money::{Rounding, Usd};
use crate::domain::order::Action;
use crate::domain::verdict::{Check, Reason};

fn caps(case: &Case<'_>) -> Option<Canary> {
    case.limits.canary
}

pub fn one_open_order(case: &Case<'_>) -> Option<Check> {
    let limit = caps(case)?.open_orders_max;
    let working = case.projections.orders.live().filter(|record| record.order.action == Action::Buy && !record.external).count();
    let granted = case.others.iter().filter(|other| other.action == Action::Buy).count();
    let count = working + granted + 1;
    Some(Check::new(Reason::Canary, count <= limit as usize, format!("{count} open orders with this one"), format!("at most {limit}")))
}

pub fn small_orders(case: &Case<'_>) -> Option<Check> {
    let limit = caps(case)?.order_notional_max;
    let notional = case.request.limit?.times(case.request.quantity?, Rounding::Up);
    Some(Check::new(Reason::Canary, notional <= limit, format!("${notional}"), format!("at most ${limit} an order")))
}

pub fn small_days(case: &Case<'_>) -> Option<Check> {
    let limit = caps(case)?.day_notional_max;
    let granted: Usd = case.others.iter().filter(|other| other.action == Action::Buy).map(|other| other.notional()).sum();
    let day = case.projections.activity.day_notional + granted + case.request.limit?.times(case.request.quantity?, Rounding::Up);
    Some(Check::new(Reason::Canary, day <= limit, format!("${day} today with this one"), format!("at most ${limit} a day")))
}
