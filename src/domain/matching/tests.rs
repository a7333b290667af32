//! One fact of matching per test.

use super::super::ids::{Instance, Mode, SignalId};
use super::matcher::Matcher;
use super::*;

fn p(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

fn id(n: u32) -> OrderId {
    let account = Instance::new("test").expect("name");
    OrderId::of(&account, Mode::Paper, &SignalId::new("s").expect("id"), 0, n)
}

fn order(n: u32, side: Side, limit: &str, quantity: &str, tif: TimeInForce) -> BookOrder {
    BookOrder { id: id(n), side, limit: p(limit), quantity: q(quantity), tif }
}

fn mark(ms: i64) -> Mark {
    Mark { row: ms as u64, ts_ms: ms }
}

fn level(side: Side, price: &str, size: &str) -> BookChange {
    BookChange::Level { side, price: p(price), quantity: q(size) }
}

fn delta(side: Side, price: &str, signed: i64) -> BookChange {
    BookChange::Delta { side, price: p(price), signed: Quantity::whole(signed) }
}

/// 0.50 x 100 bid, 0.52 x 10 and 0.53 x 20 offered.
fn matcher() -> Matcher {
    let mut matcher = Matcher::default();
    matcher.apply(&[level(Side::Bid, "0.5", "100"), level(Side::Ask, "0.52", "10"), level(Side::Ask, "0.53", "20")], mark(1));
    matcher
}

fn said(fills: &[Execution]) -> Vec<(String, String)> {
    fills.iter().map(|fill| (fill.price.to_string(), fill.quantity.to_string())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn sell_print(price: &str, size: &str) -> Print {
    Print { price: p(price), quantity: q(size), taker: Side::Ask }
}

#[test]
fn a_taker_walks_the_book_at_the_levels_own_prices() {
    let (fills, placed) = matcher().submit(order(1, Side::Bid, "0.55", "15", TimeInForce::Ioc));
    assert_eq!(said(&fills), pairs(&[("0.52", "10"), ("0.53", "5")]));
    assert_eq!(placed, Placed::Filled);
    assert!(fills.iter().all(|fill| fill.liquidity == Liquidity::Taker && fill.mark == mark(1)));
}

#[test]
fn a_taker_stops_at_its_limit_and_at_the_size_shown() {
    let mut matcher = matcher();
    let (fills, placed) = matcher.submit(order(1, Side::Bid, "0.52", "15", TimeInForce::Ioc));
    assert_eq!(said(&fills), pairs(&[("0.52", "10")]));
    assert_eq!(placed, Placed::Canceled);
    assert!(!matcher.has_resting());
}

#[test]
fn what_was_taken_is_not_offered_again_until_the_level_grows() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.52", "6", TimeInForce::Ioc));
    assert_eq!(said(&matcher.submit(order(2, Side::Bid, "0.52", "9", TimeInForce::Ioc)).0), pairs(&[("0.52", "4")]));
    matcher.apply(&[delta(Side::Ask, "0.52", -3)], mark(2));
    assert!(matcher.submit(order(3, Side::Bid, "0.52", "9", TimeInForce::Ioc)).0.is_empty());
    matcher.apply(&[delta(Side::Ask, "0.52", 5)], mark(3));
    assert_eq!(said(&matcher.submit(order(4, Side::Bid, "0.52", "9", TimeInForce::Ioc)).0), pairs(&[("0.52", "5")]));
}

#[test]
fn repeating_the_same_size_offers_nothing_new_but_a_level_that_was_gone_is_new() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.52", "10", TimeInForce::Ioc));
    matcher.apply(&[level(Side::Ask, "0.52", "10")], mark(2));
    assert!(matcher.submit(order(2, Side::Bid, "0.52", "1", TimeInForce::Ioc)).0.is_empty());
    matcher.apply(&[level(Side::Ask, "0.52", "0"), level(Side::Ask, "0.52", "10")], mark(3));
    assert_eq!(said(&matcher.submit(order(3, Side::Bid, "0.52", "10", TimeInForce::Ioc)).0), pairs(&[("0.52", "10")]));
}

#[test]
fn a_level_that_only_left_the_window_is_not_new_when_it_returns() {
    let window = |levels: &[(&str, &str)]| BookChange::Window {
        side: Side::Ask,
        levels: levels.iter().map(|(price, size)| (p(price), q(size))).collect(),
    };
    let mut matcher = Matcher::default();
    matcher.apply(&[window(&[("0.52", "10"), ("0.53", "20")])], mark(1));
    matcher.submit(order(1, Side::Bid, "0.53", "30", TimeInForce::Ioc));
    matcher.apply(&[window(&[("0.51", "1"), ("0.52", "10")])], mark(2));
    matcher.apply(&[window(&[("0.52", "10"), ("0.53", "25")])], mark(3));
    assert_eq!(said(&matcher.submit(order(2, Side::Bid, "0.53", "30", TimeInForce::Ioc)).0), pairs(&[("0.53", "5")]));
}

#[test]
fn fill_or_kill_is_all_or_nothing() {
    let mut matcher = matcher();
    let (fills, placed) = matcher.submit(order(1, Side::Bid, "0.53", "30.01", TimeInForce::Fok));
    assert!(fills.is_empty());
    assert_eq!(placed, Placed::Killed);
    let (fills, placed) = matcher.submit(order(2, Side::Bid, "0.53", "30", TimeInForce::Fok));
    assert_eq!(said(&fills), pairs(&[("0.52", "10"), ("0.53", "20")]));
    assert_eq!(placed, Placed::Filled);
}

#[test]
fn prints_serve_the_queue_ahead_first_and_then_us() {
    let mut matcher = matcher();
    assert_eq!(matcher.submit(order(1, Side::Bid, "0.5", "8", TimeInForce::Gtc)).1, Placed::Resting);
    assert_eq!(matcher.queue_ahead(id(1)), Some(q("100")));
    assert!(matcher.print(sell_print("0.5", "99"), mark(5_000)).is_empty());
    assert_eq!(said(&matcher.print(sell_print("0.5", "4"), mark(5_001))), pairs(&[("0.5", "3")]));
    assert_eq!(said(&matcher.print(sell_print("0.5", "50"), mark(5_002))), pairs(&[("0.5", "5")]));
    assert!(!matcher.has_resting());
}

#[test]
fn a_print_beyond_our_price_fills_us_at_our_price_up_to_its_size() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.5", "8", TimeInForce::Gtc));
    let fills = matcher.print(sell_print("0.49", "3"), mark(2));
    assert_eq!(said(&fills), pairs(&[("0.5", "3")]));
    assert_eq!(fills[0].liquidity, Liquidity::Maker);
    assert!(matcher.print(sell_print("0.51", "30"), mark(3)).is_empty());
    assert!(matcher.print(Print { price: p("0.49"), quantity: q("30"), taker: Side::Bid }, mark(4)).is_empty());
}

#[test]
fn our_orders_share_one_print() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.5", "8", TimeInForce::Gtc));
    matcher.submit(order(2, Side::Bid, "0.51", "8", TimeInForce::Gtc));
    matcher.submit(order(3, Side::Bid, "0.5", "8", TimeInForce::Gtc));
    let fills = matcher.print(sell_print("0.5", "120"), mark(9_000));
    let told: Vec<_> = fills.iter().map(|fill| (fill.id, fill.quantity)).collect();
    assert_eq!(told, [(id(2), q("8")), (id(1), q("8")), (id(3), q("4"))]);
}

#[test]
fn a_shrinking_level_moves_us_up_only_as_far_as_it_shows() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.5", "8", TimeInForce::Gtc));
    matcher.apply(&[delta(Side::Bid, "0.5", 50)], mark(2));
    matcher.apply(&[delta(Side::Bid, "0.5", -50)], mark(3));
    assert_eq!(matcher.queue_ahead(id(1)), Some(q("100")));
    matcher.apply(&[delta(Side::Bid, "0.5", -30)], mark(4));
    assert_eq!(matcher.queue_ahead(id(1)), Some(q("70")));
}

#[test]
fn a_trade_told_as_delta_and_as_print_moves_us_up_once() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.5", "8", TimeInForce::Gtc));
    matcher.apply(&[delta(Side::Bid, "0.5", -60)], mark(10));
    assert!(matcher.print(sell_print("0.5", "60"), mark(10)).is_empty());
    assert_eq!(matcher.queue_ahead(id(1)), Some(q("40")));
    assert!(matcher.print(sell_print("0.5", "40"), mark(20)).is_empty());
    assert_eq!(said(&matcher.print(sell_print("0.5", "1"), mark(30))), pairs(&[("0.5", "1")]));
}

#[test]
fn without_prints_a_resting_order_is_filled_where_the_other_side_reaches_it() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.51", "8", TimeInForce::Gtc));
    let (fills, _) = matcher.apply(&[level(Side::Ask, "0.51", "5")], mark(2));
    assert_eq!(said(&fills), pairs(&[("0.51", "5")]));
    let (fills, _) = matcher.apply(&[level(Side::Ask, "0.51", "5")], mark(3));
    assert!(fills.is_empty());
    let (fills, _) = matcher.apply(&[level(Side::Bid, "0.5", "0"), level(Side::Ask, "0.49", "7")], mark(4));
    assert_eq!(said(&fills), pairs(&[("0.51", "3")]));
}

#[test]
fn a_remainder_rests_behind_what_is_shown_and_takes_only_what_is_new() {
    let mut matcher = matcher();
    let (fills, placed) = matcher.submit(order(1, Side::Bid, "0.52", "15", TimeInForce::Gtd));
    assert_eq!((said(&fills), placed), (pairs(&[("0.52", "10")]), Placed::Resting));
    let (fills, _) = matcher.apply(&[delta(Side::Ask, "0.52", 2)], mark(2));
    assert_eq!(said(&fills), pairs(&[("0.52", "2")]));
    assert_eq!(matcher.cancel(id(1)), Some(q("3")));
    assert_eq!(matcher.cancel(id(1)), None);
}

#[test]
fn nothing_trades_while_the_book_is_crossed_or_locked() {
    let mut matcher = matcher();
    matcher.submit(order(1, Side::Bid, "0.51", "8", TimeInForce::Gtc));
    for dirty in ["0.52", "0.6"] {
        matcher.apply(&[level(Side::Bid, dirty, "5"), level(Side::Ask, "0.51", "9")], mark(2));
        assert!(matcher.book().is_crossed());
        assert!(matcher.submit(order(2, Side::Bid, "0.6", "1", TimeInForce::Ioc)).0.is_empty());
        assert_eq!(matcher.submit(order(3, Side::Ask, "0.4", "1", TimeInForce::Fok)).1, Placed::Killed);
        assert!(matcher.print(sell_print("0.4", "9"), mark(2)).is_empty());
    }
    let (fills, _) = matcher.apply(&[level(Side::Bid, "0.52", "0"), level(Side::Bid, "0.6", "0")], mark(3));
    assert_eq!(said(&fills), pairs(&[("0.51", "8")]));
}

#[test]
fn stated_best_prices_drop_stale_levels_and_halt_the_book_while_they_cross() {
    let mut matcher = matcher();
    let stated = |bid: &str, ask: &str| BookChange::Stated { bid: Some(p(bid)), ask: Some(p(ask)) };
    let (_, odd) = matcher.apply(&[stated("0.5", "0.53")], mark(2));
    assert_eq!((odd.stale_levels, matcher.quote().ask), (1, Some(p("0.53"))));
    matcher.apply(&[stated("0.6", "0.53")], mark(3));
    assert!(matcher.submit(order(1, Side::Bid, "0.53", "1", TimeInForce::Ioc)).0.is_empty());
    matcher.apply(&[stated("0.5", "0.53")], mark(4));
    assert_eq!(said(&matcher.submit(order(2, Side::Bid, "0.53", "1", TimeInForce::Ioc)).0), pairs(&[("0.53", "1")]));
}

#[test]
fn deltas_below_zero_empty_the_level_and_are_told() {
    let mut matcher = matcher();
    let (_, odd) = matcher.apply(&[delta(Side::Ask, "0.52", -11)], mark(2));
    assert_eq!((odd.underflows, matcher.quote().ask), (1, Some(p("0.53"))));
}

#[test]
fn a_new_best_level_drops_the_better_ones_and_keeps_the_worse() {
    let mut matcher = matcher();
    let top = |price: &str| BookChange::Top { side: Side::Ask, level: Some((p(price), q("4"))) };
    matcher.apply(&[top("0.51")], mark(2));
    assert_eq!(matcher.book().available_to(Side::Bid, p("0.53")), q("34"));
    matcher.apply(&[top("0.53")], mark(3));
    assert_eq!(matcher.book().available_to(Side::Bid, p("0.53")), q("4"));
    matcher.apply(&[BookChange::Top { side: Side::Ask, level: None }], mark(4));
    assert_eq!(matcher.quote().ask, None);
}

#[test]
fn fractions_below_a_lot_are_never_traded() {
    let mut matcher = Matcher::default();
    matcher.apply(&[level(Side::Ask, "0.5", "23.52941")], mark(1));
    assert_eq!(said(&matcher.submit(order(1, Side::Bid, "0.5", "40", TimeInForce::Ioc)).0), pairs(&[("0.5", "23.52")]));
}

#[test]
fn an_order_beyond_the_window_waits_until_its_queue_can_be_seen() {
    let window = |price: &str, size: &str| BookChange::Window { side: Side::Bid, levels: vec![(p(price), q(size))] };
    let mut matcher = Matcher::default();
    matcher.apply(&[window("0.5", "9")], mark(1));
    matcher.submit(order(1, Side::Bid, "0.48", "5", TimeInForce::Gtc));
    assert_eq!(matcher.queue_ahead(id(1)), None);
    assert!(matcher.print(sell_print("0.48", "500"), mark(2)).is_empty());
    matcher.apply(&[window("0.48", "30")], mark(3));
    assert_eq!(matcher.queue_ahead(id(1)), Some(q("30")));
}
