//! One owner: `demo` and `live` send only while their leases are sure to be theirs (design §2.6).
//!
//! A lease counts from the moment *before* its last renewal was asked for, by the monotonic clock (and the wall clock,
//! because a machine that slept didn't count), and ends a margin before the server forgets it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bus::{Bus, LEASE_TTL_MS, LeaseError};
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::time::Now;

/// Between two renewals: several may fail before the lease ends.
const RENEW_EVERY: Duration = Duration::from_millis(LEASE_TTL_MS as u64 / 5);
/// Our life of a lease is this much shorter than the server's: what was sent last has arrived by then.
const MARGIN_MS: i64 = 3_000;
/// A restarted engine waits for its own old lease this long.
const TAKE_WITHIN_MS: i64 = LEASE_TTL_MS + 5_000;
/// Writes spent to lift a new bucket's revision above the log's last epoch.
const LIFTS_MAX: u64 = 200_000;

/// Whether orders may leave this process now. Cheap to ask, from any thread.
#[derive(Debug)]
pub struct Lease {
    key: String,
    holder: String,
    revision: AtomicU64,
    mono_until: AtomicI64,
    wall_until: AtomicI64,
    lost: Mutex<Option<String>>,
}

impl Lease {
    /// Takes the lease, waiting for an old one of a crashed engine to run out.
    ///
    /// Errors: held by another engine, or no NATS server with JetStream.
    pub async fn take(bus: &dyn Bus, clock: &Clock, key: &str, holder: &str, after_epoch: u64) -> Result<Self, String> {
        let began = clock.now().mono;
        let mut waiting = false;
        loop {
            let asked_at = clock.now();
            match bus.lease_take(key, Bytes::copy_from_slice(holder.as_bytes()), None).await {
                Ok(revision) => {
                    let lease = Self {
                        key: key.to_owned(),
                        holder: holder.to_owned(),
                        revision: AtomicU64::new(revision),
                        mono_until: AtomicI64::new(0),
                        wall_until: AtomicI64::new(0),
                        lost: Mutex::default(),
                    };
                    lease.renewed(asked_at, revision);
                    lease.lift(bus, clock, after_epoch).await?;
                    return Ok(lease);
                }
                Err(error) if clock.now().mono >= began.plus_ms(TAKE_WITHIN_MS) => {
                    return Err(format!(
                        "lease {key}: {error}. There is one owner of an account and one risk consumer; stop the other one first"
                    ));
                }
                Err(LeaseError::Held { by }) if !waiting => {
                    tracing::warn!("lease {key} is held by {by}; waiting up to {} s for it to end", TAKE_WITHIN_MS / 1_000);
                    waiting = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// A bucket that was made anew counts from 1; the log's epochs must not go back.
    async fn lift(&self, bus: &dyn Bus, clock: &Clock, after_epoch: u64) -> Result<(), String> {
        let mut lifts = 0;
        while self.revision() <= after_epoch {
            lifts += 1;
            if lifts > LIFTS_MAX {
                return Err(format!("lease {}: revision {} is far behind the log's epoch {after_epoch}", self.key, self.revision()));
            }
            self.renew(bus, clock).await.map_err(|error| format!("lease {}: {error}", self.key))?;
        }
        Ok(())
    }

    async fn renew(&self, bus: &dyn Bus, clock: &Clock) -> Result<(), LeaseError> {
        let asked_at = clock.now();
        let holder = Bytes::copy_from_slice(self.holder.as_bytes());
        reach(Point::LeaseRenewBefore);
        let revision = bus.lease_take(&self.key, holder, Some(self.revision())).await?;
        reach(Point::LeaseRenewAfter);
        self.renewed(asked_at, revision);
        Ok(())
    }

    fn renewed(&self, asked_at: Now, revision: u64) {
        self.revision.store(revision, Ordering::Relaxed);
        self.mono_until.store(asked_at.mono.plus_ms(LEASE_TTL_MS - MARGIN_MS).0, Ordering::Relaxed);
        self.wall_until.store(asked_at.wall.plus_ms(LEASE_TTL_MS - MARGIN_MS).nanos(), Ordering::Relaxed);
    }

    /// What is leased, without whose: `engine`, `risk`, `account.kalshi`.
    pub fn kind(&self) -> &str {
        let parts = if self.key.starts_with("account.") { 2 } else { 1 };
        self.key.match_indices('.').nth(parts - 1).map_or(&self.key, |(end, _)| &self.key[..end])
    }

    /// The epoch of a session that begins now.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// Why nothing may be sent now, if so.
    pub fn objection(&self, now: Now) -> Option<String> {
        if let Some(why) = self.lost.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Some(format!("lease {} is lost: {why}", self.key));
        }
        let over = now.mono.0 >= self.mono_until.load(Ordering::Relaxed) || now.wall.nanos() >= self.wall_until.load(Ordering::Relaxed);
        over.then(|| format!("lease {} was not renewed in time", self.key))
    }

    /// Renews until the lease is lost to somebody else; tells why then and returns.
    async fn keep(self: Arc<Self>, bus: Arc<dyn Bus>, clock: Clock, lost: watch::Sender<Option<String>>) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.renew(&*bus, &clock).await {
                Ok(()) => {}
                Err(LeaseError::Held { by }) => {
                    let why = format!("taken over, now held by {by}");
                    *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
                    let _ = lost.send(Some(format!("lease {}: {why}", self.key)));
                    return;
                }
                Err(LeaseError::Bus(error)) => tracing::warn!("lease {} could not be renewed: {error}", self.key),
            }
        }
    }

    /// At a clean end the next engine need not wait.
    async fn give_back(&self, bus: &dyn Bus) {
        if let Err(error) = bus.lease_give_back(&self.key, self.revision()).await {
            tracing::warn!("lease {} ends by itself in {} s: {error}", self.key, LEASE_TTL_MS / 1_000);
        }
    }
}

/// Leases that are being kept, from the moment they were taken.
pub struct Ownership {
    leases: Vec<Arc<Lease>>,
    keepers: Vec<JoinHandle<()>>,
    lost: watch::Receiver<Option<String>>,
}

impl Ownership {
    /// Takes each `(key, after_epoch)`, the first one's revision is the epoch, and keeps them. None: nothing is owned.
    ///
    /// Errors: held by another engine, or no NATS server with JetStream.
    pub async fn take(bus: &Arc<dyn Bus>, clock: &Clock, holder: &str, keys: &[(String, u64)]) -> Result<Self, String> {
        let (told, lost) = watch::channel(None);
        let mut ownership = Self { leases: Vec::new(), keepers: Vec::new(), lost };
        for (key, after_epoch) in keys {
            match Lease::take(&**bus, clock, key, holder, *after_epoch).await {
                Ok(lease) => {
                    reach(Point::StartLeaseTaken);
                    let lease = Arc::new(lease);
                    ownership.keepers.push(tokio::spawn(Arc::clone(&lease).keep(Arc::clone(bus), clock.clone(), told.clone())));
                    ownership.leases.push(lease);
                }
                Err(error) => {
                    ownership.give_back(&**bus).await;
                    return Err(error);
                }
            }
        }
        Ok(ownership)
    }

    /// Of a session that begins under it; `None` where nothing is owned.
    pub fn epoch(&self) -> Option<u64> {
        self.leases.first().map(|lease| lease.revision())
    }

    /// The lease with this key, if it is among them.
    pub fn lease(&self, key: &str) -> Option<Arc<Lease>> {
        self.leases.iter().find(|lease| lease.key == key).cloned()
    }

    pub fn leases(&self) -> &[Arc<Lease>] {
        &self.leases
    }

    /// Why nothing may be sent or written now, if so.
    pub fn objection(&self, now: Now) -> Option<String> {
        self.leases.iter().find_map(|lease| lease.objection(now))
    }

    /// Tells when a lease was taken over by somebody else.
    pub fn lost(&self) -> watch::Receiver<Option<String>> {
        self.lost.clone()
    }

    /// Keeps them no longer, and frees them.
    pub async fn give_back(mut self, bus: &dyn Bus) {
        for keeper in self.keepers.drain(..) {
            keeper.abort();
            // A renewal on its way would leave a revision that isn't known here.
            let _ = keeper.await;
        }
        for lease in &self.leases {
            lease.give_back(bus).await;
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
    }
}
