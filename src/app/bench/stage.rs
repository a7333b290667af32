use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::clock::Clock;
use crate::config::{Config, from_sources, load};
use crate::domain::time::Time;

/// A server that isn't there after this long doesn't come any more.
const START_WAIT_MS: i64 = 10_000;
/// Between choosing a free port and the server's bind another process may take it.
const PORT_TRIES_MAX: u32 = 5;

/// Where the benchmarks play: a folder of their own, removed at the end, and a clock.
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    next: AtomicU32,
    clock: Clock,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// Errors: no folder can be made where temporary files go (`TMPDIR`).
    pub fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("arbees-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        Ok(Self(Arc::new(Inner { folder, next: AtomicU32::new(0), clock: Clock::system() })))
    }

    /// A fresh folder.
    pub fn folder(&self, what: &str) -> anyhow::Result<PathBuf> {
        let folder = self.0.folder.join(format!("{what}-{}", self.0.next.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        Ok(folder)
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Monotonic nanoseconds.
    pub fn nanos(&self) -> i64 {
        self.0.clock.now().mono.0
    }

    pub fn wall(&self) -> Time {
        self.0.clock.now().wall
    }

    /// Progress, beside the figures.
    pub fn say(&self, text: &str) {
        eprintln!("bench: {text}");
    }

    /// Runs what waits for disks and other threads.
    pub async fn on_a_thread<T: Send + 'static>(&self, run: impl FnOnce(&Self) -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
        let stage = self.clone();
        tokio::task::spawn_blocking(move || run(&stage)).await?
    }

    /// Settings of the benchmarks' own; nothing of the environment enters but the nats-server program.
    pub fn config(&self, settings: &[(&str, String)]) -> anyhow::Result<Config> {
        let mut variables: BTreeMap<String, String> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        variables.entry("LOG_LEVEL".to_owned()).or_insert_with(|| "warn".to_owned());
        Ok(from_sources(&variables, None)?)
    }

    /// A nats-server with JetStream on a free port and a fresh store.
    pub fn nats(&self) -> anyhow::Result<NatsServer> {
        for _ in 0..PORT_TRIES_MAX {
            if let Some(server) = NatsServer::start(self)? {
                return Ok(server);
            }
        }
        bail!("nats-server didn't start on {PORT_TRIES_MAX} ports")
    }
}

/// A server of our own; killed on drop.
pub struct NatsServer {
    child: Child,
    pub url: String,
}

impl NatsServer {
    /// `None` when it ended at once: the port was taken.
    fn start(stage: &Stage) -> anyhow::Result<Option<Self>> {
        let program = nats_server()?;
        let folder = stage.folder("nats")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let text = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n", folder.join("store").display());
        fs::write(folder.join("nats.conf"), text)?;
        let child = Command::new(&program)
            .arg("-c")
            .arg(folder.join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("server.log"))?)
            .spawn()
            .with_context(|| format!("{} doesn't run", program.display()))?;
        let mut server = Self { child, url: format!("nats://127.0.0.1:{port}") };
        let late = stage.nanos() + START_WAIT_MS * 1_000_000;
        while stage.nanos() < late {
            if server.child.try_wait()?.is_some() {
                return Ok(None);
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Some(server));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("nats-server is silent on port {port}")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that `./run` chose, else the one in `target/tools`, else the one on the PATH.
fn nats_server() -> anyhow::Result<PathBuf> {
    if let Some(program) = load(None).map_err(|error| anyhow::anyhow!("{error}"))?.tools.nats_server {
        return Ok(program);
    }
    let tools = Path::new("target/tools/nats-server");
    Ok(if tools.exists() { tools.to_owned() } else { PathBuf::from("nats-server") })
}

/// The value that `per_mille` of the samples stay at or below. Sorts them.
pub fn quantile(samples: &mut [i64], per_mille: usize) -> i64 {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    samples.get(last * per_mille / 1_000).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle_and_the_last_is_the_most() {
        let mut samples = [5, 1, 4, 2, 3];
        assert_eq!((quantile(&mut samples, 500), quantile(&mut samples, 1_000), quantile(&mut samples, 0)), (3, 5, 1));
        assert_eq!(quantile(&mut [], 500), 0);
    }
}
