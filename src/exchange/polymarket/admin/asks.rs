//! What the admin port is asked, as JSON; an unknown field is refused rather than ignored.

use serde::Deserialize;

use super::super::core::{Frames, Mode, Rules};
use super::super::markets::{FeeTerms, Life, MarketSpec};
use super::super::orders::Kind;
use super::super::place::Terms;
use super::super::trades::Fate;
use crate::domain::decimal::Decimal;
use crate::domain::money::{Price, Quantity, Rounding};
use crate::domain::order::Action;
use crate::domain::time::Time;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMarket {
    /// Its slug; a market is found by it, by its condition and by its tokens.
    pub market: String,
    pub question: Option<String>,
    pub condition: Option<String>,
    pub tokens: Option<[String; 2]>,
    pub outcomes: Option<[String; 2]>,
    pub category: Option<String>,
    pub tick: Option<Price>,
    pub min_size: Option<Quantity>,
    pub neg_risk: Option<bool>,
    pub fee_rate: Option<String>,
    pub fee_exponent: Option<u8>,
    pub fees_enabled: Option<bool>,
    pub status: Option<String>,
    pub end: Option<Time>,
    pub delay_s: Option<i64>,
    pub taker_delay_ms: Option<i64>,
    #[serde(default)]
    pub bids: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub asks: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub keep: bool,
}

impl NewMarket {
    pub fn spec(&self, now: Time) -> Result<MarketSpec, String> {
        let usual = MarketSpec::open(&self.market, now);
        let fees = FeesAsk { rate: self.fee_rate.clone(), exponent: self.fee_exponent, enabled: self.fees_enabled };
        Ok(MarketSpec {
            question: self.question.clone().unwrap_or(usual.question),
            condition: self.condition.clone().unwrap_or(usual.condition),
            tokens: self.tokens.clone().unwrap_or(usual.tokens),
            outcomes: self.outcomes.clone().unwrap_or(usual.outcomes),
            category: self.category.clone().unwrap_or(usual.category),
            tick: self.tick.unwrap_or(usual.tick),
            size_min: self.min_size.unwrap_or(usual.size_min),
            neg_risk: self.neg_risk.unwrap_or(usual.neg_risk),
            fees: fees.terms(usual.fees)?,
            life: self.status.as_deref().map_or(Ok(Life::Active), life)?,
            end: self.end.unwrap_or(usual.end),
            delay_s: self.delay_s.unwrap_or(0),
            taker_delay_ms: self.taker_delay_ms.unwrap_or(0),
            ..usual
        })
    }
}

pub fn life(text: &str) -> Result<Life, String> {
    let known = Life::ALL.map(Life::as_str).join(", ");
    Life::parse(text).ok_or_else(|| format!("no such status: {text}; known: {known}"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeesAsk {
    pub rate: Option<String>,
    pub exponent: Option<u8>,
    pub enabled: Option<bool>,
}

impl FeesAsk {
    /// What was, with what is asked changed in it.
    pub fn terms(&self, was: Option<FeeTerms>) -> Result<Option<FeeTerms>, String> {
        if self.enabled == Some(false) {
            return Ok(None);
        }
        let was = was.unwrap_or(FeeTerms { rate_micros: 0, exponent: 1 });
        let rate_micros = match &self.rate {
            None => was.rate_micros,
            Some(text) => {
                let rate = Decimal::parse(text).and_then(|rate| rate.to_micros(Rounding::Up)).map_err(|error| format!("rate: {error}"))?;
                if (0..=1_000_000).contains(&rate) { rate } else { return Err("rate: from 0 to 1".to_owned()) }
            }
        };
        let exponent = self.exponent.unwrap_or(was.exponent);
        if exponent > 4 { Err("exponent: up to 4".to_owned()) } else { Ok(Some(FeeTerms { rate_micros, exponent })) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleAsk {
    /// yes, no, void (half each), or what YES pays.
    pub result: String,
    /// Whether tokens are paid at once; otherwise `redeem` pays them.
    #[serde(default = "yes")]
    pub redeem: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TickAsk {
    pub tick: Price,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayAsk {
    pub delay_s: Option<i64>,
    pub taker_delay_ms: Option<i64>,
}

/// An order of the crowd, or one on the website of an account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderAsk {
    pub account: Option<String>,
    /// A slug or a condition is its YES token.
    #[serde(alias = "ticker", alias = "token")]
    pub market: String,
    /// `buy`, `sell`; `bid` and `ask` are the same.
    pub side: String,
    pub price: Price,
    pub quantity: Quantity,
    pub order_type: Option<String>,
    pub time_in_force: Option<String>,
}

impl OrderAsk {
    pub fn terms(&self) -> Result<Terms, String> {
        let action = match self.side.to_ascii_lowercase().as_str() {
            "buy" | "bid" => Action::Buy,
            "sell" | "ask" => Action::Sell,
            other => return Err(format!("no such side: {other}; known: buy, sell")),
        };
        let kind = match (self.order_type.as_deref(), self.time_in_force.as_deref()) {
            (None, None | Some("good_till_canceled")) => Kind::Gtc,
            (None, Some("immediate_or_cancel")) => Kind::Fak,
            (None, Some("fill_or_kill")) => Kind::Fok,
            (Some(word), None) => Kind::parse(word).filter(|kind| *kind != Kind::Gtd).ok_or("order_type: GTC, FOK, FAK")?,
            _ => return Err("order_type: GTC, FOK, FAK; or time_in_force in Kalshi's words".to_owned()),
        };
        Ok(Terms { action, price: self.price, quantity: self.quantity, kind })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedOrder {
    pub order_id: String,
    pub quantity: Option<Quantity>,
    /// The crowd buys the other token instead, so that the match mints a pair.
    #[serde(default)]
    pub complement: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeAsk {
    pub mode: String,
    /// How long; absent: until told otherwise.
    pub ms: Option<i64>,
    /// After a restart the venue is post-only for so long.
    #[serde(default)]
    pub post_only_ms: i64,
}

impl ModeAsk {
    pub fn mode(&self, now: Time) -> Result<Mode, String> {
        let until = self.ms.map(|ms| now.plus_ms(ms));
        Ok(match self.mode.as_str() {
            "open" => Mode::Open,
            "restart" => Mode::Restart { until },
            "post_only" => Mode::PostOnly { until },
            "cancel_only" => Mode::CancelOnly,
            "disabled" => Mode::Disabled,
            other => return Err(format!("no such mode: {other}; known: open, restart, post_only, cancel_only, disabled")),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CashAsk {
    pub account: Option<String>,
    /// Minus is a withdrawal.
    pub amount: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensAsk {
    pub account: Option<String>,
    #[serde(alias = "market")]
    pub token: String,
    /// Minus takes them away.
    pub amount: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowanceAsk {
    pub account: Option<String>,
    /// Absent: unlimited.
    pub amount: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletAsk {
    pub account: String,
    pub owner: String,
    pub wallet: Option<String>,
    pub kind: String,
}

/// What may be wrong with an account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingAsk {
    pub account: Option<String>,
    pub closed_only: Option<bool>,
    pub banned: Option<bool>,
    /// False: `maker address not allowed, please use the deposit wallet flow`.
    pub maker_allowed: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAsk {
    /// Deletes this one.
    pub revoke: Option<String>,
    pub skew_s_max: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionAsk {
    pub version: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TradeAsk {
    /// confirm, retry, fail, hold.
    pub status: String,
}

impl TradeAsk {
    pub fn fate(&self) -> Result<Fate, String> {
        Ok(match self.status.as_str() {
            "confirm" => Fate::Confirm,
            "retry" => Fate::Retry,
            "fail" => Fate::Fail,
            "hold" => Fate::Hold,
            other => return Err(format!("no such status: {other}; known: confirm, retry, fail, hold")),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesAsk {
    pub mined_ms: Option<i64>,
    pub confirmed_ms: Option<i64>,
    pub settle_at_matched: Option<bool>,
    pub not_broadcasted: Option<bool>,
    pub plain_1271: Option<bool>,
    pub wrapped_1271: Option<bool>,
    pub makers_per_trade: Option<usize>,
    pub fail_body: Option<bool>,
    pub created_at_ms: Option<bool>,
    pub iso_times: Option<bool>,
    pub frames: Option<Frames>,
    pub page_limit: Option<usize>,
    pub heartbeat_ms: Option<i64>,
    pub heartbeat_sweep_ms: Option<i64>,
    pub expiry_ahead_s: Option<i64>,
    pub expiry_early_s: Option<i64>,
}

impl RulesAsk {
    /// The rules with what is asked changed in them.
    pub fn applied(self, rules: Rules) -> Rules {
        Rules {
            mined_ms: self.mined_ms.unwrap_or(rules.mined_ms),
            confirmed_ms: self.confirmed_ms.unwrap_or(rules.confirmed_ms),
            settle_at_matched: self.settle_at_matched.unwrap_or(rules.settle_at_matched),
            not_broadcasted: self.not_broadcasted.unwrap_or(rules.not_broadcasted),
            plain_1271: self.plain_1271.unwrap_or(rules.plain_1271),
            wrapped_1271: self.wrapped_1271.unwrap_or(rules.wrapped_1271),
            makers_per_trade: self.makers_per_trade.unwrap_or(rules.makers_per_trade).max(1),
            fail_body: self.fail_body.unwrap_or(rules.fail_body),
            created_at_ms: self.created_at_ms.unwrap_or(rules.created_at_ms),
            iso_times: self.iso_times.unwrap_or(rules.iso_times),
            frames: self.frames.unwrap_or(rules.frames),
            page_limit: self.page_limit.unwrap_or(rules.page_limit).max(1),
            heartbeat_ms: self.heartbeat_ms.unwrap_or(rules.heartbeat_ms),
            heartbeat_sweep_ms: self.heartbeat_sweep_ms.unwrap_or(rules.heartbeat_sweep_ms),
            expiry_ahead_s: self.expiry_ahead_s.unwrap_or(rules.expiry_ahead_s),
            expiry_early_s: self.expiry_early_s.unwrap_or(rules.expiry_early_s),
            ..rules
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatAsk {
    pub timeout_ms: Option<i64>,
    pub sweep_ms: Option<i64>,
}
