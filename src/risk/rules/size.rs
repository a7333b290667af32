//! Contracts, dollars, prices.

use super::Case;
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::domain::verdict::{Check, Reason};

/// Told where price and side are there. A size that Kelly could not give for want of an edge has failed there already.
pub fn minimum(case: &Case<'_>) -> Option<Check> {
    let request = case.request;
    let sizable = request.instrument.is_some() || request.signal.size.is_some();
    if request.limit.is_none() || request.signal.side.is_none() || !sizable {
        return None;
    }
    let market = request.instrument.as_ref().and_then(|instrument| case.projections.markets.get(&instrument.book_key()));
    let limit = case.limits.order_contracts_min.max(market.map_or(Quantity::ZERO, |market| market.quantity_min));
    let dollars = market.map_or(Usd::ZERO, |market| market.notional_min);
    let worth = |quantity| request.limit.map_or(Usd::ZERO, |price| price.times(quantity, Rounding::Down));
    let passed = request.quantity.is_some_and(|quantity| quantity >= limit && worth(quantity) >= dollars);
    let without_edge = super::edge::minimum(case).is_some_and(|check| !check.passed);
    if !passed && request.signal.size.is_none() && without_edge {
        return None;
    }
    let observed = request.quantity.map_or("unknown".to_owned(), |quantity| quantity.to_string());
    let at_least = if dollars.is_zero() { format!("at least {limit}") } else { format!("at least {limit} and ${dollars}") };
    Some(Check::new(Reason::BelowMinimumSize, passed, observed, at_least))
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
