//! A token's book as REST and the stream show it: worst first, so that the best price is the last (`polymarket.md` §4).

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};

use super::account::Token;
use super::core::Core;
use super::eip712::hex;
use crate::domain::market::Outcome;
use crate::domain::matching::Side;
use crate::domain::money::Price;
use crate::exchange::ids::MarketNo;

fn side(core: &Core, token: Token, side: Side) -> Vec<Value> {
    let mut levels = core.market(token.market).levels(token.outcome, side);
    levels.reverse();
    levels.into_iter().map(|(price, size)| json!({ "price": price.to_string(), "size": size.to_string() })).collect()
}

/// `GET /book`.
pub fn summary(core: &Core, token: Token) -> Value {
    let market = core.market(token.market);
    json!({
        "market": market.spec.condition, "asset_id": market.token_id(token.outcome), "timestamp": core.now().ms().to_string(),
        "hash": hash(core, token.market, token.outcome), "bids": side(core, token, Side::Bid), "asks": side(core, token, Side::Ask),
        "min_order_size": market.spec.size_min.to_string(), "tick_size": market.spec.tick.to_string(), "neg_risk": market.spec.neg_risk,
        "last_trade_price": last_price(core, token),
    })
}

/// The stream's snapshot carries neither tick nor neg-risk.
pub fn snapshot(core: &Core, token: Token) -> Value {
    let market = core.market(token.market);
    json!({
        "event_type": "book", "market": market.spec.condition, "asset_id": market.token_id(token.outcome),
        "timestamp": core.now().ms().to_string(), "hash": hash(core, token.market, token.outcome),
        "bids": side(core, token, Side::Bid), "asks": side(core, token, Side::Ask),
    })
}

/// SHA-1 over the summary's compact JSON with an empty hash, its keys in the venue's order, as the official SDK checks it.
pub fn hash(core: &Core, no: MarketNo, outcome: Outcome) -> String {
    let token = Token { market: no, outcome };
    let market = core.market(no);
    let levels = |of: Side| Value::Array(side(core, token, of)).to_string();
    let text = format!(
        r#"{{"market":"{}","asset_id":"{}","timestamp":"{}","hash":"","bids":{},"asks":{},"min_order_size":"{}","tick_size":"{}","neg_risk":{},"last_trade_price":"{}"}}"#,
        market.spec.condition,
        market.token_id(outcome),
        core.now().ms(),
        levels(Side::Bid),
        levels(Side::Ask),
        market.spec.size_min,
        market.spec.tick,
        market.spec.neg_risk,
        last_price(core, token),
    );
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())[2..].to_owned()
}

/// Of the last trade, in the token's own terms; none is the empty text.
pub fn last_price(core: &Core, token: Token) -> String {
    core.market(token.market).last.map_or(String::new(), |(yes, _)| token.outcome.price_of(yes).to_string())
}

/// Half way between the best prices.
pub fn midpoint(core: &Core, token: Token) -> Option<Price> {
    let market = core.market(token.market);
    let (bid, ask) = (market.best(token.outcome, Side::Bid)?, market.best(token.outcome, Side::Ask)?);
    Some(Price::from_micros((bid.micros() + ask.micros()) / 2))
}
