//! Every command, from arguments to exit code.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use serde_json::Value;

use super::history::StoreHistory;
use super::notify::WebhookError;
use super::rehearsal::matrix::{self, Played};
use super::{Books, Role, Running, demo, keys, panics, start};
use crate::audit::verify::{StoreCheck, verify};
use crate::audit::views::EngineFacts;
use crate::cli::args::{ConfigCommand, KillCommand, RunArgs, SignalCommand};
use crate::cli::{Args, Client, Command, Exit, Found, LogDesk, Output, Source, Style, carry_out, lint_file};
use crate::clock::Clock;
use crate::config::{Config, load};
use crate::crash_points;
use crate::domain::market::Venue;
use crate::event_log::EventStore;
use crate::event_log::verify::verify_dir;
use crate::http::{self, ApiError, Identity, Queries, Query};
use crate::venues::kalshi::address::AddressError;
use crate::venues::kalshi::auth::KeyIdError;
use crate::venues::kalshi::key::KeyError;
use crate::venues::polymarket::address::AddressError as EvmAddressError;
use crate::venues::polymarket::key::WalletKeyError;
use crate::venues::polymarket::wallet::WalletError;

/// Runs one command. Prints its own errors; the number is the exit code.
pub async fn run(args: Args) -> Exit {
    let config = match load(args.env_file.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    // Their engines would log between figures and answers; only what is broken is worth that.
    let level = match args.command {
        Command::Bench(_) => "warn",
        Command::Demo(_) => "error",
        Command::Rehearse { .. } if config.log_lines.level == "info" => "error",
        _ => config.log_lines.level,
    };
    logging(&config, level);
    let done = match &args.command {
        Command::Run(run) => engine(config, run).await,
        Command::Demo(args) => demo::run(config, args).await,
        Command::Bench(args) => super::bench::run(args).await,
        Command::Doctor(args) => super::doctor::run(&config, args).await,
        Command::Adopt { venue, yes } => super::adopt::run(&config, *venue, *yes).await,
        Command::Bus(command) => super::nats::run(&config, command).await,
        Command::Notify(command) => super::notify::run(&config, command).await,
        Command::Rehearse { venue, faults, json } => rehearse(*venue, faults, json.json).await,
        Command::Exchange(command) => super::exchange::run(command).await,
        Command::Config(ConfigCommand::Check(json)) => Ok(config_check(&config, json.json)),
        command => return reading(&config, command).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("arbees: {error:#}");
        if is_of_settings(&error) { Exit::Usage } else { Exit::Failed }
    })
}

/// What a setting names is wrong: its key file, its address.
fn is_of_settings(error: &anyhow::Error) -> bool {
    let of_wallet = error.is::<WalletKeyError>() || error.is::<WalletError>() || error.is::<EvmAddressError>();
    let of_webhook = error.is::<WebhookError>();
    of_wallet || of_webhook || error.is::<KeyError>() || error.is::<KeyIdError>() || error.is::<AddressError>()
}

/// Log lines to standard error: text for people or one JSON object a line.
fn logging(config: &Config, level: &str) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("arbees", level);
    // Colours are for terminals: a file or a collector gets plain text.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours);
    let registry = tracing_subscriber::registry().with(targets);
    // A second initialisation (tests) keeps the first.
    let _ = if config.log_lines.json { registry.with(lines.json()).try_init() } else { registry.with(lines).try_init() };
}

async fn rehearse(venue: Option<Venue>, faults: &[String], json: bool) -> anyhow::Result<Exit> {
    use super::rehearsal::{Kalshi, Polymarket};
    let mut good = true;
    if venue.is_none_or(|venue| venue == Venue::Kalshi) {
        good &= rehearse_at::<Kalshi>(faults, json).await?;
    }
    if venue.is_none_or(|venue| venue == Venue::Polymarket) {
        good &= rehearse_at::<Polymarket>(faults, json).await?;
    }
    Ok(if good { Exit::Good } else { Exit::Failed })
}

async fn rehearse_at<D: Played>(faults: &[String], json: bool) -> anyhow::Result<bool> {
    let folder = std::env::temp_dir().join(format!("arbees-rehearsal-{}-{}", D::VENUE, std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let names: Vec<&str> = faults.iter().map(String::as_str).collect();
    let report = matrix::play::<D>(&folder, &names, &|text| eprintln!("rehearsal of {}: {text}", D::VENUE)).await;
    let _ = std::fs::remove_dir_all(&folder);
    let report = report?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}\n{}\n", D::VENUE, matrix::table(&report));
    }
    Ok(report.is_good())
}

async fn engine(config: Config, args: &RunArgs) -> anyhow::Result<Exit> {
    use crate::cli::args::Role as Asked;
    arm(&config)?;
    let role = match args.role {
        Asked::All => Role::All,
        Asked::Engine => Role::Engine,
        Asked::Risk => {
            let Some(why) = super::run_risk(&config, interrupted()).await? else { return Ok(Exit::Good) };
            eprintln!("arbees: this risk consumer has ended: {why}");
            return Ok(Exit::Halted);
        }
    };
    let books = match &args.tape {
        None => Books::SignalsOnly,
        Some(file) => {
            anyhow::ensure!(file.is_file(), "the tape {} is not a file", file.display());
            Books::Tape { file: file.clone(), speed: args.speed, recorder: args.recorder.clone() }
        }
    };
    let bus = super::bus(&config, &format!("arbees-{}", config.instance), "engine", &Clock::system()).await?;
    let running = start(config, role, books, bus).await?;
    Ok(until_the_end(running).await)
}

/// Errors: what is asked for is no crash point, or this program has none.
fn arm(config: &Config) -> anyhow::Result<()> {
    let Some(text) = &config.tools.crash_at else { return Ok(()) };
    let arming = text.parse().context("ARBEES_CRASH_AT")?;
    anyhow::ensure!(crash_points::arm(arming), "ARBEES_CRASH_AT: this program was built without crash points; leave it out");
    Ok(())
}

/// Runs until a signal of the system, or until the engine halts.
pub async fn until_the_end(running: Running) -> Exit {
    let mut halted = running.engine.halted();
    let mut panicked = panics::noticed();
    let ends = tokio::select! {
        () = interrupted() => Exit::Good,
        _ = halted.wait_for(Option::is_some) => Exit::Halted,
        _ = panicked.wait_for(Option::is_some) => Exit::Failed,
    };
    if let Some(place) = &*panicked.borrow() {
        tracing::error!("a part of the engine has panicked at {place}: no more opens; what rests is cancelled, then the process ends");
    }
    if ends == Exit::Halted {
        running.cancelled().await;
        running.stop().await;
        return ends;
    }
    // Who asks twice is not kept waiting.
    tokio::select! {
        () = running.drained(ends == Exit::Failed) => {}
        () = interrupted() => tracing::warn!("asked to end again: not waiting any more"),
    }
    let left = running.left_in_the_air().await;
    let halts = halted.borrow().is_some();
    running.stop().await;
    match ends {
        Exit::Good if halts => Exit::Halted,
        Exit::Good if left > 0 => Exit::Unknown,
        ends => ends,
    }
}

/// A signal of the system asks for the end.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

fn config_check(config: &Config, json: bool) -> Exit {
    if json {
        let lines: Vec<Value> = config.effective.iter().map(|line| serde_json::json!({ "name": line.name, "value": line.value, "source": line.source.to_string(), "allowed": line.allowed, "doc": line.doc })).collect();
        println!("{}", Value::Array(lines));
        return Exit::Good;
    }
    for line in &config.effective {
        println!("{:28} {:24} {}", line.name, line.value.as_deref().unwrap_or("-"), line.source);
    }
    println!("settings are good; mode {}, data in {}", config.mode, config.mode_dir().display());
    Exit::Good
}

/// Asks the running engine, or its log.
async fn reading(config: &Config, command: &Command) -> Exit {
    let clock = Clock::system();
    let mut stdout = std::io::stdout();
    let mut output = Output { out: &mut stdout, style: Style::of_stdout() };
    let told = |error: crate::cli::CliError| (error.exit(), error.to_string());
    // What the parser makes of a signal needs neither engine nor log.
    if let Command::Signal(SignalCommand::Lint { file, json }) = command {
        return ended(lint_file(file, json.json, clock.now().wall, &mut output).map_err(told));
    }
    ended(match source(config, command, &clock).await {
        Ok(source) => carry_out(command, &source, &by(), clock.now().wall, &mut output).await.map_err(told),
        Err(error) => Err((Exit::Failed, format!("{error:#}"))),
    })
}

fn ended(done: Result<Exit, (Exit, String)>) -> Exit {
    done.unwrap_or_else(|(exit, text)| {
        if !text.is_empty() {
            eprintln!("arbees: {text}");
        }
        exit
    })
}

/// Who gives a command, for the log.
fn by() -> String {
    format!("cli (pid {})", std::process::id())
}

async fn source(config: &Config, command: &Command, clock: &Clock) -> anyhow::Result<Source> {
    let named = keys::read_address(&config.mode_dir().join("http_addr"));
    let (address, log_id) = named.map_or((config.http_addr, None), |(address, log_id)| (address, Some(log_id)));
    let token = config.http_token_path.clone();
    match Client::find(address, config.mode, &config.instance, token).await {
        // The engine of this folder may be gone, and its port taken by one that has another log.
        Ok(Found::Engine(_, other)) if log_id.as_ref().is_some_and(|wanted| *wanted != other.log_id.to_string()) => {
            tracing::debug!("at {address} is the engine of another log: {}", other.log_id);
        }
        Ok(Found::Engine(client, _)) => return Ok(Source::Http(client)),
        Ok(Found::Other(other)) => tracing::debug!("at {address} is another engine: {} {}", other.mode, other.instance),
        Ok(Found::Nobody) => {}
        Err(error) => tracing::warn!("{error}"),
    }
    anyhow::ensure!(!matches!(command, Command::Healthcheck { .. }), "no engine of this instance and mode answers");
    if matches!(command, Command::Kill(KillCommand::On { .. })) {
        let file = config.mode_dir().join("KILL");
        std::fs::create_dir_all(config.mode_dir())
            .and_then(|()| std::fs::write(&file, "by command, while no engine ran"))
            .with_context(|| format!("{} can't be written", file.display()))?;
        anyhow::bail!("no engine runs; {} was written, so the next one starts killed", file.display());
    }
    anyhow::ensure!(
        config.mode_dir().join("journal").exists(),
        "no engine answers at {address} and there is no log in {}",
        config.mode_dir().display()
    );
    offline(config, command, clock).await
}

/// The log itself, opened as the engine would open it.
async fn offline(config: &Config, command: &Command, clock: &Clock) -> anyhow::Result<Source> {
    let store = matches!(command, Command::Verify(_)).then(|| check_store(&config.mode_dir())).transpose()?;
    let (log, _, report) = super::open_log(config).await?;
    for repair in &report.repairs {
        eprintln!("log repaired: {repair}");
    }
    let facts = EngineFacts {
        mode: config.mode,
        instance: config.instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log_id: report.log_id,
        running: false,
        not_ready: Vec::new(),
        halted: None,
        killed: false,
        questions_open: 0,
        dead_letters: 0,
        counters: Default::default(),
        now: clock.now().wall,
    };
    let (log, mono) = (log as Arc<dyn EventStore>, clock.clone());
    let mut risk_keys = keys::known_public_keys(&config.mode_dir())?;
    // One that no engine has met yet signs nothing in this log, but a log may be older than the list.
    risk_keys.extend(keys::public_key(&config.risk.public_key_path).ok().filter(|key| !risk_keys.contains(key)));
    let desk = LogDesk::open(Box::new(StoreHistory(log)), facts, Arc::new(move || mono.now().mono))?;
    Ok(Source::Log(Box::new(Verifying { desk, store, risk_keys, clock: clock.clone() })))
}

fn check_store(dir: &Path) -> anyhow::Result<StoreCheck> {
    let report = verify_dir(dir)?;
    Ok(StoreCheck { head_seq: report.head.seq, head_hash: report.head.hash, segments: report.segments, problems: report.problems })
}

/// A log without an engine, with what the disk check found.
struct Verifying {
    desk: LogDesk,
    store: Option<StoreCheck>,
    risk_keys: Vec<Vec<u8>>,
    clock: Clock,
}

#[async_trait]
impl Queries for Verifying {
    fn identity(&self) -> Identity {
        self.desk.identity()
    }

    async fn get(&self, query: Query) -> Result<Value, ApiError> {
        if query != Query::Verify {
            return self.desk.get(query).await;
        }
        let report = verify(self.desk.history(), self.store.clone(), None, &self.risk_keys, &|| self.clock.now().mono);
        let report = report.map_err(|error| ApiError::Internal(error.to_string()))?;
        serde_json::to_value(report).map_err(|error| ApiError::Internal(error.to_string()))
    }

    async fn command(&self, command: http::Command) -> Result<String, ApiError> {
        self.desk.command(command).await
    }

    async fn readiness(&self) -> Result<(), Vec<String>> {
        self.desk.readiness().await
    }

    async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, ApiError> {
        self.desk.signal(venue, bytes).await
    }

    fn live(&self) -> tokio::sync::watch::Receiver<Arc<str>> {
        self.desk.live()
    }

    async fn metrics(&self) -> String {
        String::new()
    }
}
