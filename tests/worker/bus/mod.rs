//! The letterbox: one contract for both carriers, and what only a real server can do to us.

mod contract;
mod ops;
mod outage;
mod server;

use arbees::bus::subjects::signals_of;
use arbees::bus::{Bus, Delivery, SignalSource, SignalsOptions};
use arbees::domain::market::Venue;
use bytes::Bytes;

use super::support::soon;

/// Signals of `durable`, redelivered after so many milliseconds.
fn options(durable: &str, redeliver_after_ms: u64) -> SignalsOptions {
    SignalsOptions { redeliver_after_ms: vec![redeliver_after_ms], ..SignalsOptions::new(durable) }
}

async fn send(bus: &dyn Bus, text: &str) -> u64 {
    bus.publish_signal(&signals_of(Venue::Kalshi), Bytes::copy_from_slice(text.as_bytes())).await.expect("signal kept")
}

async fn next(source: &mut Box<dyn SignalSource>) -> Delivery {
    soon("the next signal", source.next()).await
}

async fn next_text(source: &mut Box<dyn SignalSource>) -> String {
    let delivery = next(source).await;
    delivery.ack().await.expect("ack");
    text(&delivery)
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.raw.to_vec()).expect("text")
}
