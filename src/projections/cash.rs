//! Cash, equity and the day's figures. Each venue has an account of its own; on paper there is one for all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::cash_day::{Booking, CashDay, Counted};
use super::provisional::Pending;
use crate::domain::event::FoundTrade;
use crate::domain::market::Venue;
use crate::domain::money::Usd;
use crate::domain::planted::{self, Bug};
use crate::domain::time::Time;

/// Cash at one venue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub cash: Usd,
    /// What outstanding orders may still take.
    pub reserved: Usd,
    /// Movements already booked, by the venue's name for them.
    moved: BTreeSet<Box<str>>,
    /// Cash of sells that aren't final at the venue: booked, and not yet there.
    #[serde(skip_serializing_if = "no_money", default)]
    pub proceeds_pending: Usd,
    /// Cash of buys that aren't final at the venue: booked as spent, and still there.
    #[serde(skip_serializing_if = "no_money", default)]
    pub spent_pending: Usd,
    /// Paid out by results, but only once the tokens are redeemed.
    #[serde(skip_serializing_if = "no_money", default)]
    pub redeemable: Usd,
    /// When the opening balance was booked: what the venue lists from before is part of it.
    pub opened_at: Time,
    /// Trades of about that moment that are part of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opened_with: Option<Vec<FoundTrade>>,
    /// What moved the cash since the day began.
    pub today: CashDay,
    /// A day that has ended and was not counted against the venue yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncounted: Option<i32>,
    /// The last count against the venue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counted: Option<Counted>,
}

impl Account {
    /// The least and the most that the venue may show: with or without the price of resting orders, and with whatever part of
    /// the fills that aren't final.
    pub fn may_be_shown_as(&self) -> (Usd, Usd) {
        (self.cash - self.reserved - self.proceeds_pending, self.cash + self.spent_pending)
    }

    /// What the venue shows beyond that.
    pub fn unexplained(&self, stated: Usd) -> Usd {
        let (least, most) = self.may_be_shown_as();
        stated - stated.clamp(least.min(most), most)
    }

    /// What the venue would take for a new order: it refuses to be paid with proceeds that may still be taken back.
    fn free(&self) -> Usd {
        let reserved = if planted::has(Bug::CashSpentTwice) { Usd::ZERO } else { self.reserved };
        self.cash - reserved - self.proceeds_pending
    }

    /// Net cash of fills that aren't final at the venue.
    pub fn unsettled(&self) -> Usd {
        self.proceeds_pending - self.spent_pending
    }
}

fn no_money(amount: &Usd) -> bool {
    amount.is_zero()
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cash {
    accounts: BTreeMap<Venue, Account>,
    /// Over all accounts.
    pub cash: Usd,
    /// What outstanding orders may still take, in all.
    pub reserved: Usd,
    /// All holdings at their executable marks.
    pub marked_value: Usd,
    /// Results of markets whose tokens are still to be redeemed, over all accounts: no cash to trade with.
    #[serde(skip_serializing_if = "no_money", default)]
    pub redeemable: Usd,
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
        self.cash + self.marked_value + self.redeemable
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

    /// The opening balance of this account is booked.
    pub fn is_opened(&self, account: Venue) -> bool {
        self.accounts.contains_key(&account)
    }

    /// What pays for orders at this venue: its own account, or the one of the paper exchange.
    pub fn account(&self, venue: Venue) -> Option<&Account> {
        self.accounts.get(&self.payer(venue))
    }

    /// Cash for orders at this venue that no outstanding one may still take; sold for and not settled, it is not there yet.
    pub fn free(&self, venue: Venue) -> Usd {
        self.account(venue).map_or(Usd::ZERO, Account::free)
    }

    /// The same over all accounts.
    pub fn free_in_all(&self) -> Usd {
        self.accounts.values().map(Account::free).sum()
    }

    pub fn has_moved(&self, venue: Venue, id: &str) -> bool {
        self.accounts.get(&venue).is_some_and(|account| account.moved.contains(id))
    }

    /// Whose account pays for orders at this venue.
    pub fn payer(&self, venue: Venue) -> Venue {
        if self.accounts.contains_key(&venue) { venue } else { Venue::Paper }
    }

    fn account_mut(&mut self, venue: Venue) -> &mut Account {
        self.accounts.entry(self.payer(venue)).or_default()
    }

    pub(super) fn opening(&mut self, venue: Venue, cash: Usd, found: Option<&Vec<FoundTrade>>, at: Time) {
        let account = self.accounts.entry(venue).or_default();
        (account.opened_at, account.opened_with, account.today.day) = (at, found.cloned(), self.day);
        self.paid(venue, Booking::Opening, cash);
        self.day_moved += cash;
    }

    pub(super) fn moved(&mut self, venue: Venue, id: &str, amount: Usd) {
        if !id.is_empty() && !self.account_mut(venue).moved.insert(id.into()) {
            return;
        }
        self.paid(venue, Booking::Moved, amount);
        self.day_moved += amount;
    }

    /// Came (or went, below zero) by this.
    pub(super) fn paid(&mut self, venue: Venue, by: Booking, amount: Usd) {
        let account = self.account_mut(venue);
        account.cash += amount;
        account.today.book(by, amount);
        self.cash += amount;
    }

    pub(super) fn redeemable(&mut self, venue: Venue, amount: Usd) {
        if !amount.is_zero() {
            self.account_mut(venue).redeemable += amount;
            self.redeemable += amount;
        }
    }

    /// What isn't final of one book, before and after.
    pub(super) fn pending(&mut self, venue: Venue, before: Pending, after: Pending) {
        if before != after {
            let account = self.account_mut(venue);
            account.proceeds_pending += after.proceeds - before.proceeds;
            account.spent_pending += after.spent - before.spent;
        }
    }

    pub(super) fn reserve(&mut self, venue: Venue, amount: Usd) {
        if !amount.is_zero() {
            self.account_mut(venue).reserved += amount;
            self.reserved += amount;
        }
    }

    /// What came or went beside all trading: not a gain of the day.
    pub(super) fn beside_trading(&mut self, value: Usd) {
        self.day_moved += value;
    }

    pub(super) fn counted(&mut self, venue: Venue, day: i32, theirs: Usd, read_through: Time, at: Time) {
        let Some(account) = self.accounts.get_mut(&venue) else { return };
        let unexplained = account.unexplained(theirs);
        account.counted = Some(Counted { day, at, read_through, ours: account.cash, theirs, unexplained });
        account.uncounted = account.uncounted.filter(|due| *due > day);
    }

    /// All accounts: one on paper, one for each venue with money.
    pub fn accounts(&self) -> impl Iterator<Item = (Venue, &Account)> {
        self.accounts.iter().map(|(venue, account)| (*venue, account))
    }

    pub(super) fn start_day(&mut self, day: i32, equity: Usd) {
        self.day = Some(day);
        self.day_opening_equity = equity;
        self.day_moved = Usd::ZERO;
        self.day_opening_realized = self.realized;
        self.day_opening_fees = self.fees;
        for account in self.accounts.values_mut() {
            account.uncounted = account.today.day.or(account.uncounted);
            account.today = CashDay::beginning(day, account.cash);
        }
    }
}
