//! Acknowledgements. A server that is killed forgets what it was told last, and one that is away hears nothing:
//! this side remembers both, so that within one process no outage makes a finished signal come again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::AckKind;
use async_trait::async_trait;
use bytes::Bytes;

use super::NatsLink;
use super::provision::Incarnation;
use crate::bus::{Ack, Acker, BusError};

/// Acknowledgements kept over an outage, and finished signals remembered: four times what can be unacknowledged at
/// the server. What is forgotten here only leads to a repeat.
const REMEMBERED_MAX: usize = 1_024;

/// Where acknowledgements go out.
pub(super) struct AckDesk {
    link: NatsLink,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    current: Option<Incarnation>,
    held: Vec<(Subject, Bytes)>,
    done: BTreeSet<u64>,
    done_order: VecDeque<u64>,
}

impl AckDesk {
    pub(super) fn new(link: NatsLink) -> Self {
        Self { link, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream is open again: sends what was held for it. Nothing said about an earlier stream may
    /// reach this one, where the same sequence number names another signal.
    pub(super) async fn settle(&self, incarnation: Incarnation) {
        let held = self.lock().enter(incarnation);
        for (reply, bytes) in held {
            if let Err(error) = self.link.publish(&reply, bytes, None).await {
                tracing::debug!("an acknowledgement kept over the outage was not sent: {error}");
            }
        }
    }

    /// Whether this signal was acknowledged or given up before.
    pub(super) fn is_done(&self, stream_seq: u64) -> bool {
        self.lock().done.contains(&stream_seq)
    }
}

impl Inner {
    fn enter(&mut self, incarnation: Incarnation) -> Vec<(Subject, Bytes)> {
        let held = std::mem::take(&mut self.held);
        if self.current == Some(incarnation) {
            return held;
        }
        *self = Self { current: Some(incarnation), ..Self::default() };
        Vec::new()
    }

    fn remember_done(&mut self, stream_seq: u64) {
        if self.done.insert(stream_seq) {
            self.done_order.push_back(stream_seq);
        }
        if self.done_order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.done_order.pop_front()
        {
            self.done.remove(&oldest);
        }
    }

    fn hold(&mut self, reply: &Subject, bytes: Bytes) {
        if self.held.len() < REMEMBERED_MAX {
            self.held.push((reply.clone(), bytes));
        }
    }
}

pub(super) struct NatsAcker {
    pub desk: Arc<AckDesk>,
    pub reply: Subject,
    pub incarnation: Incarnation,
    pub stream_seq: u64,
}

#[async_trait]
impl Acker for NatsAcker {
    /// While the connection is down the word is kept; about a stream that is gone it is dropped.
    async fn send(&self, ack: Ack) -> Result<(), BusError> {
        let bytes: Bytes = kind(ack).into();
        let connected = self.desk.link.is_connected();
        {
            let mut inner = self.desk.lock();
            if inner.current != Some(self.incarnation) {
                return Ok(());
            }
            if matches!(ack, Ack::Done | Ack::Term) {
                inner.remember_done(self.stream_seq);
            }
            if !connected {
                inner.hold(&self.reply, bytes);
                return Ok(());
            }
        }
        self.desk.link.publish(&self.reply, bytes, None).await
    }
}

fn kind(ack: Ack) -> AckKind {
    match ack {
        Ack::Done => AckKind::Ack,
        Ack::Nak { delay_ms } => AckKind::Nak((delay_ms > 0).then(|| Duration::from_millis(delay_ms))),
        Ack::InProgress => AckKind::Progress,
        Ack::Term => AckKind::Term,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_ends_with_the_stream() {
        let mut inner = Inner::default();
        let (first, second) = (Incarnation(1), Incarnation(2));
        assert!(inner.enter(first).is_empty());
        for stream_seq in 0..2 * REMEMBERED_MAX as u64 {
            inner.remember_done(stream_seq);
            inner.hold(&Subject::from("$JS.ACK.x"), Bytes::new());
        }
        assert_eq!((inner.done.len(), inner.done.first(), inner.done_order.len()), (REMEMBERED_MAX, Some(&1_024), REMEMBERED_MAX));
        assert_eq!(inner.enter(first).len(), REMEMBERED_MAX);
        inner.hold(&Subject::from("$JS.ACK.x"), Bytes::new());
        assert!(inner.enter(second).is_empty() && inner.done.is_empty());
    }
}
