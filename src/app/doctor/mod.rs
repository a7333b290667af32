//! `arbees doctor`: what stands in the way of trading with money. Places nothing, unless the order test is asked for.

mod order_test;

use anyhow::bail;
use serde_json::json;

use super::accounts::{KalshiAccount, PolymarketAccount, kalshi_account, kalshi_rows, polymarket_account, polymarket_rows};
use crate::cli::Exit;
use crate::cli::args::DoctorArgs;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::market::Venue;

/// An account of the settings.
enum Account {
    Kalshi(KalshiAccount),
    Polymarket(PolymarketAccount),
}

impl Account {
    fn venue(&self) -> Venue {
        match self {
            Self::Kalshi(_) => Venue::Kalshi,
            Self::Polymarket(_) => Venue::Polymarket,
        }
    }

    /// What was found, and what is wrong with it.
    async fn examined(&self) -> (Vec<(&'static str, String)>, Vec<String>) {
        match self {
            Self::Kalshi(account) => {
                let report = account.venue.doctor().await;
                (kalshi_rows(&report), report.problems)
            }
            Self::Polymarket(account) => {
                let unconnected = match account.is_wallet() {
                    true => account.connect().await.err().map(|error| format!("no API key for this wallet: {error}")),
                    false => Some("no wallet: POLY_PRIVATE_KEY_PATH is not set (or the mode is paper)".to_owned()),
                };
                let report = account.venue.doctor().await;
                // Without a key every private call fails, which says nothing more.
                let problems = unconnected.into_iter().chain(report.problems.iter().cloned()).collect();
                (polymarket_rows(&report), problems)
            }
        }
    }
}

/// Errors: no account in the settings. Exit code 1 when something stands in the way.
pub async fn run(config: &Config, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let clock = Clock::system();
    let accounts = accounts(config, args.venue, &clock)?;
    let mut sound = true;
    for account in &accounts {
        let (rows, problems) = account.examined().await;
        sound &= problems.is_empty();
        if args.json.json {
            let facts: serde_json::Map<String, serde_json::Value> =
                rows.into_iter().map(|(what, found)| (what.to_owned(), json!(found))).collect();
            println!("{}", json!({ "venue": account.venue(), "facts": facts, "problems": problems }));
        } else {
            println!("{}", account.venue());
            for (what, found) in rows {
                println!("  {what:26} {found}");
            }
            for problem in &problems {
                println!("  PROBLEM: {problem}");
            }
        }
    }
    let Some(market) = args.order_test.as_ref().filter(|_| sound) else {
        return Ok(if sound { Exit::Good } else { Exit::Failed });
    };
    match accounts.as_slice() {
        [account] => order_test::run(config, account, market.as_ref(), args.yes, &clock).await,
        _ => bail!("two accounts: say which with --venue"),
    }
}

fn accounts(config: &Config, wanted: Option<Venue>, clock: &Clock) -> anyhow::Result<Vec<Account>> {
    let is_wanted = |venue| wanted.is_none_or(|wanted| wanted == venue);
    let mut accounts = Vec::new();
    if is_wanted(Venue::Kalshi) {
        accounts.extend(kalshi_account(config, clock)?.map(Account::Kalshi));
    }
    if is_wanted(Venue::Polymarket) {
        accounts.extend(polymarket_account(config, clock)?.map(Account::Polymarket));
    }
    if accounts.is_empty() {
        let named = wanted.map_or_else(|| "no venue".to_owned(), |venue| venue.to_string());
        bail!("{named} has credentials: set KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH, or POLY_PRIVATE_KEY_PATH");
    }
    Ok(accounts)
}
