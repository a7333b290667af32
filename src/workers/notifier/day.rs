//! What a day has brought, counted from its records.

use crate::domain::event::Event;
use crate::domain::money::Usd;
use crate::domain::time::Time;
use crate::projections::Projections;

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    pub requested: u64,
    pub vetoed: u64,
    pub rejected: u64,
    pub fills: u64,
    pub settled: u64,
    pub trips: u64,
}

impl Day {
    /// Counts one record; a new day begins at nothing.
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::TradingDayStarted { .. } => *self = Self::default(),
            Event::OrderRequested { .. } => self.requested += 1,
            Event::OrderVetoed { .. } => self.vetoed += 1,
            Event::SignalRejected { .. } => self.rejected += 1,
            Event::Filled(_) => self.fills += 1,
            Event::MarketSettled { .. } => self.settled += 1,
            Event::BreakerTripped { .. } => self.trips += 1,
            _ => {}
        }
    }

    /// The day that ends, in one line; `None` before the first. `book`: as it was at its end.
    pub fn summary(&self, book: &Projections) -> Option<String> {
        let (cash, date) = (&book.cash, date(book.cash.day?));
        let result = format!("day {date}: result {}", signed(cash.day_pnl()));
        let money =
            format!("realised {}, fees {}, equity {}", signed(cash.day_realized()), dollars(cash.day_fees()), dollars(cash.equity()));
        let asked = format!("{} signals ({} vetoed, {} not understood)", self.requested + self.rejected, self.vetoed, self.rejected);
        let held = book.positions.held().count();
        let more = format!("{}, {} settled, {held} positions held", counted(self.fills, "fill"), counted(self.settled, "market"));
        let stops = match (book.breakers.kill.is_some(), self.trips) {
            (true, _) => "; the kill is on".to_owned(),
            (false, 0) => String::new(),
            (false, trips) => format!("; {} opened", counted(trips, "breaker")),
        };
        Some(format!("{result} ({money}); {asked}, {more}{stops}"))
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn date(day: i32) -> String {
    Time::from_ms(i64::from(day) * DAY_MS).to_string().chars().take(10).collect()
}

/// `$12.50`, with cents, and more digits only where there are more.
pub fn dollars(amount: Usd) -> String {
    let text = amount.abs().to_string();
    let cents = text.split_once('.').map_or(0, |(_, cents)| cents.len());
    let rest = match cents {
        0 => ".00",
        1 => "0",
        _ => "",
    };
    format!("{}${text}{rest}", if amount < Usd::ZERO { "-" } else { "" })
}

/// The same with a plus before a gain.
pub fn signed(amount: Usd) -> String {
    format!("{}{}", if amount > Usd::ZERO { "+" } else { "" }, dollars(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_people_write_them() {
        let told = |text: &str| signed(Usd::parse(text).expect(text));
        assert_eq!(
            ["0", "5", "-0.2", "12.34", "0.1234"].map(told),
            ["$0.00", "+$5.00", "-$0.20", "+$12.34", "+$0.1234"].map(str::to_owned)
        );
        assert_eq!(date(20_481), "2026-01-28");
    }
}
