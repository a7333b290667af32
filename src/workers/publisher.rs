//! Durable records to the bus, from a cursor, and ranges of them on request. What can't be published is published
//! when the bus is back; receivers notice gaps by the sequence and read ranges.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::narrator::Narrator;
use crate::bus::Bus;
use crate::bus::envelope::{RANGE_BYTES_MAX, RANGE_RECORDS_MAX, RangeReply, RangeRequest, decode, encode};
use crate::crash_points::{Point, reach};
use crate::event_log::EventStore;

const RETRY_MS: u64 = 200;
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;

pub struct Publisher {
    pub bus: Arc<dyn Bus>,
    pub log: Arc<dyn EventStore>,
    /// Subject of the records.
    pub events: String,
    /// Subject of range reads.
    pub log_read: String,
}

impl Publisher {
    /// Publishes every record after `from_seq`. Runs until the process ends.
    pub async fn run(self, from_seq: u64, mut durable: watch::Receiver<u64>) {
        let mut narrator = Narrator::default();
        let mut published = from_seq;
        let mut connects = self.bus.state().borrow().connects;
        loop {
            let records = match self.log.read_from(published + 1, BATCH_RECORDS, BATCH_BYTES) {
                Ok(records) => records,
                Err(error) => {
                    tracing::error!("records can't be read for publishing: {error}");
                    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                    continue;
                }
            };
            if records.is_empty() {
                if durable.changed().await.is_err() {
                    return;
                }
                continue;
            }
            // Risk waits for the records, nobody for the lines; but when the bus is gone, people want to read them now.
            let lines_first = !self.bus.is_connected();
            if lines_first {
                records.iter().for_each(|record| narrator.tell(self.log.mode(), record));
            }
            for record in &records {
                let payload = Bytes::copy_from_slice(&record.bytes);
                reach(Point::PublishBefore);
                while self.bus.publish(&self.events, payload.clone(), None).await.is_err() {
                    let _ = self.bus.wait_connected(Duration::from_secs(1)).await;
                    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                }
                published = record.seq;
                reach(Point::PublishAfter);
            }
            if !lines_first {
                records.iter().for_each(|record| narrator.tell(self.log.mode(), record));
            }
            // Records that were under way when the link broke are fetched as a range by whoever misses them.
            let now = self.bus.state().borrow().connects;
            if now != connects {
                tracing::info!("the bus is back; records are published from {published} on");
                connects = now;
            }
        }
    }
}

/// Answers range reads. Runs until the process ends.
pub async fn serve_ranges(bus: Arc<dyn Bus>, log: Arc<dyn EventStore>, subject: String) {
    loop {
        let mut questions = match bus.subscribe(&subject).await {
            Ok(questions) => questions,
            Err(error) => {
                tracing::warn!("range reads can't be offered yet: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                continue;
            }
        };
        while let Some(question) = questions.next().await {
            let Ok(request) = decode::<RangeRequest>(&question.payload) else { continue };
            let reply = range(&*log, request);
            if let Err(error) = bus.reply(&question, encode(&reply).into()).await {
                tracing::warn!("a range could not be sent: {error}");
            }
        }
    }
}

fn range(log: &dyn EventStore, request: RangeRequest) -> RangeReply {
    let request = request.clamped();
    let head_seq = log.head().seq;
    let (records_max, bytes_max) = (request.max_records.min(RANGE_RECORDS_MAX) as usize, request.max_bytes.min(RANGE_BYTES_MAX) as usize);
    let records = log.read_from(request.from_seq, records_max, bytes_max).unwrap_or_default();
    RangeReply::gather(request, head_seq, records.iter().map(|record| &*record.bytes))
}
