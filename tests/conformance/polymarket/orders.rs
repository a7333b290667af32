//! `orders_v2.json`: the domain, the hash, the signature, the body and its headers.

use std::sync::Arc;

use alloy_primitives::{B256, U256, hex, keccak256};
use arbees::domain::ids::TokenId;
use arbees::domain::money::{Price, Quantity};
use arbees::domain::signed::{SignedOrder, VenueOrderType};
use arbees::venues::polymarket::amounts::{Amounts, limit_amounts, market_amounts};
use arbees::venues::polymarket::auth::RequestSigner;
use arbees::venues::polymarket::body::{Extras, body_with};
use arbees::venues::polymarket::contracts::Chain;
use arbees::venues::polymarket::eip712::{
    EXCHANGE_NAME, ExchangeDomain, ORDER_TYPE, ORDER_TYPE_HASH, OrderFields, TYPED_DATA_SIGN_TYPE_HASH,
};
use arbees::venues::polymarket::order::{fields, name};
use arbees::venues::polymarket::{OrderSigner, Poly1271Encoding, SignatureType, Wallet, WalletKey};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::amounts::{action, tick};
use super::vectors::{address, boolean, credentials, headers, integer, json, key, rows, same_headers, string};

pub fn order_type(text: &str) -> VenueOrderType {
    serde_json::from_value(json!(text)).unwrap_or_else(|_| panic!("order type {text} is not known here"))
}

fn word(value: &Value) -> B256 {
    match value {
        Value::Null => B256::ZERO,
        Value::String(text) => text.parse().unwrap_or_else(|error| panic!("{text}: {error}")),
        other => panic!("{other} is no bytes32"),
    }
}

/// The order of a body, and what is not in every body. No name and no signature yet.
pub fn read_body(body: &Value) -> (SignedOrder, Extras) {
    let order = &body["order"];
    let flag = |name: &str| !body[name].is_null() && boolean(body, name);
    let signed = SignedOrder {
        venue_order_id: name(B256::ZERO),
        exchange: "".into(),
        salt: order["salt"].as_u64().expect("salt"),
        maker: address(string(order, "maker")).checksum().into(),
        signer: address(string(order, "signer")).checksum().into(),
        token: TokenId::new(string(order, "tokenId")).expect("token"),
        maker_amount: integer(order, "makerAmount"),
        taker_amount: integer(order, "takerAmount"),
        action: action(string(order, "side")),
        signature_type: u8::try_from(order["signatureType"].as_u64().expect("signature type")).expect("small"),
        timestamp_ms: i64::try_from(integer(order, "timestamp")).expect("timestamp"),
        expiration: i64::try_from(integer(order, "expiration")).expect("expiration"),
        order_type: order_type(string(body, "orderType")),
        post_only: flag("postOnly"),
        sealed_signature: ByteBuf::new(),
    };
    let extras = Extras { metadata: word(&order["metadata"]), builder: word(&order["builder"]), defer_exec: flag("deferExec") };
    (signed, extras)
}

/// The wallet of a signed order; which encoding a deposit wallet was given shows in the signature's length.
pub fn wallet(key: &Arc<WalletKey>, signed: &SignedOrder, signature: &str) -> Wallet {
    let encoding = if signature.len() == 2 + 2 * 65 { Poly1271Encoding::Plain } else { Poly1271Encoding::Wrapped };
    let kind = match signed.signature_type {
        0 => SignatureType::Eoa,
        1 => SignatureType::Proxy,
        2 => SignatureType::Safe,
        3 => SignatureType::Deposit(encoding),
        other => panic!("signature type {other} is not known here"),
    };
    let wallet = Wallet::new(Arc::clone(key), kind, Some(address(&signed.maker))).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(wallet.signer(), address(&signed.signer));
    wallet
}

pub fn all_fields(signed: &SignedOrder, extras: Extras) -> OrderFields {
    OrderFields { metadata: extras.metadata, builder: extras.builder, ..fields(signed).unwrap_or_else(|error| panic!("{error}")) }
}

/// What a body means: addresses in one case, what is false as if it weren't there.
pub fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    for name in ["maker", "signer"] {
        body["order"][name] = json!(address(string(&body["order"], name)).checksum());
    }
    body.as_object_mut().expect("object").retain(|_, value| *value != json!(false));
    body
}

/// The inputs say the same as the body: the vectors are what they seem.
fn inputs_are_in_the_body(row: &Value, signed: &SignedOrder, extras: Extras) {
    let input = &row["input"];
    let name = string(row, "name");
    assert_eq!(signed.action, action(string(input, "side")), "{name}");
    assert_eq!(signed.token.as_str(), string(input, "tok"), "{name}");
    assert_eq!((signed.salt, signed.timestamp_ms), (integer(input, "salt"), input["ts"].as_i64().expect("ts")), "{name}");
    assert_eq!(signed.order_type, order_type(string(input, "otype")), "{name}");
    assert_eq!(u64::from(signed.signature_type), integer(input, "sig"), "{name}");
    assert_eq!((signed.post_only, signed.expiration), (boolean(input, "post"), input["exp"].as_i64().expect("exp")), "{name}");
    assert_eq!(extras, Extras { metadata: word(&input["meta"]), builder: word(&input["builder"]), defer_exec: boolean(input, "defer") });
    assert_eq!((signed.maker_amount, signed.taker_amount), (integer(row, "makerAmount"), integer(row, "takerAmount")), "{name}");
}

fn amounts_are_ours(row: &Value, signed: &SignedOrder) {
    let input = &row["input"];
    let (price, size) = (Price::parse(string(input, "price")).expect("price"), Quantity::parse(string(input, "size")).expect("size"));
    let tick = tick(string(input, "tick"));
    let theirs = Amounts { maker: signed.maker_amount, taker: signed.taker_amount };
    if boolean(input, "market") {
        // The clients leave it to the venue to refuse more than four decimals (`polymarket.md` §0 item 7).
        let ours = market_amounts(signed.action, price, size, tick).expect("amounts");
        assert_eq!(ours, Amounts { maker: theirs.maker, taker: theirs.taker - theirs.taker % 100 }, "{}", string(row, "name"));
    } else {
        assert_eq!(limit_amounts(signed.action, price, size, tick), Ok(theirs), "{}", string(row, "name"));
    }
}

fn domain_is_ours(row: &Value) -> ExchangeDomain {
    let (input, theirs, name) = (&row["input"], &row["domain"], string(row, "name"));
    let chain = Chain::from_id(integer(input, "chain")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let version = u8::try_from(integer(theirs, "version")).expect("version");
    assert_eq!((string(theirs, "name"), integer(theirs, "chainId")), (EXCHANGE_NAME, chain.id()), "{name}");
    assert_eq!(boolean(input, "pos"), version == 3, "{name}");
    let contract = chain.exchange(version, boolean(input, "neg")).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(contract, address(string(theirs, "verifyingContract")), "{name}");
    let domain = ExchangeDomain::new(version, chain.id(), contract);
    assert_eq!(hex::encode_prefixed(domain.separator), string(row, "domain_separator"), "{name}");
    domain
}

#[test]
fn the_type_s_texts_and_hashes_are_the_venue_s() {
    let file = json("orders_v2.json");
    assert_eq!(string(&file, "type_string"), ORDER_TYPE);
    assert_eq!(string(&file, "type_hash"), hex::encode_prefixed(ORDER_TYPE_HASH));
    assert_eq!(keccak256(string(&file, "solady_type_string")), TYPED_DATA_SIGN_TYPE_HASH);
}

#[test]
fn our_orders_are_those_of_the_official_clients() {
    let file = json("orders_v2.json");
    let key = key(&file);
    let rows = rows(&file, "vectors");
    for row in &rows {
        let name = string(row, "name");
        let theirs = string(row, "json_body");
        let parsed: Value = serde_json::from_str(theirs).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (signed, extras) = read_body(&parsed);
        inputs_are_in_the_body(row, &signed, extras);
        amounts_are_ours(row, &signed);
        let domain = domain_is_ours(row);

        let signature = string(row, "signature");
        let wallet = wallet(&key, &signed, signature);
        let chain = Chain::from_id(domain.chain_id).expect("chain");
        let version = u8::try_from(integer(&row["domain"], "version")).expect("version");
        let signer = OrderSigner::new(wallet, chain, version).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(signer.domain(boolean(&row["input"], "neg")), &domain, "{name}");
        let order = all_fields(&signed, extras);
        assert_eq!(order.token, U256::from_str_radix(string(&row["input"], "tok"), 10).expect("token"), "{name}");
        let (id, ours) = signer.sign_fields(&domain, &order);
        assert_eq!(hex::encode_prefixed(id), string(row, "order_hash"), "{name}");
        assert_eq!(ours.text(), signature, "{name}");
        if signed.signature_type == 3 {
            assert!(matches!(ours.bytes().len(), 65 | 317), "{name}: {} bytes", ours.bytes().len());
        }

        let owner = string(&parsed, "owner");
        let body = body_with(&signed, &ours.text(), owner, extras);
        let mine: Value = serde_json::from_slice(&body).expect("our body");
        assert_eq!(meaning(&mine), meaning(&parsed), "{name}");

        let requests = RequestSigner::new(key.address(), credentials(owner));
        let given: Vec<&String> = row.as_object().expect("row").keys().filter(|field| field.starts_with("l2_headers")).collect();
        assert!(!given.is_empty(), "{name}: no headers");
        for field in given {
            let timestamp = i64::try_from(integer(&row[field], "POLY_TIMESTAMP")).expect("seconds");
            let ours = requests.headers(timestamp, "POST", "/order", theirs.as_bytes());
            same_headers(name, &ours, &headers(&row[field]));
        }
    }
    eprintln!("{} orders", rows.len());
}
