//! The WebSocket: signed handshake, subscriptions, liveness, reconnects. What it tells may be late, double or missing;
//! after every break the account is read anew by REST.

/// One frame.
pub mod frame;
/// One connection's state.
pub mod session;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use self::session::{Session, Step};
use super::super::reconnect::{handle_gone, pause};
use super::address::WsAddress;
use super::auth::Haste;
use super::client::{Client, key_trouble};
use super::translate::TopOfBook;
use crate::domain::ids::MarketId;
use crate::domain::market::BookKey;
use crate::domain::matching::BookChange;
use crate::domain::report::{VenueNews, VenuePosition};
use crate::domain::time::{Mono, Time};

/// What the stream tells.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// Everything from now on is heard; what was before has to be read.
    Up,
    Down {
        why: String,
    },
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
    /// May be older than a fill that was heard before it (`kalshi.md` §11 P10).
    Position(VenuePosition),
    /// Something about a watched market changed: read it again.
    MarketChanged {
        market: MarketId,
        event: String,
    },
    /// Read the markets of this event again.
    FeesChanged {
        event_ticker: String,
    },
    /// Something that was asked for isn't there; the stream goes on without it.
    Missing {
        what: String,
    },
}

#[derive(Clone, Debug)]
pub struct StreamSettings {
    pub ws: WsAddress,
    pub connect_timeout_ms: u64,
    pub ping_every_ms: u64,
    /// Without any frame for this long the connection counts as dead.
    pub silence_ms_max: i64,
    pub back_off_ms: u64,
    pub back_off_ms_max: u64,
    /// Tell every level of the books, not only the best prices.
    pub levels: bool,
}

impl StreamSettings {
    pub fn new(ws: WsAddress) -> Self {
        Self {
            ws,
            connect_timeout_ms: 10_000,
            ping_every_ms: 5_000,
            silence_ms_max: 15_000,
            back_off_ms: 250,
            back_off_ms_max: 30_000,
            levels: false,
        }
    }
}

#[derive(Debug, Default)]
pub struct StreamCounters {
    pub frames: AtomicU64,
    /// Frames that could not be read; each was skipped.
    pub unreadable: AtomicU64,
    pub connects: AtomicU64,
}

/// Ends the stream when it is dropped.
#[derive(Debug)]
pub struct StreamHandle {
    markets: watch::Sender<BTreeSet<MarketId>>,
    counters: Arc<StreamCounters>,
}

impl StreamHandle {
    pub fn watch(&self, market: &MarketId) {
        self.markets.send_if_modified(|markets| markets.insert(market.clone()));
    }

    pub fn unwatch(&self, market: &MarketId) {
        self.markets.send_if_modified(|markets| markets.remove(market));
    }

    pub fn counters(&self) -> &StreamCounters {
        &self.counters
    }
}

/// Connects, and connects again, until the handle or the receiver of the events is gone.
pub fn start(client: Arc<Client>, settings: StreamSettings, events: mpsc::Sender<StreamEvent>) -> StreamHandle {
    let (markets, wanted) = watch::channel(BTreeSet::new());
    let counters = Arc::new(StreamCounters::default());
    let handle = StreamHandle { markets, counters: Arc::clone(&counters) };
    tokio::spawn(Stream { client, settings, events, wanted, counters }.run());
    handle
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

struct Stream {
    client: Arc<Client>,
    settings: StreamSettings,
    events: mpsc::Sender<StreamEvent>,
    wanted: watch::Receiver<BTreeSet<MarketId>>,
    counters: Arc<StreamCounters>,
}

/// Nobody listens any more.
struct Ended;

impl Stream {
    async fn run(mut self) {
        let mut failures = 0u32;
        loop {
            let begun = self.client.clock().now().mono;
            let why = match self.connect().await {
                Ok(socket) => match self.converse(socket).await {
                    Ok(why) => why,
                    Err(Ended) => return,
                },
                Err(why) => why,
            };
            // A connection that held for a while starts the waits anew.
            let held = self.client.clock().now().mono > begun.plus_ms(4 * self.settings.silence_ms_max);
            failures = if held { 0 } else { failures.saturating_add(1) };
            self.client.standing().broken();
            if self.events.send(StreamEvent::Down { why }).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause(failures, self.settings.back_off_ms, self.settings.back_off_ms_max)) => {}
                () = handle_gone(&mut self.wanted) => return,
                () = self.events.closed() => return,
            }
        }
    }

    async fn connect(&self) -> Result<Socket, String> {
        let address = &self.settings.ws;
        let mut request = address.as_str().into_client_request().map_err(|error| error.to_string())?;
        let signed = self.client.signer().sign("GET", address.path(), Haste::Cold).map_err(|error| error.to_string())?;
        for (name, value) in signed.pairs() {
            let name = reqwest::header::HeaderName::try_from(name).map_err(|error| error.to_string())?;
            request.headers_mut().insert(name, value);
        }
        let connecting = connect_async_with_config(request, None, true);
        let limit = Duration::from_millis(self.settings.connect_timeout_ms);
        match tokio::time::timeout(limit, connecting).await {
            Err(_) => Err(format!("no connection within {} ms", self.settings.connect_timeout_ms)),
            Ok(Ok((socket, _))) => {
                self.counters.connects.fetch_add(1, Ordering::Relaxed);
                Ok(socket)
            }
            Ok(Err(WsError::Http(response))) => Err(self.turned_away(&response)),
            Ok(Err(error)) => Err(error.to_string()),
        }
    }

    fn turned_away(&self, response: &tokio_tungstenite::tungstenite::handshake::client::Response) -> String {
        let refusal = self.client.refusal(response.status().as_u16(), response.body().as_deref().unwrap_or_default());
        if refusal.is_of_the_key() && !refusal.is_stale_signature() {
            self.client.standing().halt(key_trouble(&refusal));
        }
        format!("the handshake is refused: {refusal}")
    }

    /// Why the connection ended.
    async fn converse(&mut self, mut socket: Socket) -> Result<String, Ended> {
        let clock = self.client.clock().clone();
        let wanted = self.wanted.borrow_and_update().clone();
        let (mut session, steps) = Session::start(wanted, clock.now());
        session.tell_levels(self.settings.levels);
        let mut heard_at = clock.now().mono;
        let mut pings = tokio::time::interval(Duration::from_millis(self.settings.ping_every_ms));
        pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        if let Some(why) = self.carry_out(&mut socket, steps).await? {
            return Ok(why);
        }
        loop {
            let steps = tokio::select! {
                frame = socket.next() => {
                    heard_at = clock.now().mono;
                    self.client.onlooker().heard(heard_at);
                    match frame {
                        Some(Ok(Message::Text(text))) => self.frame(&mut session, text.as_str()),
                        Some(Ok(Message::Close(_))) | None => return Ok("the venue closed the connection".to_owned()),
                        Some(Ok(_)) => Vec::new(),
                        Some(Err(error)) => return Ok(error.to_string()),
                    }
                }
                _ = pings.tick() => match self.overdue(&session, heard_at) {
                    Some(step) => vec![step],
                    None => match socket.send(Message::Ping(Vec::new().into())).await {
                        Ok(()) => Vec::new(),
                        Err(error) => return Ok(error.to_string()),
                    },
                },
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        let _ = socket.close(None).await;
                        return Err(Ended);
                    }
                    let wanted = self.wanted.borrow_and_update().clone();
                    session.want(wanted, clock.now())
                }
                () = self.events.closed() => return Err(Ended),
            };
            if let Some(why) = self.carry_out(&mut socket, steps).await? {
                return Ok(why);
            }
        }
    }

    fn overdue(&self, session: &Session, heard_at: Mono) -> Option<Step> {
        let now = self.client.clock().now();
        let silent = now.mono > heard_at.plus_ms(self.settings.silence_ms_max);
        let silence = || Step::Drop(format!("not one frame for {} ms", self.settings.silence_ms_max));
        if silent { Some(silence()) } else { session.tick(now) }
    }

    fn frame(&self, session: &mut Session, text: &str) -> Vec<Step> {
        self.counters.frames.fetch_add(1, Ordering::Relaxed);
        match frame::read(text) {
            Ok(frame) => session.heard(frame, self.client.clock().now()),
            Err(_) => {
                self.counters.unreadable.fetch_add(1, Ordering::Relaxed);
                Vec::new()
            }
        }
    }

    /// `Some`: the connection is to be given up, and why.
    async fn carry_out(&self, socket: &mut Socket, steps: Vec<Step>) -> Result<Option<String>, Ended> {
        for step in steps {
            match step {
                Step::Send(text) => {
                    if let Err(error) = socket.send(Message::text(text)).await {
                        return Ok(Some(error.to_string()));
                    }
                }
                Step::Emit(StreamEvent::Touch { key, top, at }) => {
                    let named = at.unwrap_or_else(|| self.client.clock().now().wall);
                    let quote = VenueNews::Quote { key: key.clone(), quote: top.quote, at: named };
                    self.events.send(StreamEvent::News(quote)).await.map_err(|_| Ended)?;
                    self.events.send(StreamEvent::Touch { key, top, at }).await.map_err(|_| Ended)?;
                }
                Step::Emit(event) => self.events.send(event).await.map_err(|_| Ended)?,
                Step::Drop(why) => return Ok(Some(why)),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
