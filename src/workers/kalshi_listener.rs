//! What Kalshi says outside any request: the stream's news, the account read whole after each break and in between,
//! pauses and refusals. The stream only makes things faster: polling alone suffices.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::kalshi_desk::KalshiDesk;
use crate::clock::Clock;
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::{VenueMode, VenueNews};
use crate::domain::time::Time;
use crate::engine::Input;
use crate::venues::kalshi::standing::VenueStanding;
use crate::venues::kalshi::stream::StreamEvent;

/// Without a stream the account is read this often.
const POLL: Duration = Duration::from_secs(2);
/// After a reading that failed or was asked for.
const AGAIN: Duration = Duration::from_millis(500);
/// Whether the exchange is paused, and descriptions of followed markets.
const STATUS_EVERY: Duration = Duration::from_secs(30);
/// Fills are read again from this long before the last proof: listings lag.
const OVERLAP_MS: i64 = 300_000;
/// An account that can't be read for this long isn't known any more.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// Books asked for one by one while there is no stream.
const POLLED_BOOKS_MAX: usize = 20;

pub struct KalshiListener {
    pub desk: KalshiDesk,
    pub engine: EngineHandle,
    pub clock: Clock,
    /// `None`: no stream; the account is polled.
    pub stream: Option<mpsc::Receiver<StreamEvent>>,
    pub read_every: Duration,
}

impl KalshiListener {
    /// Runs until the process ends.
    pub async fn run(mut self) {
        let mut standing = self.desk.venue().state();
        let mut streaming = false;
        let mut held_back = false;
        let mut last_read = Instant::now();
        let (mut next_read, mut next_status) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                event = next_event(&mut self.stream) => match event {
                    Some(StreamEvent::News(one)) => self.heard(one),
                    Some(StreamEvent::Touch { key, top, at }) => {
                        let at = at.unwrap_or_else(|| self.clock.now().wall);
                        self.heard(VenueNews::Quote { key, quote: top.quote, at });
                    }
                    Some(StreamEvent::MarketChanged { market, event }) => {
                        tracing::info!("kalshi:{market}: {event}");
                        self.desk.describe(BookKey { venue: Venue::Kalshi, id: market }, &self.engine);
                        next_read = next_read.min(Instant::now() + AGAIN);
                    }
                    Some(StreamEvent::FeesChanged { event_ticker }) => self.describe_event(&event_ticker),
                    Some(StreamEvent::Missing { what }) => tracing::warn!("kalshi's stream goes on without {what}"),
                    // Fills say it sooner, and the next reading says it surely.
                    Some(StreamEvent::Position(_) | StreamEvent::Book { .. }) => {}
                    Some(StreamEvent::Up) => {
                        (streaming, next_read) = (true, Instant::now());
                        self.mode(VenueMode::Reconciling, "the stream is up; the account is being read");
                    }
                    Some(StreamEvent::Down { why }) => {
                        if streaming {
                            tracing::warn!("kalshi's stream broke, the account is polled: {why}");
                            self.mode(VenueMode::Reconciling, &format!("the stream broke: {why}"));
                        }
                        (streaming, next_read) = (false, Instant::now());
                    }
                    None => (self.stream, streaming) = (None, false),
                },
                () = self.desk.asked_to_read() => next_read = next_read.min(Instant::now()),
                changed = standing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    held_back = self.standing(&mut standing, held_back);
                    if !held_back {
                        next_read = Instant::now();
                    }
                }
                () = tokio::time::sleep_until(next_read.min(next_status)) => {
                    if Instant::now() >= next_status {
                        next_status = Instant::now() + STATUS_EVERY;
                        self.look_after().await;
                    }
                    if Instant::now() >= next_read {
                        let pause = if streaming { self.read_every } else { self.read_every.min(POLL) };
                        let read = held_back || self.read_account(&mut last_read, streaming).await;
                        next_read = Instant::now() + if read { pause } else { AGAIN };
                    }
                }
            }
        }
    }

    fn heard(&self, one: VenueNews) {
        self.engine.input(Input::Venue(Box::new(one)));
    }

    fn mode(&self, mode: VenueMode, why: &str) {
        self.heard(VenueNews::Mode { venue: Venue::Kalshi, mode, why: why.to_owned() });
    }

    /// Passes on that the venue refuses us or pauses, and that it no longer does. Returns whether it does.
    fn standing(&self, standing: &mut watch::Receiver<VenueStanding>, held_back: bool) -> bool {
        let now = standing.borrow_and_update().clone();
        match now.mode {
            VenueMode::Halted | VenueMode::CancelOnly => {
                tracing::warn!("kalshi {}: {}", now.mode.as_str(), now.why);
                self.mode(now.mode, &now.why);
                true
            }
            _ if held_back => {
                self.mode(VenueMode::Reconciling, "it takes orders again; the account is being read");
                false
            }
            _ => false,
        }
    }

    /// The fees of an event's markets have changed.
    fn describe_event(&self, event_ticker: &str) {
        for id in self.desk.followed().into_iter().filter(|id| id.as_str().starts_with(event_ticker)) {
            self.desk.describe(BookKey { venue: Venue::Kalshi, id }, &self.engine);
        }
    }

    /// Exchange status, and what is known of the markets in use.
    async fn look_after(&self) {
        if let Err(error) = self.desk.venue().read_status().await {
            tracing::warn!("kalshi's status can't be read: {error}");
        }
        for ticker in self.desk.followed() {
            let key = BookKey { venue: Venue::Kalshi, id: ticker };
            self.desk.describe(key, &self.engine);
        }
    }

    /// One complete reading to the engine; `false` when there was none.
    async fn read_account(&self, last_read: &mut Instant, streaming: bool) -> bool {
        let begun = self.clock.now().wall;
        let proven = self.engine.query(|engine| engine.book().venues.get(Venue::Kalshi).and_then(|record| record.proven_through)).await;
        let since = proven.flatten().map_or(begun, |at: Time| at).plus_ms(-OVERLAP_MS);
        match self.desk.venue().read_account(since).await {
            Ok(reading) => {
                *last_read = Instant::now();
                self.heard(VenueNews::Account(Box::new(reading)));
                if !streaming {
                    self.poll_books().await;
                }
                true
            }
            Err(incomplete) => {
                tracing::warn!("kalshi's account could not be read whole: {incomplete}");
                if last_read.elapsed() >= STALE_AFTER {
                    self.mode(VenueMode::Reconciling, &format!("the account can't be read: {incomplete}"));
                }
                false
            }
        }
    }

    async fn poll_books(&self) {
        for ticker in self.desk.followed().into_iter().take(POLLED_BOOKS_MAX) {
            if let Ok(top) = self.desk.venue().top_of_book(&ticker).await {
                let key = BookKey { venue: Venue::Kalshi, id: ticker };
                self.heard(VenueNews::Quote { key, quote: top.quote, at: self.clock.now().wall });
            }
        }
    }
}

async fn next_event(stream: &mut Option<mpsc::Receiver<StreamEvent>>) -> Option<StreamEvent> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}
