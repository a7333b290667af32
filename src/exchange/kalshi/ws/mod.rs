//! WebSocket: the handshake, the sockets, and the sessions that are told what happens.

/// One session without its socket.
pub mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::core::Core;
use super::faults::{Faults, OnFrame};
use super::ids::AccountNo;
use super::notices::Notice;
use super::server::Shared;
use session::Session;

pub const PATH: &str = "/trade-api/ws/v2";

/// What a socket is to send.
#[derive(Clone, Debug)]
pub enum Frame {
    Text(String),
    /// Ends the connection; `true` without a closing frame.
    End {
        abrupt: bool,
    },
}

struct Member {
    session: Session,
    socket: UnboundedSender<Frame>,
}

/// All open sessions.
#[derive(Default)]
pub struct Hub {
    members: BTreeMap<u64, Member>,
    made: u64,
}

impl Hub {
    fn join(&mut self, account: AccountNo) -> (u64, UnboundedReceiver<Frame>) {
        let (socket, frames) = unbounded_channel();
        self.made += 1;
        self.members.insert(self.made, Member { session: Session::new(account), socket });
        (self.made, frames)
    }

    fn leave(&mut self, id: u64) {
        self.members.remove(&id);
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn end_all(&mut self, abrupt: bool) {
        for member in self.members.values() {
            // A socket that has gone needs no end.
            let _ = member.socket.send(Frame::End { abrupt });
        }
    }

    fn command(&mut self, id: u64, text: &str, core: &Core, silent: bool) {
        let Some(member) = self.members.get_mut(&id) else { return };
        for frame in member.session.command(text, core) {
            if !silent {
                member.say(&frame);
            }
        }
    }

    /// Tells every session what has happened, with what goes wrong on the way.
    pub fn tell(&mut self, notices: &[Notice], core: &Core, faults: &mut Faults) {
        let silent = faults.silent();
        for notice in notices {
            for member in self.members.values_mut() {
                let Some(frame) = member.session.hear(notice, core) else { continue };
                let effects = faults.on_frame(notice.channel);
                if !silent && !effects.contains(&OnFrame::Drop) {
                    member.say_with(frame, &effects, notice);
                }
            }
        }
    }
}

impl Member {
    fn say(&self, frame: &Value) {
        // One object and a line feed, as recorded. A socket that has gone hears nothing.
        let _ = self.socket.send(Frame::Text(format!("{frame}\n")));
    }

    fn say_with(&mut self, frame: Value, effects: &[OnFrame], notice: &Notice) {
        let mut delay_ms = 0;
        let mut copies = 1;
        for effect in effects {
            match effect {
                OnFrame::Duplicate => copies += 1,
                OnFrame::Delay(ms) => delay_ms += ms,
                OnFrame::Gap => self.session.skip(notice.channel),
                OnFrame::Drop => {}
            }
        }
        for _ in 0..copies {
            if delay_ms <= 0 {
                self.say(&frame);
                continue;
            }
            let (socket, text) = (self.socket.clone(), format!("{frame}\n"));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay_ms.unsigned_abs())).await;
                let _ = socket.send(Frame::Text(text));
            });
        }
    }
}

/// The handshake: signed like a request, over its own path.
pub async fn handshake(State(shared): State<Shared>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response<HttpBody> {
    let (skew_ms, refused) = shared.with(|inner| (inner.faults.clock_skew_ms(), inner.faults.refuses_socket()));
    if let Some(status) = refused {
        return StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE).into_response();
    }
    let now = shared.clock.now().wall.plus_ms(skew_ms);
    match shared.keys().check(&headers, "GET", PATH, now) {
        Ok(caller) => upgrade.on_upgrade(move |socket| attend(shared, caller.account, socket)),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNAUTHORIZED);
            (status, [(header::CONTENT_TYPE, "application/json")], refusal.body).into_response()
        }
    }
}

async fn attend(shared: Shared, account: AccountNo, mut socket: WebSocket) {
    let (id, mut frames) = shared.with(|inner| {
        inner.core.listening = true;
        inner.hub.join(account)
    });
    let mut pings = tokio::time::interval(shared.ping_every);
    pings.reset();
    loop {
        let on = tokio::select! {
            frame = frames.recv() => send(&mut socket, frame).await,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    shared.with(|inner| {
                        let silent = inner.faults.silent();
                        inner.hub.command(id, &text, &inner.core, silent);
                    });
                    true
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
            _ = pings.tick() => {
                let silent = shared.with(|inner| inner.faults.silent());
                silent || socket.send(Message::Ping("heartbeat".into())).await.is_ok()
            }
            () = shared.stopped() => false,
        };
        if !on {
            break;
        }
    }
    shared.with(|inner| {
        inner.hub.leave(id);
        inner.core.listening = !inner.hub.is_empty();
    });
}

/// False when the connection ends.
async fn send(socket: &mut WebSocket, frame: Option<Frame>) -> bool {
    match frame {
        Some(Frame::Text(text)) => socket.send(Message::Text(text.into())).await.is_ok(),
        Some(Frame::End { abrupt: false }) => {
            // Whether the closing frame arrives or not, this is the end.
            let _ = socket.send(Message::Close(None)).await;
            false
        }
        Some(Frame::End { abrupt: true }) | None => false,
    }
}
