//! A running double with one market and one account, and a client that signs.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::super::{Budget, KalshiExchange, KeyOptions, Limits, MarketSpec, Options, Running};
use crate::clock::Clock;

pub const TICKER: &str = "KXTEST-26NOV22-A";
pub const KEY: &str = "11111111-2222-3333-4444-555555555555";
const ROOT: &str = "/trade-api/v2";
/// Nothing on loopback takes so long.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Rig {
    pub running: Running,
    pub http: reqwest::Client,
    key: Ed25519KeyPair,
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes")
}

pub fn public_pem() -> String {
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(key().public_key().as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// No limits that a test would meet by accident.
pub fn options() -> Options {
    let plenty = Budget { refill_rate: 1_000_000, bucket_capacity: 1_000_000 };
    Options {
        keys: vec![KeyOptions::new(KEY, &public_pem())],
        markets: vec![MarketSpec::open(TICKER, Clock::system().now().wall)],
        limits: Limits { read: plenty, write: plenty },
        ..Options::default()
    }
}

pub fn order(client_id: &str, side: &str, price: &str, count: &str, tif: &str) -> Value {
    json!({
        "ticker": TICKER, "client_order_id": client_id, "side": side, "price": price, "count": count,
        "time_in_force": tif, "self_trade_prevention_type": "taker_at_cross",
    })
}

pub fn resting(client_id: &str, side: &str, price: &str, count: &str) -> Value {
    order(client_id, side, price, count, "good_till_canceled")
}

pub fn ioc(client_id: &str, side: &str, price: &str, count: &str) -> Value {
    order(client_id, side, price, count, "immediate_or_cancel")
}

impl Rig {
    /// The crowd bids 3 at 0.47 and asks 3 at 0.52.
    pub async fn start() -> Self {
        let rig = Self::start_with(options()).await;
        rig.admin(&format!("markets/{TICKER}/book"), json!({ "bids": [["0.47", "3"]], "asks": [["0.52", "3"]] })).await;
        rig
    }

    pub async fn start_with(options: Options) -> Self {
        // A second installation keeps the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let running = KalshiExchange::start(options).await.expect("the double starts");
        Self { running, http: reqwest::Client::builder().no_proxy().build().expect("client"), key: key() }
    }

    /// The three headers, for this method and path at this distance from now.
    pub fn signed(&self, method: &str, path: &str, skew_ms: i64) -> [(&'static str, String); 3] {
        let ms = Clock::system().now().wall.ms() + skew_ms;
        let signature = self.key.sign(format!("{ms}{method}{path}").as_bytes());
        [
            ("KALSHI-ACCESS-KEY", KEY.to_owned()),
            ("KALSHI-ACCESS-TIMESTAMP", ms.to_string()),
            ("KALSHI-ACCESS-SIGNATURE", STANDARD.encode(signature)),
        ]
    }

    pub fn request(&self, method: Method, target: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let path = format!("{ROOT}{}", target.split('?').next().unwrap_or_default());
        let url = format!("http://{}{ROOT}{target}", self.running.rest_addr);
        let mut request = self.http.request(method.clone(), url).timeout(PATIENCE);
        for (name, value) in self.signed(method.as_str(), &path, 0) {
            request = request.header(name, value);
        }
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    pub async fn call(&self, method: Method, target: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.request(method, target, body).send().await.expect("a reply");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, target: &str) -> (u16, Value) {
        self.call(Method::GET, target, None).await
    }

    pub async fn create(&self, order: Value) -> (u16, Value) {
        self.call(Method::POST, "/portfolio/events/orders", Some(order)).await
    }

    /// A create that is taken; its order id.
    pub async fn created(&self, order: Value) -> String {
        let (status, body) = self.create(order).await;
        assert_eq!(status, 201, "{body}");
        body["order_id"].as_str().expect("an order id").to_owned()
    }

    pub async fn cancel(&self, id: &str) -> (u16, Value) {
        self.call(Method::DELETE, &format!("/portfolio/events/orders/{id}"), None).await
    }

    pub async fn admin(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.running.admin_url());
        let response = self.http.post(url).json(&body).send().await.expect("admin");
        let (status, value) = (response.status(), response.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{path} {body}: {value}");
        value
    }

    pub async fn fault(&self, fault: Value) {
        self.admin("faults", fault).await;
    }

    pub async fn truth(&self) -> Value {
        let response = self.http.get(format!("{}/truth", self.running.admin_url())).send().await.expect("admin");
        response.json().await.expect("JSON")
    }

    pub async fn socket(&self, commands: &[Value]) -> Socket {
        let mut request = self.running.ws_url().into_client_request().expect("an address");
        for (name, value) in self.signed("GET", "/trade-api/ws/v2", 0) {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let (stream, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        let mut socket = Socket(stream);
        for command in commands {
            socket.say(command).await;
        }
        socket
    }
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn say(&mut self, command: &Value) {
        self.0.send(Message::text(command.to_string())).await.expect("a socket that takes commands");
    }

    /// The next text frame; `None` when the socket has ended.
    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => {
                    assert!(text.ends_with('\n'), "{text}");
                    return Some(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame of this type.
    pub async fn hear_a(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await.expect("an open socket");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub async fn ping(&mut self) -> Vec<u8> {
        loop {
            if let Some(Ok(Message::Ping(payload))) = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a ping in time") {
                return payload.to_vec();
            }
        }
    }
}
