//! Accounts at venues as the settings name them; a venue without credentials is off.

use std::path::PathBuf;

use secrecy::SecretString;

use super::read::Values;
use crate::domain::ids::Mode;
use crate::domain::money::Quantity;
use crate::venues::address::AddressError;
use crate::venues::kalshi::address::{ApiAddress, WsAddress};
use crate::venues::polymarket::hosts::{HttpBase, WsBase};

/// An account at Kalshi.
#[derive(Clone, Debug)]
pub struct KalshiSettings {
    pub key_id: SecretString,
    pub key_path: PathBuf,
    /// `None`: the host of the mode.
    pub api_url: Option<String>,
    pub ws_url: Option<String>,
    /// Zero: no fuse.
    pub fuse_contracts: Quantity,
    pub reconcile_every_ms: u32,
    pub request_timeout_ms: u32,
}

/// Polymarket: its public books, and a wallet where there is one.
#[derive(Clone, Debug)]
pub struct PolymarketSettings {
    /// `None` on paper: books only.
    pub wallet: Option<WalletSettings>,
    /// `None`: production.
    pub clob_url: Option<String>,
    pub ws_url: Option<String>,
    pub gamma_url: Option<String>,
    pub geoblock_url: Option<String>,
    pub chain_id: u64,
    pub heartbeat: bool,
    pub reconcile_every_ms: u32,
    pub request_timeout_ms: u32,
}

#[derive(Clone, Debug)]
pub struct WalletSettings {
    pub key: WalletKey,
    /// A word of the table: 0, 1, 2, 3 or 3-plain.
    pub signature_type: &'static str,
    pub funder: Option<String>,
    /// Tells API keys of one wallet apart.
    pub api_nonce: u32,
}

#[derive(Clone, Debug)]
pub enum WalletKey {
    Text(SecretString),
    File(PathBuf),
}

pub(super) fn kalshi(values: &Values) -> Option<KalshiSettings> {
    Some(KalshiSettings {
        key_id: values.secret("KALSHI_API_KEY_ID")?,
        key_path: values.path_if_any("KALSHI_PRIVATE_KEY_PATH")?,
        api_url: values.text("KALSHI_API_URL"),
        ws_url: values.text("KALSHI_WS_URL"),
        fuse_contracts: values.contracts("KALSHI_FUSE_CONTRACTS"),
        reconcile_every_ms: values.count("KALSHI_RECONCILE_EVERY_MS"),
        request_timeout_ms: values.count("KALSHI_REQUEST_TIMEOUT_MS"),
    })
}

fn wallet_key(values: &Values) -> Option<WalletKey> {
    let text = values.secret("POLY_PRIVATE_KEY").map(WalletKey::Text);
    text.or_else(|| values.path_if_any("POLY_PRIVATE_KEY_PATH").map(WalletKey::File))
}

/// With money it takes a wallet, and in demo, for which Polymarket has no host of its own, an address; on paper either
/// of them asks for its live books.
pub(super) fn polymarket(values: &Values, mode: Mode) -> Option<PolymarketSettings> {
    let (key, clob_url) = (wallet_key(values), values.text("POLY_CLOB_URL"));
    match mode {
        Mode::Paper if key.is_none() && clob_url.is_none() => return None,
        Mode::Paper => {}
        Mode::Demo if clob_url.is_none() => return None,
        Mode::Demo | Mode::DryRun | Mode::Live if key.is_none() => return None,
        Mode::Demo | Mode::DryRun | Mode::Live => {}
    }
    let wallet = key.filter(|_| mode != Mode::Paper).map(|key| WalletSettings {
        key,
        signature_type: values.word("POLY_SIGNATURE_TYPE").expect("Invariant: POLY_SIGNATURE_TYPE has a default"),
        funder: values.text("POLY_FUNDER"),
        api_nonce: values.count("POLY_API_NONCE"),
    });
    Some(PolymarketSettings {
        wallet,
        clob_url,
        ws_url: values.text("POLY_WS_URL"),
        gamma_url: values.text("POLY_GAMMA_URL"),
        geoblock_url: values.text("POLY_GEOBLOCK_URL"),
        chain_id: if values.word("POLY_CHAIN_ID") == Some("80002") { 80_002 } else { 137 },
        heartbeat: values.flag("POLY_HEARTBEAT").expect("Invariant: POLY_HEARTBEAT has a default"),
        reconcile_every_ms: values.count("POLY_RECONCILE_EVERY_MS"),
        request_timeout_ms: values.count("POLY_REQUEST_TIMEOUT_MS"),
    })
}

/// Whether a mode with money has anywhere to go.
pub(super) fn any(values: &Values, mode: Mode) -> bool {
    values.secret("KALSHI_API_KEY_ID").is_some() || polymarket(values, mode).is_some()
}

/// What can't be right together, each with its sentence.
pub(super) fn contradictions(values: &Values) -> Vec<String> {
    let mut found = Vec::new();
    if values.secret("POLY_PRIVATE_KEY").is_some() && values.path_if_any("POLY_PRIVATE_KEY_PATH").is_some() {
        found.push("POLY_PRIVATE_KEY and POLY_PRIVATE_KEY_PATH are both set: leave one out".to_owned());
    }
    if values.secret("KALSHI_API_KEY_ID").is_some() != values.path_if_any("KALSHI_PRIVATE_KEY_PATH").is_some() {
        found.push("KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH belong together: set both or none".to_owned());
    }
    let kind = values.word("POLY_SIGNATURE_TYPE").unwrap_or("0");
    if kind != "0" && values.text("POLY_FUNDER").is_none() {
        found.push(format!("POLY_SIGNATURE_TYPE = {kind} needs POLY_FUNDER: the address of the wallet that holds the money"));
    }
    found.extend(wrong_addresses(values));
    found
}

/// Plain text goes to this machine only, and what can't be talked to is told at once.
fn wrong_addresses(values: &Values) -> Vec<String> {
    let check =
        |name: &'static str, is: fn(&'static str, &str) -> Result<(), AddressError>| values.text(name).and_then(|url| is(name, &url).err());
    let kalshi_api = values.text("KALSHI_API_URL").and_then(|url| ApiAddress::new(&url).err());
    let kalshi_ws = values.text("KALSHI_WS_URL").and_then(|url| WsAddress::new(&url).err());
    let http = |name, url: &str| HttpBase::new(name, url).map(drop);
    let rest = ["POLY_CLOB_URL", "POLY_GAMMA_URL", "POLY_GEOBLOCK_URL"].into_iter().filter_map(|name| check(name, http));
    let ws = check("POLY_WS_URL", |name, url| WsBase::new(name, url).map(drop));
    [kalshi_api, kalshi_ws, ws].into_iter().flatten().chain(rest).map(|error| error.to_string()).collect()
}
