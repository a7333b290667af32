//! What Kalshi says outside any request: the stream's news, the account read whole after each break and in between,
//! pauses and refusals. The stream only makes things faster: polling alone suffices.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::kalshi_desk::KalshiDesk;
use crate::clock::Clock;
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::{VenueMode, VenueNews};
use crate::domain::time::{Mono, Time};
use crate::engine::Input;
use crate::venues::standing::VenueStanding;
use crate::venues::kalshi::stream::StreamEvent;

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

pub struct KalshiListener {
    pub desk: KalshiDesk,
    pub engine: EngineHandle,
    pub clock: Clock,
    /// `None`: no stream; the account is polled.
    pub stream: Option<mpsc::Receiver<StreamEvent>>,
    pub read_every_ms: i64,
}

impl KalshiListener {
    /// Runs until the process ends.
    pub async fn run(mut self) {
        let clock = self.clock.clone();
        let mut standing = self.desk.venue().state();
        let mut streaming = false;
        // The venue may have refused us before anybody listened.
        let mut held_back = self.standing(&mut standing, false);
        let mut last_read = self.now();
        let first_read_ms = if self.stream.is_some() { STREAM_WAIT_MS } else { 0 };
        let (mut next_read, mut next_status) = (last_read.plus_ms(first_read_ms), last_read);
        loop {
            tokio::select! {
                event = next_event(&mut self.stream) => match event {
                    Some(StreamEvent::News(one)) => {
                        if matches!(one, VenueNews::FuseBlown { .. }) {
                            self.desk.fuse_blown();
                        }
                        self.heard(one);
                    }
                    Some(StreamEvent::Touch { key, top, at }) => {
                        let at = at.unwrap_or_else(|| self.clock.now().wall);
                        self.heard(VenueNews::Quote { key, quote: top.quote, at });
                    }
                    Some(StreamEvent::MarketChanged { market, event }) => {
                        tracing::info!("kalshi:{market}: {event}");
                        self.desk.describe(BookKey { venue: Venue::Kalshi, id: market }, &self.engine);
                        next_read = next_read.min(self.now().plus_ms(AGAIN_MS));
                    }
                    Some(StreamEvent::FeesChanged { event_ticker }) => self.describe_event(&event_ticker),
                    Some(StreamEvent::Missing { what }) => tracing::warn!("kalshi's stream goes on without {what}"),
                    // Fills say it sooner, and the next reading says it surely.
                    Some(StreamEvent::Position(_) | StreamEvent::Book { .. }) => {}
                    Some(StreamEvent::Up) => {
                        (streaming, next_read) = (true, self.now());
                        self.mode(VenueMode::Reconciling, "the stream is up; the account is being read");
                    }
                    Some(StreamEvent::Down { why }) => {
                        if streaming {
                            tracing::warn!("kalshi's stream broke, the account is polled: {why}");
                            self.mode(VenueMode::Reconciling, &format!("the stream broke: {why}"));
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
                    held_back = self.standing(&mut standing, was_held_back);
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

    fn now(&self) -> Mono {
        self.clock.now().mono
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
        self.desk.venue().forget_fees(event_ticker);
        for id in self.desk.followed().into_iter().filter(|id| id.as_str().starts_with(event_ticker)) {
            self.desk.describe(BookKey { venue: Venue::Kalshi, id }, &self.engine);
        }
    }

    /// Exchange status, and what is known of the markets in use.
    async fn look_after(&self, paused: bool) {
        if let Err(error) = self.desk.venue().read_status().await {
            tracing::warn!("kalshi's status can't be read: {error}");
        }
        if paused {
            return;
        }
        for ticker in self.desk.followed() {
            let key = BookKey { venue: Venue::Kalshi, id: ticker };
            self.desk.describe(key, &self.engine);
        }
    }

    /// One complete reading to the engine; `false` when there was none.
    async fn read_account(&self, last_read: &mut Mono, streaming: bool) -> bool {
        let begun = self.clock.now().wall;
        let proven = self.engine.query(|engine| engine.book().venues.get(Venue::Kalshi).and_then(|record| record.proven_through)).await;
        let since = proven.flatten().map_or(begun, |at: Time| at).plus_ms(-OVERLAP_MS);
        match self.desk.venue().read_account(since).await {
            Ok(reading) => {
                *last_read = self.now();
                self.heard(VenueNews::Account(Box::new(reading)));
                if !streaming {
                    self.poll_books().await;
                }
                true
            }
            Err(incomplete) => {
                tracing::warn!("kalshi's account could not be read whole: {incomplete}");
                if self.now() >= last_read.plus_ms(STALE_AFTER_MS) {
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

async fn sleep_until(clock: &Clock, due: Mono) {
    let nanos = due.0.saturating_sub(clock.now().mono.0).max(0);
    tokio::time::sleep(Duration::from_nanos(nanos.unsigned_abs())).await;
}

pub(super) async fn next_event(stream: &mut Option<mpsc::Receiver<StreamEvent>>) -> Option<StreamEvent> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}
