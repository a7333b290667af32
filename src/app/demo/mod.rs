//! `arbees demo`: a real NATS server (or the embedded bus), a real engine with its risk consumer, a seeded market,
//! good and bad sample signals; ends by itself with tables and the proof that a replay gives the same state.

/// What is sent.
mod script;
/// A NATS server of the demo's own.
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::rehearsal::{Kalshi, Polymarket, matrix};
use super::{Books, Role, Running, commands, start};
use crate::bus::Bus;
use crate::cli::args::{DemoArgs, Json, OrdersArgs, ReplayArgs};
use crate::cli::{Client, Command, Exit, Output, Source, Style, carry_out};
use crate::clock::Clock;
use crate::config::{Config, from_sources};
use crate::domain::answer::Answer;
use crate::domain::market::Settlement;
use crate::engine;
use crate::venues::paper::demo_market::DemoMarket;
use script::Script;

/// The same market each time.
const SEED: u64 = 20_261_122;
/// Left at the end for settlement and tables.
const TAIL: Duration = Duration::from_millis(1_500);
/// What the rehearsal takes of the demo's time.
const REHEARSAL: Duration = Duration::from_secs(8);
const REHEARSED: &[&str] = &["none", "filled, reply lost", "lost on the way", "503, processed", "429", "fills missing on WS"];
/// Polymarket's trades settle later, or fail to.
const REHEARSED_SETTLING: &[&str] = &["none", "filled, reply lost", "lost on the way", "429", "delayed, then matched", "settlement failed"];
const READY_WAIT: Duration = Duration::from_secs(10);

pub async fn run(config: Config, args: &DemoArgs) -> anyhow::Result<Exit> {
    let folder = std::env::temp_dir().join(format!("arbees-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let exit = in_folder(&config, args, &folder).await;
    if args.stay {
        println!("the log stays in {}", folder.display());
    } else {
        let _ = std::fs::remove_dir_all(&folder);
    }
    exit
}

async fn in_folder(config: &Config, args: &DemoArgs, folder: &std::path::Path) -> anyhow::Result<Exit> {
    let server = server::start(config.tools.nats_server.clone(), &folder.join("nats")).await;
    let nats_url = match &server {
        Some(server) => {
            println!("nats-server {} on {}", server.version, server.url);
            server.url.clone()
        }
        None => {
            println!("no nats-server 2.10 or newer was found: the demo uses its embedded bus (./run demo installs one)");
            "embedded".to_owned()
        }
    };
    let demo_config = settings(folder.join("data"), &nats_url)?;
    let mode_dir = demo_config.mode_dir();
    let bus = super::bus(&demo_config, "arbees-demo", "engine", &Clock::system()).await?;
    let market = DemoMarket::new(SEED);
    let script = Script::new(&market);
    let running = start(demo_config, Role::All, Books::Demo(Box::new(market)), Arc::clone(&bus)).await?;
    println!("engine and risk consumer on paper; log in {}; API on http://{}\n", mode_dir.display(), running.http_addr);
    ready(&running).await?;
    play(&running, &*bus, script, args.seconds).await?;
    let client = Client::new(running.http_addr, mode_dir.join("http_token")).map_err(|error| anyhow::anyhow!("{error}"))?;
    let identical = tables(&Source::Http(client)).await?;
    let rehearsed = rehearsal(&folder.join("rehearsal")).await?;
    if args.stay {
        println!("\nstill running (Ctrl-C ends it). The page: http://{}/", running.http_addr);
        println!("the token for its buttons: {}", mode_dir.join("http_token").display());
        return Ok(commands::until_the_end(running).await);
    }
    running.stop().await;
    Ok(if identical && rehearsed { Exit::Good } else { Exit::Failed })
}

/// The live code of both venues against their doubles, at once, with a few faults on. Returns whether log and venue agreed.
async fn rehearsal(folder: &std::path::Path) -> anyhow::Result<bool> {
    println!("\nrehearsal: the live code against each venue's protocol on this machine, faults on (all of them: arbees rehearse)\n");
    let (kalshi, polymarket) = (folder.join("kalshi"), folder.join("polymarket"));
    for folder in [&kalshi, &polymarket] {
        std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    }
    let played = matrix::play::<Kalshi>(&kalshi, REHEARSED, &|_| {});
    let (kalshi, polymarket) = tokio::try_join!(played, matrix::play::<Polymarket>(&polymarket, REHEARSED_SETTLING, &|_| {}))?;
    print!("kalshi\n{}\npolymarket\n{}", matrix::table(&kalshi), matrix::table(&polymarket));
    let good = kalshi.is_good() && polymarket.is_good();
    if good {
        println!("log and venues agree: orders, fills, positions, cash to the cent; nothing was sent twice");
    }
    Ok(good)
}

fn settings(data_dir: PathBuf, nats_url: &str) -> anyhow::Result<Config> {
    let data_dir = data_dir.display().to_string();
    let set = [("DATA_DIR", data_dir.as_str()), ("NATS_URL", nats_url), ("HTTP_ADDR", "127.0.0.1:0"), ("INSTANCE", "demo")];
    let environment: BTreeMap<String, String> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    from_sources(&environment, None).map_err(|error| anyhow::anyhow!("{error}"))
}

async fn ready(running: &Running) -> anyhow::Result<()> {
    use crate::http::Queries;
    let wait = async {
        while running.desk.readiness().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(READY_WAIT, wait).await.context("the demo's engine did not get ready")
}

/// Sends the script over `seconds` and shows each answer as it comes.
async fn play(running: &Running, bus: &dyn Bus, mut script: Script, seconds: u32) -> anyhow::Result<()> {
    let mut answers = bus.subscribe(&running.subjects.answers).await?;
    let clock = Clock::system();
    let time = Duration::from_secs(u64::from(seconds)).saturating_sub(TAIL + REHEARSAL).max(TAIL);
    let pause = time / script.len() as u32;
    println!("{:>7}  {:10} {:44} WHAT WAS SENT", "TIME", "ANSWER", "REASONS");
    while let Some(sample) = script.next(running, clock.now().wall).await {
        bus.publish_signal(&sample.subject, sample.bytes.into()).await?;
        let until = tokio::time::sleep(pause);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                Some(message) = answers.next() => {
                    let Ok(answer) = serde_json::from_slice::<Answer>(&message.payload) else { continue };
                    show(&answer, clock.now().mono.0, sample.what);
                }
            }
        }
    }
    let winner = script.settles();
    let settle = engine::Command::Settle { venue: winner.0, market: winner.1, settlement: Settlement::Yes };
    let done = running.engine.operator("demo", settle).await;
    println!(
        "{:>5}.{} s  {:10} {}",
        clock.now().mono.0 / 1_000_000_000,
        clock.now().mono.0 / 100_000_000 % 10,
        "settled",
        done.unwrap_or_else(|error| error)
    );
    Ok(())
}

fn show(answer: &Answer, at_ns: i64, what: &str) {
    let reasons: Vec<&str> = answer.reasons.iter().map(|failure| failure.reason.as_str()).collect();
    let mut words = if reasons.is_empty() { answer.error.clone().unwrap_or_default() } else { reasons.join(" ") };
    if words.chars().count() > 43 {
        words = words.chars().take(42).chain(['…']).collect();
    }
    println!("{:>5}.{} s  {:10} {words:44} {what}", at_ns / 1_000_000_000, at_ns / 100_000_000 % 10, answer.answer.as_str());
}

/// The tables, through the same API and renderer as the commands. Returns whether the replay was identical.
async fn tables(source: &Source) -> anyhow::Result<bool> {
    let json = Json { json: false };
    let commands = [
        ("orders", Command::Orders(OrdersArgs { state: None, limit: None, json })),
        ("positions", Command::Positions(json)),
        ("profit and loss", Command::Pnl(json)),
        ("replay from zero", Command::Replay(ReplayArgs { until: None, json })),
    ];
    let mut exit = Exit::Good;
    for (title, command) in commands {
        println!("\n{title}");
        let mut stdout = std::io::stdout();
        let mut output = Output { out: &mut stdout, style: Style::of_stdout() };
        exit = carry_out(&command, source, "demo", Clock::system().now().wall, &mut output)
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(exit == Exit::Good)
}
