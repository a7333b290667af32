//! Markets, books and the outcome of a market.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::stamp::Stamp;
use crate::domain::money::{Price, Quantity};
use crate::venues::number::{MillionthsUp, Num};

/// `/clob-markets/{condition}`: what signing and fees need (`polymarket.md` §4).
#[derive(Debug, Deserialize)]
pub struct ClobMarket {
    /// The condition.
    pub c: Option<String>,
    /// The two tokens; the first is YES.
    pub t: Vec<ClobToken>,
    /// Smallest tick.
    pub mts: Num<Price>,
    /// Smallest order in shares.
    pub mos: Num<Quantity>,
    /// Settled through the other exchange contract. It decides what is signed, so it must be said.
    pub nr: bool,
    pub fd: Option<FeeDetails>,
    /// Takers are held for a moment before they match.
    #[serde(default)]
    pub itode: Option<bool>,
    /// Base fees of the old schedule; above zero they say that this market has fees.
    pub mbf: Option<Num<MillionthsUp>>,
    pub tbf: Option<Num<MillionthsUp>>,
}

#[derive(Debug, Deserialize)]
pub struct ClobToken {
    pub t: String,
    #[serde(default)]
    pub o: Option<String>,
}

/// `rate x (p(1-p))^exponent`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct FeeDetails {
    #[serde(alias = "rate")]
    pub r: Option<Num<MillionthsUp>>,
    #[serde(alias = "exponent")]
    pub e: Option<Num<u32>>,
    /// Takers only.
    #[serde(alias = "takerOnly")]
    pub to: Option<bool>,
}

/// `/markets/{condition}`: whether it trades, and how it ended.
#[derive(Debug, Deserialize)]
pub struct MarketState {
    pub condition_id: Option<String>,
    pub active: Option<bool>,
    #[serde(default)]
    pub closed: bool,
    pub accepting_orders: Option<bool>,
    #[serde(default, deserialize_with = "super::list")]
    pub tokens: Vec<TokenState>,
}

#[derive(Debug, Deserialize)]
pub struct TokenState {
    pub token_id: String,
    #[serde(default)]
    pub winner: Option<bool>,
    /// What one share pays, once the market is closed.
    pub price: Option<Num<Price>>,
}

/// A market as gamma lists it; lists stand in it as JSON within a text (`polymarket.md` §9).
#[derive(Debug, Deserialize)]
pub struct GammaMarket {
    #[serde(rename = "conditionId")]
    pub condition_id: Option<String>,
    #[serde(rename = "feesEnabled")]
    pub fees_enabled: Option<bool>,
    #[serde(rename = "feeSchedule")]
    pub fee_schedule: Option<FeeDetails>,
    #[serde(rename = "clobTokenIds")]
    pub token_ids: Option<Listed>,
    #[serde(rename = "outcomePrices")]
    pub outcome_prices: Option<Listed>,
    pub closed: Option<bool>,
    #[serde(rename = "umaResolutionStatus")]
    pub resolution: Option<String>,
}

/// A bare list, or a page of the newer listing. Told apart by hand: what serde keeps aside to try a second shape on is no
/// JSON any more, and numbers are read from their JSON text.
pub fn gamma_markets(body: &[u8]) -> Result<Vec<GammaMarket>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Page {
        markets: Vec<GammaMarket>,
    }
    if body.trim_ascii_start().first() == Some(&b'{') {
        return serde_json::from_slice::<Page>(body).map(|page| page.markets);
    }
    serde_json::from_slice(body)
}

/// Texts, as a list or as a list within a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed(pub Vec<String>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(d)? {
            Value::String(text) if text.is_empty() => return Ok(Self(Vec::new())),
            Value::String(text) => serde_json::from_str(&text).map_err(serde::de::Error::custom)?,
            value => value,
        };
        let Value::Array(items) = value else { return Err(serde::de::Error::custom("not a list")) };
        let word = |item: Value| if let Value::String(text) = item { text } else { item.to_string() };
        Ok(Self(items.into_iter().map(word).collect()))
    }
}

/// `/markets-by-token/{token}`: a bare condition id, or an object that holds it.
pub fn condition_of(body: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(body).ok()? {
        Value::String(text) => Some(text),
        Value::Object(map) => {
            let names = ["condition_id", "conditionId", "market", "c"];
            names.iter().find_map(|name| map.get(*name).and_then(Value::as_str)).map(str::to_owned)
        }
        _ => None,
    }
}

/// One level of a book.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Level {
    pub price: Num<Price>,
    pub size: Num<Quantity>,
}

/// A book, from REST or from the stream. The best prices stand last.
#[derive(Debug, Deserialize)]
pub struct Book<'a> {
    #[serde(borrow)]
    pub asset_id: Cow<'a, str>,
    #[serde(deserialize_with = "super::list")]
    pub bids: Vec<Level>,
    #[serde(deserialize_with = "super::list")]
    pub asks: Vec<Level>,
    #[serde(default)]
    pub timestamp: Stamp,
    pub tick_size: Option<Num<Price>>,
    pub neg_risk: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_lists_markets_bare_or_in_a_page_with_their_fees() {
        let market = r#"{"conditionId":"0xab","feesEnabled":true,"closed":true,"umaResolutionStatus":"","negRisk":false,
            "orderPriceMinTickSize":0.01,"feeSchedule":{"rate":0.05,"exponent":1,"takerOnly":true,"rebateRate":0.25}}"#;
        for body in [format!(" [{market}]"), format!(r#"{{"markets":[{market}],"next_cursor":null}}"#)] {
            let markets = gamma_markets(body.as_bytes()).expect(&body);
            let rate = markets[0].fee_schedule.and_then(|fees| fees.r).map(|rate| rate.0.0);
            assert_eq!((markets.len(), markets[0].condition_id.as_deref(), rate), (1, Some("0xab"), Some(50_000)));
        }
        assert!(gamma_markets(b"null").is_err() && gamma_markets(b"{}").is_err() && gamma_markets(b"").is_err());
    }

    #[test]
    fn a_condition_is_read_bare_or_wrapped() {
        for body in [r#""0xab""#, r#"{"condition_id":"0xab","primary_token_id":"1"}"#, r#"{"conditionId":"0xab"}"#, r#"{"market":"0xab"}"#]
        {
            assert_eq!(condition_of(body.as_bytes()).as_deref(), Some("0xab"), "{body}");
        }
        assert_eq!(condition_of(b"null"), None);
    }

    #[test]
    fn lists_within_texts_are_lists() {
        for json in [r#""[\"1\", \"2\"]""#, r#"["1","2"]"#, "[1,2]"] {
            assert_eq!(serde_json::from_str::<Listed>(json).expect(json), Listed(vec!["1".to_owned(), "2".to_owned()]), "{json}");
        }
    }

    #[test]
    fn what_decides_the_signature_must_be_said() {
        let market = r#"{"t":[{"t":"1","o":"Yes"},{"t":"2","o":"No"}],"mts":0.01,"mos":"5","nr":false}"#;
        assert!(serde_json::from_str::<ClobMarket>(market).is_ok());
        for (part, with) in [(r#""mts":0.01,"#, ""), (r#""mos":"5","#, ""), (r#","nr":false"#, "")] {
            assert!(serde_json::from_str::<ClobMarket>(&market.replace(part, with)).is_err(), "without {part}");
        }
    }
}
