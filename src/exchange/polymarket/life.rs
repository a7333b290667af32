//! The lives of markets and of the exchange, and what the crowd does; driven through the admin port and by time.

use serde_json::json;

use super::account::Token;
use super::core::{Core, Job, Mode};
use super::markets::{FeeTerms, Life};
use super::notices::{Notice, To};
use super::orders::{Kind, Source, Status, in_book};
use super::place::Terms;
use super::refusal::Refusal;
use crate::domain::market::{Outcome, Settlement};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd};
use crate::domain::order::Action;
use crate::exchange::ids::{AccountNo, CROWD, MarketNo, OrderNo};

const OUTCOMES: [Outcome; 2] = [Outcome::Yes, Outcome::No];

impl Core {
    pub fn set_life(&mut self, no: MarketNo, life: Life) {
        self.market_mut(no).spec.life = life;
        if life.is_closed() {
            self.cancel_in(no, "CANCELED_MARKET_RESOLVED");
        }
    }

    pub fn cancel_in(&mut self, no: MarketNo, word: &str) {
        for order in self.market(no).book.orders() {
            self.end(order, Status::Ended(word.to_owned()));
        }
    }

    /// Another grid: what rests off it stays, as the venue says nothing else.
    pub fn set_tick(&mut self, no: MarketNo, tick: Price) {
        let old = std::mem::replace(&mut self.market_mut(no).spec.tick, tick);
        for outcome in OUTCOMES {
            let market = self.market(no);
            let body = json!({
                "event_type": "tick_size_change", "market": market.spec.condition, "asset_id": market.token_id(outcome),
                "old_tick_size": old.to_string(), "new_tick_size": tick.to_string(), "timestamp": self.now().ms().to_string(),
            });
            self.tell(Notice { to: To::Token(Token { market: no, outcome }), channel: "tick_size_change", custom: false, body });
        }
    }

    pub fn set_fees(&mut self, no: MarketNo, fees: Option<FeeTerms>) {
        self.market_mut(no).spec.fees = fees;
    }

    /// Ends a market: what rests is cancelled. What is held is worth what it is worth, and paid when it is redeemed.
    pub fn resolve(&mut self, no: MarketNo, result: Settlement, redeems: bool) {
        self.market_mut(no).result = Some(result);
        self.set_life(no, Life::Resolved);
        let market = self.market(no);
        let winner = OUTCOMES.into_iter().find(|outcome| market.payout(*outcome) == Some(Price::ONE));
        let body = json!({
            "event_type": "market_resolved", "id": no.0.to_string(), "question": market.spec.question, "market": market.spec.condition,
            "slug": market.spec.slug, "description": "", "assets_ids": market.spec.tokens, "outcomes": market.spec.outcomes,
            "winning_asset_id": winner.map(|outcome| market.token_id(outcome)),
            "winning_outcome": winner.map(|outcome| market.outcome_word(outcome)), "timestamp": self.now().ms().to_string(),
        });
        self.tell(Notice { to: To::Token(Token { market: no, outcome: Outcome::Yes }), channel: "market_resolved", custom: true, body });
        if redeems {
            self.redeem(no);
        }
    }

    /// Pays settled tokens of a resolved market and burns them. Returns what was paid.
    pub fn redeem(&mut self, no: MarketNo) -> Usd {
        let (now, mut paid) = (self.now(), Usd::ZERO);
        for account in self.members() {
            for outcome in OUTCOMES {
                let Some(each) = self.market(no).payout(outcome) else { continue };
                let token = Token { market: no, outcome };
                let shares = self.account(account).settled.of(token);
                let value = each.times(shares, Rounding::Down);
                paid += value;
                if !shares.is_zero() {
                    self.account_mut(account).change(now, |settled| {
                        settled.cash += value;
                        settled.tokens.remove(&token);
                    });
                }
            }
        }
        paid
    }

    /// A deposit, or a withdrawal; what open orders then lack costs the newest of them.
    pub fn move_money(&mut self, account: AccountNo, amount: Usd) {
        let now = self.now();
        self.account_mut(account).change(now, |settled| settled.cash += amount);
        while self.account(account).free_cash() < Usd::ZERO {
            let open = |no: &&OrderNo| self.order(**no).is_live() && self.order(**no).new.action == Action::Buy;
            let Some(newest) = self.account(account).orders.iter().rev().find(open).copied() else { break };
            self.end(newest, Status::Ended("CANCELED_NOT_ENOUGH_BALANCE".to_owned()));
        }
    }

    /// Tokens appear or go, as by a transfer on chain.
    pub fn move_tokens(&mut self, account: AccountNo, token: Token, shares: Quantity) {
        let now = self.now();
        self.account_mut(account).change(now, |settled| *settled.tokens.entry(token).or_default() += shares);
    }

    /// Another mode; with a time, what comes after a restart comes by itself: post-only, then open.
    pub fn set_mode(&mut self, mode: Mode, post_only_ms: i64) {
        self.mode = mode;
        match mode {
            Mode::Restart { until: Some(until) } if post_only_ms > 0 => {
                let open = until.plus_ms(post_only_ms);
                self.schedule(until, Job::Mode(Mode::PostOnly { until: Some(open) }));
                self.schedule(open, Job::Mode(Mode::Open));
            }
            Mode::Restart { until: Some(until) } | Mode::PostOnly { until: Some(until) } => self.schedule(until, Job::Mode(Mode::Open)),
            _ => {}
        }
    }

    /// An order of the crowd, in a token's own terms.
    pub fn crowd(&mut self, token: Token, terms: &Terms) -> Result<OrderNo, Refusal> {
        let new = self.unsigned(Source::Crowd, CROWD, token, terms);
        self.place(new, None)
    }

    /// Replaces the crowd's levels, in YES's terms; with `keep` it puts them back whenever they are taken.
    pub fn set_crowd_book(&mut self, market: MarketNo, levels: &[(Side, Price, Quantity)], keep: bool) -> Result<(), Refusal> {
        self.market_mut(market).kept.clear();
        for order in self.market(market).book.orders() {
            if self.order(order).new.account == CROWD {
                self.end(order, Status::canceled());
            }
        }
        for (side, price, quantity) in levels {
            self.crowd_level(market, *side, *price, *quantity)?;
        }
        if keep {
            self.market_mut(market).kept = levels.to_vec();
        }
        Ok(())
    }

    fn crowd_level(&mut self, market: MarketNo, side: Side, price: Price, quantity: Quantity) -> Result<OrderNo, Refusal> {
        let action = if side == Side::Bid { Action::Buy } else { Action::Sell };
        self.crowd(Token { market, outcome: Outcome::Yes }, &Terms { action, price, quantity, kind: Kind::Gtc })
    }

    /// The crowd puts back what is missing from the levels it keeps, where that wouldn't trade.
    pub fn keep_book(&mut self, market: MarketNo) {
        if self.market(market).kept.is_empty() || self.market(market).spec.life != Life::Active {
            return;
        }
        for (side, price, quantity) in self.market(market).kept.clone() {
            let book = &self.market(market).book;
            let there: Quantity = book.levels(side).find(|(at, _)| *at == price).map_or(Quantity::ZERO, |(_, size)| size);
            if there < quantity && !book.would_cross(side, price) {
                // It rests or is refused; either way the book stays right.
                let _ = self.crowd_level(market, side, price, quantity - there);
            }
        }
    }

    /// The crowd trades against exactly this resting order, wherever it stands in the queue. Returns what it took.
    ///
    /// It comes from the other side of the same token; `complement`: it buys the other token, which mints a pair.
    pub fn hit_as(&mut self, no: OrderNo, quantity: Quantity, complement: bool) -> Option<Quantity> {
        let order = self.order(no);
        let (left, token, action, price) = (order.view.left, order.new.token, order.new.action, order.new.price);
        let (side, at) = order.in_book();
        if !order.is_live() || quantity <= Quantity::ZERO {
            return None;
        }
        let quantity = quantity.min(left);
        let terms = |action, price| Terms { action, price, quantity, kind: Kind::Fak };
        let (token, terms) = match (complement, action) {
            (false, Action::Buy) => (token, terms(Action::Sell, price)),
            (false, Action::Sell) => (token, terms(Action::Buy, price)),
            (true, action) => (token.other(), terms(action, price.complement())),
        };
        debug_assert!(in_book(token.outcome, terms.action, terms.price) == (side.opposite(), at));
        let new = self.unsigned(Source::Crowd, CROWD, token, &terms);
        let taker = self.push_order(new);
        let book = &mut self.market_mut(token.market).book;
        if quantity == left {
            book.remove(side, at, no);
        } else {
            book.shrink(side, at, no, left - quantity);
        }
        self.changed.insert((token.market, side, at));
        self.book_trade(taker, &[(no, quantity)], at, 0);
        self.change_order(taker, |view| view.status = Status::Matched);
        Some(quantity)
    }

    pub fn hit(&mut self, no: OrderNo, quantity: Quantity) -> Option<Quantity> {
        self.hit_as(no, quantity, false)
    }

    /// A resting order is hit in parts, one each so many milliseconds.
    pub fn drip(&mut self, no: OrderNo, parts: u32, every_ms: i64) {
        const LOT: i64 = ONE / 100;
        let (left, now) = (self.order(no).view.left, self.now());
        let part = left.micros() / i64::from(parts) / LOT * LOT;
        for number in 1..=i64::from(parts) {
            let quantity = if number == i64::from(parts) { left.micros() - part * (number - 1) } else { part };
            let job = Job::Hit { order: no, quantity: Quantity::from_micros(quantity) };
            self.schedule(now.plus_ms(every_ms * number), job);
        }
    }
}
