//! Who we are on the bus, its keys, and what an admin makes there before services run: they are not allowed to make anything.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use crate::bus::Bus;
use crate::bus::nats::{Identity, NatsBus, nkey};
use crate::bus::subjects::Subjects;
use crate::cli::Exit;
use crate::cli::args::BusCommand;
use crate::config::{Config, Nats};
use crate::venues::key_file;

/// Roles of `ops/nats/nats.conf`.
pub const ROLES: [&str; 7] = ["signals", "engine", "risk", "operator", "dash", "admin", "sys"];
/// A seed has 58 characters.
const SEED_BYTES_MAX: u64 = 256;
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Errors: a seed that can't be read, or by others too; an address that is none.
pub async fn connect(config: &Config, urls: &[String], name: &str, role: &str) -> anyhow::Result<NatsBus> {
    let role = config.nats_role.as_deref().unwrap_or(role);
    let seed = config.nats_seed_path.as_deref().map(seed).transpose().context("NATS_SEED_PATH")?;
    let identity = Identity { seed, role: Some(role.to_owned()) };
    NatsBus::connect_as(&urls.join(","), name, &identity).await.context("the bus can't be used")
}

fn seed(path: &Path) -> anyhow::Result<SecretString> {
    let bytes = key_file::read(path, SEED_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let seed = SecretString::from(text.to_owned());
    nkey::public(&seed).map_err(|why| anyhow::anyhow!("file {}: {why}", path.display()))?;
    Ok(seed)
}

pub async fn run(config: &Config, command: &BusCommand) -> anyhow::Result<Exit> {
    match command {
        BusCommand::Keys { dir } => keys(dir)?,
        BusCommand::Provision => provision(config).await?,
    }
    Ok(Exit::Good)
}

/// A seed for each role that has none yet; the public halves, as the server's configuration reads them, to standard output.
fn keys(dir: &Path) -> anyhow::Result<()> {
    for role in ROLES {
        let path = dir.join(format!("{role}.nk"));
        if !path.exists() {
            let (seed, _) = nkey::generate().map_err(anyhow::Error::msg)?;
            key_file::write(&path, seed.expose_secret().as_bytes())?;
            eprintln!("{} made", path.display());
        }
        let public = nkey::public(&seed(&path)?).map_err(anyhow::Error::msg)?;
        println!("NATS_{}_NKEY={public}", role.to_uppercase());
    }
    Ok(())
}

/// Errors: no server, or one that doesn't allow it.
async fn provision(config: &Config) -> anyhow::Result<()> {
    let Nats::Servers(urls) = &config.nats else { bail!("NATS_URL = embedded: there is nothing to provision") };
    let bus = connect(config, urls, "arbees-provision", "admin").await?;
    bus.wait_connected(CONNECT_WAIT).await?;
    let durable = Subjects::of(config.mode, &config.instance).engine_durable;
    let done = bus.provision(std::slice::from_ref(&durable)).await;
    let refused = bus.state().borrow().refused.clone();
    ensure!(refused.is_none(), "this role may not provision: {}", refused.unwrap_or_default());
    done?;
    println!("stream SIGNALS, durable {durable} and the bucket of leases are there");
    Ok(())
}
