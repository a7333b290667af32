//! Orders to the paper exchange, its answers back as inputs. The exchange is in this process: nothing is lost on the
//! way, and `latency_ms` is waited here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::live_books::LiveBooks;
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::ids::{MarketId, VenueOrderId};
use crate::domain::market::{BookKey, Market, Settlement, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::VenueNews;
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::engine::{Input, SignalQuote};
use crate::venues::paper::{self, MarketRow, PaperExchange};

#[derive(Clone)]
pub struct PaperDesk {
    exchange: Arc<Mutex<PaperExchange>>,
    clock: Clock,
    latency_ms: u64,
    /// Venues whose markets trade on their own books.
    live: BTreeMap<Venue, Arc<LiveBooks>>,
}

impl PaperDesk {
    pub fn new(exchange: PaperExchange, clock: Clock) -> Self {
        let latency_ms = exchange.settings().latency_ms;
        Self { exchange: Arc::new(Mutex::new(exchange)), clock, latency_ms, live: BTreeMap::new() }
    }

    /// The venue's markets trade on these books, and on nothing else.
    pub fn on_books_of(mut self, books: Arc<LiveBooks>) -> Self {
        self.live.insert(books.venue(), books);
        self
    }

    fn books(&self, venue: Venue) -> Option<&Arc<LiveBooks>> {
        self.live.get(&venue)
    }

    /// Runs `act` on the exchange, after the way there; inputs go to the engine in the order they happen.
    fn at_exchange(&self, engine: &EngineHandle, act: impl FnOnce(&mut PaperExchange, Time) -> Vec<Input> + Send + 'static) {
        if self.latency_ms == 0 {
            return self.act(engine, act);
        }
        let (desk, engine) = (self.clone(), engine.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(desk.latency_ms)).await;
            desk.act(&engine, act);
        });
    }

    fn act(&self, engine: &EngineHandle, act: impl FnOnce(&mut PaperExchange, Time) -> Vec<Input>) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        for input in act(&mut exchange, self.clock.now().wall) {
            engine.input(input);
        }
    }

    /// One row of market data.
    pub fn row(&self, row: &MarketRow, engine: &EngineHandle) {
        self.act(engine, |exchange, now| news(exchange.apply(row, now)));
    }

    /// A market as its venue describes it.
    pub fn list(&self, market: Market, engine: &EngineHandle) {
        self.act(engine, |exchange, now| news(exchange.list(market, now)));
    }

    /// The venue-side expiry of resting orders.
    pub fn tick(&self, engine: &EngineHandle) {
        self.act(engine, |exchange, now| news(exchange.tick(now)));
    }

    pub fn read<T>(&self, read: impl FnOnce(&PaperExchange) -> T) -> T {
        read(&self.exchange.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk for PaperDesk {
    fn submit(
        &self,
        order: ApprovedOrder,
        attempt: u32,
        quote: Option<SignalQuote>,
        _signed: Option<Box<SignedOrder>>,
        engine: &EngineHandle,
    ) {
        // What a signal saw is no price where the venue's own book is there to fill against.
        let quote = quote.filter(|_| self.books(order.order().instrument.venue).is_none());
        let quote = quote.map(|seen| paper::SignalQuote { bid: seen.quote.bid, ask: seen.quote.ask, liquidity: seen.liquidity });
        self.at_exchange(engine, move |exchange, now| {
            let order_id = order.order().order_id;
            reach(Point::PaperSubmitBefore);
            let (outcome, reports) = exchange.submit(&order, quote, now);
            reach(Point::PaperSubmitAfter);
            let mut inputs = vec![Input::Submitted { order_id, attempt, outcome }];
            inputs.extend(news(reports));
            inputs
        });
    }

    fn cancel(&self, order: Order, _venue_order_id: Option<VenueOrderId>, engine: &EngineHandle) {
        let order_id = order.order_id;
        self.at_exchange(engine, move |exchange, now| {
            reach(Point::PaperCancelBefore);
            let (outcome, reports) = exchange.cancel(&order_id, now);
            reach(Point::PaperCancelAfter);
            let mut inputs = news(reports);
            inputs.push(Input::CancelAnswered { order_id, outcome });
            inputs
        });
    }

    fn look_up(&self, order: Order, _venue_order_id: Option<VenueOrderId>, _first_sent_at: Option<Time>, engine: &EngineHandle) {
        self.at_exchange(engine, move |exchange, now| {
            let found = exchange.look_up(&order, now);
            vec![Input::LookedUp { order_id: order.order_id, begun_at: now, found }]
        });
    }

    /// The exchange knows no orders but ours.
    fn identify(&self, _key: BookKey, _venue_order_id: VenueOrderId, _engine: &EngineHandle) {}

    fn describe(&self, key: BookKey, engine: &EngineHandle) {
        let Some(books) = self.books(key.venue).cloned() else {
            let found = Err("the paper exchange takes markets as feeds and signals name them".to_owned());
            return engine.input(Input::Described { key, found });
        };
        let (desk, engine) = (self.clone(), engine.clone());
        tokio::spawn(async move {
            let found = books.take_in(&key, &desk, &engine).await;
            if let Err(why) = &found {
                tracing::warn!("{key} can't be described: {why}");
            }
            engine.input(Input::Described { key, found });
        });
    }

    /// A book of an earlier session is read before it is followed.
    fn watch(&self, key: BookKey, engine: &EngineHandle) {
        if self.books(key.venue).is_some_and(|books| books.follow(&key.id)) {
            self.describe(key, engine);
        }
    }

    fn reconcile(&self, _engine: &EngineHandle) {}

    /// An order of an earlier session rests again, at the back of its queue.
    fn restore(&self, order: &Order, filled: Quantity, engine: &EngineHandle) {
        self.act(engine, |exchange, now| news(exchange.restore(order, filled, now)));
    }

    fn market_ended(&self, venue: Venue, market: &MarketId, settlement: Settlement, engine: &EngineHandle) {
        self.act(engine, |exchange, now| news(exchange.settle_market(venue, market, settlement, now)));
    }
}

fn news(reports: Vec<VenueNews>) -> Vec<Input> {
    reports.into_iter().map(|one| Input::Venue(Box::new(one))).collect()
}
