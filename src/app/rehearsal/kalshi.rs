//! Kalshi's double on the stage.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{Book, Double, truth};
use crate::app::keys::write_private;
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::exchange::kalshi::{KalshiExchange, KeyOptions, MarketSpec, Options, Running};
use crate::projections::{OrderRecord, Projections};

pub const TICKER: &str = "KXREHEARSAL-26NOV22-A";
const KEY_ID: &str = "11111111-2222-3333-4444-555555555555";
/// The SubjectPublicKeyInfo of an Ed25519 key is this and the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The double, and the key that may trade there.
pub struct Kalshi {
    running: Running,
    key_path: PathBuf,
}

impl Deref for Kalshi {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Double for Kalshi {
    const VENUE: Venue = Venue::Kalshi;
    type Options = Options;

    fn options() -> Options {
        Options { skew_ms_max: 30_000, ..Options::default() }
    }

    fn usual_market() -> &'static str {
        TICKER
    }

    async fn open(folder: &Path, mut options: Options, markets: &[Book], now: Time) -> anyhow::Result<Self> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| anyhow::anyhow!("no randomness for a key"))?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let key_path = folder.join("kalshi.pem");
        write_private(&key_path, pem("PRIVATE KEY", document.as_ref()).as_bytes())?;
        let public = [&SPKI_PREFIX[..], key.public_key().as_ref()].concat();
        options.keys.push(KeyOptions::new(KEY_ID, &pem("PUBLIC KEY", &public)));
        options.markets.extend(markets.iter().map(|book| MarketSpec::open(&book.ticker, now)));
        Ok(Self { running: KalshiExchange::start(options).await?, key_path })
    }

    fn admin_url(&self) -> String {
        self.running.admin_url()
    }

    fn api_url(&self) -> String {
        self.running.api_url()
    }

    fn settings(&self, stream: bool) -> Vec<(&'static str, String)> {
        let mut set = vec![
            ("KALSHI_API_KEY_ID", KEY_ID.to_owned()),
            ("KALSHI_PRIVATE_KEY_PATH", self.key_path.display().to_string()),
            ("KALSHI_API_URL", self.running.api_url()),
            ("KALSHI_REQUEST_TIMEOUT_MS", "1000".to_owned()),
            ("KALSHI_RECONCILE_EVERY_MS", "1000".to_owned()),
        ];
        if stream {
            set.push(("KALSHI_WS_URL", self.running.ws_url()));
        }
        set
    }

    fn named(&self, market: &str, _side: &str) -> Value {
        json!({ "market_id": market })
    }

    fn name_of(record: &OrderRecord) -> String {
        record.order.order_id.client_order_id().to_string()
    }

    fn differences(truth: &Value, book: &Projections) -> Vec<String> {
        truth::between(truth, book)
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}
