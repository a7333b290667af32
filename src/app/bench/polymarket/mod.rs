//! The way of an order to Polymarket: built, hashed, signed and written down as it is sent.

/// The official client, doing the same.
#[cfg(feature = "official-client")]
mod official;
/// Orders made ready for sending.
mod sign;

use super::report::{Figure, Goal, Measure};
use super::stage::Stage;

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let figures = sign::run(stage).await?;
    stage.say("polymarket: orders are signed");
    Ok(figures)
}

fn figure(what: impl Into<String>, measured: Measure, baseline: Option<(&'static str, Measure)>, goal: Goal) -> Figure {
    Figure { bench: "polymarket", what: what.into(), measured, baseline, goal }
}
