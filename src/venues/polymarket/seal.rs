//! Signatures at rest. A signed order is valid for as long as it isn't cancelled or filled, so its signature is kept for
//! resending, but sealed: neither the log nor what is published of it lets anybody send it who hasn't the wallet's key.

use std::fmt;

use alloy_primitives::B256;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use thiserror::Error;

use super::key::WalletKey;

const SEAL: &[u8] = b"arbees polymarket signature seal v1";
const NONCE: &[u8] = b"arbees polymarket signature nonce v1";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the order's sealed signature can't be opened: it was sealed with another wallet's key, or it is damaged")]
pub struct SealError;

/// Made from the wallet's key: who can open the seal could as well sign anew.
pub struct Sealer {
    key: LessSafeKey,
    nonces: hmac::Key,
}

impl Sealer {
    pub fn new(key: &WalletKey) -> Self {
        let sealing = UnboundKey::new(&AES_256_GCM, key.derived(SEAL).as_slice()).expect("Invariant: a key of 32 bytes");
        Self { key: LessSafeKey::new(sealing), nonces: hmac::Key::new(hmac::HMAC_SHA256, key.derived(NONCE).as_slice()) }
    }

    /// The nonce, which follows from the order's hash and the signature, then the sealed signature. The same input gives the
    /// same bytes, and two encodings of one order's signature never share a nonce.
    pub fn seal(&self, order_id: B256, signature: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.nonces);
        context.update(order_id.as_slice());
        context.update(signature);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
        let mut sealed = Vec::with_capacity(NONCE_LEN + signature.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(signature);
        let aad = Aad::from(order_id.as_slice());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed[NONCE_LEN..])
            .expect("Invariant: a signature is short");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    pub fn unseal(&self, order_id: B256, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let mut opened = sealed.to_vec();
        let aad = Aad::from(order_id.as_slice());
        let length = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut opened).map_err(|_| SealError)?.len();
        opened.truncate(length);
        Ok(opened)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::TEST_KEY;
    use super::*;

    fn sealer(key: &str) -> Sealer {
        Sealer::new(&WalletKey::from_text(key).expect("key"))
    }

    #[test]
    fn only_the_same_key_and_the_same_order_open_a_seal() {
        let (mine, other) = (sealer(TEST_KEY), sealer(&"11".repeat(32)));
        let (order, signature) = (B256::repeat_byte(7), [9; 65]);
        let sealed = mine.seal(order, &signature);
        assert_eq!(mine.seal(order, &signature), sealed, "the same bytes each time");
        assert_eq!(mine.unseal(order, &sealed).as_deref(), Ok(signature.as_slice()));
        assert_eq!(other.unseal(order, &sealed), Err(SealError));
        assert_eq!(mine.unseal(B256::repeat_byte(8), &sealed), Err(SealError));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(mine.unseal(order, &damaged), Err(SealError), "{at}");
            assert_eq!(mine.unseal(order, &sealed[..at]), Err(SealError), "{at}");
        }
        assert!(!sealed.windows(8).any(|window| window == [9; 8]));
    }

    #[test]
    fn two_signatures_of_one_order_never_share_a_nonce() {
        let sealer = sealer(TEST_KEY);
        let (plain, wrapped) = (sealer.seal(B256::ZERO, &[1; 65]), sealer.seal(B256::ZERO, &[1; 317]));
        assert_ne!(plain[..NONCE_LEN], wrapped[..NONCE_LEN]);
    }
}
