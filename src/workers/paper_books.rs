//! Kalshi's own books under the paper exchange: markets that signals name are described by Kalshi and followed, by its
//! stream or by polling. Nothing is ever sent that trades.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::paper_desk::PaperDesk;
use super::venue_listener::next_event;
use crate::domain::fees::KALSHI;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Market, MarketStatus, Outcome, Venue};
use crate::domain::matching::{BookChange, Mark};
use crate::domain::time::Time;
use crate::venues::kalshi::KalshiVenue;
use crate::venues::kalshi::client::CallError;
use crate::venues::kalshi::stream::{StreamEvent, StreamHandle};
use crate::venues::paper::{Feed, MarketRow};

/// Books that the stream doesn't show are read this often.
const POLL: Duration = Duration::from_secs(2);
/// In one round.
const POLLED_BOOKS_MAX: usize = 20;
/// Status, grid and fee of the followed markets.
const DESCRIBE_EVERY: Duration = Duration::from_secs(30);

pub struct KalshiBooks {
    venue: Arc<KalshiVenue>,
    /// `None`: the books are polled.
    stream: Option<StreamHandle>,
    following: Mutex<Following>,
    rows: AtomicU64,
}

#[derive(Default)]
struct Following {
    markets: BTreeSet<MarketId>,
    /// Shown by the stream: what is read by request may be older.
    shown: BTreeSet<MarketId>,
    /// Where the last round of polls ended.
    polled: Option<MarketId>,
}

impl KalshiBooks {
    pub fn new(venue: Arc<KalshiVenue>, stream: Option<StreamHandle>) -> Self {
        Self { venue, stream, following: Mutex::default(), rows: AtomicU64::new(0) }
    }

    /// Takes this market into the exchange as Kalshi describes it, with its book. Errors: Kalshi doesn't answer, or
    /// knows no such market; then the exchange has no book and nothing fills.
    pub async fn take_in(&self, key: &BookKey, desk: &PaperDesk, engine: &EngineHandle) -> Result<Market, CallError> {
        let facts = self.venue.market(&key.id).await?;
        if facts.fee_assumed {
            tracing::warn!("{key}: the venue names no fee; the highest general schedule is assumed");
        }
        desk.list(facts.market.clone(), engine);
        if facts.market.status == MarketStatus::Settled {
            self.unfollow(&key.id);
        } else {
            self.read(&key.id, desk, engine).await?;
            self.follow(&key.id);
        }
        Ok(facts.market)
    }

    /// True: it wasn't followed before.
    pub fn follow(&self, id: &MarketId) -> bool {
        if let Some(stream) = &self.stream {
            stream.watch(id);
        }
        self.following().markets.insert(id.clone())
    }

    fn unfollow(&self, id: &MarketId) {
        if let Some(stream) = &self.stream {
            stream.unwatch(id);
        }
        let mut following = self.following();
        following.markets.remove(id);
        following.shown.remove(id);
    }

    async fn read(&self, id: &MarketId, desk: &PaperDesk, engine: &EngineHandle) -> Result<(), CallError> {
        if self.following().shown.contains(id) {
            return Ok(());
        }
        let at = self.venue.client().clock().now().wall;
        let (bids, asks) = self.venue.levels(id).await?;
        // Held while the book goes in, so that the stream can't have shown a newer one in between.
        let following = self.following();
        if !following.shown.contains(id) {
            self.row(id, BookChange::whole(bids, asks), at, desk, engine);
        }
        drop(following);
        Ok(())
    }

    fn row(&self, id: &MarketId, changes: Vec<BookChange>, at: Time, desk: &PaperDesk, engine: &EngineHandle) {
        let row = self.rows.fetch_add(1, Ordering::Relaxed);
        let row = MarketRow {
            key: BookKey { venue: Venue::Kalshi, id: id.clone() },
            market: id.clone(),
            outcome: Outcome::Yes,
            feed: Feed::Kalshi,
            // The market is described before its first row, with its own fee.
            fee: KALSHI,
            mark: Mark { row, ts_ms: at.ms() },
            changes,
            print: None,
        };
        desk.row(&row, engine);
    }

    fn following(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the stream shows, and reads what it doesn't. Runs until the process ends.
    pub async fn listen(self: Arc<Self>, mut stream: Option<mpsc::Receiver<StreamEvent>>, desk: PaperDesk, engine: EngineHandle) {
        let (mut polls, mut descriptions) = (interval(POLL), interval(DESCRIBE_EVERY));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        descriptions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = next_event(&mut stream) => match event {
                    Some(event) => {
                        if self.heard(event, &desk, &engine) {
                            polls.reset_immediately();
                        }
                    }
                    None => stream = None,
                },
                _ = polls.tick() => self.poll(&desk, &engine).await,
                _ = descriptions.tick() => self.describe(|_| true, &desk, &engine),
            }
        }
    }

    /// True: the books have to be polled from now on.
    fn heard(&self, event: StreamEvent, desk: &PaperDesk, engine: &EngineHandle) -> bool {
        match event {
            StreamEvent::Book { key, changes, at } => {
                let mut following = self.following();
                // A book that is no longer certain is read by request until it is shown again.
                let certain = changes != BookChange::unsure();
                if certain {
                    following.shown.insert(key.id.clone());
                } else {
                    following.shown.remove(&key.id);
                }
                self.row(&key.id, changes, at, desk, engine);
                return !certain;
            }
            StreamEvent::Down { why } => {
                tracing::warn!("kalshi's stream broke, the books are polled: {why}");
                let mut following = self.following();
                let at = self.venue.client().clock().now().wall;
                for id in std::mem::take(&mut following.shown) {
                    self.row(&id, BookChange::unsure(), at, desk, engine);
                }
                return true;
            }
            StreamEvent::MarketChanged { market, event } => {
                tracing::info!("kalshi:{market}: {event}");
                self.describe(|id| *id == market, desk, engine);
            }
            StreamEvent::FeesChanged { event_ticker } => {
                self.venue.forget_fees(&event_ticker);
                self.describe(|id| id.as_str().starts_with(&event_ticker), desk, engine);
            }
            StreamEvent::Missing { what } => tracing::warn!("kalshi's stream goes on without {what}"),
            // The account with money has no part in this.
            StreamEvent::Up | StreamEvent::News(_) | StreamEvent::Touch { .. } | StreamEvent::Position(_) => {}
        }
        false
    }

    fn describe(&self, which: impl Fn(&MarketId) -> bool, desk: &PaperDesk, engine: &EngineHandle) {
        let ids: Vec<MarketId> = self.following().markets.iter().filter(|id| which(id)).cloned().collect();
        for id in ids {
            desk.describe(BookKey { venue: Venue::Kalshi, id }, engine);
        }
    }

    /// So many of the books that the stream doesn't show, and in the next round the ones after them.
    async fn poll(&self, desk: &PaperDesk, engine: &EngineHandle) {
        for id in self.due() {
            if let Err(error) = self.read(&id, desk, engine).await {
                tracing::warn!("kalshi:{id}: its book can't be read: {error}");
                let at = self.venue.client().clock().now().wall;
                self.row(&id, BookChange::unsure(), at, desk, engine);
            }
        }
    }

    fn due(&self) -> Vec<MarketId> {
        let mut following = self.following();
        let hidden: Vec<MarketId> = following.markets.difference(&following.shown).cloned().collect();
        let begin = following.polled.as_ref().map_or(0, |last| hidden.partition_point(|id| id <= last));
        let due: Vec<MarketId> = hidden[begin..].iter().chain(&hidden[..begin]).take(POLLED_BOOKS_MAX).cloned().collect();
        following.polled = due.last().cloned();
        due
    }
}
