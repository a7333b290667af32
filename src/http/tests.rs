//! Over a real loopback socket, with a fake desk behind the API.

use std::sync::{Arc, Mutex};

use reqwest::{Client, Method, Response};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use super::query::AdjustBody;
use super::*;

const TOKEN: &str = "0123456789abcdef0123";

/// Remembers what it was asked; answers with the question.
#[derive(Default)]
struct FakeDesk {
    not_ready: Vec<String>,
    asked: Mutex<Vec<Query>>,
    commands: Mutex<Vec<Command>>,
    signals: Mutex<Vec<(Venue, Vec<u8>)>>,
}

#[async_trait]
impl Queries for FakeDesk {
    fn identity(&self) -> Identity {
        Identity { mode: Mode::Paper, instance: Instance::new("main").expect("name"), log_id: LogId([7; 16]), version: "0.0.0".to_owned() }
    }

    async fn get(&self, query: Query) -> Result<Value, ApiError> {
        self.asked.lock().expect("lock").push(query.clone());
        match query {
            Query::Explain { id } if id == "nobody" => Err(ApiError::NotFound(format!("{id} is unknown"))),
            query => Ok(json!({ "asked": format!("{query:?}") })),
        }
    }

    async fn command(&self, command: Command) -> Result<String, ApiError> {
        self.commands.lock().expect("lock").push(command);
        Ok("done".to_owned())
    }

    async fn readiness(&self) -> Result<(), Vec<String>> {
        if self.not_ready.is_empty() { Ok(()) } else { Err(self.not_ready.clone()) }
    }

    async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, ApiError> {
        self.signals.lock().expect("lock").push((venue, bytes));
        Ok(json!({ "subject": format!("signals.{venue}") }))
    }

    fn live(&self) -> tokio::sync::watch::Receiver<Arc<str>> {
        tokio::sync::watch::channel(Arc::from("")).1
    }

    async fn metrics(&self) -> String {
        "arbees_up 1\n".to_owned()
    }
}

struct Server {
    desk: Arc<FakeDesk>,
    base: String,
    client: Client,
}

async fn start(desk: FakeDesk) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    let desk = Arc::new(desk);
    let token = Token::new(&SecretString::from(TOKEN)).expect("long enough");
    tokio::spawn(serve(listener, Arc::clone(&desk) as Arc<dyn Queries>, token, std::future::pending()));
    Server { desk, base, client: super::client().build().expect("client") }
}

impl Server {
    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.expect("response");
        read(response).await
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: &[u8]) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body.to_vec());
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        read(request.send().await.expect("response")).await
    }

    fn last_asked(&self) -> Query {
        self.desk.asked.lock().expect("lock").last().cloned().expect("a question")
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("every answer is JSON"))
}

#[tokio::test]
async fn ready_only_when_a_signal_would_be_traded() {
    let server = start(FakeDesk::default()).await;
    assert_eq!(server.get("/readyz").await, (200, json!({ "ready": true, "reasons": [] })));
    let reasons = vec!["risk is silent".to_owned(), "the kill is on".to_owned()];
    let server = start(FakeDesk { not_ready: reasons.clone(), ..FakeDesk::default() }).await;
    assert_eq!(server.get("/readyz").await, (503, json!({ "ready": false, "reasons": reasons })));
    let (status, who) = server.get("/healthz").await;
    assert_eq!((status, &who["status"], &who["mode"], &who["instance"]), (200, &json!("alive"), &json!("paper"), &json!("main")));
}

#[tokio::test]
async fn nothing_changes_without_the_token() {
    let server = start(FakeDesk::default()).await;
    let posts =
        ["/api/kill", "/api/breaker/reset", "/api/cancel-all", "/api/reconcile", "/api/settle", "/api/adjust", "/api/signal/kalshi"];
    for path in posts {
        for token in [None, Some("0123456789abcdef0124"), Some("")] {
            let (status, body) = server.send(Method::POST, path, token, b"{\"on\": false}").await;
            assert_eq!(status, 401, "{path} {token:?}");
            assert!(body["error"].as_str().is_some_and(|error| error.contains("token")), "{body}");
        }
    }
    assert_eq!(server.get("/api/records?from=1").await.0, 401);
    assert!(server.desk.commands.lock().expect("lock").is_empty() && server.desk.signals.lock().expect("lock").is_empty());
    assert!(server.desk.asked.lock().expect("lock").is_empty());
}

fn adjusting() -> AdjustBody {
    let body = json!({
        "venue": "kalshi", "market": "KX-1", "outcome": "no", "quantity": "4", "cost": "2.25", "cash": "-0.37", "counts": true,
        "reason": "sold in the app",
    });
    serde_json::from_value(body).expect("a body")
}

#[tokio::test]
async fn commands_arrive_as_both_sides_write_them() {
    let server = start(FakeDesk::default()).await;
    let wanted = [
        Command::Kill { on: true, reason: "drill".to_owned(), by: "anna".to_owned() },
        Command::Kill { on: false, reason: "over".to_owned(), by: "anna".to_owned() },
        Command::ResetBreaker { scope: crate::domain::event::Scope::Global, reason: "seen".to_owned(), by: "anna".to_owned() },
        Command::CancelAll { by: "anna".to_owned() },
        Command::Reconcile { venue: Some(Venue::Kalshi), by: "anna".to_owned() },
        Command::Reconcile { venue: None, by: "anna".to_owned() },
        Command::Settle {
            venue: Venue::Kalshi,
            market: crate::domain::ids::MarketId::new("KX-1").expect("id"),
            settlement: crate::domain::market::Settlement::parse("0.35").expect("scalar"),
            by: "anna".to_owned(),
        },
        Command::Adjust { body: Box::new(adjusting()), by: "anna".to_owned() },
    ];
    for command in &wanted {
        let (path, body) = command.parts();
        let (status, answer) = server.send(Method::POST, path, Some(TOKEN), body.to_string().as_bytes()).await;
        assert_eq!((status, answer), (200, json!({ "done": "done" })), "{path}");
    }
    let arrived = format!("{:?}", server.desk.commands.lock().expect("lock"));
    assert_eq!(arrived, format!("{wanted:?}").replace("anna", "anna (api)"));
}

#[tokio::test]
async fn a_wrong_command_is_told_what_is_allowed() {
    let server = start(FakeDesk::default()).await;
    let cases: [(&str, &str, &str); 9] = [
        ("/api/kill", "", "on"),
        ("/api/kill", "{\"on\": true, \"off\": 1}", "off"),
        ("/api/breaker/reset", "{\"scope\": \"moon\"}", "market:<venue>:<id>"),
        ("/api/settle", "{\"venue\": \"kalshi\", \"market\": \"KX-1\", \"result\": \"maybe\"}", "void"),
        ("/api/settle", "not json", "body"),
        ("/api/adjust", "{\"venue\": \"kalshi\", \"cash\": \"1\"}", "reason"),
        ("/api/adjust", "{\"venue\": \"kalshi\", \"market\": \"KX-1\", \"cost\": \"1\", \"reason\": \"x\"}", "quantity and cost together"),
        ("/api/adjust", "{\"venue\": \"kalshi\", \"cash\": 0.1, \"reason\": \"x\"}", "body"),
        ("/api/signal/moon", "{}", "kalshi"),
    ];
    for (path, body, part) in cases {
        let (status, answer) = server.send(Method::POST, path, Some(TOKEN), body.as_bytes()).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{path} {body}: {answer}");
    }
    assert!(server.desk.commands.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_signal_arrives_as_it_was_sent_and_a_huge_one_not_at_all() {
    let server = start(FakeDesk::default()).await;
    let raw = b"\x81\xa1a\x01 not even JSON";
    let (status, answer) = server.send(Method::POST, "/api/signal/polymarket", Some(TOKEN), raw).await;
    assert_eq!((status, answer), (200, json!({ "subject": "signals.polymarket" })));
    assert_eq!(*server.desk.signals.lock().expect("lock"), [(Venue::Polymarket, raw.to_vec())]);
    let huge = vec![b' '; crate::domain::signal::value::SIGNAL_BYTES_MAX + 1];
    assert_eq!(server.send(Method::POST, "/api/signal/kalshi", Some(TOKEN), &huge).await.0, 413);
}

#[tokio::test]
async fn ids_with_colons_and_slashes_arrive_whole() {
    let server = start(FakeDesk::default()).await;
    for path in ["/api/explain/arb:401/2%3Ax%20y", "/api/explain?id=arb%3A401%2F2:x%20y"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
        assert_eq!(server.last_asked(), Query::Explain { id: "arb:401/2:x y".to_owned() }, "{path}");
    }
    let (status, body) = server.get("/api/explain/nobody").await;
    assert_eq!((status, body), (404, json!({ "error": "nobody is unknown" })));
    assert_eq!(server.get("/api/explain").await.0, 400);
}

#[tokio::test]
async fn every_question_arrives_as_the_client_writes_it() {
    let server = start(FakeDesk::default()).await;
    let questions = [
        Query::Status,
        Query::Positions,
        Query::Orders { state: Some("live".to_owned()), limit: Some(3) },
        Query::Orders { state: None, limit: None },
        Query::Pnl,
        Query::Exposure,
        Query::Explain { id: "a/b:c?d&e=f".to_owned() },
        Query::Tail { from: Some(7), limit: Some(2) },
        Query::Breaker,
        Query::Kill,
        Query::Replay { until: Some("2026-01-28T01:14:02+01:00".to_owned()) },
        Query::DeadLetters { id: Some(3), limit: None },
        Query::Records { from: 5, limit: Some(1) },
    ];
    for query in questions {
        let (path, parameters) = query.parts();
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", server.base), parameters).expect("url");
        let response = server.client.get(url).header("Authorization", format!("bearer {TOKEN}")).send().await.expect("response");
        assert_eq!(response.status().as_u16(), 200, "{query:?}");
        assert_eq!(server.last_asked(), query);
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let server = start(FakeDesk::default()).await;
    assert_eq!(server.get("/api/moon").await.0, 404);
    assert_eq!(server.get("/api/tail?from=x").await.0, 400);
    assert_eq!(server.get("/api/dead-letters?id=x").await.0, 400);
    assert_eq!(server.send(Method::DELETE, "/api/status", Some(TOKEN), b"").await.0, 405);
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let server = start(FakeDesk::default()).await;
    let response = server.client.get(format!("{}/metrics", server.base)).send().await.expect("response");
    assert!(response.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    assert_eq!(response.text().await.expect("text"), "arbees_up 1\n");
}

#[tokio::test]
async fn the_server_ends_when_told_even_with_a_connection_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("address");
    let token = Token::new(&SecretString::from(TOKEN)).expect("long enough");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, Arc::new(FakeDesk::default()), token, async {
        let _ = stopped.await;
    }));
    let _idle = tokio::net::TcpStream::connect(address).await.expect("connect");
    stop.send(()).expect("the server listens");
    serving.await.expect("no panic").expect("a clean end");
}

#[test]
fn a_token_is_long_and_never_shown() {
    assert!(Token::new(&SecretString::from("short")).is_err());
    let token = Token::new(&SecretString::from(TOKEN)).expect("long enough");
    assert_eq!(format!("{token:?}"), "Token(..)");
}

/// Somebody else's page whose name points at this machine.
#[tokio::test]
async fn an_engine_is_asked_by_address_and_not_by_a_name_of_the_internet() {
    let server = start(FakeDesk::default()).await;
    for (host, status) in
        [("evil.example:9464", 400), ("evil.example", 400), ("localhost:9464", 200), ("[::1]:9464", 200), ("engine:9464", 200)]
    {
        let response = server.client.get(format!("{}/api/status", server.base)).header("Host", host).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let server = start(FakeDesk::default()).await;
    for (path, kind) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let response = server.client.get(format!("{}{path}", server.base)).send().await.expect("an answer");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        assert!(header("content-security-policy").contains("default-src 'none'; script-src 'self'"), "{path}");
    }
}
