//! What a double is started with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::auth::{Key, Keys, PublicKey};
use super::core::{Core, Rules};
use super::limits::Limits;
use super::markets::MarketSpec;
use super::server::StartError;
use crate::clock::Clock;
use crate::domain::money::Usd;
use crate::domain::time::Time;
use crate::exchange::ids::AccountNo;

/// The account that has everything where nobody names another.
pub const MEMBER: &str = "member";

/// A key that may call.
#[derive(Clone, Debug)]
pub struct KeyOptions {
    pub id: String,
    /// The public half: SubjectPublicKeyInfo of RSA or Ed25519, or PKCS#1.
    pub pem: String,
    pub account: String,
    pub scopes: Vec<String>,
}

impl KeyOptions {
    /// A key of the one account that may read and trade.
    pub fn new(id: &str, pem: &str) -> Self {
        let scopes = ["read", "write"].map(str::to_owned).to_vec();
        Self { id: id.to_owned(), pem: pem.to_owned(), account: MEMBER.to_owned(), scopes }
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes a free one.
    pub port: u16,
    pub admin_port: u16,
    pub keys: Vec<KeyOptions>,
    /// Cash by account and shard.
    pub cash: Vec<(String, u32, Usd)>,
    pub markets: Vec<MarketSpec>,
    pub limits: Limits,
    pub rules: Rules,
    /// Signed times further off are refused. Measured: 10 s pass, 30 s don't (`kalshi.md` §1).
    pub skew_ms_max: i64,
    pub region_expires: Option<Time>,
    pub read_lag_ms: i64,
    pub ping_every: Duration,
    /// The system's, where none is given.
    pub clock: Option<Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            admin_port: 0,
            keys: Vec::new(),
            cash: vec![(MEMBER.to_owned(), 0, Usd::from_micros(1_000_000_000))],
            markets: Vec::new(),
            limits: Limits::BASIC,
            rules: Rules::default(),
            skew_ms_max: 30_000,
            region_expires: None,
            read_lag_ms: 0,
            ping_every: Duration::from_secs(10),
            clock: None,
        }
    }
}

impl Options {
    pub fn build(&self, now: Time) -> Result<(Core, Keys), StartError> {
        let mut core = Core::new(self.rules, now);
        let mut cash: BTreeMap<&str, BTreeMap<u32, Usd>> = BTreeMap::from([(MEMBER, BTreeMap::from([(0, Usd::ZERO)]))]);
        for key in &self.keys {
            cash.entry(&key.account).or_default().entry(0).or_default();
        }
        for (account, shard, usd) in &self.cash {
            *cash.entry(account).or_default().entry(*shard).or_default() += *usd;
        }
        let accounts: BTreeMap<&str, AccountNo> = cash.into_iter().map(|(name, cash)| (name, core.add_account(name, cash))).collect();
        for spec in &self.markets {
            core.create_market(spec.clone()).ok_or_else(|| StartError::Market(spec.ticker.clone()))?;
        }
        let mut keys = BTreeMap::new();
        for key in &self.keys {
            let public = PublicKey::from_pem(&key.pem).map_err(|error| StartError::Key(key.id.clone(), error))?;
            let account = accounts[key.account.as_str()];
            let scopes = key.scopes.clone();
            keys.insert(key.id.clone(), Key { name: key.id.clone(), public, account, scopes, revoked: false });
        }
        Ok((core, Keys { keys, skew_ms_max: self.skew_ms_max, region_expires: self.region_expires }))
    }
}
