//! A new order: what refuses it, what it trades at once, and where its rest goes.

use super::core::{Core, FillOrKill, Job, PostOnlyCross};
use super::markets::Life;
use super::orders::{InForce, NewOrder, Order, Reason, Source, Status};
use super::refusal::Refusal;
use crate::domain::fees::{OrderFees, taker_bound};
use crate::domain::market::Venue;
use crate::domain::money::{Quantity, Usd};
use crate::exchange::book::{Contact, Entry, Newcomer, SelfTrade};
use crate::exchange::ids::{CROWD, OrderNo};

/// What the call that placed or changed an order traded by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    pub order: OrderNo,
    pub filled: Quantity,
    /// Price times quantity over those fills.
    pub value: Usd,
    pub fees: Usd,
}

impl Core {
    /// Takes an order, or says why not. A refusal leaves nothing, except that a killed fill-or-kill burns its id.
    pub fn place(&mut self, new: &NewOrder) -> Result<Took, Refusal> {
        self.check_open(new)?;
        self.check_terms(new)?;
        if self.account(new.account).burnt.contains(&new.client_id) {
            return Err(Refusal::already_exists());
        }
        self.check_group(new)?;
        let quantity = self.reducible(new);
        let newcomer = self.newcomer(new, quantity);
        let crosses = self.market(new.market).book.would_cross(new.side, new.price);
        if new.post_only && crosses && self.rules.post_only_cross == PostOnlyCross::Refuse {
            return Err(Refusal::invalid_order("post only cross"));
        }
        self.check_money(new, &newcomer)?;
        if new.account != CROWD {
            self.account_mut(new.account).burnt.insert(new.client_id.clone());
        }
        let killed = new.in_force == InForce::FillOrKill && self.market(new.market).book.reachable(&newcomer) < quantity;
        if killed && self.rules.fill_or_kill == FillOrKill::Refuse {
            return Err(Refusal::fill_or_kill());
        }
        let ended = if quantity.is_zero() {
            Some(Some(Reason::ReduceOnlyCancel))
        } else if new.post_only && crosses {
            Some(Some(Reason::PostOnlyCrossCancel))
        } else if killed || self.now() < self.account(new.account).cancel_all_until {
            Some(None)
        } else {
            None
        };
        Ok(self.accept(new, quantity, ended))
    }

    fn check_open(&self, new: &NewOrder) -> Result<(), Refusal> {
        if new.source == Source::Crowd {
            return Ok(());
        }
        // The words are FIX's; REST's are not documented (`kalshi.md` §2.2).
        if !self.hours.exchange_active {
            return Err(Refusal::nested(503, "exchange_paused", None));
        }
        if !self.hours.trading_active {
            return Err(Refusal::order("trading_paused"));
        }
        if self.market(new.market).life != Life::Active { Err(Refusal::market_inactive()) } else { Ok(()) }
    }

    fn check_terms(&self, new: &NewOrder) -> Result<(), Refusal> {
        if new.quantity <= Quantity::ZERO {
            return Err(Refusal::order("invalid_order_size"));
        }
        if !self.market(new.market).grid.holds(new.price) {
            return Err(Refusal::order("invalid_price"));
        }
        if new.expires.is_some() && new.in_force != InForce::UntilCanceled {
            return Err(Refusal::invalid_order("expiration_time is only for good_till_canceled"));
        }
        if new.expires.is_some_and(|expires| expires <= self.now()) {
            return Err(Refusal::invalid_order("expiration_time is in the past"));
        }
        if new.reduce_only && new.in_force == InForce::UntilCanceled {
            return Err(Refusal::invalid_order("reduce_only is only for immediate_or_cancel"));
        }
        if new.post_only && new.in_force != InForce::UntilCanceled {
            return Err(Refusal::invalid_order("post_only is only for good_till_canceled"));
        }
        Ok(())
    }

    fn check_group(&self, new: &NewOrder) -> Result<(), Refusal> {
        let Some(id) = new.group else { return Ok(()) };
        let group = self.group(new.account, id).map_err(|_| Refusal::nested(404, "order_group_not_found", None))?;
        if group.shard != self.market(new.market).shard {
            return Err(Refusal::nested(404, "order_group_not_found", Some("bound to another exchange_index")));
        }
        if group.triggered { Err(Refusal::order("exceeded_order_group_risk_limit")) } else { Ok(()) }
    }

    /// A reduce-only order is cut to what would close the position.
    fn reducible(&self, new: &NewOrder) -> Quantity {
        if !new.reduce_only {
            return new.quantity;
        }
        self.account(new.account).position(new.market).closing(new.side, new.quantity)
    }

    pub fn newcomer(&self, new: &NewOrder, quantity: Quantity) -> Newcomer {
        let self_trade = if new.account == CROWD { SelfTrade::Allowed } else { new.self_trade };
        Newcomer { side: new.side, limit: new.price, quantity, owner: new.account, self_trade }
    }

    /// The collateral it would add, and a bound of the fees of what it would take, must be there on this shard.
    fn check_money(&self, new: &NewOrder, newcomer: &Newcomer) -> Result<(), Refusal> {
        if new.account == CROWD {
            return Ok(());
        }
        let market = self.market(new.market);
        let more = Some((new.side, new.price, newcomer.quantity));
        let added = self.collateral(new.account, new.market, more) - self.collateral(new.account, new.market, None);
        let taken = market.book.reachable(newcomer);
        let fees = if taken.is_zero() { Usd::ZERO } else { taker_bound(market.fees.rate(), new.price, taken) };
        // What closes a position brings money, out of which its fee is paid.
        let opens = !added.is_zero();
        let needed = if opens { added + fees } else { Usd::ZERO };
        if needed > self.available(new.account, market.shard) { Err(Refusal::order("insufficient_balance")) } else { Ok(()) }
    }

    /// `ended`: it is cancelled at once, for this reason.
    fn accept(&mut self, new: &NewOrder, quantity: Quantity, ended: Option<Option<Reason>>) -> Took {
        let no = self.next_order();
        let id = self.new_id();
        let fees = OrderFees::new(Venue::Kalshi, self.market(new.market).fees.rate(), self.rules.balance_unit);
        let order = Order::new(no, id, new, quantity, fees, self.now());
        self.push_order(order);
        let nothing = Took { order: no, filled: Quantity::ZERO, value: Usd::ZERO, fees: Usd::ZERO };
        if let Some(reason) = ended {
            self.end(no, reason);
            return nothing;
        }
        self.run(no)
    }

    /// Lets an order that isn't in the book trade, and puts its rest where its terms say.
    pub fn run(&mut self, no: OrderNo) -> Took {
        let order = self.order(no);
        let (market, side, price, left) = (order.market, order.side, order.view.price, order.view.left);
        let self_trade = if order.account == CROWD { SelfTrade::Allowed } else { order.self_trade };
        let newcomer = Newcomer { side, limit: price, quantity: left, owner: order.account, self_trade };
        let crossed = self.market_mut(market).book.cross(&newcomer);
        let mut took = Took { order: no, filled: Quantity::ZERO, value: Usd::ZERO, fees: Usd::ZERO };
        let mut counted = Vec::new();
        for contact in crossed.contacts {
            match contact {
                Contact::MakerCanceled { maker } => self.canceled_by_taker(maker),
                Contact::Traded { maker, price, quantity } => {
                    took.fees += self.book_trade(no, maker, price, quantity);
                    took.filled += quantity;
                    took.value += price.times(quantity, crate::domain::money::Rounding::Down);
                    counted.extend([no, maker].map(|side| (self.order(side).group, quantity)));
                }
            }
        }
        self.settle_rest(no, crossed.stopped);
        for (group, quantity) in counted {
            if let Some(group) = group {
                self.count_in_group(group, quantity);
            }
        }
        self.keep_book(market);
        took
    }

    fn settle_rest(&mut self, no: OrderNo, stopped: bool) {
        let order = self.order(no);
        if order.view.status != Status::Resting {
            return self.square(order.account, order.market);
        }
        if stopped {
            return self.end(no, Some(Reason::SelfTradeCancel));
        }
        if order.in_force != InForce::UntilCanceled {
            return self.end(no, None);
        }
        let entry = Entry { order: no, owner: order.account, left: order.view.left };
        let (account, market, side, price, expires) = (order.account, order.market, order.side, order.view.price, order.view.expires);
        self.market_mut(market).book.rest(side, price, entry);
        self.account_mut(account).resting.entry(market).or_default().insert(no);
        self.square(account, market);
        self.tell_level(no, entry.left);
        self.tell_order(no);
        if let Some(expires) = expires {
            self.schedule(expires, Job::Expire(no));
        }
    }
}
