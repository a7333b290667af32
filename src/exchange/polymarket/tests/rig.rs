//! A running double with one market and one wallet, and a client that signs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use futures::{SinkExt, StreamExt};
use k256::ecdsa::SigningKey;
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::super::eip712::{Address, Domain, EXCHANGE, OrderFields, decimal_word, hex, keccak};
use super::super::{KeyOptions, MarketSpec, Options, PolymarketExchange, Running, WalletOptions};
use crate::clock::Clock;

pub const SLUG: &str = "will-it-rain";
pub const KEY: &str = "11111111-2222-3333-4444-555555555555";
pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const PASSPHRASE: &str = "0123456789abcdef";
/// Nothing on loopback takes so long.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Rig {
    pub running: Running,
    pub http: reqwest::Client,
    pub owner: Address,
    pub spec: MarketSpec,
    salt: AtomicU64,
}

pub fn signing_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).expect("a key")
}

pub fn address_of(key: &SigningKey) -> Address {
    let point = key.verifying_key().to_encoded_point(false);
    Address::parse(&hex(&keccak(&point.as_bytes()[1..])[12..])).expect("an address")
}

/// r, s, v as wallets write it.
pub fn sign(key: &SigningKey, digest: &[u8; 32]) -> Vec<u8> {
    let (signature, id) = key.sign_prehash_recoverable(digest).expect("a signature");
    [signature.to_bytes().as_slice(), &[27 + id.to_byte()]].concat()
}

pub fn spec() -> MarketSpec {
    MarketSpec::open(SLUG, Clock::system().now().wall)
}

pub fn options() -> Options {
    let owner = address_of(&signing_key()).to_string();
    let key = KeyOptions { address: owner.clone(), nonce: 0, id: KEY.into(), secret: SECRET.into(), passphrase: PASSPHRASE.into() };
    Options { wallets: vec![WalletOptions::eoa(&owner)], keys: vec![key], markets: vec![spec()], ..Options::default() }
}

/// What an order shall be; amounts follow from it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub token: String,
    pub buys: bool,
    /// Base units: of a buy dollars given and shares taken, of a sale the reverse.
    pub maker_amount: u64,
    pub taker_amount: u64,
    pub kind: &'static str,
    pub expiration: i64,
    pub post_only: bool,
}

impl Ask {
    pub fn post_only(self) -> Self {
        Self { post_only: true, ..self }
    }

    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub fn expires(self, expiration: i64) -> Self {
        Self { kind: "GTD", expiration, ..self }
    }
}

impl Rig {
    /// The crowd bids 100 at 0.47 and asks 100 at 0.52.
    pub async fn start() -> Self {
        let rig = Self::start_with(options()).await;
        rig.book(json!({ "bids": [["0.47", "100"]], "asks": [["0.52", "100"]] })).await;
        rig
    }

    pub async fn start_with(options: Options) -> Self {
        // A second installation keeps the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let spec = options.markets[0].clone();
        let running = PolymarketExchange::start(options).await.expect("the double starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("client");
        Self { running, http, owner: address_of(&signing_key()), spec, salt: AtomicU64::new(1) }
    }

    pub fn yes(&self) -> &str {
        &self.spec.tokens[0]
    }

    pub fn no(&self) -> &str {
        &self.spec.tokens[1]
    }

    /// A limit order: cents and shares.
    pub fn limit(&self, buys: bool, token: &str, cents: u64, shares: u64) -> Ask {
        let (dollars, shares) = (cents * shares * 10_000, shares * 1_000_000);
        let (maker_amount, taker_amount) = if buys { (dollars, shares) } else { (shares, dollars) };
        Ask { token: token.to_owned(), buys, maker_amount, taker_amount, kind: "GTC", expiration: 0, post_only: false }
    }

    pub fn buy(&self, cents: u64, shares: u64) -> Ask {
        self.limit(true, self.yes(), cents, shares)
    }

    pub fn sell(&self, cents: u64, shares: u64) -> Ask {
        self.limit(false, self.yes(), cents, shares)
    }

    pub fn fields(&self, ask: &Ask) -> OrderFields {
        OrderFields {
            salt: self.salt.fetch_add(1, Ordering::Relaxed),
            maker: self.owner,
            signer: self.owner,
            token: decimal_word(&ask.token).expect("a token"),
            maker_amount: ask.maker_amount,
            taker_amount: ask.taker_amount,
            side: u8::from(!ask.buys),
            signature_type: 0,
            timestamp: 1_780_000_000_123,
            metadata: [0; 32],
            builder: [0; 32],
        }
    }

    pub fn domain(&self) -> Domain {
        Domain { version: 2, chain_id: 137, exchange: EXCHANGE }
    }

    /// A signed order, ready to be sent.
    pub fn order(&self, ask: &Ask) -> Value {
        let fields = self.fields(ask);
        let signature = sign(&signing_key(), &fields.order_id(&self.domain()));
        self.body(ask, &fields, &signature)
    }

    pub fn body(&self, ask: &Ask, fields: &OrderFields, signature: &[u8]) -> Value {
        json!({
            "order": {
                "salt": fields.salt, "maker": fields.maker, "signer": fields.signer, "tokenId": ask.token,
                "makerAmount": ask.maker_amount.to_string(), "takerAmount": ask.taker_amount.to_string(),
                "side": if ask.buys { "BUY" } else { "SELL" }, "expiration": ask.expiration.to_string(),
                "signatureType": fields.signature_type, "timestamp": fields.timestamp.to_string(), "metadata": hex(&fields.metadata),
                "builder": hex(&fields.builder), "signature": hex(signature),
            },
            "owner": KEY, "orderType": ask.kind, "deferExec": false, "postOnly": ask.post_only,
        })
    }

    pub fn signed(&self, method: &str, path: &str, body: &str, skew_s: i64) -> [(&'static str, String); 5] {
        let seconds = (Clock::system().now().wall.ms() / 1_000 + skew_s).to_string();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE.decode(SECRET).expect("base64"));
        let tag = hmac::sign(&secret, format!("{seconds}{method}{path}{body}").as_bytes());
        [
            ("POLY_ADDRESS", self.owner.to_string()),
            ("POLY_SIGNATURE", URL_SAFE.encode(tag)),
            ("POLY_TIMESTAMP", seconds),
            ("POLY_API_KEY", KEY.to_owned()),
            ("POLY_PASSPHRASE", PASSPHRASE.to_owned()),
        ]
    }

    pub fn request(&self, method: Method, target: &str, body: Option<&Value>) -> reqwest::RequestBuilder {
        let path = target.split('?').next().unwrap_or_default();
        let text = body.map(Value::to_string).unwrap_or_default();
        let url = format!("{}{target}", self.running.api_url());
        let mut request = self.http.request(method.clone(), url).timeout(PATIENCE);
        for (name, value) in self.signed(method.as_str(), path, &text, 0) {
            request = request.header(name, value);
        }
        request.body(text)
    }

    pub async fn call(&self, method: Method, target: &str, body: Option<&Value>) -> (u16, Value) {
        answered(self.request(method, target, body)).await
    }

    pub async fn get(&self, target: &str) -> (u16, Value) {
        self.call(Method::GET, target, None).await
    }

    pub async fn create(&self, ask: Ask) -> (u16, Value) {
        self.call(Method::POST, "/order", Some(&self.order(&ask))).await
    }

    /// A create that is taken; its order id.
    pub async fn created(&self, ask: Ask) -> String {
        let (status, body) = self.create(ask).await;
        assert_eq!((status, &body["success"], &body["errorMsg"]), (200, &json!(true), &json!("")), "{body}");
        body["orderID"].as_str().expect("an order id").to_owned()
    }

    /// A create that is refused with these words.
    pub async fn refused(&self, ask: Ask) -> String {
        let (status, body) = self.create(ask).await;
        assert_eq!(status, 400, "{body}");
        body["error"].as_str().expect("words").to_owned()
    }

    pub async fn cancel(&self, id: &str) -> Value {
        self.call(Method::DELETE, "/order", Some(&json!({ "orderID": id }))).await.1
    }

    pub async fn admin(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.running.admin_url());
        let response = self.http.post(url).json(&body).send().await.expect("admin");
        let (status, value) = (response.status(), response.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{path} {body}: {value}");
        value
    }

    pub async fn book(&self, book: Value) {
        self.admin(&format!("markets/{SLUG}/book"), book).await;
    }

    pub async fn fault(&self, fault: Value) {
        self.admin("faults", fault).await;
    }

    pub async fn truth(&self) -> Value {
        let response = self.http.get(format!("{}/truth", self.running.admin_url())).send().await.expect("admin");
        response.json().await.expect("JSON")
    }

    /// The truth once it is so.
    pub async fn truth_when(&self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let truth = self.truth().await;
            if so(&truth) {
                return truth;
            }
            assert!(tokio::time::Instant::now() < end, "{what}: {truth}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Shares of a token, settled.
    pub async fn give(&self, token: &str, shares: &str) {
        self.admin("tokens", json!({ "token": token, "amount": shares })).await;
    }

    pub async fn user_socket(&self) -> Socket {
        let mut socket = self.socket("user").await;
        let auth = json!({ "apiKey": KEY, "secret": SECRET, "passphrase": PASSPHRASE });
        socket.say(&json!({ "auth": auth, "type": "user" }).to_string()).await;
        // What is said after the subscription is answered after it.
        socket.say("PING").await;
        assert_eq!(socket.text().await.as_deref(), Some("PONG"));
        socket
    }

    pub async fn market_socket(&self, tokens: &[&str]) -> Socket {
        let mut socket = self.socket("market").await;
        socket.say(&json!({ "assets_ids": tokens, "type": "market", "custom_feature_enabled": true }).to_string()).await;
        socket
    }

    pub async fn socket(&self, door: &str) -> Socket {
        let url = format!("{}/{door}", self.running.ws_url());
        let (stream, _) = tokio_tungstenite::connect_async(url).await.expect("a socket");
        Socket(stream)
    }
}

pub async fn answered(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("a reply");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("an open socket");
    }

    /// The next text frame; `None` when the socket has ended.
    pub async fn text(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next event of this type.
    pub async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let text = self.text().await.expect("an open socket");
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame["event_type"] == kind {
                return frame;
            }
        }
    }
}
