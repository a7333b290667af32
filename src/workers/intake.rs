//! Signals from the bus to the engine: read, looked up in the index, handed over.

use std::sync::Arc;
use std::time::Duration;

use super::deliveries::Deliveries;
use super::engine_loop::EngineHandle;
use crate::bus::{Bus, SignalsOptions};
use crate::crash_points::{Point, reach};
use crate::domain::signal::{Parsed, Rejection, parse};
use crate::engine::{Earlier, Input, SignalInput};
use crate::event_log::EventStore;

const RETRY_MS: u64 = 500;

/// Runs until the process ends.
pub async fn run(bus: Arc<dyn Bus>, options: SignalsOptions, log: Arc<dyn EventStore>, deliveries: Deliveries, engine: EngineHandle) {
    let mut source = loop {
        match bus.signals(options.clone()).await {
            Ok(source) => break source,
            Err(error) => {
                tracing::warn!("signals can't be read yet: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    };
    loop {
        let place = deliveries.place().await;
        let delivery = source.next().await;
        reach(Point::SignalTaken);
        let parsed = parse(&delivery.subject, &delivery.raw, delivery.published_at);
        let (subject, stream_seq) = (delivery.subject.clone(), delivery.stream_seq);
        let earlier = match earlier(&*log, &parsed) {
            Ok(earlier) => earlier,
            Err(error) => {
                // Without the index a repeat can't be told from a new signal: it comes again.
                tracing::error!("the index of signals can't be read: {error}");
                let _ = delivery.nak(RETRY_MS).await;
                continue;
            }
        };
        let delivery = deliveries.hold(delivery, place);
        engine.input(Input::Signal(Box::new(SignalInput { delivery, subject, stream_seq, parsed, earlier })));
        reach(Point::SignalHanded);
    }
}

fn earlier(log: &dyn EventStore, parsed: &Result<Parsed, Rejection>) -> Result<Option<Earlier>, crate::event_log::ReadError> {
    let signal_id = match parsed {
        Ok(Parsed::Signal { signal, .. }) => Some(&signal.signal_id),
        Ok(Parsed::Hold { .. }) => None,
        Err(rejection) => rejection.signal_id.as_ref(),
    };
    let Some(signal_id) = signal_id else { return Ok(None) };
    let entry = log.signal(signal_id)?;
    Ok(entry.map(|entry| Earlier { content_hash: entry.content_hash, answer: entry.answer, order_id: entry.order_id }))
}
