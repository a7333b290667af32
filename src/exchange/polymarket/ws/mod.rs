//! WebSocket: the two doors, the sockets, and the sessions that are told what happens.

/// One session without its socket.
pub mod session;

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;

use super::core::Core;
use super::notices::Notice;
use super::server::Shared;
use crate::exchange::faults::OnFrame;
use crate::exchange::sockets::{Hub, send};
use session::{Door, Said, Session};

/// Tells every session what has happened, with what goes wrong on the way.
pub fn tell(hub: &mut Hub<Session>, notices: &[Notice], core: &mut Core) {
    let silent = core.faults.silent();
    for notice in notices {
        for member in hub.members() {
            let Some(frame) = member.session.hear(notice) else { continue };
            let effects = core.faults.on_frame(notice.channel);
            if !silent && !effects.contains(&OnFrame::Drop) {
                member.socket.say_with(&member.session.wrapped(frame, core.rules.frames), &effects);
            }
        }
    }
}

pub async fn user(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response<HttpBody> {
    handshake(shared, upgrade, Door::User)
}

pub async fn market(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response<HttpBody> {
    handshake(shared, upgrade, Door::Market)
}

/// Nobody is asked who they are: the first frame says it.
fn handshake(shared: Shared, upgrade: WebSocketUpgrade, door: Door) -> Response<HttpBody> {
    match shared.with(|inner| inner.core.faults.refuses_socket()) {
        Some(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE).into_response(),
        None => upgrade.on_upgrade(move |socket| attend(shared, door, socket)),
    }
}

async fn attend(shared: Shared, door: Door, mut socket: WebSocket) {
    let (id, mut frames) = shared.with(|inner| {
        inner.core.listening = true;
        inner.hub.join(Session::new(door))
    });
    loop {
        let on = tokio::select! {
            frame = frames.recv() => send(&mut socket, frame).await,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    said(&shared, id, &text);
                    true
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
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

/// Answers what a socket has said.
fn said(shared: &Shared, id: u64, text: &str) {
    let keys = shared.keys();
    shared.with(|inner| {
        let silent = inner.core.faults.silent();
        let frames = inner.core.rules.frames;
        let Some(member) = inner.hub.member(id) else { return };
        match member.session.said(text, &keys, &inner.core) {
            Said::Nothing => {}
            Said::Pong if silent => {}
            Said::Pong => member.socket.say("PONG".to_owned()),
            Said::Frames(first) => {
                for frame in first {
                    let effects = inner.core.faults.on_frame("book");
                    if !silent && !effects.contains(&OnFrame::Drop) {
                        member.socket.say_with(&member.session.wrapped(frame, frames), &effects);
                    }
                }
            }
            Said::End => inner.hub.end(id),
        }
    });
}
