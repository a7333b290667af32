//! The open WebSockets of a double: each has a session of the venue's own kind, and frames go out with what goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::faults::OnFrame;

/// What a socket is to send.
#[derive(Clone, Debug)]
pub enum Frame {
    Text(String),
    /// Ends the connection; `true` without a closing frame.
    End {
        abrupt: bool,
    },
}

/// The sending end of one socket.
#[derive(Clone, Debug)]
pub struct Socket(UnboundedSender<Frame>);

impl Socket {
    pub fn say(&self, text: String) {
        // A socket that has gone hears nothing.
        let _ = self.0.send(Frame::Text(text));
    }

    /// Says it once, several times, later, or never. A `Gap` is the session's to make.
    pub fn say_with(&self, text: &str, effects: &[OnFrame]) {
        let (mut delay_ms, mut copies) = (0, 1);
        for effect in effects {
            match effect {
                OnFrame::Duplicate => copies += 1,
                OnFrame::Delay(ms) => delay_ms += ms,
                OnFrame::Drop => return,
                OnFrame::Gap => {}
            }
        }
        for _ in 0..copies {
            let (socket, text) = (self.clone(), text.to_owned());
            if delay_ms <= 0 {
                socket.say(text);
                continue;
            }
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay_ms.unsigned_abs())).await;
                socket.say(text);
            });
        }
    }
}

pub struct Member<S> {
    pub session: S,
    pub socket: Socket,
}

/// All open sessions.
pub struct Hub<S> {
    members: BTreeMap<u64, Member<S>>,
    made: u64,
}

impl<S> Default for Hub<S> {
    fn default() -> Self {
        Self { members: BTreeMap::new(), made: 0 }
    }
}

impl<S> Hub<S> {
    pub fn join(&mut self, session: S) -> (u64, UnboundedReceiver<Frame>) {
        let (socket, frames) = unbounded_channel();
        self.made += 1;
        self.members.insert(self.made, Member { session, socket: Socket(socket) });
        (self.made, frames)
    }

    pub fn leave(&mut self, id: u64) {
        self.members.remove(&id);
    }

    pub fn member(&mut self, id: u64) -> Option<&mut Member<S>> {
        self.members.get_mut(&id)
    }

    pub fn members(&mut self) -> impl Iterator<Item = &mut Member<S>> {
        self.members.values_mut()
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
            let _ = member.socket.0.send(Frame::End { abrupt });
        }
    }

    pub fn end(&mut self, id: u64) {
        if let Some(member) = self.members.get(&id) {
            let _ = member.socket.0.send(Frame::End { abrupt: false });
        }
    }
}

/// False when the connection ends.
pub async fn send(socket: &mut WebSocket, frame: Option<Frame>) -> bool {
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
