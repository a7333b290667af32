//! Cash, equity and the day's figures.

use serde::{Deserialize, Serialize};

use crate::domain::money::Usd;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cash {
    /// The opening balance is booked.
    pub opened: bool,
    pub cash: Usd,
    /// What outstanding orders may still take.
    pub reserved: Usd,
    /// All holdings at their executable marks.
    pub marked_value: Usd,
    /// Since the log began, fees aside.
    pub realized: Usd,
    pub fees: Usd,
    /// Days since 1970-01-01 at the configured offset.
    pub day: Option<i32>,
    pub day_opening_equity: Usd,
    /// Deposits less withdrawals of the day: not a gain.
    day_moved: Usd,
    day_opening_realized: Usd,
    day_opening_fees: Usd,
}

impl Cash {
    pub fn equity(&self) -> Usd {
        self.cash + self.marked_value
    }

    /// Realised, marked and fees together since the day's opening.
    pub fn day_pnl(&self) -> Usd {
        if self.day.is_none() { Usd::ZERO } else { self.equity() - self.day_opening_equity - self.day_moved }
    }

    pub fn day_realized(&self) -> Usd {
        self.realized - self.day_opening_realized
    }

    pub fn day_fees(&self) -> Usd {
        self.fees - self.day_opening_fees
    }

    pub(super) fn opening(&mut self, cash: Usd) {
        self.opened = true;
        self.moved(cash);
    }

    pub(super) fn moved(&mut self, amount: Usd) {
        self.cash += amount;
        self.day_moved += amount;
    }

    pub(super) fn start_day(&mut self, day: i32, equity: Usd) {
        self.day = Some(day);
        self.day_opening_equity = equity;
        self.day_moved = Usd::ZERO;
        self.day_opening_realized = self.realized;
        self.day_opening_fees = self.fees;
    }
}
