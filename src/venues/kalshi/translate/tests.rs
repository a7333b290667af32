use super::*;
use crate::domain::fees::KALSHI;
use crate::domain::ids::{GameId, Instance, Mode, OrderId, SignalId};
use crate::domain::market::{Instrument, Outcome};
use crate::domain::order::{Groups, Stance};

pub const TICKER: &str = "KXHIGHNY-26NOV22-T60";

/// A venue order id as the venue writes it.
pub fn uuid() -> &'static str {
    "2597b999-f887-4195-8bac-c3f97a1f2021"
}

fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

pub fn order(action: Action, outcome: &str, limit: &str, count: &str, tif: TimeInForce) -> Order {
    let signal_id = SignalId::new("s-1").expect("id");
    let at = Time::from_ms(1_795_362_000_999);
    Order {
        order_id: OrderId::of(&Instance::new("main").expect("name"), Mode::Live, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: Instrument {
            venue: Venue::Kalshi,
            market: MarketId::new(TICKER).expect("ticker"),
            token: None,
            outcome: if outcome == "yes" { Outcome::Yes } else { Outcome::No },
        },
        action,
        quantity: quantity(count),
        limit: price(limit),
        tif,
        expires_at: at,
        venue_expires_at: at,
        created_at: None,
        fee: KALSHI,
        groups: Groups {
            game: GameId::new("g").expect("game"),
            sport: "weather".into(),
            stance: Stance { subject: "m".into(), wins: true, contest: false },
        },
    }
}

fn body(order: &Order, route: &Route) -> serde_json::Value {
    serde_json::to_value(create_request(order, route).expect("request")).expect("json")
}

fn check_side(action: Action, outcome: &str, limit: &str, side: &str, at: &str) {
    let body = body(&order(action, outcome, limit, "1", TimeInForce::Ioc), &Route::default());
    assert_eq!((body["side"].as_str(), body["price"].as_str()), (Some(side), Some(at)), "{action:?} {outcome} {limit}");
}

#[test]
fn the_four_ways_to_trade_map_onto_the_yes_book() {
    check_side(Action::Buy, "yes", "0.56", "bid", "0.5600");
    check_side(Action::Buy, "no", "0.44", "ask", "0.5600");
    check_side(Action::Sell, "yes", "0.56", "ask", "0.5600");
    check_side(Action::Sell, "no", "0.4450", "bid", "0.5550");
}

#[test]
fn a_resting_open_carries_its_expiry_and_its_fuse() {
    let route = Route { exchange_index: Some(3), order_group: Some("g-1".to_owned()), subaccount: None };
    let order = order(Action::Buy, "yes", "0.56", "10", TimeInForce::Gtd);
    let expected = serde_json::json!({
        "ticker": TICKER, "client_order_id": order.order_id.client_order_id().as_str(), "side": "bid", "count": "10.00",
        "price": "0.5600", "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        "expiration_time": 1_795_362_000, "order_group_id": "g-1", "exchange_index": 3
    });
    assert_eq!(body(&order, &route), expected);
    assert_eq!(body(&order, &route).to_string(), body(&order, &route).to_string());
}

#[test]
fn a_close_is_ioc_and_reduce_only_without_a_fuse_whatever_it_was_asked_to_be() {
    let route = Route { exchange_index: Some(0), order_group: Some("g-1".to_owned()), subaccount: None };
    for tif in [TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Gtc, TimeInForce::Gtd] {
        let body = body(&order(Action::Sell, "yes", "0.5", "1.5", tif), &route);
        assert_eq!(body["time_in_force"], "immediate_or_cancel");
        assert_eq!(body["reduce_only"], true);
        assert!(body.get("order_group_id").is_none() && body.get("expiration_time").is_none(), "{body}");
        assert_eq!(body["count"], "1.50");
    }
}

#[test]
fn immediate_orders_have_no_expiry() {
    for (tif, word) in [(TimeInForce::Ioc, "immediate_or_cancel"), (TimeInForce::Fok, "fill_or_kill")] {
        let body = body(&order(Action::Buy, "yes", "0.5", "1", tif), &Route::default());
        assert_eq!(body["time_in_force"], word);
        assert!(body.get("expiration_time").is_none() && body.get("exchange_index").is_none() && body.get("reduce_only").is_none());
    }
}

#[test]
fn what_the_venue_cannot_express_is_not_rounded() {
    let refuse = |order: Order| create_request(&order, &Route::default()).expect_err("untranslatable").what;
    assert_eq!(refuse(order(Action::Buy, "yes", "0.56005", "1", TimeInForce::Ioc)), "price");
    assert_eq!(refuse(order(Action::Buy, "yes", "1", "1", TimeInForce::Ioc)), "price");
    assert_eq!(refuse(order(Action::Buy, "yes", "0.5", "1.005", TimeInForce::Ioc)), "count");
    assert_eq!(refuse(order(Action::Buy, "yes", "0.5", "0", TimeInForce::Ioc)), "count");
    let mut paper = order(Action::Buy, "yes", "0.5", "1", TimeInForce::Ioc);
    paper.instrument.venue = Venue::Paper;
    assert_eq!(refuse(paper), "venue");
}

const ORDER: &str = r#"{"order_id":"2597b999-f887-4195-8bac-c3f97a1f2021","client_order_id":"c-1","ticker":"T-1","book_side":"ask",
    "outcome_side":"no","status":"resting","yes_price_dollars":"0.5600","initial_count_fp":"10.00","fill_count_fp":"4.00",
    "remaining_count_fp":"6.00","created_time":"2026-06-11T06:29:20.866753Z","expiration_time":"2026-06-11T07:00:00Z",
    "last_update_time":"2026-06-11T06:30:00Z","news":{"x":1}}"#;

fn row(text: &str) -> Result<VenueOrder, Untranslatable> {
    venue_order(&serde_json::from_str(text).expect(text))
}

#[test]
fn an_order_is_read_in_book_terms() {
    let read = row(ORDER).expect("order");
    assert_eq!((read.side, read.price, read.state), (Side::Ask, price("0.56"), VenueState::Resting));
    assert_eq!((read.quantity, read.filled, read.remaining), (quantity("10"), quantity("4"), quantity("6")));
    assert_eq!(read.created_at.map(|at| at.to_string()).as_deref(), Some("2026-06-11T06:29:20.866753Z"));
    assert!(row(&ORDER.replace("\"ask\"", "\"bid\"")).is_err(), "contradicting sides");
}

fn check_state(from: &str, to: &str, state: VenueState) {
    assert_eq!(row(&ORDER.replace(from, to)).expect("order").state, state, "{to}");
}

#[test]
fn states_are_read_also_when_their_word_is_new() {
    check_state("resting", "executed", VenueState::Executed);
    check_state("resting", "canceled", VenueState::Canceled);
    check_state("\"resting\"", "\"canceled\",\"last_update_reason\":\"ExpiryCancel\"", VenueState::Expired);
    check_state("\"resting\",", "\"canceled\",\"last_updated_ts_ms\":1781161200000,", VenueState::Expired);
    check_state("resting", "pending", VenueState::Resting);
    let done = ORDER.replace("\"6.00\"", "\"0.00\"").replace("resting", "novel");
    assert_eq!(row(&done).expect("order").state, VenueState::Canceled);
    assert_eq!(row(&done.replace("\"4.00\"", "\"10.00\"")).expect("order").state, VenueState::Executed);
}

#[test]
fn a_fill_needs_id_side_time_and_size() {
    let text = r#"{"fill_id":"f-1","order_id":"o-1","ticker":"T-1","outcome_side":"yes","yes_price_dollars":"0.5200","count_fp":"1.00",
        "is_taker":true,"fee_cost":"0.017500","created_time":"2026-06-11T06:29:30Z"}"#;
    let read = |text: &str| venue_fill(&serde_json::from_str(text).expect(text));
    let fill = read(text).expect("fill");
    assert_eq!((fill.side, fill.fee, fill.liquidity), (Side::Bid, Usd::parse("0.0175").ok(), Liquidity::Taker));
    assert_eq!(read(&text.replace("\"fee_cost\":\"0.017500\",", "")).expect("fill").fee, None, "no fee named is no fee of zero");
    for (from, to) in [("fill_id", "x"), ("outcome_side", "x"), ("created_time", "x"), ("\"1.00\"", "\"0.00\""), ("\"ticker\"", "\"x\"")] {
        assert!(read(&text.replace(from, to)).is_err(), "{from}");
    }
    assert_eq!(read(&text.replace("\"created_time\":\"2026-06-11T06:29:30Z\"", "\"ts\":1781159370")).expect("fill").at, fill.at);
}

#[test]
fn settlements_are_read_to_the_cent() {
    let text =
        r#"{"ticker":"T-1","market_result":"scalar","revenue":105,"value":35,"fee_cost":"0.0189","settled_time":"2026-06-12T00:00:00Z"}"#;
    let read = |text: &str| venue_settlement(&serde_json::from_str(text).expect(text)).map(|row| (row.settlement, row.revenue));
    let revenue = Usd::parse("1.05").expect("usd");
    assert_eq!(read(text), Ok((Settlement::Scalar(price("0.35")), revenue)));
    assert_eq!(read(&text.replace("scalar", "yes")), Ok((Settlement::Yes, revenue)));
    assert_eq!(read(&text.replace("scalar", "no")), Ok((Settlement::No, revenue)));
    assert_eq!(read(&text.replace("scalar", "void")), Ok((Settlement::Void, revenue)));
    assert!(read(&text.replace("\"value\":35,", "")).is_err());
    assert!(read(&text.replace("scalar", "maybe")).is_err());
    let costs = r#""value":null,"yes_total_cost_dollars":"1.0474","no_total_cost_dollars":"0.00""#;
    assert_eq!(read(&text.replace(r#""value":35"#, costs)), Ok((Settlement::Void, revenue)), "paid back");
    assert!(read(&text.replace(r#""value":35"#, &costs.replace("1.0474", "2.0474"))).is_err());
    assert!(read(&text.replace(r#""value":35"#, r#""value":null"#)).is_err());
}

#[test]
fn only_what_is_in_the_balance_moves_cash() {
    let text = r#"{"id":"d-1","status":"applied","type":"ach","amount_cents":10000,"fee_cents":25,"created_ts":1781159370,"finalized_ts":1781159400}"#;
    let row: Transfer = serde_json::from_str(text).expect("transfer");
    let came = movement(&row, true).expect("deposit");
    assert_eq!((came.amount, came.at.ms()), (Usd::parse("99.75").expect("usd"), 1_781_159_400_000));
    assert_eq!(movement(&row, false).expect("withdrawal").amount, Usd::parse("-100.25").expect("usd"));
    let pending: Transfer = serde_json::from_str(&text.replace("applied", "pending")).expect("transfer");
    assert_eq!(movement(&pending, true), None);
}

/// Every structure of `kalshi.md` §7 as bands.
#[test]
fn every_known_price_structure_makes_a_grid() {
    let bands: &[&[(&str, &str, &str)]] = &[
        &[("0", "1", ".01")],
        &[("0", "1", ".001")],
        &[("0", ".1", ".001"), (".1", ".9", ".01"), (".9", "1", ".001")],
        &[("0", ".1", ".01"), (".1", ".9", ".005"), (".9", "1", ".01")],
        &[("0", ".1", ".01"), (".1", ".9", ".002"), (".9", "1", ".01")],
        &[("0", "1", ".005")],
        &[("0", "1", ".002")],
        &[("0", "1", ".0001")],
        &[("0", ".01", ".0001"), (".01", ".99", ".001"), (".99", "1", ".0001")],
    ];
    for bands in bands {
        let made = grid(bands.iter().rev().map(|(start, end, step)| (price(start), price(end), price(step))));
        assert!(made.is_ok(), "{bands:?}");
    }
    assert!(grid(std::iter::empty()).is_err(), "no bands, no orders");
    assert!(grid([(price("0"), price("0.5"), price("0.01"))].into_iter()).is_err());
}

#[test]
fn only_an_active_market_takes_orders() {
    let words = ["initialized", "inactive", "closed", "determined", "disputed", "amended", "novel"];
    assert!(words.iter().all(|word| status(word) == MarketStatus::Closed));
    assert_eq!((status("active"), status("finalized")), (MarketStatus::Open, MarketStatus::Settled));
}

#[test]
fn the_ask_is_the_other_side_of_the_best_no_bid() {
    let book = |text: &str| top_of_book(&serde_json::from_str::<Book>(text).expect(text));
    let top = book(r#"{"yes_dollars":[["0.0800","300.00"],["0.2200","333.00"]],"no_dollars":[["0.5400","20.00"],["0.5600","146.00"]]}"#);
    assert_eq!(top.quote, Quote { bid: Some(price("0.22")), ask: Some(price("0.44")) });
    assert_eq!((top.bid_size, top.ask_size), (quantity("333"), quantity("146")));
    assert_eq!(book("{}"), TopOfBook::default());
    assert_eq!(book(r#"{"yes_dollars":null,"no_dollars":[["0.5","0.00"]]}"#), TopOfBook::default());
}
