//! A key pasted where it doesn't belong: into every setting there is, and into the file of settings.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use arbees::config::settings;

use super::scan::{Needles, Secret};
use crate::support::fresh_folder;

const PEM: &str = include_str!("../../conformance/vectors/kalshi/test_keys/ed25519_pkcs8.pem");
const WALLET: &str = "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba";
const PHRASE: &str = "hotel canary ostrich magnet violin garden rocket tunnel pencil walnut copper island";
const KEY_ID: &str = "7c1d5a3e-90b2-4f66-8a17-c3e2d9b4f605";

struct Desk {
    folder: std::path::PathBuf,
    settings: BTreeMap<String, String>,
}

impl Desk {
    fn say(&self, name: &str, value: &str, args: &[&str]) -> (i32, Vec<u8>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arbees"));
        command.args(args).env_clear().envs(&self.settings).env(name, value).current_dir(&self.folder).stdin(Stdio::null());
        let output = command.output().expect("run arbees");
        (output.status.code().unwrap_or(-1), [output.stdout, output.stderr].concat())
    }
}

fn desk() -> Desk {
    let folder = fresh_folder("pasted");
    let settings = [("DATA_DIR", folder.join("data").display().to_string()), ("LOG_LEVEL", "trace".to_owned())];
    Desk { folder, settings: settings.map(|(name, value)| (name.to_owned(), value)).into() }
}

fn keys() -> Vec<(&'static str, String)> {
    let (seed, _) = arbees::bus::nats::nkey::generate().expect("a seed");
    let seed = secrecy::ExposeSecret::expose_secret(&seed).to_owned();
    let body = PEM.lines().nth(1).expect("a line").to_owned();
    vec![
        ("a PEM", PEM.to_owned()),
        ("its only line", body),
        ("a wallet's key", WALLET.to_owned()),
        ("its digits", WALLET[2..].to_owned()),
        ("a seed", seed),
        ("a phrase", PHRASE.to_owned()),
        ("a key id", KEY_ID.to_owned()),
        ("an address with a password", format!("https://user:{KEY_ID}@localhost/trade-api/v2")),
    ]
}

/// Places where an id of this shape may rightly stand: nobody can tell it from a name.
fn is_a_name(setting: &str, what: &str) -> bool {
    let free = settings::find(setting)
        .is_some_and(|setting| matches!(setting.kind, settings::Kind::Text | settings::Kind::Path | settings::Kind::Nats));
    what == "a key id" && free
}

#[test]
fn s108_a_key_pasted_into_any_setting_is_not_shown() {
    let desk = desk();
    let mut shown = Vec::new();
    for (what, key) in keys() {
        let needles = Needles::of(&[Secret::new(what, key.replace('\n', "")), Secret::new(KEY_ID, KEY_ID)]);
        for setting in settings::all().filter(|setting| !is_a_name(setting.name, what)) {
            for args in [&["config", "check"][..], &["config", "check", "--json"], &["status"]] {
                let (_, said) = desk.say(setting.name, &key, args);
                let pem = what == "a PEM" && String::from_utf8_lossy(&said).contains(PEM.lines().nth(1).expect("a line"));
                if pem || !needles.found_in(&said).is_empty() {
                    shown.push(format!(
                        "{what} in {} by {args:?}: {}",
                        setting.name,
                        String::from_utf8_lossy(&said).lines().find(|line| line.contains(setting.name)).unwrap_or("")
                    ));
                }
            }
        }
    }
    fs::remove_dir_all(&desk.folder).expect("clean");
    assert!(shown.is_empty(), "{} times:\n{}", shown.len(), shown.join("\n"));
}

#[test]
fn s108_a_key_that_stands_in_the_settings_file_anyhow_is_not_shown() {
    let desk = desk();
    let lines = |key: &str| {
        [
            key.to_owned(),
            format!("POLY_PRIVATE_KEY {key}"),
            format!("POLY_PRIVATE_KEY=\"{key}"),
            format!("KALSHI_PRIVATE_KEY={key}"),
            format!("NATS_SED_PATH={key}"),
        ]
    };
    for (what, key) in keys() {
        let needles = Needles::of(&[Secret::new(what, PEM.lines().nth(1).expect("a line")), Secret::new(what, key.replace('\n', ""))]);
        for line in lines(&key) {
            fs::write(desk.folder.join(".env"), format!("{line}\n")).expect("written");
            let (code, said) = desk.say("LOG_FORMAT", "json", &["config", "check"]);
            assert!(needles.found_in(&said).is_empty(), "{what} ({code}): {}", String::from_utf8_lossy(&said));
        }
    }
    fs::remove_dir_all(&desk.folder).expect("clean");
}
