use std::time::Duration;

use anyhow::{Context, bail};

use super::parts;
use super::records::{generous, signal};
use super::report::{Figure, Goal, Measure};
use super::stage::{Stage, quantile};
use crate::app::{Books, Role, Running, bus, start};
use crate::bus::nats::NatsBus;
use crate::bus::{Bus, Subscription};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::OrderId;
use crate::event_log::record;
use crate::http::Queries;

/// Signals before the first that counts.
const WARM_UP: usize = 100;
const SAMPLES: usize = 1_000;
const READY_WAIT: Duration = Duration::from_secs(20);
/// One signal takes about a millisecond; one that takes this long has failed.
const SIGNAL_WAIT: Duration = Duration::from_secs(5);

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let server = stage.nats()?;
    let mut settings = generous();
    let data_dir = stage.folder("engine")?;
    settings.extend([
        ("NATS_URL", server.url.clone()),
        ("DATA_DIR", data_dir.display().to_string()),
        ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
    ]);
    let config = stage.config(&settings)?;
    let outside = NatsBus::connect(&server.url, "bench").await?;
    outside.wait_connected(READY_WAIT).await?;
    let engine_bus = bus(&config, "arbees-bench", "engine", stage.clock()).await?;
    let running = start(config, Role::All, Books::SignalsOnly, engine_bus).await?;
    ready(&running).await?;
    let mut events = outside.subscribe(&running.subjects.events).await?;

    let mut samples = Samples::default();
    for number in 0..WARM_UP + SAMPLES {
        let sample = one(stage, &outside, &mut events, number as u64).await?;
        if number >= WARM_UP {
            samples.add(sample);
        }
        if number % 250 == 249 {
            stage.say(&format!("latency: {} signals", number + 1));
        }
    }
    let verdict = parts::verdict(stage, &outside, &running, &samples.records).await?;
    running.stop().await;
    stage.say("latency: verdict round trips alone");
    let delivery = parts::delivery(stage, &outside, &server.url).await?;
    stage.say("latency: deliveries alone");
    let records = samples.records.clone();
    let durable = stage.on_a_thread(move |stage| parts::durable(stage, &records)).await?;
    Ok(figures(samples, [("delivery alone", delivery), ("verdict round trip alone", verdict), ("durable write alone", durable)]))
}

fn figures(mut samples: Samples, parts: [(&'static str, Vec<i64>); 3]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut sum = [0, 0];
    for (name, mut part) in parts {
        for (total, per_mille) in sum.iter_mut().zip([500, 990]) {
            *total += quantile(&mut part, per_mille);
        }
        let (median, tail) = (quantile(&mut part, 500), quantile(&mut part, 990));
        figures.push(alone(format!("{name}, p50"), median));
        figures.push(alone(format!("{name}, p99"), tail));
    }
    let whole = |what: &str, nanos, baseline, goal| Figure {
        bench: "latency",
        what: what.to_owned(),
        measured: Measure::Nanos(nanos),
        baseline: Some(("sum of the parts", Measure::Nanos(baseline))),
        goal,
    };
    let (acked, shown) = (&mut samples.acked, &mut samples.shown);
    figures.push(whole("published to acknowledged, p50", quantile(acked, 500), sum[0], Goal::RatioAtMost(2_000)));
    figures.push(whole("published to acknowledged, p99", quantile(acked, 990), sum[1], Goal::None));
    figures.push(whole("published to its record on the bus, p50", quantile(shown, 500), sum[0], Goal::None));
    figures
}

fn alone(what: String, nanos: i64) -> Figure {
    Figure { bench: "latency", what, measured: Measure::Nanos(nanos), baseline: None, goal: Goal::None }
}

async fn ready(running: &Running) -> anyhow::Result<()> {
    let wait = async {
        while running.desk.readiness().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(READY_WAIT, wait).await.is_err() {
        bail!("the engine would not trade: {}", running.desk.readiness().await.err().unwrap_or_default().join("; "));
    }
    Ok(())
}

#[derive(Default)]
struct Samples {
    /// From before the publish to the time that the acknowledgement's record bears.
    acked: Vec<i64>,
    /// To when somebody else on the bus has that record, durable.
    shown: Vec<i64>,
    /// Of the last order: what an order's records are like.
    records: Vec<Recorded>,
}

struct Sample {
    acked: i64,
    shown: i64,
    records: Vec<Recorded>,
}

impl Samples {
    fn add(&mut self, sample: Sample) {
        self.acked.push(sample.acked);
        self.shown.push(sample.shown);
        self.records = sample.records;
    }
}

/// One signal through to its fill. Errors: it was not approved, acknowledged and filled.
async fn one(stage: &Stage, outside: &NatsBus, events: &mut Subscription, number: u64) -> anyhow::Result<Sample> {
    let payload = signal(number, stage.wall());
    let published = stage.clock().now();
    let answers = async {
        let mut records: Vec<Recorded> = Vec::new();
        let mut acked = None;
        loop {
            let message = events.next().await.context("the bus is gone")?;
            let shown = stage.nanos();
            let recorded = record::decode(&message.payload)?.recorded;
            match &recorded.event {
                Event::OrderVetoed { failures, .. } => bail!("signal {number} was vetoed: {failures:?}"),
                Event::SignalRejected { error, .. } => bail!("signal {number} was rejected: {error}"),
                Event::OrderRejected { message, .. } => bail!("the order of signal {number} was rejected: {message}"),
                Event::OrderAcked { .. } => acked = Some((recorded.recorded_at, shown)),
                _ => {}
            }
            let filled = matches!(&recorded.event, Event::Filled(_));
            records.push(recorded);
            if filled {
                let (acked, shown) = acked.context("a fill without an acknowledgement")?;
                let acked = acked.nanos() - published.wall.nanos();
                return Ok(Sample { acked, shown: shown - published.mono.0, records });
            }
        }
    };
    let publish = async { outside.publish_signal("signals.kalshi", payload.into()).await.map_err(anyhow::Error::from) };
    let both = async { tokio::try_join!(publish, answers) };
    let (_, sample) =
        tokio::time::timeout(SIGNAL_WAIT, both).await.with_context(|| format!("signal {number} was not filled in time"))??;
    one_order(&sample.records)?;
    Ok(sample)
}

/// The records are of one order that was approved.
fn one_order(records: &[Recorded]) -> anyhow::Result<OrderId> {
    let approved = records.iter().find_map(|recorded| match &recorded.event {
        Event::OrderApproved { order_id, .. } => Some(*order_id),
        _ => None,
    });
    let order_id = approved.context("no approval among the records")?;
    let strangers = records.iter().filter_map(|recorded| recorded.event.order_id()).any(|id| id != order_id);
    anyhow::ensure!(!strangers, "records of two orders at once");
    Ok(order_id)
}
