//! A venue that answers as told, in the order told, and says what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::sync::mpsc;

use super::client::{Client, ClientSettings};
use super::credentials::tests::credentials;
use super::hosts::{HttpBase, WsBase};
use super::order::tests::signer;
use super::venue::PolymarketVenue;
use crate::clock::{Clock, ClockHand};
use crate::domain::report::VenueMode;
use crate::domain::time::Time;

/// Method, path, status, body; a path may hold the beginning of its query.
pub type Answer = (&'static str, &'static str, u16, String);

pub const NOW_MS: i64 = 1_780_000_000_500;
pub const CONDITION: &str = "0xabababababababababababababababababababababababababababababababab";
pub const YES: &str = super::order::tests::TOKEN;
pub const NO: &str = "52114319501245915516055106046884209969926127482827954674443846427813813222426";

pub struct Asked {
    pub line: String,
    pub headers: HeaderMap,
    pub body: String,
}

pub struct Rig {
    pub venue: Arc<PolymarketVenue>,
    pub hand: ClockHand,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Rig {
    pub async fn new(script: Vec<Answer>) -> Self {
        Self::with(script, &[]).await
    }

    /// `headers`: of every answer.
    pub async fn with(script: Vec<Answer>, headers: &'static [(&'static str, &'static str)]) -> Self {
        let (tell, asked) = mpsc::unbounded_channel();
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let (clock, hand) = Clock::manual(Time::from_ms(NOW_MS));
        let theirs = clock.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (script, tell, date) = (Arc::clone(&script), tell.clone(), http_date(theirs.now().wall));
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let given = request.headers().clone();
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("body");
                let _ = tell.send(Asked { line: line.clone(), headers: given, body: String::from_utf8_lossy(&body).into_owned() });
                let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
                let fits = |(method, path, ..): &Answer| line.starts_with(&format!("{method} {path}"));
                let (status, body) = match script.front() {
                    Some(answer) if fits(answer) => {
                        let (_, _, status, body) = script.pop_front().expect("front");
                        (StatusCode::from_u16(status).expect("status"), body)
                    }
                    _ => (StatusCode::IM_A_TEAPOT, format!("unexpected: {line}")),
                };
                let mut answer = (status, [("date", date)], body).into_response();
                for (name, value) in headers {
                    answer.headers_mut().insert(*name, axum::http::HeaderValue::from_static(value));
                }
                answer
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { venue: venue_at(&base, clock), hand, asked }
    }

    pub fn asked(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    pub fn lines(&mut self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    pub fn mode(&self) -> VenueMode {
        self.venue.state().borrow().mode
    }
}

/// The venue's clock goes with ours.
fn http_date(now: Time) -> String {
    let stamp = jiff::Timestamp::from_millisecond(now.ms()).expect("time");
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&stamp).expect("date")
}

/// A venue at this address, with a wallet and an API key.
pub fn venue(base: &str) -> (Arc<PolymarketVenue>, ClockHand) {
    let (clock, hand) = Clock::manual(Time::from_ms(NOW_MS));
    (venue_at(base, clock), hand)
}

fn venue_at(base: &str, clock: Clock) -> Arc<PolymarketVenue> {
    let ws = WsBase::new("POLY_WS_URL", &base.replace("http", "ws")).expect("address");
    let settings = ClientSettings::new(HttpBase::new("POLY_CLOB_URL", base).expect("address"), ws);
    let client = Client::new(settings, Some(signer("0")), clock).expect("client");
    client.use_credentials(credentials()).expect("wallet");
    Arc::new(PolymarketVenue::new(Arc::new(client)))
}

pub fn clob_market() -> String {
    format!(
        r#"{{"c":"{CONDITION}","t":[{{"t":"{YES}","o":"Yes"}},{{"t":"{NO}","o":"No"}}],"mts":0.01,"mos":5,"nr":false,
        "fd":{{"r":0.05,"e":1,"to":true}},"itode":false,"tbf":0,"mbf":0,"novel":[1.5]}}"#
    )
}

/// `yes`, `other`: winner and price of each token.
pub fn market_state(closed: bool, yes: (bool, &str), other: (bool, &str)) -> String {
    let row = |token: &str, (winner, price): (bool, &str)| format!(r#"{{"token_id":"{token}","winner":{winner},"price":{price}}}"#);
    format!(
        r#"{{"condition_id":"{CONDITION}","active":true,"closed":{closed},"accepting_orders":{},"end_date_iso":"2026-12-01T00:00:00Z",
        "tokens":[{},{}]}}"#,
        !closed,
        row(YES, yes),
        row(NO, other)
    )
}

/// How a token becomes known: the two calls of its facts.
pub fn facts() -> Vec<Answer> {
    vec![
        ("GET", "/markets-by-token/", 200, format!(r#"{{"condition_id":"{CONDITION}"}}"#)),
        ("GET", "/clob-markets/0xabab", 200, clob_market()),
    ]
}

pub fn page(path: &'static str, rows: &str) -> Answer {
    ("GET", path, 200, format!(r#"{{"data":[{rows}],"next_cursor":"LTE=","limit":100,"count":1}}"#))
}

/// An order of ours as listed.
pub fn order_row(id: &str, status: &str, matched: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"{status}","owner":"9180014b-33c8-9240-a14b-bdca11c0a465","market":"{CONDITION}","asset_id":"{YES}",
        "side":"BUY","original_size":"10","size_matched":"{matched}","price":"0.52","created_at":1780000000,"expiration":"1780000181",
        "order_type":"GTD","associate_trades":[]}}"#
    )
}

/// A trade that an order of ours took.
pub fn trade_row(id: &str, order: &str, size: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","taker_order_id":"{order}","market":"{CONDITION}","asset_id":"{YES}","side":"BUY","size":"{size}","price":"0.5",
        "status":"TRADE_STATUS_{status}","match_time":"1780000000","owner":"9180014b-33c8-9240-a14b-bdca11c0a465","trader_side":"TAKER",
        "maker_orders":[{{"order_id":"0xother","owner":"another","maker_address":"0x2222222222222222222222222222222222222222",
        "matched_amount":"{size}","price":"0.5","asset_id":"{YES}","side":"SELL"}}]}}"#
    )
}
