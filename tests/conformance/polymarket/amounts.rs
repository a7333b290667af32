//! `amounts.json`, row by row.

use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::Action;
use arbees::venues::polymarket::amounts::{AmountError, Amounts, Tick, limit_amounts, market_amounts};
use serde_json::Value;

use super::vectors::{integer, json, rows, string};

pub fn action(text: &str) -> Action {
    match text {
        "BUY" => Action::Buy,
        "SELL" => Action::Sell,
        other => panic!("side {other} is not known here"),
    }
}

pub fn tick(text: &str) -> Tick {
    Tick::of(Price::parse(text).expect(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn wanted(row: &Value, field: &str) -> Amounts {
    Amounts { maker: integer(&row[field], "maker"), taker: integer(&row[field], "taker") }
}

/// `None`: one side is nothing, which the venue takes as little as we send it.
fn check(row: &Value, ours: Result<Amounts, AmountError>, wanted: Amounts) {
    match ours {
        Ok(ours) => assert_eq!(ours, wanted, "{row}"),
        Err(AmountError::Nothing) => assert!(wanted.maker == 0 || wanted.taker == 0, "{row}"),
        Err(error) => panic!("{row}: {error}"),
    }
}

#[test]
fn our_amounts_are_those_that_the_venue_computes() {
    let file = json("amounts.json");
    let rows = rows(&file, "rows");
    for row in &rows {
        let price = Price::parse(string(row, "price")).expect("price");
        let size = Quantity::parse(string(row, "size")).expect("size");
        let (action, tick) = (action(string(row, "side")), tick(string(row, "tick")));
        let (exact, safe) = (wanted(row, "exact_floor"), wanted(row, "recommended_server_safe"));
        match string(row, "kind") {
            "limit" => {
                check(row, limit_amounts(action, price, size, tick), safe);
                check(row, limit_amounts(action, price, size, tick), exact);
            }
            "market" => check(row, market_amounts(action, price, size, tick), safe),
            other => panic!("{row}: kind {other} is not known here"),
        }
    }
    eprintln!("{} rows", rows.len());
}
