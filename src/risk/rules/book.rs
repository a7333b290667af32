//! The book the strategy saw. On paper what is unknown passes (counted as a warning); with money it doesn't.

use super::Case;
use crate::domain::ids::Mode;
use crate::domain::market::Outcome;
use crate::domain::money::Price;
use crate::domain::signal::Size;
use crate::domain::verdict::{Check, Reason};
use crate::projections::FUTURE_TOLERANCE_MS;

fn unknown(case: &Case<'_>, reason: Reason, limit: String) -> Option<Check> {
    Some(Check::new(reason, case.mode == Mode::Paper, "unknown", limit))
}

pub fn age(case: &Case<'_>) -> Option<Check> {
    let limit = format!("at most {} ms", case.limits.book_age_max_ms);
    let Some(seen_at) = case.request.signal.price_ts else { return unknown(case, Reason::BookStale, limit) };
    let age_ms = case.now.ms_since(seen_at);
    let passed = (-FUTURE_TOLERANCE_MS..=case.limits.book_age_max_ms).contains(&age_ms);
    Some(Check::new(Reason::BookStale, passed, format!("{age_ms} ms"), limit))
}

pub fn depth(case: &Case<'_>) -> Option<Check> {
    let quantity = case.request.quantity?;
    let Some(shown) = case.request.signal.liquidity else { return unknown(case, Reason::Depth, format!("at least {quantity} shown")) };
    Some(Check::new(Reason::Depth, quantity <= shown, format!("{quantity} wanted{}", sized(case)), format!("{shown} shown at the touch")))
}

fn sized(case: &Case<'_>) -> &'static str {
    match case.request.signal.size {
        Some(Size::Contracts(_) | Size::Usd(_)) => " by the signal",
        None => "",
    }
}

/// Paying far more than the opposite side asks is a mistake somewhere.
pub fn distance(case: &Case<'_>) -> Option<Check> {
    let (limit, side, quote) = (case.request.limit?, case.request.signal.side?, case.request.signal.quote);
    let allowed = case.limits.book_distance_max;
    let words = format!("at most {allowed} beyond the book");
    let ask = match side {
        Outcome::Yes => quote.ask,
        Outcome::No => quote.bid.map(Price::complement),
    };
    let Some(ask) = ask else { return unknown(case, Reason::BookDistance, words) };
    let beyond = (limit.micros() - ask.micros()).max(0);
    Some(Check::new(Reason::BookDistance, beyond <= allowed.micros(), format!("{limit} against {ask}"), words))
}
