//! What the signal says of instrument and time.

use super::Case;
use crate::domain::ids::Mode;
use crate::domain::order::Action;
use crate::domain::teams;
use crate::domain::verdict::{Check, Reason};
use crate::projections::{FUTURE_TOLERANCE_MS, shared_checks};

/// What reading the signal found missing or contradictory.
pub fn missing(case: &Case<'_>) -> Vec<Check> {
    let failed = |f: &crate::domain::verdict::Failure| Check::failed(f.reason, f.observed.clone(), f.limit.clone());
    case.request.missing.iter().map(failed).collect()
}

pub fn expired(case: &Case<'_>) -> Option<Check> {
    let expires_at = case.request.signal.expires_at;
    Some(Check::new(Reason::Expired, case.now < expires_at, format!("now {}", case.now), format!("before {expires_at}")))
}

pub fn from_the_future(case: &Case<'_>) -> Option<Check> {
    let ahead_ms = case.request.signal.created_at.ms_since(case.now);
    Some(Check::new(
        Reason::Future,
        ahead_ms <= FUTURE_TOLERANCE_MS,
        format!("{ahead_ms} ms ahead"),
        format!("at most {FUTURE_TOLERANCE_MS} ms"),
    ))
}

/// On paper a market that only the signal names is taken at its word; with money it isn't.
pub fn market_known(case: &Case<'_>) -> Option<Check> {
    let key = case.request.instrument.as_ref()?.book_key();
    let described = case.projections.markets.get(&key).is_some_and(|m| m.source == crate::domain::market::MarketSource::Venue);
    let observed = if described { "described by the venue" } else { "named by the signal only" };
    Some(Check::new(Reason::MarketUnknown, described || case.mode == Mode::Paper, observed, "described by the venue, or paper mode"))
}

pub fn market_open(case: &Case<'_>) -> Option<Check> {
    shared(case, Reason::MarketClosed)
}

pub fn on_grid(case: &Case<'_>) -> Option<Check> {
    shared(case, Reason::OffGrid)
}

/// Told for every request that names a venue's instrument, complete or not.
pub fn venue_ready(case: &Case<'_>) -> Option<Check> {
    Some(crate::projections::venue_ready(case.projections, case.request.signal.venue, Action::Buy))
}

fn shared(case: &Case<'_>, reason: Reason) -> Option<Check> {
    let checks = shared_checks(case.projections, case.order?, case.request.signal.created_at, case.now);
    checks.into_iter().find(|check| check.reason == reason)
}

pub fn team_matches(case: &Case<'_>) -> Option<Check> {
    let signal = &case.request.signal;
    let (sport, team, ticker) = (signal.sport.as_ref()?, signal.team.as_ref()?, signal.market_id.as_ref()?);
    let mismatch = teams::ticker_mismatch(sport, team, ticker.as_str());
    let observed = mismatch.unwrap_or_else(|| format!("{ticker} for {team}"));
    let passed = teams::ticker_mismatch(sport, team, ticker.as_str()).is_none();
    Some(Check::new(Reason::InstrumentTeamMismatch, passed, observed, "the ticker names the signal's team"))
}
