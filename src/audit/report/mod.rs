//! A day or a week on a page: what was earned and where, what was refused and why, how well it was filled, whether log and
//! accounts agree. Counted from the log alone; all sums exact.

/// What is counted, record by record.
mod count;
/// Headings, tables and a curve as Markdown and as HTML.
mod page;
#[cfg(test)]
mod tests;
/// The words and tables of the page.
mod words;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::history::History;
use super::replay::ReplayError;
use super::views::date;
use crate::domain::money::{Quantity, Usd};
use crate::domain::time::Time;
use crate::projections::Projections;
use count::{Brought, Counter};

/// Trading days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: i32,
    pub until: i32,
}

/// What one group of orders brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    pub orders: u64,
    pub filled_orders: u64,
    pub contracts: Quantity,
    /// Paid and received for contracts, fees aside.
    pub turnover: Usd,
    pub realized: Usd,
    pub fees: Usd,
}

impl Group {
    pub fn net(&self) -> Usd {
        self.realized - self.fees
    }
}

/// How orders were filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Execution {
    pub sent: u64,
    pub filled_whole: u64,
    pub filled_partly: u64,
    pub unfilled: u64,
    pub contracts_sent: Quantity,
    pub contracts_filled: Quantity,
    /// Opens that were filled and whose signal showed the touch.
    pub compared: Quantity,
    /// Paid beyond the touch that the signal saw; below zero: better than it.
    pub slippage: Usd,
    pub fill_ms_p50: Option<i64>,
    pub fill_ms_p95: Option<i64>,
}

/// Something that a person wants to know the moment of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub at: Time,
    pub what: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: String,
    pub until: String,
    pub opening_equity: Option<Usd>,
    pub closing_equity: Usd,
    pub realized: Usd,
    pub unrealized: Usd,
    pub fees: Usd,
    pub signals: u64,
    pub rejected: u64,
    pub vetoed: u64,
    pub approved: u64,
    pub by_venue: BTreeMap<String, Group>,
    pub by_sport: BTreeMap<String, Group>,
    pub by_signal_type: BTreeMap<String, Group>,
    pub by_edge: BTreeMap<String, Group>,
    /// Markets by what they brought, the worst first.
    pub markets: Vec<(String, Usd)>,
    pub vetoes: BTreeMap<&'static str, u64>,
    /// Why messages were rejected, shortened.
    pub rejections: BTreeMap<String, u64>,
    pub execution: Execution,
    /// How unknown outcomes ended.
    pub unknowns: BTreeMap<&'static str, u64>,
    pub divergences: u64,
    pub adjustments: u64,
    pub external_orders: u64,
    /// The last count of each account in the period: log, venue.
    pub cash_counts: BTreeMap<String, (Usd, Usd)>,
    pub moments: Vec<Moment>,
    /// Milliseconds since 1970 and equity.
    pub equity: Vec<(i64, Usd)>,
}

impl Period {
    pub fn day(day: i32) -> Self {
        Self { from: day, until: day }
    }

    /// The seven days that end with this one.
    pub fn week(last: i32) -> Self {
        Self { from: last - 6, until: last }
    }
}

/// Counts the period. `None`: the log has no trading day in it.
pub fn report(history: &dyn History, period: Period) -> Result<Option<Report>, ReplayError> {
    let mut counter = Counter::new(period);
    let mut book = Projections::default();
    let mut failed = None;
    history.scan(1, &mut |record| {
        let (realized, fees) = (book.cash.realized, book.cash.fees);
        failed = book.fold(record).err();
        counter.take(record, &book, Brought { realized: book.cash.realized - realized, fees: book.cash.fees - fees });
        failed.is_none() && !counter.is_past()
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(counter.is_begun().then(|| counter.report(&book))),
    }
}

impl Report {
    /// Figures for programs, the page for people in both forms.
    pub fn answer(&self) -> Value {
        let page = words::page(self);
        json!({ "report": self, "markdown": page.markdown(), "html": page.html(&format!("Arbees, {} to {}", self.from, self.until)) })
    }
}

fn day_text(day: i32) -> String {
    date(day)
}
