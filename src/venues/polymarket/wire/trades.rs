//! Trades, as listed and as told, with the resting orders that they met.

use std::borrow::Cow;

use serde::Deserialize;

use super::stamp::Stamp;
use crate::domain::money::{Price, Quantity};
use crate::venues::number::Num;

#[derive(Debug, Deserialize)]
pub struct Trade<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub taker_order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub asset_id: Cow<'a, str>,
    #[serde(borrow)]
    pub side: Cow<'a, str>,
    /// Of the taker's order; a maker's part stands with it.
    pub size: Num<Quantity>,
    pub price: Num<Price>,
    /// With `TRADE_STATUS_` before it in listings, without in the stream.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(default)]
    pub match_time: Stamp,
    #[serde(default)]
    pub last_update: Stamp,
    pub owner: Option<String>,
    pub maker_address: Option<String>,
    /// Which side of it is ours: TAKER or MAKER.
    pub trader_side: Option<String>,
    #[serde(borrow, default, deserialize_with = "super::list")]
    pub maker_orders: Vec<MakerOrder<'a>>,
    #[serde(default)]
    pub timestamp: Stamp,
}

#[derive(Debug, Deserialize)]
pub struct MakerOrder<'a> {
    #[serde(borrow)]
    pub order_id: Cow<'a, str>,
    pub owner: Option<String>,
    pub maker_address: Option<String>,
    pub matched_amount: Num<Quantity>,
    pub price: Num<Price>,
    /// May be the other outcome's token: two buys that make a pair of new tokens (`polymarket.md` §6).
    #[serde(borrow)]
    pub asset_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub side: Cow<'a, str>,
}
