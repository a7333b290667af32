//! Paper on Polymarket's own public books, with an address and nothing else: fills at the venue's prices and never better,
//! and not one request that trades or names an account.

use arbees::app::rehearsal::{Book, Setup};
use arbees::domain::market::MarketSource;
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use serde_json::{Value, json};

use crate::look::{Look, key_of, open, usd, whole};
use crate::support::{Polymarket, SLUG, World};

/// The strategy saw 0.48 and 0.50; what lies at the venue is dearer.
fn setup(stream: bool) -> Setup<Polymarket> {
    let book = Book { ticker: SLUG.to_owned(), bids: vec![("0.51", "10")], asks: vec![("0.53", "4"), ("0.55", "100")] };
    let settings = [("TRADING_MODE", "paper"), ("POLY_PRIVATE_KEY_PATH", ""), ("POLY_GAMMA_URL", "")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Setup { settings, markets: vec![book], stream, ..Setup::default() }
}

/// The venue was read by nobody in particular, and nothing else.
async fn nothing_was_sent(world: &World) {
    assert_eq!(world.stage.truth().await.expect("truth")["creates"], json!({}));
    let requests = world.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
    let rows = requests.as_array().expect("requests");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["method"] == "GET"), "{requests}");
    let named = |row: &Value| row["headers"].to_string().to_ascii_lowercase().contains("poly_");
    assert!(!rows.iter().any(named), "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_are_at_the_prices_of_the_venues_book_and_what_was_taken_is_gone() {
    for stream in [true, false] {
        let world = World::with(setup(stream)).await;
        let wish = open("yes", "0.60", "6", "ioc");
        let first = world.trades(&wish).await;
        // 4 at 0.53 and 2 at 0.55.
        assert_eq!((first.state, first.notional_filled), (OrderState::Filled, usd("3.22")), "stream {stream}: {first:?}");
        let second = world.trades(&wish).await;
        assert_eq!((second.state, second.notional_filled), (OrderState::Filled, usd("3.3")), "stream {stream}: {second:?}");
        let low = world.trades(&open("yes", "0.52", "6", "ioc")).await;
        assert_eq!((low.state, low.filled), (OrderState::Canceled, Quantity::ZERO), "0.50 was a price of the signal's: {low:?}");
        nothing_was_sent(&world).await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_token_has_the_other_side_of_the_same_book() {
    let world = World::with(setup(true)).await;
    let record = world.trades(&open("no", "0.52", "6", "ioc")).await;
    assert_eq!((record.state, record.notional_filled), (OrderState::Filled, usd("2.94")), "six at 1 - 0.51: {record:?}");
    nothing_was_sent(&world).await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_is_as_the_venue_describes_it() {
    let world = World::with(setup(true)).await;
    world.market("fees", json!({ "rate": "0.02" })).await;
    let record = world.trades(&open("yes", "0.53", "5", "ioc")).await;
    assert_eq!((record.filled, record.order.fee.taker_micros), (whole(4), 20_000), "{record:?}");
    let market = world.market_when(&key_of(&world, "yes"), |_| true).await;
    assert_eq!((market.source, market.fee.taker_micros, market.quantity_min), (MarketSource::Venue, 20_000, whole(5)));
    nothing_was_sent(&world).await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resting_order_fills_when_the_venues_book_comes_to_it() {
    for stream in [true, false] {
        let world = World::with(setup(stream)).await;
        let order = world.resting(&open("yes", "0.52", "6", "gtc")).await;
        world.market("book", json!({ "bids": [["0.50", "10"]], "asks": [["0.52", "1"], ["0.55", "9"]] })).await;
        let part = world.when(order, |record| !record.filled.is_zero()).await;
        assert_eq!((part.filled, part.notional_filled), (whole(1), usd("0.52")), "stream {stream}: {part:?}");
        nothing_was_sent(&world).await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_does_not_answer_fills_nothing_at_the_signals_prices() {
    let world = World::with(setup(true)).await;
    for call in ["clob_market", "market_by_token", "market", "book"] {
        world.fault(json!({ "kind": "status", "call": call, "status": 500 })).await;
    }
    if let Ok(record) = world.stage.trade(&world.engine, &open("yes", "0.60", "6", "ioc")).await {
        assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO), "{record:?}");
    }
    nothing_was_sent(&world).await;
    world.engine.stop().await;
}
