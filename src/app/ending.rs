//! The end of a session in order: nothing opens, the venues' answers are awaited, the last record is written, leases go back.

use std::time::Duration;

use super::Running;
use crate::config::StopSettings;
use crate::crash_points::{Point, reach};
use crate::engine::{Engine, Input};
use crate::event_log::EventStore;
use crate::workers::notifier::END_MS;

/// How long the last records may take at the end.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// How long the last notifications may take: a little more than they give themselves.
const NOTIFY_WAIT: Duration = Duration::from_millis(END_MS + 500);

impl Running {
    /// Takes on nothing more, cancels what rests where that is wanted, and waits for the venues' answers as long as the settings say.
    /// `cancels`: whatever the settings say.
    pub async fn drained(&self, cancels: bool) {
        let StopSettings { cancels_resting, wait_ms } = self.stop;
        self.engine.input(Input::Drain { cancel_resting: cancels || cancels_resting });
        let quiet = async {
            while self.engine.query(|engine| engine.halted().is_none() && engine.in_the_air().next().is_some()).await == Some(true) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms.into()), quiet).await;
    }

    /// Waits for the answers to the cancels that a halt has sent, as long as the settings say.
    pub async fn cancelled(&self) {
        let answered = async {
            while self.engine.query(|engine| engine.last_cancels() > 0).await == Some(true) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(self.stop.wait_ms.into()), answered).await;
    }

    /// Tells each order of which the venue's word is still to come. How many those are.
    pub async fn left_in_the_air(&self) -> usize {
        let told = |engine: &Engine| {
            let line = |record: &crate::projections::OrderRecord| {
                let order = &record.order;
                format!("order {} on {} is {}", order.order_id, order.instrument.book_key(), record.state.as_str())
            };
            engine.in_the_air().map(line).collect::<Vec<_>>()
        };
        let left = self.engine.query(told).await.unwrap_or_default();
        for line in &left {
            tracing::warn!("{line} at the end: its venue is asked again at the next start");
        }
        left.len()
    }

    /// Ends the session: no more signals, the last record written and published.
    pub async fn stop(self) {
        let _ = self.http_stop.send(true);
        self.engine.input(Input::Stop);
        let _ = tokio::time::timeout(STOP_WAIT, self.main).await;
        reach(Point::StopAsked);
        let _ = tokio::time::timeout(STOP_WAIT, flushed(&*self.log)).await;
        reach(Point::StopFlushed);
        let _ = self.written.send(true);
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        if let Some(ownership) = self.ownership {
            ownership.give_back(&*self.bus).await;
        }
        // Last of all: nothing else waits for the people's channel.
        if let Some(mut notifier) = self.notifier
            && tokio::time::timeout(NOTIFY_WAIT, &mut notifier).await.is_err()
        {
            notifier.abort();
        }
    }
}

/// Everything handed to the log is on disk.
async fn flushed(log: &dyn EventStore) {
    while log.queue_len() > 0 && log.failed().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
