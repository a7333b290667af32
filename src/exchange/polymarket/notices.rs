//! What the venue tells its sockets (`polymarket.md` §7).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::Token;
use super::core::Core;
use super::eip712::Address;
use super::markets::Market;
use crate::domain::market::Outcome;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::exchange::ids::{AccountNo, CROWD, MarketNo, OrderNo};

/// The kinds of events, under which faults find them.
pub const CHANNELS: [&str; 9] =
    ["order", "trade", "book", "price_change", "last_trade_price", "tick_size_change", "best_bid_ask", "new_market", "market_resolved"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The sockets of a wallets' owner that want this market.
    Owner(Address, MarketNo),
    /// Market sockets that want this token; of a market's end: either token.
    Token(Token),
    /// Market sockets, everyone.
    All,
}

#[derive(Clone, Debug)]
pub struct Notice {
    pub to: To,
    pub channel: &'static str,
    /// Only for those who have asked for custom features.
    pub custom: bool,
    pub body: Value,
}

const OUTCOMES: [Outcome; 2] = [Outcome::Yes, Outcome::No];

impl Core {
    pub fn tell_order(&mut self, no: OrderNo, kind: &str) {
        let order = self.order(no);
        if self.listening && order.new.account != CROWD {
            let body = self.order_event(order, kind);
            self.tell_owner(order.new.account, order.new.token.market, "order", body);
        }
    }

    pub fn tell_killed(&mut self, no: OrderNo, text: &str) {
        let order = self.order(no);
        if self.listening && order.new.account != CROWD {
            let body = self.killed_event(order, text);
            self.tell_owner(order.new.account, order.new.token.market, "order", body);
        }
    }

    fn tell_owner(&mut self, account: AccountNo, market: MarketNo, channel: &'static str, body: Value) {
        let to = To::Owner(self.account(account).owner, market);
        self.tell(Notice { to, channel, custom: false, body });
    }

    /// Every owner that took part hears of it once, however many of its orders did.
    pub fn tell_trade(&mut self, index: usize) {
        if !self.listening {
            return;
        }
        let trade = &self.trades[index];
        let market = trade.market;
        let accounts = trade.legs.iter().map(|leg| leg.account).filter(|account| *account != CROWD);
        let owners: BTreeSet<Address> = accounts.map(|account| self.account(account).owner).collect();
        for owner in owners {
            let body = self.trade_event(&self.trades[index], &self.owned_by(owner));
            self.tell(Notice { to: To::Owner(owner, market), channel: "trade", custom: false, body });
        }
    }

    pub fn tell_last_price(&mut self, index: usize) {
        if !self.listening {
            return;
        }
        let trade = &self.trades[index];
        let taker = trade.taker();
        let (market, order) = (self.market(trade.market), &self.order(taker.order).new);
        let body = json!({
            "event_type": "last_trade_price", "market": market.spec.condition, "asset_id": market.token_id(order.token.outcome),
            "price": taker.price.to_string(), "size": taker.quantity.to_string(), "fee_rate_bps": "0",
            "side": super::orders::action_word(order.action), "timestamp": self.now().ms().to_string(),
            "transaction_hash": trade.view.transaction,
        });
        self.tell(Notice { to: To::Token(order.token), channel: "last_trade_price", custom: false, body });
    }

    pub fn tell_new_market(&mut self, no: MarketNo) {
        let spec = &self.market(no).spec;
        let body = json!({
            "event_type": "new_market", "id": no.0.to_string(), "question": spec.question, "market": spec.condition, "slug": spec.slug,
            "description": "", "assets_ids": spec.tokens, "outcomes": spec.outcomes, "timestamp": self.now().ms().to_string(),
        });
        self.tell(Notice { to: To::All, channel: "new_market", custom: true, body });
    }

    /// Levels that have changed since the last time, as replacements, in both tokens' terms; then the new best prices.
    pub fn tell_levels(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        if !self.listening || changed.is_empty() {
            return;
        }
        let markets: BTreeSet<MarketNo> = changed.iter().map(|(market, ..)| *market).collect();
        for no in markets {
            for outcome in OUTCOMES {
                let levels = changed.iter().filter(|(market, ..)| *market == no);
                let rows: Vec<Value> = levels.map(|(_, side, price)| self.level_json(no, outcome, *side, *price)).collect();
                let body = json!({
                    "event_type": "price_change", "market": self.market(no).spec.condition, "price_changes": rows,
                    "timestamp": self.now().ms().to_string(),
                });
                self.tell(Notice { to: To::Token(Token { market: no, outcome }), channel: "price_change", custom: false, body });
            }
            self.tell_best(no);
        }
    }

    fn level_json(&self, no: MarketNo, outcome: Outcome, side: Side, yes: Price) -> Value {
        let market = self.market(no);
        let size = market.book.levels(side).find(|(at, _)| *at == yes).map_or(Quantity::ZERO, |(_, size)| size);
        let side = if outcome == Outcome::Yes { side } else { side.opposite() };
        let (bid, ask) = quote(market, outcome);
        json!({
            "asset_id": market.token_id(outcome), "price": outcome.price_of(yes).to_string(), "size": size.to_string(),
            "side": if side == Side::Bid { "BUY" } else { "SELL" }, "hash": super::books::hash(self, no, outcome),
            "best_bid": bid, "best_ask": ask,
        })
    }

    fn tell_best(&mut self, no: MarketNo) {
        let market = self.market(no);
        let best = (market.best(Outcome::Yes, Side::Bid), market.best(Outcome::Yes, Side::Ask));
        if market.told_best == best {
            return;
        }
        self.market_mut(no).told_best = best;
        for outcome in OUTCOMES {
            let market = self.market(no);
            let (bid, ask) = quote(market, outcome);
            let spread = match (market.best(outcome, Side::Bid), market.best(outcome, Side::Ask)) {
                (Some(bid), Some(ask)) => (ask - bid).to_string(),
                _ => String::new(),
            };
            let body = json!({
                "event_type": "best_bid_ask", "market": market.spec.condition, "asset_id": market.token_id(outcome),
                "best_bid": bid, "best_ask": ask, "spread": spread, "timestamp": self.now().ms().to_string(),
            });
            self.tell(Notice { to: To::Token(Token { market: no, outcome }), channel: "best_bid_ask", custom: true, body });
        }
    }
}

/// Best prices; an empty side is 0, or 1.
fn quote(market: &Market, outcome: Outcome) -> (String, String) {
    let of = |side, empty: Price| market.best(outcome, side).unwrap_or(empty).to_string();
    (of(Side::Bid, Price::ZERO), of(Side::Ask, Price::ONE))
}
