//! The double's own checkers, which share no library with the client's, against vectors that the official SDK signed.

use std::path::PathBuf;

use arbees::exchange::polymarket::eip712::{Address, Domain, Word, bytes_of, clob_auth_signer, hex};
use arbees::exchange::polymarket::{Payload, signed};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let given = std::env::var_os("VECTORS_DIR").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vectors")));
    let path = folder.join("polymarket").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}"))
}

fn rows(file: &Value) -> &[Value] {
    let rows = file["vectors"].as_array().expect("vectors");
    assert!(!rows.is_empty());
    rows
}

fn owner(file: &Value) -> Address {
    Address::parse(text(&file["meta"], "eoa")).expect("the test key's address")
}

#[test]
fn every_signed_order_has_the_id_and_the_signer_that_it_says() {
    let file = vectors("orders_v2.json");
    let owner = owner(&file);
    for row in rows(&file) {
        let name = text(row, "name");
        let domain = Domain {
            version: text(&row["domain"], "version").parse().expect("a version"),
            chain_id: row["domain"]["chainId"].as_u64().expect("a chain"),
            exchange: Address::parse(text(&row["domain"], "verifyingContract")).expect("a contract"),
        };
        assert_eq!(hex(&domain.separator()), text(row, "domain_separator"), "{name}");
        let body: Value = serde_json::from_str(text(row, "json_body")).expect(name);
        let payload = Payload::read(&body).unwrap_or_else(|| panic!("{name}: a body that the double doesn't read"));
        let id: Word = payload.fields.order_id(&domain);
        assert_eq!(hex(&id), text(row, "order_hash"), "{name}");
        let signature = bytes_of(text(row, "signature")).expect(name);
        assert_eq!(payload.signature, signature, "{name}");
        let signer = match payload.fields.signature_type {
            3 => payload.fields.wrapped_signer(&domain, &signature),
            _ => payload.fields.plain_signer(&domain, &signature),
        };
        assert_eq!(signer, Some(owner), "{name}");
        let headers = &row["l2_headers_ts1780000000"];
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let tag = text(headers, "POLY_SIGNATURE");
        assert!(signed(secret, "1780000000", "POST", "/order", text(row, "json_body").as_bytes(), tag), "{name}");
    }
}

#[test]
fn a_changed_order_has_another_signer() {
    let file = vectors("orders_v2.json");
    let row = &rows(&file)[0];
    let body: Value = serde_json::from_str(text(row, "json_body")).expect("JSON");
    let mut payload = Payload::read(&body).expect("an order");
    let exchange = Address::parse(text(&row["domain"], "verifyingContract")).expect("a contract");
    let domain = Domain { version: 2, chain_id: 137, exchange };
    payload.fields.maker_amount += 1;
    assert_ne!(payload.fields.plain_signer(&domain, &payload.signature), Some(owner(&file)));
    payload.fields.maker_amount -= 1;
    assert_eq!(payload.fields.plain_signer(&domain, &payload.signature[..64]), None);
}

#[test]
fn every_wallet_signature_is_its_wallets() {
    let file = vectors("l1_clobauth.json");
    let owner = owner(&file);
    for row in rows(&file) {
        let headers = &row["headers"];
        let (chain, nonce) = (row["chain_id"].as_u64().expect("a chain"), text(headers, "POLY_NONCE").parse().expect("a nonce"));
        let signature = bytes_of(text(headers, "POLY_SIGNATURE")).expect("hex");
        let signer = clob_auth_signer(chain, owner, text(headers, "POLY_TIMESTAMP"), nonce, &signature);
        assert_eq!(signer, Some(owner), "{row}");
        assert_ne!(clob_auth_signer(chain, owner, text(headers, "POLY_TIMESTAMP"), nonce + 1, &signature), Some(owner), "{row}");
    }
}

#[test]
fn every_request_signature_is_its_secrets() {
    let file = vectors("l2_hmac.json");
    for row in rows(&file) {
        let secret = text(&file[text(row, "creds")], "api_secret");
        let timestamp = text(&row["headers"], "POLY_TIMESTAMP");
        let (method, path, tag) = (text(row, "method"), text(row, "path"), text(&row["headers"], "POLY_SIGNATURE"));
        let body = row["body"].as_str().unwrap_or_default();
        assert!(signed(secret, timestamp, method, path, body.as_bytes(), tag), "{row}");
        assert!(!signed(secret, timestamp, method, "/elsewhere", body.as_bytes(), tag), "{row}");
    }
}
