//! One frame of the stream, read without floats (`kalshi.md` §4).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::super::translate::{Untranslatable, book_key, venue_fill, venue_order};
use super::super::wire::market::Level;
use super::super::wire::number::{Num, Signed};
use super::super::wire::orders::{Fill, Order};
use crate::domain::ids::MarketId;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::report::{VenueFill, VenueOrder, VenuePosition};
use crate::domain::time::Time;

#[derive(Debug, Error)]
pub enum FrameError {
    #[error("not the JSON of a frame: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Row(#[from] Untranslatable),
    #[error("{0}: no sid, seq or msg")]
    Bare(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    Subscribed {
        id: i64,
        channel: String,
        sid: i64,
    },
    /// A command was carried out.
    Done {
        id: i64,
        sid: Option<i64>,
        seq: Option<i64>,
    },
    Refused {
        id: Option<i64>,
        sid: Option<i64>,
        code: i64,
        message: String,
    },
    Data {
        sid: i64,
        seq: Option<i64>,
        data: Data,
    },
    /// A kind we have no use for; its place in the sequence counts.
    Other {
        sid: Option<i64>,
        seq: Option<i64>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Snapshot { market: MarketId, bids: Vec<(Price, Quantity)>, asks: Vec<(Price, Quantity)> },
    Delta { market: MarketId, side: Side, price: Price, change: Quantity, at: Option<Time> },
    Fill(Box<VenueFill>),
    Order(Box<VenueOrder>),
    Position(VenuePosition),
    Group { id: String, event: String },
    Market { market: MarketId, event: String },
    Fees { event_ticker: String },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    id: Option<Num<i64>>,
    sid: Option<Num<i64>>,
    seq: Option<Num<i64>>,
    #[serde(borrow)]
    msg: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SubscribedMsg {
    channel: String,
    sid: Num<i64>,
}

#[derive(Deserialize)]
struct ErrorMsg {
    code: Option<Num<i64>>,
    msg: Option<String>,
}

#[derive(Deserialize)]
struct SnapshotMsg {
    market_ticker: String,
    yes_dollars_fp: Option<Vec<Level>>,
    no_dollars_fp: Option<Vec<Level>>,
}

#[derive(Deserialize)]
struct DeltaMsg<'a> {
    #[serde(borrow)]
    market_ticker: Cow<'a, str>,
    price_dollars: Num<Price>,
    delta_fp: Num<Signed>,
    #[serde(borrow)]
    side: Cow<'a, str>,
    ts_ms: Option<Num<i64>>,
}

#[derive(Deserialize)]
struct PositionMsg {
    market_ticker: String,
    position_fp: Num<Signed>,
    position_cost_dollars: Num<Usd>,
}

#[derive(Deserialize)]
struct GroupMsg {
    event_type: String,
    order_group_id: String,
}

#[derive(Deserialize)]
struct LifecycleMsg {
    market_ticker: String,
    event_type: String,
}

#[derive(Deserialize)]
struct FeesMsg {
    event_ticker: String,
}

pub fn read(text: &str) -> Result<Frame, FrameError> {
    let envelope: Envelope = serde_json::from_str(text.trim())?;
    let number = |number: Option<Num<i64>>| number.map(|number| number.0);
    let (id, sid, seq) = (number(envelope.id), number(envelope.sid), number(envelope.seq));
    let msg = envelope.msg.map_or("null", RawValue::get);
    let bare = || FrameError::Bare(envelope.kind.chars().take(40).collect());
    match envelope.kind.as_ref() {
        "subscribed" => {
            let msg: SubscribedMsg = serde_json::from_str(msg)?;
            Ok(Frame::Subscribed { id: id.ok_or_else(bare)?, channel: msg.channel, sid: msg.sid.0 })
        }
        "ok" | "unsubscribed" => Ok(Frame::Done { id: id.unwrap_or_default(), sid, seq }),
        "error" => {
            let msg: ErrorMsg = serde_json::from_str(msg)?;
            let message = msg.msg.unwrap_or_default().chars().take(200).collect();
            Ok(Frame::Refused { id, sid, code: msg.code.map_or(0, |code| code.0), message })
        }
        kind => match data(kind, msg)? {
            Some(data) => Ok(Frame::Data { sid: sid.ok_or_else(bare)?, seq, data }),
            None => Ok(Frame::Other { sid, seq }),
        },
    }
}

fn data(kind: &str, msg: &str) -> Result<Option<Data>, FrameError> {
    Ok(Some(match kind {
        "orderbook_snapshot" => {
            let msg: SnapshotMsg = serde_json::from_str(msg)?;
            let levels = |levels: Option<Vec<Level>>| levels.into_iter().flatten().map(|(price, size)| (price.0, size.0)).collect();
            // We ask for YES prices, so levels of the NO side are asks at the price they name.
            Data::Snapshot { market: market(&msg.market_ticker)?, bids: levels(msg.yes_dollars_fp), asks: levels(msg.no_dollars_fp) }
        }
        "orderbook_delta" => {
            let msg: DeltaMsg = serde_json::from_str(msg)?;
            let side = match msg.side.as_ref() {
                "yes" => Side::Bid,
                "no" => Side::Ask,
                other => return Err(Untranslatable { what: "side", why: format!("{other:.20} is neither yes nor no") }.into()),
            };
            let at = msg.ts_ms.map(|ts| Time::from_ms(ts.0));
            Data::Delta { market: market(&msg.market_ticker)?, side, price: msg.price_dollars.0, change: msg.delta_fp.0.0, at }
        }
        "fill" => Data::Fill(Box::new(venue_fill(&serde_json::from_str::<Fill>(msg)?)?)),
        "user_order" => Data::Order(Box::new(venue_order(&serde_json::from_str::<Order>(msg)?)?)),
        "market_position" => {
            let msg: PositionMsg = serde_json::from_str(msg)?;
            let key = book_key(&msg.market_ticker)?;
            Data::Position(VenuePosition { key, signed: msg.position_fp.0.0, cost: msg.position_cost_dollars.0 })
        }
        "order_group_updates" => {
            let msg: GroupMsg = serde_json::from_str(msg)?;
            Data::Group { id: msg.order_group_id, event: msg.event_type }
        }
        "market_lifecycle_v2" => {
            let msg: LifecycleMsg = serde_json::from_str(msg)?;
            Data::Market { market: market(&msg.market_ticker)?, event: msg.event_type }
        }
        "event_fee_update" => Data::Fees { event_ticker: serde_json::from_str::<FeesMsg>(msg)?.event_ticker },
        _ => return Ok(None),
    }))
}

fn market(ticker: &str) -> Result<MarketId, Untranslatable> {
    book_key(ticker).map(|key| key.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_read_to_the_last_decimal() {
        let text = r#"{"type":"orderbook_delta","sid":1,"seq":2,"msg":{"market_ticker":"T-1","market_id":"x","price_dollars":"0.5200",
            "delta_fp":"-1.00","side":"no","ts":"2026-06-11T06:29:47.354803Z","ts_ms":1781159387354}}
            "#;
        let expected = Data::Delta {
            market: MarketId::new("T-1").expect("id"),
            side: Side::Ask,
            price: Price::parse("0.52").expect("price"),
            change: Quantity::from_micros(-1_000_000),
            at: Some(Time::from_ms(1_781_159_387_354)),
        };
        assert_eq!(read(text).expect("frame"), Frame::Data { sid: 1, seq: Some(2), data: expected });
    }

    #[test]
    fn an_absent_side_of_a_snapshot_is_empty() {
        let text = r#"{"type":"orderbook_snapshot","sid":2,"seq":2,"msg":{"market_ticker":"T-1","no_dollars_fp":[["0.5400","20.00"]]}}"#;
        let Frame::Data { data: Data::Snapshot { bids, asks, .. }, .. } = read(text).expect("frame") else { panic!("snapshot") };
        assert_eq!((bids.len(), asks[0].1), (0, Quantity::whole(20)));
    }

    #[test]
    fn what_is_damaged_is_an_error_and_what_is_new_is_not() {
        for bad in ["", "heartbeat", "{}", r#"{"type":1}"#, r#"{"type":"fill","sid":1,"msg":{}}"#, r#"{"type":"fill","sid":1}"#, "[]"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read(r#"{"type":"novel","sid":3,"seq":9,"msg":[1.5]}"#).expect("frame"), Frame::Other { sid: Some(3), seq: Some(9) });
        let refused = read(r#"{"type":"error","id":7,"msg":{"code":8,"msg":"Unknown channel name"}}"#).expect("frame");
        assert_eq!(refused, Frame::Refused { id: Some(7), sid: None, code: 8, message: "Unknown channel name".to_owned() });
    }
}
