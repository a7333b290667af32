//! `capture_*.jsonl`: requests as the official clients sent them. From what each was made of we make ours: the same
//! signature of the order, the same HMAC for the same second.

use std::sync::Arc;

use arbees::venues::polymarket::auth::{RequestSigner, wallet_headers};
use arbees::venues::polymarket::body::body_with;
use arbees::venues::polymarket::contracts::{Chain, VERSION_POSITIONS, VERSION_TOKENS};
use arbees::venues::polymarket::{OrderSigner, WalletKey};
use serde_json::Value;

use super::orders::{all_fields, meaning, read_body, wallet};
use super::vectors::{credentials, folder, json, key, same_headers, string, text};

const CHAINS: [Chain; 2] = [Chain::Polygon, Chain::Amoy];

struct Request {
    name: String,
    method: String,
    /// Without its query.
    path: String,
    /// Those of the venue's authentication, names in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(name: String, row: &Value) -> Self {
        let mut line = string(row, "request_line").split(' ');
        let (Some(method), Some(target)) = (line.next(), line.next()) else { panic!("{name}: no request line") };
        let headers = row["headers"].as_array().unwrap_or_else(|| panic!("{name}: no headers"));
        let headers =
            headers.iter().map(|pair| (pair[0].as_str().expect("name").to_lowercase(), pair[1].as_str().expect("value").to_owned()));
        Self {
            method: method.to_owned(),
            path: target.split('?').next().expect("path").to_owned(),
            headers: headers.filter(|(name, _)| name.starts_with("poly_")).collect(),
            body: string(row, "body").to_owned(),
            name,
        }
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("{}: no header {name}", self.name))
    }

    fn timestamp(&self) -> i64 {
        self.header("poly_timestamp").parse().expect("seconds")
    }
}

/// The chain isn't written in the request: exactly one gives their signature.
fn created_by_a_wallet(request: &Request, key: &WalletKey) {
    assert!(
        matches!((request.method.as_str(), request.path.as_str()), ("POST", "/auth/api-key") | ("GET", "/auth/derive-api-key")),
        "{}: {} {} with a wallet's signature is not known here",
        request.name,
        request.method,
        request.path
    );
    let nonce = request.header("poly_nonce").parse().expect("nonce");
    let ours = CHAINS.map(|chain| wallet_headers(key, chain, request.timestamp(), nonce));
    let signed = |headers: &&[_; 4]| {
        headers.iter().any(|(name, value): &(&str, _)| *name == "POLY_SIGNATURE" && *value == request.header("poly_signature"))
    };
    let found: Vec<_> = ours.iter().filter(signed).collect();
    assert_eq!(found.len(), 1, "{}: chains that give their signature", request.name);
    same_headers(&request.name, found[0], &request.headers);
}

/// Version, chain and kind of market aren't written in the order: exactly one exchange gives their signature.
fn same_order(name: &str, key: &Arc<WalletKey>, theirs: &Value) {
    let (signed, extras) = read_body(theirs);
    let signature = string(&theirs["order"], "signature");
    let wallet = wallet(key, &signed, signature);
    let fields = all_fields(&signed, extras);
    let mut exchanges = Vec::new();
    for chain in CHAINS {
        for version in [VERSION_TOKENS, VERSION_POSITIONS] {
            let signer = OrderSigner::new(wallet.clone(), chain, version).expect("signer");
            for neg_risk in [false, true] {
                let domain = signer.domain(neg_risk);
                let (_, ours) = signer.sign_fields(domain, &fields);
                if ours.text() == signature && !exchanges.contains(domain) {
                    exchanges.push(domain.clone());
                    let body = body_with(&signed, &ours.text(), string(theirs, "owner"), extras);
                    let mine: Value = serde_json::from_slice(&body).expect("our body");
                    assert_eq!(meaning(&mine), meaning(theirs), "{name}");
                }
            }
        }
    }
    assert_eq!(exchanges.len(), 1, "{name}: exchanges that give their signature");
}

fn private(request: &Request, key: &Arc<WalletKey>) -> usize {
    let signer = RequestSigner::new(key.address(), credentials(request.header("poly_api_key")));
    let ours = signer.headers(request.timestamp(), &request.method, &request.path, request.body.as_bytes());
    same_headers(&request.name, &ours, &request.headers);
    assert!(!request.body.contains('\''), "{}", request.name);
    let orders = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/order") => vec![serde_json::from_str(&request.body).expect("json")],
        ("POST", "/orders") => serde_json::from_str(&request.body).expect("json"),
        _ => vec![],
    };
    orders.iter().for_each(|order| same_order(&request.name, key, order));
    orders.len()
}

#[test]
fn requests_of_the_official_clients_are_rebuilt_from_what_they_were_made_of() {
    let key = key(&json("orders_v2.json"));
    let entries = std::fs::read_dir(folder()).expect("vectors").map(|entry| entry.expect("entry").file_name().into_string().expect("name"));
    let mut files: Vec<String> = entries.filter(|name| name.starts_with("capture_") && name.ends_with(".jsonl")).collect();
    files.sort();
    assert!(!files.is_empty(), "no capture_*.jsonl");
    for file in files {
        let (mut created, mut signed, mut orders, mut public) = (0, 0, 0, 0);
        for (at, line) in text(&file).lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let name = format!("{file}:{}", at + 1);
            let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            let request = Request::read(name, &row);
            let has = |name: &str| request.headers.iter().any(|(header, _)| header == name);
            if has("poly_nonce") {
                created_by_a_wallet(&request, &key);
                created += 1;
            } else if has("poly_api_key") {
                orders += private(&request, &key);
                signed += 1;
            } else {
                let plain = request.method == "GET" && request.headers.is_empty() && request.body.is_empty();
                assert!(plain, "{}: {} {} is of no known kind", request.name, request.method, request.path);
                public += 1;
            }
        }
        assert!(created + signed > 0, "{file}: nothing in it is signed");
        eprintln!("{file}: {created} by the wallet, {signed} by the API key with {orders} orders in them, {public} public");
    }
}
