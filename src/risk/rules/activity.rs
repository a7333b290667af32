//! Rates, errors in a row, unknown orders, cash.

use super::Case;
use crate::domain::money::Usd;
use crate::domain::order::Action;
use crate::domain::verdict::{Check, Reason};

fn rate(case: &Case<'_>, window_ms: i64, limit: u32, word: &str) -> Option<Check> {
    let granted = case.others.iter().filter(|other| other.action == Action::Buy).count() as u32;
    let count = case.projections.activity.opens_within(case.now, window_ms) + granted + 1;
    Some(Check::new(Reason::Rate, count <= limit, format!("{count} in the last {word} with this one"), format!("at most {limit}")))
}

pub fn per_minute(case: &Case<'_>) -> Option<Check> {
    rate(case, 60_000, case.limits.orders_per_minute_max, "minute")
}

pub fn per_hour(case: &Case<'_>) -> Option<Check> {
    rate(case, 3_600_000, case.limits.orders_per_hour_max, "hour")
}

pub fn errors(case: &Case<'_>) -> Option<Check> {
    let (errors, limit) = (case.projections.activity.errors_in_a_row, case.limits.consecutive_errors_max);
    Some(Check::new(Reason::ConsecutiveErrors, errors <= limit, errors.to_string(), format!("at most {limit}")))
}

pub fn unknown_age(case: &Case<'_>) -> Option<Check> {
    let limit_ms = case.limits.unknown_age_max_ms;
    let oldest_ms =
        case.projections.orders.unknown().filter_map(|r| r.unknown_since).map(|since| case.now.ms_since(since)).max().unwrap_or(0);
    Some(Check::new(Reason::UnknownOrders, oldest_ms <= limit_ms, format!("oldest {oldest_ms} ms"), format!("at most {limit_ms} ms")))
}

pub fn unknown_amount(case: &Case<'_>) -> Option<Check> {
    let limit = case.limits.unknown_amount_max;
    let amount: Usd = case.projections.orders.unknown().map(|record| record.reserved()).sum();
    Some(Check::new(Reason::UnknownOrders, amount <= limit, format!("${amount}"), format!("at most ${limit}")))
}

pub fn cash(case: &Case<'_>) -> Option<Check> {
    let order = case.order?;
    let account = |venue| case.projections.cash.payer(venue);
    let same = case.others.iter().filter(|other| account(other.instrument.venue) == account(order.instrument.venue));
    let granted: Usd = same.map(|other| other.cost_bound(other.quantity)).sum();
    let free = case.projections.free_cash(order.instrument.venue) - granted;
    let needed = order.cost_bound(order.quantity);
    Some(Check::new(Reason::Cash, needed <= free, format!("${needed} needed"), format!("${free} free")))
}
