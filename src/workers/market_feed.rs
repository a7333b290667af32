//! Tapes and the demo's market, row by row into the paper exchange; and the exchange's own clock.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::engine_loop::EngineHandle;
use super::paper_desk::PaperDesk;
use crate::clock::Clock;
use crate::domain::time::NANOS_PER_MS;
use crate::venues::paper::demo_market::DemoMarket;
use crate::venues::paper::tape::{TapeCounts, TapePlayer, TapeStep};

const TICK_MS: u64 = 100;
const DEMO_STEP_MS: u64 = 250;
/// Rows read ahead of the one that is played.
const READ_AHEAD: usize = 1_024;

/// How far a tape is.
#[derive(Clone, Debug, Default)]
pub struct TapeProgress {
    pub played_ms: i64,
    pub counts: TapeCounts,
    pub ended: bool,
}

/// Lets resting orders reach their venue-side expiry. Runs until the process ends.
pub async fn tick(desk: PaperDesk, engine: EngineHandle) {
    loop {
        tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
        desk.tick(&engine);
    }
}

/// Plays a tape (of one recorder) once, `speed` tape milliseconds to each of ours. Errors: the file can't be read.
pub async fn play(
    (file, recorder): (PathBuf, Option<String>),
    speed: u32,
    desk: PaperDesk,
    engine: EngineHandle,
    clock: Clock,
    progress: watch::Sender<TapeProgress>,
) -> std::io::Result<()> {
    let mut player = TapePlayer::open(&file)?;
    if let Some(recorder) = recorder {
        player = player.of_recorder(recorder);
    }
    let (rows, mut next) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_ahead(player, &rows));
    let began = clock.now().mono;
    let mut tape_ms = 0i64;
    while let Some((step, counts)) = next.recv().await {
        tape_ms += step.delay_ms.max(0);
        let due = began.plus_ms(tape_ms / i64::from(speed.max(1)));
        let ahead = due.0 - clock.now().mono.0;
        if ahead > NANOS_PER_MS {
            tokio::time::sleep(Duration::from_nanos(ahead as u64)).await;
        }
        desk.row(&step.row, &engine);
        if let Some(counts) = counts {
            progress.send_modify(|state| (state.played_ms, state.counts) = (tape_ms, counts));
        }
    }
    let counts = reader.await.unwrap_or_default();
    tracing::info!("the tape has ended: {} rows, {} of them left out ({:?})", counts.rows, counts.skipped_total(), counts.skipped);
    progress.send_modify(|state| *state = TapeProgress { played_ms: tape_ms, counts, ended: true });
    Ok(())
}

fn read_ahead(mut player: TapePlayer, rows: &mpsc::Sender<(TapeStep, Option<TapeCounts>)>) -> TapeCounts {
    let mut read = 0u64;
    while let Some(step) = player.next() {
        read += 1;
        let counts = (read % 1_000 == 1).then(|| player.counts().clone());
        if rows.blocking_send((step, counts)).is_err() {
            break;
        }
    }
    player.counts().clone()
}

/// Runs the demo's seeded market until the process ends.
pub async fn demo(mut market: DemoMarket, desk: PaperDesk, engine: EngineHandle, clock: Clock) {
    loop {
        for row in market.step(clock.now().wall.ms()) {
            desk.row(&row, &engine);
        }
        tokio::time::sleep(Duration::from_millis(DEMO_STEP_MS)).await;
    }
}
