//! Paper on Kalshi's own books: fills at the venue's prices and never better, and not one request that trades.

use arbees::app::rehearsal::{Book, Setup, TICKER, Wish};
use arbees::domain::ids::MarketId;
use arbees::domain::market::{BookKey, MarketSource, Venue};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::OrderState;
use serde_json::{Value, json};

use crate::support::World;

/// The strategy saw 0.48 and 0.50; what lies at the venue is dearer.
fn setup(stream: bool) -> Setup {
    let book = Book { ticker: TICKER.to_owned(), bids: vec![("0.51", "10")], asks: vec![("0.53", "2"), ("0.55", "100")] };
    let settings = [("TRADING_MODE", "paper")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Setup { settings, markets: vec![book], stream, ..Setup::default() }
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

impl World {
    /// The venue was read, and nothing else.
    async fn nothing_was_sent(&self) {
        assert_eq!(self.stage.truth().await.expect("truth")["creates"], json!({}));
        let requests = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        let rows = requests.as_array().expect("requests");
        assert!(!rows.is_empty() && rows.iter().all(|row| row["method"] == "GET"), "{requests}");
    }

    async fn book(&self, bids: Value, asks: Value) {
        let path = format!("/markets/{TICKER}/book");
        self.stage.admin("POST", &path, json!({ "bids": bids, "asks": asks })).await.expect("a book");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_are_at_the_prices_of_the_venues_book_and_what_was_taken_is_gone() {
    for stream in [true, false] {
        let world = World::with(setup(stream)).await;
        let wish = Wish::open("yes", "0.60", "3", "ioc");
        let first = world.stage.trade(&world.engine, &wish).await.expect("traded");
        // 2 at 0.53 and 1 at 0.55.
        assert_eq!((first.state, first.notional_filled), (OrderState::Filled, usd("1.61")), "stream {stream}: {first:?}");
        let second = world.stage.trade(&world.engine, &wish).await.expect("traded");
        assert_eq!((second.state, second.notional_filled), (OrderState::Filled, usd("1.65")), "stream {stream}: {second:?}");
        let low = world.stage.trade(&world.engine, &Wish::open("yes", "0.52", "1", "ioc")).await.expect("traded");
        assert_eq!((low.state, low.filled), (OrderState::Canceled, Quantity::ZERO), "0.50 was a price of the signal's: {low:?}");
        world.nothing_was_sent().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_is_as_the_venue_describes_it() {
    let world = World::with(setup(true)).await;
    let fees = json!({ "fee_type": "quadratic", "fee_multiplier": "0.5" });
    world.stage.admin("POST", &format!("/markets/{TICKER}/fees"), fees).await.expect("fees");
    let record = world.stage.trade(&world.engine, &Wish::open("yes", "0.53", "1", "ioc")).await.expect("traded");
    assert_eq!((record.filled, record.order.fee.taker_micros), (Quantity::whole(1), 35_000), "{record:?}");
    let key = BookKey { venue: Venue::Kalshi, id: MarketId::new(TICKER).expect("id") };
    let market = world.engine.engine.query(move |engine| engine.book().markets.get(&key).cloned()).await.flatten().expect("market");
    assert_eq!((market.source, market.fee.taker_micros), (MarketSource::Venue, 35_000));
    world.nothing_was_sent().await;
    world.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resting_order_fills_when_the_venues_book_comes_to_it() {
    for stream in [true, false] {
        let world = World::with(setup(stream)).await;
        let id = world.stage.send(&world.engine, &Wish::open("yes", "0.52", "2", "gtc")).await.expect("sent");
        let order_id = world.stage.order(&world.engine, &id).await.expect("requested");
        world.stage.order_when(&world.engine, order_id, |record| record.state == OrderState::Working).await.expect("working");
        world.book(json!([["0.50", "10"]]), json!([["0.52", "1"], ["0.55", "9"]])).await;
        let part = world.stage.order_when(&world.engine, order_id, |record| !record.filled.is_zero()).await.expect("filled");
        assert_eq!((part.filled, part.notional_filled), (Quantity::whole(1), usd("0.52")), "stream {stream}: {part:?}");
        world.nothing_was_sent().await;
        world.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_does_not_answer_fills_nothing_at_the_signals_prices() {
    let world = World::with(setup(true)).await;
    for call in ["market", "orderbook"] {
        world.stage.fault(json!({ "kind": "status", "call": call, "status": 500 })).await.expect("a fault");
    }
    if let Ok(record) = world.stage.trade(&world.engine, &Wish::open("yes", "0.60", "3", "ioc")).await {
        assert_eq!((record.state, record.filled), (OrderState::Canceled, Quantity::ZERO), "{record:?}");
    }
    world.nothing_was_sent().await;
    world.engine.stop().await;
}
