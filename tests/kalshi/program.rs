//! The program itself at a stage: keys that are wrong, the doctor, taking an account over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use arbees::app::rehearsal::{Setup, Stage, TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::money::{Quantity, Usd};
use serde_json::{Value, json};

use crate::seen::{KEY_ID, key_of};
use crate::servers::NatsServer;
use crate::standing::{at, engine};
use crate::support::{Folder, World};

const OTHER_KEY: &str = include_str!("../conformance/vectors/kalshi/test_keys/ed25519_pkcs8.pem");
const PUBLIC_KEY: &str = include_str!("../conformance/vectors/kalshi/test_keys/rsa2048_pub_spki.pem");
const EC_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The one line of standard error that is about keys; nothing else went wrong.
    fn one_line(&self) -> &str {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end()
    }

    fn problems(&self) -> Vec<&str> {
        self.out.lines().filter_map(|line| line.trim_start().strip_prefix("PROBLEM: ")).collect()
    }
}

pub fn command(stage: &Stage, more: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arbees"));
    command.args(args).env_clear().envs(stage.settings()).envs(more.iter().copied());
    command.current_dir(&stage.folder).stdin(Stdio::null());
    command
}

pub async fn say(stage: &Stage, more: &[(&str, &str)], args: &[&str]) -> Said {
    let mut command = command(stage, more, args);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("joined").expect("run arbees");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A process that goes on; killed on drop.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn stage(folder: &Folder) -> Stage {
    Stage::open(&folder.0, Setup::default()).await.expect("a stage")
}

fn write_key(folder: &Folder, name: &str, text: &str, mode: u32) -> String {
    let path = folder.0.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_makes_a_healthy_doctor_who_places_nothing() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let said = say(&stage, &[], &["doctor"]).await;
    assert_eq!((said.code, said.problems()), (0, vec![]), "{}{}", said.out, said.err);
    for fact in ["Ed25519", "read write", "$1000", "trading"] {
        assert!(said.out.contains(fact), "{fact}: {}", said.out);
    }
    let seen = stage.admin("GET", "/requests", Value::Null).await.expect("requests");
    assert!(seen.as_array().into_iter().flatten().all(|one| one["method"] == "GET"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_cannot_be_used_is_one_clear_line_and_a_wrong_setting() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let cases = [
        (write_key(&folder, "open.pem", OTHER_KEY, 0o640), "others than its owner can read it (mode 0640); run: chmod 600"),
        (folder.0.join("none.pem").display().to_string(), "there is no such file"),
        (folder.0.display().to_string(), "cannot be read: not a file"),
        (write_key(&folder, "public.pem", PUBLIC_KEY, 0o600), "this PEM holds a public key; needed is the private key"),
        (write_key(&folder, "ec.pem", EC_KEY, 0o600), "this PEM holds an EC key"),
        (write_key(&folder, "text.pem", "hello", 0o600), "no PEM text found"),
    ];
    for (path, expected) in &cases {
        for args in [&["doctor"][..], &["run"][..]] {
            let said =
                say(&stage, &[("KALSHI_PRIVATE_KEY_PATH", path), ("LOG_LEVEL", "error"), ("NATS_URL", "nats://127.0.0.1:1")], args).await;
            let line = said.one_line();
            assert!(line.starts_with("arbees: KALSHI_PRIVATE_KEY_PATH: ") && line.contains(expected), "{args:?}: {line}");
            assert_eq!(said.code, 2, "{args:?}: {line}");
        }
    }
    assert_eq!(stage.admin("GET", "/requests", Value::Null).await.expect("requests"), json!([]), "nobody was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_missing_or_half_there_are_named() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let none = say(&stage, &[("KALSHI_API_KEY_ID", ""), ("KALSHI_PRIVATE_KEY_PATH", "")], &["doctor"]).await;
    assert!(none.code == 2 && none.err.contains("KALSHI_API_KEY_ID"), "{}", none.err);
    let half = say(&stage, &[("KALSHI_PRIVATE_KEY_PATH", "")], &["doctor"]).await;
    assert!(half.code == 2 && half.err.contains("belong together"), "{}", half.err);
    let plain = say(&stage, &[("KALSHI_API_URL", "http://example.com/trade-api/v2")], &["doctor"]).await;
    assert!(plain.code == 2 && plain.err.contains("KALSHI_API_URL"), "{}", plain.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_the_venue_refuses_are_one_problem_each() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let other = write_key(&folder, "other.pem", OTHER_KEY, 0o600);
    let wrong = say(&stage, &[("KALSHI_PRIVATE_KEY_PATH", &other)], &["doctor"]).await;
    let foreign = say(&stage, &[("KALSHI_API_KEY_ID", "99999999-2222-3333-4444-555555555555")], &["doctor"]).await;
    stage.admin("POST", "/keys", json!({ "key": KEY_ID, "scopes": ["read"] })).await.expect("changed");
    let reads = say(&stage, &[], &["doctor"]).await;
    stage
        .admin("POST", "/keys", json!({ "key": KEY_ID, "scopes": ["read", "write"], "region_expires": "2026-01-02T00:00:00Z" }))
        .await
        .expect("changed");
    let expired = say(&stage, &[], &["doctor"]).await;
    stage.admin("POST", "/faults", json!({ "kind": "skewed_date", "ms": 60_000 })).await.expect("a fault");
    let clock = say(&stage, &[], &["doctor"]).await;
    let cases = [
        (&wrong, "the private key is not the one of this key id"),
        (&foreign, "this host does not know the key id; demo and production have keys of their own"),
        (&reads, "the key lacks the scope write::trade: it can't place orders"),
        (&expired, "the location attestation has expired (2026-01-02T00:00:00Z)"),
    ];
    for (said, expected) in cases {
        let problems = said.problems();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        assert_eq!(said.code, 1);
    }
    assert!(clock.problems().iter().any(|problem| problem.starts_with("the clock is off")), "{}", clock.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_a_key_the_venue_refuses_stays_up_says_why_and_sends_nothing() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let other = write_key(&folder, "other.pem", OTHER_KEY, 0o600);
    let lines = folder.0.join("lines.log");
    let mut run = command(&stage, &[("KALSHI_PRIVATE_KEY_PATH", &other), ("NATS_URL", &nats.url())], &["run"]);
    let log = fs::File::create(&lines).expect("a file");
    let mut process = Process(run.stdout(Stdio::null()).stderr(log).spawn().expect("run arbees"));
    let why = "the private key is not the one of this key id";
    let said = async || fs::read_to_string(&lines).ok().filter(|text| text.contains(&format!("[DEMO] kalshi: {why}")));
    stage.until("the problem, first of all", said).await.expect("said");
    let address = folder.0.join("data/demo/http_addr");
    let http = arbees::http::client().build().expect("client");
    let explains = async || {
        let address = fs::read_to_string(&address).ok()?;
        let url = format!("http://{}/readyz", address.lines().next()?);
        let text = http.get(url).send().await.ok()?.text().await.ok()?;
        (text.contains("kalshi halted") && text.contains(why)).then_some(())
    };
    stage.until("readyz to explain", explains).await.expect("explained");
    assert!(process.0.try_wait().expect("asked").is_none(), "still up");
    let creates = stage.admin("GET", "/creates", Value::Null).await.expect("creates");
    assert_eq!(creates, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_test_rests_one_contract_and_cancels_it() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let url = nats.url();
    let nats = ("NATS_URL", url.as_str());
    let asked = say(&stage, &[nats], &["doctor", "--order-test"]).await;
    assert!(asked.code == 1 && asked.err.contains("--yes answers for scripts"), "{}", asked.err);
    assert_eq!(stage.admin("GET", "/creates", Value::Null).await.expect("creates"), json!({}), "it asks first");
    for args in [&["doctor", "--order-test", "--yes"][..], &["doctor", "--order-test", TICKER, "--yes"]] {
        let said = say(&stage, &[nats], args).await;
        assert!(said.code == 0 && said.out.contains("rested and was cancelled; nothing was filled"), "{}{}", said.out, said.err);
    }
    let truth = stage.truth().await.expect("truth");
    let orders: Vec<&Value> = truth["orders"].as_object().into_iter().flatten().map(|(_, order)| order).collect();
    assert_eq!(orders.len(), 2);
    for order in orders {
        assert_eq!((&order["status"], &order["fill_count_fp"]), (&json!("canceled"), &json!("0.00")), "{order}");
        assert_eq!((&order["initial_count_fp"], &order["yes_price_dollars"]), (&json!("1.00"), &json!("0.0100")), "{order}");
    }
    assert_eq!(truth["cash"]["cash"], "1000.000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_holds_something_is_adopted_by_name_and_then_trades() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let website = async |side: &str, price: &str, tif: &str| {
        let order = json!({ "ticker": TICKER, "side": side, "price": price, "quantity": "4", "time_in_force": tif });
        stage.admin("POST", "/website/order", order).await.expect("placed")
    };
    website("bid", "0.50", "immediate_or_cancel").await;
    let config = at(&stage, &nats, "one");
    let (data, url) = (config.data_dir.display().to_string(), nats.url());
    let place = [("NATS_URL", url.as_str()), ("DATA_DIR", data.as_str()), ("INSTANCE", "one")];
    let refused = say(&stage, &place, &["adopt"]).await;
    assert!(refused.code == 1 && refused.err.contains("--yes answers for scripts"), "{}", refused.err);
    for fact in [format!("4 of {TICKER}, cost $2"), "cash       $997.93".to_owned()] {
        assert!(refused.out.contains(&fact), "{fact}: {}", refused.out);
    }
    let done = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(
        done.code == 0 && done.out.contains("account taken over") && done.out.contains("1 positions, 0 open orders"),
        "{}{}",
        done.out,
        done.err
    );
    let again = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(again.code == 0 && again.out.contains("nothing to adopt"), "{}{}", again.out, again.err);
    let running = engine(config, &nats).await.expect("an engine");
    let world = World { stage, engine: running, _folder: folder };
    let ready = async || world.stage.is_open(&world.engine).await.then_some(());
    world.stage.until("it to be open", ready).await.expect("open");
    let opening = world.logged("the opening", |event| match event {
        Event::OpeningBalance { cash, .. } => Some(*cash),
        _ => None,
    });
    assert_eq!(opening.await, Usd::parse("997.93").expect("cash after buying 4 at 50 cents with fee 7 cents"));
    assert_eq!(world.held(TICKER).await, Quantity::whole(4));
    world.agrees().await;
    let closed = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closed");
    assert_eq!(closed.filled, Quantity::whole(4));
    world.agrees().await;
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. })).await, 0);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_order_is_shown_adopted_as_foreign_and_keeps_its_market_shut() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let order = json!({ "ticker": TICKER, "side": "bid", "price": "0.45", "quantity": "4" });
    stage.admin("POST", "/website/order", order).await.expect("placed");
    let config = at(&stage, &nats, "one");
    let (data, url) = (config.data_dir.display().to_string(), nats.url());
    let place = [("NATS_URL", url.as_str()), ("DATA_DIR", data.as_str()), ("INSTANCE", "one")];
    let done = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains(&format!("open order Bid 4 of {TICKER} at 0.45")), "{}{}", done.out, done.err);
    let running = engine(config, &nats).await.expect("an engine");
    let world = World { stage, engine: running, _folder: folder };
    let ready = async || world.stage.is_open(&world.engine).await.then_some(());
    world.stage.until("it to be open", ready).await.expect("open");
    assert!(world.is_tripped(Scope::Market(key_of(TICKER))).await);
    world.called_again("balance", 3).await;
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. })).await, 0);
    assert_eq!((world.calls("cancel").await, world.sends().await), (0, 0));
    world.engine.stop().await;
}
