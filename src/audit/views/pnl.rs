//! Cash, equity and the day.

use serde::Serialize;

use super::date;
use crate::domain::money::Usd;
use crate::projections::Projections;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PnlView {
    pub cash: Usd,
    /// What outstanding orders may still take.
    pub reserved: Usd,
    /// Less what was sold for and isn't settled yet.
    pub free_cash: Usd,
    /// Cash and holdings at their marks.
    pub equity: Usd,
    pub marked_value: Usd,
    /// Since the log began, fees aside; closed and settled positions included.
    pub realized_pnl: Usd,
    pub unrealized_pnl: Usd,
    pub fees: Usd,
    /// Held markets without a fresh mark: while there are any, the day's figure is a lower bound.
    pub unmarked: Vec<String>,
    /// Absent before the first trading day.
    pub day: Option<DayView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayView {
    pub date: String,
    pub opening_equity: Usd,
    /// Realised, marked and fees together since the opening.
    pub pnl: Usd,
    pub realized: Usd,
    pub fees: Usd,
    /// `MAX_DAILY_LOSS`: opens stop when the day has lost this much.
    pub limit: Option<Usd>,
}

pub fn pnl(book: &Projections) -> PnlView {
    let cash = &book.cash;
    PnlView {
        cash: cash.cash,
        reserved: cash.reserved,
        free_cash: cash.free_in_all(),
        equity: cash.equity(),
        marked_value: cash.marked_value,
        realized_pnl: cash.realized,
        unrealized_pnl: book.positions.held().map(|(_, position)| position.unrealized()).sum(),
        fees: cash.fees,
        unmarked: book.unmarked(book.recorded_at).iter().map(|key| key.to_string()).collect(),
        day: cash.day.map(|day| DayView {
            date: date(day),
            opening_equity: cash.day_opening_equity,
            pnl: cash.day_pnl(),
            realized: cash.day_realized(),
            fees: cash.day_fees(),
            limit: book.limits.as_ref().map(|limits| limits.daily_loss_max),
        }),
    }
}
