//! Waits between two connections of a stream.

use std::collections::BTreeSet;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;

/// Doubled with each failure, and anything between half of that and all of it, so that clients don't come in step.
pub fn pause(failures: u32, back_off_ms: u64, back_off_ms_max: u64) -> Duration {
    let whole = back_off_ms.saturating_mul(1 << failures.min(16)).min(back_off_ms_max).max(2);
    let mut dice = [0u8; 8];
    // Without dice the longest wait is as good.
    let half = if SystemRandom::new().fill(&mut dice).is_ok() { u64::from_le_bytes(dice) % (whole / 2) } else { whole / 2 };
    Duration::from_millis(whole / 2 + half)
}

/// Waits until the handle is dropped; changes of what is wanted are read at the next start.
pub async fn handle_gone<T>(wanted: &mut watch::Receiver<BTreeSet<T>>) {
    while wanted.changed().await.is_ok() {}
}
