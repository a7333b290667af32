//! Signatures, verified by `rsa` and `ed25519-dalek`; ours are made by `ring`.

use arbees::clock::Clock;
use arbees::domain::time::Time;
use arbees::venues::kalshi::KeyId;
use arbees::venues::kalshi::auth::{Haste, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use serde_json::Value;

use crate::vectors::{KEY_ID, key, rows, text};

fn verifies(key_pem: &str, signed: &str, signature_b64: &str) -> bool {
    let signature = STANDARD.decode(signature_b64).expect("base64");
    if key_pem.starts_with("ed25519") {
        let public = ed25519_public(&text("test_keys/ed25519_pub_spki.pem"));
        let Ok(signature) = ed25519_dalek::Signature::from_slice(&signature) else { return false };
        return public.verify_strict(signed.as_bytes(), &signature).is_ok();
    }
    let public = rsa::RsaPublicKey::from_public_key_pem(&text("test_keys/rsa2048_pub_spki.pem")).expect("public key");
    let Ok(signature) = rsa::pss::Signature::try_from(signature.as_slice()) else { return false };
    rsa::pss::VerifyingKey::<Sha256>::new(public).verify(signed.as_bytes(), &signature).is_ok()
}

/// The last 32 bytes of the SPKI are the key.
fn ed25519_public(pem: &str) -> ed25519_dalek::VerifyingKey {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(lines).expect("PEM");
    let bytes: [u8; 32] = der[der.len() - 32..].try_into().expect("32 bytes");
    ed25519_dalek::VerifyingKey::from_bytes(&bytes).expect("public key")
}

struct Row<'a> {
    key_pem: &'a str,
    method: &'a str,
    target: &'a str,
    timestamp_ms: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Row<'a> {
    /// `None`: the row tells that an SDK refused a key.
    fn read(row: &'a Value) -> Option<Self> {
        let word = |names: &[&str]| names.iter().find_map(|name| row[*name].as_str());
        let signature = word(&["signature_b64"])?;
        Some(Self {
            key_pem: word(&["key_pem"]).unwrap_or("rsa2048_pkcs8.pem"),
            method: word(&["method", "input_method"]).expect("method"),
            target: word(&["raw_target", "input_url"]).expect("target"),
            timestamp_ms: word(&["timestamp_ms"]).expect("time"),
            signed: word(&["string_to_sign"]).expect("text"),
            signature,
        })
    }

    fn path(&self) -> &str {
        let path = self.target.split_once("://").map_or(self.target, |(_, rest)| &rest[rest.find('/').expect("path")..]);
        path.split('?').next().expect("path")
    }
}

#[test]
fn every_signing_vector_verifies_as_it_says() {
    let mut refused = 0;
    for (line, row) in rows("signing_vectors.jsonl") {
        let Some(vector) = Row::read(&row) else {
            // kalshi_python_sync 3.2.0 knows no Ed25519.
            assert!(row["result"].as_str().is_some_and(|result| result.contains("must be an RSA key")), "line {line}: {row}");
            refused += 1;
            continue;
        };
        let said = row["verifies_pss_sha256_salt32"].as_bool().or(row["verifies"].as_bool()).unwrap_or(true);
        assert_eq!(verifies(vector.key_pem, vector.signed, vector.signature), said, "line {line}");
        if let Some(said) = row["verifies_if_query_included"].as_bool() {
            let with_query = format!("{}{}{}", vector.timestamp_ms, vector.method, vector.target);
            assert_eq!(verifies(vector.key_pem, &with_query, vector.signature), said, "line {line}: with its query");
        }
    }
    eprintln!("{refused} rows tell of keys that an SDK refused");
}

#[test]
fn our_signatures_of_the_same_requests_verify_over_the_same_text() {
    for (line, row) in rows("signing_vectors.jsonl") {
        let Some(vector) = Row::read(&row) else { continue };
        for key_pem in [vector.key_pem, "rsa2048_pkcs1.pem", "ed25519_pkcs8.pem"] {
            let (clock, _) = Clock::manual(Time::from_ms(vector.timestamp_ms.parse().expect("ms")));
            let signer = Signer::new(KeyId::new(KEY_ID).expect("id"), key(key_pem), clock, String::new());
            let headers = signer.sign(&vector.method.to_uppercase(), vector.path(), Haste::Cold).expect("signed");
            assert_eq!(headers.timestamp.to_str().expect("text"), vector.timestamp_ms, "line {line}");
            let signature = headers.signature.to_str().expect("text").to_owned();
            assert!(verifies(key_pem, vector.signed, &signature), "line {line}: {key_pem}");
        }
    }
}

#[test]
fn a_signature_over_anything_else_does_not_verify() {
    let (clock, _) = Clock::manual(Time::from_ms(1));
    let signer = Signer::new(KeyId::new(KEY_ID).expect("id"), key("rsa2048_pkcs8.pem"), clock, String::new());
    let signature = signer.sign("GET", "/a", Haste::Cold).expect("signed").signature.to_str().expect("text").to_owned();
    assert!(verifies("rsa", "1GET/a", &signature));
    for other in ["1GET/a?x=1", "1get/a", "2GET/a", "1POST/a", ""] {
        assert!(!verifies("rsa", other, &signature), "{other}");
    }
}
