//! Who calls: `KALSHI-ACCESS-*` verified with `rsa` and `ed25519-dalek`, other libraries than the client signs with.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use thiserror::Error;

use super::refusal::Refusal;
use crate::domain::time::Time;
use crate::exchange::ids::AccountNo;

/// A SubjectPublicKeyInfo of Ed25519 is this and 32 bytes.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// RSA-PSS with SHA-256: the salt is as long as the digest.
const SALT_LEN: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the PEM of a public RSA or Ed25519 key")]
pub struct NotAPublicKey;

#[derive(Clone, Debug)]
pub enum PublicKey {
    Rsa(Box<rsa::pss::VerifyingKey<Sha256>>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl PublicKey {
    pub fn from_pem(pem: &str) -> Result<Self, NotAPublicKey> {
        let rsa = rsa::RsaPublicKey::from_public_key_pem(pem).ok().or_else(|| rsa::RsaPublicKey::from_pkcs1_pem(pem).ok());
        if let Some(key) = rsa {
            return Ok(Self::Rsa(Box::new(rsa::pss::VerifyingKey::new_with_salt_len(key, SALT_LEN))));
        }
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = STANDARD.decode(body).map_err(|_| NotAPublicKey)?;
        let bytes: [u8; 32] = der.strip_prefix(&ED25519_SPKI).and_then(|key| key.try_into().ok()).ok_or(NotAPublicKey)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| NotAPublicKey)?;
        Ok(Self::Ed25519(Box::new(key)))
    }

    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => {
                rsa::pss::Signature::try_from(signature).is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok())
            }
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub public: PublicKey,
    pub account: AccountNo,
    pub scopes: Vec<String>,
    pub revoked: bool,
}

/// Who a verified call belongs to.
#[derive(Clone, Debug)]
pub struct Caller {
    pub key: String,
    pub account: AccountNo,
    scopes: Vec<String>,
}

impl Caller {
    /// A parent scope grants its children; a child only itself.
    pub fn may(&self, scope: &str) -> bool {
        let parent = scope.split("::").next().unwrap_or(scope);
        self.scopes.iter().any(|granted| granted == scope || granted == parent)
    }
}

#[derive(Clone, Debug)]
pub struct Keys {
    pub keys: BTreeMap<String, Key>,
    /// Signed times further away are refused, in both directions.
    pub skew_ms_max: i64,
    /// After it no trading of sports, elections and entertainment.
    pub region_expires: Option<Time>,
}

impl Keys {
    /// The caller of a request. Errors: the four recorded 401s. `now` is the venue's own clock, which may be off.
    pub fn check(&self, headers: &HeaderMap, method: &str, path: &str, now: Time) -> Result<Caller, Refusal> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
        let signature = header("KALSHI-ACCESS-SIGNATURE").ok_or_else(Refusal::signature_missing)?;
        let stamp = header("KALSHI-ACCESS-TIMESTAMP").unwrap_or_default();
        let signed_ms: i64 = stamp.parse().map_err(|_| Refusal::timestamp_expired())?;
        if now.ms().saturating_sub(signed_ms).saturating_abs() > self.skew_ms_max {
            return Err(Refusal::timestamp_expired());
        }
        let id = header("KALSHI-ACCESS-KEY").unwrap_or_default();
        let key = self.keys.get(id).filter(|key| !key.revoked).ok_or_else(|| Refusal::authentication("NOT_FOUND"))?;
        let wrong = || Refusal::authentication("INCORRECT_API_KEY_SIGNATURE");
        let bytes = STANDARD.decode(signature).map_err(|_| wrong())?;
        if !key.public.verifies(&format!("{stamp}{method}{path}"), &bytes) {
            return Err(wrong());
        }
        Ok(Caller { key: id.to_owned(), account: key.account, scopes: key.scopes.clone() })
    }
}
