//! Connections of one stream, one after the other: subscription, liveness, reconnects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::super::super::reconnect::{handle_gone, pause};
use super::super::translate::{Ours, TopOfBook};
use super::frame::{self, Context, Event, Frame};
use super::session::{Session, Step};
use super::{Shared, StreamEvent};
use crate::domain::ids::TokenId;
use crate::domain::report::VenueNews;
use crate::domain::time::{Mono, Now};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Account,
    Books,
}

type Connection = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;
type Audited = (TokenId, TopOfBook, Mono);

/// Audits that wait for their answers; one is enough.
const AUDITS_MAX: usize = 4;

pub(super) struct Socket {
    shared: Arc<Shared>,
    kind: Kind,
    wanted: watch::Receiver<BTreeSet<TokenId>>,
}

/// Nobody listens any more.
struct Ended;

/// What one connection holds beside its socket.
struct Talk {
    session: Option<Session>,
    ours: Option<Ours>,
    up: bool,
    heard_at: Mono,
    /// The last time that data came, not an answer to a ping.
    told_at: Mono,
    audits: mpsc::Sender<Audited>,
}

impl Socket {
    pub(super) fn new(shared: Arc<Shared>, kind: Kind, wanted: watch::Receiver<BTreeSet<TokenId>>) -> Self {
        Self { shared, kind, wanted }
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0u32;
        loop {
            let begun = self.now().mono;
            let Ok(why) = self.once().await else { return };
            let settings = &self.shared.settings;
            // A connection that held for a while starts the waits anew.
            let held = self.now().mono > begun.plus_ms(4 * settings.silence_ms_max);
            failures = if held { 0 } else { failures.saturating_add(1) };
            let event = match self.kind {
                Kind::Account => {
                    self.shared.venue.client().standing().broken();
                    StreamEvent::Down { why }
                }
                Kind::Books => StreamEvent::BooksDown { why },
            };
            if self.emit(event).await.is_err() {
                return;
            }
            let wait = pause(failures, settings.back_off_ms, settings.back_off_ms_max);
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = handle_gone(&mut self.wanted) => return,
                () = shared.events.closed() => return,
            }
        }
    }

    fn now(&self) -> Now {
        self.shared.venue.client().clock().now()
    }

    async fn emit(&self, event: StreamEvent) -> Result<(), Ended> {
        self.shared.events.send(event).await.map_err(|_| Ended)
    }

    /// One connection; why it ended.
    async fn once(&mut self) -> Result<String, Ended> {
        let hello = match self.hello() {
            Ok(hello) => hello,
            Err(why) => return Ok(why),
        };
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(why) => return Ok(why),
        };
        let now = self.now();
        let (audits, mut answers) = mpsc::channel(AUDITS_MAX);
        let ours = self.shared.venue.client().ours().ok();
        let mut talk = Talk { session: None, ours, up: false, heard_at: now.mono, told_at: now.mono, audits };
        let mut first = hello.into_iter().collect::<Vec<_>>();
        if self.kind == Kind::Books {
            let settings = &self.shared.settings;
            let wanted = self.wanted.borrow_and_update().clone();
            let (session, steps) = Session::start(wanted, settings.levels, settings.data_silence_ms_max, now);
            talk.session = Some(session);
            first.extend(steps.into_iter().filter_map(|step| if let Step::Send(text) = step { Some(text) } else { None }));
        }
        for text in first {
            // The venue closes a connection that doesn't subscribe at once.
            if let Err(error) = connection.send(Message::text(text)).await {
                return Ok(shown(&error));
            }
        }
        let ended = self.converse(&mut connection, &mut talk, &mut answers).await;
        if let Some(session) = &mut talk.session {
            for step in session.end(self.now()) {
                if let Step::Emit(event) = step {
                    self.emit(event).await?;
                }
            }
        }
        ended
    }

    /// The account's subscription; it holds the secret, so it is nowhere but here. Errors: there is no API key.
    fn hello(&self) -> Result<Option<String>, String> {
        if self.kind == Kind::Books {
            return Ok(None);
        }
        let requests = self.shared.venue.client().requests().map_err(|error| error.to_string())?;
        let key = requests.credentials();
        let auth = json!({"apiKey": key.key(), "secret": key.secret(), "passphrase": key.passphrase()});
        Ok(Some(json!({"auth": auth, "type": "user"}).to_string()))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let settings = &self.shared.settings;
        let base = &self.shared.venue.client().settings().ws;
        let url = if self.kind == Kind::Account { base.user() } else { base.market() };
        let connecting = connect_async_with_config(url.as_str(), None, true);
        match tokio::time::timeout(Duration::from_millis(settings.connect_timeout_ms), connecting).await {
            Err(_) => Err(format!("no connection within {} ms", settings.connect_timeout_ms)),
            Ok(Ok((connection, _))) => {
                self.shared.counters.connects.fetch_add(1, Ordering::Relaxed);
                Ok(connection)
            }
            Ok(Err(WsError::Http(response))) => Err(format!("the handshake is refused: HTTP {}", response.status().as_u16())),
            Ok(Err(error)) => Err(shown(&error)),
        }
    }

    async fn converse(
        &mut self,
        connection: &mut Connection,
        talk: &mut Talk,
        answers: &mut mpsc::Receiver<Audited>,
    ) -> Result<String, Ended> {
        let shared = Arc::clone(&self.shared);
        // The first ping goes at once: its answer says that the subscription before it was heard.
        let mut pings = tokio::time::interval(Duration::from_millis(shared.settings.ping_every_ms));
        pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let steps = tokio::select! {
                frame = connection.next() => {
                    talk.heard_at = self.now().mono;
                    self.shared.venue.client().onlooker().heard(talk.heard_at);
                    match frame {
                        Some(Ok(Message::Text(text))) => self.frame(talk, text.as_str()),
                        Some(Ok(Message::Close(_))) | None => return Ok("the venue closed the connection".to_owned()),
                        Some(Ok(_)) => Vec::new(),
                        Some(Err(error)) => return Ok(shown(&error)),
                    }
                }
                _ = pings.tick() => {
                    let mut steps = self.watch_over(talk);
                    steps.push(Step::Send("PING".to_owned()));
                    steps
                }
                Some((token, top, asked)) = answers.recv() => {
                    talk.session.as_ref().and_then(|session| session.audited(&token, &top, asked)).into_iter().collect()
                }
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        let _ = connection.close(None).await;
                        return Err(Ended);
                    }
                    let wanted = self.wanted.borrow_and_update().clone();
                    let now = self.now();
                    talk.session.as_mut().map(|session| session.want(wanted, now)).unwrap_or_default()
                }
                () = shared.renew.notified(), if self.kind == Kind::Account => {
                    return Ok("the account changed without a word of the stream".to_owned());
                }
                () = shared.events.closed() => return Err(Ended),
            };
            if let Some(why) = self.carry_out(connection, talk, steps).await? {
                return Ok(why);
            }
        }
    }

    /// Nothing heard: dead. Nothing told: read the rest by REST.
    fn watch_over(&self, talk: &mut Talk) -> Vec<Step> {
        let (now, settings) = (self.now(), &self.shared.settings);
        if now.mono > talk.heard_at.plus_ms(settings.silence_ms_max) {
            return vec![Step::Drop(format!("not one frame for {} ms", settings.silence_ms_max))];
        }
        if let Some(session) = &mut talk.session {
            return session.tick(now);
        }
        if now.mono <= talk.told_at.plus_ms(settings.data_silence_ms_max) {
            return Vec::new();
        }
        talk.told_at = now.mono;
        vec![Step::Emit(StreamEvent::Silent { why: format!("nothing told for {} ms", settings.data_silence_ms_max) })]
    }

    fn frame(&self, talk: &mut Talk, text: &str) -> Vec<Step> {
        let counters = &self.shared.counters;
        counters.frames.fetch_add(1, Ordering::Relaxed);
        let venue = &self.shared.venue;
        let context = Context { ours: talk.ours.as_ref(), fees: &|key| venue.facts().fee(key) };
        let mut steps = Vec::new();
        let events = match frame::read(text, &context) {
            Ok(Frame::Pong) => {
                if self.kind == Kind::Account && !std::mem::replace(&mut talk.up, true) {
                    steps.push(Step::Emit(StreamEvent::Up));
                }
                return steps;
            }
            Ok(Frame::Events(events)) => events,
            Err(_) => {
                counters.unreadable.fetch_add(1, Ordering::Relaxed);
                return steps;
            }
        };
        let now = self.now();
        talk.told_at = now.mono;
        for event in events {
            match (event, &mut talk.session) {
                (Ok(event), Some(session)) => {
                    if let Event::Tick { token, .. } = &event {
                        venue.tick_changed(token);
                    }
                    steps.extend(session.heard(event, now));
                }
                (Ok(Event::Order(order)), None) => steps.push(news(VenueNews::Listed(order))),
                (Ok(Event::Trade(fills)), None) => steps.extend(fills.into_iter().map(|fill| news(VenueNews::Traded(Box::new(fill))))),
                (Ok(_), None) => {}
                (Err(unreadable), session) => {
                    counters.unreadable.fetch_add(1, Ordering::Relaxed);
                    match session {
                        Some(_) if unreadable.of_books => steps.push(Step::Drop(format!("a book can't be read: {}", unreadable.why))),
                        Some(_) => {}
                        None => steps.push(Step::Emit(StreamEvent::Silent { why: format!("an event can't be read: {}", unreadable.why) })),
                    }
                }
            }
        }
        steps
    }

    /// `Some`: the connection is to be given up, and why.
    async fn carry_out(&self, connection: &mut Connection, talk: &Talk, steps: Vec<Step>) -> Result<Option<String>, Ended> {
        for step in steps {
            match step {
                Step::Send(text) => {
                    if let Err(error) = connection.send(Message::text(text)).await {
                        return Ok(Some(shown(&error)));
                    }
                }
                Step::Emit(event) => self.emit(event).await?,
                Step::Audit(token) => {
                    let (venue, audits, asked) = (Arc::clone(&self.shared.venue), talk.audits.clone(), self.now().mono);
                    tokio::spawn(async move {
                        // Without an answer there is nothing to compare.
                        if let Ok(top) = venue.top_of_book(&token).await {
                            let _ = audits.send((token, top, asked)).await;
                        }
                    });
                }
                Step::Drop(why) => return Ok(Some(why)),
            }
        }
        Ok(None)
    }
}

fn news(one: VenueNews) -> Step {
    Step::Emit(StreamEvent::News(one))
}

/// What failed, without the frame that couldn't be sent: the first one holds the secret.
fn shown(error: &WsError) -> String {
    match error {
        WsError::WriteBufferFull(_) => "the write buffer is full".to_owned(),
        other => other.to_string(),
    }
}
