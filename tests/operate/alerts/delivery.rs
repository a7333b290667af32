//! A breaker of a real engine trips: Prometheus sees it, Alertmanager calls the webhook; it is reset, and the webhook hears that, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::routing::post;
use serde_json::{Value, json};

use super::{have, ops, with_addresses};
use crate::arbees::{Place, copy};
use crate::strategy::{Strategy, open};
use crate::support::{NatsServer, free_port, fresh_folder, until};

type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// Whoever is called by Alertmanager.
struct Webhook {
    base: String,
    heard: Heard,
}

impl Webhook {
    async fn start() -> Self {
        let heard = Heard::default();
        let hear = async |State(heard): State<Heard>, UrlPath(to): UrlPath<String>, body: String| {
            heard.lock().expect("lock").push((to, serde_json::from_str(&body).expect("JSON")));
        };
        let doors = Router::new().route("/{to}", post(hear)).with_state(Arc::clone(&heard));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, doors).await.expect("served") });
        Self { base, heard }
    }

    /// Waits for an alert of this name and status at this address.
    async fn told(&self, to: &str, name: &str, status: &str) -> Value {
        let wanted = |alert: &Value| alert["labels"]["alertname"] == name && alert["status"] == status;
        let find = || {
            let heard = self.heard.lock().expect("lock");
            let bodies = heard.iter().filter(|(door, _)| door == to);
            bodies.flat_map(|(_, body)| body["alerts"].as_array().cloned().unwrap_or_default()).find(wanted)
        };
        until(&format!("{name} {status} at /{to}"), async || find()).await
    }

    fn heard_of(&self, name: &str) -> bool {
        self.heard.lock().expect("lock").iter().any(|(_, body)| body.to_string().contains(name))
    }
}

/// A program of Prometheus with a folder of its own; killed and wiped on drop.
struct Server {
    child: Child,
    folder: PathBuf,
    address: String,
}

impl Server {
    async fn start(program: &str, folder: PathBuf, address: &str, args: &[String]) -> Self {
        let log = fs::File::create(folder.join("server.log")).expect("a file for its lines");
        let child = Command::new(program).args(args).current_dir(&folder).stdout(Stdio::null()).stderr(log).spawn().expect(program);
        let server = Self { child, folder, address: address.to_owned() };
        let url = format!("http://{}/-/ready", server.address);
        let client = arbees::http::client().build().expect("client");
        until(&url, async || client.get(&url).send().await.ok().filter(|answer| answer.status().is_success()).map(drop)).await;
        server
    }

    async fn alertmanager(address: &str, webhook: &str) -> Self {
        let folder = fresh_folder("alertmanager");
        let text = fs::read_to_string(ops().join("alertmanager/alertmanager.yml")).expect("configuration");
        write(&folder.join("alertmanager.yml"), &quicker(with_addresses(&text, webhook), &[("group_interval: 10s", "group_interval: 1s")]));
        let args = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="].map(str::to_owned);
        Self::start("prometheus-alertmanager", folder, address, &[&args[..], &[format!("--web.listen-address={address}")]].concat()).await
    }

    /// With the rules as they are shipped; only addresses and intervals of the configuration are others.
    async fn prometheus(address: &str, engine: &str, alertmanager: &str) -> Self {
        let folder = fresh_folder("prometheus");
        copy(&ops().join("prometheus"), &folder);
        let text = fs::read_to_string(folder.join("prometheus.yml")).expect("configuration");
        let other = [
            ("engine:9464", engine),
            ("alertmanager:9093", alertmanager),
            ("127.0.0.1:9090", address),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("evaluation_interval: 5s", "evaluation_interval: 1s"),
            ("scrape_timeout: 4s", "scrape_timeout: 1s"),
        ];
        write(&folder.join("prometheus.yml"), &quicker(text, &other));
        // What is said before Alertmanager is found would be said again after a minute only.
        let args = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--rules.alert.resend-delay=1s"].map(str::to_owned);
        Self::start("prometheus", folder, address, &[&args[..], &[format!("--web.listen-address={address}")]].concat()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.folder.display(), fs::read_to_string(self.folder.join("server.log")).unwrap_or_default());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}

fn quicker(text: String, other: &[(&str, &str)]) -> String {
    other.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the configuration says {from}");
        text.replace(from, to)
    })
}

/// What a paper engine whose orders are all rejected doesn't have.
const OF_OTHERS: [&str; 11] = [
    "_fills_total",
    "_signals_rejected_total",
    "_cash_stated_",
    "_cash_unexplained_",
    "_venue_request_",
    "_rate_budget_",
    "_stream_last_",
    "_clock_skew_",
    "_venue_mode",
    "_reconciliation_",
    "_lease_",
];

/// Each query of the dashboard is understood, and each about what this engine has finds something.
async fn the_dashboard_shows_it(prometheus: &str) {
    let text = fs::read_to_string(ops().join("grafana/dashboards/arbees.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let queries: Vec<String> = targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
    assert!(queries.len() > 40, "{}", queries.len());
    let client = arbees::http::client().build().expect("client");
    for query in queries {
        let plain = query.replace("$instance", ".*").replace("$__rate_interval", "1m").replace("$__range", "1h");
        let may_be_empty = OF_OTHERS.iter().any(|name| plain.contains(name));
        // Rates need a second scrape.
        until(&plain, async || {
            let address = format!("http://{prometheus}/api/v1/query");
            let found =
                client.post(address).header("content-type", "application/x-www-form-urlencoded").body(format!("query={}", encoded(&plain)));
            let said: Value = found.send().await.ok()?.json().await.ok()?;
            assert_eq!(said["status"], "success", "{plain}: {said}");
            (may_be_empty || !said["data"]["result"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tripped_breaker_reaches_the_webhook_and_so_does_its_end() {
    if !have(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    let server = NatsServer::start();
    let place =
        Place::new(&server.url()).with("PAPER_REJECT_PER_MILLE", "1000").with("MAX_CONSECUTIVE_ERRORS", "1").with("PROBE_AFTER_MS", "0");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    let webhook = Webhook::start().await;
    let (alerts, prometheus) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let _alertmanager = Server::alertmanager(&alerts, &webhook.base).await;
    let _prometheus = Server::prometheus(&prometheus, &place.address().expect("an engine"), &alerts).await;
    webhook.told("watchdog", "Watchdog", "firing").await;
    assert!(!webhook.heard_of("BreakerOpen"), "nothing has happened yet");

    for number in 0..2_usize {
        assert_eq!(strategy.ask(&open(&format!("bad-{number}"), &format!("KXBAD-{number}-A"))).await["answer"], "requested");
        let rejected = async || (place.json(&["orders", "--json", "--state", "rejected"]).as_array()?.len() == number + 1).then_some(());
        until("the reject", rejected).await;
    }
    let alert = webhook.told("alerts", "BreakerOpen", "firing").await;
    assert_eq!((&alert["labels"]["kind"], &alert["labels"]["severity"]), (&json!("global"), &json!("critical")));
    assert_eq!(alert["annotations"]["summary"], "Open global breakers: 1");
    let page = alert["annotations"]["runbook_url"].as_str().expect("a runbook");
    assert!(page.ends_with("BreakerOpen.md") && ops().join("..").join(page).exists(), "{page}");

    assert_eq!(strategy.ask(&open("shut", "KXBAD-shut-A")).await["answer"], "vetoed");
    the_dashboard_shows_it(&prometheus).await;
    place.good(&["breaker", "reset", "global", "--reason", "test"]);
    webhook.told("alerts", "BreakerOpen", "resolved").await;
    assert_eq!(engine.stop(), 0);
}
