use serde_json::{Value, json};

use super::*;
use crate::audit::fixture::{LOG_ID, Reply, World, account};
use crate::domain::ids::{MarketId, Mode};
use crate::domain::market::{Settlement, Venue};
use crate::domain::money::Usd;
use crate::domain::report::{FillReport, VenueNews};
use crate::engine::Command;

const PORTLAND: &str = "KXNBAGAME-26JAN27PORWAS-POR";

fn shown<T: serde::Serialize>(view: T) -> Value {
    serde_json::to_value(view).expect("a view always encodes")
}

fn facts(world: &World) -> EngineFacts {
    EngineFacts {
        mode: Mode::Paper,
        instance: account(),
        version: "0.0.0".to_owned(),
        log_id: LOG_ID,
        running: true,
        not_ready: Vec::new(),
        halted: None,
        killed: false,
        questions_open: 0,
        dead_letters: 2,
        counters: [("signals".to_owned(), 3)].into(),
        now: world.now(),
    }
}

fn settle(world: &mut World, settlement: Settlement) {
    world.operator(Command::Settle { venue: Venue::Kalshi, market: MarketId::new(PORTLAND).expect("id"), settlement });
}

#[test]
fn a_position_has_the_agreed_names_and_decimal_strings() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    let list = shown(positions(world.book()));
    let expected = json!({
        "venue": "kalshi", "market": PORTLAND, "outcome": "yes", "quantity": "10", "unsettled": "0",
        "average_price": "0.52", "cost": "5.2", "mark": null, "value": "0",
        "realized_pnl": "0", "unrealized_pnl": "-5.2", "fees": "0.02", "game": "g-1",
    });
    assert_eq!(list, json!([expected]));
}

#[test]
fn no_is_shown_as_no_at_no_prices() {
    let mut world = World::begun();
    world.no("s-1", PORTLAND, "0.40", 10);
    let list = shown(positions(world.book()));
    assert_eq!(list[0]["outcome"], "no");
    assert_eq!(list[0]["average_price"], "0.4");
    assert_eq!(list[0]["quantity"], "10");
}

#[test]
fn what_was_settled_stays_in_the_list_with_its_result() {
    let mut world = World::begun();
    world.open("s-1", PORTLAND, "0.52", 10);
    settle(&mut world, Settlement::Yes);
    let list = shown(positions(world.book()));
    assert_eq!((&list[0]["quantity"], &list[0]["realized_pnl"], &list[0]["settled"]), (&json!("0"), &json!("4.8"), &json!("yes")));
    let pnl = shown(pnl(world.book()));
    assert_eq!((&pnl["realized_pnl"], &pnl["fees"], &pnl["cash"]), (&json!("4.8"), &json!("0.02"), &json!("1004.78")));
    assert_eq!((&pnl["day"]["pnl"], &pnl["day"]["date"], &pnl["day"]["limit"]), (&json!("4.78"), &json!("2026-01-28"), &json!("500")));
}

#[test]
fn orders_are_filtered_by_state_and_vetoed_ones_are_none() {
    let mut world = World::begun();
    world.replies.push_back(Reply::Rest);
    world.open("s-1", PORTLAND, "0.52", 10);
    world.open("s-2", PORTLAND, "0.50", 5);
    world.open("s-3", PORTLAND, "0.99", 5);
    let states = |filter| -> Vec<String> { orders(world.book(), filter, 10).iter().map(|order| order.state.to_string()).collect() };
    assert_eq!(states(OrderFilter::All).len(), 2);
    assert_eq!(states(OrderFilter::Live), ["working"]);
    assert_eq!(states(OrderFilter::parse("filled").expect("state")), ["filled"]);
    assert!(OrderFilter::parse("asleep").expect_err("no state").contains("working"));
    let order = shown(&orders(world.book(), OrderFilter::Live, 10)[0]);
    for name in
        ["order_id", "signal_id", "venue", "market", "outcome", "action", "quantity", "filled", "average_price", "fees", "limit", "tif"]
    {
        assert!(order.get(name).is_some(), "{name}");
    }
    assert_eq!((&order["average_price"], &order["reserved"]), (&Value::Null, &json!("5.37572")));
}

#[test]
fn exposure_counts_what_is_in_flight_against_each_limit() {
    let mut world = World::begun();
    world.replies.push_back(Reply::Unknown);
    world.open("s-1", PORTLAND, "0.52", 10);
    let view = shown(exposure(world.book()));
    assert_eq!(view["orders_in_flight"], 1);
    assert_eq!(view["games"], json!([{"name": "g-1", "worst": view["in_flight"], "limit": "100"}]));
    assert_eq!(view["total"]["worst"], view["in_flight"]);
    assert_eq!(view["sports"][0]["name"], "NBA");
}

#[test]
fn status_tells_unknown_orders_kill_and_counts() {
    let mut world = World::begun();
    world.replies.push_back(Reply::Unknown);
    world.open("s-1", PORTLAND, "0.52", 10);
    world.operator(Command::Kill { reason: "drill".to_owned() });
    let mut facts = facts(&world);
    facts.now = facts.now.plus_ms(1_500);
    facts.not_ready.push("the kill is on".to_owned());
    let view = shown(status(world.book(), &facts));
    assert_eq!((&view["ready"], &view["reasons"]), (&json!(false), &json!(["the kill is on"])));
    assert_eq!((&view["kill"]["on"], &view["kill"]["by"], &view["kill"]["reason"]), (&json!(true), &json!("test"), &json!("drill")));
    assert_eq!((&view["orders"]["unknown"], &view["unknown_orders"][0]["age_ms"]), (&json!(1), &json!(1_500)));
    assert_eq!(view["state_hash"], world.book().state_hash().to_string());
    assert_eq!((&view["dead_letters"], &view["counters"]["signals"]), (&json!(2), &json!(3)));
}

#[test]
fn days_are_dates() {
    assert_eq!((date(0), date(20_481), date(-1)), ("1970-01-01".to_owned(), "2026-01-28".to_owned(), "1969-12-31".to_owned()));
    assert_eq!(date(i32::MAX), format!("day {}", i32::MAX));
}

/// A venue may find only after a market has ended that a sale of before never happened.
#[test]
fn a_sale_that_is_taken_back_after_its_market_has_ended_is_paid_out() {
    let market = PORTLAND;
    let mut world = World::begun();
    world.open("in", market, "0.50", 10);
    world.replies.push_back(Reply::Rest);
    world.close("out", market, "yes", "0.40");
    let sale = world.book().orders.live().next().expect("the sale").order.clone();
    let fill = FillReport { settled: false, ..world.fill_of(&sale, sale.quantity) };
    world.news(VenueNews::Fill(fill.clone()));
    assert_eq!(world.book().positions.held().count(), 0);
    let (venue, id) = (Venue::Kalshi, MarketId::new(market).expect("ticker"));
    world.operator(Command::Settle { venue, market: id, settlement: Settlement::Yes });
    world.news(VenueNews::FillReversed { order_id: sale.order_id, trade_id: fill.trade_id, why: "failed".to_owned() });
    assert_eq!(world.book().positions.held().count(), 0, "nothing of a market that has ended is held");
    // 1000 less 10 at 0.50 and two cents, and ten times the dollar that YES pays.
    assert_eq!(world.book().cash.cash, Usd::parse("1004.98").expect("money"));
    assert_eq!(world.book().cash.realized, Usd::parse("5").expect("money"));
}
