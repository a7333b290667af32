//! Tells people: durable records as messages to one webhook. Nobody waits for it: what it can't deliver it counts, and drops.

/// Where messages go.
pub mod address;
/// One message over HTTP.
pub mod channel;
/// What a day has brought.
pub mod day;
/// A message and what it is about.
pub mod message;
/// Which events are told, in which words.
pub mod news;
/// What goes now and what waits.
pub mod pacing;
/// What waits for the channel.
mod queue;
/// Hours in which only the critical is told.
pub mod quiet;
/// From the log to the shelf.
mod reader;
/// From the shelf to the channel.
mod sender;
/// The body of a request.
pub mod template;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::event_log::EventStore;
use channel::Channel;
use message::Message;
use news::News;
use pacing::{Pacing, Rules};
use queue::Queue;
use reader::Reader;
use sender::Sender;

/// How long the last messages may take at the end.
pub const END_MS: u64 = 2_000;
const LOOK_AGAIN_MS: u64 = 10;

/// What became of messages, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Refused, or tried too often.
    pub failed: AtomicU64,
    /// Had to go for newer ones.
    pub dropped: AtomicU64,
}

impl Counts {
    /// By the words of the metric `notifications_total{outcome}`.
    pub fn by_outcome(&self) -> [(&'static str, u64); 3] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("sent", of(&self.sent)), ("failed", of(&self.failed)), ("dropped", of(&self.dropped))]
    }
}

pub struct Notifier {
    pub log: Arc<dyn EventStore>,
    pub clock: Clock,
    pub news: News,
    pub rules: Rules,
    pub channel: Channel,
    pub counts: Arc<Counts>,
    pub watched: Watched,
}

/// What wakes it.
pub struct Watched {
    /// The last durable record.
    pub durable: watch::Receiver<u64>,
    /// Why the engine takes nothing more.
    pub halted: watch::Receiver<Option<String>>,
    /// The end of the session: every record is written.
    pub stop: watch::Receiver<bool>,
}

impl Notifier {
    /// Tells of every record after those that `news` knows. Ends with the session, once what can be delivered is.
    pub async fn run(self) {
        let (shelf, mode) = (Shelf::new(self.counts), self.log.mode());
        let reader = Reader { log: self.log, clock: self.clock.clone(), news: self.news, pacing: Pacing::new(self.rules), shelf: &shelf };
        let mut sending = std::pin::pin!(Sender { channel: self.channel, clock: self.clock, shelf: &shelf, mode }.run());
        tokio::select! {
            () = reader.run(self.watched) => {}
            never = &mut sending => match never {},
        }
        tokio::select! {
            () = shelf.emptied() => {}
            never = &mut sending => match never {},
            () = tokio::time::sleep(Duration::from_millis(END_MS)) => {}
        }
    }
}

/// What is read and what is sent meet here.
struct Shelf {
    queue: Mutex<Queue>,
    more: Notify,
    counts: Arc<Counts>,
}

impl Shelf {
    fn new(counts: Arc<Counts>) -> Self {
        Self { queue: Mutex::default(), more: Notify::new(), counts }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Message) {
        if !self.queue().push(message) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.more.notify_one();
    }

    /// Nothing waits, and nothing is under way.
    async fn emptied(&self) {
        while !self.queue().is_done() {
            tokio::time::sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
        }
    }
}
