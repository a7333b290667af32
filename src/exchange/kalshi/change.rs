//! Orders that are already there: cancelled, decreased, amended, expired.

use super::core::{Core, Job};
use super::orders::{Reason, Status};
use super::place::Took;
use super::refusal::Refusal;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, OrderNo};

/// What an amendment asks for; the count is the total: filled plus wanted.
#[derive(Clone, Debug)]
pub struct Amendment {
    pub price: Price,
    pub total: Quantity,
    pub client_id: Option<String>,
    /// Absent keeps, `Some(None)` clears.
    pub expires: Option<Option<Time>>,
}

impl Core {
    /// Ends an order that rests nowhere (any more): what was left of it is cancelled.
    pub fn end(&mut self, no: OrderNo, reason: Option<Reason>) {
        let now = self.now();
        let order = self.order_mut(no);
        order.change(now, reason, |view| {
            view.left = Quantity::ZERO;
            view.status = Status::Canceled;
        });
        let (account, market) = (order.account, order.market);
        if let Some(resting) = self.account_mut(account).resting.get_mut(&market) {
            resting.remove(&no);
        }
        self.square(account, market);
        self.tell_order(no);
    }

    /// Takes a resting order out of the book. Returns what was cancelled.
    pub fn cancel_resting(&mut self, no: OrderNo, reason: Option<Reason>) -> Quantity {
        let order = self.order(no);
        let (market, side, price) = (order.market, order.side, order.view.price);
        let Some(left) = self.market_mut(market).book.remove(side, price, no) else { return Quantity::ZERO };
        self.tell_level(no, -left);
        self.end(no, reason);
        left
    }

    /// The matching has already taken it out of the book.
    pub fn canceled_by_taker(&mut self, no: OrderNo) {
        self.tell_level(no, -self.order(no).view.left);
        self.end(no, Some(Reason::SelfTradeCancel));
    }

    /// An order of this account that can still be changed. Errors: 404 when it can't, or doesn't exist.
    pub fn changeable(&self, account: AccountNo, no: Option<OrderNo>) -> Result<OrderNo, Refusal> {
        if !self.hours.exchange_active {
            return Err(Refusal::nested(503, "exchange_paused", None));
        }
        let order = no.map(|no| self.order(no)).filter(|order| order.account == account).ok_or_else(Refusal::not_found)?;
        if !self.market(order.market).takes_cancels() {
            return Err(Refusal::market_inactive());
        }
        if order.is_resting() { Ok(order.no) } else { Err(Refusal::not_found()) }
    }

    pub fn cancel(&mut self, account: AccountNo, no: Option<OrderNo>) -> Result<(OrderNo, Quantity), Refusal> {
        let no = self.changeable(account, no)?;
        Ok((no, self.cancel_resting(no, None)))
    }

    /// Every resting order, and what is placed within the next minute.
    pub fn cancel_all(&mut self, account: AccountNo) {
        let until = self.now().plus_ms(self.rules.cancel_all_shadow_ms);
        self.account_mut(account).cancel_all_until = until;
        let resting: Vec<OrderNo> = self.account(account).resting.values().flatten().copied().collect();
        for no in resting {
            self.cancel_resting(no, None);
        }
    }

    /// Makes an order smaller in its place; to nothing is a cancel.
    pub fn decrease(&mut self, no: OrderNo, left: Quantity, reason: Reason) -> Result<(), Refusal> {
        let order = self.order(no);
        let (before, side, price, market, account) = (order.view.left, order.side, order.view.price, order.market, order.account);
        if left >= before || left < Quantity::ZERO {
            return Err(Refusal::order("invalid_order_size"));
        }
        if left.is_zero() {
            self.cancel_resting(no, Some(reason));
            return Ok(());
        }
        self.market_mut(market).book.shrink(side, price, no, left);
        let now = self.now();
        self.order_mut(no).change(now, Some(reason), |view| {
            view.initial -= before - left;
            view.left = left;
        });
        self.square(account, market);
        self.tell_level(no, left - before);
        self.tell_order(no);
        Ok(())
    }

    /// Another price or a larger size goes to the end of the queue and may trade; a smaller size or another expiry stays.
    pub fn amend(&mut self, no: OrderNo, change: &Amendment) -> Result<Took, Refusal> {
        let order = self.order(no);
        let (account, market, filled, before) = (order.account, order.market, order.view.filled, order.view.left);
        let (side, price) = (order.side, order.view.price);
        if !self.hours.trading_active {
            return Err(Refusal::order("trading_paused"));
        }
        if !self.market(market).grid.holds(change.price) {
            return Err(Refusal::order("invalid_price"));
        }
        let left = change.total - filled;
        if left <= Quantity::ZERO {
            return Err(Refusal::order("invalid_order_size"));
        }
        if let Some(id) = &change.client_id
            && !self.account_mut(account).burnt.insert(id.clone())
        {
            return Err(Refusal::already_exists());
        }
        let moves = change.price != price || left > before;
        if moves {
            self.check_amended_money(no, change.price, left)?;
        }
        self.rename(no, change);
        let nothing = Took { order: no, filled: Quantity::ZERO, value: Usd::ZERO, fees: Usd::ZERO };
        if moves {
            return Ok(self.requeue(no, (side, price, before), change.price, left));
        }
        if left < before {
            self.decrease(no, left, Reason::Amend)?;
        } else {
            self.tell_order(no);
        }
        Ok(nothing)
    }

    fn rename(&mut self, no: OrderNo, change: &Amendment) {
        let now = self.now();
        self.order_mut(no).change(now, Some(Reason::Amend), |view| {
            if let Some(id) = &change.client_id {
                view.client_id = id.clone();
            }
            if let Some(expires) = change.expires {
                view.expires = expires;
            }
        });
        if let Some(Some(expires)) = change.expires {
            self.schedule(expires, Job::Expire(no));
        }
    }

    fn check_amended_money(&self, no: OrderNo, price: Price, left: Quantity) -> Result<(), Refusal> {
        let order = self.order(no);
        let (account, market) = (order.account, order.market);
        let now = self.collateral(account, market, None);
        let without = super::account::held(
            &self.account(account).position(market),
            self.account(account)
                .resting
                .get(&market)
                .into_iter()
                .flatten()
                .filter(|other| **other != no)
                .map(|other| {
                    let order = self.order(*other);
                    (order.side, order.view.price, order.view.left)
                })
                .chain([(order.side, price, left)]),
        );
        let available = self.available(account, self.market(market).shard);
        if without - now > available { Err(Refusal::order("insufficient_balance")) } else { Ok(()) }
    }

    fn requeue(&mut self, no: OrderNo, was: (Side, Price, Quantity), price: Price, left: Quantity) -> Took {
        let (side, old_price, before) = was;
        let (account, market) = (self.order(no).account, self.order(no).market);
        self.market_mut(market).book.remove(side, old_price, no);
        self.tell_level(no, -before);
        if let Some(resting) = self.account_mut(account).resting.get_mut(&market) {
            resting.remove(&no);
        }
        let now = self.now();
        self.order_mut(no).change(now, Some(Reason::Amend), |view| {
            view.initial = view.filled + left;
            view.left = left;
            view.price = price;
        });
        self.run(no)
    }

    pub fn expire(&mut self, no: OrderNo) {
        let order = self.order(no);
        if order.is_resting() && order.view.expires.is_some_and(|expires| expires <= self.now()) {
            self.cancel_resting(no, Some(Reason::ExpiryCancel));
        }
    }
}
