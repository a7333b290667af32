//! Real servers for tests.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arbees::bus::Bus;
use arbees::bus::nats::{Identity, NatsBus, nkey};
use secrecy::{ExposeSecret, SecretString};

/// Generous: the machine may be busy. A test that needs this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
const PORT_TRIES_MAX: u32 = 5;

/// A nats-server with JetStream; killed and wiped on drop.
pub struct NatsServer {
    pub port: u16,
    folder: PathBuf,
    config: String,
    child: Option<Child>,
    /// Seed and public key of each role, of a configuration file with nkeys.
    keys: BTreeMap<&'static str, (SecretString, String)>,
}

/// Roles of `ops/nats/nats.conf`.
pub const ROLES: [&str; 7] = ["signals", "engine", "risk", "operator", "dash", "admin", "sys"];

impl NatsServer {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With lines added to the configuration file.
    pub fn start_with(config: &str) -> Self {
        // Between choosing a free port and the server's bind another process may take it.
        for _ in 0..PORT_TRIES_MAX {
            let mut server = Self::absent(config);
            if server.try_run() {
                return server;
            }
        }
        panic!("nats-server didn't start on {PORT_TRIES_MAX} ports");
    }

    /// With a configuration file of the repository; only address and store are replaced, and each role has a key of its
    /// own.
    pub fn of_file(path: &str) -> Self {
        Self::of_text(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("configuration file"))
    }

    /// The same, changed by the test.
    pub fn of_text(text: &str) -> Self {
        let ours = |line: &&str| !["listen:", "http:", "store_dir:"].iter().any(|key| line.trim_start().starts_with(key));
        let kept: Vec<&str> = text.lines().filter(ours).collect();
        assert_eq!(kept.len() + 3, text.lines().count(), "listen, http and store_dir on a line each");
        let mut server = Self::absent("");
        server.keys = ROLES.map(|role| (role, nkey::generate().expect("a key"))).into();
        let store = format!("jetstream {{ store_dir: \"{}\"", server.store().display());
        server.config = format!("listen: \"127.0.0.1:{}\"\n{}", server.port, kept.join("\n").replacen("jetstream {", &store, 1));
        server.run();
        server
    }

    /// A port and a folder, but nobody listens yet.
    pub fn absent(config: &str) -> Self {
        let (folder, port) = (fresh_folder("nats"), free_port());
        let mut server = Self { port, folder, config: String::new(), child: None, keys: BTreeMap::new() };
        let store = server.store();
        server.config = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{config}", store.display());
        server
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn run(&mut self) {
        assert!(self.try_run(), "nats-server doesn't start on port {} (see {})", self.port, self.folder.display());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill nats-server");
            child.wait().expect("wait for nats-server");
        }
    }

    /// `STOP` it stands still, `CONT` it goes on as if nothing had been.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("a server").id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().expect("kill");
        assert!(sent.success());
    }

    /// Forgets every stream; only while killed.
    pub fn wipe(&self) {
        assert!(self.child.is_none(), "kill it first");
        fs::remove_dir_all(self.store()).expect("remove the store");
    }

    /// A connected bus.
    pub async fn bus(&self) -> NatsBus {
        let bus = NatsBus::connect(&self.url(), "test").await.expect("URL");
        bus.wait_connected(PATIENCE).await.expect("connection to nats-server");
        bus
    }

    /// A connected bus of this role, by its key.
    pub async fn bus_of(&self, role: &str) -> NatsBus {
        let identity = Identity { seed: Some(self.seed(role)), role: Some(role.to_owned()) };
        let bus = NatsBus::connect_as(&self.url(), role, &identity).await.expect("URL and key");
        bus.wait_connected(PATIENCE).await.expect("connection to nats-server");
        bus
    }

    pub fn seed(&self, role: &str) -> SecretString {
        self.keys[role].0.clone()
    }

    /// The seed as a file that only its owner can read.
    pub fn seed_file(&self, role: &str) -> PathBuf {
        let path = self.folder.join(format!("{role}.nk"));
        fs::write(&path, self.seed(role).expose_secret()).expect("a seed");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    fn try_run(&mut self) -> bool {
        let path = self.folder.join("nats.conf");
        fs::write(&path, &self.config).expect("write nats.conf");
        let log = fs::File::create(self.folder.join("server.log")).expect("create server.log");
        let child = Command::new(nats_server())
            .arg("-c")
            .arg(&path)
            .envs(self.keys.iter().map(|(role, (_, public))| (format!("NATS_{}_NKEY", role.to_uppercase()), public)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", nats_server().display()));
        // Owned at once, so that a panic below kills it, too.
        let child = self.child.insert(child);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if child.try_wait().expect("ask for nats-server").is_some() {
                self.child = None;
                return false;
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nats-server is silent on port {}", self.port);
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The program that `./run` chose, else one in `target/tools`, else the one on the PATH. Missing or older than
/// 2.10 fails the test: the real server is the point.
fn nats_server() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/nats-server");
        let chosen = std::env::var_os("ARBEES_NATS_SERVER").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let program = chosen.unwrap_or_else(|| if tools.exists() { tools } else { PathBuf::from("nats-server") });
        let version = Command::new(&program).arg("--version").output();
        let version = version.unwrap_or_else(|error| panic!("no nats-server ({}: {error}); `./run test` installs it", program.display()));
        let text = String::from_utf8_lossy(&version.stdout).into_owned();
        let numbers: Vec<u32> = text.rsplit('v').next().unwrap_or_default().split('.').map_while(|part| part.trim().parse().ok()).collect();
        assert!(numbers >= vec![2, 10], "{}: {text}; 2.10 or newer is needed, `./run test` installs it", program.display());
        program
    })
}

/// A folder that didn't exist before.
pub fn fresh_folder(what: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("arbees-test-{what}-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("create a folder");
    folder
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits for a future as long as `PATIENCE`.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Looks again and again, as long as `PATIENCE`.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}
