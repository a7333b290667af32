//! `l1_clobauth.json` and `l2_hmac.json`.

use arbees::venues::polymarket::auth::{RequestSigner, wallet_headers};
use arbees::venues::polymarket::contracts::Chain;

use super::vectors::{headers, integer, json, key, read_credentials, rows, same_headers, string};

#[test]
fn the_wallet_s_headers_are_those_of_the_official_clients() {
    let file = json("l1_clobauth.json");
    let key = key(&file);
    for row in rows(&file, "vectors") {
        let chain = Chain::from_id(integer(&row, "chain_id")).unwrap_or_else(|error| panic!("{row}: {error}"));
        let timestamp = i64::try_from(integer(&row, "timestamp")).expect("seconds");
        let ours = wallet_headers(&key, chain, timestamp, integer(&row, "nonce"));
        same_headers(&row.to_string(), &ours, &headers(&row["headers"]));
    }
}

#[test]
fn a_request_s_headers_are_those_of_the_official_clients() {
    let file = json("l2_hmac.json");
    let address = key(&file).address();
    let mut quirks = 0;
    let rows = rows(&file, "vectors");
    for row in &rows {
        let signer = RequestSigner::new(address, read_credentials(&file[string(row, "creds")]));
        let timestamp = i64::try_from(integer(row, "timestamp")).expect("seconds");
        let (method, path, body) = (string(row, "method"), string(row, "path"), row["body"].as_str().unwrap_or_default());
        assert!(row["body"].is_null() || row["body"].is_string(), "{row}: a body that is no text is not known here");
        // Two clients sign every apostrophe as if it were a quote (`polymarket.md` §1); no body of ours has one.
        let signed = body.replace('\'', "\"");
        quirks += usize::from(signed != body);
        assert_eq!(string(row, "signed_message"), format!("{timestamp}{method}{path}{signed}"), "{row}");
        same_headers(&row.to_string(), &signer.headers(timestamp, method, path, signed.as_bytes()), &headers(&row["headers"]));
    }
    eprintln!("{} requests, {quirks} of them with the apostrophe that we never send", rows.len());
}
