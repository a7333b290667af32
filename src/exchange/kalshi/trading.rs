//! Trades booked on both sides, and what is told about orders, levels and positions.

use serde_json::json;

use super::core::Core;
use super::notices::{Body, Channel, Notice};
use super::orders::{Fill, Reason, Status};
use super::wire::{book_side, count, outcome_side, price as price_text, seconds, stamp};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Rounding, Usd};
use crate::domain::report::Liquidity;
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, CROWD, Id, MarketNo, OrderNo};

/// The public print.
#[derive(Clone, Debug)]
pub struct Trade {
    pub id: Id,
    pub market: MarketNo,
    pub price: Price,
    pub quantity: Quantity,
    pub taker: Side,
    pub at: Time,
}

impl Core {
    /// Books one trade for taker and maker. Returns the taker's fee.
    pub fn book_trade(&mut self, taker: OrderNo, maker: OrderNo, price: Price, quantity: Quantity) -> Usd {
        let id = self.new_id();
        let (market, side) = (self.order(taker).market, self.order(taker).side);
        let trade = Trade { id, market, price, quantity, taker: side, at: self.now() };
        self.tell_level_change(maker, -quantity);
        let opened = self.order(taker).account != self.order(maker).account;
        let fee = self.book_side(&trade, taker, Liquidity::Taker);
        self.book_side(&trade, maker, Liquidity::Maker);
        let record = self.market_mut(market);
        record.last = Some((price, quantity));
        record.volume += quantity;
        if opened {
            record.open_interest += quantity;
        }
        self.tell_trade(&trade);
        self.tell_ticker(market);
        self.trades.push(trade);
        fee
    }

    fn book_side(&mut self, trade: &Trade, no: OrderNo, liquidity: Liquidity) -> Usd {
        let now = self.now();
        let order = self.order(no);
        let (account, market, side) = (order.account, order.market, order.side);
        let mut position = self.account(account).position(market);
        let gross = position.trade(side, trade.price, trade.quantity);
        let order = self.order_mut(no);
        let fee = if account == CROWD { Usd::ZERO } else { order.fees.charge(gross, trade.price, trade.quantity, liquidity) };
        let cost = super::account::own_price(side, trade.price).times(trade.quantity, Rounding::Down);
        order.change(now, Some(Reason::Trade), |view| {
            view.filled += trade.quantity;
            view.left -= trade.quantity;
            match liquidity {
                Liquidity::Taker => (view.taker_cost, view.taker_fees) = (view.taker_cost + cost, view.taker_fees + fee),
                Liquidity::Maker => (view.maker_cost, view.maker_fees) = (view.maker_cost + cost, view.maker_fees + fee),
            }
            if view.left.is_zero() {
                view.status = Status::Executed;
            }
        });
        let ended = order.view.left.is_zero();
        if ended && let Some(resting) = self.account_mut(account).resting.get_mut(&market) {
            resting.remove(&no);
        }
        if account != CROWD {
            (position.fees, position.updated) = (position.fees + fee, now);
            let shard = self.market(market).shard;
            let owner = self.account_mut(account);
            owner.move_cash(shard, gross - fee);
            owner.set_position(market, position);
            let is_taker = liquidity == Liquidity::Taker;
            let fill = Fill {
                trade_id: trade.id,
                order: no,
                market,
                side,
                price: trade.price,
                quantity: trade.quantity,
                is_taker,
                fee,
                post_position: position.signed,
                at: now,
            };
            owner.fills.push(fill.clone());
            self.square(account, market);
            self.tell_fill(account, &fill);
            self.tell_order(no);
            self.tell_position(account, market);
        }
        fee
    }

    fn tell_fill(&mut self, account: AccountNo, fill: &Fill) {
        if self.listening {
            let body = Body::Message(self.fill_message(fill));
            self.tell(Notice { channel: Channel::Fill, kind: "fill", market: Some(fill.market), account: Some(account), body });
        }
    }

    pub fn tell_order(&mut self, no: OrderNo) {
        let order = self.order(no);
        if self.listening && order.account != CROWD {
            let (market, account) = (Some(order.market), Some(order.account));
            let body = Body::Message(self.user_order_json(order));
            self.tell(Notice { channel: Channel::UserOrders, kind: "user_order", market, account, body });
        }
    }

    pub fn tell_position(&mut self, account: AccountNo, market: MarketNo) {
        if self.listening {
            let body = Body::Message(self.position_message(account, market));
            let (market, account) = (Some(market), Some(account));
            self.tell(Notice { channel: Channel::MarketPositions, kind: "market_position", market, account, body });
        }
    }

    /// A resting order has come, gone or changed its size by so much.
    pub fn tell_level(&mut self, no: OrderNo, change: Quantity) {
        self.tell_level_change(no, change);
        self.tell_ticker(self.order(no).market);
    }

    fn tell_level_change(&mut self, no: OrderNo, change: Quantity) {
        if !self.listening || change.is_zero() {
            return;
        }
        let order = self.order(no);
        let (side, price, owner, market) = (order.side, order.view.price, order.account, order.market);
        let body = Body::Level { side, price, change, owner, client_id: order.view.client_id.clone(), at: self.now() };
        self.tell(Notice { channel: Channel::OrderbookDelta, kind: "orderbook_delta", market: Some(market), account: None, body });
    }

    fn tell_trade(&mut self, trade: &Trade) {
        if self.listening {
            let mut msg = self.trade_json(trade);
            msg["market_ticker"] = msg["ticker"].take();
            if let Some(map) = msg.as_object_mut() {
                map.remove("ticker");
                map.remove("created_time");
                map.insert("ts".into(), seconds(trade.at).into());
                map.insert("ts_ms".into(), trade.at.ms().into());
            }
            let body = Body::Message(msg);
            self.tell(Notice { channel: Channel::Trade, kind: "trade", market: Some(trade.market), account: None, body });
        }
    }

    pub fn trade_json(&self, trade: &Trade) -> serde_json::Value {
        json!({
            "trade_id": trade.id, "ticker": self.market(trade.market).ticker, "count_fp": count(trade.quantity),
            "yes_price_dollars": price_text(trade.price), "no_price_dollars": price_text(trade.price.complement()),
            "taker_side": outcome_side(trade.taker), "taker_outcome_side": outcome_side(trade.taker),
            "taker_book_side": book_side(trade.taker), "created_time": stamp(trade.at), "is_block_trade": false,
        })
    }

    pub fn tell_ticker(&mut self, market: MarketNo) {
        if self.listening {
            let body = Body::Message(self.ticker_json(market));
            self.tell(Notice { channel: Channel::Ticker, kind: "ticker", market: Some(market), account: None, body });
        }
    }

    pub fn ticker_json(&self, no: MarketNo) -> serde_json::Value {
        let market = self.market(no);
        let (bid, ask) = (market.book.best(Side::Bid), market.book.best(Side::Ask));
        let size = |level: Option<(Price, Quantity)>| count(level.map_or(Quantity::ZERO, |(_, size)| size));
        let (last, last_size) = market.last.unwrap_or_default();
        json!({
            "market_ticker": market.ticker, "market_id": market.id, "price_dollars": price_text(last),
            "yes_bid_dollars": price_text(bid.map_or(Price::ZERO, |(price, _)| price)),
            "yes_ask_dollars": price_text(ask.map_or(Price::ONE, |(price, _)| price)),
            "volume_fp": count(market.volume), "open_interest_fp": count(market.open_interest),
            "dollar_volume": market.volume.micros() / 1_000_000, "dollar_open_interest": market.open_interest.micros() / 1_000_000,
            "yes_bid_size_fp": size(bid), "yes_ask_size_fp": size(ask), "last_trade_size_fp": count(last_size),
            "ts": seconds(self.now()), "ts_ms": self.now().ms(), "time": stamp(self.now()),
        })
    }
}
