use crate::cli::Exit;
use crate::cli::args::DemoArgs;
use crate::config::Config;

pub async fn run(_config: Config, _args: &DemoArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("no")
}
