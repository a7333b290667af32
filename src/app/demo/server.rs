//! A NATS server of the demo's own, on a free port with a fresh folder; gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const START_WAIT: Duration = Duration::from_secs(5);

pub struct Server {
    pub url: String,
    pub version: String,
    /// Killed with this.
    _child: Child,
}

/// `None` when there is no program, it is older than 2.10, or it doesn't come up.
pub async fn start(program: Option<PathBuf>, folder: &Path) -> Option<Server> {
    let program = program.unwrap_or_else(|| PathBuf::from("nats-server"));
    let version = version(&program).await?;
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let child = Command::new(&program)
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let up = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_WAIT, up).await.ok()?;
    Some(Server { url: format!("nats://127.0.0.1:{port}"), version, _child: child })
}

/// `2.15.1`, if the program says so and it is new enough.
async fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().rsplit('v').next()?.to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    (major > 2 || major == 2 && minor >= 10).then_some(version)
}
