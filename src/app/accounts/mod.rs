//! Accounts at venues, from the settings: credentials, addresses, and what a person wants to know of them first.

mod kalshi;
mod polymarket;

pub use kalshi::{KalshiAccount, kalshi_account, rows as kalshi_rows};
pub use polymarket::{PolymarketAccount, account_key, polymarket_account, rows as polymarket_rows};

use crate::config::Config;
use crate::domain::market::Venue;
use crate::domain::money::Usd;

/// Which account this is, what may be lost, and what is wrong with it.
fn announce(config: &Config, venue: Venue, account: &str, cash: Option<Usd>, problems: &[String]) {
    let tag = config.mode.tag();
    let cash = cash.map_or("unknown".to_owned(), |cash| format!("${cash}"));
    let limits = &config.limits;
    tracing::warn!(
        "{tag} {venue} {account}, cash {cash}; order at most ${} and {} contracts, game ${}, day's loss ${}",
        limits.order_size_max,
        limits.order_contracts_max,
        limits.game_exposure_max,
        limits.daily_loss_max
    );
    if let Some(canary) = limits.canary {
        tracing::warn!(
            "{tag} LIVE_STAGE=canary: {} open order, ${} each, ${} a day",
            canary.open_orders_max,
            canary.order_notional_max,
            canary.day_notional_max
        );
    }
    for problem in problems {
        tracing::warn!("{tag} {venue}: {problem}");
    }
}
