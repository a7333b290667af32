//! Each command over a log and over a real loopback API with the same history behind it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clap::Parser;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::audit::fixture::{LOG_ID, World, account};
use crate::audit::views::EngineFacts;
use crate::domain::ids::{Instance, Mode};
use crate::domain::market::Venue;
use crate::domain::time::{Mono, Time};
use crate::http::{self, Identity, Queries, Query, Token, serve};

const PORTLAND: &str = "KXNBAGAME-26JAN27PORWAS-POR";
const TOKEN: &str = "0123456789abcdef0123";

fn traded() -> World {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    world.open("s-2", PORTLAND, "0.97", 99);
    world
}

fn desk(world: &World) -> LogDesk {
    let facts = EngineFacts {
        mode: Mode::Paper,
        instance: account(),
        version: "0.0.0".to_owned(),
        log_id: LOG_ID,
        running: false,
        not_ready: Vec::new(),
        halted: None,
        killed: false,
        questions_open: 0,
        dead_letters: 0,
        counters: Default::default(),
        now: world.now(),
    };
    LogDesk::open(Box::new(world.history()), facts, Arc::new(|| Mono(0))).expect("the history folds")
}

/// Answers like a log and notes what it is told.
struct Engine {
    desk: LogDesk,
    told: Mutex<Vec<String>>,
}

#[async_trait]
impl Queries for Engine {
    fn identity(&self) -> Identity {
        self.desk.identity()
    }

    async fn get(&self, query: Query) -> Result<Value, ApiError> {
        self.desk.get(query).await
    }

    async fn command(&self, command: http::Command) -> Result<String, ApiError> {
        self.told.lock().expect("lock").push(format!("{command:?}"));
        Ok("done as told".to_owned())
    }

    async fn readiness(&self) -> Result<(), Vec<String>> {
        Ok(())
    }

    async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, ApiError> {
        self.told.lock().expect("lock").push(format!("{venue} {}", String::from_utf8_lossy(&bytes)));
        Ok(json!(format!("signals.{venue}")))
    }

    fn live(&self) -> tokio::sync::watch::Receiver<Arc<str>> {
        tokio::sync::watch::channel(Arc::from("")).1
    }

    async fn metrics(&self) -> String {
        String::new()
    }
}

/// A file of its own for each call.
fn file(content: &[u8]) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("arbees-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, content).expect("write");
    path
}

async fn engine(world: &World) -> (Arc<Engine>, std::net::SocketAddr, PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("address");
    let engine = Arc::new(Engine { desk: desk(world), told: Mutex::default() });
    let token = Token::new(&SecretString::from(TOKEN)).expect("long enough");
    tokio::spawn(serve(listener, Arc::clone(&engine) as Arc<dyn Queries>, token, std::future::pending()));
    (engine, address, file(format!("{TOKEN}\n").as_bytes()))
}

async fn run(line: &str, source: &Source) -> (Result<Exit, CliError>, String) {
    let args = Args::try_parse_from(line.split_whitespace()).expect(line);
    let mut bytes = Vec::new();
    let mut output = Output { out: &mut bytes, style: Style::PLAIN };
    let now = Time::parse("2026-01-28T01:14:03Z").expect("time").0;
    let exit = carry_out(&args.command, source, "cli:test", now, &mut output).await;
    (exit, String::from_utf8(bytes).expect("text"))
}

#[tokio::test]
async fn log_and_api_answer_every_reading_command_alike() {
    let world = traded();
    let (_, address, token) = engine(&world).await;
    let http = Source::Http(Client::new(address, token).expect("client"));
    let log = Source::Log(Box::new(desk(&world)));
    let lines = [
        ("status", "not ready"),
        ("positions", PORTLAND),
        ("orders --state filled", "filled"),
        ("pnl", "equity"),
        ("cash", "no venue to ask"),
        ("exposure", "g-1"),
        ("tail", "SessionStarted"),
        ("explain s-2", "price_band"),
        ("replay", "events in"),
        ("kill status", "kill off"),
        ("breaker status", "all breakers closed"),
        ("dead-letters list", "no dead letters"),
    ];
    for (line, part) in lines {
        for line in [format!("arbees {line}"), format!("arbees {line} --json")] {
            let (exit, text) = run(&line, &log).await;
            assert_eq!(exit, Ok(Exit::Good), "{line}");
            assert!(line.ends_with("--json") || text.contains(part), "{line}: {part} is missing in\n{text}");
            assert_eq!(run(&line, &http).await, (exit, text), "{line}");
        }
    }
}

#[tokio::test]
async fn json_is_one_value_and_tail_one_per_line() {
    let world = traded();
    let log = Source::Log(Box::new(desk(&world)));
    let (_, text) = run("arbees positions --json", &log).await;
    let positions: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&positions[0]["quantity"], &positions[0]["average_price"]), (&json!("10"), &json!("0.52")));
    let (_, text) = run("arbees tail --from 1 --json", &log).await;
    let seqs: Vec<u64> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64().expect("seq")).collect();
    let all: Vec<u64> = (1..=world.book().seq).collect();
    assert_eq!(seqs, all);
    let (_, text) = run("arbees tail --limit 2", &log).await;
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().next_back().is_some_and(|line| line.contains("OrderVetoed")), "{text}");
    let (_, replayed) = run("arbees replay --json", &log).await;
    let replayed: Value = serde_json::from_str(&replayed).expect("JSON");
    assert_eq!(replayed["state_hash"], world.book().state_hash().to_string());
}

#[tokio::test]
async fn unknown_ids_fail_and_wrong_words_are_wrong_usage() {
    let world = traded();
    let (_, address, token) = engine(&world).await;
    for source in [Source::Http(Client::new(address, token).expect("client")), Source::Log(Box::new(desk(&world)))] {
        let (exit, text) = run("arbees explain nobody", &source).await;
        let error = exit.expect_err("unknown");
        assert!(text.is_empty() && error.exit() == Exit::Failed && error.to_string().contains("nobody is unknown"), "{error}");
        for line in ["arbees orders --state asleep", "arbees replay --until yesterday", "arbees replay --until 99999"] {
            assert_eq!(run(line, &source).await.0.expect_err(line).exit(), Exit::Usage, "{line}");
        }
        assert_eq!(run("arbees dead-letters show 7", &source).await.0.expect_err("none").exit(), Exit::Failed);
    }
}

#[tokio::test]
async fn operators_reach_the_engine_with_the_token_and_nobody_without() {
    let world = traded();
    let (engine, address, token) = engine(&world).await;
    let source = Source::Http(Client::new(address, token).expect("client"));
    let lines = [
        ("arbees kill on --reason drill", "Kill { on: true, reason: \"drill\", by: \"cli:test (api)\" }"),
        ("arbees kill off", "Kill { on: false"),
        ("arbees breaker reset market:kalshi:KX-1", "ResetBreaker { scope: Market("),
        ("arbees cancel-all", "CancelAll"),
        ("arbees settle KX-1 0.35", "Settle { venue: Kalshi"),
    ];
    for (line, told) in lines {
        assert_eq!(run(line, &source).await, (Ok(Exit::Good), "done as told\n".to_owned()), "{line}");
        let last = engine.told.lock().expect("lock").pop().expect(line);
        assert!(last.contains(told), "{line}: {last}");
    }
    let wrong = Source::Http(Client::new(address, file(b"another token, just as long")).expect("client"));
    assert!(run("arbees cancel-all", &wrong).await.0.is_err());
    let missing = Source::Http(Client::new(address, PathBuf::from("/nowhere/http.token")).expect("client"));
    let error = run("arbees cancel-all", &missing).await.0.expect_err("no token").to_string();
    assert!(error.contains("/nowhere/http.token"), "{error}");
    assert!(engine.told.lock().expect("lock").is_empty());
    let log = Source::Log(Box::new(desk(&world)));
    let error = run("arbees kill on", &log).await.0.expect_err("no engine").to_string();
    assert!(error.contains("arbees run"), "{error}");
}

#[tokio::test]
async fn signals_of_a_file_are_sent_to_the_venue_they_name() {
    let world = traded();
    let (engine, address, token) = engine(&world).await;
    let source = Source::Http(Client::new(address, token).expect("client"));
    let path = file(b"{\"signal_id\": \"a\", \"venue\": \"kalshi\"}\n{\"signal_id\": \"b\", \"platform\": \"polymarket\"}\n");
    let (exit, text) = run(&format!("arbees signal send {}", path.display()), &source).await;
    assert_eq!((exit, text.lines().count()), (Ok(Exit::Good), 2));
    let told = engine.told.lock().expect("lock").clone();
    assert!(told[0].starts_with("kalshi {\"signal_id\": \"a\"") && told[1].starts_with("polymarket {\"signal_id\": \"b\""), "{told:?}");
    let nameless = file(b"{\"signal_id\": \"c\"}");
    assert_eq!(run(&format!("arbees signal send {}", nameless.display()), &source).await.0.expect_err("no venue").exit(), Exit::Usage);
}

#[tokio::test]
async fn lint_fails_when_one_message_is_rejected() {
    let source = Source::Log(Box::new(desk(&traded())));
    let path = file(b"{\"signal_id\": \"a\", \"direction\": \"hold\"}\n{\"signal_id\": \"b\", \"limit_price\": \"much\"}\n");
    let (exit, text) = run(&format!("arbees signal lint {} --venue kalshi", path.display()), &source).await;
    assert_eq!(exit, Ok(Exit::Failed));
    assert!(text.contains("message 1 on signals.kalshi: a hold") && text.contains("message 2 on signals.kalshi: b rejected"), "{text}");
    let (_, text) = run(&format!("arbees signal lint {} --venue kalshi --json", path.display()), &source).await;
    let results: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&results[0]["result"], &results[1]["result"]), (&json!("hold"), &json!("rejected")));
}

#[tokio::test]
async fn the_engine_that_is_meant_is_found_another_is_named_and_nobody_is_no_error() {
    let world = traded();
    let (_, address, token) = engine(&world).await;
    let found = Client::find(address, Mode::Paper, &account(), token.clone()).await.expect("found");
    assert!(matches!(found, Found::Engine(_, identity) if identity.log_id == LOG_ID));
    let other = Instance::new("other").expect("name");
    assert!(matches!(Client::find(address, Mode::Paper, &other, token.clone()).await, Ok(Found::Other(_))));
    assert!(matches!(Client::find(address, Mode::Live, &account(), token.clone()).await, Ok(Found::Other(_))));
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("address");
    assert!(matches!(Client::find(free, Mode::Paper, &account(), token).await, Ok(Found::Nobody)));
}

#[test]
fn the_arguments_are_consistent_and_wrong_ones_are_refused() {
    use clap::CommandFactory;
    Args::command().debug_assert();
    for line in [
        "arbees run",
        "arbees run --role risk --tape t.gz --speed 20",
        "arbees demo --stay --env-file x",
        "arbees kill on",
        "arbees dead-letters",
    ] {
        assert!(Args::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    for line in [
        "arbees adjust --venue kalshi --market KX-1 --outcome no --quantity 4 --cost 2.25 --reason x",
        "arbees adjust --venue kalshi --cash -0.37 --counts --reason x",
        "arbees cash --day 2026-01-28",
        "arbees bus provision",
    ] {
        assert!(Args::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    for line in [
        "arbees adjust --venue kalshi --cash 1",
        "arbees adjust --venue kalshi --reason x",
        "arbees adjust --venue kalshi --market KX-1 --quantity 4 --reason x",
        "arbees adjust --venue kalshi --market KX-1 --quantity -4 --cost 1 --reason x",
        "arbees bus keys",
    ] {
        let error = Args::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{line}");
    }
    for line in
        ["arbees", "arbees run --speed 2", "arbees settle KX-1 maybe", "arbees breaker reset moon", "arbees signal send x --venue moon"]
    {
        let error = Args::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{line}");
    }
}
