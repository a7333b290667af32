//! What the page shows: the present as the reading commands tell it, the day's funnel and curve, the last events. Made
//! once for all pages, and only while one is open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::desk::{LiveDesk, reading};
use super::history::StoreHistory;
use crate::audit::today::{Today, TodayView};
use crate::audit::views::{self, EngineFacts, OrderFilter};
use crate::audit::{History, tail};
use crate::bus::Link;
use crate::domain::event::Recorded;
use crate::http::ApiError;
use crate::projections::Projections;
use crate::workers::stages::Took;

const EVERY: Duration = Duration::from_millis(600);
const ORDERS_MAX: usize = 100;
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
            today.take(recorded);
            today.worth(recorded.recorded_at, book.cash.equity());
        });
    }

    /// A record of this session, and the step that it ended.
    pub fn take(&self, recorded: &Recorded, took: Option<Took>) {
        self.with(|today| {
            today.take(recorded);
            if let Some((stage, nanos)) = took {
                today.took(stage, nanos);
            }
        });
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

/// One look at the fold, and all of the page from that.
async fn snapshot(desk: &LiveDesk, counted: &Counted) -> Result<Value, ApiError> {
    let (look, facts) = desk.look_and_facts().await?;
    let (log, today) = (Arc::clone(&desk.log), counted.with(|today| today.view()));
    let mut value = reading(move || page(&look.book, &facts, &StoreHistory(log), &today)).await??;
    let state = desk.bus.state().borrow().clone();
    value["bus"] = json!({ "connected": state.link == Link::Connected, "behind": state.signals_behind, "refused": state.refused });
    value["risk_silent_ms"] = json!(desk.risk_silent_nanos() / 1_000_000);
    Ok(value)
}

fn page(book: &Projections, facts: &EngineFacts, history: &dyn History, today: &TodayView) -> Result<Value, ApiError> {
    let held = book.positions.held().map(|(key, position)| views::position_view(book, key, position));
    let from = (history.head_seq() + 1).saturating_sub(EVENTS as u64).max(1);
    let records = history.read_from(from, EVENTS).map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(json!({
        "at": facts.now,
        "status": views::status(book, facts),
        "positions": held.collect::<Vec<_>>(),
        "orders": views::orders(book, OrderFilter::Live, ORDERS_MAX),
        "exposure": views::exposure(book),
        "pnl": views::pnl(book),
        "today": today,
        "events": records.iter().map(|record| tail::json(record, facts.mode)).collect::<Vec<_>>(),
    }))
}
