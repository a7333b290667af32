//! Markets end: yes, no, shared, void; what is won is cash once it is redeemed, as the venue has it (S79, S82).

use arbees::app::rehearsal::{Book, Setup, Wish};
use arbees::domain::event::Event;
use arbees::domain::market::{BookKey, Settlement};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::order::OrderState;
use arbees::http::{Queries, Query};
use serde_json::{Value, json};

use crate::look::{Look, diverged, price, usd};
use crate::support::{Polymarket, World};

/// Each end with YES held and with NO held; two fills at two prices, so that costs and fees round.
const ENDS: [&str; 4] = ["yes", "no", "0.5", "void"];

fn slug(end: &str, side: &str) -> String {
    format!("ends-{}-with-{side}", end.replace('.', "-"))
}

fn markets() -> Vec<(&'static str, &'static str, String)> {
    ENDS.iter().flat_map(|end| ["yes", "no"].map(|side| (*end, side, slug(end, side)))).collect()
}

fn setup() -> Setup<Polymarket> {
    let book =
        |(_, _, slug)| Book { ticker: slug, bids: vec![("0.48", "1.37"), ("0.47", "100")], asks: vec![("0.50", "1.37"), ("0.51", "100")] };
    Setup { markets: markets().into_iter().map(book).collect(), ..Setup::default() }
}

fn wish(slug: &str, side: &'static str) -> Wish {
    let price = if side == "yes" { "0.51" } else { "0.53" };
    Wish { ticker: slug.to_owned(), ..Wish::open(side, price, "6.61", "ioc") }
}

fn key(world: &World, slug: &str, side: &str) -> BookKey {
    world.stage.venue.book_key(slug, side)
}

async fn settlement(world: &World, key: &BookKey) -> Option<Settlement> {
    let key = key.clone();
    world.engine.engine.query(move |engine| engine.book().markets.settlement(&key)).await.flatten()
}

/// What `positions` says is still to be claimed, over all of them.
async fn redeemable(world: &World) -> Usd {
    let shown = world.engine.desk.get(Query::Positions).await.expect("positions");
    let rows = shown.as_array().or(shown["positions"].as_array()).cloned().unwrap_or_default();
    // Named only where something is.
    rows.iter().filter_map(|row| row["redeemable"].as_str().map(usd)).sum()
}

async fn cash(world: &World) -> Usd {
    let account = world
        .engine
        .engine
        .query(|engine| engine.book().cash.account(arbees::domain::market::Venue::Polymarket).map(|account| account.cash));
    account.await.flatten().expect("an account")
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_every_end_pays_what_the_venue_pays() {
    let world = World::with(setup()).await;
    for (_, side, slug) in &markets() {
        assert_eq!(world.trades(&wish(slug, side)).await.state, OrderState::Filled);
    }
    world.settled().await;
    world.agrees().await;
    // One more rests in the first market when it ends.
    let resting = Wish { ttl_ms: 60_000, ticker: slug("yes", "yes"), ..Wish::open("yes", "0.40", "6", "gtd") };
    let resting = world.resting(&resting).await;
    for (end, _, slug) in &markets() {
        world.admin(&format!("/markets/{slug}/settle"), json!({ "result": end })).await;
    }
    for (end, side, slug) in &markets() {
        let key = key(&world, slug, side);
        let wanted = match *end {
            "yes" => Settlement::Yes,
            "no" => Settlement::No,
            _ => Settlement::Scalar(price("0.5")),
        };
        let known = async || settlement(&world, &key).await.filter(|known| *known == wanted || *known == Settlement::Void).map(drop);
        world.stage.until(&format!("the end of {slug}"), known).await.unwrap_or_else(|error| panic!("{error}"));
        world.stage.until("nothing held", async || world.held_of(&key).await.is_zero().then_some(())).await.expect("nothing held");
    }
    world.agrees().await;
    let ended = world.done(resting).await;
    assert_eq!(ended.state, OrderState::Canceled);
    // Each is booked once, however often the venue says so.
    world.called_again("balance", 4).await;
    let settled = world.count(|event| matches!(event, Event::MarketSettled { .. })).await;
    assert!(settled >= markets().len() && settled <= 2 * markets().len(), "{settled}");
    assert_eq!((world.count(diverged).await, redeemable(&world).await), (0, Usd::ZERO));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_s82_what_is_won_waits_to_be_redeemed_is_shown_and_is_cash_only_then() {
    let world = World::with(setup()).await;
    let slugs = [("yes", "yes"), ("0.5", "no")].map(|(end, side)| (end, side, slug(end, side)));
    for (_, side, slug) in &slugs {
        assert_eq!(world.trades(&wish(slug, side)).await.state, OrderState::Filled);
    }
    world.settled().await;
    world.agrees().await;
    let before = cash(&world).await;
    for (end, _, slug) in &slugs {
        world.admin(&format!("/markets/{slug}/settle"), json!({ "result": end, "redeem": false })).await;
    }
    let owed = usd("6.61") + usd("3.305");
    world.until("both ends", async || redeemable(&world).await == owed).await;
    world.called_again("balance", 4).await;
    assert_eq!(cash(&world).await, before, "nothing was paid yet");
    // A restart keeps it, and isn't kept from starting by it.
    let world = world.restarted().await;
    assert_eq!((redeemable(&world).await, cash(&world).await), (owed, before));
    let shown = world.engine.desk.get(Query::Positions).await.expect("positions").to_string();
    assert!(shown.contains("redeemPositions") && shown.contains(&world.stage.venue.markets[&slugs[0].2].condition), "{shown}");
    // One is claimed, then the other.
    world.admin(&format!("/markets/{}/redeem", slugs[0].2), Value::Null).await;
    world.until("the first payment", async || cash(&world).await == before + usd("6.61")).await;
    assert_eq!(redeemable(&world).await, usd("3.305"));
    world.admin(&format!("/markets/{}/redeem", slugs[1].2), Value::Null).await;
    world.until("the second payment", async || cash(&world).await == before + owed).await;
    world.agrees().await;
    assert_eq!(redeemable(&world).await, Usd::ZERO);
    assert_eq!((world.count(|event| matches!(event, Event::Redeemed { .. })).await, world.count(diverged).await), (2, 0));
    // It trades on.
    let elsewhere = slug("no", "no");
    assert_eq!(world.trades(&wish(&elsewhere, "no")).await.state, OrderState::Filled);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_a_market_that_ended_while_the_engine_was_down_is_booked_at_the_next_start() {
    let world = World::with(setup()).await;
    let slug = slug("no", "no");
    world.trades(&wish(&slug, "no")).await;
    world.settled().await;
    world.agrees().await;
    let path = format!("/markets/{slug}/settle");
    let world =
        world.restarted_after(async |stage| drop(stage.admin("POST", &path, json!({ "result": "no" })).await.expect("settled"))).await;
    let key = key(&world, &slug, "no");
    assert_eq!(world.held_of(&key).await, Quantity::ZERO, "known before it opens");
    assert_eq!(settlement(&world, &key).await, Some(Settlement::No));
    world.agrees().await;
    assert_eq!(world.count(diverged).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn s79_a_market_that_ends_before_a_fill_has_settled_pays_it_when_it_has() {
    let world = World::with(setup()).await;
    let slug = slug("yes", "yes");
    world.fault(json!({ "kind": "trade_hold", "count": 2 })).await;
    assert_eq!(world.trades(&wish(&slug, "yes")).await.state, OrderState::Filled);
    world.admin(&format!("/markets/{slug}/settle"), json!({ "result": "yes" })).await;
    let key = key(&world, &slug, "yes");
    world.until("the end", async || settlement(&world, &key).await.is_some()).await;
    let trades = world.stage.admin("GET", "/trades", Value::Null).await.expect("trades");
    for trade in trades.as_object().expect("trades").keys() {
        world.admin(&format!("/trades/{trade}/status"), json!({ "status": "confirm" })).await;
    }
    world.until("what is owed", async || redeemable(&world).await == usd("6.61")).await;
    world.admin(&format!("/markets/{slug}/redeem"), Value::Null).await;
    world.agrees().await;
    assert_eq!((redeemable(&world).await, world.count(diverged).await), (Usd::ZERO, 0));
}
