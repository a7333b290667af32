//! The account at Kalshi.

use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;

use super::announce;
use crate::clock::Clock;
use crate::config::{Config, KalshiSettings};
use crate::domain::ids::Mode;
use crate::domain::market::Venue;
use crate::domain::money::Quantity;
use crate::venues::kalshi::address::{ApiAddress, DEMO_API, DEMO_WS, PRODUCTION_API, PRODUCTION_WS, WsAddress};
use crate::venues::kalshi::doctor::DoctorReport;
use crate::venues::kalshi::{Client, ClientSettings, KalshiVenue, KeyId, SigningKey};

pub struct KalshiAccount {
    pub venue: Arc<KalshiVenue>,
    /// `None`: polled.
    pub ws: Option<WsAddress>,
    pub fuse_contracts: Quantity,
    pub read_every_ms: i64,
}

/// `None` without credentials. Errors: a key that can't be read or isn't one, an address that isn't safe.
pub fn kalshi_account(config: &Config, clock: &Clock) -> anyhow::Result<Option<KalshiAccount>> {
    let Some(settings) = &config.kalshi else { return Ok(None) };
    let (api, ws) = addresses(config.mode, settings)?;
    let key = SigningKey::from_file(&settings.key_path).context("KALSHI_PRIVATE_KEY_PATH")?;
    let key_id = KeyId::new(settings.key_id.expose_secret()).context("KALSHI_API_KEY_ID")?;
    let request_timeout_ms = u64::from(settings.request_timeout_ms);
    let client = Client::new(ClientSettings { request_timeout_ms, ..ClientSettings::new(api) }, key_id, key, clock.clone())?;
    Ok(Some(KalshiAccount {
        venue: Arc::new(KalshiVenue::new(Arc::new(client))),
        ws,
        fuse_contracts: settings.fuse_contracts,
        read_every_ms: i64::from(settings.reconcile_every_ms),
    }))
}

fn addresses(mode: Mode, settings: &KalshiSettings) -> anyhow::Result<(ApiAddress, Option<WsAddress>)> {
    let (api_host, ws_host) = if mode == Mode::Demo { (DEMO_API, DEMO_WS) } else { (PRODUCTION_API, PRODUCTION_WS) };
    let api = ApiAddress::new(settings.api_url.as_deref().unwrap_or(api_host))?;
    let ws = match &settings.ws_url {
        Some(url) => Some(url.as_str()),
        // A double on this machine: its stream isn't Kalshi's.
        None if api.is_plain() => None,
        None => Some(ws_host),
    };
    Ok((api, ws.map(WsAddress::new).transpose()?))
}

impl KalshiAccount {
    /// Says which account this is and what is wrong with it, before anything is sent.
    pub async fn announce(&self, config: &Config) {
        let report = self.venue.doctor().await;
        announce(config, Venue::Kalshi, &format!("account with {} key", report.key_kind), report.cash, &report.problems);
    }
}

/// The report as rows of a table: what, and what was found.
pub fn rows(report: &DoctorReport) -> Vec<(&'static str, String)> {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "not told".to_owned());
    let shards = report.cash_by_shard.iter().map(|(shard, cash)| format!("{shard}: ${cash}")).collect::<Vec<_>>().join(", ");
    vec![
        ("key", report.key_kind.to_string()),
        ("scopes", or_unknown(report.scopes.as_ref().map(|scopes| scopes.join(" ")))),
        ("location attested until", or_unknown(report.attested_until.map(|until| until.to_string()))),
        ("venue's clock is ahead", or_unknown(report.skew.map(|skew| skew.to_string()))),
        ("usage tier", or_unknown(report.usage_tier.clone())),
        ("reads / writes a second", or_unknown(report.read_per_second.zip(report.write_per_second).map(|(r, w)| format!("{r} / {w}")))),
        ("cash", or_unknown(report.cash.map(|cash| format!("${cash}")))),
        ("cash by shard", if shards.is_empty() { "not told".to_owned() } else { shards }),
        ("trading", or_unknown(report.trading.map(|trading| if trading { "yes" } else { "no" }.to_owned()))),
        ("maintenance", report.maintenance.iter().map(|(from, to)| format!("{from} to {to}")).collect::<Vec<_>>().join(", ")),
    ]
}
