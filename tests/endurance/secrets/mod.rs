//! Known secrets through a whole run, at the most talkative level, and afterwards a look at every byte that left the
//! process for anywhere but a venue or a file of secrets: S108.

/// Keys pasted where they don't belong.
mod pasted;
/// Windows of secrets in every writing.
mod scan;
/// Keys everywhere, trades, and all that is shown.
mod stage;
/// What the program says to the venues.
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arbees::bus::Bus;
use arbees::bus::subjects::PING;
use arbees::clock::Clock;
use futures::StreamExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use self::scan::Needles;
use self::stage::Stage;
use crate::arbees::Process;
use crate::load::wish;
use crate::support::{NatsServer, soon, until};
use crate::venues::{ticker, token};

/// A round has every kind of signal once for each venue: opens, resting ones, closes, junk, vetoed ones.
const KINDS: u64 = 10;
/// A round that nobody has acted on by then is sent again, under other names.
const SEND_AGAIN_SECONDS: u64 = 3;
/// Paths of the API that anybody may read, and the one that needs the token.
const PATHS: [&str; 21] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/status",
    "/api/positions",
    "/api/orders",
    "/api/orders?state=live&limit=1000",
    "/api/pnl",
    "/api/cash",
    "/api/exposure",
    "/api/explain/first-0",
    "/api/explain?id=first-1",
    "/api/tail?from=1&limit=1000",
    "/api/breaker",
    "/api/kill",
    "/api/replay",
    "/api/verify",
    "/api/dead-letters",
    "/api/dead-letters?id=1",
    "/api/records?from=1",
    "/no/such/path",
];
const READING: [&[&str]; 15] = [
    &["status", "--json"],
    &["positions", "--json"],
    &["orders", "--json"],
    &["pnl", "--json"],
    &["cash", "--json"],
    &["exposure", "--json"],
    &["tail", "--json", "--from", "1"],
    &["tail", "--from", "1"],
    &["explain", "first-1", "--json"],
    &["explain", "first-1"],
    &["replay", "--json"],
    &["verify", "--json"],
    &["dead-letters", "list", "--json"],
    &["dead-letters", "show", "1", "--json"],
    &["config", "check", "--json"],
];

/// Everything that was shown anywhere, by where.
type Shown = Vec<(String, Vec<u8>)>;

/// Hears everything that goes over the bus.
struct Ear(Arc<Mutex<Shown>>);

impl Ear {
    async fn at(server: &NatsServer) -> Self {
        let key = server.seed("dash").expose_secret().to_owned();
        let options = async_nats::ConnectOptions::with_nkey(key).custom_inbox_prefix("_INBOX.dash");
        let client = options.connect(server.url()).await.expect("a connection");
        let mut all = client.subscribe(">").await.expect("everything");
        client.flush().await.expect("flushed");
        let heard: Arc<Mutex<Shown>> = Arc::default();
        let this = Self(Arc::clone(&heard));
        tokio::spawn(async move {
            while let Some(message) = all.next().await {
                // Whoever pings wants to hear that nobody listens, at once; somebody who does, and is silent, would keep them waiting.
                if let (true, Some(reply)) = (message.subject.as_str() == PING, &message.reply) {
                    client.publish(reply.clone(), "heard".into()).await.expect("an answer");
                }
                let about = format!("{} {:?} {:?}", message.subject, message.reply, message.headers);
                heard.lock().expect("lock").push((format!("bus: {}", message.subject), [about.as_bytes(), &message.payload].concat()));
            }
        });
        this
    }

    fn is_answered(&self, id: &str) -> bool {
        let of_this = |payload: &[u8]| String::from_utf8_lossy(payload).contains(&format!("\"{id}\""));
        self.0.lock().expect("lock").iter().any(|(subject, payload)| subject == "bus: answers.demo.main" && of_this(payload))
    }
}

/// Sends a round of signals and gives their ids.
async fn send(stage: &Stage, round: &str) -> BTreeSet<String> {
    let (bus, now) = (stage.server.bus_of("signals").await, Clock::system().now().wall.to_string());
    let mut ids = BTreeSet::new();
    for kind in 0..KINDS {
        let id = format!("{round}-{kind}");
        let mut signal = wish(&id, kind, &now);
        let (subject, name, market) = match kind % 2 {
            0 => ("signals.kalshi", "market_id", ticker(0)),
            _ => ("signals.polymarket", "token_id", token(0)),
        };
        signal[name] = market.into();
        bus.publish_signal(subject, signal.to_string().into()).await.expect("published");
        ids.insert(id);
    }
    bus.publish_signal("signals.kalshi", "{ no JSON".into()).await.expect("published");
    ids
}

async fn answered(ear: &Ear, ids: &BTreeSet<String>) {
    until("an answer to each signal", async || ids.iter().all(|id| ear.is_answered(id)).then_some(())).await;
}

/// Positions at both venues.
async fn filled(stage: &Stage) {
    until("fills at both venues", async || {
        let (_, rows) = stage.engine.get("/api/positions").await?;
        let held: BTreeSet<&str> = rows.as_array()?.iter().filter_map(|row| row["venue"].as_str()).collect();
        (held.len() == 2).then_some(())
    })
    .await;
}

/// The venues refuse, break and say again what they were told: text of theirs ends up in reasons and log lines.
async fn fail(stage: &Stage) {
    let kept = std::fs::read_to_string(stage.engine.mode_dir().join("poly_api.json")).expect("the API key");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let kept = |name: &str| kept[name].as_str().expect("text").to_owned();
    let signature = stage.wires[2].signatures().into_iter().find(|one| one.bytes.len() > 100).expect("an order's signature");
    let signature = String::from_utf8(signature.bytes).expect("text");
    let of_polymarket = ["apiKey", "secret", "passphrase"].map(kept).join(" and ") + ", signed " + &signature;
    let of_kalshi = format!("key {} may not", stage.settings["KALSHI_API_KEY_ID"]);
    for (double, echo) in [(&stage.kalshi, of_kalshi), (&stage.polymarket, of_polymarket)] {
        double.admin("POST", "/faults", json!({ "kind": "refuse", "call": "create", "status": 400, "details": echo, "count": 1 })).await;
        for (skip, kind) in ["html", "status"].into_iter().enumerate() {
            let fault = json!({ "kind": kind, "call": "create", "status": 500, "count": 1, "skip": skip + 1 });
            double.admin("POST", "/faults", fault).await;
        }
    }
}

/// Every answer of the API: to those who may, to those who may not, and to those who ask nonsense.
async fn api(stage: &Stage, shown: &mut Shown) {
    let (http, address) = (arbees::http::client().build().expect("client"), stage.engine.address().expect("an engine"));
    let (token, wrong) = (stage.engine.token(), "f".repeat(48));
    let url = |path: &str| format!("http://{address}{path}");
    let reads = PATHS.iter().flat_map(|path| [http.get(url(path)), http.get(url(path)).bearer_auth(&token)]);
    let writes =
        ["/api/kill", "/api/breaker/reset", "/api/cancel-all", "/api/reconcile", "/api/settle", "/api/adjust", "/api/signal/kalshi"];
    let junk = writes.iter().flat_map(|path| {
        let post = |token: &str| http.post(url(path)).bearer_auth(token).body("{\"by\": 7}");
        [post(&token), post(&wrong)]
    });
    let cancel = http.post(url("/api/cancel-all")).bearer_auth(&token).json(&json!({ "by": "test" }));
    for request in reads.chain(junk).chain([cancel]) {
        let response = soon("an answer", request.send()).await.expect("an answer");
        let about = format!("{} {} {:?}", response.url(), response.status(), response.headers());
        let body = response.bytes().await.expect("a body");
        shown.push((about.clone(), [about.as_bytes(), &body].concat()));
    }
}

fn commands(stage: &Stage, shown: &mut Shown) {
    for args in READING {
        shown.push((format!("{args:?}"), stage.say(&[], args).1));
    }
}

/// The doctor with good keys, and with keys that the venues refuse; in both shapes of log lines.
fn doctor(stage: &Stage, shown: &mut Shown) {
    let (kalshi, wallet) = stage.wrong_keys();
    let elsewhere = stage.engine.dir.join("elsewhere").display().to_string();
    for format in ["human", "json"] {
        let good = stage.say(&[("LOG_FORMAT", format)], &["doctor", "--json"]);
        let changes = [("LOG_FORMAT", format), ("KALSHI_PRIVATE_KEY_PATH", &kalshi), ("POLY_PRIVATE_KEY_PATH", &wallet)];
        let wrong = stage.say(&[&changes[..], &[("DATA_DIR", &elsewhere)]].concat(), &["doctor"]);
        assert_ne!(wrong.0, 0, "{}", String::from_utf8_lossy(&wrong.1));
        shown.extend([("the doctor".to_owned(), good.1), ("the doctor with wrong keys".to_owned(), wrong.1)]);
    }
}

/// One round with an engine that panics right before an order's socket.
async fn panic(stage: &Stage, point: &str, round: &str, formats: [&str; 2]) {
    let (mut engine, mut risk) = stage.start(formats, &format!("{point}:1:panic"));
    stage.engine.ready().await;
    let began = std::time::Instant::now();
    // The ear hears every subject, so the server takes the last pull of an engine that is gone for one that somebody waits for, until
    // that expires: what it hands out there comes too late.
    let mut sent = 0;
    until("the panic", async || {
        if sent <= began.elapsed().as_secs() / SEND_AGAIN_SECONDS {
            sent += 1;
            send(stage, &format!("{round}-{sent}")).await;
        }
        engine.lines().contains("panics").then_some(())
    })
    .await;
    end(&mut engine, &mut risk);
}

fn end(engine: &mut Process, risk: &mut Process) {
    // After a panic its code is its own affair.
    engine.stop();
    assert_eq!(risk.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s108_no_secret_is_shown_by_a_whole_run_at_the_most_talkative_level() {
    let (stage, mut shown) = (Stage::open().await, Shown::new());
    stage.provision();
    let ear = Ear::at(&stage.server).await;
    let (mut engine, mut risk) = stage.start(["json", "human"], "");
    stage.engine.ready().await;
    answered(&ear, &send(&stage, "first").await).await;
    filled(&stage).await;
    fail(&stage).await;
    answered(&ear, &send(&stage, "failing").await).await;
    api(&stage, &mut shown).await;
    commands(&stage, &mut shown);
    doctor(&stage, &mut shown);
    end(&mut engine, &mut risk);
    panic(&stage, "polymarket_submit_before", "second", ["human", "json"]).await;
    panic(&stage, "kalshi_submit_before", "third", ["json", "human"]).await;
    commands(&stage, &mut shown);
    shown.extend(stage.files());
    shown.append(&mut ear.0.lock().expect("lock"));
    nothing_is_found(&stage, &shown);
    covers(&shown);
}

/// A run that said nothing would hide everything.
fn covers(shown: &Shown) {
    let all: String = shown.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect();
    for words in [
        " INFO ",
        "\"level\":\"INFO\"",
        "SubmitStarted",
        "panicked at",
        "events.demo.main",
        "arbees_",
        "key *** may not",
        "*** and *** and ***, signed ***",
    ] {
        assert!(all.contains(words), "{words} was not to be seen: the scan proves nothing");
    }
}

fn nothing_is_found(stage: &Stage, shown: &Shown) {
    let secrets = stage.secrets();
    let kinds: BTreeSet<&str> = secrets.iter().map(|secret| secret.what.as_str()).collect();
    let bytes: usize = shown.iter().map(|(_, bytes)| bytes.len()).sum();
    let needles = Needles::of(&secrets);
    let mut found = BTreeSet::new();
    for (place, bytes) in shown {
        for ((what, writing), at) in needles.found_in(bytes) {
            let near = String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())]).into_owned();
            found.insert(format!("{what} ({writing}) in {place} at {at}: {near:?}"));
        }
    }
    eprintln!("{} secrets of {} kinds in {bytes} bytes of {} places", secrets.len(), kinds.len(), shown.len());
    assert!(kinds.contains("a signature") && secrets.len() > 40, "{kinds:?}");
    assert!(found.is_empty(), "{}", found.into_iter().take(40).collect::<Vec<_>>().join("\n"));
}
