//! `arbees doctor --order-test`: the smallest order, far from the market, rests and is cancelled.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::Account;
use crate::app::accounts::{KalshiAccount, PolymarketAccount};
use crate::app::asking::confirmed;
use crate::app::bus;
use crate::app::counters::own;
use crate::cli::Exit;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::{MarketId, Mode, OrderId, SignalId, VenueOrderId};
use crate::domain::market::{BookKey, Instrument, Market, MarketStatus, Outcome, Venue};
use crate::domain::money::{Price, Quantity, Rounding};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::report::{CancelOutcome, SubmitOutcome};
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::projections::Projections;

/// The venue drops the test order by itself after this.
const TEST_ORDER_LIVES_MS: i64 = 60_000;
/// Polymarket takes no shorter expiry (`polymarket.md` §2).
const POLYMARKET_TEST_ORDER_LIVES_MS: i64 = 125_000;
/// Markets looked at for one that is far from the test's price.
const MARKETS_TRIED_MAX: usize = 50;
/// The test bids the lowest price; somebody must not be asking near it.
const ASK_MIN: Price = Price::from_micros(50_000);

/// Rests the smallest order far from the market and cancels it.
pub async fn run(config: &Config, account: &Account, market: Option<&MarketId>, yes: bool, clock: &Clock) -> anyhow::Result<Exit> {
    ensure!(matches!(config.mode, Mode::Demo | Mode::Live), "an order test is for demo and live; the mode is {}", config.mode);
    let order = match account {
        Account::Kalshi(account) => {
            let market = match market {
                Some(id) => account.venue.market(id).await?.market,
                None => quiet_market(account).await?,
            };
            test_order(config, &market, Quantity::whole(1), TEST_ORDER_LIVES_MS, clock.now().wall)
        }
        Account::Polymarket(account) => polymarket_order(config, account, market, clock).await?,
    };
    let words = format!("bid {} for {} of {}, at most ${}", order.limit, order.quantity, order.instrument.book_key().id, order.notional());
    if !yes && !confirmed(&format!("{words}. Place it and cancel it?"))? {
        bail!("no order placed");
    }
    // Nobody else may be trading on this account meanwhile.
    let bus = bus(config, "arbees-doctor", "engine", clock).await?;
    let ownership = own(config, &Projections::default(), &bus, clock, false).await.context("is an engine running on this account?")?;
    let ownership = ownership.context("an order is tested under a lease")?;
    let done = place_and_cancel(account, order).await;
    ownership.give_back(&*bus).await;
    println!("order test: {}", done?);
    Ok(Exit::Good)
}

async fn place_and_cancel(account: &Account, order: Order) -> anyhow::Result<String> {
    let approved = ApprovedOrder::after_durable_approval(order.clone());
    let outcome = match account {
        Account::Kalshi(account) => account.venue.submit(&approved).await.0,
        Account::Polymarket(account) => {
            let mut signed = account.venue.prepare(&order).await?;
            // Not part of what is signed: it may rest or be refused, and never trade.
            signed.post_only = true;
            account.venue.submit(&approved, &signed).await.0
        }
    };
    let SubmitOutcome::Acked { venue_order_id, .. } = outcome else {
        bail!("the order was not placed: {outcome:?}");
    };
    for _ in 0..10 {
        match cancel(account, &order, &venue_order_id).await {
            CancelOutcome::Canceled { filled } if filled.is_zero() => {
                return Ok(format!("order {venue_order_id} rested and was cancelled; nothing was filled"));
            }
            CancelOutcome::Canceled { filled } => {
                bail!("order {venue_order_id} was cancelled, but {filled} had filled: look at the account")
            }
            CancelOutcome::NotWorking | CancelOutcome::Over => bail!("order {venue_order_id} is not working any more: look at the account"),
            CancelOutcome::Unknown { .. } => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    bail!("order {venue_order_id} could not be cancelled; the venue drops it at {}", order.venue_expires_at)
}

async fn cancel(account: &Account, order: &Order, id: &VenueOrderId) -> CancelOutcome {
    match account {
        Account::Kalshi(account) => account.venue.cancel(order, id).await,
        Account::Polymarket(account) => account.venue.cancel(order, id).await,
    }
}

/// No list of Polymarket's says which market is quiet: a person names one by a token or its condition.
async fn polymarket_order(config: &Config, account: &PolymarketAccount, market: Option<&MarketId>, clock: &Clock) -> anyhow::Result<Order> {
    let id = market.context("name a market of Polymarket: --order-test TOKEN_ID (or its condition id)")?;
    let described = account.venue.describe(&BookKey { venue: Venue::Polymarket, id: id.clone() }).await?;
    let named = described.markets.iter().find(|market| market.key.id == *id);
    let market = named.or(described.markets.first()).context("the venue describes no token of it")?;
    ensure!(market.status == MarketStatus::Open, "{} takes no orders", market.key.id);
    let quantity = market.quantity_min.max(Quantity::whole(1));
    Ok(test_order(config, market, quantity, POLYMARKET_TEST_ORDER_LIVES_MS, clock.now().wall))
}

async fn quiet_market(account: &KalshiAccount) -> anyhow::Result<Market> {
    let tickers = account.venue.open_markets(MARKETS_TRIED_MAX).await.context("the open markets")?;
    for id in tickers {
        let market = account.venue.market(&id).await?.market;
        let top = account.venue.top_of_book(&id).await?;
        if market.status == MarketStatus::Open && top.quote.ask.is_some_and(|ask| ask >= ASK_MIN) {
            return Ok(market);
        }
    }
    bail!("none of {MARKETS_TRIED_MAX} open markets is asked at {ASK_MIN} or more: name one with --order-test TICKER")
}

/// A bid of the lowest price.
fn test_order(config: &Config, market: &Market, quantity: Quantity, lives_ms: i64, now: Time) -> Order {
    let signal_id = SignalId::new(&format!("doctor-{}", now.nanos())).expect("Invariant: digits are a valid id");
    let venue = market.key.venue;
    let token = (venue == Venue::Polymarket).then(|| crate::domain::ids::TokenId::new(market.key.id.as_str()).ok()).flatten();
    let instrument = Instrument {
        venue,
        market: market.condition.clone().unwrap_or_else(|| market.key.id.clone()),
        token,
        outcome: market.outcome.unwrap_or(Outcome::Yes),
    };
    Order {
        order_id: OrderId::of(&config.instance, config.mode, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        groups: crate::engine::plain_groups(&instrument),
        instrument,
        action: Action::Buy,
        quantity,
        limit: market.grid.snap(Price::from_micros(1), Rounding::Up),
        tif: TimeInForce::Gtd,
        created_at: Some(now),
        expires_at: now.plus_ms(lives_ms),
        venue_expires_at: now.plus_ms(lives_ms),
        fee: market.fee,
    }
}
