//! The double with one market and one account, and a caller that signs with the test key.

use std::time::Duration;

use arbees::clock::Clock;
use arbees::exchange::kalshi::{Budget, KalshiExchange, KeyOptions, Limits, MarketSpec, Options, Running};
use arbees::venues::kalshi::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::vectors::{KEY_ID, key, text};

pub const TICKER: &str = "KXCONF-26NOV22-A";
const ROOT: &str = "/trade-api/v2";
/// Nothing on loopback takes so long.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Double {
    pub running: Running,
    http: reqwest::Client,
    key: SigningKey,
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

impl Double {
    /// The crowd bids 3 at 0.47 and asks 3 at 0.52.
    pub async fn start() -> Self {
        // A second installation keeps the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plenty = Budget { refill_rate: 1_000_000, bucket_capacity: 1_000_000 };
        let options = Options {
            keys: vec![KeyOptions::new(KEY_ID, &text("test_keys/ed25519_pub_spki.pem"))],
            markets: vec![MarketSpec::open(TICKER, Clock::system().now().wall)],
            limits: Limits { read: plenty, write: plenty },
            ..Options::default()
        };
        let running = KalshiExchange::start(options).await.expect("the double starts");
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("client");
        let double = Self { running, http, key: key("ed25519_pkcs8.pem") };
        let book = json!({ "bids": [["0.47", "3"]], "asks": [["0.52", "3"]], "keep": true });
        double.admin(&format!("markets/{TICKER}/book"), book).await;
        double
    }

    fn signed(&self, method: &str, path: &str) -> [(&'static str, String); 3] {
        let ms = Clock::system().now().wall.ms();
        let signature = self.key.sign(format!("{ms}{method}{path}").as_bytes()).expect("signature");
        [
            ("KALSHI-ACCESS-KEY", KEY_ID.to_owned()),
            ("KALSHI-ACCESS-TIMESTAMP", ms.to_string()),
            ("KALSHI-ACCESS-SIGNATURE", STANDARD.encode(signature)),
        ]
    }

    /// Status and body; no body is null.
    pub async fn call(&self, method: &str, target: &str, body: Option<&Value>, signed: bool) -> (u16, Value) {
        let path = format!("{ROOT}{}", target.split('?').next().unwrap_or_default());
        let url = format!("http://{}{ROOT}{target}", self.running.rest_addr);
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).expect("method"), url);
        if signed {
            for (name, value) in self.signed(method, &path) {
                request = request.header(name, value);
            }
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("a reply");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) };
        (status, body)
    }

    pub async fn admin(&self, path: &str, body: Value) {
        let url = format!("{}/{path}", self.running.admin_url());
        let response = self.http.post(url).json(&body).send().await.expect("admin");
        let (status, text) = (response.status(), response.text().await.expect("text"));
        assert!(status.is_success(), "{path} {body}: {text}");
    }

    pub async fn socket(&self) -> Socket {
        let mut request = self.running.ws_url().into_client_request().expect("an address");
        for (name, value) in self.signed("GET", "/trade-api/ws/v2") {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        Socket(tokio_tungstenite::connect_async(request).await.expect("a socket").0)
    }
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn say(&mut self, command: &Value) {
        self.0.send(Message::text(command.to_string())).await.expect("a socket that takes commands");
    }

    pub async fn hear(&mut self) -> Value {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
