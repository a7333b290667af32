//! One webhook that works, refuses, breaks or hangs, and an engine that trades all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, close, open, with};
use crate::support::{NatsServer, until};

const MARKET: &str = "KXNBAGAME-26JAN07TORCHA-TOR";
const TOKEN: &str = "987654321:AAHfiqksKZ8WmR2zMjD4yJ";
/// As a status: the request is never answered.
const HANGS: u16 = 0;

/// The other side, as the test wants it to be.
#[derive(Clone)]
struct Webhook {
    status: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<Value>>>,
    port: u16,
}

impl Webhook {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let webhook = Self { status: Arc::new(AtomicU16::new(200)), heard: Arc::default(), port };
        let router = Router::new().fallback(answer).with_state(webhook.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        webhook
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/bot{TOKEN}/sendMessage", self.port)
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The texts it has taken, in order.
    fn taken(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("lock");
        heard.iter().map(|body| body["text"].as_str().expect("a text").to_owned()).collect()
    }

    async fn takes(&self, words: &str) -> String {
        until(&format!("a message with {words:?}"), async || self.taken().into_iter().find(|text| text.contains(words))).await
    }
}

/// Takes what it answers with 200; errors repeat where they were asked.
async fn answer(State(webhook): State<Webhook>, uri: axum::http::Uri, body: Bytes) -> Response {
    match webhook.status.load(Ordering::SeqCst) {
        HANGS => std::future::pending().await,
        200 => {
            webhook.heard.lock().expect("lock").push(serde_json::from_slice(&body).expect("JSON"));
            "{\"ok\":true}".into_response()
        }
        status => (StatusCode::from_u16(status).expect("a status"), format!("no luck at {uri}")).into_response(),
    }
}

fn place(server: &NatsServer, webhook: &Webhook) -> Place {
    let place = Place::new(&server.url())
        .with("DUPLICATE_INTENT_MS", "0")
        .with("MAX_ORDERS_PER_MINUTE", "10000")
        .with("MAX_ORDERS_PER_HOUR", "10000")
        .with("BANKROLL_USD", "100000")
        .with("LOG_LEVEL", "trace");
    let file = place.dir.join("webhook");
    fs::write(&file, webhook.url()).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    place.with("NOTIFY_WEBHOOK_URL_PATH", &file.display().to_string())
}

fn counter(place: &Place, outcome: &str) -> u64 {
    place.json(&["status", "--json"])["counters"][format!("notifications_{outcome}")].as_u64().expect("a count")
}

/// Nothing that was printed or logged shows a part of the address.
fn shows_no_token(text: &str) {
    for part in [TOKEN, &TOKEN[10..], &TOKEN[..9], "sendMessage"] {
        assert!(!text.contains(part), "{part} is shown: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_once_and_a_restart_tells_nothing_again() {
    let (server, webhook) = (NatsServer::start(), Webhook::start().await);
    let place = place(&server, &webhook);
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("first", MARKET)).await["answer"], "requested");
    let fill = webhook.takes("filled").await;
    assert!(fill.starts_with(&format!("[PAPER] filled: buy 10 yes {MARKET} at 50c (kalshi), fee $")), "{fill}");
    assert_eq!(strategy.ask(&close("out", MARKET)).await["answer"], "requested");
    let exit = webhook.takes("exit").await;
    assert!(exit.contains("sell 10 yes") && exit.contains("at 48c") && exit.contains("result -$0.20"), "{exit}");
    let large = with(open("large", MARKET), json!({ "size": "500" }));
    assert_eq!(strategy.ask(&large).await["answer"], "vetoed");
    assert!(webhook.takes("vetoed").await.contains("$250.00: order_contracts"));
    assert_eq!(strategy.ask(&with(open("small", MARKET), json!({ "model_prob": "0.40" }))).await["answer"], "vetoed");
    place.good(&["kill", "on", "--reason", "drill @everyone"]);
    assert!(webhook.takes("KILL ON").await.contains("drill @everyone"));
    place.good(&["kill", "off", "--reason", "over"]);
    webhook.takes("kill off").await;
    assert_eq!(webhook.taken().len(), 5, "one each, and none of the small veto: {:?}", webhook.taken());
    until("the count", async || (counter(&place, "sent") == 5).then_some(())).await;
    assert_eq!(engine.stop(), 0);

    let lines = engine.lines();
    let mut engine = place.start(&["run"]);
    place.ready().await;
    place.good(&["kill", "on", "--reason", "second"]);
    webhook.takes("second").await;
    assert_eq!(webhook.taken().len(), 6, "{:?}", webhook.taken());
    assert_eq!(engine.stop(), 0);
    let bodies = webhook.heard.lock().expect("lock").clone();
    assert_eq!((&bodies[0]["kind"], &bodies[0]["critical"], &bodies[3]["critical"]), (&json!("fill"), &json!(false), &json!(true)));
    for text in [lines, engine.lines(), place.good(&["config", "check"]), place.good(&["tail", "--json", "--from", "1"])] {
        shows_no_token(&text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_breaks_or_hangs_stops_nothing_and_what_was_lost_is_told() {
    let (server, webhook) = (NatsServer::start(), Webhook::start().await);
    let place = place(&server, &webhook).with("NOTIFY_PER_MINUTE", "600");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    webhook.answers(500);
    assert_eq!(strategy.ask(&open("broken", "KXBROKEN-1-A")).await["answer"], "requested");
    until("a message to be given up", async || (counter(&place, "failed") == 1).then_some(())).await;
    webhook.answers(HANGS);
    // More fills than wait: the engine answers each, the oldest messages go.
    for number in 0..80 {
        let signal = open(&format!("hung-{number}"), &format!("KX{number}-HUNG-A"));
        assert_eq!(strategy.ask(&signal).await["answer"], "requested", "{number}");
    }
    until("messages to be dropped", async || (counter(&place, "dropped") > 0).then_some(())).await;
    place.good(&["kill", "on", "--reason", "while it hangs"]);
    assert_eq!(webhook.taken(), Vec::<String>::new());
    webhook.answers(200);
    webhook.takes("KILL ON by").await;
    let lost = webhook.takes("notifications were lost").await;
    let place_of = |words: &str| webhook.taken().iter().position(|text| text.contains(words));
    assert!(lost.starts_with("[PAPER] ") && place_of("KILL ON") == Some(0), "the critical one first: {:?}", webhook.taken());
    until("the rest", async || (webhook.taken().len() as u64 == counter(&place, "sent")).then_some(())).await;
    let told: u64 = lost.split(' ').nth(1).and_then(|count| count.parse().ok()).expect("a count");
    assert!(told >= 17 && counter(&place, "dropped") + counter(&place, "failed") >= told, "{lost}");
    assert_eq!(engine.stop(), 0);
    let lines = engine.lines();
    assert!(lines.contains("HTTP 500: no luck at ***") && lines.contains("notifications are delivered again"), "{lines}");
    shows_no_token(&lines);
    assert_eq!(place.json(&["positions", "--json"]).as_array().map(Vec::len), Some(81), "every order was filled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_quiet_hours_a_kill_is_told_and_a_fill_waits() {
    let (server, webhook) = (NatsServer::start(), Webhook::start().await);
    let minutes = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs() / 60;
    let clock = |minutes: u64| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
    let place = place(&server, &webhook).with("NOTIFY_QUIET_HOURS", &format!("{}-{}", clock(minutes - 60), clock(minutes + 120)));
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("asleep", MARKET)).await["answer"], "requested");
    until("the fill", async || (place.json(&["positions", "--json"])[0]["quantity"] == "10").then_some(())).await;
    place.good(&["kill", "on", "--reason", "at night"]);
    let kill = webhook.takes("at night").await;
    assert_eq!(webhook.taken(), [kill], "nothing else");
    assert_eq!(engine.stop(), 0);
    assert_eq!(webhook.taken().len(), 1, "nor at the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_test_message_goes_in_the_shape_of_the_template_and_the_answer_is_told() {
    let webhook = Webhook::start().await;
    let place = || Place::new("embedded").with("NOTIFY_WEBHOOK_URL", &webhook.url());
    let test = async |place: Place| tokio::task::spawn_blocking(move || place.say(&["notify", "test"])).await.expect("ran");
    let last = || webhook.heard.lock().expect("lock").last().cloned().expect("a message");
    let said = test(place()).await;
    assert_eq!((said.code, said.out.as_str()), (0, "delivered; the other side answered HTTP 200: {\"ok\":true}\n"), "{said:?}");
    assert_eq!(last()["text"], "[PAPER] test of the notifications of instance main");
    let said = test(place().with("NOTIFY_TEMPLATE", "telegram").with("NOTIFY_TELEGRAM_CHAT_ID", "-1001")).await;
    assert_eq!((said.code, &last()["chat_id"], last().get("parse_mode")), (0, &json!("-1001"), None), "{said:?}");
    let said = test(place().with("NOTIFY_TEMPLATE", "discord")).await;
    assert_eq!((said.code, &last()["allowed_mentions"]), (0, &json!({ "parse": [] })), "{said:?}");
    assert!(last()["content"].as_str().expect("text").starts_with("\\[PAPER\\] test"));
    for (status, told) in [(404, "not delivered: HTTP 404: no luck at ***"), (500, "not delivered: HTTP 500"), (HANGS, "timeout")] {
        webhook.answers(status);
        let said = test(place()).await;
        assert!(said.code == 1 && said.err.contains(told), "{said:?}");
        shows_no_token(&said.err);
    }
    let said = test(Place::new("embedded")).await;
    assert!(said.code == 2 && said.err.contains("nobody to tell"), "{said:?}");
    let nowhere = Place::new("embedded").with("NOTIFY_WEBHOOK_URL", &format!("http://127.0.0.1:1/bot{TOKEN}/x"));
    let said = test(nowhere).await;
    assert!(said.code == 1 && said.err.contains("not delivered"), "{said:?}");
    shows_no_token(&said.err);
}

#[test]
fn an_address_that_others_can_read_or_that_is_none_refuses_the_start() {
    let place = Place::new("embedded");
    let file = place.dir.join("webhook");
    let path = file.display().to_string();
    let place = place.with("NOTIFY_WEBHOOK_URL_PATH", &path);
    let refused = |text: &str, mode: u32, told: &str| {
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
        for args in [&["run"][..], &["notify", "test"]] {
            let said = place.say(args);
            assert!(said.code == 2 && said.err.contains("NOTIFY_WEBHOOK_URL_PATH") && said.err.contains(told), "{said:?}");
            shows_no_token(&said.err);
        }
    };
    refused(&format!("https://h/bot{TOKEN}/x"), 0o644, "chmod 600");
    refused(&format!("http://h/bot{TOKEN}/x"), 0o600, "is not encrypted");
    refused(&format!("/bot{TOKEN}"), 0o600, "is no address");
    assert!(!place.mode_dir().join("journal").exists(), "nothing was begun");
}
