//! Headers of both levels: the wallet's signature, which creates an API key, and the API key's, which every private request
//! carries (`polymarket.md` §1).

use std::fmt;

use alloy_primitives::hex;
use reqwest::header::HeaderValue;

use super::contracts::Chain;
use super::credentials::ApiCredentials;
use super::eip712::auth_digest;
use super::key::WalletKey;

pub const ADDRESS: &str = "POLY_ADDRESS";
pub const SIGNATURE: &str = "POLY_SIGNATURE";
pub const TIMESTAMP: &str = "POLY_TIMESTAMP";
pub const NONCE: &str = "POLY_NONCE";
pub const API_KEY: &str = "POLY_API_KEY";
pub const PASSPHRASE: &str = "POLY_PASSPHRASE";

pub type Header = (&'static str, HeaderValue);

/// Of `POST /auth/api-key` and `GET /auth/derive-api-key`. One nonce has one API key.
pub fn wallet_headers(key: &WalletKey, chain: Chain, timestamp_s: i64, nonce: u64) -> [Header; 4] {
    let signature = key.sign(auth_digest(chain.id(), key.address(), timestamp_s, nonce));
    [
        (ADDRESS, plain(&key.address().checksum())),
        (SIGNATURE, secret(&hex::encode_prefixed(signature))),
        (TIMESTAMP, HeaderValue::from(timestamp_s)),
        (NONCE, HeaderValue::from(nonce)),
    ]
}

/// Signs requests. The same for every kind of wallet: the account that asks is the key's own.
#[derive(Clone)]
pub struct RequestSigner {
    credentials: ApiCredentials,
    address: HeaderValue,
    key: HeaderValue,
    passphrase: HeaderValue,
}

impl RequestSigner {
    pub fn new(owner: super::address::EvmAddress, credentials: ApiCredentials) -> Self {
        let (key, passphrase) = (secret(credentials.key()), secret(credentials.passphrase()));
        Self { credentials, address: plain(&owner.checksum()), key, passphrase }
    }

    pub fn credentials(&self) -> &ApiCredentials {
        &self.credentials
    }

    /// `method` in capitals, `path` from the root of the host (a query is not signed), `body` the very bytes that are sent.
    pub fn headers(&self, timestamp_s: i64, method: &str, path: &str, body: &[u8]) -> [Header; 5] {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let timestamp = timestamp_s.to_string();
        let signature = self.credentials.hmac(&[timestamp.as_bytes(), method.as_bytes(), path.as_bytes(), body]);
        [
            (ADDRESS, self.address.clone()),
            (SIGNATURE, secret(&signature)),
            (TIMESTAMP, plain(&timestamp)),
            (API_KEY, self.key.clone()),
            (PASSPHRASE, self.passphrase.clone()),
        ]
    }
}

impl fmt::Debug for RequestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestSigner({:?})", self.address)
    }
}

fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("Invariant: hex, digits, base64 and checked credentials are visible ASCII")
}

/// Not shown by whoever logs headers.
fn secret(text: &str) -> HeaderValue {
    let mut value = plain(text);
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::super::credentials::tests::credentials;
    use super::super::key::tests::TEST_KEY;
    use super::*;

    fn signer() -> RequestSigner {
        RequestSigner::new(WalletKey::from_text(TEST_KEY).expect("key").address(), credentials())
    }

    #[test]
    fn a_query_is_not_signed_and_an_empty_body_adds_nothing() {
        let headers = signer().headers(1_000_000, "GET", "/data/orders?asset_id=1", b"");
        assert_eq!(headers, signer().headers(1_000_000, "GET", "/data/orders", b""));
        assert_ne!(headers[1], signer().headers(1_000_000, "GET", "/data/orders", b"{}")[1]);
        assert_ne!(headers[1], signer().headers(1_000_001, "GET", "/data/orders", b"")[1]);
    }

    #[test]
    fn logged_headers_show_neither_signatures_nor_keys() {
        let key = WalletKey::from_text(TEST_KEY).expect("key");
        let shown = format!("{:?} {:?}", signer().headers(1, "GET", "/", b""), wallet_headers(&key, Chain::Polygon, 1, 2));
        assert_eq!(shown.matches("Sensitive").count(), 4, "{shown}");
        assert!(!shown.contains("phrase'") && !shown.contains("9180014b"), "{shown}");
    }
}
