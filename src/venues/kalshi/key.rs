//! A private key file: RSA (PKCS#1 or PKCS#8) or Ed25519, told apart by parsing, never by its first line.

use std::fmt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{Ed25519KeyPair, RSA_PSS_SHA256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

use crate::venues::key_file::{self, KeyFileError};

/// Many times the largest key that Kalshi makes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// What signs our requests. Its `Debug` shows the kind and nothing else.
pub enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Rsa { bits: usize },
    Ed25519,
}

/// Each in one line, with what to do about it; none repeats a byte of the file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("Kalshi key {0}")]
    File(#[from] KeyFileError),
    #[error("Kalshi key: no PEM text found (a line -----BEGIN … PRIVATE KEY-----)")]
    NotPem,
    #[error("Kalshi key: this PEM holds {found}; needed is the private key, RSA or Ed25519, not encrypted")]
    OtherKind { found: &'static str },
    #[error("Kalshi key: the RSA key is refused ({why}); Kalshi's own keys have 2048 bits")]
    Rsa { why: String },
    #[error("Kalshi key: the PEM text is damaged")]
    Damaged,
    #[error("Kalshi key: signing failed")]
    Signing,
}

impl SigningKey {
    /// Reads a file that nobody but its owner can read.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        Self::from_pem(&key_file::read(path, KEY_FILE_BYTES_MAX)?)
    }

    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let label = label(pem).ok_or(KeyError::NotPem)?;
        if let Some(found) = unfit(label, pem) {
            return Err(KeyError::OtherKind { found });
        }
        match PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::Damaged)? {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(_) => Err(KeyError::OtherKind { found: "an EC key" }),
            _ => Err(KeyError::Damaged),
        }
    }

    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(pair) => KeyKind::Rsa { bits: pair.public().modulus_len() * 8 },
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// RSA-PSS with SHA-256 and a salt of 32 bytes, or Ed25519, of the text as it is (`kalshi.md` §1).
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text, &mut signature).map_err(|_| KeyError::Signing)?;
                Ok(signature)
            }
            Self::Ed25519(pair) => Ok(pair.sign(text).as_ref().to_vec()),
        }
    }
}

fn rsa(parsed: Result<RsaKeyPair, ring::error::KeyRejected>) -> Result<SigningKey, KeyError> {
    parsed.map(|pair| SigningKey::Rsa(Box::new(pair))).map_err(|error| KeyError::Rsa { why: reason(&error) })
}

fn reason(error: &ring::error::KeyRejected) -> String {
    match error.to_string().as_str() {
        "TooSmall" => "too small: fewer than 2048 bits".to_owned(),
        "TooLarge" => "too large: more than 4096 bits".to_owned(),
        other => other.to_owned(),
    }
}

fn pkcs8(der: &[u8]) -> Result<SigningKey, KeyError> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    // The algorithm stands in the first bytes, before the key itself.
    let head = &der[..der.len().min(32)];
    let names = |oid: &[u8]| head.windows(oid.len()).any(|window| window == oid);
    if names(RSA) {
        return rsa(RsaKeyPair::from_pkcs8(der));
    }
    if names(EC) {
        return Err(KeyError::OtherKind { found: "an EC key" });
    }
    if names(ED25519) {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError::Damaged)?;
        return Ok(SigningKey::Ed25519(Box::new(pair)));
    }
    Err(KeyError::OtherKind { found: "a private key of another kind" })
}

fn label(pem: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label)
}

fn unfit(label: &str, pem: &[u8]) -> Option<&'static str> {
    match label {
        "RSA PRIVATE KEY" | "PRIVATE KEY" => {
            pem.windows(9).any(|window| window == b"ENCRYPTED").then_some("an encrypted key (decrypt it: openssl pkey -in … -out …)")
        }
        "ENCRYPTED PRIVATE KEY" => Some("an encrypted key (decrypt it: openssl pkey -in … -out …)"),
        "OPENSSH PRIVATE KEY" => Some("an OpenSSH key"),
        "CERTIFICATE" => Some("a certificate"),
        public if public.ends_with("PUBLIC KEY") => Some("a public key"),
        ec if ec.starts_with("EC ") => Some("an EC key"),
        _ => Some("something that is no private key"),
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kind())
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA, {bits} bits"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::signature::{self, KeyPair, UnparsedPublicKey};

    use super::*;

    /// Throw-away keys, made for these tests.
    pub const RSA_PKCS1: &str = include_str!("../../../tests/conformance/vectors/kalshi/test_keys/rsa2048_pkcs1.pem");
    const RSA_PKCS8: &str = include_str!("../../../tests/conformance/vectors/kalshi/test_keys/rsa2048_pkcs8.pem");
    pub const ED25519: &str = include_str!("../../../tests/conformance/vectors/kalshi/test_keys/ed25519_pkcs8.pem");
    const PUBLIC: &str = include_str!("../../../tests/conformance/vectors/kalshi/test_keys/rsa2048_pub_spki.pem");
    const EC_PKCS8: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";

    fn refusal(pem: &str) -> String {
        SigningKey::from_pem(pem.as_bytes()).expect_err(pem).to_string()
    }

    #[test]
    fn the_kind_is_found_by_parsing() {
        for (pem, kind) in [(RSA_PKCS1, KeyKind::Rsa { bits: 2048 }), (RSA_PKCS8, KeyKind::Rsa { bits: 2048 }), (ED25519, KeyKind::Ed25519)]
        {
            assert_eq!(SigningKey::from_pem(pem.as_bytes()).expect("key").kind(), kind);
        }
    }

    #[test]
    fn signatures_verify_with_the_public_half() {
        let key = SigningKey::from_pem(RSA_PKCS8.as_bytes()).expect("key");
        let signature = key.sign(b"1GET/x").expect("signature");
        let SigningKey::Rsa(pair) = &key else { panic!("RSA") };
        let public = UnparsedPublicKey::new(&signature::RSA_PSS_2048_8192_SHA256, pair.public().as_ref());
        public.verify(b"1GET/x", &signature).expect("verifies");
        assert!(public.verify(b"2GET/x", &signature).is_err());
        let key = SigningKey::from_pem(ED25519.as_bytes()).expect("key");
        let SigningKey::Ed25519(pair) = &key else { panic!("Ed25519") };
        let public = UnparsedPublicKey::new(&signature::ED25519, pair.public_key().as_ref());
        public.verify(b"1GET/x", &key.sign(b"1GET/x").expect("signature")).expect("verifies");
    }

    #[test]
    fn every_other_pem_is_named_in_one_line() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        assert!(refusal(PUBLIC).contains("a public key"));
        assert!(refusal(EC_PKCS8).contains("an EC key"));
        assert!(refusal(&pem("EC PRIVATE KEY")).contains("an EC key"));
        assert!(refusal(&pem("CERTIFICATE")).contains("a certificate"));
        assert!(refusal(&pem("ENCRYPTED PRIVATE KEY")).contains("an encrypted key"));
        assert!(refusal(&pem("OPENSSH PRIVATE KEY")).contains("an OpenSSH key"));
        assert!(refusal("no pem").contains("no PEM"));
        assert!(refusal(&pem("RSA PRIVATE KEY")).contains("refused"));
        assert!(refusal(&RSA_PKCS8.replace("MIIE", "M!!E")).contains("damaged"));
        for text in [refusal(PUBLIC), refusal(EC_PKCS8), refusal("")] {
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = std::env::temp_dir().join(format!("arbees-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let path = folder.join("key.pem");
        assert_eq!(SigningKey::from_file(&path).expect_err("missing"), KeyFileError::Missing { path: path.clone() }.into());
        std::fs::write(&path, ED25519).expect("file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        assert_eq!(SigningKey::from_file(&path).expect_err("open"), KeyFileError::Exposed { path: path.clone(), mode: 0o640 }.into());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        assert_eq!(SigningKey::from_file(&path).expect("key").kind(), KeyKind::Ed25519);
        assert!(matches!(SigningKey::from_file(&folder), Err(KeyError::File(KeyFileError::Unreadable { .. }))));
        std::fs::remove_dir_all(&folder).expect("clean");
    }

    #[test]
    fn debug_shows_the_kind_and_nothing_else() {
        let key = SigningKey::from_pem(ED25519.as_bytes()).expect("key");
        assert_eq!(format!("{key:?}"), "SigningKey(Ed25519)");
    }
}
