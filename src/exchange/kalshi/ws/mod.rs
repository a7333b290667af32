//! WebSocket: the handshake, the sockets, and the sessions that are told what happens.

/// One session without its socket.
pub mod session;

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;

use super::core::Core;
use super::notices::Notice;
use super::server::Shared;
use crate::exchange::faults::{Faults, OnFrame};
use crate::exchange::ids::AccountNo;
use crate::exchange::sockets::{Hub, send};
use session::Session;

pub const PATH: &str = "/trade-api/ws/v2";

fn command(hub: &mut Hub<Session>, id: u64, text: &str, core: &Core, silent: bool) {
    let Some(member) = hub.member(id) else { return };
    for frame in member.session.command(text, core) {
        if !silent {
            member.socket.say(line(&frame));
        }
    }
}

/// Tells every session what has happened, with what goes wrong on the way.
pub fn tell(hub: &mut Hub<Session>, notices: &[Notice], core: &Core, faults: &mut Faults) {
    let silent = faults.silent();
    for notice in notices {
        for member in hub.members() {
            let Some(frame) = member.session.hear(notice, core) else { continue };
            let effects = faults.on_frame(notice.channel.as_str());
            if silent || effects.contains(&OnFrame::Drop) {
                continue;
            }
            for _ in effects.iter().filter(|effect| **effect == OnFrame::Gap) {
                member.session.skip(notice.channel);
            }
            member.socket.say_with(&line(&frame), &effects);
        }
    }
}

/// One object and a line feed, as recorded.
fn line(frame: &Value) -> String {
    format!("{frame}\n")
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
        inner.hub.join(Session::new(account))
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
                        command(&mut inner.hub, id, &text, &inner.core, silent);
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
