//! What a world shows: its log, its market, its holding; and short ways to ask for things.

use arbees::app::rehearsal::{Setup, TICKER, Wish};
use arbees::domain::event::{Event, Recorded, Scope};
use arbees::domain::ids::{GameId, MarketId, SignalId};
use arbees::domain::market::{BookKey, Market, Venue};
use arbees::domain::money::Quantity;
use arbees::domain::report::VenueMode;
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::support::World;

/// Of the stage.
pub const KEY_ID: &str = "11111111-2222-3333-4444-555555555555";

pub fn key_of(ticker: &str) -> BookKey {
    BookKey { venue: Venue::Kalshi, id: MarketId::new(ticker).expect("a ticker") }
}

pub fn with_settings(settings: &[(&str, &str)]) -> Setup {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setup { settings, ..Setup::default() }
}

/// Every durable record.
pub fn records(log: &dyn arbees::event_log::EventStore) -> Vec<Recorded> {
    let stored = log.read_from(1, 100_000, 1 << 28).expect("the log is readable");
    stored.iter().map(|one| one.decode().expect("a record").recorded).collect()
}

impl World {
    /// Waits until the log holds everything that was decided until now: risk judges by what is durable.
    pub async fn synced(&self) {
        // Operators are answered when everything before is durable; nobody has such a game.
        let scope = Scope::Game(GameId::new("none").expect("an id"));
        let _ = self.command(Command::ResetBreaker { scope, reason: "a barrier".to_owned() }).await;
    }

    pub async fn events(&self) -> Vec<Event> {
        self.synced().await;
        records(&*self.engine.log).into_iter().map(|recorded| recorded.event).collect()
    }

    pub async fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events().await.iter().filter(|event| wanted(event)).count()
    }

    /// Waits until the log holds such an event.
    pub async fn logged<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.stage.until(what, async || self.events().await.iter().find_map(&wanted)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn mode(&self) -> (VenueMode, String) {
        let record = self.engine.engine.query(|engine| engine.book().venues.get(Venue::Kalshi).cloned()).await.flatten();
        record.map_or((VenueMode::Off, String::new()), |record| (record.mode, record.why.to_string()))
    }

    /// Waits for this mode; returns why it is so.
    pub async fn becomes(&self, wanted: VenueMode) -> String {
        let look = async || {
            let (mode, why) = self.mode().await;
            (mode == wanted).then_some(why)
        };
        self.stage.until(&format!("kalshi to be {}", wanted.as_str()), look).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn is_tripped(&self, scope: Scope) -> bool {
        self.engine.engine.query(move |engine| engine.book().breakers.is_open(&scope)).await.expect("an engine")
    }

    /// An operator has looked and closes the breaker.
    pub async fn reset(&self, scope: Scope) {
        self.command(Command::ResetBreaker { scope, reason: "looked at".to_owned() }).await.expect("reset");
    }

    pub async fn command(&self, command: Command) -> Result<String, String> {
        self.engine.engine.operator("test", command).await
    }

    /// Contracts held of this market: minus is NO.
    pub async fn held(&self, ticker: &str) -> Quantity {
        let key = key_of(ticker);
        let signed = self.engine.engine.query(move |engine| {
            let position = engine.book().positions.get(&key)?.clone();
            let up = position.instrument.outcome == position.instrument.book_outcome();
            Some(if up { position.quantity } else { -position.quantity })
        });
        signed.await.flatten().unwrap_or_default()
    }

    pub async fn holds(&self, ticker: &str, signed: Quantity) {
        let look = async || (self.held(ticker).await == signed).then_some(());
        self.stage.until(&format!("{signed} of {ticker}"), look).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The market as the engine knows it, once it is so.
    pub async fn market_when(&self, ticker: &str, wanted: impl Fn(&Market) -> bool) -> Market {
        let look = async || {
            let key = key_of(ticker);
            let market = self.engine.engine.query(move |engine| engine.book().markets.get(&key).cloned()).await??;
            wanted(&market).then_some(market)
        };
        self.stage.until("the market's description", look).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.stage.admin("POST", path, body).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Changes the rehearsal's market.
    pub async fn market(&self, what: &str, body: Value) {
        self.post(&format!("/markets/{TICKER}/{what}"), body).await;
    }

    /// Names of the failed checks of a signal that was vetoed.
    pub async fn vetoed(&self, wish: &Wish) -> Vec<String> {
        let (id, signal) = self.stage.signal(wish);
        self.vetoed_as(&id, signal).await
    }

    pub async fn vetoed_as(&self, id: &SignalId, signal: Value) -> Vec<String> {
        self.synced().await;
        self.engine.bus.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
        let story = self.stage.answer(&self.engine, id).await.expect("an answer");
        assert_eq!(story["answer"], "vetoed", "{story}");
        let reasons = story["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().filter_map(|failure| failure["reason"].as_str().map(str::to_owned)).collect()
    }

    /// Creates that reached the venue, over all orders.
    pub async fn sends(&self) -> u64 {
        let creates = self.stage.admin("GET", "/creates", Value::Null).await.expect("creates");
        creates.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }

    /// Calls of this kind so far, by the double's name for it.
    pub async fn calls(&self, call: &str) -> usize {
        let seen = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        seen.as_array().into_iter().flatten().filter(|one| one["call"] == call).count()
    }

    /// Waits until this call was made so many times more.
    pub async fn called_again(&self, call: &str, times: usize) {
        let before = self.calls(call).await;
        let look = async || (self.calls(call).await >= before + times).then_some(());
        self.stage.until(&format!("{times} more {call}"), look).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Buys at once and waits for the fill.
    pub async fn buys(&self, side: &'static str, price: &'static str, size: &'static str) {
        self.synced().await;
        let record = self.stage.trade(&self.engine, &Wish::open(side, price, size, "ioc")).await.expect("traded");
        assert!(!record.filled.is_zero(), "{record:?}");
    }

    /// An order that rests at the venue; its client id.
    pub async fn rests(&self, price: &'static str, size: &'static str) -> (arbees::domain::ids::OrderId, String) {
        let wish = Wish { ttl_ms: 60_000, ..Wish::open("yes", price, size, "gtd") };
        let id = self.stage.send(&self.engine, &wish).await.expect("sent");
        let order_id = self.stage.order(&self.engine, &id).await.expect("an order");
        let working = |record: &arbees::projections::OrderRecord| record.venue_order_id.is_some();
        self.stage.order_when(&self.engine, order_id, working).await.expect("working");
        (order_id, order_id.client_order_id().to_string())
    }

    /// The crowd sells to this resting order.
    pub async fn hit(&self, client_order_id: &str, quantity: &str) {
        self.post("/hit", json!({ "client_order_id": client_order_id, "quantity": quantity })).await;
    }
}
