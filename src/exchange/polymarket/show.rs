//! Orders and trades in the venue's words: REST's and the stream's (`polymarket.md` §4, `ws_samples.json`).

use serde_json::{Value, json};

use super::core::Core;
use super::orders::{Order, View, action_word};
use super::trades::{Leg, Status, Trade, TradeView};
use crate::domain::money::micros_text;
use crate::domain::time::Time;
use crate::exchange::ids::AccountNo;

/// Whole seconds since 1970.
pub fn seconds(time: Time) -> i64 {
    time.ms().div_euclid(1_000)
}

/// A decimal amount; nothing is the empty text (`polymarket.md` §4).
pub fn amount(micros: i64) -> String {
    if micros == 0 { String::new() } else { micros_text(micros) }
}

impl Core {
    /// The key of whoever has an order: its `owner`.
    fn owner_of(&self, leg: &Leg) -> &str {
        &self.order(leg.order).new.owner
    }

    pub fn order_json(&self, order: &Order, view: &View) -> Value {
        let new = &order.new;
        let market = self.market(new.token.market);
        let trades: Vec<String> = view.trades.iter().map(|trade| self.trades[*trade].id.to_string()).collect();
        json!({
            "id": new.id, "status": view.status.as_str(), "owner": new.owner,
            "maker_address": self.account(new.account).wallet.to_string(), "market": market.spec.condition,
            "asset_id": market.token_id(new.token.outcome), "side": action_word(new.action), "original_size": new.size.to_string(),
            "size_matched": view.matched.to_string(), "price": new.price.to_string(),
            "outcome": market.outcome_word(new.token.outcome), "created_at": seconds(order.created),
            "expiration": new.expiration.to_string(), "order_type": new.kind.as_str(), "associate_trades": trades,
        })
    }

    pub fn order_event(&self, order: &Order, kind: &str) -> Value {
        let created = if self.rules.created_at_ms { order.created.ms() } else { seconds(order.created) };
        let mut event = self.order_json(order, &order.view);
        event["event_type"] = "order".into();
        event["type"] = kind.into();
        event["order_owner"] = order.new.owner.clone().into();
        event["created_at"] = created.to_string().into();
        event["timestamp"] = self.now().ms().to_string().into();
        if order.view.trades.is_empty() {
            event["associate_trades"] = Value::Null;
        }
        event
    }

    /// An order that was killed: with the odd words and empty texts that were seen.
    pub fn killed_event(&self, order: &Order, text: &str) -> Value {
        let mut event = self.order_event(order, "CANCELLATION");
        event["status"] = format!("CANCELED_{text}").into();
        event["associate_trades"] = json!([]);
        (event["size_matched"], event["outcome"], event["created_at"]) = ("".into(), "".into(), "".into());
        event["maker_address"] = self.account(order.new.account).wallet.lower().into();
        event
    }

    fn time_of_trade(&self, time: Time) -> String {
        if self.rules.iso_times { time.to_string() } else { seconds(time).to_string() }
    }

    /// A trade as one of these accounts sees it; the top level is always the taker's.
    pub fn trade_json(&self, trade: &Trade, view: &TradeView, accounts: &[AccountNo]) -> Value {
        let taker = trade.taker();
        let order = &self.order(taker.order).new;
        let market = self.market(trade.market);
        let takes = accounts.contains(&taker.account);
        let own = trade.legs.iter().find(|leg| accounts.contains(&leg.account)).unwrap_or(taker);
        let makers: Vec<Value> = trade.makers().iter().map(|leg| self.maker_json(leg)).collect();
        json!({
            "id": trade.id, "taker_order_id": order.id, "market": market.spec.condition,
            "asset_id": market.token_id(order.token.outcome), "side": action_word(order.action),
            "size": taker.quantity.to_string(), "fee_rate_bps": "0", "price": taker.price.to_string(), "status": view.status.as_str(),
            "match_time": self.time_of_trade(trade.at), "last_update": self.time_of_trade(view.updated),
            "outcome": market.outcome_word(order.token.outcome), "bucket_index": trade.bucket, "owner": self.owner_of(taker),
            "maker_address": self.account(own.account).wallet.to_string(), "transaction_hash": view.transaction,
            "maker_orders": makers, "trader_side": if takes { "TAKER" } else { "MAKER" },
        })
    }

    fn maker_json(&self, leg: &Leg) -> Value {
        let order = &self.order(leg.order).new;
        let market = self.market(order.token.market);
        json!({
            "order_id": order.id, "owner": order.owner, "maker_address": self.account(leg.account).wallet.to_string(),
            "matched_amount": leg.quantity.to_string(), "price": leg.price.to_string(), "fee_rate_bps": "0",
            "asset_id": market.token_id(order.token.outcome), "outcome": market.outcome_word(order.token.outcome),
            "outcome_index": super::markets::index(order.token.outcome), "side": action_word(order.action),
        })
    }

    /// REST prefixes the status and adds why a trade failed.
    pub fn trade_row(&self, trade: &Trade, view: &TradeView, accounts: &[AccountNo]) -> Value {
        let mut row = self.trade_json(trade, view, accounts);
        let word = match view.status {
            Status::Matched if self.rules.not_broadcasted => "MATCHED_NOT_BROADCASTED",
            status => status.as_str(),
        };
        row["status"] = format!("TRADE_STATUS_{word}").into();
        row["error_msg"] = if view.status == Status::Failed { "transaction reverted".into() } else { "".into() };
        row
    }

    pub fn trade_event(&self, trade: &Trade, accounts: &[AccountNo]) -> Value {
        let mut event = self.trade_json(trade, &trade.view, accounts);
        event["event_type"] = "trade".into();
        event["type"] = "TRADE".into();
        event["trade_owner"] = event["owner"].clone();
        event["timestamp"] = self.now().ms().to_string().into();
        if trade.view.transaction.is_empty() {
            event["transaction_hash"] = Value::Null;
        }
        event
    }
}
