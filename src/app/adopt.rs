//! `arbees adopt`: an account that holds something already is taken over once a person has seen what it holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tokio::sync::oneshot;

use super::accounts::{KalshiAccount, PolymarketAccount, kalshi_account, polymarket_account};
use super::asking::confirmed;
use super::counters::own;
use super::{bus, open_log};
use crate::cli::Exit;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::event::Recorded;
use crate::domain::ids::Mode;
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::AccountReading;
use crate::domain::time::Time;
use crate::engine::{Command, Effect, Engine, Input, Settings, Start};
use crate::event_log::{EventStore, Log};

/// Errors: an engine runs, no account, an incomplete reading, the log.
pub async fn run(config: &Config, wanted: Option<Venue>, yes: bool) -> anyhow::Result<Exit> {
    ensure!(matches!(config.mode, Mode::Demo | Mode::Live), "adopt is for demo and live; the mode is {}", config.mode);
    let clock = Clock::system();
    let account = account(config, wanted, &clock)?;
    let venue = account.venue();
    let (log, book, report) = open_log(config).await.context("is an engine running? it holds the log: stop it first")?;
    if book.cash.is_opened(venue) {
        println!("the {venue} account is in this log already; nothing to adopt");
        return Ok(Exit::Good);
    }
    let bus = bus(config, "arbees-adopt", "engine", &clock).await?;
    let ownership = own(config, &book, &bus, &clock, false).await?.context("an account is adopted under a lease")?;
    let epoch = ownership.epoch();
    let reading = account.read(clock.now().wall).await;
    let reading = reading.context("the account can't be read whole")?;
    show(&reading);
    let done = if yes || confirmed("Take this account over as it is?")? {
        let now = account.read(clock.now().wall).await;
        let now = now.context("the account can't be read whole")?;
        let same = (now.cash, &now.positions, &now.open_orders) == (reading.cash, &reading.positions, &reading.open_orders);
        ensure!(same, "the account has changed since it was shown; look again");
        if let Some(why) = ownership.objection(clock.now()) {
            bail!("not adopted: {why}");
        }
        let settings = settings(config, &report);
        let start = Start {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_hash: config.config_hash(),
            limits: config.limits.clone(),
            paper_cash: None,
            venues: vec![venue],
            prepares: Vec::new(),
            epoch,
            head_hash: report.head.hash,
        };
        let described = account.describe(&reading).await?;
        Some(take_over(&log, Engine::new(settings, book), start, (described, reading), &clock).await?)
    } else {
        None
    };
    ownership.give_back(&*bus).await;
    match done {
        Some(words) => {
            println!("{words}");
            Ok(Exit::Good)
        }
        None => bail!("not adopted"),
    }
}

enum Account {
    Kalshi(KalshiAccount),
    Polymarket(PolymarketAccount),
}

fn account(config: &Config, wanted: Option<Venue>, clock: &Clock) -> anyhow::Result<Account> {
    let (kalshi, polymarket) = (kalshi_account(config, clock)?, polymarket_account(config, clock)?);
    match (wanted, kalshi, polymarket) {
        (None, Some(_), Some(_)) => bail!("two accounts: say which with --venue"),
        (None | Some(Venue::Kalshi), Some(account), _) => Ok(Account::Kalshi(account)),
        (None | Some(Venue::Polymarket), _, Some(account)) => Ok(Account::Polymarket(account)),
        (Some(venue), ..) => bail!("{venue} has no credentials here"),
        (None, None, None) => bail!("no venue has credentials here"),
    }
}

impl Account {
    fn venue(&self) -> Venue {
        match self {
            Self::Kalshi(_) => Venue::Kalshi,
            Self::Polymarket(_) => Venue::Polymarket,
        }
    }

    /// The tokens of the account as their venue describes them: which outcome each is, is never guessed.
    async fn describe(&self, reading: &AccountReading) -> anyhow::Result<Vec<Input>> {
        let Self::Polymarket(account) = self else { return Ok(Vec::new()) };
        let mut described = Vec::new();
        for key in books(reading) {
            let found = account.venue.describe(key).await.with_context(|| format!("{key} can't be described"))?;
            described.push(Input::Described { key: key.clone(), found: Ok(found) });
        }
        Ok(described)
    }

    async fn read(&self, now: Time) -> anyhow::Result<AccountReading> {
        match self {
            Self::Kalshi(account) => Ok(account.venue.read_account(now).await?),
            // All of its trades, whose tokens it may hold.
            Self::Polymarket(account) => {
                account.connect().await?;
                Ok(account.venue.read_account(Time::default(), &Default::default()).await?)
            }
        }
    }
}

/// What the account holds or has on order.
fn books(reading: &AccountReading) -> BTreeSet<&BookKey> {
    reading.positions.iter().map(|position| &position.key).chain(reading.open_orders.iter().map(|order| &order.key)).collect()
}

fn settings(config: &Config, report: &crate::event_log::OpenReport) -> Settings {
    Settings {
        account: config.instance.clone(),
        mode: config.mode,
        log_id: report.log_id,
        risk_public_key: Vec::new(),
        risk_timeout_ms: i64::from(config.risk.timeout_ms),
        submit_stale_after_ms: config.submit_stale_after_ms,
    }
}

/// A session of its own: start, the adoption, end.
async fn take_over(
    log: &Arc<Log>,
    mut engine: Engine,
    start: Start,
    (described, reading): (Vec<Input>, AccountReading),
    clock: &Clock,
) -> anyhow::Result<String> {
    let adopt = Command::Adopt { reading: Box::new(reading) };
    let mut records = Vec::new();
    let mut words = Err("the engine gave no answer".to_owned());
    let asked = Input::Operator { ticket: 1, by: format!("adopt (pid {})", std::process::id()), command: adopt };
    for input in std::iter::once(Input::Start(Box::new(start))).chain(described).chain([asked]) {
        gather(engine.step(clock.now(), input), &mut records, &mut words);
    }
    let durable = Input::Durable { seq: engine.book().seq, hash: Default::default() };
    gather(engine.step(clock.now(), durable), &mut records, &mut words);
    let words = words.map_err(anyhow::Error::msg)?;
    gather(engine.step(clock.now(), Input::Stop), &mut records, &mut Ok(String::new()));
    append(log, records).await?;
    Ok(words)
}

fn gather(effects: Vec<Effect>, records: &mut Vec<Recorded>, words: &mut Result<String, String>) {
    for effect in effects {
        match effect {
            Effect::Append(batch) => records.extend(batch),
            Effect::OperatorAnswer { result, .. } => *words = result,
            _ => {}
        }
    }
}

async fn append(log: &Arc<Log>, records: Vec<Recorded>) -> anyhow::Result<()> {
    let (told, tell) = oneshot::channel();
    log.append(
        records,
        Box::new(move |result| {
            let _ = told.send(result.map(drop));
        }),
    );
    tell.await.context("the log has ended")??;
    Ok(())
}

fn show(reading: &AccountReading) {
    println!("{} account, read through {}\n  cash       ${}", reading.venue, reading.read_through, reading.cash);
    for position in &reading.positions {
        println!("  position   {} of {}, cost ${}", position.signed, position.key.id, position.cost);
    }
    for order in &reading.open_orders {
        println!("  open order {:?} {} of {} at {} ({})", order.side, order.remaining, order.key.id, order.price, order.venue_order_id);
    }
    if reading.positions.is_empty() && reading.open_orders.is_empty() {
        println!("  no positions, no open orders: the engine would take it over by itself");
    }
}
