//! Numbers, times and records as the venue writes them.

use serde_json::{Map, Value, json};

use super::core::Core;
use super::orders::{Fill, Order, View};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, MarketNo};

/// `560000` with four places is "0.5600"; what lies beyond is cut off.
fn fixed(micros: i64, places: usize) -> String {
    let (sign, magnitude) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let rest = format!("{:06}", magnitude % ONE as u64);
    format!("{sign}{}.{}", magnitude / ONE as u64, &rest[..places])
}

pub fn price(price: Price) -> String {
    fixed(price.micros(), 4)
}

pub fn count(quantity: Quantity) -> String {
    fixed(quantity.micros(), 2)
}

/// Fees, costs and exposures.
pub fn dollars(usd: Usd) -> String {
    fixed(usd.micros(), 6)
}

/// Balances.
pub fn balance(usd: Usd) -> String {
    fixed(usd.micros(), 4)
}

/// Whole cents, cut off.
pub fn cents(usd: Usd) -> i64 {
    usd.micros().div_euclid(10_000)
}

/// "2026-06-11T06:29:20.866753Z"
pub fn stamp(time: Time) -> String {
    Time::from_nanos(time.nanos().div_euclid(1_000) * 1_000).to_string()
}

pub fn seconds(time: Time) -> i64 {
    time.ms().div_euclid(1_000)
}

pub fn book_side(side: Side) -> &'static str {
    match side {
        Side::Bid => "bid",
        Side::Ask => "ask",
    }
}

pub fn outcome_side(side: Side) -> &'static str {
    match side {
        Side::Bid => "yes",
        Side::Ask => "no",
    }
}

/// The deprecated pair for the YES leg: a bid buys, an ask sells.
pub fn action(side: Side) -> &'static str {
    match side {
        Side::Bid => "buy",
        Side::Ask => "sell",
    }
}

pub fn self_trade(order: &Order) -> &'static str {
    match order.self_trade {
        crate::exchange::book::SelfTrade::Maker => "maker",
        _ => "taker_at_cross",
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The money and counts that REST orders and `user_order` messages share.
fn order_amounts(order: &Order, view: &View) -> Map<String, Value> {
    object(json!({
        "order_id": order.id,
        "client_order_id": view.client_id,
        "status": view.status.as_str(),
        "side": "yes",
        "outcome_side": outcome_side(order.side),
        "book_side": book_side(order.side),
        "yes_price_dollars": price(view.price),
        "initial_count_fp": count(view.initial),
        "fill_count_fp": count(view.filled),
        "remaining_count_fp": count(view.left),
        "taker_fill_cost_dollars": dollars(view.taker_cost),
        "maker_fill_cost_dollars": dollars(view.maker_cost),
        "taker_fees_dollars": dollars(view.taker_fees),
        "maker_fees_dollars": dollars(view.maker_fees),
        "self_trade_prevention_type": self_trade(order),
        "subaccount_number": 0,
    }))
}

impl Core {
    /// An order in REST's words. Optional fields that are empty are left out, as on the wire.
    pub fn order_json(&self, order: &Order, view: &View) -> Value {
        let market = self.market(order.market);
        let mut map = order_amounts(order, view);
        map.extend(object(json!({
            "user_id": self.account(order.account).user_id,
            "ticker": market.ticker,
            "action": action(order.side),
            "type": "limit",
            "no_price_dollars": price(view.price.complement()),
            "created_time": stamp(order.created),
            "last_update_time": stamp(view.updated),
            "cancel_order_on_pause": order.cancel_on_pause,
            "exchange_index": market.shard,
        })));
        if let Some(expires) = view.expires {
            map.insert("expiration_time".into(), stamp(expires).into());
        }
        if let Some(group) = order.group {
            map.insert("order_group_id".into(), group.to_string().into());
        }
        Value::Object(map)
    }

    /// The message of `user_orders`.
    pub fn user_order_json(&self, order: &Order) -> Value {
        let (market, view) = (self.market(order.market), &order.view);
        let mut map = order_amounts(order, view);
        map.extend(object(json!({
            "user_id": self.account(order.account).user_id,
            "ticker": market.ticker,
            "exchange_index": market.shard,
            "is_yes": order.side == Side::Bid,
            "created_time": stamp(order.created),
            "created_ts_ms": order.created.ms(),
            "last_update_time": stamp(view.updated),
            "last_updated_ts_ms": view.updated.ms(),
        })));
        if let Some(expires) = view.expires {
            map.insert("expiration_time".into(), stamp(expires).into());
            map.insert("expiration_ts_ms".into(), expires.ms().into());
        }
        if let Some(group) = order.group {
            map.insert("order_group_id".into(), group.to_string().into());
        }
        if let Some(reason) = view.reason {
            map.insert("last_update_reason".into(), format!("{reason:?}").into());
        }
        Value::Object(map)
    }

    /// A fill in REST's words: no client order id since March 2026.
    pub fn fill_json(&self, fill: &Fill) -> Value {
        let market = self.market(fill.market);
        json!({
            "fill_id": fill.trade_id,
            "trade_id": fill.trade_id,
            "order_id": self.order(fill.order).id,
            "ticker": market.ticker,
            "market_ticker": market.ticker,
            "exchange_index": market.shard,
            "side": "yes",
            "action": action(fill.side),
            "outcome_side": outcome_side(fill.side),
            "book_side": book_side(fill.side),
            "count_fp": count(fill.quantity),
            "yes_price_dollars": price(fill.price),
            "no_price_dollars": price(fill.price.complement()),
            "is_taker": fill.is_taker,
            "fee_cost": dollars(fill.fee),
            "created_time": stamp(fill.at),
            "ts": seconds(fill.at),
            "subaccount_number": 0,
        })
    }

    /// The message of `fill`.
    pub fn fill_message(&self, fill: &Fill) -> Value {
        let (market, order) = (self.market(fill.market), self.order(fill.order));
        json!({
            "trade_id": fill.trade_id,
            "order_id": order.id,
            "client_order_id": order.view.client_id,
            "market_ticker": market.ticker,
            "exchange_index": market.shard,
            "is_taker": fill.is_taker,
            "side": "yes",
            "action": action(fill.side),
            "outcome_side": outcome_side(fill.side),
            "book_side": book_side(fill.side),
            "purchased_side": outcome_side(fill.side),
            "yes_price_dollars": price(fill.price),
            "count_fp": count(fill.quantity),
            "fee_cost": dollars(fill.fee),
            "post_position_fp": count(fill.post_position),
            "ts": seconds(fill.at),
            "ts_ms": fill.at.ms(),
            "subaccount": 0,
        })
    }

    /// The message of `market_positions`.
    pub fn position_message(&self, account: AccountNo, market: MarketNo) -> Value {
        let (owner, position) = (self.account(account), self.account(account).position(market));
        json!({
            "user_id": owner.user_id,
            "market_ticker": self.market(market).ticker,
            "position_fp": count(position.signed),
            "position_cost_dollars": dollars(position.cost),
            "realized_pnl_dollars": dollars(position.realized),
            "fees_paid_dollars": dollars(position.fees),
            "position_fee_cost_dollars": dollars(position.fees),
            "volume_fp": count(position.traded_contracts),
            "subaccount": 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_places_of_the_wire() {
        assert_eq!(price(Price::from_micros(560_000)), "0.5600");
        assert_eq!(count(Quantity::whole(10)), "10.00");
        assert_eq!(count(-Quantity::from_micros(2_500_000)), "-2.50");
        assert_eq!(dollars(Usd::from_micros(17_500)), "0.017500");
        assert_eq!(balance(Usd::from_micros(98_018_600)), "98.0186");
        assert_eq!(cents(Usd::from_micros(98_018_600)), 9_801);
    }

    #[test]
    fn times_have_microseconds_at_most() {
        assert_eq!(stamp(Time::from_nanos(1_781_159_360_866_753_999)), "2026-06-11T06:29:20.866753Z");
        assert_eq!(stamp(Time::from_ms(1_781_159_360_000)), "2026-06-11T06:29:20Z");
    }
}
