//! The way of an order to Polymarket: built, hashed, signed and written down as it is sent.

/// Frames of the streams.
mod decode;
/// The official client, doing the same.
#[cfg(feature = "official-client")]
mod official;
/// Orders made ready for sending.
mod sign;
/// An approved order until its bytes are at the other end of a socket.
mod socket;

use super::report::{Figure, Goal, Measure};
use super::stage::Stage;

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut figures = sign::run(stage).await?;
    stage.say("polymarket: orders are signed");
    figures.extend(socket::run(stage).await?);
    stage.say("polymarket: requests are at the socket");
    figures.extend(stage.on_a_thread(decode::run).await?);
    Ok(figures)
}

fn figure(what: impl Into<String>, measured: Measure, baseline: Option<(&'static str, Measure)>, goal: Goal) -> Figure {
    Figure { bench: "polymarket", what: what.into(), measured, baseline, goal }
}
