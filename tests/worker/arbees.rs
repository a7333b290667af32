//! The program itself as child processes, each test in a data folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{PATIENCE, fresh_folder, until};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A data folder with settings: what engine, risk consumer and commands of one test share.
pub struct Place {
    pub dir: PathBuf,
    settings: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new(nats_url: &str) -> Self {
        let dir = fresh_folder("run");
        let data = dir.display().to_string();
        Self { dir, settings: Vec::new() }.with("NATS_URL", nats_url).with("DATA_DIR", &data).with("HTTP_ADDR", "127.0.0.1:0")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn mode_dir(&self) -> PathBuf {
        let setting = |name| self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let data = setting("DATA_DIR").map_or_else(|| self.dir.clone(), PathBuf::from);
        data.join(setting("TRADING_MODE").unwrap_or("paper"))
    }

    /// Nothing of the environment of the test counts, and no `.env` lies there.
    fn command(&self, wrapper: &[&str], args: &[&str]) -> Command {
        let words: Vec<&str> = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_arbees")]).chain(args.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(self.settings.iter().cloned()).current_dir(&self.dir).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs a command to its end.
    pub fn say(&self, args: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(&[], args).output().expect("run arbees");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
        Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// What a good command printed.
    pub fn good(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// The one JSON value a good command printed.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.good(args)).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// Every event of the log.
    pub fn events(&self) -> Vec<Value> {
        let text = self.good(&["tail", "--json", "--from", "1"]);
        text.lines().map(|line| serde_json::from_str(line).expect("an event a line")).collect()
    }

    /// Starts a process that goes on: `run` and its arguments.
    pub fn start(&self, args: &[&str]) -> Process {
        self.start_under(&[], args)
    }

    /// Under another program, `strace` say.
    pub fn start_under(&self, wrapper: &[&str], args: &[&str]) -> Process {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // An earlier process' address is not this one's.
        if !args.contains(&"risk") {
            let _ = fs::remove_file(self.mode_dir().join("http_addr"));
        }
        let lines = self.dir.join(format!("lines-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let log = fs::File::create(&lines).expect("a file for the log lines");
        let child = self.command(wrapper, args).stdout(Stdio::null()).stderr(log).spawn();
        Process { child: child.unwrap_or_else(|error| panic!("{wrapper:?} arbees: {error}")), lines }
    }

    pub fn address(&self) -> Option<String> {
        let text = fs::read_to_string(self.mode_dir().join("http_addr")).ok()?;
        text.lines().next().map(str::to_owned)
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.mode_dir().join("http_token")).expect("the token").trim().to_owned()
    }

    /// Status and body of a GET; `None` while nobody listens.
    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address()?);
        let response = arbees::http::client().build().expect("client").get(url).send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.ok()?))
    }

    /// The body of a GET as text.
    pub async fn text(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.address().expect("an engine"));
        let response = arbees::http::client().build().expect("client").get(url).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        response.text().await.expect("text")
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.address().expect("an engine"));
        let mut request = arbees::http::client().build().expect("client").post(url).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// Waits until a signal would be traded.
    pub async fn ready(&self) {
        until("/readyz to say 200", async || self.get("/readyz").await.filter(|(status, _)| *status == 200)).await;
    }

    /// Waits until it wouldn't, for a reason with these words.
    pub async fn not_ready(&self, words: &str) -> String {
        let what = format!("/readyz to say 503 with {words:?}");
        until(&what, async || {
            let (status, body) = self.get("/readyz").await?;
            let reasons = body["reasons"].to_string();
            (status == 503 && reasons.contains(words)).then_some(reasons)
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("data and log lines are left in {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A running engine or risk consumer; killed on drop.
pub struct Process {
    child: Child,
    lines: PathBuf,
}

impl Process {
    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("wait for arbees");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM; returns the exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.exit_code()
    }

    /// `STOP` it stands still, `CONT` it goes on as if nothing had been.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits until it ends by itself.
    pub fn exit_code(&mut self) -> i32 {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("wait for arbees") {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        panic!("arbees doesn't end:\n{}", self.lines());
    }

    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("wait for arbees").is_none()
    }

    /// Its log lines so far.
    pub fn lines(&self) -> String {
        fs::read_to_string(&self.lines).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.lives() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- log lines of {}\n{}", self.lines.display(), self.lines());
        }
    }
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
