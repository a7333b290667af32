use std::collections::BTreeSet;

use super::super::order::tests::{order, signer};
use super::super::scripted::{Answer, CONDITION, NO, NOW_MS, Rig, YES, facts, market_state, order_row, page, trade_row, venue};
use super::*;
use crate::domain::market::{Settlement, Venue};
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::report::{FillSettlement, LookUp, VenueMode};
use crate::domain::time::Time;

fn approved() -> ApprovedOrder {
    ApprovedOrder::after_durable_approval(order())
}

fn signed() -> SignedOrder {
    signer("0").sign(&order(), Price::from_micros(10_000), false).expect("signed")
}

fn id() -> VenueOrderId {
    signed().venue_order_id
}

fn ok(status: &str, taking: &str) -> String {
    format!(
        r#"{{"success":true,"errorMsg":"","orderID":"{}","status":"{status}","makingAmount":"","takingAmount":"{taking}","tradeIDs":[]}}"#,
        id()
    )
}

fn token() -> TokenId {
    TokenId::new(YES).expect("token")
}

fn at(ms: i64) -> Time {
    Time::from_ms(ms)
}

#[tokio::test]
async fn an_order_is_prepared_with_its_markets_facts_and_sent_as_it_was_signed() {
    let mut script = facts();
    script.extend([
        ("POST", "/order", 200, ok("live", "")),
        ("POST", "/order", 400, r#"{"error":"order x is invalid. Duplicated."}"#.into()),
    ]);
    let mut rig = Rig::new(script).await;
    let prepared = rig.venue.prepare(&order()).await.expect("prepared");
    assert_eq!(prepared, signed());
    assert_eq!(rig.venue.prepare(&order()).await.expect("from memory"), prepared);
    let (outcome, row) = rig.venue.submit(&approved(), &prepared).await;
    assert!(matches!(outcome, SubmitOutcome::Acked { venue_order_id, .. } if venue_order_id == id()));
    assert_eq!(row.map(|row| (row.state, row.filled)), Some((VenueState::Resting, Quantity::ZERO)));
    let (again, _) = rig.venue.submit(&approved(), &prepared).await;
    assert!(matches!(again, SubmitOutcome::Seen { .. }), "{again:?}");
    let asked = rig.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[2].body, asked[3].body, "identical bytes");
    for name in ["poly_address", "poly_signature", "poly_timestamp", "poly_api_key", "poly_passphrase"] {
        assert!(asked[2].headers.contains_key(name), "{name}");
    }
    assert!(!asked[0].headers.contains_key("poly_api_key"), "public pages are asked by nobody");
}

#[tokio::test]
async fn an_order_for_the_other_outcome_than_its_token_is_not_signed() {
    let rig = Rig::new(facts()).await;
    let mut other = order();
    other.instrument.outcome = crate::domain::market::Outcome::No;
    assert!(matches!(rig.venue.prepare(&other).await, Err(CallError::Unbuildable(_))));
}

#[tokio::test]
async fn another_name_than_ours_halts_the_venue() {
    let rig = Rig::new(vec![("POST", "/order", 200, ok("live", "").replace(id().as_str(), "0xother"))]).await;
    let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(rig.mode(), VenueMode::Halted);
}

#[tokio::test]
async fn a_post_is_never_sent_twice_by_the_client() {
    for (status, body) in [(500, "{}"), (502, "<html>"), (301, ""), (200, "<html>"), (425, "")] {
        let mut rig = Rig::new(vec![("POST", "/order", status, body.to_owned())]).await;
        let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }) != (status == 425), "{status}: {outcome:?}");
        assert_eq!(rig.lines(), ["POST /order"]);
    }
}

#[tokio::test]
async fn s7_modes_end_by_themselves_and_ask_for_a_reading() {
    let body =
        r#"{"error":"post-only mode: only post-only orders and cancels are allowed","code":"post_only_mode","retry_after_seconds":79}"#;
    let status = || -> Vec<Answer> {
        vec![
            ("GET", "/version", 200, r#"{"version":2}"#.into()),
            ("GET", "/time", 200, "1780000000".into()),
            ("GET", "/auth/ban-status/closed-only", 200, r#"{"closed_only":false}"#.into()),
        ]
    };
    let mut script: Vec<Answer> = vec![("POST", "/order", 503, body.into())];
    script.extend(status());
    script.extend(status());
    let rig = Rig::new(script).await;
    rig.venue.client().standing().reconciled(0);
    let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::NotProcessed { retry_after_ms: 79_000, .. }), "{outcome:?}");
    assert_eq!(rig.mode(), VenueMode::PostOnly);
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::PostOnly, "its time isn't over");
    rig.venue.client().end_mode();
    rig.hand.advance_ms(79_000);
    rig.venue.client().end_mode();
    assert_eq!(rig.mode(), VenueMode::Reconciling);
}

#[tokio::test]
async fn what_only_a_person_can_mend_halts() {
    for (status, body, word) in [
        (401, r#"{"error":"Unauthorized/Invalid api key"}"#, "API key"),
        (400, r#"{"error":"'0xf3' address banned"}"#, "banned"),
        (400, r#"{"error":"order_version_mismatch"}"#, "version"),
        (403, r#"{"error":"Trading restricted in your region"}"#, "place"),
    ] {
        let rig = Rig::new(vec![("POST", "/order", status, body.to_owned())]).await;
        let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
        assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
        let standing = rig.venue.state().borrow().clone();
        assert!(standing.mode == VenueMode::Halted && standing.why.contains(word), "{standing:?}");
    }
}

#[tokio::test]
async fn s84_an_account_that_may_only_close_is_not_halted_and_opens_again_when_the_venue_says_so() {
    let status = |closed: bool| -> Vec<Answer> {
        vec![
            ("GET", "/version", 200, r#"{"version":2}"#.into()),
            ("GET", "/time", 200, "1780000000".into()),
            ("GET", "/auth/ban-status/closed-only", 200, format!(r#"{{"closed_only":{closed}}}"#)),
        ]
    };
    let mut script: Vec<Answer> = vec![("POST", "/order", 400, r#"{"error":"'0xf3' address in closed only mode"}"#.into())];
    script.extend(status(true));
    script.extend(status(false));
    let rig = Rig::new(script).await;
    rig.venue.client().standing().reconciled(0);
    let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
    assert!(rig.mode() == VenueMode::CloseOnly && rig.venue.state().borrow().why.contains("close positions"));
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::CloseOnly);
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::Open);
}

#[tokio::test]
async fn another_version_halts_before_anything_is_sent() {
    let rig = Rig::new(vec![
        ("GET", "/version", 200, r#"{"version":3}"#.into()),
        ("GET", "/time", 200, "1780000000".into()),
        ("GET", "/auth/ban-status/closed-only", 200, r#"{"closed_only":false}"#.into()),
    ])
    .await;
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::Halted);
}

#[tokio::test]
async fn a_limit_of_the_venue_is_kept_and_says_how_long() {
    let rig =
        Rig::with(vec![("POST", "/order", 429, "slow down".into())], &[("retry-after", "3"), ("poly-ratelimit-remaining", "0")]).await;
    let (outcome, _) = rig.venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::NotProcessed { retry_after_ms: 3_000, .. }), "{outcome:?}");
    let (held, _) = rig.venue.submit(&approved(), &signed()).await;
    assert!(matches!(held, SubmitOutcome::NotProcessed { retry_after_ms: 2_500..=3_001, .. }), "not sent: {held:?}");
}

#[tokio::test]
async fn a_cancel_counts_what_the_order_says_was_filled() {
    let canceled = format!(r#"{{"canceled":["{}"],"not_canceled":{{}}}}"#, id());
    let row = |status, matched| ("GET", "/data/order/0x", 200, order_row(id().as_str(), status, matched));
    let rig = Rig::new(vec![("DELETE", "/order", 200, canceled.clone()), row("LIVE", "0"), row("CANCELED", "3")]).await;
    assert_eq!(rig.venue.cancel(&order(), &id()).await, CancelOutcome::Canceled { filled: Quantity::whole(3) });
    let null = || ("GET", "/data/order/0x", 200, "null".to_owned());
    let rig = Rig::new(vec![("DELETE", "/order", 200, canceled), null(), null(), null(), null()]).await;
    assert_eq!(rig.venue.cancel(&order(), &id()).await, CancelOutcome::Over, "never shown: the look-up decides");
}

#[tokio::test]
async fn a_null_for_a_filled_order_is_not_absence() {
    let rig = Rig::new(vec![
        ("GET", "/data/order/0x", 200, "null".into()),
        page("/data/trades", &format!("{},{}", trade_row("t-1", id().as_str(), "4", "MATCHED"), trade_row("t-2", "0xelse", "9", "MINED"))),
        facts().remove(0),
        facts().remove(1),
        page("/data/orders", ""),
    ])
    .await;
    let (found, fills) = rig.venue.look_up(&order(), &id(), at(NOW_MS)).await;
    let expected = LookUp::Found { venue_order_id: id(), state: VenueState::Canceled, filled: Quantity::whole(4), matches: true };
    assert_eq!((found, fills.len()), (expected, 1));
    assert_eq!(fills[0].fee, Some(Usd::parse("0.05").expect("usd")), "4 x 0.05 x 0.25");
}

#[tokio::test]
async fn absence_needs_the_order_the_open_ones_and_the_trades() {
    let mut rig = Rig::new(vec![
        ("GET", "/data/order/0x", 404, r#"{"error":"not found"}"#.into()),
        page("/data/trades", ""),
        page("/data/orders", ""),
    ])
    .await;
    let (found, _) = rig.venue.look_up(&order(), &id(), at(NOW_MS)).await;
    assert_eq!(found, LookUp::Absent { read_through: at(NOW_MS), nothing_in_flight: false });
    let lines = rig.lines();
    assert_eq!(lines[1], format!("GET /data/trades?after={}&next_cursor=MA%3D%3D", NOW_MS / 1_000 - 600));
    assert_eq!(lines[2], format!("GET /data/orders?asset_id={YES}&next_cursor=MA%3D%3D"));
    let html = || "<html>".to_owned();
    let broken: Vec<Vec<Answer>> = vec![
        vec![("GET", "/data/order/0x", 404, html())],
        vec![("GET", "/data/order/0x", 200, "null".into()), ("GET", "/data/trades", 200, "{}".into())],
        vec![("GET", "/data/order/0x", 200, "".into()), page("/data/trades", ""), ("GET", "/data/orders", 503, html())],
        vec![
            ("GET", "/data/order/0x", 200, "".into()),
            ("GET", "/data/trades", 200, r#"{"data":[],"next_cursor":"MTAw"}"#.into()),
            ("GET", "/data/trades", 200, r#"{"data":[],"next_cursor":"MTAw"}"#.into()),
        ],
    ];
    for script in broken {
        let rig = Rig::new(script).await;
        let (found, _) = rig.venue.look_up(&order(), &id(), at(NOW_MS)).await;
        assert!(matches!(found, LookUp::Incomplete { .. }), "{found:?}");
    }
}

#[tokio::test]
async fn an_account_is_read_whole_with_every_token_its_trades_name() {
    let mut script = vec![
        page("/data/orders", &order_row(id().as_str(), "LIVE", "0")),
        page("/data/trades?next", &trade_row("t-1", id().as_str(), "4", "CONFIRMED")),
    ];
    script.extend(facts());
    let balance = |units: &str| format!(r#"{{"balance":"{units}","allowances":{{}}}}"#);
    script.extend([
        ("GET", "/balance-allowance?asset_type=CONDITIONAL&token_id=52114", 200, balance("0")),
        ("GET", "/balance-allowance?asset_type=CONDITIONAL&token_id=71321", 200, balance("4000000")),
        ("GET", "/markets/0xabab", 200, market_state(true, (true, "1"), (false, "0"))),
        facts().remove(1),
        ("GET", "/balance-allowance?asset_type=COLLATERAL&signature_type=0", 200, balance("98018600")),
    ]);
    let rig = Rig::new(script).await;
    let held = BTreeSet::from([TokenId::new(NO).expect("token")]);
    let reading = rig.venue.read_account(Time::default(), &held).await.expect("complete");
    assert_eq!((reading.venue, reading.cash), (Venue::Polymarket, Usd::parse("98.0186").expect("usd")));
    let positions: Vec<_> = reading.positions.iter().map(|p| (p.key.id.as_str(), p.signed, p.cost)).collect();
    assert_eq!(positions, [(YES, Quantity::whole(4), Usd::whole(2))], "four at 50 cents, as the trades tell");
    assert_eq!((reading.open_orders.len(), reading.fills[0].settlement), (1, FillSettlement::Settled));
    let ended: Vec<_> = reading.settlements.iter().map(|s| (s.key.id.as_str(), s.settlement, s.revenue)).collect();
    assert_eq!(ended, [(NO, Settlement::Yes, Usd::ZERO), (YES, Settlement::Yes, Usd::whole(4))]);
    assert_eq!(rig.mode(), VenueMode::Open);
}

#[tokio::test]
async fn half_an_account_is_none() {
    let row = order_row(id().as_str(), "LIVE", "0");
    for (whole, part) in [(r#""price":"0.52","#, ""), (r#""size_matched":"0""#, r#""size_matched":"""#), (r#""original_size":"10","#, "")] {
        let rig = Rig::new(vec![page("/data/orders", &row.replace(whole, part))]).await;
        assert!(rig.venue.read_account(at(NOW_MS), &BTreeSet::new()).await.is_err(), "{whole}");
        assert_eq!(rig.mode(), VenueMode::Reconciling);
    }
    let rig = Rig::new(vec![page("/data/orders", ""), page("/data/trades", ""), ("GET", "/balance-allowance", 200, "{}".into())]).await;
    assert!(rig.venue.read_account(at(NOW_MS), &BTreeSet::new()).await.is_err());
}

#[tokio::test]
async fn a_key_that_exists_is_derived() {
    let key = r#"{"apiKey":"9180014b-33c8-9240-a14b-bdca11c0a465","secret":"c2VjcmV0","passphrase":"p"}"#;
    let exists = ("POST", "/auth/api-key", 400, r#"{"error":"Could not create api key"}"#.to_owned());
    let mut rig = Rig::new(vec![exists, ("GET", "/auth/derive-api-key", 200, key.to_owned())]).await;
    let credentials = rig.venue.connect(None).await.expect("derived");
    assert_eq!(credentials.passphrase(), "p");
    let asked = rig.asked();
    assert!(asked.iter().all(|asked| asked.headers.contains_key("poly_nonce") && !asked.headers.contains_key("poly_api_key")));
    let rig =
        Rig::new(vec![("POST", "/auth/api-key", 401, "{}".into()), ("GET", "/auth/derive-api-key", 401, r#"{"error":"x"}"#.into())]).await;
    assert!(rig.venue.connect(None).await.is_err());
}

#[tokio::test]
async fn a_broken_connection_is_unknown_and_no_connection_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let (venue, _hand) = venue(&format!("http://{}", listener.local_addr().expect("address")));
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("connection");
        socket.readable().await.expect("request");
        drop((socket, listener));
    });
    let (outcome, _) = venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    server.await.expect("server");
    let (outcome, _) = venue.submit(&approved(), &signed()).await;
    assert!(matches!(outcome, SubmitOutcome::NotProcessed { .. }), "{outcome:?}");
}

#[tokio::test]
async fn several_cancels_go_in_calls_that_a_full_bucket_allows() {
    let empty = || r#"{"canceled":[],"not_canceled":null}"#.to_owned();
    let mut rig = Rig::new(vec![("DELETE", "/orders", 200, empty()), ("DELETE", "/cancel-market-orders", 200, empty())]).await;
    rig.venue.client().cancel_orders(&[id()]).await.expect("cancelled");
    rig.venue.cancel_market(&MarketId::new(CONDITION).expect("id")).await.expect("cancelled");
    let bodies: Vec<String> = rig.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [format!("[\"{}\"]", id()), format!("{{\"market\":\"{CONDITION}\"}}")]);
    assert!(token().as_str() == YES);
}
