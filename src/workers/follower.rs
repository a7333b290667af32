//! Durable records, each once and in order, for whoever counts them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::event::Recorded;
use crate::event_log::EventStore;

const RETRY_MS: u64 = 200;
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;

/// Gives every record after `from_seq` to `take`. Runs until the process ends.
pub async fn follow(log: Arc<dyn EventStore>, from_seq: u64, mut durable: watch::Receiver<u64>, mut take: impl FnMut(&Recorded)) {
    let mut taken = from_seq;
    loop {
        match log.read_from(taken + 1, BATCH_RECORDS, BATCH_BYTES) {
            Err(error) => {
                tracing::warn!("records can't be read for counting: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
            Ok(records) if records.is_empty() => {
                if durable.changed().await.is_err() {
                    return;
                }
            }
            Ok(records) => {
                for record in records {
                    taken = record.seq;
                    match record.decode() {
                        Ok(stored) => take(&stored.recorded),
                        Err(error) => tracing::warn!("record {taken} can't be counted: {error}"),
                    }
                }
            }
        }
    }
}
