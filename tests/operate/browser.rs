//! A headless Chromium by its WebDriver (W3C), over plain HTTP.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{fresh_folder, until};

pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    folder: PathBuf,
}

/// Without these every start asks the internet for something.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Whether this machine has one; says so where not.
pub fn is_here() -> bool {
    let here = ["chromium", "chromedriver"].iter().all(|name| Command::new(name).arg("--version").output().is_ok());
    if !here {
        eprintln!("SKIPPED: no chromium or no chromedriver (packages chromium, chromium-driver): the page is not looked at");
    }
    here
}

impl Browser {
    /// A window of so many pixels; narrow ones are phones.
    pub async fn open(width: u32, height: u32) -> Self {
        let folder = fresh_folder("chromium");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver");
        let http = arbees::http::client().build().expect("client");
        let base = format!("http://127.0.0.1:{port}");
        until("chromedriver", async || http.get(format!("{base}/status")).send().await.ok()).await;
        let mut args: Vec<String> = FLAGS.map(str::to_owned).into();
        args.extend([
            format!("--user-data-dir={}", folder.display()),
            format!("--window-size={width},{height}"),
            "--hide-scrollbars".to_owned(),
        ]);
        let mut options = json!({ "args": args });
        if width < 500 {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1 } });
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let made = http.post(format!("{base}/session")).json(&wanted).send().await.expect("an answer");
        let made: Value = made.json().await.expect("JSON");
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}"));
        Self { driver, session: format!("{base}/session/{id}"), http, folder }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.session)).json(&body).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {answer}");
        answer["value"].clone()
    }

    pub async fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    pub async fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({})?.innerText ?? ''", json!(selector))).await;
        found.as_str().expect("text").to_owned()
    }

    /// Waits until the text there holds these words.
    pub async fn shows(&self, selector: &str, words: &str) {
        until(&format!("{selector} to show {words:?}"), async || self.text(selector).await.contains(words).then_some(())).await;
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("/element", json!({ "using": "css selector", "value": selector })).await;
        found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).expect("an element").to_owned()
    }

    /// A list may be drawn anew between the look and the click: a person would click again.
    pub async fn click(&self, selector: &str) {
        until(&format!("a click on {selector}"), async || {
            let id = self.find(selector).await;
            let answer = self.http.post(format!("{}/element/{id}/click", self.session)).json(&json!({})).send().await.expect("an answer");
            answer.json::<Value>().await.expect("JSON")["value"].is_null().then_some(())
        })
        .await;
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let id = self.find(selector).await;
        self.post(&format!("/element/{id}/clear"), json!({})).await;
        self.post(&format!("/element/{id}/value"), json!({ "text": text })).await;
    }

    /// Errors and warnings of the console so far.
    pub async fn complaints(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" })).await;
        lines.as_array().expect("lines").iter().map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session.
        let session = self.session.clone();
        let _ = Command::new("curl").args(["-s", "-m", "5", "-X", "DELETE", &session]).stdout(Stdio::null()).status();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
