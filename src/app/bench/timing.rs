//! How many texts are read in a second, beside the same texts parsed as any JSON.

use std::hint::black_box;

use serde_json::Value;

use super::report::{Figure, Goal, Measure};
use super::stage::{Stage, quantile};

const TEXTS: usize = 50_000;
const ROUNDS: usize = 5;

type AsFigure = fn(String, Measure, Option<(&'static str, Measure)>, Goal) -> Figure;

pub fn against_any_json(stage: &Stage, figure: AsFigure, what: &str, text: &str, read: impl Fn(&str) -> bool) -> Figure {
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    // In turns: what else the machine does then weighs on both.
    for _ in 0..ROUNDS {
        ours.push(timed(stage, || _ = black_box(read(black_box(text)))));
        plain.push(timed(stage, || drop(black_box(serde_json::from_str::<Value>(black_box(text))))));
    }
    let rate = |nanos: &mut Vec<i64>| Measure::PerSecond(TEXTS as i64 * 1_000_000_000 / quantile(nanos, 500).max(1));
    figure(what.to_owned(), rate(&mut ours), Some(("parsed as any JSON", rate(&mut plain))), Goal::None)
}

fn timed(stage: &Stage, mut read: impl FnMut()) -> i64 {
    let begun = stage.nanos();
    for _ in 0..TEXTS {
        read();
    }
    stage.nanos() - begun
}
