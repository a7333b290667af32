//! The limits an operator sets; logged whole (`LimitsLoaded`) so that a verdict can be judged again later.

use serde::{Deserialize, Serialize};

use super::money::{Edge, Price, Probability, Quantity, Usd};

/// Every number the risk checks compare with. Defaults: `config/settings.rs` and `.env.example`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub bankroll: Usd,
    /// Share of the Kelly stake that is taken.
    pub kelly_fraction: Probability,
    pub order_size_max: Usd,
    pub order_contracts_max: Quantity,
    pub order_contracts_min: Quantity,
    pub safe_price_min: Price,
    pub safe_price_max: Price,
    pub edge_min: Edge,
    /// How far the declared and the recomputed edge may lie apart.
    pub edge_tolerance: Edge,
    pub probability_min: Probability,
    pub probability_max: Probability,
    pub book_age_max_ms: i64,
    /// How far the limit may lie beyond the opposite side of the book.
    pub book_distance_max: Price,
    pub mark_age_max_ms: i64,
    pub game_exposure_max: Usd,
    pub sport_exposure_max: Usd,
    pub venue_exposure_max: Usd,
    pub total_exposure_max: Usd,
    pub allow_hedging: bool,
    pub duplicate_intent_ms: i64,
    pub cool_down_win_ms: i64,
    pub cool_down_loss_ms: i64,
    pub daily_loss_max: Usd,
    pub orders_per_minute_max: u32,
    pub orders_per_hour_max: u32,
    /// Rejected or unknown in a row; one more trips the breaker.
    pub consecutive_errors_max: u32,
    /// A breaker that errors have opened may probe after this much running time; 0: never.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub probe_after_ms: i64,
    pub unknown_age_max_ms: i64,
    pub unknown_amount_max: Usd,
    /// Minutes east of UTC at which the trading day turns.
    pub day_offset_minutes: i32,
    /// The first live days; absent once the operator has said `full`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<Canary>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What a live account may do until it is known that everything works (design §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    pub open_orders_max: u32,
    pub order_notional_max: Usd,
    pub day_notional_max: Usd,
}

impl Default for Canary {
    fn default() -> Self {
        Self { open_orders_max: 1, order_notional_max: Usd::whole(10), day_notional_max: Usd::whole(25) }
    }
}
