//! The letterbox in this process: for a first run without a NATS server, and for tests of whoever uses a bus.
//! Same promises as over NATS, except that nothing survives the process.

/// Signals that wait for their acknowledgement.
mod queue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::{
    Bus, BusError, BusState, LeaseError, Link, Message, SIGNAL_BYTES_MAX, SUBSCRIPTION_MESSAGES_MAX, SignalSource, SignalsOptions,
    Subscription, subjects,
};
use crate::domain::time::Now;
use queue::{EmbeddedSignals, SignalQueue};

/// Largest message, as a NATS server's default.
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// One letterbox; clones share it.
#[derive(Clone)]
pub struct EmbeddedBus(Arc<Post>);

struct Post {
    boxes: Mutex<Vec<PostBox>>,
    queue: Arc<SignalQueue>,
    state: watch::Sender<BusState>,
    inboxes: AtomicU64,
    leases: Mutex<Leases>,
}

/// Who owns what, among those who share this process: enough for a rehearsal, whose venue is in the process, too.
#[derive(Default)]
struct Leases {
    last: u64,
    held: BTreeMap<String, (u64, Bytes)>,
}

/// One subscription.
struct PostBox {
    pattern: String,
    letters: mpsc::Sender<Message>,
}

impl EmbeddedBus {
    /// `now` stamps signals and times their redelivery.
    pub fn new(now: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        let mut state = BusState::new(Link::Connected);
        state.connects = 1;
        let queue = Arc::new(SignalQueue::new(Box::new(now)));
        Self(Arc::new(Post {
            boxes: Mutex::default(),
            queue,
            state: watch::Sender::new(state),
            inboxes: AtomicU64::new(0),
            leases: Mutex::default(),
        }))
    }
}

impl Post {
    /// Puts the message into every box whose pattern matches; returns how many there are.
    fn deliver(&self, message: &Message) -> usize {
        let mut found = 0;
        let mut boxes = self.boxes.lock().unwrap_or_else(PoisonError::into_inner);
        boxes.retain(|post_box| {
            if !subjects::matches(&post_box.pattern, &message.subject) {
                return !post_box.letters.is_closed();
            }
            match post_box.letters.try_send(message.clone()) {
                Ok(()) => found += 1,
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    found += 1;
                    self.state.send_modify(|state| state.dropped += 1);
                }
            }
            true
        });
        found
    }

    fn open_box(&self, pattern: &str, letters_max: usize) -> mpsc::Receiver<Message> {
        let (letters, receiver) = mpsc::channel(letters_max);
        let post_box = PostBox { pattern: pattern.to_owned(), letters };
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner).push(post_box);
        receiver
    }

    /// Checks and sends; returns how many subscriptions and streams took it.
    fn send(&self, subject: &str, payload: Bytes, reply: Option<String>) -> Result<usize, BusError> {
        if !subjects::is_publishable(subject) {
            return Err(BusError::BadSubject { subject: subject.to_owned() });
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(BusError::TooLarge { subject: subject.to_owned(), bytes: payload.len(), bytes_max: PAYLOAD_BYTES_MAX });
        }
        let kept = subjects::matches(subjects::SIGNALS_ALL, subject) && self.queue.push(subject, &payload).is_some();
        Ok(self.deliver(&Message { subject: subject.to_owned(), payload, reply }) + usize::from(kept))
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, subject: &str, payload: Bytes, _msg_id: Option<&str>) -> Result<(), BusError> {
        self.0.send(subject, payload, None).map(|_| ())
    }

    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        let inbox = format!("_INBOX.{}", self.0.inboxes.fetch_add(1, Ordering::Relaxed));
        let mut answers = self.0.open_box(&inbox, 1);
        if self.0.send(subject, payload, Some(inbox))? == 0 {
            return Err(BusError::NoResponders { subject: subject.to_owned() });
        }
        let late = BusError::TimedOut { subject: subject.to_owned(), timeout_ms: timeout.as_millis() as u64 };
        match tokio::time::timeout(timeout, answers.recv()).await {
            Ok(Some(answer)) => Ok(answer.payload),
            _ => Err(late),
        }
    }

    async fn subscribe(&self, pattern: &str) -> Result<Subscription, BusError> {
        let letters = self.0.open_box(pattern, SUBSCRIPTION_MESSAGES_MAX);
        Ok(Subscription::new(futures::stream::unfold(letters, |mut letters| async move {
            let message = letters.recv().await?;
            Some((message, letters))
        })))
    }

    async fn reply(&self, message: &Message, payload: Bytes) -> Result<(), BusError> {
        let reply = message.reply.as_deref().ok_or_else(|| BusError::NoReply { subject: message.subject.clone() })?;
        self.0.send(reply, payload, None).map(|_| ())
    }

    async fn signals(&self, options: SignalsOptions) -> Result<Box<dyn SignalSource>, BusError> {
        options.check()?;
        self.0.state.send_modify(|state| state.signals_open = true);
        Ok(Box::new(EmbeddedSignals::new(Arc::clone(&self.0.queue), options)))
    }

    async fn publish_signal(&self, subject: &str, payload: Bytes) -> Result<u64, BusError> {
        if !subjects::is_publishable(subject) || !subjects::matches(subjects::SIGNALS_ALL, subject) {
            return Err(BusError::BadSubject { subject: subject.to_owned() });
        }
        let too_large = || BusError::TooLarge { subject: subject.to_owned(), bytes: payload.len(), bytes_max: SIGNAL_BYTES_MAX };
        let stream_seq = self.0.queue.push(subject, &payload).ok_or_else(too_large)?;
        self.0.deliver(&Message { subject: subject.to_owned(), payload, reply: None });
        Ok(stream_seq)
    }

    async fn lease_take(&self, key: &str, holder: Bytes, revision: Option<u64>) -> Result<u64, LeaseError> {
        let mut leases = self.0.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((held, by)) = leases.held.get(key).filter(|(held, _)| Some(*held) != revision) {
            tracing::debug!("lease {key} is at {held}");
            return Err(LeaseError::Held { by: String::from_utf8_lossy(by).into_owned() });
        }
        leases.last += 1;
        let taken = leases.last;
        leases.held.insert(key.to_owned(), (taken, holder));
        Ok(taken)
    }

    async fn lease_give_back(&self, key: &str, revision: u64) -> Result<(), BusError> {
        let mut leases = self.0.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.held.get(key).is_some_and(|(held, _)| *held == revision) {
            leases.held.remove(key);
        }
        Ok(())
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.0.state.subscribe()
    }

    async fn wait_connected(&self, _timeout: Duration) -> Result<(), BusError> {
        Ok(())
    }
}
