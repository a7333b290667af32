//! Who calls: L1 by a wallet's signature, L2 by an API key's HMAC (`polymarket.md` §1).

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet::URL_SAFE as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE};
use ring::hmac;

use super::eip712::{Address, bytes_of, clob_auth_signer};
use super::refusal::Refusal;
use crate::domain::time::Time;

/// Secrets come with their padding or without.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent));

/// An API key with what belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: String,
    pub secret: String,
    pub passphrase: String,
    /// The wallet's owner, who signs.
    pub address: Address,
    pub nonce: u64,
}

/// Without its secrets.
impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({} {})", self.address, self.nonce)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// By id.
    pub keys: BTreeMap<String, ApiKey>,
    pub chain_id: u64,
    /// Signed times further off are refused. The venue's own tolerance is not documented.
    pub skew_s_max: i64,
}

impl Keys {
    pub fn of(&self, address: Address, nonce: u64) -> Option<&ApiKey> {
        self.keys.values().find(|key| key.address == address && key.nonce == nonce)
    }

    fn fresh(&self, timestamp: &str, now: Time) -> bool {
        let seconds: Option<i64> = timestamp.parse().ok();
        seconds.is_some_and(|seconds| now.ms().div_euclid(1_000).abs_diff(seconds) <= self.skew_s_max.unsigned_abs())
    }

    /// L1: the wallet and the nonce that sign for themselves.
    pub fn wallet(&self, headers: &HeaderMap, now: Time) -> Result<(Address, u64), Refusal> {
        let get = |name| header(headers, name).ok_or_else(Refusal::l1);
        let address = Address::parse(get("poly_address")?).ok_or_else(Refusal::l1)?;
        let (timestamp, signature) = (get("poly_timestamp")?, bytes_of(get("poly_signature")?).ok_or_else(Refusal::l1)?);
        let nonce = header(headers, "poly_nonce").map_or(Some(0), |text| text.parse().ok()).ok_or_else(Refusal::l1)?;
        let signer = clob_auth_signer(self.chain_id, address, timestamp, nonce, &signature);
        if signer == Some(address) && self.fresh(timestamp, now) { Ok((address, nonce)) } else { Err(Refusal::l1()) }
    }

    /// L2: whose key signed this method, path (without the query) and body.
    pub fn caller(&self, headers: &HeaderMap, method: &str, path: &str, body: &[u8], now: Time) -> Result<ApiKey, Refusal> {
        let get = |name| header(headers, name).ok_or_else(Refusal::unauthorized);
        let key = self.keys.get(get("poly_api_key")?).ok_or_else(Refusal::unauthorized)?;
        let (timestamp, signature) = (get("poly_timestamp")?, get("poly_signature")?);
        let known = Address::parse(get("poly_address")?) == Some(key.address) && get("poly_passphrase")? == key.passphrase;
        let signed = signed(&key.secret, timestamp, method, path, body, signature);
        if known && signed && self.fresh(timestamp, now) { Ok(key.clone()) } else { Err(Refusal::unauthorized()) }
    }

    /// The subscription of a user's socket carries the credentials themselves.
    pub fn credentials(&self, id: &str, secret: &str, passphrase: &str) -> Option<&ApiKey> {
        self.keys.get(id).filter(|key| key.secret == secret && key.passphrase == passphrase)
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the signature is the secret's, over the body as sent, or with every `'` taken for `"` as two SDKs do.
pub fn signed(secret: &str, timestamp: &str, method: &str, path: &str, body: &[u8], signature: &str) -> bool {
    let (Ok(secret), Ok(given)) = (LENIENT.decode(secret), URL_SAFE.decode(signature)) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let quoted: Vec<u8> = body.iter().map(|byte| if *byte == b'\'' { b'"' } else { *byte }).collect();
    [body, &quoted].into_iter().any(|body| {
        let message = [timestamp.as_bytes(), method.as_bytes(), path.as_bytes(), body].concat();
        hmac::verify(&key, &message, &given).is_ok()
    })
}
