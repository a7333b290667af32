//! Trades and their lives: matched, mined, confirmed; or retried; or failed (`polymarket.md` §6).

use super::account::Movement;
use super::core::{Core, Job};
use super::orders::Status as OrderStatus;
use crate::domain::money::{Price, Quantity, Rounding, Usd};
use crate::domain::order::Action;
use crate::domain::time::Time;
use crate::exchange::faults::Kind;
use crate::exchange::ids::{AccountNo, CROWD, Id, MarketNo, OrderNo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Matched,
    Mined,
    Confirmed,
    Retrying,
    Failed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "MATCHED",
            Self::Mined => "MINED",
            Self::Confirmed => "CONFIRMED",
            Self::Retrying => "RETRYING",
            Self::Failed => "FAILED",
        }
    }
}

/// What becomes of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Confirm,
    Retry,
    Fail,
    /// Nothing, until somebody says so.
    Hold,
}

/// One order's part of a trade, in its own token's terms.
#[derive(Clone, Debug)]
pub struct Leg {
    pub order: OrderNo,
    pub account: AccountNo,
    pub price: Price,
    pub quantity: Quantity,
    pub fee: Usd,
    pub movement: Movement,
}

#[derive(Clone, Debug)]
pub struct TradeView {
    pub status: Status,
    /// Empty until it is broadcast; may be replaced before it is confirmed.
    pub transaction: String,
    pub updated: Time,
}

#[derive(Clone, Debug)]
pub struct Trade {
    pub id: Id,
    pub market: MarketNo,
    /// The taker's is the first.
    pub legs: Vec<Leg>,
    pub bucket: usize,
    pub at: Time,
    pub view: TradeView,
    past: Vec<TradeView>,
    plan: u32,
    /// Whether its movements have reached the settled balances.
    settled: bool,
    /// Whether they are on their way.
    pending: bool,
}

impl Trade {
    pub fn taker(&self) -> &Leg {
        &self.legs[0]
    }

    pub fn makers(&self) -> &[Leg] {
        &self.legs[1..]
    }

    pub fn seen_at(&self, at: Time) -> Option<&TradeView> {
        if self.view.updated <= at {
            return Some(&self.view);
        }
        self.past.iter().rev().find(|view| view.updated <= at)
    }
}

impl Core {
    /// Books one trade between a taker and makers that stood at one price, in YES's terms.
    pub fn book_trade(&mut self, taker: OrderNo, makers: &[(OrderNo, Quantity)], yes: Price, bucket: usize) {
        let (id, now) = (self.new_id(), self.now());
        let total: Quantity = makers.iter().map(|(_, quantity)| *quantity).sum();
        let market = self.order(taker).new.token.market;
        let index = self.trades.len();
        let mut legs = vec![self.leg(taker, yes, total, true)];
        legs.extend(makers.iter().map(|(order, quantity)| self.leg(*order, yes, *quantity, false)));
        for leg in &legs {
            self.change_order(leg.order, |view| {
                view.left = (view.left - leg.quantity).or_zero();
                view.matched += leg.quantity;
                view.value += leg.price.times(leg.quantity, Rounding::Down);
                view.trades.push(index);
            });
            if leg.order != taker && self.order(leg.order).view.left.is_zero() {
                self.change_order(leg.order, |view| view.status = OrderStatus::Matched);
            }
        }
        let record = self.market_mut(market);
        record.last = Some((yes, total));
        record.volume += total;
        let view = TradeView { status: Status::Matched, transaction: String::new(), updated: now };
        self.trades.push(Trade { id, market, legs, bucket, at: now, view, past: Vec::new(), plan: 0, settled: false, pending: false });
        self.set_pending(index, true);
        if self.rules.settle_at_matched {
            self.set_settled(index, true);
        }
        self.tell_trade(index);
        self.tell_last_price(index);
        for at in 1..self.trades[index].legs.len() {
            self.tell_order(self.trades[index].legs[at].order, "UPDATE");
        }
        let (fate, after_ms) = self.fate_of(index);
        self.plan(index, fate, after_ms);
    }

    fn leg(&self, no: OrderNo, yes: Price, quantity: Quantity, takes: bool) -> Leg {
        let order = &self.order(no).new;
        let price = order.token.outcome.price_of(yes);
        let value = price.times(quantity, Rounding::Down);
        let fees = self.market(order.token.market).spec.fees.filter(|_| takes && order.account != CROWD);
        let fee = fees.map_or(Usd::ZERO, |fees| fees.taker(price, quantity));
        let (cash, shares) = match order.action {
            Action::Buy => (-value - fee, quantity),
            Action::Sell => (value - fee, -quantity),
        };
        Leg { order: no, account: order.account, price, quantity, fee, movement: Movement { token: order.token, cash, shares } }
    }

    /// A fault that is set for trades of this market decides; otherwise it is confirmed in good time.
    fn fate_of(&mut self, index: usize) -> (Fate, i64) {
        let spec = &self.market(self.trades[index].market).spec;
        let names = [spec.slug.clone(), spec.condition.clone(), spec.tokens[0].clone(), spec.tokens[1].clone()];
        let fault = self.faults.of_trade(&|name: &str| names.iter().any(|known| known == name));
        match fault {
            None => (Fate::Confirm, 0),
            Some(fault) => {
                let fate = match fault.kind {
                    Kind::TradeFail => Fate::Fail,
                    Kind::TradeRetry => Fate::Retry,
                    _ => Fate::Hold,
                };
                (fate, fault.ms)
            }
        }
    }

    /// What becomes of a trade from now on; an earlier plan is void. `after_ms`: later than usual by so much.
    pub fn plan(&mut self, index: usize, fate: Fate, after_ms: i64) {
        self.trades[index].plan += 1;
        let plan = self.trades[index].plan;
        let (mined, confirmed) = (self.rules.mined_ms + after_ms, self.rules.confirmed_ms);
        let steps: &[(i64, Status)] = match fate {
            Fate::Confirm => &[(mined, Status::Mined), (mined + confirmed, Status::Confirmed)],
            Fate::Retry => &[(mined, Status::Retrying), (2 * mined, Status::Mined), (2 * mined + confirmed, Status::Confirmed)],
            Fate::Fail => &[(mined, Status::Retrying), (mined + confirmed, Status::Failed)],
            Fate::Hold => &[],
        };
        for (ms, to) in steps {
            self.schedule(self.now().plus_ms(*ms), Job::Trade { trade: index, to: *to, plan });
        }
    }

    pub fn step(&mut self, index: usize, to: Status, plan: u32) {
        if self.trades[index].plan == plan {
            self.set_trade(index, to);
        }
    }

    /// The trade is this now, whatever it was: also what the venue promises never to do.
    pub fn set_trade(&mut self, index: usize, to: Status) {
        let now = self.now();
        let before = self.trades[index].view.transaction.clone();
        let transaction = match to {
            Status::Mined => self.new_hash(),
            Status::Confirmed if before.is_empty() => self.new_hash(),
            _ => before,
        };
        let trade = &mut self.trades[index];
        trade.past.push(trade.view.clone());
        trade.view = TradeView { status: to, transaction, updated: now };
        match to {
            Status::Confirmed => {
                self.set_pending(index, false);
                self.set_settled(index, true);
            }
            Status::Failed => {
                self.set_pending(index, false);
                self.set_settled(index, false);
            }
            _ => {}
        }
        self.tell_trade(index);
    }

    fn set_pending(&mut self, index: usize, on: bool) {
        let on = on && !self.rules.settle_at_matched;
        let trade = &mut self.trades[index];
        if trade.pending == on {
            return;
        }
        trade.pending = on;
        for leg in trade.legs.clone() {
            if leg.account != CROWD {
                self.account_mut(leg.account).pend(&leg.movement, on);
            }
        }
    }

    fn set_settled(&mut self, index: usize, on: bool) {
        let (now, trade) = (self.now(), &mut self.trades[index]);
        if trade.settled == on {
            return;
        }
        trade.settled = on;
        for leg in trade.legs.clone() {
            let Movement { token, cash, shares } = leg.movement;
            let movement = if on { leg.movement } else { Movement { token, cash: -cash, shares: -shares } };
            if leg.account != CROWD {
                self.account_mut(leg.account).settle(&movement, now);
            }
        }
    }

    /// Trades in which one of these accounts took part, with the number of each, oldest first.
    pub fn trades_of(&self, accounts: &[AccountNo]) -> Vec<usize> {
        let takes_part = |trade: &Trade| trade.legs.iter().any(|leg| accounts.contains(&leg.account));
        (0..self.trades.len()).filter(|index| takes_part(&self.trades[*index])).collect()
    }
}
