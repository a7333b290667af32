//! A day of one account's cash, line by line: what the daily proof adds up before it asks the venue.

use serde::{Deserialize, Serialize};

use crate::domain::money::Usd;
use crate::domain::time::Time;

/// What moves cash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Booking {
    Opening,
    /// A deposit or a withdrawal.
    Moved,
    /// A fill, its fee aside.
    Traded,
    /// Charged when below zero; above, a correction gave some back.
    Fee,
    /// A market's result.
    Settled,
    Redeemed,
    /// Fills that the venue took back, with their fees.
    TakenBack,
    /// By an operator.
    Adjusted,
}

/// Every amount as it moved the cash: below zero it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashDay {
    /// Days since 1970-01-01; `None` before the first trading day.
    pub day: Option<i32>,
    pub opening: Usd,
    pub deposits: Usd,
    pub withdrawals: Usd,
    pub bought: Usd,
    pub sold: Usd,
    pub fees: Usd,
    pub settled: Usd,
    pub redeemed: Usd,
    pub taken_back: Usd,
    pub adjusted: Usd,
}

/// One count of an account against its venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub day: i32,
    pub at: Time,
    /// The venue's time up to which it was read.
    pub read_through: Time,
    pub ours: Usd,
    pub theirs: Usd,
    /// Of the difference, what neither resting orders nor fills that aren't final explain.
    pub unexplained: Usd,
}

impl CashDay {
    pub(super) fn beginning(day: i32, opening: Usd) -> Self {
        Self { day: Some(day), opening, ..Self::default() }
    }

    pub(super) fn book(&mut self, by: Booking, amount: Usd) {
        let came = amount > Usd::ZERO;
        let line = match by {
            Booking::Opening => &mut self.opening,
            Booking::Moved if came => &mut self.deposits,
            Booking::Moved => &mut self.withdrawals,
            Booking::Traded if came => &mut self.sold,
            Booking::Traded => &mut self.bought,
            Booking::Fee => &mut self.fees,
            Booking::Settled => &mut self.settled,
            Booking::Redeemed => &mut self.redeemed,
            Booking::TakenBack => &mut self.taken_back,
            Booking::Adjusted => &mut self.adjusted,
        };
        *line += amount;
    }

    /// Everything but the opening, by name.
    pub fn lines(&self) -> [(&'static str, Usd); 9] {
        [
            ("deposits", self.deposits),
            ("withdrawals", self.withdrawals),
            ("bought", self.bought),
            ("sold", self.sold),
            ("fees", self.fees),
            ("settled", self.settled),
            ("redeemed", self.redeemed),
            ("taken_back", self.taken_back),
            ("adjusted", self.adjusted),
        ]
    }

    /// What the account holds if every line is true.
    pub fn expected(&self) -> Usd {
        self.opening + self.lines().into_iter().map(|(_, amount)| amount).sum()
    }
}
