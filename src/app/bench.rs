//! Speed, each figure beside its baseline.
use crate::cli::Exit;
use crate::cli::args::BenchArgs;

pub async fn run(_args: &BenchArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("no benchmark of that name")
}
