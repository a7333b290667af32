//! The stream of signals and the engine's durable in it: created if absent, then read back and compared, because
//! a server that doesn't know a setting drops it without a word.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use super::{NatsLink, failed};
use crate::bus::subjects::{SIGNALS_ALL, SIGNALS_STREAM};
use crate::bus::{BusError, DELIVERIES_MAX, SIGNAL_BYTES_MAX, SignalsOptions};

/// A signal lives seconds; a day is for reading what went wrong.
const SIGNALS_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Two thousand of the largest, half a million usual signals; then the oldest go.
const SIGNALS_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// When the stream was made: in a new one sequence numbers start again. (A durable's own time of creation doesn't
/// survive a restart of the server, measured on 2.15.1, and says nothing about the signals.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incarnation(pub i128);

fn stream_config() -> Config {
    Config {
        name: SIGNALS_STREAM.to_owned(),
        subjects: vec![SIGNALS_ALL.to_owned()],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: SIGNALS_AGE_MAX,
        max_bytes: SIGNALS_BYTES_MAX,
        max_message_size: SIGNAL_BYTES_MAX as i32,
        num_replicas: 1,
        ..Config::default()
    }
}

fn durable_config(options: &SignalsOptions) -> pull::Config {
    pull::Config {
        durable_name: Some(options.durable.clone()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.redeliver_after(1),
        backoff: options.redeliver_after_ms.iter().map(|ms| Duration::from_millis(*ms)).collect(),
        max_deliver: DELIVERIES_MAX as i64,
        max_ack_pending: options.in_flight_max as i64,
        filter_subjects: options.filter_subjects.clone(),
        ..pull::Config::default()
    }
}

/// Makes sure that the stream is there and keeps signals; returns which one it is.
/// An operator's own limits stand, but are named in the log.
pub(super) async fn stream(link: &NatsLink) -> Result<Incarnation, BusError> {
    let wanted = stream_config();
    let stream = link.jetstream.get_or_create_stream(wanted.clone()).await;
    let stream = stream.map_err(|error| failed(&format!("stream {SIGNALS_STREAM} can't be opened (is JetStream on?)"), &error))?;
    let info = stream.cached_info();
    let (unusable, unusual) = compare(&info.config, &wanted);
    if !unusable.is_empty() {
        return Err(BusError::Misconfigured(format!("stream {SIGNALS_STREAM} can't be used: {}", unusable.join("; "))));
    }
    if !unusual.is_empty() {
        tracing::warn!("stream {SIGNALS_STREAM} has other limits than this program sets: {}", unusual.join("; "));
    }
    Ok(Incarnation(info.created.unix_timestamp_nanos()))
}

/// What makes a stream useless for us, and what is merely unexpected.
fn compare(found: &Config, wanted: &Config) -> (Vec<String>, Vec<String>) {
    let (mut unusable, mut unusual) = (Vec::new(), Vec::new());
    let mut differ = |grave: bool, equal: bool, text: String| match (equal, grave) {
        (true, _) => {}
        (false, true) => unusable.push(text),
        (false, false) => unusual.push(text),
    };
    let covers = found.subjects.iter().any(|subject| subject == SIGNALS_ALL || subject == ">");
    differ(true, covers, format!("takes {:?}, not `{SIGNALS_ALL}`", found.subjects));
    differ(true, found.retention == wanted.retention, format!("retention {:?} ({:?})", found.retention, wanted.retention));
    differ(true, found.discard == wanted.discard, format!("discards {:?} ({:?})", found.discard, wanted.discard));
    differ(false, found.storage == wanted.storage, format!("storage {:?} ({:?})", found.storage, wanted.storage));
    differ(false, found.max_age == wanted.max_age, format!("max_age {:?} ({:?})", found.max_age, wanted.max_age));
    differ(false, found.max_bytes == wanted.max_bytes, format!("max_bytes {} ({})", found.max_bytes, wanted.max_bytes));
    let sizes = (found.max_message_size, wanted.max_message_size);
    differ(false, sizes.0 == sizes.1, format!("max_msg_size {} ({})", sizes.0, sizes.1));
    (unusable, unusual)
}

/// Makes sure of stream and durable, and that the durable has exactly the settings of `options`. One that is there as wanted is
/// only read: a service need not be allowed to make any.
pub(super) async fn durable(link: &NatsLink, options: &SignalsOptions) -> Result<(Consumer<pull::Config>, Incarnation), BusError> {
    let incarnation = stream(link).await?;
    let wanted = durable_config(options);
    if let Ok(there) = link.jetstream.get_consumer_from_stream(&options.durable, SIGNALS_STREAM).await
        && is_as_wanted(&there, &wanted)
    {
        return Ok((there, incarnation));
    }
    // Creates, or updates an older version's settings in place; what is acknowledged stays acknowledged.
    let made = link.jetstream.create_consumer_on_stream(wanted.clone(), SIGNALS_STREAM).await;
    let unmade = |error| {
        let durable = &options.durable;
        failed(&format!("durable {durable} can't be made here, nor brought up to date (`arbees bus provision` does, as admin)"), &error)
    };
    let consumer = made.map_err(unmade)?;
    if !is_as_wanted(&consumer, &wanted) {
        let (durable, found) = (&options.durable, &consumer.cached_info().config);
        return Err(BusError::Misconfigured(format!("the server kept other settings for durable {durable} than it was given: {found:?}")));
    }
    Ok((consumer, incarnation))
}

fn is_as_wanted(consumer: &Consumer<pull::Config>, wanted: &pull::Config) -> bool {
    let found = &consumer.cached_info().config;
    let mut filters = found.filter_subjects.clone();
    filters.extend((!found.filter_subject.is_empty()).then(|| found.filter_subject.clone()));
    filters == wanted.filter_subjects
        && found.ack_policy == wanted.ack_policy
        && found.max_ack_pending == wanted.max_ack_pending
        && found.max_deliver == wanted.max_deliver
        && found.ack_wait == wanted.ack_wait
        && found.backoff == wanted.backoff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_refuses_or_forgets_signals_is_unusable_and_other_limits_are_named() {
        let wanted = stream_config();
        assert_eq!(compare(&wanted, &wanted), (vec![], vec![]));
        let narrow = Config { subjects: vec!["signals.kalshi".to_owned()], ..wanted.clone() };
        assert_eq!(compare(&narrow, &wanted).0.len(), 1);
        let refusing = Config { discard: DiscardPolicy::New, retention: RetentionPolicy::WorkQueue, ..wanted.clone() };
        assert_eq!(compare(&refusing, &wanted).0.len(), 2);
        let short = Config { max_age: Duration::from_secs(60), ..wanted.clone() };
        let (unusable, unusual) = compare(&short, &wanted);
        assert_eq!((unusable.len(), unusual.as_slice()), (0, &["max_age 60s (86400s)".to_owned()][..]));
    }
}
