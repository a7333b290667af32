//! What a venue says outside any request: the stream's news, the account read whole after each break and in between,
//! pauses and refusals. The stream only makes things faster: polling alone suffices. The same for every venue.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::live_desk::{Heard, Known, LiveDesk, LiveVenue, news};
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::{VenueMode, VenueNews};
use crate::domain::time::Mono;
use crate::venues::standing::VenueStanding;

/// Without a stream the account is read this often.
const POLL_MS: i64 = 2_000;
/// After a reading that failed or was asked for.
const AGAIN_MS: i64 = 500;
/// Whether the exchange is paused, and descriptions of followed markets.
const STATUS_EVERY_MS: i64 = 30_000;
/// The same while it is paused.
const STATUS_AGAIN_MS: i64 = 2_000;
/// The first reading waits for the stream this long: what is read before it is up has to be read again.
const STREAM_WAIT_MS: i64 = 2_000;
/// Fills are read again from this long before the last proof: listings lag.
const OVERLAP_MS: i64 = 300_000;
/// An account that can't be read for this long isn't known any more.
const STALE_AFTER_MS: i64 = 30_000;
/// Books asked for one by one: all while there is no stream, else those that may be quiet.
const POLLED_BOOKS_MAX: usize = 20;

pub struct VenueListener<V: LiveVenue> {
    pub desk: LiveDesk<V>,
    pub engine: EngineHandle,
    pub clock: Clock,
    /// `None`: no stream; the account is polled.
    pub stream: Option<mpsc::Receiver<V::Event>>,
    pub read_every_ms: i64,
}

impl<V: LiveVenue> VenueListener<V> {
    /// Runs until the process ends.
    pub async fn run(mut self) {
        let clock = self.clock.clone();
        let mut standing = self.desk.venue().standing();
        let mut streaming = false;
        // The venue may have refused us before anybody listened.
        let mut stands = self.standing(&mut standing, VenueMode::Open);
        let mut held_back = is_held_back(stands);
        let mut last_read = self.now();
        let first_read_ms = if self.stream.is_some() { STREAM_WAIT_MS } else { 0 };
        let (mut next_read, mut next_status) = (last_read.plus_ms(first_read_ms), last_read);
        loop {
            tokio::select! {
                event = next_event(&mut self.stream) => match event.map(|event| self.desk.heard(event, &self.engine)) {
                    Some(Heard::Nothing) => {}
                    Some(Heard::ReadSoon) => next_read = next_read.min(self.now().plus_ms(AGAIN_MS)),
                    Some(Heard::Up) => {
                        (streaming, next_read) = (true, self.now());
                        self.reconciling("the stream is up; the account is being read", held_back);
                    }
                    Some(Heard::Down { why }) => {
                        if streaming {
                            tracing::warn!("{}'s stream broke, the account is polled: {why}", self.venue());
                            self.reconciling(&format!("the stream broke: {why}"), held_back);
                        }
                        (streaming, next_read) = (false, self.now());
                    }
                    None => (self.stream, streaming) = (None, false),
                },
                () = self.desk.asked_to_read() => next_read = next_read.min(self.now()),
                changed = standing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let was_held_back = held_back;
                    stands = self.standing(&mut standing, stands);
                    held_back = is_held_back(stands);
                    if held_back {
                        next_status = next_status.min(self.now().plus_ms(STATUS_AGAIN_MS));
                    } else if was_held_back {
                        next_read = self.now();
                    }
                }
                () = sleep_until(&clock, next_read.min(next_status)) => {
                    if self.now() >= next_status {
                        next_status = self.now().plus_ms(if held_back { STATUS_AGAIN_MS } else { STATUS_EVERY_MS });
                        self.look_after(held_back).await;
                        if streaming {
                            // A quiet book tells nothing; its mark must not look stale.
                            self.poll_books().await;
                        }
                    }
                    if self.now() >= next_read {
                        let pause_ms = if streaming { self.read_every_ms } else { self.read_every_ms.min(POLL_MS) };
                        let read = held_back || self.read_account(&mut last_read, streaming).await;
                        next_read = self.now().plus_ms(if read { pause_ms } else { AGAIN_MS });
                    }
                }
            }
        }
    }

    fn venue(&self) -> Venue {
        self.desk.venue().venue()
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }

    fn heard(&self, one: VenueNews) {
        news(&self.engine, one);
    }

    fn mode(&self, mode: VenueMode, why: &str) {
        self.heard(VenueNews::Mode { venue: self.venue(), mode, why: why.to_owned() });
    }

    /// The account is to be read anew. While the venue refuses us that stays what stands in the way.
    fn reconciling(&self, why: &str, held_back: bool) {
        if !held_back {
            self.mode(VenueMode::Reconciling, why);
        }
    }

    /// Passes on that the venue refuses us, pauses or takes closes only, and that it no longer does. Returns how it stands.
    fn standing(&self, standing: &mut watch::Receiver<VenueStanding>, before: VenueMode) -> VenueMode {
        let now = standing.borrow_and_update().clone();
        if is_held_back(before) && !is_held_back(now.mode) {
            self.mode(VenueMode::Reconciling, "it takes orders again; the account is being read");
        }
        if is_held_back(now.mode) || now.mode == VenueMode::CloseOnly {
            tracing::warn!("{} {}: {}", self.venue(), now.mode.as_str(), now.why);
            self.mode(now.mode, &now.why);
        } else {
            // Nothing stands in the way of opens but what the account shows.
            self.mode(VenueMode::Open, "");
        }
        now.mode
    }

    /// Exchange status, and what is known of the markets in use.
    async fn look_after(&self, paused: bool) {
        if let Err(error) = self.desk.venue().read_status().await {
            tracing::warn!("{}'s status can't be read: {error}", self.venue());
        }
        if paused {
            return;
        }
        for id in self.desk.followed() {
            self.desk.describe(BookKey { venue: self.venue(), id }, &self.engine);
        }
    }

    /// What the log already has of this venue; `None` once the engine has ended.
    async fn known(&self) -> Option<Known> {
        let venue = self.venue();
        self.engine
            .query(move |engine| {
                let book = engine.book();
                let proven = book.venues.get(venue).and_then(|record| record.proven_through);
                let held = book.positions.held().map(|(key, _)| key.clone());
                let worked_on = book.orders.live().map(|record| record.order.instrument.book_key());
                let mut books: Vec<BookKey> = held.chain(worked_on).filter(|key| key.venue == venue).collect();
                books.sort();
                books.dedup();
                Known { since: proven.map(|at| at.plus_ms(-OVERLAP_MS)), books }
            })
            .await
    }

    /// One complete reading to the engine; `false` when there was none.
    async fn read_account(&self, last_read: &mut Mono, streaming: bool) -> bool {
        let Some(known) = self.known().await else { return false };
        match self.desk.venue().read_account(known).await {
            Ok(reading) => {
                *last_read = self.now();
                reach(Point::AccountRead);
                self.heard(VenueNews::Account(Box::new(reading)));
                if !streaming {
                    self.poll_books().await;
                }
                true
            }
            Err(incomplete) => {
                tracing::warn!("{}'s account could not be read whole: {incomplete}", self.venue());
                self.heard(VenueNews::Unread { venue: self.venue(), why: incomplete.clone() });
                if self.now() >= last_read.plus_ms(STALE_AFTER_MS) {
                    self.mode(VenueMode::Reconciling, &format!("the account can't be read: {incomplete}"));
                }
                false
            }
        }
    }

    async fn poll_books(&self) {
        for id in self.desk.followed().into_iter().take(POLLED_BOOKS_MAX) {
            if let Some(quote) = self.desk.venue().quote(&id).await {
                let key = BookKey { venue: self.venue(), id };
                self.heard(VenueNews::Quote { key, quote, at: self.clock.now().wall });
            }
        }
    }
}

/// The venue refuses us or pauses: nothing is read.
fn is_held_back(mode: VenueMode) -> bool {
    matches!(mode, VenueMode::Halted | VenueMode::CancelOnly | VenueMode::PostOnly)
}

async fn sleep_until(clock: &Clock, due: Mono) {
    let nanos = due.0.saturating_sub(clock.now().mono.0).max(0);
    tokio::time::sleep(Duration::from_nanos(nanos.unsigned_abs())).await;
}

pub(super) async fn next_event<T>(stream: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}
