//! `arbees doctor`: what stands in the way of trading with money. Places nothing, unless the order test is asked for.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::accounts::{KalshiAccount, kalshi_account, rows};
use super::asking::confirmed;
use super::bus;
use super::counters::own;
use crate::cli::Exit;
use crate::cli::args::DoctorArgs;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::{MarketId, Mode, OrderId, SignalId};
use crate::domain::market::{Instrument, Market, MarketStatus, Outcome, Venue};
use crate::domain::money::{Price, Quantity, Rounding};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::report::{CancelOutcome, SubmitOutcome};
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::projections::Projections;

/// The venue drops the test order by itself after this.
const TEST_ORDER_LIVES_MS: i64 = 60_000;
/// Markets looked at for one that is far from the test's price.
const MARKETS_TRIED_MAX: usize = 50;
/// The test bids the lowest price; somebody must not be asking near it.
const ASK_MIN: Price = Price::from_micros(50_000);

/// Errors: no account in the settings. Exit code 1 when something stands in the way.
pub async fn run(config: &Config, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let clock = Clock::system();
    let account =
        kalshi_account(config, &clock)?.context("kalshi has no credentials: set KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH")?;
    let report = account.venue.doctor().await;
    let rows = rows(&report);
    if args.json.json {
        let facts: serde_json::Map<String, serde_json::Value> =
            rows.into_iter().map(|(what, found)| (what.to_owned(), json!(found))).collect();
        println!("{}", json!({ "venue": "kalshi", "facts": facts, "problems": report.problems }));
    } else {
        println!("kalshi");
        for (what, found) in rows {
            println!("  {what:26} {found}");
        }
        for problem in &report.problems {
            println!("  PROBLEM: {problem}");
        }
    }
    if !report.problems.is_empty() {
        return Ok(Exit::Failed);
    }
    match &args.order_test {
        None => Ok(Exit::Good),
        Some(market) => order_test(config, &account, market.as_ref(), args.yes, &clock).await,
    }
}

/// Rests one contract far from the market and cancels it.
async fn order_test(config: &Config, account: &KalshiAccount, market: Option<&MarketId>, yes: bool, clock: &Clock) -> anyhow::Result<Exit> {
    ensure!(matches!(config.mode, Mode::Demo | Mode::Live), "an order test is for demo and live; the mode is {}", config.mode);
    let market = match market {
        Some(id) => account.venue.market(id).await?.market,
        None => quiet_market(account).await?,
    };
    let order = test_order(config, &market, clock.now().wall);
    let words = format!("bid {} for one contract of {}, at most ${}", order.limit, market.key.id, order.limit);
    if !yes && !confirmed(&format!("{words}. Place it and cancel it?"))? {
        bail!("no order placed");
    }
    // Nobody else may be trading on this account meanwhile.
    let bus = bus(config, "arbees-doctor", clock).await?;
    let ownership = own(config, &Projections::default(), &bus, clock).await.context("is an engine running on this account?")?;
    let ownership = ownership.context("an order is tested under a lease")?;
    let done = place_and_cancel(account, order).await;
    ownership.give_back(&*bus).await;
    println!("order test: {}", done?);
    Ok(Exit::Good)
}

async fn place_and_cancel(account: &KalshiAccount, order: Order) -> anyhow::Result<String> {
    let approved = ApprovedOrder::after_durable_approval(order.clone());
    let (outcome, _) = account.venue.submit(&approved).await;
    let SubmitOutcome::Acked { venue_order_id, .. } = outcome else {
        bail!("the order was not placed: {outcome:?}");
    };
    for _ in 0..10 {
        match account.venue.cancel(&order, &venue_order_id).await {
            CancelOutcome::Canceled { filled } if filled.is_zero() => {
                return Ok(format!("order {venue_order_id} rested and was cancelled; nothing was filled"));
            }
            CancelOutcome::Canceled { filled } => {
                bail!("order {venue_order_id} was cancelled, but {filled} had filled: look at the account")
            }
            CancelOutcome::NotWorking => bail!("order {venue_order_id} is not working any more: look at the account"),
            CancelOutcome::Unknown { .. } => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    bail!("order {venue_order_id} could not be cancelled; the venue drops it within {} s", TEST_ORDER_LIVES_MS / 1_000)
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

fn test_order(config: &Config, market: &Market, now: Time) -> Order {
    let signal_id = SignalId::new(&format!("doctor-{}", now.nanos())).expect("Invariant: digits are a valid id");
    let instrument = Instrument { venue: Venue::Kalshi, market: market.key.id.clone(), token: None, outcome: Outcome::Yes };
    Order {
        order_id: OrderId::of(&config.instance, config.mode, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        groups: crate::engine::plain_groups(&instrument),
        instrument,
        action: Action::Buy,
        quantity: Quantity::whole(1),
        limit: market.grid.snap(Price::from_micros(1), Rounding::Up),
        tif: TimeInForce::Gtd,
        expires_at: now.plus_ms(TEST_ORDER_LIVES_MS),
        venue_expires_at: now.plus_ms(TEST_ORDER_LIVES_MS),
        created_at: None,
        fee: market.fee,
    }
}
