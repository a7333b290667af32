//! The program itself at a stage: keys that are wrong, the doctor, its secrets, taking an account over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use arbees::app::rehearsal::{Setup, Stage};
use arbees::bus::Bus;
use arbees::domain::event::{Event, Scope};
use arbees::domain::money::Usd;
use serde_json::{Value, json};

use crate::look::{Look, close, diverged, key_of, open, theirs, whole};
use crate::servers::NatsServer;
use crate::standing::{at, engine};
use crate::support::{Folder, Polymarket, SLUG, World};

/// Of nobody; the first key of every list of test keys.
const OTHER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const FUNDER: &str = "0x1111111111111111111111111111111111111111";

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The one line of standard error; nothing else went wrong.
    fn one_line(&self) -> &str {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end()
    }

    fn problems(&self) -> Vec<&str> {
        self.out.lines().filter_map(|line| line.trim_start().strip_prefix("PROBLEM: ")).collect()
    }
}

pub type Stageful = Stage<Polymarket>;

pub fn command(stage: &Stageful, more: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arbees"));
    command.args(args).env_clear().envs(stage.settings()).envs(more.iter().copied());
    command.current_dir(&stage.folder).stdin(Stdio::null());
    command
}

pub async fn say(stage: &Stageful, more: &[(&str, &str)], args: &[&str]) -> Said {
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

pub async fn stage(folder: &Folder) -> Stageful {
    Stage::open(&folder.0, Setup::default()).await.expect("a stage")
}

fn write_key(folder: &Folder, name: &str, text: &str, mode: u32) -> String {
    let path = folder.0.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    path.display().to_string()
}

async fn creates(stage: &Stageful) -> Value {
    stage.admin("GET", "/creates", Value::Null).await.expect("creates")
}

/// What the venue gave as the API key, kept for this nonce.
fn kept(stage: &Stageful, name: &str) -> (Value, u32) {
    let path = stage.folder.join("data/demo").join(name);
    let mode = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode();
    (serde_json::from_str(&fs::read_to_string(path).expect("readable")).expect("JSON"), mode & 0o777)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_makes_a_healthy_doctor_who_places_nothing() {
    let folder = Folder::new();
    let mut stage = stage(&folder).await;
    stage.setup.settings.push(("POLY_GEOBLOCK_URL".to_owned(), format!("{}/api/geoblock", stage.venue.api_url())));
    let said = say(&stage, &[], &["doctor"]).await;
    assert_eq!((said.code, said.problems()), (0, vec![]), "{}{}", said.out, said.err);
    let owner = stage.venue.owner.clone();
    for fact in [
        owner.as_str(),
        "the key's own account",
        "signature type",
        "137",
        "$1000",
        "0xe111180000d2663c0091e4f400237545b87b996b",
        "closed only                no",
        "blocked here               no",
        "IE L",
        "version of the exchange    2",
        "venue's clock is ahead",
    ] {
        assert!(said.out.contains(fact), "{fact}: {}", said.out);
    }
    let json = say(&stage, &[], &["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{error}: {}", json.out));
    assert_eq!((report["venue"].as_str(), &report["problems"]), (Some("polymarket"), &json!([])));
    let facts = &report["facts"];
    assert_eq!((&facts["address of the key"], &facts["signature type"], &facts["cash"]), (&json!(owner), &json!("0"), &json!("$1000")));
    let seen = stage.admin("GET", "/requests", Value::Null).await.expect("requests");
    // The API key is made once; nothing else is changed.
    let writes: Vec<&Value> = seen.as_array().into_iter().flatten().filter(|one| one["method"] != "GET").map(|one| &one["call"]).collect();
    assert_eq!(writes, ["api_keys"], "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_is_one_clear_line_and_a_wrong_setting() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let (short, off) = (&OTHER_KEY[..40], format!("0x{}", "f".repeat(64)));
    let cases = [
        (write_key(&folder, "open.key", OTHER_KEY, 0o640), "others than its owner can read it (mode 0640); run: chmod 600"),
        (folder.0.join("none.key").display().to_string(), "there is no such file"),
        (folder.0.display().to_string(), "cannot be read: not a file"),
        (write_key(&folder, "short.key", short, 0o600), "needed is the wallet's private key: 64 hex digits"),
        (write_key(&folder, "words.key", "test test test test test test test test test test test junk", 0o600), "needed is the wallet's"),
        (write_key(&folder, "off.key", &off, 0o600), "no private key of the curve"),
        (write_key(&folder, "empty.key", "", 0o600), "needed is the wallet's private key"),
    ];
    for (path, expected) in &cases {
        for args in [&["doctor"][..], &["run"][..]] {
            let more = [("POLY_PRIVATE_KEY_PATH", path.as_str()), ("LOG_LEVEL", "error"), ("NATS_URL", "nats://127.0.0.1:1")];
            let said = say(&stage, &more, args).await;
            let line = said.one_line();
            assert!(line.starts_with("arbees: POLY_PRIVATE_KEY_PATH: ") && line.contains(expected), "{args:?}: {line}");
            assert_eq!(said.code, 2, "{args:?}: {line}");
            for secret in [&OTHER_KEY[2..20], "ffffffff", "junk"] {
                assert!(!said.err.contains(secret) && !said.out.contains(secret), "shown: {line}");
            }
        }
    }
    let text = say(&stage, &[("POLY_PRIVATE_KEY_PATH", ""), ("POLY_PRIVATE_KEY", short)], &["doctor"]).await;
    assert!(text.code == 2 && text.one_line().contains("POLY_PRIVATE_KEY: ") && !text.err.contains(&short[2..]), "{}", text.err);
    assert_eq!(stage.admin("GET", "/requests", Value::Null).await.expect("requests"), json!([]), "nobody was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_contradict_each_other_are_named() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    let none = say(&stage, &[("POLY_PRIVATE_KEY_PATH", "")], &["doctor"]).await;
    assert!(none.code != 0 && none.err.contains("POLY_PRIVATE_KEY_PATH"), "{}", none.err);
    let both = say(&stage, &[("POLY_PRIVATE_KEY", OTHER_KEY)], &["doctor"]).await;
    assert!(both.code == 2 && both.err.contains("leave one out") && !both.err.contains(&OTHER_KEY[2..20]), "{}", both.err);
    for (more, expected) in [
        (vec![("POLY_SIGNATURE_TYPE", "2")], "needs POLY_FUNDER"),
        (vec![("POLY_FUNDER", FUNDER)], "trades with the key's own account"),
        (vec![("POLY_SIGNATURE_TYPE", "3"), ("POLY_FUNDER", "0x12")], "POLY_FUNDER"),
        (vec![("POLY_CLOB_URL", "http://example.com")], "POLY_CLOB_URL"),
        (vec![("POLY_CHAIN_ID", "1")], "POLY_CHAIN_ID"),
    ] {
        for args in [&["doctor"][..], &["run"][..]] {
            let said = say(&stage, &more, args).await;
            assert!(said.code == 2 && said.err.contains(expected), "{more:?} {args:?}: {} {}", said.code, said.err);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_one_problem_each() {
    let folder = Folder::new();
    let mut stage = stage(&folder).await;
    stage.setup.settings.push(("POLY_GEOBLOCK_URL".to_owned(), format!("{}/api/geoblock", stage.venue.api_url())));
    let problem = async |more: &[(&str, &str)], expected: &str| {
        let said = say(&stage, more, &["doctor"]).await;
        let problems = said.problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {}{}", said.out, said.err);
        assert!(problems.len() <= 2, "one line says it: {problems:?}");
        assert_eq!(said.code, 1, "{expected}");
    };
    let admin = async |path: &str, body: Value| drop(stage.admin("POST", path, body).await.expect("changed"));
    // Signed for another chain, the venue can't recover who asks.
    problem(&[("POLY_CHAIN_ID", "80002")], "no API key for this wallet").await;
    // A Safe that isn't this key's.
    problem(&[("POLY_SIGNATURE_TYPE", "2"), ("POLY_FUNDER", FUNDER)], "signature_type").await;
    admin("/allowance", json!({ "amount": "0" })).await;
    let said = say(&stage, &[], &["doctor"]).await;
    assert!(said.code == 1 && said.problems().iter().all(|problem| problem.starts_with("no allowance: ")), "{}", said.out);
    admin("/allowance", json!({})).await;
    admin("/cash", json!({ "amount": "-1000" })).await;
    problem(&[], "no balance: ").await;
    admin("/cash", json!({ "amount": "1000" })).await;
    admin("/closed_only", json!({ "closed_only": true })).await;
    problem(&[], "closed only: the account may close positions, not open them").await;
    admin("/closed_only", json!({ "closed_only": false })).await;
    admin("/version", json!({ "version": 3 })).await;
    problem(&[], "the venue takes orders of version 3, we sign version 2").await;
    admin("/version", json!({ "version": 2 })).await;
    let blocked = json!({ "blocked": true, "ip": "127.0.0.1", "country": "US", "region": "NY" }).to_string();
    admin("/faults", json!({ "kind": "status", "status": 200, "call": "geoblock", "body": blocked })).await;
    problem(&[], "the venue does not serve this place (US NY)").await;
    stage.heal().await.expect("healed");
    admin("/faults", json!({ "kind": "skewed_date", "ms": 60_000 })).await;
    problem(&[], "the clock is off").await;
    stage.heal().await.expect("healed");
    let well = say(&stage, &[], &["doctor"]).await;
    assert_eq!((well.code, well.problems()), (0, vec![]), "{}", well.out);
    assert_eq!(creates(&stage).await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_may_not_trade_stays_up_says_why_and_sends_nothing() {
    for (what, why, state) in [
        (json!({ "closed_only": true }), "the account may only close positions", "polymarket close_only"),
        (json!({ "version": 3 }), "the venue signs orders in another version", "polymarket halted"),
    ] {
        let (nats, folder) = (NatsServer::start(), Folder::new());
        let stage = stage(&folder).await;
        let path = if what.get("version").is_some() { "/version" } else { "/closed_only" };
        stage.admin("POST", path, what).await.expect("changed");
        let lines = folder.0.join("lines.log");
        let mut run = command(&stage, &[("NATS_URL", &nats.url())], &["run"]);
        let log = fs::File::create(&lines).expect("a file");
        let mut process = Process(run.stdout(Stdio::null()).stderr(log).spawn().expect("run arbees"));
        let said = async || fs::read_to_string(&lines).ok().filter(|text| text.contains("[DEMO] polymarket"));
        stage.until("the account, first of all", said).await.expect("said");
        let address = folder.0.join("data/demo/http_addr");
        let http = arbees::http::client().build().expect("client");
        let explains = async || {
            let address = fs::read_to_string(&address).ok()?;
            let url = format!("http://{}/readyz", address.lines().next()?);
            let text = http.get(url).send().await.ok()?.text().await.ok()?;
            (text.contains(state) && text.contains(why)).then_some(())
        };
        stage.until("readyz to explain", explains).await.unwrap_or_else(|error| panic!("{why}: {error}"));
        assert!(process.0.try_wait().expect("asked").is_none(), "still up");
        assert_eq!(creates(&stage).await, json!({}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_test_rests_the_least_that_is_taken_and_cancels_it() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let url = nats.url();
    let nats = ("NATS_URL", url.as_str());
    let spec = stage.venue.markets[SLUG].clone();
    let unnamed = say(&stage, &[nats], &["doctor", "--order-test", "--yes"]).await;
    assert!(unnamed.code == 1 && unnamed.err.contains("--order-test TOKEN"), "{}", unnamed.err);
    let asked = say(&stage, &[nats], &["doctor", "--order-test", &spec.tokens[0]]).await;
    assert!(asked.code == 1 && asked.err.contains("--yes answers for scripts"), "{}", asked.err);
    assert_eq!(creates(&stage).await, json!({}), "it asks first");
    for id in [&spec.tokens[1], &spec.condition] {
        let said = say(&stage, &[nats], &["doctor", "--order-test", id, "--yes"]).await;
        assert!(said.code == 0 && said.out.contains("rested and was cancelled; nothing was filled"), "{}{}", said.out, said.err);
    }
    let truth = stage.truth().await.expect("truth");
    let orders: Vec<&Value> = truth["orders"].as_object().into_iter().flatten().map(|(_, order)| order).collect();
    assert_eq!(orders.len(), 2);
    for order in orders {
        assert_eq!(
            (&order["status"], &order["price"], &order["size_matched"]),
            (&json!("CANCELED"), &json!("0.01"), &json!("0")),
            "{order}"
        );
    }
    assert_eq!(truth["cash"]["settled"], "1000");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_nonce_has_an_api_key_of_its_own_kept_for_its_owner_only() {
    let folder = Folder::new();
    let stage = stage(&folder).await;
    for nonce in ["0", "7", "0", "7"] {
        let said = say(&stage, &[("POLY_API_NONCE", nonce)], &["doctor"]).await;
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    let ((first, mode), (second, other_mode)) = (kept(&stage, "poly_api.json"), kept(&stage, "poly_api_7.json"));
    assert_eq!((mode, other_mode), (0o600, 0o600));
    assert!(first["apiKey"].is_string() && first["apiKey"] != second["apiKey"]);
    // What is lost is derived again, not made anew.
    fs::remove_file(stage.folder.join("data/demo/poly_api_7.json")).expect("removed");
    assert_eq!(say(&stage, &[("POLY_API_NONCE", "7")], &["doctor"]).await.code, 0);
    assert_eq!(kept(&stage, "poly_api_7.json").0["apiKey"], second["apiKey"]);
}

/// Every file below, as text.
fn read_all(dir: &Path, skip: &[&str], into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            read_all(&path, skip, into);
        } else if !skip.contains(&name.as_str()) {
            into.push((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s108_neither_key_nor_api_secrets_nor_signatures_are_ever_shown() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let lines = folder.0.join("lines.log");
    let mut run = command(&stage, &[("NATS_URL", &nats.url()), ("LOG_LEVEL", "trace")], &["run"]);
    let log = fs::File::create(&lines).expect("a file");
    let process = Process(run.stdout(log.try_clone().expect("cloned")).stderr(log).spawn().expect("run arbees"));
    let http = arbees::http::client().build().expect("client");
    let ask = async |path: &str| {
        let address = fs::read_to_string(folder.0.join("data/demo/http_addr")).ok()?;
        let url = format!("http://{}{path}", address.lines().next()?);
        http.get(url).send().await.ok()?.text().await.ok()
    };
    let ready = async || ask("/readyz").await.filter(|text| text.contains("\"ready\":true") || text.contains("reasons\":[]"));
    stage.until("it to trade", ready).await.expect("ready");
    let client = async_nats::connect(nats.url()).await.expect("a client");
    let mut heard = client.subscribe(">").await.expect("everything");
    let bus = nats.bus().await;
    // One that trades, one that rests, one that is refused.
    let refused = stage.fault(json!({ "kind": "refuse", "call": "create", "details": "invalid signature", "count": 1, "skip": 2 })).await;
    refused.expect("a fault");
    for wish in [open("yes", "0.50", "6", "ioc"), open("yes", "0.45", "6", "gtd"), open("yes", "0.51", "6", "fok")] {
        let before = creates(&stage).await.as_object().map_or(0, |sent| sent.len());
        let (_, signal) = stage.signal(&wish);
        bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
        let sent = async || (creates(&stage).await.as_object().map_or(0, |sent| sent.len()) > before).then_some(());
        stage.until("it to be sent", sent).await.expect("sent");
    }
    let mut shown = Vec::new();
    for path in
        ["/status", "/positions", "/orders", "/pnl", "/exposure", "/tail?from=1", "/metrics", "/breaker", "/healthz", "/readyz", "/verify"]
    {
        if let Some(text) = ask(path).await {
            shown.push((path.to_owned(), text));
        }
    }
    let doctor = say(&stage, &[("LOG_LEVEL", "trace")], &["doctor", "--json"]).await;
    shown.push(("doctor".to_owned(), doctor.out + &doctor.err));
    let tail = say(&stage, &[("NATS_URL", &nats.url())], &["tail", "--json", "--from", "1"]).await;
    assert!(tail.out.contains("SubmitStarted"), "{}{}", tail.out, tail.err);
    shown.push(("tail".to_owned(), tail.out + &tail.err));
    drop(process);
    let secret = fs::read_to_string(folder.0.join("polymarket.key")).expect("the key");
    let (api, mode) = kept(&stage, "poly_api.json");
    assert_eq!(mode, 0o600);
    read_all(&folder.0, &["polymarket.key", "poly_api.json"], &mut shown);
    client.flush().await.expect("flushed");
    use futures::{FutureExt, StreamExt};
    while let Some(Some(message)) = heard.next().now_or_never() {
        shown.push((message.subject.to_string(), String::from_utf8_lossy(&message.payload).into_owned()));
    }
    let mut secrets = vec![("the wallet's key", secret.trim().trim_start_matches("0x").to_owned())];
    for name in ["apiKey", "secret", "passphrase"] {
        secrets.push((name, api[name].as_str().expect("text").to_owned()));
    }
    let requests = stage.admin("GET", "/requests", Value::Null).await.expect("requests");
    for row in requests.as_array().expect("rows").iter().filter(|row| row["call"] == "create") {
        let body: Value = serde_json::from_str(row["body"].as_str().expect("text")).expect("JSON");
        secrets.push(("a signature", body["order"]["signature"].as_str().expect("text").trim_start_matches("0x").to_owned()));
    }
    assert!(secrets.len() >= 7, "three orders were signed");
    for (what, secret) in &secrets {
        for (place, text) in &shown {
            assert!(!text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase()), "{what} is shown in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_holds_something_is_adopted_by_name_at_what_it_cost_and_then_trades() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let token = stage.venue.markets[SLUG].tokens[0].clone();
    stage.admin("POST", "/website/order", theirs("buy", "0.50", "6", "FAK")).await.expect("placed");
    // Two more came by a transfer, which no trade explains.
    stage.admin("POST", "/tokens", json!({ "token": token, "amount": "2" })).await.expect("moved");
    let settled = async || {
        let truth = stage.truth().await.ok()?;
        (truth["positions"][&token]["settled"] == "8").then_some(())
    };
    stage.until("settlement", settled).await.expect("settled");
    let config = at(&stage, &nats, "one");
    let (data, url) = (config.data_dir.display().to_string(), nats.url());
    let place = [("NATS_URL", url.as_str()), ("DATA_DIR", data.as_str()), ("INSTANCE", "one")];
    let refused = say(&stage, &place, &["adopt"]).await;
    assert!(refused.code == 1 && refused.err.contains("--yes answers for scripts"), "{}{}", refused.out, refused.err);
    for fact in [format!("8 of {token}, cost $5"), "cash       $996.925".to_owned()] {
        assert!(refused.out.contains(&fact), "{fact}: {}", refused.out);
    }
    let done = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains("1 positions, 0 open orders"), "{}{}", done.out, done.err);
    let again = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(again.code == 0 && again.out.contains("nothing to adopt"), "{}{}", again.out, again.err);
    let running = engine(config, &nats).await.expect("an engine");
    let world = World { stage, engine: running, _folder: folder };
    world.until("it to be open", async || world.stage.is_open(&world.engine).await).await;
    let opening = world.logged("the opening", |event| match event {
        Event::OpeningBalance { cash, .. } => Some(*cash),
        _ => None,
    });
    assert_eq!(opening.await, Usd::parse("996.925").expect("cash after buying 6 at 50 cents with fee 7.5 cents"));
    let key = key_of(&world, "yes");
    let cost = world.engine.engine.query(move |engine| engine.book().positions.get(&key).map(|position| position.cost)).await.flatten();
    assert_eq!((world.holding("yes").await, cost), (whole(8), Some(Usd::whole(5))), "its exposure is what it may lose");
    world.agrees().await;
    assert_eq!(world.trades(&close("yes", "0.40")).await.filled, whole(8));
    world.agrees().await;
    assert_eq!(world.count(diverged).await, 0);
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_an_open_order_is_shown_adopted_as_foreign_and_keeps_its_market_shut() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let token = stage.venue.markets[SLUG].tokens[0].clone();
    stage.admin("POST", "/website/order", theirs("buy", "0.45", "6", "GTC")).await.expect("placed");
    let config = at(&stage, &nats, "one");
    let (data, url) = (config.data_dir.display().to_string(), nats.url());
    let place = [("NATS_URL", url.as_str()), ("DATA_DIR", data.as_str()), ("INSTANCE", "one")];
    let done = say(&stage, &place, &["adopt", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains(&format!("open order Bid 6 of {token} at 0.45")), "{}{}", done.out, done.err);
    let running = engine(config, &nats).await.expect("an engine");
    let world = World { stage, engine: running, _folder: folder };
    world.until("it to be open", async || world.stage.is_open(&world.engine).await).await;
    assert!(world.is_tripped(Scope::Market(key_of(&world, "yes"))).await);
    world.called_again("balance", 3).await;
    assert_eq!((world.count(diverged).await, world.calls("cancel").await, world.calls("create").await), (0, 0, 0));
    world.engine.stop().await;
}
