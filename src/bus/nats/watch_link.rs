//! Turns the client library's events into `BusState`, and says in the log what an operator should know.

use std::time::Duration;

use async_nats::{Event, ServerError};
use tokio::sync::mpsc;

use super::NatsLink;
use crate::bus::Link;

/// Older servers drop `filter_subjects` in silence and can't sync on write (measured on 2.9.10).
const SERVER_VERSION_MIN: (i64, i64) = (2, 10);
/// Attempts between two log lines during an outage: about one every half minute.
const ATTEMPTS_PER_LOG_LINE: u64 = 30;
/// The server's greeting follows its `Connected` event within microseconds; 100 looks, 10 ms apart.
const GREETING_LOOKS_MAX: u32 = 100;

pub(super) async fn run(link: NatsLink, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => connected(&link).await,
            Event::Disconnected | Event::Closed => disconnected(&link),
            Event::ClientError(error) => attempt_failed(&link, &error.to_string()),
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => dropped(&link),
            Event::ServerError(ServerError::AuthorizationViolation) => attempt_failed(&link, "the server refuses user, password or key"),
            Event::ServerError(ServerError::Other(text)) => server_error(&link, text),
            Event::LameDuckMode => tracing::warn!(server = %link.server, "NATS is about to shut down"),
            Event::Draining => {}
        }
    }
}

async fn connected(link: &NatsLink) {
    let (major, minor) = SERVER_VERSION_MIN;
    let version = greeting(link).await;
    if link.client.is_server_compatible(major, minor, 0) {
        tracing::info!(server = %link.server, %version, "connected to NATS");
        link.state.send_modify(|state| {
            state.link = Link::Connected;
            state.connects += 1;
            // Permissions may be others now; what is still refused shows again.
            state.refused = None;
            state.attempts = 0;
        });
        return;
    }
    let why = format!("nats-server {version} at {} is too old: {major}.{minor} or newer is needed", link.server);
    tracing::error!("{why}");
    link.state.send_modify(|state| {
        state.link = Link::Refused(why.clone());
        state.last_error = Some(why);
    });
}

async fn greeting(link: &NatsLink) -> String {
    for _ in 0..GREETING_LOOKS_MAX {
        match link.client.try_server_info() {
            Some(info) if !info.version.is_empty() => return info.version,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    "of an unknown version".to_owned()
}

fn disconnected(link: &NatsLink) {
    tracing::warn!(server = %link.server, "connection to NATS lost; trying again, pauses of at most 1 s");
    link.state.send_modify(|state| {
        state.link = Link::Disconnected;
        state.signals_open = false;
    });
}

fn attempt_failed(link: &NatsLink, error: &str) {
    let text = format!("NATS at {} can't be reached: {error}", link.server);
    link.state.send_modify(|state| {
        state.attempts += 1;
        state.last_error = Some(text.clone());
    });
    let attempts = link.state.borrow().attempts;
    if attempts % ATTEMPTS_PER_LOG_LINE == 1 {
        tracing::warn!(attempts, "{text}; trying again, pauses of at most 1 s");
    }
}

fn dropped(link: &NatsLink) {
    link.state.send_modify(|state| state.dropped += 1);
    let dropped = link.state.borrow().dropped;
    if dropped.is_power_of_two() {
        tracing::warn!(dropped, "messages from NATS lost: a subscription isn't read fast enough");
    }
}

/// A refused publish returned Ok long ago; this is the only place where it shows.
fn server_error(link: &NatsLink, text: String) {
    tracing::error!(server = %link.server, "NATS: {text}");
    let violation = text.to_ascii_lowercase().contains("permissions violation");
    link.state.send_modify(|state| {
        state.violations += u64::from(violation);
        if violation {
            state.refused = Some(text.clone());
        }
        state.last_error = Some(text);
    });
}
