//! What the admin port is asked, as JSON; an unknown field is refused rather than ignored.

use serde::Deserialize;

use super::super::core::{FillOrKill, PostOnlyCross, Rules};
use super::super::markets::{FeeTerms, Life, MarketSpec, structure_bands};
use super::super::orders::InForce;
use crate::domain::decimal::Decimal;
use crate::domain::market::PriceBand;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::domain::time::Time;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BookSide {
    Bid,
    Ask,
}

impl From<BookSide> for Side {
    fn from(side: BookSide) -> Self {
        match side {
            BookSide::Bid => Self::Bid,
            BookSide::Ask => Self::Ask,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tif {
    #[default]
    GoodTillCanceled,
    ImmediateOrCancel,
    FillOrKill,
}

impl From<Tif> for InForce {
    fn from(tif: Tif) -> Self {
        match tif {
            Tif::GoodTillCanceled => Self::UntilCanceled,
            Tif::ImmediateOrCancel => Self::ImmediateOrCancel,
            Tif::FillOrKill => Self::FillOrKill,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub start: Price,
    pub end: Price,
    pub step: Price,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMarket {
    pub ticker: String,
    pub title: Option<String>,
    pub category: Option<String>,
    pub exchange_index: Option<u32>,
    pub price_level_structure: Option<String>,
    pub price_ranges: Option<Vec<Band>>,
    pub status: Option<String>,
    pub close_time: Option<Time>,
    pub fee_type: Option<String>,
    pub fee_multiplier: Option<String>,
    #[serde(default)]
    pub bids: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub asks: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub keep: bool,
}

impl NewMarket {
    pub fn spec(&self, now: Time) -> Result<MarketSpec, String> {
        let mut spec = MarketSpec::open(&self.ticker, now);
        let text = |given: &Option<String>, usual: String| given.clone().unwrap_or(usual);
        (spec.title, spec.category) = (text(&self.title, spec.title), text(&self.category, spec.category));
        spec.shard = self.exchange_index.unwrap_or(0);
        if self.price_level_structure.is_some() || self.price_ranges.is_some() {
            let structure = text(&self.price_level_structure, "custom".into());
            (spec.bands, spec.structure) = (bands(&structure, self.price_ranges.as_deref())?, structure);
        }
        spec.life = self.status.as_deref().map_or(Ok(Life::Active), life)?;
        spec.close_time = self.close_time.unwrap_or(spec.close_time);
        spec.fees = fees(self.fee_type.as_deref(), self.fee_multiplier.as_deref())?;
        Ok(spec)
    }
}

pub fn life(text: &str) -> Result<Life, String> {
    let known = Life::ALL.map(Life::as_str).join(", ");
    Life::parse(text).ok_or_else(|| format!("no such status: {text}; known: {known}"))
}

/// The bands given, or those of a known structure.
pub fn bands(structure: &str, given: Option<&[Band]>) -> Result<Vec<PriceBand>, String> {
    match given {
        Some(bands) => Ok(bands.iter().map(|band| PriceBand { start: band.start, end: band.end, step: band.step }).collect()),
        None => structure_bands(structure).ok_or_else(|| format!("no such structure: {structure}; give price_ranges")),
    }
}

pub fn fees(kind: Option<&str>, multiplier: Option<&str>) -> Result<FeeTerms, String> {
    let kind = kind.unwrap_or("quadratic");
    if !FeeTerms::KINDS.contains(&kind) {
        return Err(format!("no such fee_type: {kind}; known: {}", FeeTerms::KINDS.join(", ")));
    }
    let multiplier = Decimal::parse(multiplier.unwrap_or("1")).map_err(|error| format!("fee_multiplier: {error}"))?;
    Ok(FeeTerms { kind: kind.to_owned(), multiplier })
}

pub fn levels(bids: &[(Price, Quantity)], asks: &[(Price, Quantity)]) -> Vec<(Side, Price, Quantity)> {
    let of = |side: Side, levels: &[(Price, Quantity)]| levels.iter().map(move |(price, size)| (side, *price, *size)).collect::<Vec<_>>();
    [of(Side::Bid, bids), of(Side::Ask, asks)].concat()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleAsk {
    /// yes, no, void, or what YES pays.
    pub result: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseTimeAsk {
    pub close_time: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructureAsk {
    pub price_level_structure: String,
    pub price_ranges: Option<Vec<Band>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeesAsk {
    pub fee_type: Option<String>,
    pub fee_multiplier: Option<String>,
}

/// An order of the crowd, or one on the website of an account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderAsk {
    pub account: Option<String>,
    pub ticker: String,
    pub side: BookSide,
    pub price: Price,
    pub quantity: Quantity,
    #[serde(default)]
    pub time_in_force: Tif,
}

/// One order, by either id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedOrder {
    pub account: Option<String>,
    pub order_id: Option<String>,
    pub client_order_id: Option<String>,
    pub quantity: Option<Quantity>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursAsk {
    pub exchange_active: Option<bool>,
    pub trading_active: Option<bool>,
    pub resumes: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CashAsk {
    pub account: Option<String>,
    #[serde(default)]
    pub exchange_index: u32,
    /// Minus is a withdrawal.
    pub amount: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAsk {
    pub key: Option<String>,
    pub revoked: Option<bool>,
    pub scopes: Option<Vec<String>>,
    /// When the location attestation ends.
    pub region_expires: Option<Time>,
    pub skew_ms_max: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesAsk {
    pub post_only_cross: Option<PostOnlyCross>,
    pub fill_or_kill: Option<FillOrKill>,
    pub cancel_all_shadow_ms: Option<i64>,
    pub close_cancel_ms: Option<i64>,
}

impl RulesAsk {
    /// The rules with what is asked changed in them.
    pub fn applied(self, rules: Rules) -> Rules {
        Rules {
            post_only_cross: self.post_only_cross.unwrap_or(rules.post_only_cross),
            fill_or_kill: self.fill_or_kill.unwrap_or(rules.fill_or_kill),
            cancel_all_shadow_ms: self.cancel_all_shadow_ms.unwrap_or(rules.cancel_all_shadow_ms),
            close_cancel_ms: self.close_cancel_ms.unwrap_or(rules.close_cancel_ms),
            ..rules
        }
    }
}
