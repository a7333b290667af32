//! The live code under the bus' permissions as they are deployed: leases, signal, verdict, order, position, reconciliation.

use std::process::Stdio;

use arbees::app::rehearsal::{TICKER, Wish};
use arbees::bus::Bus;
use serde_json::Value;

use crate::program::{Process, command, say, stage};
use crate::servers::NatsServer;
use crate::support::Folder;

/// `ops/nats/nats.conf` for this mode and instance, changed as it says itself.
fn server() -> NatsServer {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/nats/nats.conf");
    let text = std::fs::read_to_string(path).expect("the configuration");
    NatsServer::of_text(&text.replace("paper.main", "demo.rehearsal").replace("paper-main", "demo-rehearsal"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_per_role_a_signal_becomes_a_reconciled_position_under_leases() {
    let (nats, folder) = (server(), Folder::new());
    let stage = stage(&folder).await;
    let (url, shared, own) =
        (nats.url(), folder.0.join("risk_public.key").display().to_string(), folder.0.join("risk").display().to_string());
    let seeds = ["admin", "engine", "risk"].map(|role| nats.seed_file(role).display().to_string());
    let bus = |seed| [("NATS_URL", url.as_str()), ("NATS_SEED_PATH", seed), ("RISK_PUBLIC_KEY_PATH", shared.as_str())];
    let provisioned = say(&stage, &bus(&seeds[0]), &["bus", "provision"]).await;
    assert_eq!(provisioned.code, 0, "{}", provisioned.err);
    let start = |more: &[(&str, &str)], role| {
        let mut run = command(&stage, more, &["run", "--role", role]);
        Process(run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("run arbees"))
    };
    let risk = [&bus(&seeds[2])[..], &[("DATA_DIR", own.as_str())]].concat();
    let (mut engine, _risk) = (start(&bus(&seeds[1]), "engine"), start(&risk, "risk"));
    let ask = async |args: &[&str]| serde_json::from_str::<Value>(&say(&stage, &bus(&seeds[1]), args).await.out).ok();
    let status = async || ask(&["status", "--json"]).await.filter(|status| status["ready"] == true);
    stage.until("it to be ready", status).await.unwrap_or_else(|error| panic!("{error}"));
    let strategy = nats.bus_of("signals").await;
    let (_, signal) = stage.signal(&Wish::open("yes", "0.50", "3", "ioc"));
    strategy.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
    let held = async || ask(&["positions", "--json"]).await.filter(|held| held[0]["quantity"] == "3" && held[0]["market"] == TICKER);
    stage.until("signal to position", held).await.unwrap_or_else(|error| panic!("{error}"));
    let read = say(&stage, &bus(&seeds[1]), &["reconcile"]).await;
    assert!(read.code == 0 && read.out.contains("kalshi open") && read.out.contains("unexplained $0"), "{}{}", read.out, read.err);
    let status = status().await.expect("still ready");
    assert_eq!((&status["counters"]["bus_violations"], engine.0.try_wait().expect("asked")), (&Value::from(0), None), "{status}");
}
