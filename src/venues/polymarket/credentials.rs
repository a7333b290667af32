//! The API key, its secret and its passphrase: made from the wallet's signature, kept in a file, and what requests are
//! authenticated with (`polymarket.md` §1).

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::address::EvmAddress;
use crate::venues::key_file::{self, KeyFileError};

const FILE_BYTES_MAX: u64 = 16 * 1024;
/// Secrets were seen with and without padding (`polymarket.md` §1); Python, which made many of them, ignores stray bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);
/// What the venue expects of a signature.
const PADDED: GeneralPurpose = base64::engine::general_purpose::URL_SAFE;

/// Each in one line; none repeats a character of what it is about.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CredentialsError {
    #[error("Polymarket credentials {0}")]
    File(#[from] KeyFileError),
    #[error("Polymarket credentials: the API key is no UUID")]
    Key,
    #[error("Polymarket credentials: the secret is not base64 (url-safe alphabet), or empty")]
    Secret,
    #[error("Polymarket credentials: the passphrase must be 1 to 256 visible ASCII characters")]
    Passphrase,
    #[error("Polymarket credentials: not JSON with apiKey, secret and passphrase")]
    Json,
}

/// As the venue answers and as they are kept. Serialised into zeroizing buffers only.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    address: Option<String>,
    #[serde(borrow)]
    api_key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    secret: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    passphrase: std::borrow::Cow<'a, str>,
}

#[derive(Clone)]
pub struct ApiCredentials {
    key: SecretString,
    secret: SecretString,
    passphrase: SecretString,
    /// Keyed once; a request costs the hash of its own text only.
    hmac: hmac::Key,
}

impl ApiCredentials {
    pub fn new(key: &str, secret: &str, passphrase: &str) -> Result<Self, CredentialsError> {
        if key.len() != 36 || uuid::Uuid::try_parse(key).is_err() {
            return Err(CredentialsError::Key);
        }
        let bytes = Zeroizing::new(LENIENT.decode(secret).map_err(|_| CredentialsError::Secret)?);
        if bytes.is_empty() {
            return Err(CredentialsError::Secret);
        }
        if !(1..=256).contains(&passphrase.len()) || !passphrase.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::Passphrase);
        }
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Ok(Self { key: key.into(), secret: secret.into(), passphrase: passphrase.into(), hmac })
    }

    /// The venue's answer to creating or deriving a key: `{apiKey, secret, passphrase}`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, CredentialsError> {
        // What serde would say quotes what it read.
        let written: Written<'_> = serde_json::from_slice(bytes).map_err(|_| CredentialsError::Json)?;
        Self::new(&written.api_key, &written.secret, &written.passphrase)
    }

    /// Those kept for this account at this host; `None`: none are, or another's.
    pub fn load(path: &Path, host: &str, address: EvmAddress) -> Result<Option<Self>, CredentialsError> {
        let bytes = match key_file::read(path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(KeyFileError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let written: Written<'_> = serde_json::from_slice(&bytes).map_err(|_| CredentialsError::Json)?;
        let of = written.address.as_deref().and_then(|text| EvmAddress::parse(text).ok());
        if written.host.as_deref() != Some(host) || of != Some(address) {
            return Ok(None);
        }
        Self::new(&written.api_key, &written.secret, &written.passphrase).map(Some)
    }

    /// Readable by its owner only, whole or not at all.
    pub fn store(&self, path: &Path, host: &str, address: EvmAddress) -> Result<(), CredentialsError> {
        let written = Written {
            host: Some(host.to_owned()),
            address: Some(address.checksum()),
            api_key: self.key().into(),
            secret: self.secret().into(),
            passphrase: self.passphrase().into(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        serde_json::to_writer(&mut *bytes, &written).map_err(|_| CredentialsError::Json)?;
        bytes.push(b'\n');
        Ok(key_file::write(path, &bytes)?)
    }

    /// The `owner` of an order, and a header.
    pub fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// Goes over the wire when a stream of the account is opened, and nowhere else.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    pub fn passphrase(&self) -> &str {
        self.passphrase.expose_secret()
    }

    /// Of the parts as if they were one text.
    pub fn hmac(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.hmac);
        for part in parts {
            context.update(part);
        }
        PADDED.encode(context.sign().as_ref())
    }
}

impl fmt::Debug for ApiCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiCredentials(..)")
    }
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "9180014b-33c8-9240-a14b-bdca11c0a465";
    const SECRET: &str = "--__-_8-aaaaBBBBccccDDDDeeeeFFFFgggg-_-_-_8=";
    const PASSPHRASE: &str = "pass'phrase";

    pub fn credentials() -> ApiCredentials {
        ApiCredentials::new(KEY, SECRET, PASSPHRASE).expect("credentials")
    }

    #[test]
    fn padding_of_the_secret_changes_nothing() {
        let bare = ApiCredentials::new(KEY, SECRET.trim_end_matches('='), PASSPHRASE).expect("credentials");
        assert_eq!(bare.hmac(&[b"1", b"GET"]), credentials().hmac(&[b"1GET"]));
    }

    #[test]
    fn what_is_no_credential_is_refused_without_showing_it() {
        let refused = |key, secret, passphrase| ApiCredentials::new(key, secret, passphrase).expect_err("refused");
        assert_eq!(refused("9180014b", SECRET, PASSPHRASE), CredentialsError::Key);
        assert_eq!(refused(KEY, "not base64!", PASSPHRASE), CredentialsError::Secret);
        assert_eq!(refused(KEY, "", PASSPHRASE), CredentialsError::Secret);
        assert_eq!(refused(KEY, SECRET, "two\nlines"), CredentialsError::Passphrase);
        let json = format!("{{\"apiKey\":\"{KEY}\",\"secret\":5,\"passphrase\":\"{PASSPHRASE}\"}}");
        assert_eq!(ApiCredentials::from_json(json.as_bytes()).expect_err("number"), CredentialsError::Json);
        assert_eq!(format!("{:?}", credentials()), "ApiCredentials(..)");
    }

    #[test]
    fn a_file_gives_back_what_was_kept_for_the_same_account_and_host() {
        let path = std::env::temp_dir().join(format!("arbees-credentials-{}", std::process::id()));
        let address = EvmAddress::parse("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").expect("address");
        let other = EvmAddress::parse("0x1111111111111111111111111111111111111111").expect("address");
        assert!(ApiCredentials::load(&path, "h", address).expect("none").is_none());
        credentials().store(&path, "h", address).expect("stored");
        let kept = ApiCredentials::load(&path, "h", address).expect("read").expect("kept");
        assert_eq!((kept.key(), kept.secret(), kept.passphrase()), (KEY, SECRET, PASSPHRASE));
        assert!(ApiCredentials::load(&path, "elsewhere", address).expect("read").is_none());
        assert!(ApiCredentials::load(&path, "h", other).expect("read").is_none());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        let error = ApiCredentials::load(&path, "h", address).expect_err("open").to_string();
        assert!(error.starts_with("Polymarket credentials file /") && error.contains("chmod 600"), "{error}");
        std::fs::remove_file(&path).expect("clean");
    }
}
