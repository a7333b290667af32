use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::report::{Figure, Goal, Measure};
use super::stage::Stage;

const RESIDENT_BYTES_MAX: i64 = 60_000_000;
/// An engine that isn't up after this long won't come.
const UP_WAIT_MS: i64 = 20_000;
/// Looks at the memory, one every quarter second: past the first heartbeats.
const LOOKS: usize = 16;

/// An engine in its own process.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let folder = stage.folder("idle")?;
    let mut command = Command::new(std::env::current_exe()?);
    // Its own folder: a `.env` where the benchmark was started says nothing here.
    command.arg("run").env_clear().current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs([("NATS_URL", "embedded"), ("HTTP_ADDR", "127.0.0.1:0"), ("DATA_DIR", "data")]);
    let mut engine = Engine(command.spawn().context("the engine doesn't start")?);
    up(stage, &mut engine, &folder.join("data/paper/http_addr")).await?;
    let mut resident = 0;
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_millis(250)).await;
        resident = resident.max(resident_bytes(engine.0.id())?);
    }
    Ok(vec![Figure {
        bench: "idle",
        what: "resident memory of `arbees run`".to_owned(),
        measured: Measure::Bytes(resident),
        baseline: None,
        goal: Goal::Below(Measure::Bytes(RESIDENT_BYTES_MAX)),
    }])
}

async fn up(stage: &Stage, engine: &mut Engine, address: &Path) -> anyhow::Result<()> {
    let late = stage.nanos() + UP_WAIT_MS * 1_000_000;
    while !address.exists() {
        if let Some(status) = engine.0.try_wait()? {
            bail!("the engine ended with {status}");
        }
        anyhow::ensure!(stage.nanos() < late, "the engine is not up after {UP_WAIT_MS} ms");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// `VmRSS`, which the kernel gives in KiB.
fn resident_bytes(pid: u32) -> anyhow::Result<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc: Linux alone tells it")?;
    let kib: i64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1_024)
}
