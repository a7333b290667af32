//! What one file names exists: in the repository, among the settings, among the commands.

use std::collections::BTreeSet;
use std::path::Path;

use arbees::config::settings;

use super::files::{COMPOSE, OURS, UNITS, exists, is_command, lines, root, service, text, values, words};

use crate::support::ROLES;

const GUIDE: &str = "ops/deploy.md";
/// Services that are this program.
const PROGRAMS: [&str; 3] = ["provision", "engine", "risk"];
/// Makes what the compose file expects in ./secrets: `arbees bus keys secrets`, or a line of the guide.
const SECRETS: &str = "./secrets/";

/// The program takes these words.
fn check_command(place: &str, command: &[&str]) {
    is_command(command).unwrap_or_else(|error| panic!("{place}: {command:?}: {error}"));
}

fn check_path(place: &str, path: &str) {
    let path = Path::new(path.trim_start_matches("./"));
    assert!(exists(path), "{place} names {}, which is not there", path.display());
}

#[test]
fn every_path_and_volume_of_the_compose_file_is_there() {
    let all = lines(COMPOSE);
    let volumes: BTreeSet<String> = words(all.last().expect("volumes")).into_iter().filter(|word| word.ends_with(':')).collect();
    let mut mounted = BTreeSet::new();
    for word in all.iter().flat_map(|line| words(line)) {
        let word = word.strip_prefix("${NATS_CONF:-").map_or(word.clone(), |rest| rest.replace('}', ""));
        let mut parts = word.split(':');
        match (parts.next().unwrap_or_default(), parts.next()) {
            (path, _) if path.starts_with(SECRETS) => {
                let name = path.trim_start_matches(SECRETS);
                let made = text(COMPOSE).contains(&format!("> secrets/{name}")) || ROLES.iter().any(|role| name == format!("{role}.nk"));
                assert!(made, "nothing tells how {path} is made");
            }
            (path, _) if path.starts_with("./") => check_path(COMPOSE, path),
            (volume, Some(target)) if target.starts_with('/') && !target.starts_with("//") && !volume.contains('/') => {
                assert!(volumes.contains(&format!("{volume}:")), "{volume} is no volume of {COMPOSE}");
                mounted.insert(format!("{volume}:"));
            }
            _ => {}
        }
    }
    let declared: BTreeSet<String> = volumes.into_iter().filter(|name| name != "volumes:").collect();
    assert_eq!(mounted, declared, "each volume is mounted");
    let secrets: Vec<&String> = all.iter().filter(|line| line.contains("file: ./secrets/")).collect();
    for secret in secrets {
        let name = secret.trim().split(':').next().expect("a name");
        let given = |line: &&String| line.trim().starts_with("secrets: [") && line.contains(name);
        assert!(all.iter().any(|line| given(&line)), "{name} is given to nobody");
    }
}

#[test]
fn every_setting_and_command_of_the_compose_file_is_one_of_the_program() {
    for name in PROGRAMS {
        let lines = service(name);
        let environment = lines.iter().skip_while(|line| *line != "    environment:").skip(1).take_while(|line| line.starts_with("      "));
        let names: Vec<&str> = environment.filter_map(|line| line.trim().split(':').next()).collect();
        assert!(names.len() > 3, "{name}: {names:?}");
        for setting in names {
            assert!(settings::find(setting).is_some(), "{name}: {setting} is no setting");
        }
        let command = lines.iter().find_map(|line| line.strip_prefix("    command: ")).expect("a command");
        let command: Vec<String> = serde_json::from_str(command).expect("a list");
        check_command(name, &command.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let tested = service("engine").iter().find_map(|line| line.trim().strip_prefix("test: ").map(str::to_owned)).expect("a health check");
    let tested: Vec<String> = serde_json::from_str(&tested).expect("a list");
    assert_eq!(tested[..2], ["CMD", "/usr/bin/arbees"]);
    check_command("engine", &tested[2..].iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_key_of_the_server_is_given_by_compose_and_no_port_leaves_the_machine() {
    let keys = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("NATS_") && word.ends_with("_NKEY")).map(str::to_owned).collect()
    };
    assert_eq!(keys(&text("ops/nats/nats.conf")), keys(&service("nats").join("\n")));
    let ports: Vec<String> = lines(COMPOSE).into_iter().filter(|line| line.trim().starts_with("ports:")).collect();
    assert!(ports.len() >= 5, "{ports:?}");
    for line in ports {
        for port in words(&line).iter().filter(|word| word.contains(':') && !word.starts_with("ports")) {
            assert!(port.starts_with("127.0.0.1:"), "{port} is open to everybody");
        }
    }
    // What a service may take, and how its files are protected, is said for each.
    let all = text(COMPOSE);
    for name in ["nats", "provision", "engine", "risk", "prometheus", "alertmanager", "grafana"] {
        let lines = service(name).join("\n");
        assert!(lines.contains("<<: *hardening") || lines.contains("<<: *arbees"), "{name} is not hardened");
        assert!(lines.contains("limits: { memory:") || lines.contains("<<: *arbees"), "{name} has no limits");
        assert!(lines.contains("healthcheck:"), "{name} says nothing about its health");
    }
    for image in all.lines().filter_map(|line| line.trim().strip_prefix("image: ")) {
        let (_, tag) = image.rsplit_once(':').expect("a tag");
        assert!(tag == "local" || tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()), "{image} is not pinned");
    }
    assert!(text("ops/nats/nats.conf").lines().any(|line| line.trim() == "sync_interval: always"));
}

#[test]
fn every_setting_and_command_of_the_units_is_one_of_the_program() {
    for unit in OURS {
        let start = values(unit, "ExecStart").remove(0);
        let command = start.strip_prefix("/usr/bin/arbees ").expect("the program");
        check_command(unit, &command.split(' ').collect::<Vec<_>>());
        for (name, value) in values(unit, "Environment").iter().filter_map(|line| line.split_once('=')) {
            assert!(settings::find(name).is_some(), "{unit}: {name} is no setting");
            if let Some(credential) = value.strip_prefix("%d/") {
                let loaded = values(unit, "LoadCredential").iter().any(|line| line.starts_with(&format!("{credential}:")));
                assert!(loaded, "{unit}: nothing loads {credential}");
            }
        }
        let folder = format!("/var/lib/{}", values(unit, "StateDirectory")[0]);
        assert!(values(unit, "Environment").contains(&format!("DATA_DIR={folder}")), "{unit}: it may write to {folder} only");
    }
}

#[test]
fn a_unit_that_halted_or_has_wrong_settings_is_not_started_again_and_has_time_to_end() {
    use arbees::cli::Exit;
    for unit in OURS {
        assert_eq!(values(unit, "Restart"), ["on-failure"], "{unit}");
        let prevented = values(unit, "RestartPreventExitStatus").join(" ");
        for exit in [Exit::Usage, Exit::Halted] {
            let code = (exit as u8).to_string();
            assert!(prevented.split(' ').any(|known| known == code), "{unit}: exit code {code} would loop");
        }
    }
    let wait: u64 = settings::find("STOP_WAIT_MS").map(|setting| setting.default_text()).and_then(|text| text.parse().ok()).expect("ms");
    let longest = std::time::Duration::from_millis(wait) + arbees::app::STOP_TAKES_AT_MOST;
    let unit: u64 = values(OURS[0], "TimeoutStopSec")[0].parse().expect("seconds");
    let compose =
        lines(COMPOSE).iter().find_map(|line| line.trim().strip_prefix("stop_grace_period: ").map(str::to_owned)).expect("a time");
    for given in [unit, compose.trim_end_matches('s').parse().expect("seconds")] {
        assert!(given >= longest.as_secs(), "{given} s are less than the {longest:?} an engine may take to end");
    }
}

#[test]
fn the_users_and_folders_of_the_units_are_made() {
    let (users, folders) = (text("ops/systemd/arbees.sysusers.conf"), text("ops/systemd/arbees.tmpfiles.conf"));
    for unit in UNITS {
        let user = &values(unit, "User")[0];
        assert!(users.contains(&format!("u {user} ")), "nothing makes {user}");
    }
    for folder in values(OURS[1], "ReadWritePaths") {
        assert!(folders.contains(&format!("d {folder} 0755 arbees-risk")), "nothing makes {folder}");
    }
}

#[test]
fn what_the_image_is_made_of_is_in_the_repository() {
    let dockerfile = text("Dockerfile");
    assert!(exists(Path::new("ops/image.sh")) && dockerfile.contains("ops/image.sh target/release/arbees /image"));
    let entry = lines("Dockerfile").iter().find_map(|line| line.strip_prefix("CMD ").map(str::to_owned)).expect("a command");
    let entry: Vec<String> = serde_json::from_str(&entry).expect("a list");
    check_command("Dockerfile", &entry.iter().map(String::as_str).collect::<Vec<_>>());
    for target in ["arbees", "nats"] {
        assert!(dockerfile.contains(&format!(" AS {target}")) && text(COMPOSE).contains(&format!("target: {target} }}")), "{target}");
    }
}

/// Each command of the guide is one that the program takes, and each file it names is there.
#[test]
fn the_guide_names_commands_files_and_settings_that_exist() {
    let (guide, mut commands) = (text(GUIDE), 0);
    for block in guide.split("```").skip(1).step_by(2) {
        for line in block.lines().map(|line| line.split(" #").next().unwrap_or_default()) {
            for command in line.split(['|', ';', '>']).flat_map(|part| part.split("&&")) {
                let words: Vec<&str> = command.split_whitespace().collect();
                let Some(at) = words.iter().position(|word| ["arbees", "arbees:local"].contains(word)) else { continue };
                let before = ["sudo", "docker", "compose", "exec", "engine", "arbees-engine"];
                let is_run = |word: &&str| before.contains(word) || word.contains('=') || word.starts_with('-');
                if words.len() > at + 1 && (words[at] != "arbees" || words[..at].iter().all(is_run)) {
                    let unquoted = command.replace('"', "");
                    let after = unquoted.split_whitespace().skip(at + 1);
                    // A reason of two words is one argument for the shell.
                    let words: Vec<&str> =
                        if command.contains('"') && words[at] == "arbees" { after.take(4).collect() } else { after.collect() };
                    check_command(line, &words);
                    commands += 1;
                }
            }
        }
    }
    assert!(commands >= 10, "only {commands} commands were found");
    for word in guide.split(|c: char| c.is_whitespace() || "`()\"',:;<>".contains(c)) {
        if word.starts_with("ops/") && !word.contains('*') {
            check_path(GUIDE, word.trim_end_matches('.'));
        }
        let name = word.split('=').next().unwrap_or_default();
        let ours = settings::PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        assert!(!ours || settings::find(name).is_some(), "{GUIDE}: {name} is no setting");
    }
    assert!(root().join("run").exists());
}
