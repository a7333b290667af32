//! Engine and risk consumer as they are deployed, with a key per role on the bus, and everything that they have to hide.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::scan::Secret;
use super::wire::{Wire, from_hex};
use crate::arbees::{Place, Process};
use crate::support::{NatsServer, free_port};
use crate::venues::{Double, settings};
use crate::world::UNLIMITED;

/// Whatever the program writes to standard output goes to a file of its own, as does standard error.
const WITH_OUTPUT: [&str; 3] = ["sh", "-c", "exec \"$0\" \"$@\" >>\"out-$$.log\""];
/// Counts for nobody, as the key does, but must be hidden all the same.
pub const PASSWORD: &str = "canary-password-of-the-bus-0123456789";
const WEBHOOK_TOKEN: &str = "7012345678:AAHcanaryOfTheWebhook-0123456789xyz";
/// Files that are there to hold secrets.
const OF_SECRETS: [&str; 6] = ["kalshi.pem", "polymarket.key", "risk.key", "http_token", "poly_api.json", "wrong.pem"];
const WRONG_WALLET: &str = "wrong.key";
const WRONG_WALLET_KEY: &str = "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba";

pub struct Stage {
    pub server: NatsServer,
    pub engine: Place,
    pub risk: Place,
    pub kalshi: Double,
    pub polymarket: Double,
    /// Of Kalshi, of Polymarket; requests first, then the stream.
    pub wires: [Wire; 4],
    pub settings: BTreeMap<String, String>,
}

impl Stage {
    pub async fn open() -> Self {
        let server = server();
        let engine = Place::new(&server.url());
        let (kalshi, polymarket) = (Double::kalshi(&engine.dir).await, Double::polymarket(&engine.dir));
        let mut all: BTreeMap<String, String> =
            settings(&engine.dir, &kalshi, &polymarket).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut heard = async |name: &str| {
            let (wire, url) = Wire::before(&all[name]).await;
            all.insert(name.to_owned(), url);
            wire
        };
        let wires = [heard("KALSHI_API_URL").await, heard("KALSHI_WS_URL").await, heard("POLY_CLOB_URL").await, heard("POLY_WS_URL").await];
        all.extend(UNLIMITED.map(|name| (name.to_owned(), "1000000".to_owned())));
        let words = [
            ("TRADING_MODE", "demo"),
            ("LOG_LEVEL", "trace"),
            // Not ours, but whoever wants to see everything sets them.
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("DUPLICATE_INTENT_MS", "0"),
            ("MAX_CONSECUTIVE_ERRORS", "1000"),
            ("RISK_TIMEOUT_MS", "1000"),
        ];
        all.extend(words.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.insert("NATS_URL".to_owned(), format!("nats://engine:{PASSWORD}@127.0.0.1:{}", server.port));
        // Nobody listens there: every message fails, which is what gets told.
        all.insert("NOTIFY_WEBHOOK_URL".to_owned(), format!("http://127.0.0.1:{}/bot{WEBHOOK_TOKEN}/sendMessage", free_port()));
        all.insert("RISK_PUBLIC_KEY_PATH".to_owned(), engine.dir.join("risk_public.key").display().to_string());
        let (engine, risk) = (place(engine, &all, &server, "engine"), place(Place::new(&server.url()), &all, &server, "risk"));
        all.insert("DATA_DIR".to_owned(), engine.dir.display().to_string());
        all.insert("NATS_SEED_PATH".to_owned(), server.seed_file("engine").display().to_string());
        Self { server, engine, risk, kalshi, polymarket, wires, settings: all }
    }

    pub fn provision(&self) {
        let seed = self.server.seed_file("admin").display().to_string();
        let said = self.say(&[("NATS_SEED_PATH", &seed)], &["bus", "provision"]);
        assert_eq!(said.0, 0, "{}", String::from_utf8_lossy(&said.1));
    }

    /// Both, each with its shape of log lines, the engine armed with a crash point or not.
    pub fn start(&self, [engine, risk]: [&str; 2], armed: &str) -> (Process, Process) {
        let started = |place: &Place, format: &str, role: &str, armed: &str| {
            let (format, armed) = (format!("LOG_FORMAT={format}"), format!("ARBEES_CRASH_AT={armed}"));
            let wrapper = [&["env", format.as_str(), armed.as_str()][..], &WITH_OUTPUT].concat();
            place.start_under(&wrapper, &["run", "--role", role])
        };
        (started(&self.engine, engine, "engine", armed), started(&self.risk, risk, "risk", ""))
    }

    /// A command with the engine's settings and changes to them: its exit code, and everything that it printed.
    pub fn say(&self, changes: &[(&str, &str)], args: &[&str]) -> (i32, Vec<u8>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arbees"));
        command.args(args).env_clear().envs(&self.settings).envs(changes.iter().copied());
        let output = command.current_dir(&self.engine.dir).stdin(Stdio::null()).output().expect("run arbees");
        (output.status.code().unwrap_or(-1), [output.stdout, output.stderr].concat())
    }

    /// A key of somebody else, in a file, which the venue refuses.
    pub fn wrong_keys(&self) -> (String, String) {
        let rsa = include_str!("../../conformance/vectors/kalshi/test_keys/rsa2048_pkcs8.pem");
        (private(&self.engine.dir.join("wrong.pem"), rsa), private(&self.engine.dir.join(WRONG_WALLET), WRONG_WALLET_KEY))
    }

    /// Everything that lies in the folders, but for the files whose purpose it is to hold a secret.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for dir in [&self.engine.dir, &self.risk.dir] {
            walk(dir, &mut |path, name| {
                if !OF_SECRETS.contains(&name) && name != WRONG_WALLET {
                    all.push((path.display().to_string(), fs::read(path).expect("readable")));
                }
            });
        }
        all
    }

    /// What must be nowhere else.
    pub fn secrets(&self) -> Vec<Secret> {
        let text = |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (at_engine, mode) = (|name: &str| text(self.engine.dir.join(name)), self.engine.mode_dir());
        let risk = fs::read(self.risk.mode_dir().join("risk.key")).expect("risk's key");
        let token = text(mode.join("http_token"));
        let mut all = vec![
            Secret::new("the password of the bus", PASSWORD),
            Secret::new("Kalshi's key id", self.settings["KALSHI_API_KEY_ID"].as_bytes()),
            Secret::new("Kalshi's key", ed25519_seed(&der(&at_engine("kalshi.pem")))),
            Secret::new("risk's key", ed25519_seed(&risk)),
            Secret::new("the webhook's token", WEBHOOK_TOKEN),
            Secret::new("the token", token.trim()),
            Secret::new("the token's bytes", from_hex(token.trim())),
        ];
        all.push(Secret::new("a wrong key for Kalshi", private_part(&der(&at_engine("wrong.pem")))));
        for (what, name) in [("the wallet's key", "polymarket.key"), ("a wrong wallet's key", WRONG_WALLET)] {
            let digits = at_engine(name).trim().trim_start_matches("0x").to_owned();
            all.extend([Secret::new(what, from_hex(&digits)), Secret::new(what, digits)]);
        }
        for role in ["engine", "risk", "admin"] {
            let seed = self.server.seed(role).expose_secret().to_owned();
            all.extend([Secret::new(&format!("{role}'s seed"), seed.as_bytes()), Secret::new(&format!("{role}'s seed"), raw_seed(&seed))]);
        }
        walk(&self.engine.dir, &mut |path, name| {
            if name == "poly_api.json" {
                all.extend(api_secrets(&serde_json::from_str(&text(path.to_owned())).expect("JSON")));
            }
        });
        all.extend(self.wires.iter().flat_map(Wire::signatures));
        all
    }
}

/// `ops/nats/nats.conf` for this mode, changed as it says itself; and somebody who hears everything.
fn server() -> NatsServer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/nats/nats.conf");
    let text = fs::read_to_string(path).expect("the configuration").replace("paper.main", "demo.main").replace("paper-main", "demo-main");
    let (tongue, ear) =
        ("publish: { allow: [ \"arbees.ping\" ] }", "subscribe: { allow: [ \"answers.>\", \"events.>\", \"_INBOX.dash.>\" ] }");
    let dash = text.find(ear).and_then(|at| text[..at].rfind(tongue)).expect("the dashboard's permissions");
    let text = format!("{}{}", &text[..dash], text[dash..].replacen(tongue, "publish: { allow: [ \">\" ] }", 1));
    NatsServer::of_text(&text.replace(ear, "subscribe: { allow: [ \">\" ] }"))
}

fn place(place: Place, settings: &BTreeMap<String, String>, server: &NatsServer, role: &str) -> Place {
    let seed = server.seed_file(role).display().to_string();
    settings.iter().fold(place, |place, (name, value)| place.with(name, value)).with("NATS_SEED_PATH", &seed)
}

fn private(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("a key file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path.display().to_string()
}

fn walk(dir: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, each);
        } else {
            each(&path, &path.file_name().expect("a name").to_string_lossy());
        }
    }
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with("--")).collect::<String>()).expect("a PEM")
}

/// The 32 bytes of an Ed25519 key in PKCS #8, which begins with sixteen that say what it is.
fn ed25519_seed(der: &[u8]) -> Vec<u8> {
    assert_eq!(der[12..16], [0x04, 0x22, 0x04, 0x20]);
    der[16..48].to_vec()
}

/// All of an RSA key in PKCS #8 behind its modulus, which is public, and the exponent that everybody uses.
fn private_part(der: &[u8]) -> Vec<u8> {
    let exponent = [0x02, 0x03, 0x01, 0x00, 0x01];
    let at = der.windows(exponent.len()).position(|bytes| bytes == exponent).expect("the public exponent");
    der[at + exponent.len()..].to_vec()
}

/// Base32: two bytes that say what it is, the key, and two to check it by.
fn raw_seed(seed: &str) -> Vec<u8> {
    let digits = seed.bytes().map(|byte| if byte.is_ascii_uppercase() { byte - b'A' } else { byte - b'2' + 26 });
    let bits: Vec<u8> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    bytes[2..34].to_vec()
}

fn api_secrets(kept: &Value) -> Vec<Secret> {
    let text = |name: &str| kept[name].as_str().expect("text").to_owned();
    let secret = URL_SAFE.decode(text("secret")).expect("base64");
    vec![
        Secret::new("Polymarket's API key", text("apiKey")),
        Secret::new("Polymarket's API key's bytes", from_hex(&text("apiKey").replace('-', ""))),
        Secret::new("Polymarket's API secret", text("secret")),
        Secret::new("Polymarket's API secret's bytes", secret),
        Secret::new("Polymarket's passphrase", text("passphrase")),
        Secret::new("Polymarket's passphrase's bytes", from_hex(&text("passphrase"))),
    ]
}
