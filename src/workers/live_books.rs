//! A venue's own books under the paper exchange: markets that signals name are described by the venue and followed, by its
//! stream or by polling. Nothing is ever sent that trades.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::paper_desk::PaperDesk;
use super::venue_listener::next_event;
use crate::clock::Clock;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Market, MarketStatus, Outcome, Venue};
use crate::domain::matching::{BookChange, Mark};
use crate::domain::money::{Price, Quantity};
use crate::domain::report::Description;
use crate::domain::time::Time;
use crate::venues::paper::{Feed, MarketRow};

/// Books that the stream doesn't show are read this often.
const POLL: Duration = Duration::from_secs(2);
/// In one round.
const POLLED_BOOKS_MAX: usize = 20;
/// Status, grid and fee of the followed markets.
const DESCRIBE_EVERY: Duration = Duration::from_secs(30);

/// Bids and asks of a book, in its own terms.
pub type Levels = (Vec<(Price, Quantity)>, Vec<(Price, Quantity)>);

/// The public half of a venue's client.
#[async_trait]
pub trait BookSource: Send + Sync + 'static {
    fn venue(&self) -> Venue;
    fn feed(&self) -> Feed;
    /// Errors: the venue doesn't answer, or knows no such market.
    async fn describe(&self, key: &BookKey) -> Result<Description, String>;
    async fn levels(&self, id: &MarketId) -> Result<Levels, String>;
    /// Hear of this book on the stream, where there is one.
    fn watch(&self, id: &MarketId);
    fn unwatch(&self, id: &MarketId);
}

/// What the stream tells of books.
#[derive(Clone, Debug)]
pub enum BookNews {
    Nothing,
    Book {
        key: BookKey,
        changes: Vec<BookChange>,
        at: Time,
    },
    Down {
        why: String,
    },
    /// Markets to be described anew.
    Describe(Vec<MarketId>),
}

pub struct LiveBooks {
    source: Box<dyn BookSource>,
    clock: Clock,
    following: Mutex<Following>,
    rows: AtomicU64,
}

#[derive(Default)]
struct Following {
    markets: BTreeMap<MarketId, Option<Market>>,
    /// Shown by the stream: what is read by request may be older.
    shown: BTreeSet<MarketId>,
    /// Where the last round of polls ended.
    polled: Option<MarketId>,
}

impl LiveBooks {
    pub fn new(source: Box<dyn BookSource>, clock: Clock) -> Self {
        Self { source, clock, following: Mutex::default(), rows: AtomicU64::new(0) }
    }

    pub fn venue(&self) -> Venue {
        self.source.venue()
    }

    fn key(&self, id: MarketId) -> BookKey {
        BookKey { venue: self.venue(), id }
    }

    /// Takes this market into the exchange as its venue describes it, with its books. Errors: the venue doesn't answer, or
    /// knows no such market; then the exchange has no book and nothing fills.
    pub async fn take_in(&self, key: &BookKey, desk: &PaperDesk, engine: &EngineHandle) -> Result<Description, String> {
        let description = self.source.describe(key).await?;
        for market in &description.markets {
            desk.list(market.clone(), engine);
            if market.status == MarketStatus::Settled {
                self.unfollow(&market.key.id);
            } else {
                self.following().markets.insert(market.key.id.clone(), Some(market.clone()));
                self.read(&market.key.id, desk, engine).await?;
                self.source.watch(&market.key.id);
            }
        }
        Ok(description)
    }

    /// True: it wasn't followed before.
    pub fn follow(&self, id: &MarketId) -> bool {
        self.source.watch(id);
        let mut following = self.following();
        let known = following.markets.contains_key(id);
        following.markets.entry(id.clone()).or_default();
        !known
    }

    fn unfollow(&self, id: &MarketId) {
        self.source.unwatch(id);
        let mut following = self.following();
        following.markets.remove(id);
        following.shown.remove(id);
    }

    async fn read(&self, id: &MarketId, desk: &PaperDesk, engine: &EngineHandle) -> Result<(), String> {
        if self.following().shown.contains(id) {
            return Ok(());
        }
        let at = self.clock.now().wall;
        let (bids, asks) = self.source.levels(id).await?;
        // Held while the book goes in, so that the stream can't have shown a newer one in between.
        let following = self.following();
        if !following.shown.contains(id) {
            self.row(&following, id, BookChange::whole(bids, asks), at, desk, engine);
        }
        drop(following);
        Ok(())
    }

    /// A market that hasn't been described yet has no book here: its first row comes with its description.
    fn row(&self, following: &Following, id: &MarketId, changes: Vec<BookChange>, at: Time, desk: &PaperDesk, engine: &EngineHandle) {
        let Some(market) = following.markets.get(id).cloned().flatten() else { return };
        let row = self.rows.fetch_add(1, Ordering::Relaxed);
        let row = MarketRow {
            market: market.condition.unwrap_or_else(|| id.clone()),
            outcome: market.outcome.unwrap_or(Outcome::Yes),
            key: market.key,
            feed: self.source.feed(),
            fee: market.fee,
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
    pub async fn listen<E: Send>(
        self: Arc<Self>,
        mut stream: Option<mpsc::Receiver<E>>,
        read: impl Fn(E, &BTreeSet<MarketId>) -> BookNews + Send,
        desk: PaperDesk,
        engine: EngineHandle,
    ) {
        let (mut polls, mut descriptions) = (interval(POLL), interval(DESCRIBE_EVERY));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        descriptions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = next_event(&mut stream) => match event {
                    Some(event) => {
                        let followed = self.following().markets.keys().cloned().collect();
                        if self.heard(read(event, &followed), &desk, &engine) {
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
    fn heard(&self, news: BookNews, desk: &PaperDesk, engine: &EngineHandle) -> bool {
        match news {
            BookNews::Nothing => false,
            BookNews::Book { key, changes, at } => {
                let mut following = self.following();
                // A book that is no longer certain is read by request until it is shown again.
                let certain = changes != BookChange::unsure();
                if certain {
                    following.shown.insert(key.id.clone());
                } else {
                    following.shown.remove(&key.id);
                }
                self.row(&following, &key.id, changes, at, desk, engine);
                !certain
            }
            BookNews::Down { why } => {
                tracing::warn!("{}'s stream broke, the books are polled: {why}", self.venue());
                let mut following = self.following();
                let at = self.clock.now().wall;
                for id in std::mem::take(&mut following.shown) {
                    self.row(&following, &id, BookChange::unsure(), at, desk, engine);
                }
                true
            }
            BookNews::Describe(ids) => {
                self.describe(|id| ids.contains(id), desk, engine);
                false
            }
        }
    }

    fn describe(&self, which: impl Fn(&MarketId) -> bool, desk: &PaperDesk, engine: &EngineHandle) {
        let ids: Vec<MarketId> = self.following().markets.keys().filter(|id| which(id)).cloned().collect();
        for id in ids {
            desk.describe(self.key(id), engine);
        }
    }

    /// So many of the books that the stream doesn't show, and in the next round the ones after them.
    async fn poll(&self, desk: &PaperDesk, engine: &EngineHandle) {
        for id in self.due() {
            if let Err(error) = self.read(&id, desk, engine).await {
                tracing::warn!("{}:{id}: its book can't be read: {error}", self.venue());
                let at = self.clock.now().wall;
                self.row(&self.following(), &id, BookChange::unsure(), at, desk, engine);
            }
        }
    }

    fn due(&self) -> Vec<MarketId> {
        let mut following = self.following();
        let hidden: Vec<MarketId> = following.markets.keys().filter(|id| !following.shown.contains(*id)).cloned().collect();
        let begin = following.polled.as_ref().map_or(0, |last| hidden.partition_point(|id| id <= last));
        let due: Vec<MarketId> = hidden[begin..].iter().chain(&hidden[..begin]).take(POLLED_BOOKS_MAX).cloned().collect();
        following.polled = due.last().cloned();
        due
    }
}
