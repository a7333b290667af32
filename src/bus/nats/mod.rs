//! The letterbox over NATS (server 2.10 or newer, JetStream on). Connects in the background and for ever; what
//! the client library reports only by its event callback (refused subjects, dropped messages) ends in `BusState`.

/// Acknowledgements, also over an outage.
mod acks;
/// One owner for what must have only one.
mod lease;
/// Keys that prove who we are.
pub mod nkey;
/// The stream and its durable: created if absent, read back, compared.
mod provision;
/// Signals from the stream.
mod signals;
/// `NATS_URL` and who we are.
mod url;
/// Keeps `BusState` true.
mod watch_link;

use std::future::Future;
use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::jetstream::context::{self, ContextBuilder};
use async_nats::{Client, ConnectOptions, HeaderMap, Request};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use secrecy::SecretString;
use url::Servers;

use super::{
    Bus, BusError, BusState, LeaseError, Link, Message, SIGNAL_BYTES_MAX, SUBSCRIPTION_MESSAGES_MAX, SignalSource, SignalsOptions,
    Subscription, subjects,
};

/// Longest pause between two attempts to connect: an outage shouldn't outlive itself by more than this.
const RECONNECT_PAUSE_MAX_MS: u64 = 1_000;
/// A dead peer is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A JetStream API call or a stream's acknowledgement; usually 0.1 ms.
const API_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a publish may wait for room in the client's queue before it counts as failed.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long `subscribe` waits for the proof that the server knows of it.
const SUBSCRIBE_PROOF_TIMEOUT: Duration = Duration::from_millis(500);
/// Events of the client library waiting to be counted; more are lost, which only blurs the counters.
const LINK_EVENTS_MAX: usize = 1_024;

/// One connection to a NATS server.
pub struct NatsBus {
    link: NatsLink,
    watcher: JoinHandle<()>,
}

/// Who we are, beside what the URL says.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Of an nkey; the server knows its public half.
    pub seed: Option<SecretString>,
    /// Whose letterbox replies come to.
    pub role: Option<String>,
}

/// What the parts of a connection share.
#[derive(Clone)]
struct NatsLink {
    client: Client,
    jetstream: context::Context,
    state: watch::Sender<BusState>,
    /// Host and port, never the password.
    server: String,
}

impl NatsBus {
    /// Starts connecting to `url` (`nats://[user:password@]host:port`, several separated by commas) and returns
    /// at once; `name` is shown in the server's list of connections.
    ///
    /// Errors: `Misconfigured` when the URL can't be read.
    pub async fn connect(url: &str, name: &str) -> Result<Self, BusError> {
        Self::connect_as(url, name, &Identity::default()).await
    }

    /// The same with a key. Errors: as above, and a seed that is none.
    pub async fn connect_as(url: &str, name: &str, identity: &Identity) -> Result<Self, BusError> {
        let servers = Servers::read(url)?;
        identity.seed.as_ref().map(nkey::public).transpose().map_err(BusError::Misconfigured)?;
        let (events_in, events) = mpsc::channel(LINK_EVENTS_MAX);
        let inbox = servers.inbox_prefix(identity);
        let options = servers.log_in(identity, options(name, events_in)).custom_inbox_prefix(inbox);
        let server = servers.shown;
        let client = options.connect(servers.addresses).await;
        let client = client.map_err(|error| BusError::Misconfigured(format!("NATS at {server}: {error}")))?;
        let jetstream = ContextBuilder::new().timeout(API_TIMEOUT).ack_timeout(API_TIMEOUT).build(client.clone());
        let link = NatsLink { client, jetstream, state: watch::Sender::new(BusState::new(Link::Connecting)), server };
        let watcher = tokio::spawn(watch_link::run(link.clone(), events));
        Ok(Self { link, watcher })
    }
}

impl NatsBus {
    /// Makes everything that services use and need not be allowed to make: the stream of signals, the bucket of leases, and
    /// these durables. What is there already is brought up to date and keeps what it holds.
    pub async fn provision(&self, durables: &[String]) -> Result<(), BusError> {
        provision::stream(&self.link).await?;
        lease::provision(&self.link).await?;
        for durable in durables {
            provision::durable(&self.link, &SignalsOptions::new(durable)).await?;
        }
        Ok(())
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

fn options(name: &str, events: mpsc::Sender<async_nats::Event>) -> ConnectOptions {
    ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .connection_timeout(Duration::from_secs(2))
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(API_TIMEOUT))
        .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
        .reconnect_delay_callback(reconnect_pause)
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                let _ = events.try_send(event);
            }
        })
}

/// At once, then doubling from 20 ms up to a second.
fn reconnect_pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(2)).unwrap_or(u32::MAX).min(10);
    let pause_ms = if attempt <= 1 { 0 } else { (20u64 << doublings).min(RECONNECT_PAUSE_MAX_MS) };
    Duration::from_millis(pause_ms)
}

impl NatsLink {
    fn is_connected(&self) -> bool {
        self.state.borrow().link == Link::Connected
    }

    fn disconnected(&self) -> BusError {
        match &self.state.borrow().link {
            Link::Refused(why) => BusError::Misconfigured(why.clone()),
            _ => BusError::Disconnected { server: self.server.clone() },
        }
    }

    /// Hands something to the client, but not while the connection is down: what is queued then would go out late,
    /// and a full queue blocks.
    async fn enqueue<T, E>(&self, subject: &str, send: impl Future<Output = Result<T, E>>) -> Result<Result<T, E>, BusError> {
        if !self.is_connected() {
            return Err(self.disconnected());
        }
        let late = |_| BusError::TimedOut { subject: subject.to_owned(), timeout_ms: ENQUEUE_TIMEOUT.as_millis() as u64 };
        tokio::time::timeout(ENQUEUE_TIMEOUT, send).await.map_err(late)
    }

    async fn publish(&self, subject: &str, payload: Bytes, msg_id: Option<&str>) -> Result<(), BusError> {
        if !subjects::is_publishable(subject) {
            return Err(BusError::BadSubject { subject: subject.to_owned() });
        }
        let bytes = payload.len();
        let sent = match msg_id {
            None => self.enqueue(subject, self.client.publish(subject.to_owned(), payload)).await?,
            Some(id) => {
                let mut headers = HeaderMap::new();
                headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
                self.enqueue(subject, self.client.publish_with_headers(subject.to_owned(), headers, payload)).await?
            }
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => self.too_large(subject, bytes),
            PublishErrorKind::InvalidSubject => BusError::BadSubject { subject: subject.to_owned() },
            _ => failed(&format!("publishing to `{subject}`"), &error),
        })
    }

    fn too_large(&self, subject: &str, bytes: usize) -> BusError {
        BusError::TooLarge { subject: subject.to_owned(), bytes, bytes_max: self.client.max_payload() }
    }

    /// One question to a subject where nobody answers: its "no responders" comes after the server has read all
    /// we sent before (`flush` of the client library only empties a buffer).
    async fn round_trip(&self) {
        let request = Request::new().timeout(Some(SUBSCRIBE_PROOF_TIMEOUT));
        match self.client.send_request(subjects::PING, request).await {
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {}
            other => tracing::warn!(server = %self.server, "no proof of the subscription from NATS: {:?}", other.map(|_| ())),
        }
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn publish(&self, subject: &str, payload: Bytes, msg_id: Option<&str>) -> Result<(), BusError> {
        self.link.publish(subject, payload, msg_id).await
    }

    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        if !self.link.is_connected() {
            return Err(self.link.disconnected());
        }
        let (bytes, timeout_ms) = (payload.len(), timeout.as_millis() as u64);
        let subject = subject.to_owned();
        let request = Request::new().payload(payload).timeout(None);
        // The limit covers the wait for room in the client's queue, too.
        let answer = tokio::time::timeout(timeout, self.link.client.send_request(subject.clone(), request)).await;
        match answer {
            Err(_) => Err(BusError::TimedOut { subject, timeout_ms }),
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => BusError::NoResponders { subject },
                RequestErrorKind::TimedOut => BusError::TimedOut { subject, timeout_ms },
                RequestErrorKind::MaxPayloadExceeded => self.link.too_large(&subject, bytes),
                RequestErrorKind::InvalidSubject => BusError::BadSubject { subject },
                _ => failed(&format!("asking on `{subject}`"), &error),
            }),
        }
    }

    async fn subscribe(&self, pattern: &str) -> Result<Subscription, BusError> {
        let subscriber = self.link.client.subscribe(pattern.to_owned()).await;
        let subscriber = subscriber.map_err(|error| failed(&format!("subscribing to `{pattern}`"), &error))?;
        if self.link.is_connected() {
            self.link.round_trip().await;
        }
        Ok(Subscription::new(subscriber.map(|message| Message {
            subject: message.subject.to_string(),
            payload: message.payload,
            reply: message.reply.map(|reply| reply.to_string()),
        })))
    }

    async fn reply(&self, message: &Message, payload: Bytes) -> Result<(), BusError> {
        let reply = message.reply.as_deref().ok_or_else(|| BusError::NoReply { subject: message.subject.clone() })?;
        self.link.publish(reply, payload, None).await
    }

    async fn signals(&self, options: SignalsOptions) -> Result<Box<dyn SignalSource>, BusError> {
        options.check()?;
        Ok(Box::new(signals::NatsSignals::new(self.link.clone(), options)))
    }

    async fn publish_signal(&self, subject: &str, payload: Bytes) -> Result<u64, BusError> {
        if !self.link.is_connected() {
            return Err(self.link.disconnected());
        }
        if !subjects::is_publishable(subject) || !subjects::matches(subjects::SIGNALS_ALL, subject) {
            return Err(BusError::BadSubject { subject: subject.to_owned() });
        }
        if payload.len() > SIGNAL_BYTES_MAX {
            return Err(BusError::TooLarge { subject: subject.to_owned(), bytes: payload.len(), bytes_max: SIGNAL_BYTES_MAX });
        }
        match self.link.keep_signal(subject, payload.clone()).await {
            Err(error) if error.kind() == context::PublishErrorKind::StreamNotFound => {
                provision::stream(&self.link).await?;
                self.link.keep_signal(subject, payload).await
            }
            other => other,
        }
        .map_err(|error| failed(&format!("no stream confirmed the signal on `{subject}`"), &error))
    }

    async fn lease_take(&self, key: &str, holder: Bytes, revision: Option<u64>) -> Result<u64, LeaseError> {
        lease::take(&self.link, key, holder, revision).await
    }

    async fn lease_give_back(&self, key: &str, revision: u64) -> Result<(), BusError> {
        lease::give_back(&self.link, key, revision).await
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.link.state.subscribe()
    }

    async fn wait_connected(&self, timeout: Duration) -> Result<(), BusError> {
        let mut state = self.link.state.subscribe();
        let settled = state.wait_for(|state| matches!(state.link, Link::Connected | Link::Refused(_)));
        let _ = tokio::time::timeout(timeout, settled).await;
        if self.link.is_connected() { Ok(()) } else { Err(self.link.disconnected()) }
    }
}

impl NatsLink {
    async fn keep_signal(&self, subject: &str, payload: Bytes) -> Result<u64, context::PublishError> {
        let kept = self.jetstream.publish(subject.to_owned(), payload).await?.await?;
        Ok(kept.sequence)
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> BusError {
    BusError::Failed { what: what.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let pauses_ms: Vec<u128> = [1, 2, 3, 7, 8, 1_000].map(|attempt| reconnect_pause(attempt).as_millis()).into();
        assert_eq!(pauses_ms, [0, 20, 40, 640, 1_000, 1_000]);
    }
}
