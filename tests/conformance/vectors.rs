//! Where the vectors are.

use std::path::PathBuf;

use arbees::clock::Clock;
use arbees::domain::time::Time;
use arbees::venues::kalshi::address::ApiAddress;
use arbees::venues::kalshi::{Client, ClientSettings, KeyId, SigningKey};
use serde_json::Value;

pub const KEY_ID: &str = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c";

pub fn folder() -> PathBuf {
    let given = std::env::var_os("VECTORS_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vectors"))).join("kalshi")
}

/// Recordings are not ours to copy.
pub fn recorded() -> Option<PathBuf> {
    let beside = folder().join("recorded_demo");
    let shared = std::env::var("ARBEES_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
    let shared = PathBuf::from(shared).join("protocols/kalshi/recorded_demo");
    let found = [beside, shared].into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: no recorded_demo; set ARBEES_SHARED to the shared folder, or VECTORS_DIR");
    }
    found
}

pub fn text(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One JSON value a line, with its line number.
pub fn rows(name: &str) -> Vec<(usize, Value)> {
    let text = text(name);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let rows: Vec<_> =
        lines.map(|(at, line)| (at + 1, serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}:{}: {error}", at + 1)))).collect();
    assert!(!rows.is_empty(), "{name} is empty");
    rows
}

/// Files of the vectors folder whose name begins so.
pub fn files(beginning: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("vectors");
    let mut names: Vec<String> = entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with(beginning) && name.ends_with(".jsonl"));
    names.sort();
    assert!(!names.is_empty(), "no {beginning}*.jsonl in {}", folder().display());
    names
}

pub fn key(name: &str) -> SigningKey {
    SigningKey::from_pem(text(&format!("test_keys/{name}")).as_bytes()).expect(name)
}

/// A client that sends nothing: only its requests are looked at.
pub fn client(subaccount: Option<u32>) -> Client {
    let api = ApiAddress::new("http://127.0.0.1:9/trade-api/v2").expect("address");
    let (clock, _) = Clock::manual(Time::from_ms(1_795_362_000_000));
    let settings = ClientSettings { subaccount, ..ClientSettings::new(api) };
    Client::new(settings, KeyId::new(KEY_ID).expect("id"), key("ed25519_pkcs8.pem"), clock).expect("client")
}
