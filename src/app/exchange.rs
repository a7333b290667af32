//! `arbees exchange`: a double of a venue as a process of its own.

use anyhow::Context;

use crate::cli::Exit;
use crate::cli::exchange::{ExchangeCommand, KalshiArgs, PolymarketArgs};
use crate::clock::Clock;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::exchange::kalshi::{KalshiExchange, KeyOptions, MEMBER, MarketSpec, Options};
use crate::exchange::polymarket;

/// What the crowd keeps in a market made on the command line: cents and contracts.
const CROWD: [(Side, i64); 6] = [(Side::Bid, 46), (Side::Bid, 47), (Side::Bid, 48), (Side::Ask, 52), (Side::Ask, 53), (Side::Ask, 54)];
const CROWD_CONTRACTS: i64 = 100;

/// Serves until a signal of the system. Prints the addresses on standard output, one a line.
pub async fn run(command: &ExchangeCommand) -> anyhow::Result<Exit> {
    match command {
        ExchangeCommand::Kalshi(args) => kalshi(args).await,
        ExchangeCommand::Polymarket(args) => polymarket(args).await,
    }
}

fn levels() -> [(Side, Price, Quantity); 6] {
    CROWD.map(|(side, cents)| (side, Price::from_micros(cents * 10_000), Quantity::whole(CROWD_CONTRACTS)))
}

async fn kalshi(args: &KalshiArgs) -> anyhow::Result<Exit> {
    let running = KalshiExchange::start(options(args)?).await?;
    running.with(|inner| args.market.iter().for_each(|ticker| inner.keep_crowd(ticker, &levels())));
    println!("api   {}\nws    {}\nadmin {}", running.api_url(), running.ws_url(), running.admin_url());
    super::commands::interrupted().await;
    running.stop().await;
    Ok(Exit::Good)
}

async fn polymarket(args: &PolymarketArgs) -> anyhow::Result<Exit> {
    let now = Clock::system().now().wall;
    let wallets = args.wallet.iter().enumerate().map(|(at, text)| wallet(at, text)).collect::<anyhow::Result<Vec<_>>>()?;
    let running = polymarket::PolymarketExchange::start(polymarket::Options {
        port: args.port,
        admin_port: args.admin_port,
        cash: wallets.iter().map(|wallet| (wallet.account.clone(), args.cash)).collect(),
        wallets,
        markets: args.market.iter().map(|slug| polymarket::MarketSpec::open(slug, now)).collect(),
        read_lag_ms: args.read_lag_ms,
        ..polymarket::Options::default()
    })
    .await?;
    running.with(|inner| args.market.iter().for_each(|slug| inner.keep_crowd(slug, &levels())));
    println!("api   {}\nws    {}\ngamma {}\nadmin {}", running.api_url(), running.ws_url(), running.gamma_url(), running.admin_url());
    super::commands::interrupted().await;
    running.stop().await;
    Ok(Exit::Good)
}

fn wallet(at: usize, text: &str) -> anyhow::Result<polymarket::WalletOptions> {
    let mut parts = text.split(':');
    let (owner, kind) = (parts.next().unwrap_or_default(), parts.next().and_then(polymarket::WalletKind::parse));
    let kind = kind.with_context(|| format!("--wallet {text}: the kind is eoa, proxy, safe or deposit"))?;
    let wallet = parts.next().map(str::to_owned);
    anyhow::ensure!(wallet.is_some() != (kind == polymarket::WalletKind::Eoa), "--wallet {text}: a contract has an address, an eoa none");
    let account = if at == 0 { polymarket::MEMBER.to_owned() } else { format!("{}-{}", polymarket::MEMBER, at + 1) };
    Ok(polymarket::WalletOptions { account, owner: owner.to_owned(), wallet, kind })
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
