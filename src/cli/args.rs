//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::exchange::ExchangeCommand;
use crate::domain::event::Scope;
use crate::domain::ids::MarketId;
use crate::domain::market::{Outcome, Settlement, Venue};
use crate::domain::money::{Quantity, Usd};

/// Signals in, vetoed or approved orders out, every step an event in a log.
#[derive(Debug, Parser)]
#[command(
    name = "arbees",
    version,
    max_term_width = 120,
    after_help = "Exit codes: 0 good, 1 failed, 2 wrong usage or configuration, 3 halted, 4 ended with unknown orders."
)]
pub struct Args {
    /// Settings file [default: .env where there is one]; the environment wins
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine, the risk consumer, or both
    Run(RunArgs),
    /// A seeded market with good and bad signals, for about 20 seconds
    Demo(DemoArgs),
    /// Send signals, or see what the parser makes of them
    #[command(subcommand)]
    Signal(SignalCommand),
    /// Mode, readiness, kill, breakers, counts
    Status(Json),
    /// What is held, and what was, with its result
    Positions(Json),
    /// Orders and their states
    Orders(OrdersArgs),
    /// Cash, equity, profit and loss, the day
    Pnl(Json),
    /// A day's cash line by line, what it must come to, and what the venue says
    Cash(CashArgs),
    /// Worst cases against their limits
    Exposure(Json),
    /// The log's events, one line each
    Tail(TailArgs),
    /// A trading day, or the seven days up to it, on a page: results, vetoes, execution, agreement with the accounts
    Report(ReportArgs),
    /// Orders, fills, positions, vetoes or events as CSV or JSON lines
    Export(ExportArgs),
    /// Whether the engine of these settings is alive (with --ready: would trade); quiet, exit code 0 or 1
    Healthcheck {
        #[arg(long)]
        ready: bool,
    },
    /// Why a signal did or did not trade
    Explain(ExplainArgs),
    /// Fold the log from zero and compare
    Replay(ReplayArgs),
    /// Check the log: journal, index, chain, laws, replay
    Verify(Json),
    /// Say how a market ended (paper)
    Settle(SettleArgs),
    /// The kill: no opens until it is cleared
    #[command(subcommand)]
    Kill(KillCommand),
    /// Breakers: what is open, and closing it again
    #[command(subcommand)]
    Breaker(BreakerCommand),
    /// Cancel every resting order
    CancelAll,
    /// Read the account of a venue (of all) and compare it with the log
    Reconcile {
        #[arg(long, value_parser = venue)]
        venue: Option<Venue>,
    },
    /// Book a difference that reconciliation has proven: what is held, or cash, with a reason
    Adjust(AdjustArgs),
    /// What stands in the way of trading with money: key, scopes, clock, limits, cash; places nothing
    Doctor(DoctorArgs),
    /// Take over an account that holds positions or open orders already; asks first
    Adopt {
        /// Whose account, where there are two
        #[arg(long, value_parser = venue)]
        venue: Option<Venue>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// The live code against the venues' doubles: every fault with every kind of order, held against the double's books
    Rehearse {
        /// Only this venue [default: each in turn]
        #[arg(long, value_parser = venue)]
        venue: Option<Venue>,
        /// Only these faults, by name [default: all]
        #[arg(value_name = "FAULT")]
        faults: Vec<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// NATS: keys for its roles, and what an admin makes there before services run
    #[command(subcommand)]
    Bus(BusCommand),
    /// The webhook that people are told by
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Speed, each figure beside its baseline
    Bench(BenchArgs),
    /// Messages nobody understood, kept raw
    DeadLetters(DeadLettersArgs),
    /// A venue's protocol on loopback, with faults on demand
    #[command(subcommand)]
    Exchange(ExchangeCommand),
}

#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Json {
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    All,
    Engine,
    Risk,
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[arg(long, value_enum, default_value = "all")]
    pub role: Role,
    /// Play this recorded market (JSON lines, gz or plain) on the paper exchange
    #[arg(long, value_name = "FILE")]
    pub tape: Option<PathBuf>,
    /// So many times faster than it was recorded
    #[arg(long, value_name = "N", default_value_t = 1, requires = "tape", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub speed: u32,
    /// Whose rows to play, where a tape has overlapping recorders [default: 1]
    #[arg(long, value_name = "NAME", requires = "tape")]
    pub recorder: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Keep running until interrupted
    #[arg(long)]
    pub stay: bool,
    /// How long signals are sent
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
}

#[derive(Debug, Subcommand)]
pub enum SignalCommand {
    /// Publish: one JSON object, JSON lines, or MessagePack
    Send(SignalFile),
    /// What the parser makes of each message; exit code 1 if one is rejected
    Lint {
        #[command(flatten)]
        file: SignalFile,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, clap::Args)]
pub struct SignalFile {
    /// A file, or - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,
    /// The subject's venue [default: what the signal says]
    #[arg(long, value_parser = venue)]
    pub venue: Option<Venue>,
}

#[derive(Debug, clap::Args)]
pub struct CashArgs {
    /// A day that has ended, as 2026-01-28 [default: the present one]
    #[arg(long, value_name = "DATE")]
    pub day: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Only what the account has shown to differ in two readings is booked, and only towards what the venue says.
#[derive(Debug, clap::Args)]
pub struct AdjustArgs {
    #[arg(long, value_parser = venue)]
    pub venue: Venue,
    /// Kalshi ticker or Polymarket token
    #[arg(long, value_parser = market, requires_all = ["quantity", "cost"], required_unless_present = "cash")]
    pub market: Option<MarketId>,
    /// Which side of a Kalshi market [default: yes]
    #[arg(long, value_parser = outcome, requires = "market")]
    pub outcome: Option<Outcome>,
    /// Contracts held from now on, in all
    #[arg(long, value_parser = quantity, requires = "market")]
    pub quantity: Option<Quantity>,
    /// What they cost, in dollars, fees aside
    #[arg(long, value_parser = dollars, requires = "market")]
    pub cost: Option<Usd>,
    /// Dollars that came; below zero, that went
    #[arg(long, value_parser = dollars, allow_negative_numbers = true)]
    pub cash: Option<Usd>,
    /// It is a result of trading (a fee, a trade that was missed): a gain or loss of the day, not a deposit or withdrawal
    #[arg(long)]
    pub counts: bool,
    /// What explains the difference; kept in the log
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, clap::Args)]
pub struct OrdersArgs {
    /// all, live, or one state (working, filled, unknown ...)
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Go on as events come, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Start with this record [default: the last 50]
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// At most so many events; with --from and without a limit, all of them
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[arg(value_enum)]
    pub span: ReportSpan,
    /// The day, or the last one of the week, as 2026-01-28 [default: the last trading day]
    #[arg(long, value_name = "DATE")]
    pub day: Option<String>,
    #[arg(long, value_enum, default_value = "md")]
    pub format: ReportFormat,
    /// A file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportSpan {
    Daily,
    Weekly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Markdown
    Md,
    /// One file with its own style and curve
    Html,
}

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[arg(value_enum)]
    pub what: ExportWhat,
    #[arg(long, value_enum, default_value = "csv")]
    pub format: ExportFormat,
    /// Fills, vetoes and events: from this record on
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub from: u64,
    /// A file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    Orders,
    Fills,
    Positions,
    Pnl,
    Vetoes,
    Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Csv,
    Jsonl,
}

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A signal id, an order id (or its first 8 digits), or dl:<number>
    pub id: String,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// End with this record, or with the last one at this time (RFC 3339)
    #[arg(long, value_name = "SEQ|TIME")]
    pub until: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Only this venue's account [default: every one of the settings]
    #[arg(long, value_parser = venue)]
    pub venue: Option<Venue>,
    /// Rest the smallest order far from the market's prices and cancel it; asks first. Polymarket: name a token
    #[arg(long, value_name = "MARKET", num_args = 0..=1, value_parser = market)]
    pub order_test: Option<Option<MarketId>>,
    /// Don't ask
    #[arg(long, requires = "order_test")]
    pub yes: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct SettleArgs {
    /// Kalshi ticker, Polymarket condition or token id
    #[arg(value_parser = market)]
    pub market: MarketId,
    /// yes, no, void, or what YES pays (0 to 1)
    #[arg(value_parser = settlement)]
    pub result: Settlement,
    #[arg(long, default_value = "kalshi", value_parser = venue)]
    pub venue: Venue,
}

#[derive(Debug, Subcommand)]
pub enum KillCommand {
    /// No opens; resting opens are cancelled; closes still flow
    On {
        #[arg(long, default_value = "by command")]
        reason: String,
    },
    /// Opens are allowed again
    Off {
        #[arg(long, default_value = "by command")]
        reason: String,
    },
    /// Whether it is on, since when, by whom
    Status(Json),
}

#[derive(Debug, Subcommand)]
pub enum BreakerCommand {
    /// Which breakers are open, and why
    Status(Json),
    /// Close one: global, venue:<venue>, game:<game>, market:<venue>:<id>
    Reset {
        #[arg(default_value = "global", value_parser = scope)]
        scope: Scope,
        #[arg(long, default_value = "by command")]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum BusCommand {
    /// Stream, durable and leases of this mode and instance, as admin (NATS_SEED_PATH); services then need not make any
    Provision,
    /// An nkey seed per role as DIR/<role>.nk where there is none yet; prints the public halves for ops/nats/nats.conf
    Keys {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send one message now, and say what the other side answered
    Test,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting in force, where it comes from, and what is wrong
    Check(Json),
}

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Which ones [default: all]
    #[arg(value_name = "NAME", value_parser = ["append", "fold", "open", "latency", "kalshi", "polymarket", "idle"])]
    pub names: Vec<String>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, clap::Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    pub command: Option<DeadLettersCommand>,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// The newest first
    List {
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        json: Json,
    },
    /// One with its bytes
    Show {
        id: u64,
        #[command(flatten)]
        json: Json,
    },
}

fn venue(text: &str) -> Result<Venue, String> {
    Venue::parse(text).ok_or_else(|| "kalshi, polymarket or paper".to_owned())
}

fn market(text: &str) -> Result<MarketId, String> {
    MarketId::new(text).map_err(|error| error.to_string())
}

fn outcome(text: &str) -> Result<Outcome, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" => Ok(Outcome::Yes),
        "no" => Ok(Outcome::No),
        _ => Err("yes or no".to_owned()),
    }
}

fn quantity(text: &str) -> Result<Quantity, String> {
    let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
    if quantity < Quantity::ZERO { Err("never below zero: --outcome says which side".to_owned()) } else { Ok(quantity) }
}

fn dollars(text: &str) -> Result<Usd, String> {
    Usd::parse(text).map_err(|error| error.to_string())
}

fn settlement(text: &str) -> Result<Settlement, String> {
    Settlement::parse(text).ok_or_else(|| "yes, no, void, or what YES pays (0 to 1)".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "global, venue:<venue>, game:<game> or market:<venue>:<id>".to_owned())
}
