use arbees::domain::market::{Market, MarketStatus, Outcome, PriceGrid};
use arbees::domain::matching::Side;
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::Action;
use arbees::domain::report::VenueNews;
use serde_json::{Value, json};

use super::bench::{Bench, CONDITION, NO, YES, price, q, token_market};

const NO_SIDE: [(&str, &str); 2] = [("side", "no"), ("model_prob", "0.25")];

fn fields<'a>(more: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
    let mut all: Vec<(&str, Value)> = NO_SIDE.iter().map(|(name, value)| (*name, json!(value))).collect();
    all.extend(more.iter().cloned());
    all
}

#[test]
fn a_token_is_traded_as_the_outcome_of_its_condition() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    assert_eq!((order.instrument.market.as_str(), order.instrument.token.as_ref().map(|t| t.as_str())), (CONDITION, Some(YES)));
    bench.acked(&order);
    // Both tokens of a condition are one event.
    bench.vetoed("b", &fields(&[("token_id", json!(NO)), ("game_id", Value::Null), ("limit_price", json!("0.4"))]), "opposite_side");
}

#[test]
fn a_condition_and_a_side_are_a_token() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &fields(&[("token_id", Value::Null), ("market_id", json!(CONDITION)), ("limit_price", json!("0.4"))]));
    assert_eq!((order.instrument.outcome, order.instrument.token.as_ref().map(|t| t.as_str())), (Outcome::No, Some(NO)));
    assert_eq!(order.fee.taker_micros, 50_000);
}

#[test]
fn what_contradicts_the_venue_or_is_not_described_is_never_guessed() {
    let mut bench = Bench::new();
    bench.vetoed("other side", &fields(&[("token_id", json!(YES)), ("limit_price", json!("0.4"))]), "no_instrument");
    bench.vetoed("other condition", &[("market_id", json!("0xanother"))], "no_instrument");
    bench.describes = Err("404".into());
    let seen = bench.vetoed("unknown", &[("token_id", json!("12345"))], "no_instrument");
    assert!(seen.contains("12345"), "{seen}");
    bench.describes = Ok(vec![Market { outcome: None, ..token_market("777", Outcome::Yes) }]);
    bench.vetoed("half described", &[("token_id", json!("777"))], "no_instrument");
    let twice = vec![token_market("888", Outcome::Yes), token_market("999", Outcome::Yes)];
    let of = |market: Market| Market { condition: arbees::domain::ids::MarketId::new("0xtwice").ok(), ..market };
    bench.describes = Ok(twice.into_iter().map(of).collect());
    bench.vetoed("two of one side", &[("token_id", Value::Null), ("market_id", json!("0xtwice"))], "no_instrument");
    assert!(bench.calls.is_empty());
}

#[test]
fn orders_below_the_markets_minimum_are_vetoed() {
    let mut bench = Bench::new();
    bench.vetoed("few", &[("size", json!(4.99))], "below_minimum_size");
    bench.vetoed("cheap", &[("size", json!(9)), ("limit_price", json!("0.11"))], "below_minimum_size");
    let order = bench.sent("enough", &[("size", json!(5.019))]);
    assert_eq!(order.quantity, q("5.01"), "hundredths of a share");
}

#[test]
fn every_tick_of_the_venue_is_a_grid_between_its_ends() {
    for tick in ["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"] {
        let (grid, step) = (PriceGrid::uniform(price(tick)), price(tick));
        assert!(grid.holds(step) && grid.holds(step.complement()), "{tick}");
        assert!(!grid.holds(price("0")) && !grid.holds(price("1")), "{tick}");
        assert!(!grid.holds(arbees::domain::money::Price::from_micros(step.micros() / 2)), "{tick}");
        assert!(grid.holds(price("0.5")), "{tick}");
    }
    let mut bench = Bench::new();
    bench.describes = Ok(vec![
        Market { grid: PriceGrid::uniform(price("0.0025")), ..token_market(YES, Outcome::Yes) },
        Market { status: MarketStatus::Closed, ..token_market(NO, Outcome::No) },
    ]);
    assert_eq!(bench.sent("a", &[("limit_price", json!("0.5199"))]).limit, price("0.5175"), "a buy moves down");
    bench.vetoed("b", &fields(&[("token_id", json!(NO)), ("limit_price", json!("0.4"))]), "market_closed");
}

#[test]
fn a_strangers_order_is_counted_as_the_token_it_is() {
    let mut bench = Bench::new();
    bench.news(VenueNews::Market(token_market(NO, Outcome::No)));
    let listed = bench.stranger(NO, Side::Bid);
    bench.news(VenueNews::Listed(Box::new(listed)));
    let record = bench.engine.book().orders.iter().find(|record| record.external).expect("adopted");
    let (instrument, action) = (&record.order.instrument, record.order.action);
    assert_eq!((instrument.market.as_str(), instrument.outcome, action), (CONDITION, Outcome::No, Action::Buy));
    assert_eq!(instrument.token.as_ref().map(|token| token.as_str()), Some(NO));
    assert!(bench.breakers()[0].ends_with("external_order"));
    assert!(bench.take_cancels().is_empty(), "never ours to cancel");
}

#[test]
fn an_adopted_holding_is_the_token_it_is() {
    let mut bench = Bench::unopened();
    bench.news(VenueNews::Market(token_market(NO, Outcome::No)));
    let reading = Box::new(bench.reading("100", &[(NO, "25")]));
    let command = arbees::engine::Command::Adopt { reading };
    bench.step(arbees::engine::Input::Operator { ticket: 1, by: "test".into(), command });
    let position = bench.engine.book().positions.get(&super::bench::book(NO)).expect("held");
    assert_eq!((position.outcome(), position.quantity), (Outcome::No, Quantity::whole(25)));
    assert_eq!(position.instrument.market.as_str(), CONDITION);
    assert_eq!(bench.cash(), Usd::whole(100));
}

#[test]
fn a_strangers_order_on_a_token_nobody_has_described_waits_for_its_description() {
    let mut bench = Bench::new();
    bench.describes = Err("not today".to_owned());
    let listed = bench.stranger(NO, Side::Bid);
    bench.news(VenueNews::Listed(Box::new(listed)));
    assert_eq!(bench.count("ExternalOrderSeen"), 0, "which outcome it is, is not guessed");
    assert!(bench.breakers()[0].ends_with("external_order"), "its market is stopped all the same");
    bench.describes = Ok(vec![token_market(YES, Outcome::Yes), token_market(NO, Outcome::No)]);
    bench.wait(1_001);
    let record = bench.engine.book().orders.iter().find(|record| record.external).expect("counted");
    assert_eq!(record.order.instrument.outcome, Outcome::No);
    bench.assert_replays();
}

#[test]
fn an_account_with_a_token_nobody_has_described_is_not_adopted() {
    let mut bench = Bench::unopened();
    let reading = Box::new(bench.reading("100", &[(NO, "25")]));
    let command = arbees::engine::Command::Adopt { reading };
    bench.step(arbees::engine::Input::Operator { ticket: 1, by: "test".into(), command });
    let why = bench.told.last().cloned().expect("answered").expect_err("refused");
    assert!(why.contains("has not described"), "{why}");
    assert_eq!((bench.count("OpeningBalance"), bench.count("OperatorAdjusted")), (0, 0));
}
