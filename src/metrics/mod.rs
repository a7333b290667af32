//! Every metric with its labels and what it means, and the registry that counts them and writes Prometheus' text.
//!
//! Labels take words of this program only (venues, reasons, states): never an id, a ticker or what a stranger wrote.

/// The one table.
mod table;

use std::fmt;
use std::time::Duration;

use metrics::{Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use table::{ALL, Kind, Metric, markdown};

/// Names as the rest of the program writes them.
pub mod names {
    pub use super::table::names::*;
}

const OURS: Metadata<'static> = Metadata::new("arbees", Level::INFO, None);

/// From a tenth of a millisecond to a minute.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A label and its word.
pub type Pair<'a> = (&'static str, &'a str);

/// The metrics of one engine.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(SECONDS).expect("Invariant: there are buckets").build_recorder();
        for metric in ALL {
            let (name, help) = (KeyName::from_const_str(metric.name), SharedString::const_str(metric.help));
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let handle = recorder.handle();
        Self { recorder, handle }
    }
}

fn key(metric: &'static Metric, pairs: &[Pair<'_>]) -> Key {
    assert!(pairs.iter().map(|(name, _)| *name).eq(metric.labels.iter().copied()), "{} has labels {:?}", metric.name, metric.labels);
    let labels: Vec<Label> = pairs.iter().map(|(name, word)| Label::new(*name, (*word).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}

impl Metrics {
    pub fn count(&self, metric: &'static Metric, pairs: &[Pair<'_>], by: u64) {
        self.recorder.register_counter(&key(metric, pairs), &OURS).increment(by);
    }

    /// A counter that somebody else keeps.
    pub fn counted(&self, metric: &'static Metric, pairs: &[Pair<'_>], total: u64) {
        self.recorder.register_counter(&key(metric, pairs), &OURS).absolute(total);
    }

    /// A number as text: money and quantities never become floats before this door.
    pub fn set(&self, metric: &'static Metric, pairs: &[Pair<'_>], value: impl fmt::Display) {
        let text = value.to_string();
        let value: f64 = text.parse().unwrap_or_else(|_| panic!("{}: `{text}` is no number", metric.name));
        self.recorder.register_gauge(&key(metric, pairs), &OURS).set(value);
    }

    pub fn set_seconds(&self, metric: &'static Metric, pairs: &[Pair<'_>], nanos: i64) {
        self.recorder.register_gauge(&key(metric, pairs), &OURS).set(seconds(nanos));
    }

    /// A histogram at hand, for what happens often.
    pub fn timer(&self, metric: &'static Metric, pairs: &[Pair<'_>]) -> Timer {
        Timer(self.recorder.register_histogram(&key(metric, pairs), &OURS))
    }

    /// Less than nothing (clocks differ) counts as nothing.
    pub fn took(&self, metric: &'static Metric, pairs: &[Pair<'_>], nanos: i64) {
        self.timer(metric, pairs).took(nanos);
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> String {
        self.handle.render()
    }
}

/// One histogram.
#[derive(Clone)]
pub struct Timer(Histogram);

impl Timer {
    pub fn took(&self, nanos: i64) {
        self.0.record(seconds(nanos));
    }
}

fn seconds(nanos: i64) -> f64 {
    Duration::from_nanos(nanos.max(0).unsigned_abs()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_set_and_timed_is_written_with_its_help() {
        let metrics = Metrics::default();
        metrics.count(names::SIGNALS_RECEIVED, &[("venue", "kalshi")], 2);
        metrics.set(names::DAILY_PNL, &[], "-12.345678");
        metrics.took(names::LOG_APPEND, &[], 1_500_000);
        let text = metrics.text();
        for line in [
            "# TYPE arbees_signals_received_total counter",
            "arbees_signals_received_total{venue=\"kalshi\"} 2",
            "arbees_daily_pnl_dollars -12.345678",
            "arbees_log_append_seconds_bucket{le=\"0.001\"} 0",
            "arbees_log_append_seconds_bucket{le=\"0.0025\"} 1",
            "arbees_log_append_seconds_sum 0.0015",
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
        assert!(text.contains("# HELP arbees_daily_pnl_dollars "), "{text}");
    }

    #[test]
    fn names_are_prometheus_names_with_their_unit_last_and_stand_once() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("arbees_"), "{}", metric.name);
            assert!(metric.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.kind != Kind::Histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}: {}", metric.name, metric.help);
        }
    }

    #[test]
    #[should_panic(expected = "has labels")]
    fn a_label_that_the_table_does_not_name_is_our_mistake() {
        Metrics::default().count(names::SIGNALS_RECEIVED, &[("ticker", "KXA")], 1);
    }
}
