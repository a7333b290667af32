//! The day's loss: realised, marked and fees together.

use super::Case;
use crate::domain::verdict::{Check, Reason};

pub fn daily(case: &Case<'_>) -> Option<Check> {
    let (pnl, limit) = (case.projections.cash.day_pnl(), case.limits.daily_loss_max);
    Some(Check::new(Reason::DailyLoss, pnl > -limit, format!("${pnl} today"), format!("above -${limit}")))
}

pub fn marks(case: &Case<'_>) -> Option<Check> {
    let unmarked = case.projections.unmarked(case.now);
    let observed = unmarked.first().map_or("all marked".to_owned(), |key| format!("{} without a fresh mark, {key} first", unmarked.len()));
    Some(Check::new(
        Reason::MarkMissing,
        unmarked.is_empty(),
        observed,
        format!("every holding marked within {} ms", case.limits.mark_age_max_ms),
    ))
}
