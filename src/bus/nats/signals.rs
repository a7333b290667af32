//! Signals from the stream: a continuous pull with prefetch, opened again by itself after every outage.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull};
use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::watch;

use super::acks::{AckDesk, NatsAcker};
use super::provision::{self, Incarnation};
use super::{NatsLink, failed};
use crate::bus::{BusError, BusState, Delivery, Link, SignalSource, SignalsOptions};
use crate::domain::time::Time;

/// Signals on their way to us or in our buffer; a quarter of what may be unacknowledged.
const PREFETCH: usize = 64;
/// A pull lasts this long on the server and is renewed before it is used up.
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// The server says this often that it has nothing; after two missed ones the pull is opened again.
const PULL_HEARTBEAT: Duration = Duration::from_secs(2);
/// First and longest pause between attempts to open the stream.
const OPEN_PAUSE_MIN: Duration = Duration::from_millis(50);
const OPEN_PAUSE_MAX: Duration = Duration::from_secs(2);

pub(super) struct NatsSignals {
    link: NatsLink,
    options: SignalsOptions,
    state: watch::Receiver<BusState>,
    acks: Arc<AckDesk>,
    pull: Option<Pull>,
}

/// An open pull, which belongs to one connection.
struct Pull {
    messages: pull::Stream,
    connects: u64,
    incarnation: Incarnation,
}

impl NatsSignals {
    pub(super) fn new(link: NatsLink, options: SignalsOptions) -> Self {
        let acks = Arc::new(AckDesk::new(link.clone()));
        Self { state: link.state.subscribe(), link, options, acks, pull: None }
    }

    /// Tries until the pull is open.
    async fn open(&mut self) -> &mut Pull {
        let mut pause = OPEN_PAUSE_MIN;
        while self.pull.is_none() {
            // The sender lives in `link`, so waiting can't fail.
            let _ = self.state.wait_for(|state| state.link == Link::Connected).await;
            match self.try_open().await {
                Ok(pull) => self.pull = Some(pull),
                Err(error) => {
                    self.note_failure(&error.to_string());
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(OPEN_PAUSE_MAX);
                }
            }
        }
        self.pull.as_mut().expect("Invariant: the loop ends with an open pull")
    }

    async fn try_open(&mut self) -> Result<Pull, BusError> {
        let connects = self.state.borrow_and_update().connects;
        let (consumer, incarnation) = provision::durable(&self.link, &self.options).await?;
        self.acks.settle(incarnation).await;
        let builder = consumer.stream().max_messages_per_batch(PREFETCH).expires(PULL_EXPIRES).heartbeat(PULL_HEARTBEAT);
        let messages = builder.messages().await.map_err(|error| failed("signals can't be pulled", &error))?;
        self.link.state.send_modify(|state| state.signals_open = state.link == Link::Connected && state.connects == connects);
        tracing::info!(durable = %self.options.durable, "reading signals");
        Ok(Pull { messages, connects, incarnation })
    }

    /// Says it once per cause, not once per attempt.
    fn note_failure(&self, error: &str) {
        let known = self.link.state.borrow().last_error.as_deref() == Some(error);
        if !known {
            tracing::error!(durable = %self.options.durable, "signals can't be read: {error}; trying again, pauses of at most 2 s");
        }
        self.link.state.send_modify(|state| {
            state.signals_open = false;
            state.last_error = Some(error.to_owned());
        });
    }

    fn delivery(&self, message: jetstream::Message, incarnation: Incarnation) -> Result<Delivery, String> {
        let (stream_seq, published_ns, delivered_count) = {
            let info = message.info().map_err(|error| error.to_string())?;
            let behind = info.pending;
            self.link.state.send_if_modified(|state| {
                state.signals_behind = behind;
                false
            });
            (info.stream_sequence, info.published.unix_timestamp_nanos(), info.delivered)
        };
        let message = message.message;
        let reply = message.reply.ok_or("no reply subject")?;
        Ok(Delivery {
            subject: message.subject.to_string(),
            raw: message.payload,
            stream_seq,
            published_at: Time::from_nanos(i64::try_from(published_ns).unwrap_or(i64::MAX)),
            delivered_count: u64::try_from(delivered_count).unwrap_or(1),
            acker: Box::new(NatsAcker { desk: Arc::clone(&self.acks), reply, incarnation, stream_seq }),
        })
    }
}

/// The server has lost an acknowledgement (killed, or gone while it was on its way): says it once more.
async fn again_done(delivery: &Delivery) {
    tracing::debug!(stream_seq = delivery.stream_seq, "a signal that is done came again");
    if let Err(error) = delivery.ack().await {
        tracing::debug!("its acknowledgement was not sent: {error}");
    }
}

#[async_trait]
impl SignalSource for NatsSignals {
    async fn next(&mut self) -> Delivery {
        loop {
            let mut state = self.state.clone();
            let pull = self.open().await;
            let (connects, incarnation) = (pull.connects, pull.incarnation);
            // What is buffered goes first; only then is a lost connection a reason to open again.
            let pulled = tokio::select! {
                biased;
                pulled = pull.messages.next() => pulled,
                _ = state.wait_for(|state| state.link != Link::Connected || state.connects != connects) => {
                    self.pull = None;
                    continue;
                }
            };
            match pulled.map(|pulled| pulled.map_err(|error| error.to_string())) {
                Some(Ok(message)) => match self.delivery(message, incarnation) {
                    Ok(delivery) if self.acks.is_done(delivery.stream_seq) => again_done(&delivery).await,
                    Ok(delivery) => return delivery,
                    Err(error) => tracing::error!("a message without JetStream's coordinates came from a pull: {error}"),
                },
                Some(Err(error)) => {
                    tracing::warn!(durable = %self.options.durable, "reading signals was interrupted ({error}); opening again");
                    self.pull = None;
                }
                None => self.pull = None,
            }
        }
    }
}
