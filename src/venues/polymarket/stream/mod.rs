//! The two WebSockets (`polymarket.md` §7): one of the account, and one of books for every two hundred tokens. What they
//! tell may be late, double or missing; after every break of the account's the account is read anew by REST.

/// One frame.
pub mod frame;
/// One connection's books.
pub mod session;
/// Connections, again and again.
mod socket;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use self::socket::{Kind, Socket};
use super::translate::TopOfBook;
use super::venue::PolymarketVenue;
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::BookKey;
use crate::domain::matching::BookChange;
use crate::domain::money::Price;
use crate::domain::report::VenueNews;
use crate::domain::time::Time;

/// Above five hundred the venue sends no first books (`polymarket.md` §7).
const TOKENS_MAX: usize = 200;

/// What the streams tell.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// Everything of the account from now on is heard; what was before has to be read.
    Up,
    Down {
        why: String,
    },
    /// Orders and fills of ours.
    News(VenueNews),
    /// The best prices of a book and what lies there; none at all while the book is void. `None`: no time was named.
    Touch {
        key: BookKey,
        top: TopOfBook,
        at: Option<Time>,
    },
    /// What a book shows, level by level, for who asked for it (`StreamSettings::levels`).
    Book {
        key: BookKey,
        changes: Vec<BookChange>,
        at: Time,
    },
    /// Describe this token again before the next order.
    TickChanged {
        token: TokenId,
        tick: Price,
    },
    /// May come late or never: the market's page decides.
    Resolved {
        condition: MarketId,
        winner: Option<TokenId>,
    },
    /// The account's stream lives but has told nothing for long, or something that can't be read: read the account.
    Silent {
        why: String,
    },
    /// Something that was asked for isn't there; the stream goes on without it.
    Missing {
        what: String,
    },
    /// A connection of books broke: those books are void until they are shown anew.
    BooksDown {
        why: String,
    },
}

#[derive(Clone, Debug)]
pub struct StreamSettings {
    pub connect_timeout_ms: u64,
    pub ping_every_ms: u64,
    /// Without any frame, answers to pings included, the connection counts as dead.
    pub silence_ms_max: i64,
    /// Without any data, the stream is compared with REST: answers to pings alone prove nothing (`polymarket.md` §7).
    pub data_silence_ms_max: i64,
    pub back_off_ms: u64,
    pub back_off_ms_max: u64,
    /// Tell every level of the books, not only the best prices.
    pub levels: bool,
    /// Follow the account too; without an API key there is none.
    pub account: bool,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            ping_every_ms: 10_000,
            silence_ms_max: 30_000,
            data_silence_ms_max: 60_000,
            back_off_ms: 250,
            back_off_ms_max: 30_000,
            levels: false,
            account: true,
        }
    }
}

#[derive(Debug, Default)]
pub struct StreamCounters {
    pub frames: AtomicU64,
    /// Events that could not be read.
    pub unreadable: AtomicU64,
    pub connects: AtomicU64,
}

struct Shared {
    venue: Arc<PolymarketVenue>,
    settings: StreamSettings,
    events: mpsc::Sender<StreamEvent>,
    counters: StreamCounters,
    /// Somebody found that the account's stream doesn't tell everything.
    renew: Notify,
}

type Wanted = watch::Sender<BTreeSet<TokenId>>;

/// Ends the streams when it is dropped.
pub struct StreamHandle {
    shared: Arc<Shared>,
    books: Mutex<Vec<Wanted>>,
    /// The account's stream lives as long as this.
    _account: Option<Wanted>,
}

impl StreamHandle {
    pub fn watch(&self, token: &TokenId) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if books.iter().any(|wanted| wanted.borrow().contains(token)) {
            return;
        }
        if let Some(wanted) = books.iter().find(|wanted| wanted.borrow().len() < TOKENS_MAX) {
            wanted.send_if_modified(|tokens| tokens.insert(token.clone()));
            return;
        }
        let (wanted, tokens) = watch::channel(BTreeSet::from([token.clone()]));
        tokio::spawn(Socket::new(Arc::clone(&self.shared), Kind::Books, tokens).run());
        books.push(wanted);
    }

    pub fn unwatch(&self, token: &TokenId) {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        for wanted in books.iter() {
            wanted.send_if_modified(|tokens| tokens.remove(token));
        }
    }

    /// The account was found to have changed without a word: a new connection of its stream.
    pub fn renew_account(&self) {
        self.shared.renew.notify_one();
    }

    pub fn counters(&self) -> &StreamCounters {
        &self.shared.counters
    }
}

/// Connects, and connects again, until the handle or the receiver of the events is gone. Must be called inside a runtime.
pub fn start(venue: Arc<PolymarketVenue>, settings: StreamSettings, events: mpsc::Sender<StreamEvent>) -> StreamHandle {
    let account = settings.account;
    let shared = Arc::new(Shared { venue, settings, events, counters: StreamCounters::default(), renew: Notify::new() });
    let account = account.then(|| {
        let (wanted, tokens) = watch::channel(BTreeSet::new());
        tokio::spawn(Socket::new(Arc::clone(&shared), Kind::Account, tokens).run());
        wanted
    });
    StreamHandle { shared, books: Mutex::default(), _account: account }
}

#[cfg(test)]
mod tests;
