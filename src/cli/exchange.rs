//! Arguments of `arbees exchange`: a venue's protocol on loopback.

use std::path::PathBuf;

use clap::Subcommand;

use crate::domain::money::Usd;

#[derive(Debug, Subcommand)]
pub enum ExchangeCommand {
    /// Kalshi's Trade API with a matching engine behind it and faults on demand
    Kalshi(KalshiArgs),
    /// Polymarket's CLOB with a matching engine behind it and faults on demand
    Polymarket(PolymarketArgs),
}

#[derive(Debug, clap::Args)]
pub struct PolymarketArgs {
    /// The venue's port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8_610)]
    pub port: u16,
    /// The port for faults, the crowd and the ground truth
    #[arg(long, value_name = "N", default_value_t = 8_611)]
    pub admin_port: u16,
    /// A wallet by the address whose key signs and its kind: eoa, proxy, safe or deposit; where the wallet is a contract, its
    /// address follows. The first one is the account `member`, the next are `member-2` and so on
    #[arg(long, value_name = "OWNER:KIND[:WALLET]")]
    pub wallet: Vec<String>,
    /// Dollars that each account begins with
    #[arg(long, value_name = "USD", default_value = "1000", value_parser = usd)]
    pub cash: Usd,
    /// An open market of whole cents, with a crowd that keeps 100 shares at each of 46..48 and 52..54 cents; ids come from its slug
    #[arg(long, value_name = "SLUG")]
    pub market: Vec<String>,
    /// How old the reads of an account's data are
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=600_000))]
    pub read_lag_ms: i64,
}

#[derive(Debug, clap::Args)]
pub struct KalshiArgs {
    /// The venue's port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8_600)]
    pub port: u16,
    /// The port for faults, the crowd and the ground truth
    #[arg(long, value_name = "N", default_value_t = 8_601)]
    pub admin_port: u16,
    /// A key that may call, and the file of its public half; may be given several times
    #[arg(long, value_name = "KEYID=FILE", value_parser = key)]
    pub key: Vec<(String, PathBuf)>,
    /// Dollars that the account begins with
    #[arg(long, value_name = "USD", default_value = "1000", value_parser = usd)]
    pub cash: Usd,
    /// An open market of whole cents, with a crowd that keeps 100 contracts at each of 46..48 and 52..54 cents
    #[arg(long, value_name = "TICKER")]
    pub market: Vec<String>,
    /// How old the reads of an account's data are
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=600_000))]
    pub read_lag_ms: i64,
}

fn key(text: &str) -> Result<(String, PathBuf), String> {
    let (id, file) = text.split_once('=').filter(|(id, file)| !id.is_empty() && !file.is_empty()).ok_or("a key id, =, and a file")?;
    Ok((id.to_owned(), file.into()))
}

fn usd(text: &str) -> Result<Usd, String> {
    let usd = Usd::parse(text).map_err(|error| error.to_string())?;
    if usd < Usd::ZERO { Err("not below zero".to_owned()) } else { Ok(usd) }
}
