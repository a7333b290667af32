//! `arbees exchange` as a process: the venue's protocol, and the admin port with the ground truth.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use arbees::domain::time::Time;
use arbees::exchange::polymarket::MarketSpec;
use serde_json::{Value, json};

const KEY_ID: &str = "11111111-2222-3333-4444-555555555555";
const KEY: &str = include_str!("../conformance/vectors/kalshi/test_keys/ed25519_pkcs8.pem");
const PUBLIC_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vectors/kalshi/test_keys/ed25519_pub_spki.pem");
/// Of nobody: the first key of every list of test keys, and its address.
const WALLET_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const WALLET: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:eoa";
/// The whole truth of a long run takes the double a while.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Open markets of each venue; the crowd keeps 100 at 46..48 and 52..54 cents.
pub const MARKETS: usize = 4;

pub fn ticker(number: usize) -> String {
    format!("KXENDURANCE-26NOV2{number}-A")
}

pub fn slug(number: usize) -> String {
    format!("endurance-26nov2{number}-a")
}

/// The token that pays when the market's first outcome happens.
pub fn token(number: usize) -> String {
    MarketSpec::open(&slug(number), Time::default()).tokens[0].clone()
}

/// A running double; killed on drop.
pub struct Double {
    child: Child,
    addresses: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl Double {
    fn start(folder: &Path, args: Vec<String>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arbees"));
        command.arg("exchange").args(args).args(["--port", "0", "--admin-port", "0", "--cash", "1000000"]);
        let mut child = command.env_clear().current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("run arbees");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map(|line| line.expect("text"));
        let mut addresses = BTreeMap::new();
        while !addresses.contains_key("admin") {
            let line = lines.next().expect("addresses, one a line");
            let (name, url) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            addresses.insert(name.to_owned(), url.trim().to_owned());
        }
        let http = arbees::http::client().timeout(ADMIN_TIMEOUT).build().expect("client");
        Self { child, addresses, http }
    }

    pub async fn kalshi(folder: &Path) -> Self {
        let markets = (0..MARKETS).flat_map(|number| ["--market".to_owned(), ticker(number)]);
        let args = ["kalshi".to_owned(), "--key".to_owned(), format!("{KEY_ID}={PUBLIC_KEY}")];
        let double = Self::start(folder, args.into_iter().chain(markets).collect());
        // The lowest tier takes ten orders a second; that it does has tests of its own.
        let plenty = json!({ "refill_rate": 100_000, "bucket_capacity": 100_000 });
        double.admin("POST", "/limits", json!({ "read": plenty, "write": plenty })).await;
        double
    }

    pub fn polymarket(folder: &Path) -> Self {
        let markets = (0..MARKETS).flat_map(|number| ["--market".to_owned(), slug(number)]);
        let args = ["polymarket", "--wallet", WALLET].map(str::to_owned);
        Self::start(folder, args.into_iter().chain(markets).collect())
    }

    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.addresses["admin"]);
        let request = self.http.request(method.parse().expect("a method"), url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (good, text) = (response.status().is_success(), response.text().await.expect("text"));
        assert!(good, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"))
    }

    pub async fn truth(&self) -> Value {
        self.admin("GET", "/truth", Value::Null).await
    }

    /// How often each order was sent, by the venue's name for it.
    pub async fn creates(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.admin("GET", "/creates", Value::Null).await).expect("counts")
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings of an engine that trades at both.
pub fn settings(folder: &Path, kalshi: &Double, polymarket: &Double) -> Vec<(&'static str, String)> {
    let private = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a key file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path.display().to_string()
    };
    vec![
        ("KALSHI_API_KEY_ID", KEY_ID.to_owned()),
        ("KALSHI_PRIVATE_KEY_PATH", private("kalshi.pem", KEY)),
        ("KALSHI_API_URL", kalshi.addresses["api"].clone()),
        ("KALSHI_WS_URL", kalshi.addresses["ws"].clone()),
        ("KALSHI_RECONCILE_EVERY_MS", "5000".to_owned()),
        // What trades here in 15 s is more than any fuse; it has tests of its own.
        ("KALSHI_FUSE_CONTRACTS", "0".to_owned()),
        ("POLY_PRIVATE_KEY_PATH", private("polymarket.key", WALLET_KEY)),
        ("POLY_CLOB_URL", polymarket.addresses["api"].clone()),
        ("POLY_GAMMA_URL", polymarket.addresses["gamma"].clone()),
        ("POLY_WS_URL", polymarket.addresses["ws"].clone()),
        ("POLY_RECONCILE_EVERY_MS", "5000".to_owned()),
    ]
}
