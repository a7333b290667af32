use std::collections::VecDeque;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::sync::mpsc;

use super::super::address::ApiAddress;
use super::super::auth::KeyId;
use super::super::client::ClientSettings;
use super::super::key::SigningKey;
use super::super::key::tests::{ED25519, RSA_PKCS1};
use super::super::translate::tests::{TICKER, order, uuid};
use super::*;
use crate::clock::{Clock, ClockHand};
use crate::domain::money::Usd;
use crate::domain::order::{Action, TimeInForce};
use crate::domain::report::{LookUp, VenueMode};

/// Answers in the order given: method, path, status, body. Tells what it was asked.
type Script = Vec<(&'static str, &'static str, u16, String)>;

const NOW: &str = "2026-11-22T12:00:00Z";
const DATE: &str = "Sun, 22 Nov 2026 12:00:00 GMT";

struct Rig {
    venue: KalshiVenue,
    asked: mpsc::UnboundedReceiver<(String, String)>,
    hand: ClockHand,
}

impl Rig {
    async fn new(script: Script) -> Self {
        Self::with_key(script, ED25519).await
    }

    async fn with_key(script: Script, pem: &str) -> Self {
        let (tell, asked) = mpsc::unbounded_channel();
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let router = Router::new().fallback(move |request: Request| {
            let (script, tell) = (Arc::clone(&script), tell.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("body");
                let _ = tell.send((line.clone(), String::from_utf8_lossy(&body).into_owned()));
                let mut script = locked(&script);
                match script.front() {
                    Some((method, path, ..)) if line.starts_with(&format!("{method} /trade-api/v2{path}")) => {
                        let (_, _, status, body) = script.pop_front().expect("front");
                        (StatusCode::from_u16(status).expect("status"), [("date", DATE)], body).into_response()
                    }
                    _ => (StatusCode::IM_A_TEAPOT, format!("unexpected: {line}")).into_response(),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let api = ApiAddress::new(&format!("http://{}/trade-api/v2", listener.local_addr().expect("address"))).expect("address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (clock, hand) = Clock::manual(at(NOW));
        let key = SigningKey::from_pem(pem.as_bytes()).expect("key");
        let client = Client::new(ClientSettings::new(api), KeyId::new("k").expect("id"), key, clock).expect("client");
        Self { venue: KalshiVenue::new(Arc::new(client)), asked, hand }
    }

    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).map(|(line, _)| line.replace("/trade-api/v2", "")).collect()
    }

    fn mode(&self) -> VenueMode {
        self.venue.state().borrow().mode
    }
}

fn at(text: &str) -> Time {
    Time::parse(text).expect(text).0
}

fn approved() -> ApprovedOrder {
    ApprovedOrder::after_durable_approval(order(Action::Buy, "yes", "0.56", "10", TimeInForce::Gtd))
}

fn id() -> VenueOrderId {
    VenueOrderId::new(uuid()).expect("id")
}

fn row(status: &str, filled: &str, remaining: &str) -> String {
    format!(
        r#"{{"order_id":"{}","client_order_id":"{}","ticker":"{TICKER}","book_side":"bid","status":"{status}","yes_price_dollars":"0.5600",
        "initial_count_fp":"10.00","fill_count_fp":"{filled}","remaining_count_fp":"{remaining}","created_time":"{NOW}"}}"#,
        uuid(),
        approved().order().order_id.client_order_id()
    )
}

fn as_of(time: &str) -> (&'static str, &'static str, u16, String) {
    ("GET", "/exchange/user_data_timestamp", 200, format!(r#"{{"as_of_time":"{time}"}}"#))
}

fn listed(path: &'static str, field: &str, rows: &str) -> (&'static str, &'static str, u16, String) {
    ("GET", path, 200, format!(r#"{{"{field}":[{rows}],"cursor":""}}"#))
}

fn fill() -> String {
    format!(
        r#"{{"fill_id":"f-1","order_id":"{}","ticker":"{TICKER}","book_side":"bid","yes_price_dollars":"0.5600","count_fp":"4.00","is_taker":false,
        "fee_cost":"0.00","created_time":"{NOW}"}}"#,
        uuid()
    )
}

#[tokio::test]
async fn an_acknowledged_order_comes_back_with_its_row() {
    let body = format!(r#"{{"order_id":"{}","fill_count":"4.00","remaining_count":"6.00","ts_ms":1}}"#, uuid());
    let mut rig = Rig::new(vec![("POST", "/portfolio/events/orders", 201, body)]).await;
    let (outcome, row) = rig.venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::Acked { .. }), "{outcome:?}");
    assert_eq!(row.expect("row").filled, Quantity::whole(4));
    assert_eq!(rig.asked(), ["POST /portfolio/events/orders"]);
}

#[tokio::test]
async fn a_stale_timestamp_is_signed_anew_once_but_for_an_order_whose_attempts_are_on_record() {
    let stale = |method, path| (method, path, 401, r#"{"error":{"code":"header_timestamp_expired","message":"m"}}"#.to_owned());
    let balance = || stale("GET", "/portfolio/balance");
    let mut rig = Rig::new(vec![stale("POST", "/portfolio/events/orders"), balance(), balance()]).await;
    let (outcome, _) = rig.venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { ref code, .. } if code == "header_timestamp_expired"), "{outcome:?}");
    assert!(rig.venue.client().balance().await.is_err());
    assert_eq!(rig.asked(), ["POST /portfolio/events/orders", "GET /portfolio/balance", "GET /portfolio/balance"]);
    assert_eq!(rig.mode(), VenueMode::Reconciling, "a stale timestamp halts nothing");
}

#[tokio::test]
async fn a_refused_key_halts_the_venue() {
    let body = r#"{"error":{"code":"authentication_error","message":"authentication_error","details":"INCORRECT_API_KEY_SIGNATURE"}}"#;
    let rig = Rig::new(vec![("POST", "/portfolio/events/orders", 401, body.to_owned())]).await;
    let (outcome, _) = rig.venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
    let standing = rig.venue.state().borrow().clone();
    assert_eq!(standing.mode, VenueMode::Halted);
    assert!(standing.why.contains("the private key is not the one of this key id"), "{}", standing.why);
}

#[tokio::test]
async fn a_broken_connection_is_unknown_and_no_connection_is_not_sent() {
    let (clock, _hand) = Clock::manual(at(NOW));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let api = ApiAddress::new(&format!("http://{}/trade-api/v2", listener.local_addr().expect("address"))).expect("address");
    let key = SigningKey::from_pem(ED25519.as_bytes()).expect("key");
    let client = Client::new(ClientSettings::new(api), KeyId::new("k").expect("id"), key, clock).expect("client");
    let venue = KalshiVenue::new(Arc::new(client));
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("connection");
        socket.readable().await.expect("request");
        drop((socket, listener));
    });
    let (outcome, _) = venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    server.await.expect("server");
    let (outcome, _) = venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::NotProcessed { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_malformed_order_id_is_never_sent_to_be_cancelled() {
    let mut rig = Rig::new(Vec::new()).await;
    for bad in ["batched", ".", "..", "x", "%2e", "/"] {
        let bad = VenueOrderId::new(bad).expect("visible");
        let outcome = rig.venue.cancel(approved().order(), &bad).await;
        assert!(matches!(outcome, CancelOutcome::Unknown { .. }), "{outcome:?}");
    }
    assert_eq!(rig.asked(), [""; 0]);
}

#[tokio::test]
async fn a_cancel_of_part_asks_the_order_what_was_filled() {
    let cancelled = format!(r#"{{"order_id":"{}","reduced_by":"6.00","ts_ms":1}}"#, uuid());
    let order_is =
        |status, filled, remaining| ("GET", "/portfolio/orders/", 200, format!(r#"{{"order":{}}}"#, row(status, filled, remaining)));
    let mut rig = Rig::new(vec![
        ("DELETE", "/portfolio/events/orders/", 200, cancelled),
        order_is("resting", "0.00", "10.00"),
        order_is("canceled", "3.00", "0.00"),
    ])
    .await;
    assert_eq!(rig.venue.cancel(approved().order(), &id()).await, CancelOutcome::Canceled { filled: Quantity::whole(3) });
    assert_eq!(rig.asked()[0], format!("DELETE /portfolio/events/orders/{}?market_ticker={TICKER}", uuid()));
}

#[tokio::test]
async fn an_order_is_found_in_the_listing_by_our_id() {
    let mut rig = Rig::new(vec![
        as_of(NOW),
        listed("/portfolio/orders?", "orders", &row("resting", "4.00", "6.00")),
        listed("/portfolio/fills?", "fills", &fill()),
    ])
    .await;
    let (found, fills) = rig.venue.look_up(approved().order(), at(NOW), None).await;
    let expected = LookUp::Found { venue_order_id: id(), state: VenueState::Resting, filled: Quantity::whole(4), matches: true };
    assert_eq!((found, fills.len()), (expected, 1));
    let min_ts = at(NOW).ms() / 1_000 - 60;
    assert_eq!(rig.asked()[1], format!("GET /portfolio/orders?ticker={TICKER}&min_ts={min_ts}&limit=1000"));
}

#[tokio::test]
async fn an_order_of_ours_that_is_not_what_we_sent_does_not_match() {
    for (from, to) in [("0.5600", "0.5500"), ("\"bid\"", "\"ask\""), ("10.00", "11.00"), (TICKER, "OTHER"), (NOW, "2026-11-20T12:00:00Z")] {
        let other = row("resting", "4.00", "6.00").replace(from, to);
        let script = vec![as_of(NOW), listed("/portfolio/orders?", "orders", &other), listed("/portfolio/fills?", "fills", "")];
        let rig = Rig::new(script).await;
        let (found, _) = rig.venue.look_up(approved().order(), at(NOW), None).await;
        assert!(matches!(found, LookUp::Found { matches: false, .. }), "{from}: {found:?}");
    }
}

#[tokio::test]
async fn absence_is_proven_up_to_the_older_statement_and_never_past_the_start() {
    let empty = |before: &str, after: &str| {
        vec![as_of(before), listed("/portfolio/orders?", "orders", ""), listed("/portfolio/fills?", "fills", ""), as_of(after)]
    };
    for (before, after, through) in [
        ("2026-11-22T11:59:58Z", "2026-11-22T11:59:59Z", "2026-11-22T11:59:58Z"),
        ("2026-11-22T11:59:59Z", "2026-11-22T11:59:58Z", "2026-11-22T11:59:58Z"),
        ("2026-11-22T12:30:00Z", "2026-11-22T12:30:00Z", NOW),
    ] {
        let rig = Rig::new(empty(before, after)).await;
        let (found, _) = rig.venue.look_up(approved().order(), at(NOW), None).await;
        assert_eq!(found, LookUp::Absent { read_through: at(through), nothing_in_flight: false });
    }
}

#[tokio::test]
async fn a_fill_of_an_order_that_is_not_listed_is_followed_to_its_order() {
    let script = vec![
        as_of(NOW),
        listed("/portfolio/orders?", "orders", ""),
        listed("/portfolio/fills?", "fills", &fill()),
        ("GET", "/portfolio/orders/", 200, format!(r#"{{"order":{}}}"#, row("canceled", "4.00", "0.00"))),
        listed("/portfolio/fills?", "fills", &fill()),
    ];
    let rig = Rig::new(script).await;
    let (found, fills) = rig.venue.look_up(approved().order(), at(NOW), None).await;
    assert!(matches!(found, LookUp::Found { state: VenueState::Canceled, matches: true, .. }), "{found:?}");
    assert_eq!(fills.len(), 1);
}

#[tokio::test]
async fn half_a_reading_proves_nothing() {
    let html = || "<html>".to_owned();
    let broken: Vec<Script> = vec![
        vec![("GET", "/exchange", 503, html())],
        vec![as_of(NOW), ("GET", "/portfolio/orders", 200, html())],
        vec![as_of(NOW), ("GET", "/portfolio/orders", 200, "{}".to_owned())],
        vec![
            as_of(NOW),
            ("GET", "/portfolio/orders", 200, r#"{"orders":[],"cursor":"a"}"#.into()),
            ("GET", "/portfolio/orders", 502, html()),
        ],
        vec![
            as_of(NOW),
            ("GET", "/portfolio/orders", 200, r#"{"orders":[],"cursor":"a"}"#.into()),
            ("GET", "/portfolio/orders", 200, r#"{"orders":[],"cursor":"a"}"#.into()),
        ],
        vec![as_of(NOW), listed("/portfolio/orders?", "orders", ""), ("GET", "/portfolio/fills", 404, html())],
    ];
    for script in broken {
        let rig = Rig::new(script).await;
        let (found, _) = rig.venue.look_up(approved().order(), at(NOW), None).await;
        assert!(matches!(found, LookUp::Incomplete { .. }), "{found:?}");
    }
    let rig = Rig::new(vec![("GET", "/portfolio/orders/", 404, html())]).await;
    let (found, _) = rig.venue.look_up(approved().order(), at(NOW), Some(&id())).await;
    assert!(matches!(found, LookUp::Incomplete { .. }), "only the venue's own 404 counts: {found:?}");
    let rig = Rig::new(Vec::new()).await;
    let (found, _) = rig.venue.look_up(approved().order(), at("2026-11-01T00:00:00Z"), None).await;
    assert!(matches!(found, LookUp::Incomplete { .. }), "beyond the listings' reach: {found:?}");
}

#[tokio::test]
async fn an_account_is_read_whole_and_then_the_venue_is_open() {
    let position = format!(r#"{{"ticker":"{TICKER}","position_fp":"-3.00","market_exposure_dollars":"1.200000"}}"#);
    let rig = Rig::new(vec![
        as_of(NOW),
        listed("/portfolio/orders?status=resting", "orders", &row("resting", "4.00", "6.00")),
        listed("/portfolio/fills?", "fills", &fill()),
        listed("/portfolio/positions?count_filter=position", "market_positions", &position),
        listed("/portfolio/settlements?", "settlements", ""),
        ("GET", "/portfolio/deposits", 404, "not here".to_owned()),
        listed("/portfolio/withdrawals?", "withdrawals", ""),
        ("GET", "/portfolio/balance", 200, r#"{"balance":9801,"balance_dollars":"98.0186"}"#.to_owned()),
        as_of(NOW),
    ])
    .await;
    let reading = rig.venue.read_account(at("2026-11-22T00:00:00Z")).await.expect("complete");
    assert_eq!((reading.cash, reading.positions[0].signed), (Usd::parse("98.0186").expect("usd"), Quantity::from_micros(-3_000_000)));
    assert_eq!((reading.open_orders.len(), reading.fills.len(), rig.mode()), (1, 1, VenueMode::Open));
}

#[tokio::test]
async fn a_reading_that_reaches_far_back_asks_the_archive_too() {
    let old = fill().replace("f-1", "f-0").replace(NOW, "2026-10-02T00:00:00Z");
    let older = fill().replace("f-1", "f-x").replace(NOW, "2026-09-01T00:00:00Z");
    let cutoff = r#"{"market_settled_ts":"2026-11-01T00:00:00Z","trades_created_ts":"2026-11-01T00:00:00Z","orders_updated_ts":"2026-11-08T00:00:00Z"}"#;
    let rig = Rig::new(vec![
        as_of(NOW),
        listed("/portfolio/orders?", "orders", ""),
        listed("/portfolio/fills?", "fills", &fill()),
        ("GET", "/historical/cutoff", 200, cutoff.to_owned()),
        listed("/historical/fills?", "fills", &format!("{},{old},{older}", fill())),
        listed("/portfolio/positions?", "market_positions", ""),
        listed("/portfolio/settlements?", "settlements", ""),
        listed("/portfolio/deposits?", "deposits", ""),
        listed("/portfolio/withdrawals?", "withdrawals", ""),
        ("GET", "/portfolio/balance", 200, r#"{"balance_dollars":"1.00"}"#.to_owned()),
        as_of(NOW),
    ])
    .await;
    let reading = rig.venue.read_account(at("2026-10-01T00:00:00Z")).await.expect("complete");
    let ids: Vec<&str> = reading.fills.iter().map(|fill| fill.trade_id.as_str()).collect();
    assert_eq!(ids, ["f-0", "f-1"]);
}

#[tokio::test]
async fn without_tokens_an_order_goes_back_at_once() {
    let mut rig = Rig::new(Vec::new()).await;
    rig.venue.client.budget().refused(super::super::rate::Lane::Write(None), Some(20_000));
    let (outcome, _) = rig.venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::NotProcessed { retry_after_ms, .. } if retry_after_ms >= 20_000), "{outcome:?}");
    assert_eq!(rig.asked(), [""; 0]);
}

#[tokio::test]
async fn a_clock_that_is_off_halts_the_venue_until_it_is_right_again() {
    let status = || ("GET", "/exchange/status", 200, r#"{"exchange_active":true,"trading_active":true}"#.to_owned());
    let rig = Rig::new(vec![status(), status()]).await;
    rig.venue.client.standing().reconciled(0);
    rig.hand.set_wall(at("2026-11-22T12:00:10Z"));
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::Halted);
    assert!(rig.venue.state().borrow().why.contains("clock"), "{:?}", rig.venue.state().borrow());
    rig.hand.set_wall(at(NOW));
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::Open);
}

#[tokio::test]
async fn a_pause_leaves_cancels_only() {
    let status = |body: &str| ("GET", "/exchange/status", 200, body.to_owned());
    let rig = Rig::new(vec![
        status(r#"{"exchange_active":true,"trading_active":false}"#),
        status(r#"{"exchange_active":true,"trading_active":true}"#),
    ])
    .await;
    rig.venue.client.standing().reconciled(0);
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::CancelOnly);
    rig.venue.read_status().await.expect("status");
    assert_eq!(rig.mode(), VenueMode::Open);
}

fn groups(rows: &[(&str, u32, &str)]) -> String {
    let row = |(id, shard, limit): &(&str, u32, &str)| {
        format!(r#"{{"id":"{id}","exchange_index":{shard},"contracts_limit_fp":"{limit}","is_auto_cancel_enabled":true}}"#)
    };
    format!(r#"{{"order_groups":[{}]}}"#, rows.iter().map(row).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn orders_to_a_known_market_name_its_shard_and_its_fuse() {
    let market = format!(
        r#"{{"market":{{"ticker":"{TICKER}","event_ticker":"KXHIGHNY-26NOV22","status":"active","close_time":"2026-11-23T00:00:00Z",
        "price_ranges":[{{"start":"0.0000","end":"1.0000","step":"0.0100"}}],"exchange_index":2}}}}"#
    );
    let mut rig = Rig::new(vec![
        ("GET", "/markets/", 200, market),
        ("GET", "/events/KXHIGHNY-26NOV22", 200, r#"{"event":{"series_ticker":"KXHIGHNY"}}"#.to_owned()),
        ("GET", "/series/KXHIGHNY", 200, r#"{"series":{"fee_type":"quadratic","fee_multiplier":1}}"#.to_owned()),
        ("GET", "/portfolio/order_groups", 200, groups(&[("g-0", 1, "100.00"), ("g-9", 2, "50.00")])),
        ("POST", "/portfolio/order_groups/create", 201, r#"{"order_group_id":"g-1","subaccount":0}"#.to_owned()),
        ("GET", "/portfolio/order_groups", 200, groups(&[("g-1", 2, "100.00")])),
    ])
    .await;
    let order = approved();
    let facts = rig.venue.market(&order.order().instrument.market).await.expect("market");
    assert_eq!((facts.exchange_index, facts.fee_assumed, facts.market.fee.taker_micros), (Some(2), false, 70_000));
    rig.venue.arm_fuse(2, Quantity::whole(100)).await.expect("armed");
    let route = rig.venue.route(order.order());
    assert_eq!((route.exchange_index, route.order_group.as_deref()), (Some(2), Some("g-1")));
    rig.venue.disarm_fuse(2);
    assert_eq!(rig.venue.arm_fuse(2, Quantity::whole(100)).await.as_deref(), Ok("g-1"), "the one that is there");
    assert_eq!(rig.asked().len(), 6);
}

#[tokio::test]
async fn ready_headers_spare_the_order_its_rsa_operation() {
    let body = format!(r#"{{"order_id":"{}","fill_count":"10.00","remaining_count":"0.00","ts_ms":1}}"#, uuid());
    let rig = Rig::with_key(vec![("POST", "/portfolio/events/orders", 201, body)], RSA_PKCS1).await;
    while rig.venue.client.signer().ready() == 0 {
        tokio::task::yield_now().await;
    }
    let (outcome, _) = rig.venue.submit(&approved()).await;
    assert!(matches!(outcome, SubmitOutcome::Acked { .. }), "{outcome:?}");
    assert_eq!(rig.venue.client.signer().rsa_on_hot_path(), 0);
}
