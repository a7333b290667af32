//! The wallet's private key: what signs orders, and the words that create an API key.

use std::fmt;
use std::path::Path;

use alloy_primitives::{Address, B256, hex};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey, SignOnly};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretBox};
use thiserror::Error;

use super::address::EvmAddress;
use crate::venues::key_file::{self, KeyFileError};

/// A key is 66 characters; a file with more than a few lines around it holds something else.
const KEY_FILE_BYTES_MAX: u64 = 4 * 1024;

/// Each in one line, with what to do about it; none repeats a character of the key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WalletKeyError {
    #[error("Polymarket key {0}")]
    File(#[from] KeyFileError),
    #[error("Polymarket key: this is {found}; needed is the wallet's private key: 64 hex digits, with or without 0x")]
    OtherKind { found: &'static str },
    #[error("Polymarket key: 64 hex digits, but no private key of the curve")]
    OffCurve,
}

struct Secret(SecretKey);

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.non_secure_erase();
    }
}

/// Its `Debug` shows the address and nothing else.
pub struct WalletKey {
    secret: SecretBox<Secret>,
    context: Secp256k1<SignOnly>,
    address: EvmAddress,
}

impl WalletKey {
    pub fn from_text(text: &str) -> Result<Self, WalletKeyError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(WalletKeyError::OtherKind { found: found(text, digits) });
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| WalletKeyError::OffCurve)?;
        let mut secret = SecretKey::from_byte_array(*bytes).map_err(|_| WalletKeyError::OffCurve)?;
        let mut context = Secp256k1::signing_only();
        // Blinds what signing takes and how long against whoever measures it; without randomness it signs all the same.
        let mut seed = Zeroizing::new([0; 32]);
        if SystemRandom::new().fill(seed.as_mut_slice()).is_ok() {
            context.seeded_randomize(&seed);
        }
        let public = PublicKey::from_secret_key(&context, &secret).serialize_uncompressed();
        let address = EvmAddress::from_alloy(Address::from_raw_public_key(&public[1..]));
        let kept = SecretBox::new(Box::new(Secret(secret)));
        secret.non_secure_erase();
        Ok(Self { secret: kept, context, address })
    }

    /// Reads a file that nobody but its owner can read.
    pub fn from_file(path: &Path) -> Result<Self, WalletKeyError> {
        let bytes = key_file::read(path, KEY_FILE_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| WalletKeyError::OtherKind { found: "no text" })?;
        Self::from_text(text)
    }

    /// Of the account that this key owns.
    pub fn address(&self) -> EvmAddress {
        self.address
    }

    /// r, s and v (27 or 28): deterministic (RFC 6979), with the lower of the two possible s.
    pub fn sign(&self, digest: B256) -> [u8; 65] {
        let signature = self.context.sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret.expose_secret().0);
        let (recovery, rs) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&rs);
        bytes[64] = 27 + u8::from(i32::from(recovery) & 1 != 0);
        bytes
    }

    /// A key for another purpose, which says nothing of this one.
    pub(super) fn derived(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(self.secret.expose_secret().0.secret_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice());
        let mut derived = Zeroizing::new([0; 32]);
        derived.copy_from_slice(hmac::sign(&key, purpose).as_ref());
        derived
    }
}

/// What people put here instead, in words that repeat none of it.
fn found(text: &str, digits: &str) -> &'static str {
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (digits.len(), hex) {
        (0, _) => "empty",
        (40, true) => "an address",
        (128 | 130, true) => "a public key",
        (_, true) => "hex of another length",
        _ if text.contains("-----BEGIN") => "a PEM file",
        _ if text.starts_with('{') => "JSON, perhaps an encrypted keystore",
        _ if text.split_whitespace().count() >= 12 => "a list of words, perhaps a seed phrase",
        _ => "something else",
    }
}

impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletKey({})", self.address)
    }
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

    use super::*;

    /// The first account of every local test chain; it has never held anything.
    pub const TEST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const TEST_ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn the_address_follows_from_the_key_however_it_is_written() {
        let upper = TEST_KEY[2..].to_uppercase();
        for text in [TEST_KEY, &TEST_KEY[2..], &format!("0X{upper}"), &format!(" {TEST_KEY}\n")] {
            assert_eq!(WalletKey::from_text(text).expect("key").address().checksum(), TEST_ADDRESS);
        }
    }

    #[test]
    fn what_is_no_key_is_named_in_one_line_that_shows_none_of_it() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        let cases = [
            ("", "empty"),
            (TEST_ADDRESS, "an address"),
            (&TEST_KEY[..65], "another length"),
            (words, "seed phrase"),
            ("{\"crypto\": 1}", "keystore"),
            ("-----BEGIN EC PRIVATE KEY-----", "PEM"),
            (&format!("{}zz", &TEST_KEY[..64]), "something else"),
            (order, "no private key of the curve"),
            (&"0".repeat(64), "no private key of the curve"),
        ];
        for (text, words) in cases {
            let error = WalletKey::from_text(text).expect_err(text).to_string();
            assert!(error.contains(words) && error.lines().count() == 1, "{error}");
            assert!(text.len() < 6 || !error.contains(&text[..6]), "{error}");
        }
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("arbees-wallet-{}", std::process::id()));
        assert!(WalletKey::from_file(&path).expect_err("missing").to_string().starts_with("Polymarket key file /"));
        std::fs::write(&path, format!("{TEST_KEY}\n")).expect("file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        let error = WalletKey::from_file(&path).expect_err("open");
        assert_eq!(error, KeyFileError::Exposed { path: path.clone(), mode: 0o644 }.into());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).expect("mode");
        assert_eq!(WalletKey::from_file(&path).expect("key").address().checksum(), TEST_ADDRESS);
        std::fs::remove_file(&path).expect("clean");
    }

    #[test]
    fn signing_twice_gives_the_same_bytes_and_the_signer_is_found_again() {
        let key = WalletKey::from_text(TEST_KEY).expect("key");
        for byte in 0..32 {
            let digest = B256::repeat_byte(byte);
            let signature = key.sign(digest);
            assert_eq!(key.sign(digest), signature);
            assert!(signature[64] == 27 || signature[64] == 28);
            assert!(signature[32] < 0x80, "the lower s");
            let recovery = RecoveryId::try_from(i32::from(signature[64] - 27)).expect("recovery");
            let parsed = RecoverableSignature::from_compact(&signature[..64], recovery).expect("signature");
            let public =
                Secp256k1::new().recover_ecdsa(Message::from_digest(digest.0), &parsed).expect("public key").serialize_uncompressed();
            assert_eq!(EvmAddress::from_alloy(Address::from_raw_public_key(&public[1..])), key.address());
        }
    }

    #[test]
    fn debug_shows_the_address_and_nothing_else() {
        let key = WalletKey::from_text(TEST_KEY).expect("key");
        assert_eq!(format!("{key:?}"), format!("WalletKey({TEST_ADDRESS})"));
    }
}
