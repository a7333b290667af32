//! `arbees exchange`: a double of a venue as a process of its own.

use anyhow::Context;

use crate::cli::Exit;
use crate::cli::exchange::{ExchangeCommand, KalshiArgs};
use crate::clock::Clock;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::exchange::kalshi::{KalshiExchange, KeyOptions, MEMBER, MarketSpec, Options};

/// What the crowd keeps in a market made on the command line: cents and contracts.
const CROWD: [(Side, i64); 6] = [(Side::Bid, 46), (Side::Bid, 47), (Side::Bid, 48), (Side::Ask, 52), (Side::Ask, 53), (Side::Ask, 54)];
const CROWD_CONTRACTS: i64 = 100;

/// Serves until a signal of the system. Prints the addresses on standard output, one a line.
pub async fn run(command: &ExchangeCommand) -> anyhow::Result<Exit> {
    let ExchangeCommand::Kalshi(args) = command;
    let running = KalshiExchange::start(options(args)?).await?;
    running.with(|inner| {
        for ticker in &args.market {
            let levels = CROWD.map(|(side, cents)| (side, Price::from_micros(cents * 10_000), Quantity::whole(CROWD_CONTRACTS)));
            inner.keep_crowd(ticker, &levels);
        }
    });
    println!("api   {}\nws    {}\nadmin {}", running.api_url(), running.ws_url(), running.admin_url());
    super::commands::interrupted().await;
    running.stop().await;
    Ok(Exit::Good)
}

fn options(args: &KalshiArgs) -> anyhow::Result<Options> {
    let now = Clock::system().now().wall;
    let key = |(id, file): &(String, std::path::PathBuf)| {
        let pem = std::fs::read_to_string(file).with_context(|| format!("the public key {}", file.display()))?;
        anyhow::Ok(KeyOptions::new(id, &pem))
    };
    Ok(Options {
        port: args.port,
        admin_port: args.admin_port,
        keys: args.key.iter().map(key).collect::<anyhow::Result<_>>()?,
        cash: vec![(MEMBER.to_owned(), 0, args.cash)],
        markets: args.market.iter().map(|ticker| MarketSpec::open(ticker, now)).collect(),
        read_lag_ms: args.read_lag_ms,
        ..Options::default()
    })
}
