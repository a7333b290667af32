//! Answers of the demo host, recorded by others (`PROVENANCE.txt` beside them): each decodes to the value, or the class of
//! refusal, that its own text and its recorder's note tell of.

use std::path::Path;

use arbees::domain::ids::VenueOrderId;
use arbees::domain::market::{MarketStatus, Quote};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::{Action, Order, TimeInForce};
use arbees::domain::report::{CancelOutcome, SubmitOutcome, VenueOrder, VenueState};
use arbees::venues::kalshi::client::CallError;
use arbees::venues::kalshi::outcome;
use arbees::venues::kalshi::translate::{fee_rate, market, top_of_book, venue_fill, venue_order, venue_position, venue_settlement};
use arbees::venues::kalshi::wire::Page;
use arbees::venues::kalshi::wire::account::{Balance, Costs, Limits, Positions, Settlements};
use arbees::venues::kalshi::wire::error::Refusal;
use arbees::venues::kalshi::wire::market::{ExchangeStatus, Markets, OneBook, OneMarket};
use arbees::venues::kalshi::wire::orders::{CancelReply, CreateReply, OneOrder, Orders};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::vectors::recorded;

struct Recording {
    name: String,
    method: String,
    /// After the base, without query.
    path: String,
    status: u16,
    request: Value,
    body: Vec<u8>,
}

fn recordings(folder: &Path) -> Vec<Recording> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("folder")
        .filter_map(|entry| entry.expect("entry").file_name().to_string_lossy().strip_suffix(".meta.json").map(str::to_owned))
        .collect();
    names.sort();
    names.into_iter().filter_map(|name| recording(folder, name)).collect()
}

/// `None`: not of one REST call.
fn recording(folder: &Path, name: String) -> Option<Recording> {
    let meta: Value = serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.meta.json"))).expect("meta")).expect("meta");
    let target = meta["path"].as_str()?.strip_prefix("/trade-api/v2")?;
    Some(Recording {
        method: meta["method"].as_str()?.to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
        status: u16::try_from(meta["status"].as_u64()?).expect("status"),
        request: meta["request_body"].clone(),
        body: std::fs::read(folder.join(format!("{name}.json"))).expect("body"),
        name,
    })
}

impl Recording {
    fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn json(&self) -> Value {
        self.read()
    }

    fn refusal(&self) -> Refusal {
        Refusal::read(self.status, &self.body)
    }

    fn refused<T>(&self) -> Result<T, CallError> {
        Err(CallError::Refused { refusal: self.refusal(), retry_after_ms: None })
    }
}

fn check(recording: &Recording) {
    let parts: Vec<&str> = recording.path.split('/').skip(1).collect();
    let ok = recording.status < 300;
    match (recording.method.as_str(), parts.as_slice()) {
        ("POST", ["portfolio", "events", "orders"]) => create(recording, ok),
        ("DELETE", ["portfolio", "events", "orders", id]) => cancel(recording, id, ok),
        (_, ["portfolio", "orders", ..]) if recording.method != "GET" => eprintln!("not sent: {} (the V1 way)", recording.name),
        ("GET", _) if !ok => read_refusal(recording),
        ("GET", ["portfolio", "balance"]) => balance(recording),
        ("GET", ["portfolio", "orders"]) => {
            for row in rows::<Orders>(recording) {
                let read = venue_order(&row).unwrap_or_else(|error| panic!("{}: {error}", recording.name));
                counted(&recording.name, &read);
            }
        }
        ("GET", ["portfolio", "orders", id]) => {
            let read = venue_order(&recording.read::<OneOrder>().order).unwrap_or_else(|error| panic!("{}: {error}", recording.name));
            assert_eq!(read.venue_order_id.as_str(), *id, "{}", recording.name);
            counted(&recording.name, &read);
        }
        ("GET", ["portfolio", "positions"]) => positions(recording),
        ("GET", ["portfolio", "settlements"]) => {
            for row in rows::<Settlements>(recording) {
                venue_settlement(&row).unwrap_or_else(|error| panic!("{}: {error}", recording.name));
            }
        }
        ("GET", ["portfolio", "fills"]) => {
            for row in rows::<arbees::venues::kalshi::wire::orders::Fills>(recording) {
                venue_fill(&row).unwrap_or_else(|error| panic!("{}: {error}", recording.name));
            }
        }
        ("GET", ["markets"]) => {
            for row in rows::<Markets>(recording) {
                one_market(recording, &row);
            }
        }
        ("GET", ["markets", "trades"]) | ("GET", ["series", "fee_changes"]) => eprintln!("not read: {}", recording.name),
        ("GET", ["markets", _]) => one_market(recording, &recording.read::<OneMarket>().market),
        ("GET", ["markets", _, "orderbook"]) => book(recording),
        ("GET", ["exchange", "status"]) => {
            let (status, json) = (recording.read::<ExchangeStatus>(), recording.json());
            assert_eq!(Some(status.trading_active), json["trading_active"].as_bool(), "{}", recording.name);
        }
        ("GET", ["account", "limits"]) => {
            let (limits, json) = (recording.read::<Limits>(), recording.json());
            assert_eq!(Some(u64::from(limits.write.refill_rate.0)), json["write"]["refill_rate"].as_u64(), "{}", recording.name);
        }
        ("GET", ["account", "endpoint_costs"]) => {
            let (costs, json) = (recording.read::<Costs>(), recording.json());
            assert_eq!(costs.endpoint_costs.map(|rows| rows.len()), json["endpoint_costs"].as_array().map(Vec::len), "{}", recording.name);
        }
        _ => panic!("{}: {} {} is read by nothing here", recording.name, recording.method, recording.path),
    }
}

fn rows<P: Page>(recording: &Recording) -> Vec<P::Row> {
    recording.read::<P>().split().0
}

fn counted(name: &str, row: &VenueOrder) {
    assert!(row.filled + row.remaining <= row.quantity, "{name}: {row:?}");
    assert!(row.created_at.is_some() && row.client_order_id.is_some(), "{name}: {row:?}");
}

/// The order of the recorded request, as ours would be, but for its id.
fn asked(recording: &Recording) -> Order {
    let text = |name: &str| recording.request[name].as_str().unwrap_or_default().to_owned();
    let quantity = Quantity::parse(&text("count")).unwrap_or(Quantity::whole(1));
    let limit = Price::parse(&text("price")).unwrap_or(Price::from_micros(10_000));
    let tif = TimeInForce::parse(&text("time_in_force")).expect("tif");
    crate::recorded::order(quantity, limit, tif)
}

fn order(quantity: Quantity, limit: Price, tif: TimeInForce) -> Order {
    use arbees::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId};
    use arbees::domain::market::{Instrument, Outcome, Venue};
    use arbees::domain::order::{Groups, Stance};
    use arbees::domain::time::Time;
    let signal_id = SignalId::new("s").expect("id");
    Order {
        order_id: OrderId::of(&Instance::new("main").expect("name"), Mode::Demo, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: Instrument { venue: Venue::Kalshi, market: MarketId::new("T").expect("id"), token: None, outcome: Outcome::Yes },
        action: Action::Buy,
        quantity,
        limit,
        tif,
        expires_at: Time::from_ms(0),
        venue_expires_at: Time::from_ms(0),
        created_at: None,
        fee: arbees::domain::fees::KALSHI,
        groups: Groups {
            game: GameId::new("g").expect("id"),
            sport: "s".into(),
            stance: Stance { subject: "m".into(), wins: true, contest: false },
        },
    }
}

fn create(recording: &Recording, ok: bool) {
    let order = asked(recording);
    if !ok {
        let (heard, row) = outcome::create(&order, recording.refused());
        let code = recording.refusal().code.unwrap_or_else(|| panic!("{}: no code", recording.name));
        match recording.status {
            409 if code == "order_already_exists" => assert!(matches!(heard, SubmitOutcome::Seen { .. }), "{}: {heard:?}", recording.name),
            429 => assert!(matches!(heard, SubmitOutcome::NotProcessed { .. }), "{}: {heard:?}", recording.name),
            500.. => assert!(matches!(heard, SubmitOutcome::Unknown { .. }), "{}: {heard:?}", recording.name),
            _ => assert!(matches!(&heard, SubmitOutcome::Rejected { code: named, .. } if *named == code), "{}: {heard:?}", recording.name),
        }
        assert_eq!(row, None, "{}", recording.name);
        return;
    }
    let json = recording.json();
    let mut reply: CreateReply = recording.read();
    assert_eq!(reply.client_order_id.as_deref(), recording.request["client_order_id"].as_str(), "{}", recording.name);
    reply.client_order_id = Some(order.order_id.client_order_id().as_str().to_owned());
    let (heard, row) = outcome::create(&order, Ok(reply));
    let row = row.unwrap_or_else(|| panic!("{}: {heard:?}", recording.name));
    let count = |name: &str| json[name].as_str().and_then(|text| Quantity::parse(text).ok()).expect(name);
    assert_eq!((row.filled, row.remaining), (count("fill_count"), count("remaining_count")), "{}", recording.name);
    assert_eq!(Some(row.venue_order_id.as_str()), json["order_id"].as_str(), "{}", recording.name);
    assert_eq!(row.created_at.map(|at| at.ms()), json["ts_ms"].as_i64(), "{}", recording.name);
    let state = match (row.remaining.is_zero(), row.filled == order.quantity) {
        (false, _) => VenueState::Resting,
        (true, true) => VenueState::Executed,
        (true, false) => VenueState::Canceled,
    };
    assert_eq!(row.state, state, "{}", recording.name);
}

fn cancel(recording: &Recording, id: &str, ok: bool) {
    let id = VenueOrderId::new(id).expect("id");
    let answer = if ok { Ok(recording.read::<CancelReply>()) } else { recording.refused() };
    let heard = outcome::cancel(Quantity::whole(1), &id, answer);
    let expected = match recording.status {
        200 => CancelOutcome::Canceled { filled: Quantity::ZERO },
        404 => CancelOutcome::NotWorking,
        other => panic!("{}: status {other}", recording.name),
    };
    assert_eq!(heard, expected, "{}", recording.name);
}

fn read_refusal(recording: &Recording) {
    let refusal = recording.refusal();
    assert!(refusal.code.is_some(), "{}: {refusal}", recording.name);
    assert_eq!(refusal.is_of_the_key(), recording.status == 401, "{}", recording.name);
    assert_eq!(refusal.is_stale_signature(), recording.name.contains("skew"), "{}: {refusal}", recording.name);
}

fn balance(recording: &Recording) {
    let (balance, json) = (recording.read::<Balance>(), recording.json());
    let expected = json["balance_dollars"].as_str().and_then(|text| Usd::parse(text).ok());
    assert_eq!(Some(balance.balance_dollars.0), expected, "{}", recording.name);
    let shards: Usd = balance.balance_breakdown.iter().flatten().map(|shard| shard.balance.0).sum();
    assert_eq!(shards, balance.balance_dollars.0, "{}: the shards are the whole", recording.name);
}

fn positions(recording: &Recording) {
    let json = recording.json();
    for (row, raw) in rows::<Positions>(recording).iter().zip(json["market_positions"].as_array().expect("rows")) {
        let read = venue_position(row).unwrap_or_else(|error| panic!("{}: {error}", recording.name));
        assert_eq!(Some(read.key.id.as_str()), raw["ticker"].as_str(), "{}", recording.name);
        let expected = raw["position_fp"].as_str().and_then(|text| Usd::parse(text).ok()).map(Usd::micros);
        assert_eq!(Some(read.signed.micros()), expected, "{}", recording.name);
    }
}

fn one_market(recording: &Recording, row: &arbees::venues::kalshi::wire::market::Market) {
    let fee = fee_rate("quadratic", None).expect("fee");
    let read = market(row, fee).unwrap_or_else(|error| panic!("{}: {}: {error}", recording.name, row.ticker));
    let expected = match row.status.as_str() {
        "active" => MarketStatus::Open,
        "finalized" => MarketStatus::Settled,
        _ => MarketStatus::Closed,
    };
    assert_eq!((read.status, read.close_time.is_some()), (expected, true), "{}: {}", recording.name, row.ticker);
}

fn book(recording: &Recording) {
    let top = top_of_book(&recording.read::<OneBook>().orderbook_fp);
    let json = recording.json();
    let best = |side: &str| {
        let last = json["orderbook_fp"][side].as_array().and_then(|levels| levels.last());
        last.and_then(|level| level[0].as_str()).and_then(|text| Price::parse(text).ok())
    };
    let expected = Quote { bid: best("yes_dollars"), ask: best("no_dollars").map(Price::complement) };
    assert_eq!(top.quote, expected, "{}: bids only, ascending, best last", recording.name);
}

#[test]
fn every_recorded_answer_is_read_for_what_it_says() {
    let Some(folder) = recorded() else { return };
    let recordings = recordings(&folder);
    assert!(!recordings.is_empty(), "{} holds no recordings", folder.display());
    for recording in &recordings {
        check(recording);
    }
    eprintln!("{} recorded answers", recordings.len());
}

#[test]
fn the_recorded_taker_paid_what_the_fee_says() {
    let Some(folder) = recorded() else { return };
    let Some(recording) = recording(&folder, "orders__create_v2_taker_ioc".to_owned()) else { return };
    let reply: CreateReply = recording.read();
    assert_eq!(reply.average_fill_price.map(|price| price.0), Price::parse("0.52").ok());
    assert_eq!(reply.average_fee_paid.map(|fee| fee.0), Usd::parse("0.0175").ok());
}
