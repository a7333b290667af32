//! What the page shows: the present as the reading commands tell it, the day's funnel and curve, the last events. Made
//! once for all pages, and only while one is open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::desk::LiveDesk;
use crate::audit::today::Today;
use crate::audit::views::{self, OrderFilter};
use crate::bus::Link;
use crate::domain::event::Recorded;
use crate::event_log::EventStore;
use crate::http::{ApiError, Queries, Query};
use crate::projections::Projections;

const EVERY: Duration = Duration::from_millis(600);
const RETRY: Duration = Duration::from_millis(200);
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
const ORDERS_MAX: usize = 100;
/// Closed and settled ones, beside those held.
const CLOSED_MAX: usize = 20;
const EVENTS: usize = 40;

/// The day so far, counted while the log is opened and then as records come.
#[derive(Clone, Default)]
pub struct Counted(Arc<Mutex<Today>>);

impl Counted {
    fn with<T>(&self, run: impl FnOnce(&mut Today) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A record of an earlier session, and what the fold has come to with it.
    pub fn reread(&self, recorded: &Recorded, book: &Projections) {
        self.with(|today| {
            today.take(recorded, false);
            today.worth(recorded.recorded_at, book.cash.equity());
        });
    }

    /// Counts every record after `from_seq`. Runs until the process ends.
    pub async fn follow(self, log: Arc<dyn EventStore>, from_seq: u64, mut durable: watch::Receiver<u64>) {
        let mut counted = from_seq;
        loop {
            match log.read_from(counted + 1, BATCH_RECORDS, BATCH_BYTES) {
                Err(error) => {
                    tracing::warn!("records can't be read for the page: {error}");
                    tokio::time::sleep(RETRY).await;
                }
                Ok(records) if records.is_empty() => {
                    if durable.changed().await.is_err() {
                        return;
                    }
                }
                Ok(records) => {
                    for record in records {
                        counted = record.seq;
                        if let Ok(stored) = record.decode() {
                            self.with(|today| today.take(&stored.recorded, true));
                        }
                    }
                }
            }
        }
    }
}

/// Shows the present to whoever listens. Runs until the process ends.
pub async fn show(desk: Arc<LiveDesk>, counted: Counted, shown: watch::Sender<Arc<str>>) {
    let mut pause = tokio::time::interval(EVERY);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pause.tick().await;
        let now = desk.now();
        let Some(equity) = desk.engine.query(|engine| engine.book().cash.equity()).await else { return };
        counted.with(|today| today.worth(now, equity));
        if shown.receiver_count() == 0 {
            continue;
        }
        match snapshot(&desk, &counted).await {
            Ok(value) => drop(shown.send_replace(Arc::from(value.to_string()))),
            Err(error) => tracing::warn!("the page can't be brought up to date: {error}"),
        }
    }
}

async fn snapshot(desk: &LiveDesk, counted: &Counted) -> Result<Value, ApiError> {
    let ended = || ApiError::Unavailable("the engine has ended".to_owned());
    let taken = desk.engine.query(|engine| {
        let book = engine.book();
        let (held, mut closed): (Vec<_>, Vec<_>) = views::positions(book).into_iter().partition(|position| !position.quantity.is_zero());
        closed.truncate(CLOSED_MAX);
        json!({
            "positions": held,
            "closed": closed,
            "orders": views::orders(book, OrderFilter::Live, ORDERS_MAX),
            "exposure": views::exposure(book),
            "pnl": views::pnl(book),
            "limits": book.limits.as_ref().map(|limits| json!({
                "game": limits.game_exposure_max, "venue": limits.venue_exposure_max, "total": limits.total_exposure_max,
            })),
        })
    });
    let mut value = taken.await.ok_or_else(ended)?;
    value["status"] = desk.get(Query::Status).await?;
    value["events"] = desk.get(Query::Tail { from: None, limit: Some(EVENTS) }).await?["events"].take();
    value["today"] = json!(counted.with(|today| today.view()));
    value["at"] = json!(desk.now());
    let state = desk.bus.state().borrow().clone();
    value["bus"] = json!({ "connected": state.link == Link::Connected, "behind": state.signals_behind, "refused": state.refused });
    value["risk_silent_ms"] = json!(desk.risk_silent_nanos() / 1_000_000);
    Ok(value)
}
