//! The account at Polymarket: wallet, API key, addresses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;

use super::announce;
use crate::clock::Clock;
use crate::config::{Config, PolymarketSettings, WalletKey as KeySetting, WalletSettings};
use crate::domain::ids::sha256;
use crate::domain::market::Venue;
use crate::domain::money::Usd;
use crate::venues::polymarket::client::CallError;
use crate::venues::polymarket::contracts::{Chain, VERSION_TOKENS};
use crate::venues::polymarket::doctor::DoctorReport;
use crate::venues::polymarket::heartbeat::{self, Heartbeat, HeartbeatSettings};
use crate::venues::polymarket::hosts::{CLOB, GAMMA, GEOBLOCK, HttpBase, WS, WsBase};
use crate::venues::polymarket::stream::{self, StreamEvent, StreamHandle, StreamSettings};
use crate::venues::polymarket::{
    ApiCredentials, Client, ClientSettings, EvmAddress, OrderSigner, PolymarketVenue, SignatureType, Wallet, WalletKey,
};

/// A venue that doesn't answer at the start is asked for the API key again after this.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);

pub struct PolymarketAccount {
    pub venue: Arc<PolymarketVenue>,
    /// Whether it is listened to; else account and books are polled.
    streams: bool,
    heartbeat: bool,
    pub read_every_ms: i64,
    credentials: Credentials,
}

/// Where the API key is kept between two starts.
#[derive(Clone)]
struct Credentials {
    path: PathBuf,
    host: String,
}

/// Absent: Polymarket is off, or on paper not asked for. Errors: a key that can't be read or isn't one, an address that isn't safe.
pub fn polymarket_account(config: &Config, clock: &Clock) -> anyhow::Result<Option<PolymarketAccount>> {
    let Some(settings) = &config.polymarket else { return Ok(None) };
    let (client, streams, host) = addresses(settings)?;
    let signer = settings.wallet.as_ref().map(|wallet| signer(wallet, client.chain)).transpose()?;
    let nonce = settings.wallet.as_ref().map_or(0, |wallet| wallet.api_nonce);
    let request_timeout_ms = u64::from(settings.request_timeout_ms);
    let client = ClientSettings { request_timeout_ms, api_nonce: u64::from(nonce), ..client };
    let client = Client::new(client, signer, clock.clone())?;
    let file = if nonce == 0 { "poly_api.json".to_owned() } else { format!("poly_api_{nonce}.json") };
    Ok(Some(PolymarketAccount {
        venue: Arc::new(PolymarketVenue::new(Arc::new(client))),
        streams,
        heartbeat: settings.heartbeat,
        read_every_ms: i64::from(settings.reconcile_every_ms),
        credentials: Credentials { path: config.mode_dir().join(file), host },
    }))
}

fn signer(settings: &WalletSettings, chain: Chain) -> anyhow::Result<OrderSigner> {
    let key = match &settings.key {
        KeySetting::Text(text) => WalletKey::from_text(text.expose_secret()).context("POLY_PRIVATE_KEY")?,
        KeySetting::File(path) => WalletKey::from_file(path).context("POLY_PRIVATE_KEY_PATH")?,
    };
    let kind = SignatureType::parse(settings.signature_type)?;
    let funder = settings.funder.as_deref().map(|text| EvmAddress::parse(text).context("POLY_FUNDER")).transpose()?;
    let wallet = Wallet::new(Arc::new(key), kind, funder)?;
    Ok(OrderSigner::new(wallet, chain, VERSION_TOKENS)?)
}

/// Beside a CLOB on this machine nothing of production is asked.
fn addresses(settings: &PolymarketSettings) -> anyhow::Result<(ClientSettings, bool, String)> {
    let host = settings.clob_url.as_deref().unwrap_or(CLOB);
    let clob = HttpBase::new("POLY_CLOB_URL", host)?;
    let plain = clob.is_plain();
    let or_production = |given: &Option<String>, production: &str| given.clone().or_else(|| (!plain).then(|| production.to_owned()));
    let ws = or_production(&settings.ws_url, WS);
    let base = |name, url: Option<String>| url.map(|url| HttpBase::new(name, &url)).transpose();
    let gamma = base("POLY_GAMMA_URL", or_production(&settings.gamma_url, GAMMA))?;
    let geoblock = base("POLY_GEOBLOCK_URL", or_production(&settings.geoblock_url, GEOBLOCK))?;
    let streams = ws.is_some();
    let ws = WsBase::new("POLY_WS_URL", ws.as_deref().unwrap_or(WS))?;
    let chain = Chain::from_id(settings.chain_id)?;
    Ok((ClientSettings { gamma, geoblock, chain, ..ClientSettings::new(clob, ws) }, streams, host.to_owned()))
}

/// What tells this account's lease from another's: wallet and API key.
pub fn account_key(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(settings) = &config.polymarket else { return Ok(None) };
    let Some(wallet) = &settings.wallet else { return Ok(None) };
    let signer = signer(wallet, Chain::from_id(settings.chain_id)?)?;
    let (owner, nonce) = (signer.wallet().owner().lower(), wallet.api_nonce.to_string());
    let account = sha256(&[b"arbees account", owner.as_bytes(), nonce.as_bytes()]);
    Ok(Some(format!("account.polymarket.{}", account.short())))
}

impl PolymarketAccount {
    /// Somebody who can sign, not only books.
    pub fn is_wallet(&self) -> bool {
        self.venue.client().signer().is_ok()
    }

    /// The API key: as kept, or created, or derived. A key that the venue no longer takes is made anew.
    pub async fn connect(&self) -> Result<(), CallError> {
        connect(&self.venue, &self.credentials).await
    }

    /// Connects now, or in the background as soon as the venue answers. Returns what is wrong, if so.
    pub async fn connect_or_wait(&self) -> Option<String> {
        let error = self.connect().await.err()?;
        if let CallError::Refused { refusal, .. } = &error
            && matches!(refusal.status, 400 | 401 | 403)
        {
            let why = format!("no API key for this wallet: {error}");
            self.venue.client().standing().halt(why.clone());
            return Some(why);
        }
        let (venue, credentials) = (Arc::clone(&self.venue), self.credentials.clone());
        tokio::spawn(async move {
            while connect(&venue, &credentials).await.is_err() {
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
        });
        Some(format!("no API key yet, asking again: {error}"))
    }

    /// Says which account this is and what is wrong with it, before anything is sent.
    pub async fn announce(&self, config: &Config) {
        let unconnected = self.connect_or_wait().await;
        let mut report = self.venue.doctor().await;
        report.problems.extend(unconnected);
        let words = format!(
            "account {} ({}), key {}",
            report.maker.as_deref().unwrap_or("unknown"),
            report.wallet_kind.unwrap_or("unknown"),
            report.address.as_deref().unwrap_or("unknown")
        );
        announce(config, Venue::Polymarket, &words, report.cash, &report.problems);
    }

    pub fn start_heartbeat(&self) -> Option<Heartbeat> {
        self.heartbeat.then(|| heartbeat::start(Arc::clone(self.venue.client()), HeartbeatSettings::default()))
    }

    /// The streams of account and books, or of books alone with every level of them.
    pub fn start_stream(&self, books_only: bool, events_max: usize) -> (Option<StreamHandle>, Option<mpsc::Receiver<StreamEvent>>) {
        if !self.streams {
            return (None, None);
        }
        let (events, stream) = mpsc::channel(events_max);
        let settings = StreamSettings { levels: books_only, account: !books_only, ..StreamSettings::default() };
        (Some(stream::start(Arc::clone(&self.venue), settings, events)), Some(stream))
    }
}

async fn connect(venue: &PolymarketVenue, kept: &Credentials) -> Result<(), CallError> {
    let owner = venue.client().signer()?.wallet().owner();
    // A file that can't be read is as good as none: the key is derived again.
    let known = ApiCredentials::load(&kept.path, &kept.host, owner).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}; the API key is asked for again", kept.path.display());
        None
    });
    if let Some(known) = known {
        venue.connect(Some(known)).await?;
        match venue.client().closed_only().await {
            Err(CallError::Refused { refusal, .. }) if refusal.status == 401 => venue.client().standing().clear_halt(),
            answered => return answered.map(drop),
        }
    }
    let fresh = venue.connect(None).await?;
    if let Err(error) = fresh.store(&kept.path, &kept.host, owner) {
        tracing::warn!("{}: {error}; the API key is asked for again at the next start", kept.path.display());
    }
    Ok(())
}

/// The report as rows of a table: what, and what was found.
pub fn rows(report: &DoctorReport) -> Vec<(&'static str, String)> {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "not told".to_owned());
    let yes_or_no = |flag: Option<bool>| or_unknown(flag.map(|flag| if flag { "yes" } else { "no" }.to_owned()));
    let allowance = |(contract, usd): (&String, &Usd)| format!("{contract}: ${usd}");
    let allowances: Vec<String> = report.allowances.iter().map(allowance).collect();
    vec![
        ("address of the key", or_unknown(report.address.clone())),
        ("signature type", or_unknown(report.signature_type.map(|kind| kind.to_string()))),
        ("wallet", or_unknown(report.wallet_kind.map(str::to_owned))),
        ("wallet with the money", or_unknown(report.maker.clone())),
        ("chain", report.chain_id.to_string()),
        ("version of the exchange", or_unknown(report.version.map(|version| version.to_string()))),
        ("cash", or_unknown(report.cash.map(|cash| format!("${cash}")))),
        ("allowances", if allowances.is_empty() { "not told".to_owned() } else { allowances.join(", ") }),
        ("closed only", yes_or_no(report.closed_only)),
        ("blocked here", yes_or_no(report.blocked)),
        ("place", or_unknown(report.place.clone())),
        ("venue's clock is ahead", or_unknown(report.skew.map(|skew| skew.to_string()))),
    ]
}
