//! Where the vectors are, and what they have in common.

use std::path::PathBuf;
use std::sync::Arc;

use arbees::venues::polymarket::auth::Header;
use arbees::venues::polymarket::{ApiCredentials, EvmAddress, WalletKey};
use serde_json::Value;

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vectors");

pub fn folder() -> PathBuf {
    let Some(given) = std::env::var_os("VECTORS_DIR").map(PathBuf::from) else { return PathBuf::from(OURS).join("polymarket") };
    let ours = given.join("polymarket");
    if !ours.is_dir() && given.join("kalshi").is_dir() {
        eprintln!("VECTORS_DIR holds vectors of Kalshi only; Polymarket's are the repository's");
        return PathBuf::from(OURS).join("polymarket");
    }
    ours
}

pub fn text(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn json(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a file, never none.
pub fn rows(file: &Value, list: &str) -> Vec<Value> {
    let rows = file[list].as_array().unwrap_or_else(|| panic!("no {list}")).clone();
    assert!(!rows.is_empty(), "{list} is empty");
    rows
}

pub fn string<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

/// Numbers are written as such or as text.
pub fn integer(value: &Value, field: &str) -> u64 {
    let number = value[field].as_u64().or(value[field].as_str().and_then(|text| text.parse().ok()));
    number.unwrap_or_else(|| panic!("{field} is no whole number in {value}"))
}

pub fn boolean(value: &Value, field: &str) -> bool {
    value[field].as_bool().unwrap_or_else(|| panic!("{field} is neither true nor false in {value}"))
}

/// In whatever case: the clients send what they were given, and the proxy's address in the vectors has no right checksum.
pub fn address(text: &str) -> EvmAddress {
    EvmAddress::parse(&text.to_lowercase()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The key that a file's vectors were signed with.
pub fn key(file: &Value) -> Arc<WalletKey> {
    let key = WalletKey::from_text(string(&file["meta"], "private_key")).expect("private key");
    assert_eq!(key.address(), address(string(&file["meta"], "eoa")));
    Arc::new(key)
}

/// The credentials of this API key; `l2_hmac.json` holds those of every vector.
pub fn credentials(api_key: &str) -> ApiCredentials {
    let file = json("l2_hmac.json");
    let sets = file.as_object().expect("object").iter().filter(|(name, _)| name.starts_with("creds"));
    let found = sets.map(|(_, set)| set).find(|set| set["api_key"] == api_key);
    read_credentials(found.unwrap_or_else(|| panic!("l2_hmac.json holds no credentials of {api_key}")))
}

pub fn read_credentials(set: &Value) -> ApiCredentials {
    ApiCredentials::new(string(set, "api_key"), string(set, "api_secret"), string(set, "api_passphrase")).expect("credentials")
}

/// Ours against theirs: the same names whatever their case, the same values; an address in any case.
pub fn same_headers(name: &str, ours: &[Header], theirs: &[(String, String)]) {
    let sorted = |headers: Vec<(String, String)>| {
        let mut headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .map(|(name, value)| if name == "poly_address" { (name, address(&value).checksum()) } else { (name, value) })
            .collect();
        headers.sort();
        headers
    };
    let ours = ours.iter().map(|(name, value)| ((*name).to_owned(), value.to_str().expect("text").to_owned())).collect();
    assert_eq!(sorted(ours), sorted(theirs.to_vec()), "{name}");
}

/// A JSON object of headers.
pub fn headers(value: &Value) -> Vec<(String, String)> {
    let headers = value.as_object().unwrap_or_else(|| panic!("no headers in {value}"));
    headers.iter().map(|(name, value)| (name.clone(), value.as_str().expect("header").to_owned())).collect()
}
