//! What a world shows: its log, its market, its holding; and short ways to ask for things.

use arbees::app::rehearsal::{Setup, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::{GameId, OrderId, SignalId};
use arbees::domain::market::{BookKey, Market, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::report::VenueMode;
use arbees::engine::Command;
use arbees::projections::OrderRecord;
use serde_json::{Value, json};

use crate::support::{Polymarket, SLUG, World};

pub fn open(side: &'static str, price: &'static str, size: &'static str, tif: &'static str) -> Wish {
    Wish { ticker: SLUG.to_owned(), ..Wish::open(side, price, size, tif) }
}

pub fn close(side: &'static str, price: &'static str) -> Wish {
    Wish { ticker: SLUG.to_owned(), ..Wish::close(side, price) }
}

/// An order that stays for a minute.
pub fn resting(price: &'static str, size: &'static str) -> Wish {
    Wish { ttl_ms: 60_000, ..open("yes", price, size, "gtd") }
}

pub fn with_settings(settings: &[(&str, &str)]) -> Setup<Polymarket> {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setup { settings, ..Setup::default() }
}

pub fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

pub fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

pub fn whole(shares: i64) -> Quantity {
    Quantity::whole(shares)
}

pub fn diverged(event: &Event) -> bool {
    matches!(event, Event::ReconciliationDiverged { .. })
}

/// Of an outcome of the rehearsal's market.
pub fn key_of(world: &World, side: &str) -> BookKey {
    world.stage.venue.book_key(SLUG, side)
}

#[allow(async_fn_in_trait)] // nobody else calls it
pub trait Look {
    /// Waits until the log holds everything that was decided until now: risk judges by what is durable.
    async fn synced(&self);
    async fn events(&self) -> Vec<Event>;
    async fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize;
    /// Waits until the log holds such an event.
    async fn logged<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T;
    async fn mode_and_why(&self) -> (VenueMode, String);
    /// Waits for this mode; returns why it is so.
    async fn becomes(&self, wanted: VenueMode) -> String;
    async fn is_tripped(&self, scope: Scope) -> bool;
    /// An operator has looked and closes the breaker.
    async fn reset(&self, scope: Scope);
    async fn command(&self, command: Command) -> Result<String, String>;
    async fn cancel_all(&self);
    /// Shares held of this outcome token, settled or not.
    async fn held_of(&self, key: &BookKey) -> Quantity;
    /// The same of the rehearsal's market.
    async fn holding(&self, side: &str) -> Quantity;
    async fn holds(&self, side: &str, quantity: Quantity);
    async fn market_when(&self, key: &BookKey, wanted: impl Fn(&Market) -> bool) -> Market;
    /// Changes the rehearsal's market.
    async fn market(&self, what: &str, body: Value);
    /// Names of the failed checks of a signal that was vetoed.
    async fn vetoed(&self, wish: &Wish) -> Vec<String>;
    async fn vetoed_as(&self, id: &SignalId, signal: Value) -> Vec<String>;
    /// The same, changed before it is sent.
    async fn vetoed_with(&self, wish: &Wish, change: impl Fn(&mut Value)) -> Vec<String>;
    async fn trades(&self, wish: &Wish) -> OrderRecord;
    /// Creates that reached the venue, over all orders.
    async fn sends(&self) -> u64;
    /// Calls of this kind so far, by the double's name for it.
    async fn calls(&self, call: &str) -> usize;
    /// Waits until this call was made so many times more.
    async fn called_again(&self, call: &str, times: usize);
    /// Buys at once and waits until it is settled.
    async fn buys(&self, side: &'static str, price: &'static str, size: &'static str);
    /// What the last create asked for.
    async fn last_create(&self) -> Value;
    async fn rests(&self, price: &'static str, size: &'static str) -> OrderId;
    /// Nothing was found to differ, and nothing was stopped.
    async fn nothing_diverged(&self);
}

impl Look for World {
    async fn synced(&self) {
        // Operators are answered when everything before is durable; nobody has such a game.
        let scope = Scope::Game(GameId::new("none").expect("an id"));
        let _ = self.command(Command::ResetBreaker { scope, reason: "a barrier".to_owned() }).await;
    }

    async fn events(&self) -> Vec<Event> {
        self.synced().await;
        let stored = self.engine.log.read_from(1, 100_000, 1 << 28).expect("the log is readable");
        stored.iter().map(|one| one.decode().expect("a record").recorded.event).collect()
    }

    async fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events().await.iter().filter(|event| wanted(event)).count()
    }

    async fn logged<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.stage.until(what, async || self.events().await.iter().find_map(&wanted)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn mode_and_why(&self) -> (VenueMode, String) {
        let record = self.engine.engine.query(|engine| engine.book().venues.get(Venue::Polymarket).cloned()).await.flatten();
        record.map_or((VenueMode::Off, String::new()), |record| (record.mode, record.why.to_string()))
    }

    async fn becomes(&self, wanted: VenueMode) -> String {
        let look = async || {
            let (mode, why) = self.mode_and_why().await;
            (mode == wanted).then_some(why)
        };
        let found = self.stage.until(&format!("polymarket to be {}", wanted.as_str()), look).await;
        match found {
            Ok(why) => why,
            Err(error) => panic!("{error}; it is {:?}", self.mode_and_why().await),
        }
    }

    async fn is_tripped(&self, scope: Scope) -> bool {
        self.engine.engine.query(move |engine| engine.book().breakers.is_open(&scope)).await.expect("an engine")
    }

    async fn reset(&self, scope: Scope) {
        self.command(Command::ResetBreaker { scope, reason: "looked at".to_owned() }).await.expect("reset");
    }

    async fn command(&self, command: Command) -> Result<String, String> {
        self.engine.engine.operator("test", command).await
    }

    async fn cancel_all(&self) {
        self.command(Command::CancelAll).await.expect("cancels");
    }

    async fn held_of(&self, key: &BookKey) -> Quantity {
        let key = key.clone();
        let held = self.engine.engine.query(move |engine| engine.book().positions.get(&key).map(|position| position.held()));
        held.await.flatten().unwrap_or_default()
    }

    async fn holding(&self, side: &str) -> Quantity {
        self.held_of(&key_of(self, side)).await
    }

    async fn holds(&self, side: &str, quantity: Quantity) {
        let look = async || (self.holding(side).await == quantity).then_some(());
        let found = self.stage.until(&format!("{quantity} {side}"), look).await;
        if let Err(error) = found {
            panic!("{error}; held are {}", self.holding(side).await);
        }
    }

    async fn market_when(&self, key: &BookKey, wanted: impl Fn(&Market) -> bool) -> Market {
        let look = async || {
            let key = key.clone();
            let market = self.engine.engine.query(move |engine| engine.book().markets.get(&key).cloned()).await??;
            wanted(&market).then_some(market)
        };
        self.stage.until("the market's description", look).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn market(&self, what: &str, body: Value) {
        self.admin(&format!("/markets/{SLUG}/{what}"), body).await;
    }

    async fn vetoed(&self, wish: &Wish) -> Vec<String> {
        self.vetoed_with(wish, |_| ()).await
    }

    async fn vetoed_with(&self, wish: &Wish, change: impl Fn(&mut Value)) -> Vec<String> {
        let (id, mut signal) = self.stage.signal(wish);
        change(&mut signal);
        self.vetoed_as(&id, signal).await
    }

    async fn vetoed_as(&self, id: &SignalId, signal: Value) -> Vec<String> {
        self.synced().await;
        self.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
        let story = self.stage.answer(&self.engine, id).await.expect("an answer");
        assert_eq!(story["answer"], "vetoed", "{story}");
        let reasons = story["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().filter_map(|failure| failure["reason"].as_str().map(str::to_owned)).collect()
    }

    async fn trades(&self, wish: &Wish) -> OrderRecord {
        self.synced().await;
        self.stage.trade(&self.engine, wish).await.unwrap_or_else(|error| panic!("{wish:?}: {error}"))
    }

    async fn sends(&self) -> u64 {
        let creates = self.stage.admin("GET", "/creates", Value::Null).await.expect("creates");
        creates.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }

    async fn calls(&self, call: &str) -> usize {
        self.requests(call).await.len()
    }

    async fn called_again(&self, call: &str, times: usize) {
        let before = self.calls(call).await;
        let look = async || (self.calls(call).await >= before + times).then_some(());
        self.stage.until(&format!("{times} more {call}"), look).await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn buys(&self, side: &'static str, price: &'static str, size: &'static str) {
        let record = self.trades(&open(side, price, size, "ioc")).await;
        assert!(!record.filled.is_zero(), "{record:?}");
        self.settled().await;
    }

    async fn last_create(&self) -> Value {
        let creates = self.requests("create").await;
        serde_json::from_str(creates.last().expect("a create")["body"].as_str().expect("text")).expect("JSON")
    }

    async fn rests(&self, price: &'static str, size: &'static str) -> OrderId {
        self.resting(&resting(price, size)).await
    }

    async fn nothing_diverged(&self) {
        let wrong = |event: &Event| diverged(event) || matches!(event, Event::BreakerTripped { .. });
        let found: Vec<Event> = self.events().await.into_iter().filter(wrong).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// An order of the crowd or of the website in the rehearsal's market.
pub fn theirs(side: &str, price: &str, quantity: &str, order_type: &str) -> Value {
    json!({ "market": SLUG, "side": side, "price": price, "quantity": quantity, "order_type": order_type })
}
