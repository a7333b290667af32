//! Alerts, their pages and cases, the dashboard: held against the table of metrics, checked by Prometheus' own tools, and one
//! alert on its whole way from a real engine to a webhook.

/// A tripped breaker on its way to a webhook.
mod delivery;
/// What lies under `ops`, and everything that is wrong with it.
mod shelf;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::fresh_folder;
use shelf::Shelf;

fn ops() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops")
}

/// Says so when one of them is missing.
fn have(tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| Command::new(tool).arg("--version").output().is_err()).collect();
    if !missing.is_empty() {
        eprintln!(
            "SKIPPED: no {} (packages prometheus and prometheus-alertmanager; `./run test` installs them as root)",
            missing.join(", ")
        );
    }
    missing.is_empty()
}

/// A tool finds nothing wrong.
fn passes(tool: &str, args: &[&str], files: &[PathBuf]) {
    let said = Command::new(tool).args(args).args(files).output().expect(tool);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{tool} {args:?}: {}{}", text(&said.stdout), text(&said.stderr));
}

/// Debian's Alertmanager is older than `url_file`: the address takes its place, and nothing else changes.
fn with_addresses(text: &str, base: &str) -> String {
    let replaced = text
        .replace("url_file: /etc/alertmanager/webhook_url", &format!("url: \"{base}/alerts\""))
        .replace("url_file: /etc/alertmanager/watchdog_url", &format!("url: \"{base}/watchdog\""));
    assert_eq!(text.matches("url_file: ").count(), 2, "two addresses");
    assert_eq!(replaced.matches("{ url: ").count(), 2, "both addresses were replaced");
    replaced
}

#[test]
fn every_metric_exists_and_every_alert_has_its_page_and_both_cases() {
    assert_eq!(Shelf::read(&ops()).problems(), Vec::<String>::new());
}

/// The checker sees what it is for.
#[test]
fn planted_faults_of_the_shelf_are_found() {
    let found = |plant: &dyn Fn(&mut Shelf)| {
        let mut shelf = Shelf::read(&ops());
        plant(&mut shelf);
        shelf.problems()
    };
    let edited = |file: &'static str, from: &'static str, to: &'static str| {
        found(&move |shelf| {
            let text = shelf.files.get_mut(file).expect(file);
            assert!(text.contains(from), "{file} says {from}");
            *text = text.replacen(from, to, 1);
        })
    };
    let rules = "prometheus/rules/arbees.yml";
    for (problems, said) in [
        (edited(rules, "arbees_kill_on", "arbees_killed"), "arbees_killed is no metric"),
        (edited(rules, "arbees_venue_mode{mode=", "arbees_venue_mode{state="), "arbees_venue_mode has no label state"),
        (
            edited("grafana/dashboards/arbees.json", "arbees_stage_seconds_bucket", "arbees_stage_seconds_buckets"),
            "arbees_stage_seconds_buckets",
        ),
        (edited(rules, "      runbook_url: ops/runbooks/KillOn.md\n", ""), "KillOn: its rule has no `runbook_url: ops/runbooks/KillOn.md`"),
        (edited(rules, "alert: KillOn", "alert: KillIsOn"), "KillIsOn: no page ops/runbooks/KillIsOn.md"),
        (edited(rules, "alert: KillOn", "alert: KillIsOn"), "runbooks/KillOn.md: a page of no alert"),
        (edited("prometheus/tests/signals.yml", "    exp_alerts: []\n", "    exp_alerts:\n"), "VetoRateHigh: no case in which it is quiet"),
        (edited("runbooks/KillOn.md", "## Do this", "## Do"), "runbooks/KillOn.md: no `## Do this`"),
        (edited("runbooks/KillOn.md", "arbees kill status", "arbees kill state"), "runbooks/KillOn.md: `arbees kill state` is no command"),
        (edited("alertmanager/alertmanager.yml", "alertname=\"EngineDown\"", "alertname=\"EngineGone\""), "EngineGone is no alert"),
        (found(&|shelf| drop(shelf.files.remove("runbooks/BreakerOpen.md"))), "BreakerOpen: no page ops/runbooks/BreakerOpen.md"),
    ] {
        assert!(problems.iter().any(|problem| problem.contains(said)), "{said}: {problems:#?}");
    }
}

#[test]
fn prometheus_takes_the_rules_and_each_case_comes_out_as_written() {
    if !have(&["promtool"]) {
        return;
    }
    let below = |folder: &str| -> Vec<PathBuf> {
        let files = std::fs::read_dir(ops().join("prometheus").join(folder)).expect(folder);
        files.map(|entry| entry.expect("an entry").path()).collect()
    };
    passes("promtool", &["check", "config"], &[ops().join("prometheus/prometheus.yml")]);
    passes("promtool", &["check", "rules"], &below("rules"));
    passes("promtool", &["test", "rules"], &below("tests"));
}

#[test]
fn alertmanager_takes_its_configuration() {
    if !have(&["amtool"]) {
        return;
    }
    let folder = fresh_folder("amtool");
    let file = folder.join("alertmanager.yml");
    let text = std::fs::read_to_string(ops().join("alertmanager/alertmanager.yml")).expect("configuration");
    std::fs::write(&file, with_addresses(&text, "http://127.0.0.1:9")).expect("written");
    passes("amtool", &["check-config"], std::slice::from_ref(&file));
    let config = format!("--config.file={}", file.display());
    for (receiver, labels) in [
        ("watchdog", ["alertname=Watchdog", "severity=none"]),
        ("webhook", ["alertname=KillOn", "severity=critical"]),
        ("webhook", ["alertname=DeadLetters", "severity=warning"]),
    ] {
        let expected = format!("--verify.receivers={receiver}");
        passes("amtool", &[&["config", "routes", "test", config.as_str(), expected.as_str()][..], &labels[..]].concat(), &[]);
    }
    std::fs::remove_dir_all(folder).expect("removed");
}
