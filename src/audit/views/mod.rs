//! The present as people and programs see it: one struct per reading command, its serde form the JSON of command and API.
//!
//! Money, prices and quantities are decimal strings; times are RFC 3339.

/// A day of cash against what venues say.
mod cash;
/// Worst cases against their limits.
mod exposure;
/// Orders.
mod orders;
/// Cash, equity, the day.
mod pnl;
/// Holdings.
mod positions;
/// The engine itself: mode, readiness, breakers, kill.
mod status;

pub use cash::{CashView, DayFold, cash, parse_date};
pub use exposure::{ExposureView, GroupExposure, exposure};
pub use orders::{OrderFilter, OrderView, order_view, orders};
pub use pnl::{DayView, PnlView, pnl};
pub use positions::{PositionView, position_view, positions};
pub use status::{BreakerView, BreakersView, EngineFacts, KillView, StatusView, UnknownOrder, breakers, kill, status};

/// `2026-01-28` for the days since 1970-01-01.
pub fn date(day: i32) -> String {
    let span = jiff::Span::new().try_days(i64::from(day));
    let date = span.and_then(|days| jiff::civil::date(1970, 1, 1).checked_add(days));
    date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
}

#[cfg(test)]
mod tests;
