//! What a double is started with.

use super::account::{Account, WalletKind};
use super::auth::{ApiKey, Keys};
use super::core::{Core, Rules};
use super::eip712::Address;
use super::limits::Limits;
use super::markets::MarketSpec;
use super::server::StartError;
use crate::clock::Clock;
use crate::domain::money::{Quantity, Usd};
use crate::domain::time::Time;

/// The account that has everything where nobody names another.
pub const MEMBER: &str = "member";

/// A wallet that may trade.
#[derive(Clone, Debug)]
pub struct WalletOptions {
    pub account: String,
    /// The address whose key signs.
    pub owner: String,
    /// Absent where the owner is the wallet itself.
    pub wallet: Option<String>,
    pub kind: WalletKind,
}

impl WalletOptions {
    /// The one account, which is a plain address.
    pub fn eoa(owner: &str) -> Self {
        Self { account: MEMBER.to_owned(), owner: owner.to_owned(), wallet: None, kind: WalletKind::Eoa }
    }

    /// The one account, which is a wallet of another kind.
    pub fn owned(owner: &str, wallet: &str, kind: WalletKind) -> Self {
        Self { wallet: Some(wallet.to_owned()), kind, ..Self::eoa(owner) }
    }
}

/// An API key that is there from the beginning.
#[derive(Clone)]
pub struct KeyOptions {
    pub address: String,
    pub nonce: u64,
    pub id: String,
    pub secret: String,
    pub passphrase: String,
}

/// Without its secrets.
impl std::fmt::Debug for KeyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyOptions({} {})", self.address, self.nonce)
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes a free one.
    pub port: u16,
    pub admin_port: u16,
    pub wallets: Vec<WalletOptions>,
    pub keys: Vec<KeyOptions>,
    /// pUSD by account.
    pub cash: Vec<(String, Usd)>,
    /// Outcome tokens by account and token id.
    pub tokens: Vec<(String, String, Quantity)>,
    pub markets: Vec<MarketSpec>,
    pub limits: Limits,
    pub rules: Rules,
    /// Signed times further off are refused. The venue's own tolerance is not documented.
    pub skew_s_max: i64,
    pub read_lag_ms: i64,
    /// The system's, where none is given.
    pub clock: Option<Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            admin_port: 0,
            wallets: Vec::new(),
            keys: Vec::new(),
            cash: vec![(MEMBER.to_owned(), Usd::from_micros(1_000_000_000))],
            tokens: Vec::new(),
            markets: Vec::new(),
            limits: Limits::PLENTY,
            rules: Rules::default(),
            skew_s_max: 30,
            read_lag_ms: 0,
            clock: None,
        }
    }
}

impl Options {
    pub fn build(&self, now: Time) -> Result<(Core, Keys), StartError> {
        let mut core = Core::new(self.rules, now);
        let address = |text: &str| Address::parse(text).ok_or_else(|| StartError::Address(text.to_owned()));
        for options in &self.wallets {
            let owner = address(&options.owner)?;
            let wallet = options.wallet.as_deref().map_or(Ok(owner), address)?;
            if core.account_named(&options.account).is_some() || core.wallet(wallet).is_some() {
                return Err(StartError::Account(options.account.clone()));
            }
            core.add_account(Account::new(&options.account, owner, wallet, options.kind));
        }
        for spec in &self.markets {
            core.create_market(spec.clone()).ok_or_else(|| StartError::Market(spec.slug.clone()))?;
        }
        for (name, usd) in &self.cash {
            if let Some(account) = core.account_named(name) {
                core.move_money(account, *usd);
            }
        }
        for (name, token, shares) in &self.tokens {
            let account = core.account_named(name).ok_or_else(|| StartError::Account(name.clone()))?;
            let token = core.token_called(token).ok_or_else(|| StartError::Market(token.clone()))?;
            core.move_tokens(account, token, *shares);
        }
        let mut keys = Keys { chain_id: self.rules.chain_id, skew_s_max: self.skew_s_max, ..Keys::default() };
        for key in &self.keys {
            let (id, secret, passphrase) = (key.id.clone(), key.secret.clone(), key.passphrase.clone());
            let key = ApiKey { address: address(&key.address)?, nonce: key.nonce, id: id.clone(), secret, passphrase };
            keys.keys.insert(id, key);
        }
        Ok((core, keys))
    }
}
