//! Markets end: yes, no, scalar, void; cash as the venue has it, to the millionth (S79, S81).

use arbees::app::rehearsal::{Book, Setup, Wish};
use arbees::domain::event::Event;
use arbees::domain::market::Settlement;
use arbees::domain::money::{Price, Quantity};
use arbees::domain::order::OrderState;
use serde_json::json;

use crate::seen::key_of;
use crate::support::World;

/// Each end with YES held and with NO held; two fills at two prices, so that costs and fees round.
const ENDS: [&str; 4] = ["yes", "no", "0.37", "void"];

fn ticker(end: &str, side: &str) -> String {
    format!("KXEND{}{}-26NOV22-A", end.replace("0.", "").to_uppercase(), side.to_uppercase())
}

fn setup() -> Setup {
    let markets = ENDS.iter().flat_map(|end| {
        ["yes", "no"].map(|side| Book {
            ticker: ticker(end, side),
            bids: vec![("0.48", "1.37"), ("0.47", "100")],
            asks: vec![("0.50", "1.37"), ("0.51", "100")],
        })
    });
    Setup { markets: markets.collect(), ..Setup::default() }
}

fn wish(ticker: &str, side: &'static str) -> Wish {
    let price = if side == "yes" { "0.51" } else { "0.53" };
    Wish { ticker: ticker.to_owned(), ..Wish::open(side, price, "3.61", "ioc") }
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_s81_every_end_pays_what_the_venue_pays() {
    let world = World::with(setup()).await;
    let markets: Vec<(&str, &'static str, String)> =
        ENDS.iter().flat_map(|end| ["yes", "no"].map(|side| (*end, side, ticker(end, side)))).collect();
    for (_, side, ticker) in &markets {
        let record = world.stage.trade(&world.engine, &wish(ticker, side)).await.expect("traded");
        assert_eq!(record.state, OrderState::Filled);
    }
    world.agrees().await;
    // One more rests in the first market when it ends.
    let resting = Wish { ttl_ms: 60_000, ..Wish { ticker: ticker("yes", "yes"), ..Wish::open("yes", "0.40", "2", "gtd") } };
    let id = world.stage.send(&world.engine, &resting).await.expect("sent");
    let resting = world.stage.order(&world.engine, &id).await.expect("an order");
    world.stage.order_when(&world.engine, resting, |record| record.venue_order_id.is_some()).await.expect("working");
    for (end, _, ticker) in &markets {
        world.post(&format!("/markets/{ticker}/settle"), json!({ "result": end })).await;
    }
    for (end, _, ticker) in &markets {
        world.holds(ticker, Quantity::ZERO).await;
        let wanted = match *end {
            "yes" => Settlement::Yes,
            "no" => Settlement::No,
            "void" => Settlement::Void,
            scalar => Settlement::Scalar(Price::parse(scalar).expect("a price")),
        };
        let key = key_of(ticker);
        let known = world.engine.engine.query(move |engine| engine.book().markets.settlement(&key)).await.flatten();
        assert_eq!(known, Some(wanted), "{ticker}");
    }
    world.agrees().await;
    let ended = world.stage.order_when(&world.engine, resting, |record| record.is_done()).await.expect("ended");
    assert_eq!(ended.state, OrderState::Canceled);
    // Each is booked once, however often the venue lists it.
    world.called_again("settlements", 2).await;
    assert_eq!(world.count(|event| matches!(event, Event::MarketSettled { .. })).await, markets.len());
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. })).await, 0);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_a_market_that_ended_while_the_engine_was_down_is_booked_at_the_next_start() {
    let world = World::with(setup()).await;
    let ticker = ticker("yes", "no");
    world.stage.trade(&world.engine, &wish(&ticker, "no")).await.expect("traded");
    world.agrees().await;
    let World { stage, engine, _folder: folder } = world;
    engine.stop().await;
    stage.admin("POST", &format!("/markets/{ticker}/settle"), json!({ "result": "no" })).await.expect("settled");
    let engine = stage.engine().await.expect("an engine again");
    let world = World { stage, engine, _folder: folder };
    assert_eq!(world.held(&ticker).await, Quantity::ZERO, "known before it opens");
    assert_eq!(world.count(|event| matches!(event, Event::MarketSettled { .. })).await, 1);
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. })).await, 0);
    world.agrees().await;
}
