//! Contracts, dollars, prices.

use super::Case;
use crate::domain::money::Rounding;
use crate::domain::verdict::{Check, Reason};

/// Told where price and side are there. A size that Kelly could not give for want of an edge has failed there already.
pub fn minimum(case: &Case<'_>) -> Option<Check> {
    let request = case.request;
    let sizable = request.instrument.is_some() || request.signal.size.is_some();
    if request.limit.is_none() || request.signal.side.is_none() || !sizable {
        return None;
    }
    let limit = case.limits.order_contracts_min;
    let passed = request.quantity.is_some_and(|quantity| quantity >= limit);
    let without_edge = super::edge::minimum(case).is_some_and(|check| !check.passed);
    if !passed && request.signal.size.is_none() && without_edge {
        return None;
    }
    let observed = request.quantity.map_or("unknown".to_owned(), |quantity| quantity.to_string());
    Some(Check::new(Reason::BelowMinimumSize, passed, observed, format!("at least {limit}")))
}

pub fn contracts(case: &Case<'_>) -> Option<Check> {
    let (quantity, limit) = (case.request.quantity?, case.limits.order_contracts_max);
    Some(Check::new(Reason::OrderContracts, quantity <= limit, quantity.to_string(), format!("at most {limit}")))
}

pub fn notional(case: &Case<'_>) -> Option<Check> {
    let notional = case.request.limit?.times(case.request.quantity?, Rounding::Up);
    let limit = case.limits.order_size_max;
    Some(Check::new(Reason::OrderSize, notional <= limit, format!("${notional}"), format!("at most ${limit}")))
}

pub fn price_band(case: &Case<'_>) -> Option<Check> {
    let (price, low, high) = (case.request.limit?, case.limits.safe_price_min, case.limits.safe_price_max);
    Some(Check::new(Reason::PriceBand, low <= price && price <= high, price.to_string(), format!("{low} to {high}")))
}
