//! The daily proof: what moved each account's cash, what it must hold by that, what its venue says, and what nobody explains.

use std::collections::BTreeMap;

use serde::Serialize;

use super::date;
use crate::audit::history::{History, ReadError};
use crate::domain::event::{Event, Recorded};
use crate::domain::market::Venue;
use crate::domain::money::Usd;
use crate::domain::time::Time;
use crate::projections::{Account, Counted, FoldError, Projections};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CashView {
    pub date: Option<String>,
    pub accounts: Vec<AccountView>,
}

/// Each amount as it moved the cash: below zero it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountView {
    pub venue: Venue,
    pub opening: Usd,
    #[serde(flatten)]
    pub lines: BTreeMap<&'static str, Usd>,
    /// The sum of all that.
    pub expected: Usd,
    /// Held for orders that are open: the venue may have taken it out already.
    pub reserved: Usd,
    /// Of fills that aren't final: the venue may not show it yet.
    pub proceeds_pending: Usd,
    pub spent_pending: Usd,
    /// Absent before the day was counted, and on paper.
    pub count: Option<CountView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountView {
    pub at: Time,
    /// The venue's time up to which it was read.
    pub read_through: Time,
    /// At that moment, here and there.
    pub ours: Usd,
    pub theirs: Usd,
    pub unexplained: Usd,
}

impl From<&Counted> for CountView {
    fn from(count: &Counted) -> Self {
        Self { at: count.at, read_through: count.read_through, ours: count.ours, theirs: count.theirs, unexplained: count.unexplained }
    }
}

fn account((venue, account): (Venue, &Account)) -> AccountView {
    let today = &account.today;
    AccountView {
        venue,
        opening: today.opening,
        lines: today.lines().into_iter().collect(),
        expected: today.expected(),
        reserved: account.reserved,
        proceeds_pending: account.proceeds_pending,
        spent_pending: account.spent_pending,
        count: account.counted.as_ref().filter(|count| Some(count.day) == today.day).map(CountView::from),
    }
}

/// The present day.
pub fn cash(book: &Projections) -> CashView {
    CashView { date: book.cash.day.map(date), accounts: book.cash.accounts().map(account).collect() }
}

/// `2026-01-28` as days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i32> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let since = jiff::civil::date(1970, 1, 1).until(date).ok()?;
    Some(since.get_days())
}

/// A day that has ended, folded from the log: the state at its end, and the count that came after it.
#[derive(Default)]
pub struct DayFold {
    book: Projections,
    view: Option<CashView>,
    broken: Option<FoldError>,
}

impl DayFold {
    /// `None`: the log has no such day, or it hasn't ended. Errors: the log can't be read or folded.
    pub fn of(history: &dyn History, day: i32) -> Result<Option<CashView>, ReadError> {
        let mut fold = Self::default();
        history.scan(1, &mut |record| fold.take(record, day))?;
        match fold.broken {
            Some(error) => Err(ReadError(format!("the fold stops: {error}"))),
            None => Ok(fold.view),
        }
    }

    /// Whether more of the log is wanted: until the next day has ended too, by when the count has come or never will.
    fn take(&mut self, record: &Recorded, day: i32) -> bool {
        let begins = if let Event::TradingDayStarted { day, .. } = record.event { Some(day) } else { None };
        let ends = begins.is_some_and(|begins| begins > day);
        if ends && self.view.is_some() {
            return false;
        }
        if ends {
            self.view = (self.book.cash.day == Some(day)).then(|| cash(&self.book));
        }
        self.broken = self.book.fold(record).err();
        if let (Some(view), Event::CashCounted { venue, day: of, .. }) = (&mut self.view, &record.event)
            && *of == day
            && let Some(count) = self.book.cash.account(*venue).and_then(|account| account.counted.as_ref())
            && let Some(row) = view.accounts.iter_mut().find(|row| row.venue == *venue)
        {
            row.count = Some(count.into());
        }
        self.broken.is_none() && (!ends || self.view.is_some())
    }
}
