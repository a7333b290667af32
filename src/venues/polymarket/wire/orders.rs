//! Orders as listed and as told, and the answers to placing and cancelling them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::stamp::Stamp;
use crate::domain::money::{Price, Quantity, Usd};
use crate::venues::number::{Num, Numeric};

/// The answer to `POST /order`. Every field but `success` may be missing: what is missing proves nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PostReply {
    pub success: bool,
    #[serde(rename = "errorMsg", deserialize_with = "text")]
    pub error_msg: String,
    #[serde(rename = "orderID", deserialize_with = "text")]
    pub order_id: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    /// What was given so far: pUSD for a buy, shares for a sell.
    #[serde(rename = "makingAmount")]
    pub making: Amount,
    #[serde(rename = "takingAmount")]
    pub taking: Amount,
}

/// A decimal text that may be empty, which is zero here (`polymarket.md` §4). `None`: not said, or not readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(pub Option<Usd>);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        Ok(Self(match raw {
            "\"\"" => Some(Usd::ZERO),
            "null" => None,
            raw => Usd::read(raw.trim_matches('"')).ok(),
        }))
    }
}

/// A text, or nothing where `null` stands.
fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(d)?.unwrap_or_default())
}

/// The answer to every kind of cancel.
#[derive(Debug, Default, Deserialize)]
pub struct CancelReply {
    #[serde(deserialize_with = "super::list")]
    pub canceled: Vec<String>,
    /// Reasons, by order id.
    #[serde(default, deserialize_with = "reasons")]
    pub not_canceled: BTreeMap<String, String>,
}

/// A reason that isn't a text is kept as it stands.
fn reasons<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, serde_json::Value>>::deserialize(d)?.unwrap_or_default();
    let word = |value: serde_json::Value| if let serde_json::Value::String(text) = value { text } else { value.to_string() };
    Ok(map.into_iter().map(|(id, value)| (id, word(value))).collect())
}

/// An order, from a listing or from the stream.
#[derive(Debug, Deserialize)]
pub struct Order<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub status: Cow<'a, str>,
    /// Of the stream: PLACEMENT, UPDATE, CANCELLATION.
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    pub owner: Option<String>,
    pub maker_address: Option<String>,
    #[serde(borrow)]
    pub asset_id: Cow<'a, str>,
    #[serde(borrow)]
    pub side: Cow<'a, str>,
    pub original_size: Num<Quantity>,
    pub size_matched: Matched,
    /// The limit, not what was paid.
    pub price: Num<Price>,
    #[serde(default)]
    pub created_at: Stamp,
    /// As stated; the venue acts a minute before.
    #[serde(default)]
    pub expiration: Stamp,
    #[serde(borrow, default)]
    pub order_type: Cow<'a, str>,
    /// When the stream said it.
    #[serde(default)]
    pub timestamp: Stamp,
}

/// What was filled; an empty text is only understood of an order that has ended (`ws_samples.json`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched(pub Option<Quantity>);

impl<'de> Deserialize<'de> for Matched {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?;
        match raw.get() {
            "\"\"" => Ok(Self(None)),
            text => serde_json::from_str::<Num<Quantity>>(text).map(|number| Self(Some(number.0))).map_err(serde::de::Error::custom),
        }
    }
}
