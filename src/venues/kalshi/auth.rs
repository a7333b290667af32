//! The three headers of a request, signed over `{ms}{METHOD}{path without query}`; the body is not signed, so headers of
//! orders and cancels can be made ahead of need (`kalshi.md` §1).

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use thiserror::Error;
use tokio::sync::Notify;

use super::key::{KeyError, KeyKind, SigningKey};
use crate::clock::Clock;
use crate::domain::time::Now;

/// Half of what the venue was seen to accept in the past at the least (`kalshi.md` §1: 5 s), less the way there.
const HEADER_AGE_MS_MAX: i64 = 2_000;
/// A burst of this many orders finds its headers ready.
const READY_MAX: usize = 8;
/// Cancels that follow their order within `HEADER_AGE_MS_MAX` find theirs ready.
const CANCELS_MAX: usize = 64;
const REFILL_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Error)]
#[error("KALSHI_API_KEY_ID must be 1 to 128 visible ASCII characters: the id of the key, not the key itself")]
pub struct KeyIdError;

/// The public name of a key.
#[derive(Clone)]
pub struct KeyId(HeaderValue);

impl KeyId {
    pub fn new(text: &str) -> Result<Self, KeyIdError> {
        let fits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { HeaderValue::from_str(text).map(Self).map_err(|_| KeyIdError) } else { Err(KeyIdError) }
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyId(..)")
    }
}

/// Ready for one request, at one time, to one path.
#[derive(Clone)]
pub struct SignedHeaders {
    pub key: HeaderValue,
    pub timestamp: HeaderValue,
    pub signature: HeaderValue,
    signed_at: Now,
}

impl SignedHeaders {
    pub const KEY: &'static str = "KALSHI-ACCESS-KEY";
    pub const TIMESTAMP: &'static str = "KALSHI-ACCESS-TIMESTAMP";
    pub const SIGNATURE: &'static str = "KALSHI-ACCESS-SIGNATURE";

    pub fn pairs(self) -> [(&'static str, HeaderValue); 3] {
        [(Self::KEY, self.key), (Self::TIMESTAMP, self.timestamp), (Self::SIGNATURE, self.signature)]
    }

    /// Young by the monotonic clock, and the wall clock was not set meanwhile.
    fn fresh(&self, now: Now) -> bool {
        let age = |later: i64, earlier: i64| later.saturating_sub(earlier) / 1_000_000;
        let by_mono = age(now.mono.0, self.signed_at.mono.0);
        let by_wall = age(now.wall.nanos(), self.signed_at.wall.nanos());
        (0..=HEADER_AGE_MS_MAX).contains(&by_mono) && (0..=HEADER_AGE_MS_MAX).contains(&by_wall)
    }
}

/// Whether somebody waits for this signature while a price may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    Hot,
    Cold,
}

pub struct Signer {
    key_id: KeyId,
    key: SigningKey,
    clock: Clock,
    /// The one path whose POST headers are kept ready: that of orders.
    order_path: String,
    ready: Mutex<VecDeque<SignedHeaders>>,
    cancels: Mutex<VecDeque<(String, SignedHeaders)>>,
    taken: Notify,
    rsa_hot: AtomicU64,
}

impl Signer {
    pub fn new(key_id: KeyId, key: SigningKey, clock: Clock, order_path: String) -> Self {
        Self {
            key_id,
            key,
            clock,
            order_path,
            ready: Mutex::default(),
            cancels: Mutex::default(),
            taken: Notify::new(),
            rsa_hot: AtomicU64::new(0),
        }
    }

    pub fn key_kind(&self) -> KeyKind {
        self.key.kind()
    }

    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// RSA operations that an order or a cancel had to wait for.
    pub fn rsa_on_hot_path(&self) -> u64 {
        self.rsa_hot.load(Ordering::Relaxed)
    }

    /// Headers of an order: a ready pair, used once, or signed here and now.
    pub fn for_order(&self) -> Result<SignedHeaders, KeyError> {
        let now = self.clock.now();
        let mut ready = locked(&self.ready);
        while let Some(headers) = ready.pop_front() {
            if headers.fresh(now) {
                drop(ready);
                self.taken.notify_one();
                return Ok(headers);
            }
        }
        drop(ready);
        self.taken.notify_one();
        self.sign("POST", &self.order_path, Haste::Hot)
    }

    /// Headers of a cancel at this path: made ahead by `prepare_cancel`, or signed here and now.
    pub fn for_cancel(&self, path: &str) -> Result<SignedHeaders, KeyError> {
        let now = self.clock.now();
        let mut cancels = locked(&self.cancels);
        let found = cancels.iter().position(|(ready, _)| ready == path).and_then(|at| cancels.remove(at));
        drop(cancels);
        match found {
            Some((_, headers)) if headers.fresh(now) => Ok(headers),
            _ => self.sign("DELETE", path, Haste::Hot),
        }
    }

    /// Called off the hot path, once an order's id is known.
    pub fn prepare_cancel(&self, path: &str) -> Result<(), KeyError> {
        if matches!(self.key, SigningKey::Ed25519(_)) {
            return Ok(());
        }
        let headers = self.sign("DELETE", path, Haste::Cold)?;
        let mut cancels = locked(&self.cancels);
        if cancels.len() >= CANCELS_MAX {
            cancels.pop_front();
        }
        cancels.push_back((path.to_owned(), headers));
        Ok(())
    }

    /// `path` from the root of the host, percent-encoded as sent, without a query.
    pub fn sign(&self, method: &str, path: &str, haste: Haste) -> Result<SignedHeaders, KeyError> {
        if haste == Haste::Hot && matches!(self.key, SigningKey::Rsa(_)) {
            self.rsa_hot.fetch_add(1, Ordering::Relaxed);
        }
        let signed_at = self.clock.now();
        let timestamp = signed_at.wall.ms().to_string();
        let signature = STANDARD.encode(self.key.sign(format!("{timestamp}{method}{path}").as_bytes())?);
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| KeyError::Signing);
        let mut signature = value(&signature)?;
        signature.set_sensitive(true);
        Ok(SignedHeaders { key: self.key_id.0.clone(), timestamp: value(&timestamp)?, signature, signed_at })
    }

    /// Throws away what is old, or will be before the next round, and signs anew. About 0.5 ms a signature (RSA).
    fn refill(&self) {
        let lasting = |now: Now| Now { wall: now.wall.plus_ms(REFILL_MS), mono: now.mono.plus_ms(REFILL_MS) };
        locked(&self.ready).retain(|headers| headers.fresh(lasting(self.clock.now())));
        while locked(&self.ready).len() < READY_MAX {
            let Ok(headers) = self.sign("POST", &self.order_path, Haste::Cold) else { return };
            locked(&self.ready).push_back(headers);
        }
    }

    pub fn ready(&self) -> usize {
        locked(&self.ready).len()
    }
}

const REFILL_MS: i64 = 500;

/// Keeps order headers ready until the signer is dropped; returns at once for Ed25519, which needs no pool.
pub async fn keep_ready(signer: Weak<Signer>) {
    while let Some(signer) = signer.upgrade() {
        if matches!(signer.key, SigningKey::Ed25519(_)) {
            return;
        }
        let filling = Arc::clone(&signer);
        if tokio::task::spawn_blocking(move || filling.refill()).await.is_err() {
            return;
        }
        // The signer is held while waiting, so it lives at most this much longer than its owner.
        let _ = tokio::time::timeout(REFILL_EVERY, signer.taken.notified()).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{ED25519, RSA_PKCS1};
    use super::*;
    use crate::clock::ClockHand;
    use crate::domain::time::Time;

    const ORDERS: &str = "/trade-api/v2/portfolio/events/orders";

    fn signer(pem: &str) -> (Arc<Signer>, ClockHand) {
        let (clock, hand) = Clock::manual(Time::from_ms(1_703_123_456_789));
        let key = SigningKey::from_pem(pem.as_bytes()).expect("key");
        let id = KeyId::new("a952bcbe-ec3b-4b5b-b8f9-11dae589608c").expect("id");
        (Arc::new(Signer::new(id, key, clock, ORDERS.to_owned())), hand)
    }

    #[test]
    fn ready_headers_are_used_once_and_cost_no_rsa() {
        let (signer, _hand) = signer(RSA_PKCS1);
        signer.refill();
        assert_eq!(signer.ready(), READY_MAX);
        let first = signer.for_order().expect("headers");
        let second = signer.for_order().expect("headers");
        assert_ne!(first.signature, second.signature);
        assert_eq!((signer.ready(), signer.rsa_on_hot_path()), (READY_MAX - 2, 0));
    }

    #[test]
    fn an_empty_or_old_pool_signs_inline() {
        let (signer, hand) = signer(RSA_PKCS1);
        signer.for_order().expect("headers");
        assert_eq!(signer.rsa_on_hot_path(), 1);
        signer.refill();
        hand.advance_ms(2_001);
        assert_eq!(signer.for_order().expect("headers").timestamp, "1703123458790");
        assert_eq!((signer.ready(), signer.rsa_on_hot_path()), (0, 2));
    }

    #[test]
    fn a_clock_that_was_set_voids_what_was_signed() {
        let (signer, hand) = signer(RSA_PKCS1);
        signer.refill();
        hand.set_wall(Time::from_ms(1_703_123_400_000));
        assert_eq!(signer.for_order().expect("headers").timestamp, "1703123400000");
    }

    #[test]
    fn cancels_are_signed_ahead_within_bounds() {
        let (signer, hand) = signer(RSA_PKCS1);
        signer.prepare_cancel("/a").expect("signed");
        signer.for_cancel("/a").expect("headers");
        assert_eq!(signer.rsa_on_hot_path(), 0);
        signer.for_cancel("/a").expect("headers");
        assert_eq!(signer.rsa_on_hot_path(), 1, "each is used once");
        signer.prepare_cancel("/b").expect("signed");
        hand.advance_ms(3_000);
        signer.for_cancel("/b").expect("headers");
        assert_eq!(signer.rsa_on_hot_path(), 2, "old headers are not used");
    }

    #[test]
    fn ed25519_needs_no_pool_and_is_deterministic() {
        let (signer, _hand) = signer(ED25519);
        let sign = || signer.for_order().expect("headers").signature;
        assert_eq!(sign(), sign());
        assert_eq!(signer.rsa_on_hot_path(), 0);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let (signer, _hand) = signer(ED25519);
        assert_eq!(format!("{signer:?} {:?}", signer.key_id()), "Signer(Ed25519) KeyId(..)");
        assert!(KeyId::new("").is_err() && KeyId::new("a b").is_err() && KeyId::new("a\nb").is_err());
    }

    #[tokio::test]
    async fn the_background_task_refills_and_ends_with_its_signer() {
        let (signer, _hand) = signer(RSA_PKCS1);
        let task = tokio::spawn(keep_ready(Arc::downgrade(&signer)));
        while signer.ready() < READY_MAX {
            tokio::task::yield_now().await;
        }
        drop(signer);
        task.await.expect("ends");
    }
}
