//! Who may call, what an order must be, rates, and modes.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::eip712::{Domain, NEG_RISK_EXCHANGE, ORDER_TYPE, OrderFields, hex, keccak};
use super::super::{Budget, Limits, Options, Rules, WalletKind, WalletOptions};
use super::rig::{Ask, Rig, SLUG, address_of, answered, options, sign, signing_key};
use crate::clock::Clock;

async fn words(rig: &Rig, body: &Value) -> String {
    let (status, reply) = rig.call(Method::POST, "/order", Some(body)).await;
    assert_eq!(status, 400, "{reply}");
    reply["error"].as_str().expect("words").to_owned()
}

/// The L1 headers of this wallet.
fn wallet_headers(rig: &Rig, nonce: u64) -> [(&'static str, String); 4] {
    let seconds = (Clock::system().now().wall.ms() / 1_000).to_string();
    let digest = clob_auth_digest(&rig.owner.lower(), &seconds, nonce);
    let signature = hex(&sign(&signing_key(), &digest));
    [("POLY_ADDRESS", rig.owner.to_string()), ("POLY_SIGNATURE", signature), ("POLY_TIMESTAMP", seconds), ("POLY_NONCE", nonce.to_string())]
}

/// Written out once more, word by word.
fn clob_auth_digest(address: &str, timestamp: &str, nonce: u64) -> [u8; 32] {
    let number = |value: u64| [vec![0; 24], value.to_be_bytes().to_vec()].concat();
    let kind = keccak(b"ClobAuth(address address,string timestamp,uint256 nonce,string message)");
    let domain = keccak(b"EIP712Domain(string name,string version,uint256 chainId)");
    let separator = keccak(&[&domain[..], &keccak(b"ClobAuthDomain"), &keccak(b"1"), &number(137)].concat());
    let address = [vec![0; 12], super::super::eip712::bytes_of(address).expect("hex")].concat();
    let message = keccak(b"This message attests that I control the given wallet");
    let contents = keccak(&[&kind[..], &address, &keccak(timestamp.as_bytes()), &number(nonce), &message].concat());
    keccak(&[&[0x19, 0x01][..], &separator, &contents].concat())
}

#[tokio::test]
async fn a_wallet_creates_a_key_once_and_derives_it_ever_after() {
    let rig = Rig::start().await;
    let call = async |method: Method, path: &str, nonce: u64| {
        let mut request = rig.http.request(method, format!("{}{path}", rig.running.api_url()));
        for (name, value) in wallet_headers(&rig, nonce) {
            request = request.header(name, value);
        }
        answered(request).await
    };
    assert_eq!(call(Method::GET, "/auth/derive-api-key", 7).await.0, 400);
    let (status, made) = call(Method::POST, "/auth/api-key", 7).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(call(Method::POST, "/auth/api-key", 7).await.0, 400);
    assert_eq!(call(Method::GET, "/auth/derive-api-key", 7).await, (200, made.clone()));
    let listed = rig.get("/auth/api-keys").await.1;
    assert_eq!(listed["apiKeys"].as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(rig.call(Method::DELETE, "/auth/api-key", None).await.0, 200);
    assert_eq!(rig.get("/auth/api-keys").await.0, 401);
}

#[tokio::test]
async fn every_part_of_a_signed_request_counts() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/data/orders?asset_id=1").await.0, 200);
    for spoiled in 0..5 {
        let mut headers = rig.signed("GET", "/data/orders", "", 0);
        headers[spoiled].1 = "1".to_owned();
        let request = rig.http.get(format!("{}/data/orders", rig.running.api_url()));
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let (status, reply) = answered(request).await;
        assert_eq!((status, &reply["error"]), (401, &json!("Unauthorized/Invalid api key")));
    }
    for (skew_s, status) in [(-20, 200), (-40, 401), (40, 401)] {
        let request = rig.http.get(format!("{}/data/orders", rig.running.api_url()));
        let headers = rig.signed("GET", "/data/orders", "", skew_s);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(answered(request).await.0, status, "{skew_s}");
    }
}

#[tokio::test]
async fn orders_are_refused_in_the_venues_words() {
    let rig = Rig::start().await;
    let good = rig.order(&rig.buy(40, 5));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        body
    };
    assert_eq!(words(&rig, &json!({ "order": 1 })).await, "Invalid order payload");
    let other_owner = changed(&|body| body["owner"] = "somebody".into());
    assert_eq!(words(&rig, &other_owner).await, "the order owner has to be the owner of the API KEY");
    let other_signer = changed(&|body| body["order"]["signer"] = format!("0x{}", "11".repeat(20)).into());
    assert_eq!(words(&rig, &other_signer).await, "the order signer address has to be the address of the API KEY");
    let other_maker = changed(&|body| body["order"]["maker"] = format!("0x{}", "11".repeat(20)).into());
    assert_eq!(words(&rig, &other_maker).await, "maker address not allowed, please use the deposit wallet flow");
    assert_eq!(words(&rig, &changed(&|body| body["order"]["salt"] = 999_999.into())).await, "invalid signature");
    let id = rig.call(Method::POST, "/order", Some(&good)).await.1["orderID"].as_str().expect("id").to_owned();
    assert_eq!(words(&rig, &good).await, format!("order {id} is invalid. Duplicated."));
    let other_kind = changed(&|body| body["orderType"] = "FAK".into());
    assert_eq!(words(&rig, &other_kind).await, format!("order {id} is invalid. Duplicated."));
    // The owner is not signed: the first refused one was the same order.
    assert_eq!(rig.truth().await["creates"][&id], json!(4));
    assert!(rig.refused(rig.buy(40, 4)).await.ends_with("Size (4) lower than the minimum: 5"));
    assert_eq!(rig.refused(rig.buy(52, 5).post_only()).await, "invalid post-only order: order crosses book");
    assert!(rig.refused(rig.buy(60, 5_000)).await.starts_with("not enough balance / allowance"));
    assert_eq!(rig.refused(rig.buy(40, 5).kind("GTD")).await, "invalid expiration");
}

#[tokio::test]
async fn amounts_must_be_exact_and_prices_on_the_grid() {
    let rig = Rig::start().await;
    rig.give(rig.yes(), "100").await;
    let ask = |maker_amount, taker_amount, buys| Ask { maker_amount, taker_amount, buys, ..rig.buy(40, 5) };
    let off_grid = rig.refused(ask(5_250_000, 10_000_000, true)).await;
    assert!(off_grid.ends_with("Price (0.525) breaks minimum tick size rule: 0.01"), "{off_grid}");
    let inexact = rig.refused(ask(19_690_000, 4_330_000, false)).await;
    let wanted = "invalid amounts, the taker amount for a $0.22 order of size 19.69 should be '4.3318' but the value submited is '4.33'.";
    assert!(inexact.starts_with(wanted), "{inexact}");
    let fine = rig.refused(Ask { kind: "FOK", ..ask(7_330_000, 129_276_895, true) }).await;
    assert!(fine.starts_with("invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals"), "{fine}");
    let small = rig.refused(Ask { kind: "FAK", ..ask(990_000, 1_903_800, true) }).await;
    assert_eq!(small, "invalid amount for a marketable BUY order ($0.99), min size: $1");
    assert_eq!(rig.create(Ask { kind: "FOK", ..ask(10_000_000, 19_230_700, true) }).await.1["status"], json!("matched"));
    // Rounded up, its price lies below the ask.
    let up = rig.refused(Ask { kind: "FAK", ..ask(10_000_000, 19_230_800, true) }).await;
    assert!(up.starts_with("no orders found"), "{up}");
    let off = rig.refused(Ask { kind: "FOK", ..ask(10_000_000, 19_047_600, true) }).await;
    assert!(off.contains("breaks minimum tick size rule"), "{off}");
    rig.admin(&format!("markets/{SLUG}/tick"), json!({ "tick": "0.001" })).await;
    assert_eq!(rig.get(&format!("/tick-size?token_id={}", rig.no())).await.1["minimum_tick_size"].to_string(), "0.001");
    rig.created(ask(4_250_000, 10_000_000, true)).await;
}

#[tokio::test]
async fn a_wrong_contract_is_no_signature_and_a_wrong_version_says_so() {
    let rig = Rig::start().await;
    let ask = rig.buy(40, 5);
    let signed = |domain: Domain| {
        let fields = rig.fields(&ask);
        rig.body(&ask, &fields, &sign(&signing_key(), &fields.order_id(&domain)))
    };
    assert_eq!(words(&rig, &signed(Domain { exchange: NEG_RISK_EXCHANGE, ..rig.domain() })).await, "invalid signature");
    assert_eq!(words(&rig, &signed(Domain { version: 1, ..rig.domain() })).await, "order_version_mismatch");
    assert_eq!(words(&rig, &signed(Domain { chain_id: 80_002, ..rig.domain() })).await, "invalid signature");
    rig.admin("version", json!({ "version": 3 })).await;
    assert_eq!(rig.get("/version").await.1, json!({ "version": 3 }));
    assert_eq!(words(&rig, &signed(rig.domain())).await, "order_version_mismatch");
}

/// The deposit wallet's wrapping, written out once more.
fn wrapped(fields: &OrderFields, domain: &Domain) -> Vec<u8> {
    let order_id = fields.order_id(domain);
    let separator = domain.separator();
    let contents = fields.contents();
    assert_eq!(keccak(&[&[0x19, 0x01][..], &separator, &contents].concat()), order_id);
    let kind = format!(
        "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt){ORDER_TYPE}"
    );
    let chain = [vec![0; 24], 137_u64.to_be_bytes().to_vec()].concat();
    let wallet = [vec![0; 12], super::super::eip712::bytes_of(&fields.signer.lower()).expect("hex")].concat();
    let parts = [&keccak(kind.as_bytes())[..], &contents, &keccak(b"DepositWallet"), &keccak(b"1"), &chain, &wallet, &[0; 32]];
    let digest = keccak(&[&[0x19, 0x01][..], &separator, &keccak(&parts.concat())].concat());
    let inner = sign(&signing_key(), &digest);
    [&inner[..], &separator, &contents, ORDER_TYPE.as_bytes(), &(ORDER_TYPE.len() as u16).to_be_bytes()].concat()
}

#[tokio::test]
async fn each_kind_of_wallet_signs_in_its_own_way() {
    let owner = address_of(&signing_key()).to_string();
    let wallet = format!("0x{}", "11".repeat(20));
    let domain = |rig: &Rig| rig.domain();
    for (kind, number) in [(WalletKind::Proxy, 1), (WalletKind::Safe, 2)] {
        let rig = Rig::start_with(Options { wallets: vec![WalletOptions::owned(&owner, &wallet, kind)], ..options() }).await;
        let ask = rig.buy(40, 5);
        let mut fields = rig.fields(&ask);
        (fields.maker, fields.signature_type) = (super::super::eip712::Address::parse(&wallet).expect("address"), number);
        let signature = sign(&signing_key(), &fields.order_id(&domain(&rig)));
        assert_eq!(rig.call(Method::POST, "/order", Some(&rig.body(&ask, &fields, &signature))).await.0, 200, "{kind:?}");
    }
    let deposit = vec![WalletOptions::owned(&owner, &wallet, WalletKind::Deposit)];
    for (plain_1271, wrapped_1271) in [(false, true), (true, false)] {
        let rules = Rules { plain_1271, wrapped_1271, ..Rules::default() };
        let rig = Rig::start_with(Options { wallets: deposit.clone(), rules, ..options() }).await;
        let ask = rig.buy(40, 5);
        let body = |wraps: bool| {
            let mut fields = rig.fields(&ask);
            let address = super::super::eip712::Address::parse(&wallet).expect("address");
            (fields.maker, fields.signer, fields.signature_type) = (address, address, 3);
            let signature = if wraps { wrapped(&fields, &rig.domain()) } else { sign(&signing_key(), &fields.order_id(&rig.domain())) };
            rig.body(&ask, &fields, &signature)
        };
        assert_eq!(words(&rig, &body(plain_1271)).await, "invalid signature");
        let (status, reply) = rig.call(Method::POST, "/order", Some(&body(wrapped_1271))).await;
        assert_eq!(status, 200, "{reply}");
    }
}

#[tokio::test]
async fn accounts_may_be_banned_closing_only_or_without_allowance() {
    let rig = Rig::start().await;
    rig.give(rig.yes(), "10").await;
    rig.admin("closed_only", json!({ "closed_only": true })).await;
    assert!(rig.refused(rig.buy(40, 5)).await.ends_with("address in closed only mode"));
    assert_eq!(rig.get("/auth/ban-status/closed-only").await.1, json!({ "closed_only": true }));
    rig.created(rig.sell(60, 5)).await;
    rig.admin("standing", json!({ "banned": true })).await;
    assert!(rig.refused(rig.sell(60, 5)).await.ends_with("address banned"));
    rig.admin("standing", json!({ "banned": false, "closed_only": false })).await;
    rig.admin("allowance", json!({ "amount": "1" })).await;
    assert!(rig.refused(rig.buy(40, 5)).await.starts_with("not enough balance / allowance: the allowance is not enough"));
    let balance = rig.get("/balance-allowance?asset_type=COLLATERAL&signature_type=0").await.1;
    assert_eq!(balance["balance"], json!("1000000000"));
    assert_eq!(balance["allowances"]["0xE111180000d2663C0091e4f400237545B87B996B"], json!("1000000"));
    let tokens = format!("/balance-allowance?asset_type=CONDITIONAL&token_id={}&signature_type=0", rig.yes());
    assert_eq!(rig.get(&tokens).await.1["balance"], json!("10000000"));
}

#[tokio::test]
async fn modes_refuse_what_they_say() {
    let rig = Rig::start().await;
    let id = rig.created(rig.buy(40, 5)).await;
    rig.admin("exchange", json!({ "mode": "restart", "ms": 30_000 })).await;
    let body = rig.order(&rig.buy(40, 5));
    let response = rig.request(Method::POST, "/order", Some(&body)).send().await.expect("a reply");
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().expect("text")), (425, "30"));
    rig.admin("exchange", json!({ "mode": "post_only", "ms": 79_000 })).await;
    let (status, reply) = rig.create(rig.buy(40, 5)).await;
    assert_eq!((status, &reply["code"], &reply["retry_after_seconds"]), (503, &json!("post_only_mode"), &json!(79)));
    let batch = json!([rig.order(&rig.buy(40, 5)), rig.order(&rig.buy(41, 5).post_only())]);
    let rows = rig.call(Method::POST, "/orders", Some(&batch)).await.1;
    assert_eq!((&rows[0]["success"], &rows[0]["orderID"], &rows[1]["status"]), (&json!(true), &json!(""), &json!("live")), "{rows}");
    rig.admin("exchange", json!({ "mode": "disabled" })).await;
    assert_eq!(rig.create(rig.buy(40, 5)).await, (503, json!({ "error": "trading is disabled" })));
    assert_eq!(rig.call(Method::DELETE, "/order", Some(&json!({ "orderID": id }))).await.0, 503);
    rig.admin("exchange", json!({ "mode": "cancel_only" })).await;
    assert_eq!(rig.create(rig.buy(40, 5)).await.0, 503);
    assert_eq!(rig.cancel(&id).await["canceled"], json!([id]));
    rig.admin("exchange", json!({ "mode": "restart", "ms": 20, "post_only_ms": 40 })).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    rig.created(rig.buy(40, 5)).await;
}

#[tokio::test]
async fn rates_are_counted_by_signer_and_said_in_headers() {
    let small = |capacity| Budget { refill_rate: 1, bucket_capacity: capacity };
    let limits = Limits { orders: small(3), cancels: small(2) };
    let rig = Rig::start_with(Options { limits, ..options() }).await;
    let body = rig.order(&rig.buy(40, 5));
    let response = rig.request(Method::POST, "/order", Some(&body)).send().await.expect("a reply");
    assert_eq!(response.headers()["poly-ratelimit-remaining"].to_str().expect("text"), "2");
    let batch = json!([rig.order(&rig.buy(40, 5)), rig.order(&rig.buy(40, 5)), rig.order(&rig.buy(40, 5))]);
    let response = rig.request(Method::POST, "/orders", Some(&batch)).send().await.expect("a reply");
    assert_eq!(response.status().as_u16(), 429);
    assert!(response.headers().contains_key("retry-after"));
    rig.created(rig.buy(41, 5)).await;
    // It costs what it cancels, afterwards.
    assert_eq!(rig.call(Method::DELETE, "/cancel-all", None).await.1["canceled"].as_array().map(Vec::len), Some(2));
    assert_eq!(rig.call(Method::DELETE, "/cancel-all", None).await.0, 429);
}

#[tokio::test]
async fn everybody_may_ask_about_markets() {
    let rig = Rig::start().await;
    let token = rig.yes();
    let book = rig.get(&format!("/book?token_id={token}")).await.1;
    assert_eq!((&book["min_order_size"], &book["tick_size"], &book["neg_risk"]), (&json!("5"), &json!("0.01"), &json!(false)));
    rig.book(json!({ "bids": [["0.47", "1"], ["0.46", "2"]], "asks": [["0.52", "1"], ["0.55", "2"]] })).await;
    let book = rig.get(&format!("/book?token_id={}", rig.no())).await.1;
    assert_eq!(book["bids"], json!([{ "price": "0.45", "size": "2" }, { "price": "0.48", "size": "1" }]));
    for (target, wanted) in [
        (format!("/midpoint?token_id={token}"), json!({ "mid": "0.495" })),
        (format!("/price?token_id={token}&side=BUY"), json!({ "price": "0.47" })),
        (format!("/spread?token_id={token}"), json!({ "spread": "0.05" })),
        (format!("/neg-risk?token_id={token}"), json!({ "neg_risk": false })),
        (format!("/fee-rate?token_id={token}"), json!({ "base_fee": 0 })),
        ("/ok".to_owned(), json!("OK")),
        ("/notifications?signature_type=0".to_owned(), json!([])),
    ] {
        assert_eq!(rig.get(&target).await, (200, wanted), "{target}");
    }
    let found = rig.get(&format!("/markets-by-token/{token}")).await.1;
    assert_eq!(found["condition_id"], json!(rig.spec.condition));
    let short = rig.get(&format!("/clob-markets/{}", rig.spec.condition)).await.1;
    assert_eq!((&short["mts"].to_string(), &short["fd"]["r"].to_string()), (&"0.01".to_owned(), &"0.05".to_owned()), "{short}");
    let gamma = rig.get(&format!("/gamma/markets?clob_token_ids={}", rig.no())).await.1;
    assert_eq!(gamma[0]["clobTokenIds"], json!(json!(rig.spec.tokens).to_string()), "{gamma}");
    assert_eq!(gamma[0]["feeSchedule"]["takerOnly"], json!(true));
    assert_eq!(rig.get("/gamma/markets/keyset?limit=5").await.1["markets"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.get(&format!("/gamma/markets/slug/{SLUG}")).await.1["conditionId"], json!(rig.spec.condition));
    assert_eq!(rig.get("/book?token_id=1").await.0, 404);
    assert_eq!(rig.get("/nothing/here").await.0, 404);
    let both = json!([{ "token_id": token }, { "token_id": rig.no() }]);
    let books = rig.call(Method::POST, "/books", Some(&both)).await.1;
    assert_eq!((&books[0]["asset_id"], &books[1]["asset_id"]), (&json!(rig.no()), &json!(token)));
}
