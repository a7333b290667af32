//! The stream of signals in memory: a bounded queue and, per durable name, what is handed out and not yet
//! acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::bus::{Ack, Acker, BusError, DELIVERIES_MAX, Delivery, SIGNAL_BYTES_MAX, SignalSource, SignalsOptions, subjects};
use crate::domain::time::{Mono, Now, Time};

/// Bytes of signals kept; then the oldest go, as in the stream on a server. A sixteenth of that one: this is memory.
const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Signals kept, for the case that they are tiny.
const QUEUE_SIGNALS_MAX: usize = 65_536;

pub(super) struct SignalQueue {
    now: Box<dyn Fn() -> Now + Send + Sync>,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    last_seq: u64,
    bytes: usize,
    kept: BTreeMap<u64, Kept>,
    durables: BTreeMap<String, Durable>,
}

struct Kept {
    subject: String,
    raw: Bytes,
    published_at: Time,
}

#[derive(Default)]
struct Durable {
    /// Up to here everything was handed out at least once.
    last_seq: u64,
    in_flight: BTreeMap<u64, InFlight>,
}

#[derive(Clone, Copy)]
struct InFlight {
    delivered_count: u64,
    due_again: Mono,
}

/// What to do for a reader now.
enum Turn {
    Deliver { stream_seq: u64, delivered_count: u64 },
    WaitUntil(Mono),
    Wait,
}

impl SignalQueue {
    pub(super) fn new(now: Box<dyn Fn() -> Now + Send + Sync>) -> Self {
        Self { now, inner: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a signal and returns its sequence; `None` when it is too large.
    pub(super) fn push(&self, subject: &str, raw: &Bytes) -> Option<u64> {
        if raw.len() > SIGNAL_BYTES_MAX {
            return None;
        }
        let kept = Kept { subject: subject.to_owned(), raw: raw.clone(), published_at: (self.now)().wall };
        let stream_seq = self.lock().push(kept);
        self.changed.notify_waiters();
        Some(stream_seq)
    }

    fn answer(&self, options: &SignalsOptions, stream_seq: u64, delivered_count: u64, ack: Ack) {
        let now = (self.now)().mono;
        let mut inner = self.lock();
        let Some(durable) = inner.durables.get_mut(&options.durable) else { return };
        let Some(in_flight) = durable.in_flight.get_mut(&stream_seq) else { return };
        match ack {
            Ack::Done | Ack::Term => {
                durable.in_flight.remove(&stream_seq);
            }
            // What an earlier delivery says about its own time is out of date.
            _ if in_flight.delivered_count != delivered_count => {}
            Ack::Nak { delay_ms } => in_flight.due_again = later(now, Duration::from_millis(delay_ms)),
            Ack::InProgress => in_flight.due_again = later(now, options.redeliver_after(delivered_count)),
        }
        drop(inner);
        self.changed.notify_waiters();
    }
}

fn later(now: Mono, wait: Duration) -> Mono {
    now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

impl Inner {
    fn push(&mut self, kept: Kept) -> u64 {
        self.last_seq += 1;
        self.bytes += kept.raw.len();
        self.kept.insert(self.last_seq, kept);
        while self.bytes > QUEUE_BYTES_MAX || self.kept.len() > QUEUE_SIGNALS_MAX {
            let Some((stream_seq, oldest)) = self.kept.pop_first() else { break };
            self.bytes -= oldest.raw.len();
            tracing::warn!(stream_seq, "the queue of signals is full: the oldest one is gone");
        }
        self.last_seq
    }

    fn turn(&mut self, options: &SignalsOptions, now: Mono) -> Turn {
        let durable = self.durables.entry(options.durable.clone()).or_default();
        let over = |in_flight: &InFlight| in_flight.delivered_count >= DELIVERIES_MAX && in_flight.due_again <= now;
        durable.in_flight.retain(|stream_seq, in_flight| self.kept.contains_key(stream_seq) && !over(in_flight));
        let wait = |delivered_count| later(now, options.redeliver_after(delivered_count));
        if let Some((stream_seq, in_flight)) = durable.in_flight.iter_mut().find(|(_, in_flight)| in_flight.due_again <= now) {
            in_flight.delivered_count += 1;
            in_flight.due_again = wait(in_flight.delivered_count);
            return Turn::Deliver { stream_seq: *stream_seq, delivered_count: in_flight.delivered_count };
        }
        let due_again = durable.in_flight.values().map(|in_flight| in_flight.due_again).min();
        let otherwise = due_again.map_or(Turn::Wait, Turn::WaitUntil);
        if durable.in_flight.len() >= options.in_flight_max {
            return otherwise;
        }
        let wanted = |kept: &Kept| options.filter_subjects.iter().any(|filter| subjects::matches(filter, &kept.subject));
        let next = self.kept.range(durable.last_seq + 1..).find(|(_, kept)| wanted(kept)).map(|(stream_seq, _)| *stream_seq);
        let Some(stream_seq) = next else {
            durable.last_seq = self.last_seq;
            return otherwise;
        };
        durable.last_seq = stream_seq;
        durable.in_flight.insert(stream_seq, InFlight { delivered_count: 1, due_again: wait(1) });
        Turn::Deliver { stream_seq, delivered_count: 1 }
    }
}

pub(super) struct EmbeddedSignals {
    queue: Arc<SignalQueue>,
    options: Arc<SignalsOptions>,
}

impl EmbeddedSignals {
    pub(super) fn new(queue: Arc<SignalQueue>, options: SignalsOptions) -> Self {
        Self { queue, options: Arc::new(options) }
    }

    fn delivery(&self, stream_seq: u64, delivered_count: u64) -> Option<Delivery> {
        let inner = self.queue.lock();
        let kept = inner.kept.get(&stream_seq)?;
        let acker = EmbeddedAcker { queue: Arc::clone(&self.queue), options: Arc::clone(&self.options), stream_seq, delivered_count };
        Some(Delivery {
            subject: kept.subject.clone(),
            raw: kept.raw.clone(),
            stream_seq,
            published_at: kept.published_at,
            delivered_count,
            acker: Box::new(acker),
        })
    }
}

#[async_trait]
impl SignalSource for EmbeddedSignals {
    async fn next(&mut self) -> Delivery {
        let queue = Arc::clone(&self.queue);
        loop {
            // Registered before looking, so that a signal between the look and the wait isn't missed.
            let mut changed = std::pin::pin!(queue.changed.notified());
            changed.as_mut().enable();
            let now = (queue.now)().mono;
            let turn = queue.lock().turn(&self.options, now);
            match turn {
                Turn::Deliver { stream_seq, delivered_count } => {
                    if let Some(delivery) = self.delivery(stream_seq, delivered_count) {
                        return delivery;
                    }
                }
                Turn::Wait => changed.await,
                Turn::WaitUntil(due_again) => {
                    let wait = u64::try_from(due_again.0.saturating_sub(now.0)).unwrap_or(0);
                    let _ = tokio::time::timeout(Duration::from_nanos(wait), changed).await;
                }
            }
        }
    }
}

struct EmbeddedAcker {
    queue: Arc<SignalQueue>,
    options: Arc<SignalsOptions>,
    stream_seq: u64,
    delivered_count: u64,
}

#[async_trait]
impl Acker for EmbeddedAcker {
    async fn send(&self, ack: Ack) -> Result<(), BusError> {
        self.queue.answer(&self.options, self.stream_seq, self.delivered_count, ack);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes: usize) -> Kept {
        Kept { subject: "signals.kalshi".to_owned(), raw: Bytes::from(vec![0; bytes]), published_at: Time::default() }
    }

    fn seq_of(turn: &Turn) -> Option<(u64, u64)> {
        match turn {
            Turn::Deliver { stream_seq, delivered_count } => Some((*stream_seq, *delivered_count)),
            _ => None,
        }
    }

    #[test]
    fn a_full_queue_drops_the_oldest() {
        let mut inner = Inner::default();
        let fit = QUEUE_BYTES_MAX / SIGNAL_BYTES_MAX;
        (0..fit + 3).for_each(|_| {
            inner.push(kept(SIGNAL_BYTES_MAX));
        });
        assert_eq!((inner.kept.len(), inner.kept.keys().next(), inner.bytes), (fit, Some(&4), QUEUE_BYTES_MAX));
    }

    #[test]
    fn hands_out_no_more_than_may_be_in_flight() {
        let mut inner = Inner::default();
        (0..3).for_each(|_| {
            inner.push(kept(1));
        });
        let options = SignalsOptions { in_flight_max: 2, ..SignalsOptions::new("engine") };
        assert_eq!(seq_of(&inner.turn(&options, Mono(0))), Some((1, 1)));
        assert_eq!(seq_of(&inner.turn(&options, Mono(0))), Some((2, 1)));
        assert!(matches!(inner.turn(&options, Mono(0)), Turn::WaitUntil(due) if due == Mono(0).plus_ms(10_000)));
    }

    #[test]
    fn s50_stops_after_the_last_delivery() {
        let mut inner = Inner::default();
        inner.push(kept(1));
        let options = SignalsOptions { redeliver_after_ms: vec![1], ..SignalsOptions::new("engine") };
        let counts: Vec<_> = (0..=DELIVERIES_MAX as i64 + 5).filter_map(|ms| seq_of(&inner.turn(&options, Mono(0).plus_ms(ms)))).collect();
        assert_eq!(counts.len() as u64, DELIVERIES_MAX);
        assert_eq!(counts.last(), Some(&(1, DELIVERIES_MAX)));
    }
}
