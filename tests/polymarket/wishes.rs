//! What these tests ask for and look at.

use arbees::app::rehearsal::{Polymarket, SLUG, Setup, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::OrderId;
use arbees::domain::market::{BookKey, Venue};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::report::VenueMode;
use arbees::projections::Position;
use serde_json::{Value, json};

use crate::support::World;

/// The venue takes five shares and a dollar at least.
pub fn open(side: &'static str, price: &'static str, size: &'static str, tif: &'static str) -> Wish {
    Wish { ticker: SLUG.to_owned(), ..Wish::open(side, price, size, tif) }
}

pub fn close(price: &'static str) -> Wish {
    Wish { ticker: SLUG.to_owned(), ..Wish::close("yes", price) }
}

/// Six of the ten that are asked at 0.50.
pub fn taking() -> Wish {
    open("yes", "0.50", "6", "ioc")
}

/// Below the crowd's best bid.
pub fn resting(ttl_ms: i64) -> Wish {
    Wish { ttl_ms, ..open("yes", "0.45", "6", "gtd") }
}

pub fn with(settings: &[(&str, &str)]) -> Setup<Polymarket> {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setup { settings, ..Setup::default() }
}

pub fn usd(text: &str) -> Usd {
    Usd::parse(text).expect("money")
}

pub fn shares(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

impl World {
    pub fn key(&self, side: &str) -> BookKey {
        self.stage.venue.book_key(SLUG, side)
    }

    pub fn scope(&self, side: &str) -> Scope {
        Scope::Market(self.key(side))
    }

    /// Without the stream's news of fills and orders: REST alone has to find out.
    pub async fn deaf(&self) {
        for channel in ["trade", "order"] {
            self.fault(json!({ "kind": "ws_drop", "channel": channel })).await;
        }
    }

    pub async fn heal(&self) {
        self.stage.heal().await.expect("healed");
    }

    pub async fn truth(&self) -> Value {
        self.stage.truth().await.expect("the truth")
    }

    pub async fn all_requests(&self) -> Vec<Value> {
        let all = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        all.as_array().expect("a list").clone()
    }

    /// How many orders the venue has of this account.
    pub async fn orders_there(&self) -> usize {
        self.truth().await["orders"].as_object().map_or(0, serde_json::Map::len)
    }

    /// The one trade of an order.
    pub async fn trade_of(&self, order: OrderId) -> String {
        self.venue_order(order).await["fills"][0]["trade_id"].as_str().expect("a trade").to_owned()
    }

    pub async fn trade_becomes(&self, trade: &str, status: &str) {
        self.admin(&format!("/trades/{trade}/status"), json!({ "status": status })).await;
    }

    pub async fn mode(&self) -> VenueMode {
        let mode = self.engine.engine.query(|engine| engine.book().venues.mode(Venue::Polymarket)).await;
        mode.expect("an engine")
    }

    /// Every mode of the venue so far.
    pub async fn modes(&self) -> Vec<VenueMode> {
        let mode = |event: Event| match event {
            Event::VenueModeChanged { mode, .. } => Some(mode),
            _ => None,
        };
        self.log().await.into_iter().filter_map(|recorded| mode(recorded.event)).collect()
    }

    /// What is held of a token, or was.
    pub async fn position(&self, side: &str) -> Option<Position> {
        let key = self.key(side);
        self.engine.engine.query(move |engine| engine.book().positions.get(&key).cloned()).await.expect("an engine")
    }

    /// Held, and how much of that isn't settled.
    pub async fn held(&self, side: &str) -> (Quantity, Quantity) {
        self.position(side).await.map_or_else(Default::default, |position| (position.held(), position.unsettled))
    }

    /// Cash, and what of it may pay for a new order.
    pub async fn cash(&self) -> (Usd, Usd) {
        let cash = |engine: &arbees::engine::Engine| {
            let book = engine.book();
            (book.cash.account(Venue::Polymarket).map(|account| account.cash).unwrap_or_default(), book.free_cash(Venue::Polymarket))
        };
        self.engine.engine.query(cash).await.expect("an engine")
    }

    /// Waits until every share that is held is settled.
    pub async fn settled(&self) {
        self.until("settlement", async || {
            let settled =
                |engine: &arbees::engine::Engine| engine.book().positions.held().all(|(_, position)| position.unsettled.is_zero());
            self.engine.engine.query(settled).await.expect("an engine")
        })
        .await;
    }

    /// How often each event of these names stands in the order's story.
    pub async fn counts<const N: usize>(&self, order: OrderId, names: [&str; N]) -> [usize; N] {
        let story = self.story(order).await;
        names.map(|name| story.iter().filter(|event| event.name() == name).count())
    }

    /// How often the log says that a fill of this order is final: REST may tell of it only then.
    pub async fn settlements(&self, order: OrderId) -> usize {
        let settles = |event: &&Event| match event {
            Event::Filled(fill) => fill.settled,
            Event::FillSettled { .. } => true,
            _ => false,
        };
        self.story(order).await.iter().filter(settles).count()
    }
}
