//! Orders and fills as the venue lists them, answers to requests about orders, and what a create request says.

use serde::{Deserialize, Serialize};

use super::number::Num;
use super::page;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};

/// `POST /portfolio/events/orders`; numbers are strings, the book is the YES book.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct CreateRequest<'a> {
    pub ticker: &'a str,
    pub client_order_id: String,
    pub side: &'static str,
    pub count: String,
    pub price: String,
    pub time_in_force: &'static str,
    pub self_trade_prevention_type: &'static str,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduce_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subaccount: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_index: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub struct CreateReply {
    pub order_id: String,
    pub client_order_id: Option<String>,
    pub fill_count: Num<Quantity>,
    pub remaining_count: Num<Quantity>,
    pub average_fill_price: Option<Num<Price>>,
    /// Per contract.
    pub average_fee_paid: Option<Num<Usd>>,
    pub ts_ms: Option<Num<i64>>,
}

#[derive(Debug, Deserialize)]
pub struct CancelReply {
    pub order_id: String,
    pub client_order_id: Option<String>,
    /// What was cancelled; the rest of the count was filled, or taken off before.
    pub reduced_by: Num<Quantity>,
    pub ts_ms: Option<Num<i64>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DecreaseRequest<'a> {
    pub reduce_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_index: Option<u32>,
    pub market_ticker: &'a str,
}

#[derive(Debug, Deserialize)]
pub struct DecreaseReply {
    pub order_id: String,
    pub remaining_count: Num<Quantity>,
    pub ts_ms: Option<Num<i64>>,
}

/// The same bit under its several names (`kalshi.md` §8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction<'a> {
    pub book_side: Option<&'a str>,
    pub outcome_side: Option<&'a str>,
    /// Deprecated names, still sent by some.
    pub side: Option<&'a str>,
    pub action: Option<&'a str>,
}

impl Direction<'_> {
    /// `None`: none of the names says it, or two contradict each other.
    pub fn read(&self) -> Option<Side> {
        let word = |word: &str| match word {
            "bid" | "yes" => Some(Side::Bid),
            "ask" | "no" => Some(Side::Ask),
            _ => None,
        };
        match (self.book_side.and_then(word), self.outcome_side.and_then(word)) {
            (Some(book), Some(outcome)) => (book == outcome).then_some(book),
            (Some(side), None) | (None, Some(side)) => Some(side),
            // An order of the old kind without `action` can only be a purchase.
            (None, None) => match (self.action, word(self.side?)?) {
                (None | Some("buy"), side) => Some(side),
                (Some("sell"), side) => Some(side.opposite()),
                _ => None,
            },
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    pub order_id: String,
    pub client_order_id: Option<String>,
    pub ticker: String,
    pub book_side: Option<String>,
    pub outcome_side: Option<String>,
    pub side: Option<String>,
    pub action: Option<String>,
    pub status: Option<String>,
    pub yes_price_dollars: Num<Price>,
    pub initial_count_fp: Num<Quantity>,
    pub fill_count_fp: Num<Quantity>,
    pub remaining_count_fp: Num<Quantity>,
    pub created_time: Option<String>,
    pub created_ts_ms: Option<Num<i64>>,
    pub last_update_time: Option<String>,
    pub last_updated_ts_ms: Option<Num<i64>>,
    pub expiration_time: Option<String>,
    pub expiration_ts_ms: Option<Num<i64>>,
    pub last_update_reason: Option<String>,
    pub order_group_id: Option<String>,
    pub exchange_index: Option<Num<u32>>,
}

impl Order {
    pub fn direction(&self) -> Option<Side> {
        direction(&self.book_side, &self.outcome_side, &self.side, &self.action)
    }
}

fn direction(book: &Option<String>, outcome: &Option<String>, side: &Option<String>, action: &Option<String>) -> Option<Side> {
    let (book_side, outcome_side) = (book.as_deref(), outcome.as_deref());
    Direction { book_side, outcome_side, side: side.as_deref(), action: action.as_deref() }.read()
}

#[derive(Debug, Deserialize)]
pub struct OneOrder {
    pub order: Order,
}

page!(Orders, orders, Order, |order| order.order_id.clone());

#[derive(Clone, Debug, Deserialize)]
pub struct Fill {
    pub trade_id: Option<String>,
    pub fill_id: Option<String>,
    pub order_id: String,
    /// Gone from REST since March 2026, there on the stream.
    pub client_order_id: Option<String>,
    pub ticker: Option<String>,
    pub market_ticker: Option<String>,
    pub book_side: Option<String>,
    pub outcome_side: Option<String>,
    pub side: Option<String>,
    pub action: Option<String>,
    pub yes_price_dollars: Num<Price>,
    pub count_fp: Num<Quantity>,
    pub is_taker: bool,
    pub fee_cost: Option<Num<Usd>>,
    pub created_time: Option<String>,
    pub ts_ms: Option<Num<i64>>,
    /// Seconds.
    pub ts: Option<Num<i64>>,
}

impl Fill {
    pub fn id(&self) -> Option<&str> {
        self.trade_id.as_deref().or(self.fill_id.as_deref())
    }

    pub fn direction(&self) -> Option<Side> {
        direction(&self.book_side, &self.outcome_side, &self.side, &self.action)
    }
}

page!(Fills, fills, Fill, |fill| format!("{} {}", fill.id().unwrap_or_default(), fill.order_id));

/// What is older lies in the archive.
#[derive(Debug, Deserialize)]
pub struct Cutoff {
    pub trades_created_ts: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_read_under_every_name() {
        let read = |book_side, outcome_side, side, action| Direction { book_side, outcome_side, side, action }.read();
        assert_eq!(read(Some("bid"), None, None, None), Some(Side::Bid));
        assert_eq!(read(None, Some("no"), None, None), Some(Side::Ask));
        assert_eq!(read(Some("ask"), Some("no"), Some("yes"), Some("buy")), Some(Side::Ask), "new names count");
        assert_eq!(read(None, None, Some("no"), Some("sell")), Some(Side::Bid));
        assert_eq!(read(None, None, Some("yes"), Some("sell")), Some(Side::Ask));
        assert_eq!(read(Some("bid"), Some("no"), None, None), None, "contradictions say nothing");
        assert_eq!(read(Some("sideways"), None, None, None), None);
    }

    #[test]
    fn missing_money_is_an_error_and_unknown_fields_are_none() {
        let full = r#"{"order_id":"o","fill_count":"0.00","remaining_count":"1.00","ts_ms":1,"news":{"a":[1]}}"#;
        assert!(serde_json::from_str::<CreateReply>(full).is_ok());
        for field in ["\"fill_count\":\"0.00\",", "\"remaining_count\":\"1.00\",", "\"order_id\":\"o\","] {
            assert!(serde_json::from_str::<CreateReply>(&full.replace(field, "")).is_err(), "{field}");
        }
        assert!(serde_json::from_str::<CreateReply>(&full.replace("\"0.00\"", "null")).is_err());
    }
}
