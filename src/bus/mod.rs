//! The letterbox: moves bytes between processes and remembers nothing that matters (the log does).
//!
//! One trait, two carriers: `nats` (a server, JetStream for signals) and `embedded` (in this process, for first
//! runs without a server). Delivery is at least once; whoever receives must know a repeat when it sees one.

/// The same letterbox without a server.
pub mod embedded;
/// Range reads of a log.
pub mod envelope;
/// The letterbox over NATS.
pub mod nats;
/// Names on the bus.
pub mod subjects;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use thiserror::Error;
use tokio::sync::watch;

use crate::domain::time::Time;

/// Messages waiting in one subscription; the next one is dropped and counted in `BusState::dropped`.
/// A burst of a tenth of a second at the log's best rate, some 16 MiB at most.
pub const SUBSCRIPTION_MESSAGES_MAX: usize = 16_384;
/// Largest signal kept, in bytes: twice what the reader of signals accepts, so that an oversized one can be
/// answered and dead-lettered, while a bomb is refused at the door.
pub const SIGNAL_BYTES_MAX: usize = 128 * 1024;
/// From this delivery on the worker should give up on a message and dead-letter it.
pub const MAX_DELIVER: u64 = 5;
/// After so many deliveries the server stops: twice `MAX_DELIVER`, because a crash during the last wanted
/// delivery must not leave the message without an answer.
pub const DELIVERIES_MAX: u64 = 2 * MAX_DELIVER;
/// Signals handed out and not yet acknowledged, per durable.
pub const SIGNALS_IN_FLIGHT_MAX: usize = 256;

/// Why something did not go through, by what one can do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BusError {
    /// Try again when `BusState::link` is `Connected`.
    #[error("the bus ({server}) is not connected; it keeps trying")]
    Disconnected { server: String },
    /// Nobody listens there right now.
    #[error("nobody answers on `{subject}`")]
    NoResponders { subject: String },
    #[error("no answer on `{subject}` within {timeout_ms} ms")]
    TimedOut { subject: String, timeout_ms: u64 },
    #[error("{bytes} bytes for `{subject}` are more than the {bytes_max} the bus takes")]
    TooLarge { subject: String, bytes: usize, bytes_max: usize },
    #[error("`{subject}` is not a subject one can send to")]
    BadSubject { subject: String },
    #[error("the message on `{subject}` asks for no reply")]
    NoReply { subject: String },
    /// Won't heal by waiting: an operator has to change something.
    #[error("{0}")]
    Misconfigured(String),
    #[error("{what}: {why}")]
    Failed { what: String, why: String },
}

/// A lease that nobody has renewed for this long is free.
pub const LEASE_TTL_MS: i64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// Somebody else has it, or took it meanwhile.
    #[error("held by {by}")]
    Held { by: String },
    /// Nothing is known; it may have been taken.
    #[error("{0}")]
    Bus(BusError),
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub payload: Bytes,
    /// Where the sender waits for an answer.
    pub reply: Option<String>,
}

/// The state of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not connected yet since the start.
    Connecting,
    Connected,
    /// Was connected, is trying again.
    Disconnected,
    /// Connected to a server that can't be used; says why.
    Refused(String),
}

/// What the bus knows about itself; counters only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusState {
    pub link: Link,
    /// Times connected; a new number means that messages may have been missed in between.
    pub connects: u64,
    /// Failed attempts since the last connection.
    pub attempts: u64,
    /// Messages lost because a subscription wasn't read fast enough. A lower bound over NATS.
    pub dropped: u64,
    /// Subjects the server refused to us.
    pub violations: u64,
    /// The last of them on this connection: whoever is refused something can't do its work.
    pub refused: Option<String>,
    /// Whether the stream of signals is being read.
    pub signals_open: bool,
    /// Signals that the stream held behind the last one delivered. Nobody is woken for it.
    pub signals_behind: u64,
    pub last_error: Option<String>,
}

impl BusState {
    fn new(link: Link) -> Self {
        Self {
            link,
            connects: 0,
            attempts: 0,
            dropped: 0,
            violations: 0,
            refused: None,
            signals_open: false,
            signals_behind: 0,
            last_error: None,
        }
    }
}

/// Messages of one subject pattern, oldest first. Ends when the bus is dropped.
pub struct Subscription(Pin<Box<dyn Stream<Item = Message> + Send>>);

impl Subscription {
    fn new(stream: impl Stream<Item = Message> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next message. Safe to cancel.
    pub async fn next(&mut self) -> Option<Message> {
        self.0.next().await
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Message>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// How signals are taken from their stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalsOptions {
    /// The name under which the stream remembers what is acknowledged.
    pub durable: String,
    pub filter_subjects: Vec<String>,
    /// How long after each delivery an unacknowledged signal comes again; the last one counts for all later ones.
    pub redeliver_after_ms: Vec<u64>,
    pub in_flight_max: usize,
}

impl SignalsOptions {
    /// The settings of design §2.1.
    pub fn new(durable: &str) -> Self {
        Self {
            durable: durable.to_owned(),
            filter_subjects: subjects::signal_filters(),
            redeliver_after_ms: vec![10_000, 20_000, 40_000, 60_000],
            in_flight_max: SIGNALS_IN_FLIGHT_MAX,
        }
    }

    fn check(&self) -> Result<(), BusError> {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let sound = !self.durable.is_empty()
            && self.durable.bytes().all(name)
            && !self.filter_subjects.is_empty()
            && (1..=DELIVERIES_MAX as usize).contains(&self.redeliver_after_ms.len())
            && self.in_flight_max > 0;
        let why = || format!("{self:?}: a durable is letters, digits, - and _; filters, waits and in_flight_max must not be empty");
        if sound { Ok(()) } else { Err(BusError::Misconfigured(why())) }
    }

    /// The wait after the delivery with this number, from 1.
    fn redeliver_after(&self, delivered_count: u64) -> Duration {
        let index = usize::try_from(delivered_count.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.redeliver_after_ms.last().copied().unwrap_or(10_000);
        Duration::from_millis(self.redeliver_after_ms.get(index).copied().unwrap_or(last))
    }
}

/// The four things one can say about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Answered durably; never deliver again.
    Done,
    /// Deliver again after so many milliseconds.
    Nak { delay_ms: u64 },
    /// Still working: start the wait for redelivery anew.
    InProgress,
    /// Give up: never deliver again.
    Term,
}

/// The way back for one delivery.
#[async_trait]
pub trait Acker: Send + Sync {
    async fn send(&self, ack: Ack) -> Result<(), BusError>;
}

/// A signal as it came.
pub struct Delivery {
    pub subject: String,
    pub raw: Bytes,
    pub stream_seq: u64,
    /// When the stream took it.
    pub published_at: Time,
    /// From 1. Deliveries into a buffer that nobody read before a crash count, too.
    pub delivered_count: u64,
    pub acker: Box<dyn Acker>,
}

impl Delivery {
    /// Whether the worker should dead-letter instead of trying once more.
    pub fn is_last(&self) -> bool {
        self.delivered_count >= MAX_DELIVER
    }

    /// Errors: the acknowledgement was not sent; the signal comes again.
    pub async fn ack(&self) -> Result<(), BusError> {
        self.acker.send(Ack::Done).await
    }

    pub async fn nak(&self, delay_ms: u64) -> Result<(), BusError> {
        self.acker.send(Ack::Nak { delay_ms }).await
    }

    pub async fn in_progress(&self) -> Result<(), BusError> {
        self.acker.send(Ack::InProgress).await
    }

    pub async fn term(&self) -> Result<(), BusError> {
        self.acker.send(Ack::Term).await
    }
}

/// Signals, one at a time.
#[async_trait]
pub trait SignalSource: Send {
    /// The next signal; waits through outages and opens the stream again by itself (`BusState::signals_open` and
    /// `last_error` tell how that goes). Safe to cancel.
    async fn next(&mut self) -> Delivery;
}

#[async_trait]
pub trait Bus: Send + Sync {
    /// Hands the message to the carrier and returns; nothing confirms its arrival.
    /// `msg_id` lets a stream drop repeats.
    async fn publish(&self, subject: &str, payload: Bytes, msg_id: Option<&str>) -> Result<(), BusError>;

    /// Sends and waits for one answer. Never queued while disconnected.
    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError>;

    /// When this returns while connected, the carrier knows of the subscription.
    async fn subscribe(&self, pattern: &str) -> Result<Subscription, BusError>;

    /// Answers a message that asks for it.
    async fn reply(&self, message: &Message, payload: Bytes) -> Result<(), BusError>;

    /// Reads the signals of a durable name; stream and durable are created if absent when the first one is asked for.
    /// Errors: `Misconfigured` options.
    async fn signals(&self, options: SignalsOptions) -> Result<Box<dyn SignalSource>, BusError>;

    /// Puts a signal into the stream and waits until it is kept; returns its stream sequence.
    async fn publish_signal(&self, subject: &str, payload: Bytes) -> Result<u64, BusError>;

    /// Takes the lease `key` (`revision: None`, when nobody holds it) or renews it by compare-and-swap. Returns its new
    /// revision, which only grows. It is free `LEASE_TTL_MS` after the last renewal.
    async fn lease_take(&self, key: &str, holder: Bytes, revision: Option<u64>) -> Result<u64, LeaseError>;

    /// Frees a lease that is still at this revision.
    async fn lease_give_back(&self, key: &str, revision: u64) -> Result<(), BusError>;

    fn state(&self) -> watch::Receiver<BusState>;

    fn is_connected(&self) -> bool {
        self.state().borrow().link == Link::Connected
    }

    /// Errors: `Disconnected` when the time is over, `Misconfigured` when waiting is useless.
    async fn wait_connected(&self, timeout: Duration) -> Result<(), BusError>;
}
