use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context;

use super::records::signal;
use super::stage::Stage;
use crate::app::Running;
use crate::bus::nats::NatsBus;
use crate::bus::{Bus, SignalsOptions};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Hash, Mode};
use crate::domain::money::Quantity;
use crate::domain::verdict::{RiskRequest, SignedVerdict};
use crate::event_log::{EventStore, Log, OpenOptions};

const WARM_UP: usize = 50;
const SAMPLES: usize = 500;
const WAIT: Duration = Duration::from_secs(5);
/// More than `MAX_ORDER_CONTRACTS`: every check is made, and the answer is no.
const TOO_MANY_CONTRACTS: i64 = 100_000;

/// A signal into the stream on one connection and out of a durable consumer on another.
pub async fn delivery(stage: &Stage, outside: &NatsBus, url: &str) -> anyhow::Result<Vec<i64>> {
    let inside = NatsBus::connect(url, "bench-delivery").await?;
    inside.wait_connected(WAIT).await?;
    let subject = "signals.kalshi.alone";
    let options = SignalsOptions { filter_subjects: vec![subject.to_owned()], ..SignalsOptions::new("bench-alone") };
    let mut source = inside.signals(options).await?;
    let mut samples = Vec::new();
    for number in 0..WARM_UP + SAMPLES {
        let payload = signal(number as u64, stage.wall());
        let published = stage.nanos();
        let publish = async { outside.publish_signal(subject, payload.into()).await.map_err(anyhow::Error::from) };
        let next = async {
            let delivery = tokio::time::timeout(WAIT, source.next()).await.context("a signal was not delivered")?;
            let delivered = stage.nanos();
            delivery.ack().await?;
            anyhow::Ok(delivered)
        };
        let (_, delivered) = tokio::try_join!(publish, next)?;
        if number >= WARM_UP {
            samples.push(delivered - published);
        }
    }
    Ok(samples)
}

/// A question of the size and checks of a real one to the engine's own risk consumer, while the engine is idle. It asks
/// for more contracts than allowed: a granted one would stay reserved and make the next answer slower.
pub async fn verdict(stage: &Stage, outside: &NatsBus, running: &Running, records: &[Recorded]) -> anyhow::Result<Vec<i64>> {
    let request = records.iter().find_map(|recorded| match &recorded.event {
        Event::OrderRequested { request, .. } => Some(RiskRequest::decode(request)),
        _ => None,
    });
    let mut request = request.context("no request among the records")??;
    if let Some(order) = &mut request.request.order {
        order.quantity = Quantity::whole(TOO_MANY_CONTRACTS);
    }
    let mut samples = Vec::new();
    for number in 0..WARM_UP + SAMPLES {
        // Newer than any that the engine has asked.
        request.ask += 1;
        request.asked_at = stage.wall();
        let bytes = request.encode();
        let asked = stage.nanos();
        let reply = outside.request(&running.subjects.risk_request, bytes.into(), WAIT).await?;
        let answered = stage.nanos();
        let signed: SignedVerdict = rmp_serde::from_slice(&reply)?;
        let verdict: crate::domain::verdict::Verdict = rmp_serde::from_slice(&signed.verdict)?;
        anyhow::ensure!(verdict.checks.len() > 20, "the verdict has {} checks only: {:?}", verdict.checks.len(), verdict.checks);
        if number >= WARM_UP {
            samples.push(answered - asked);
        }
    }
    Ok(samples)
}

/// The records that go to disk between verdict and send, one batch at a time, into a log of their own.
pub fn durable(stage: &Stage, records: &[Recorded]) -> anyhow::Result<Vec<i64>> {
    let (log, _) = Log::open(&OpenOptions::new(stage.folder("alone")?, Mode::Paper), |_, _: &Hash| {})?;
    let before_the_send: Vec<&Recorded> =
        records.iter().take_while(|recorded| !matches!(recorded.event, Event::OrderAcked { .. })).collect();
    anyhow::ensure!(before_the_send.len() >= 3, "{} records before the send", before_the_send.len());
    let (answer, answers) = channel();
    let mut samples = Vec::new();
    let mut seq = 0;
    for number in 0..WARM_UP + SAMPLES {
        let batch: Vec<Recorded> = before_the_send
            .iter()
            .map(|recorded| {
                seq += 1;
                Recorded { seq, ..(*recorded).clone() }
            })
            .collect();
        let answer = answer.clone();
        let started = stage.nanos();
        log.append(batch, Box::new(move |result| drop(answer.send(result))));
        answers.recv()??;
        if number >= WARM_UP {
            samples.push(stage.nanos() - started);
        }
    }
    Ok(samples)
}
