//! A stage and an engine for each test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use arbees::app::Running;
use arbees::app::rehearsal::{Double, Setup, Stage, Wish};
use arbees::domain::event::{Event, Recorded, Scope};
use arbees::domain::ids::OrderId;
use arbees::domain::market::Venue;
use arbees::domain::order::OrderState;
use arbees::domain::verdict::Reason;
use arbees::projections::OrderRecord;
use serde_json::{Value, json};

pub use crate::servers::{PATIENCE, fresh_folder, until};

/// A fresh folder, removed with the world.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("arbees-stage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("data is left in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A double and an engine that trades there.
pub struct Scene<D: Double> {
    pub stage: Stage<D>,
    pub engine: Running,
    pub _folder: Folder,
}

impl<D: Double> Scene<D> {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup<D>) -> Self {
        if std::env::var_os("SHOW_LOG").is_some() {
            let _ = tracing_subscriber::fmt().with_target(false).try_init();
        }
        let folder = Folder::new();
        let stage = Stage::open(&folder.0, setup).await.expect("a stage");
        let engine = stage.engine().await.expect("an engine");
        Self { stage, engine, _folder: folder }
    }

    /// The log and the venue agree, now or soon.
    pub async fn agrees(&self) {
        self.stage.agree(&self.engine).await.expect("agreement");
    }

    /// With these settings beside the rehearsal's, and a stream or none.
    pub async fn set(settings: &[(&str, &str)], stream: bool) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::with(Setup { settings, stream, ..Setup::default() }).await
    }

    /// The same account and log with a new process, as it were.
    pub async fn restarted(self) -> Self {
        self.restarted_after(async |_| ()).await
    }

    /// The same, with something happening in between.
    pub async fn restarted_after(self, between: impl AsyncFnOnce(&Stage<D>)) -> Self {
        self.engine.stop().await;
        between(&self.stage).await;
        let engine = self.stage.engine().await.expect("an engine");
        Self { engine, ..self }
    }

    pub async fn fault(&self, fault: Value) {
        self.stage.fault(fault).await.expect("a fault");
    }

    pub async fn admin(&self, path: &str, body: Value) -> Value {
        self.stage.admin("POST", path, body).await.expect("the admin port")
    }

    /// Sends and waits until it is an order.
    pub async fn order(&self, wish: &Wish) -> OrderId {
        let id = self.stage.send(&self.engine, wish).await.expect("sent");
        self.stage.order(&self.engine, &id).await.expect("an order")
    }

    pub async fn when(&self, order_id: OrderId, wanted: impl Fn(&OrderRecord) -> bool) -> OrderRecord {
        self.stage.order_when(&self.engine, order_id, wanted).await.expect("the order")
    }

    pub async fn done(&self, order_id: OrderId) -> OrderRecord {
        self.when(order_id, OrderRecord::is_done).await
    }

    /// An order that rests at the venue, and that we know to rest.
    pub async fn resting(&self, wish: &Wish) -> OrderId {
        let order_id = self.order(wish).await;
        self.when(order_id, |record| record.state == OrderState::Working).await;
        order_id
    }

    /// An order whose first send lost its answer, that rests at the venue and whose second send is answered before any read
    /// shows the first: what is read lags behind for as long as that takes, on a slow machine too.
    pub async fn resting_after_a_second_send(&self, wish: &Wish) -> OrderId {
        self.admin("/read_lag", json!({ "ms": 60_000 })).await;
        let order_id = self.order(wish).await;
        let second = |event: &Event| matches!(event, Event::OrderOutcomeUnknown { attempt: 2, .. });
        self.until("the second send's answer", async || self.story(order_id).await.iter().any(second)).await;
        self.admin("/read_lag", json!({ "ms": 0 })).await;
        self.when(order_id, |record| record.state == OrderState::Working).await;
        order_id
    }

    /// Everything decided so far, once it is in the log.
    pub async fn log(&self) -> Vec<Recorded> {
        let decided = self.engine.engine.query(|engine| engine.book().seq).await.expect("an engine");
        self.until("the log", async || self.engine.log.head().seq >= decided).await;
        let rows = self.engine.log.read_from(1, usize::MAX, usize::MAX).expect("the log");
        rows.iter().map(|row| row.decode().expect("a record").recorded).collect()
    }

    /// The log's events about one order.
    pub async fn story(&self, order_id: OrderId) -> Vec<Event> {
        self.log().await.into_iter().map(|recorded| recorded.event).filter(|event| event.order_id() == Some(order_id)).collect()
    }

    pub async fn count_of(&self, order_id: OrderId, name: &str) -> usize {
        self.story(order_id).await.iter().filter(|event| event.name() == name).count()
    }

    /// Where an event of this name first stands in the order's story.
    pub async fn place_of(&self, order_id: OrderId, name: &str) -> usize {
        let story = self.story(order_id).await;
        story.iter().position(|event| event.name() == name).unwrap_or_else(|| panic!("no {name} in {:?}", names(&story)))
    }

    /// How often the venue was sent this order.
    pub async fn sends_of(&self, order_id: OrderId) -> u64 {
        let truth = self.stage.truth().await.expect("the truth");
        truth["creates"][self.name_of(order_id).await].as_u64().unwrap_or(0)
    }

    /// What the venue's own books call this order.
    pub async fn name_of(&self, order_id: OrderId) -> String {
        D::name_of(&self.when(order_id, |_| true).await)
    }

    /// The order as it is at the venue; null where it never was.
    pub async fn venue_order(&self, order_id: OrderId) -> Value {
        let truth = self.stage.truth().await.expect("the truth");
        truth["orders"][self.name_of(order_id).await].clone()
    }

    /// What the venue was asked by this call.
    pub async fn requests(&self, call: &str) -> Vec<Value> {
        let all = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        all.as_array().expect("a list").iter().filter(|row| row["call"] == call).cloned().collect()
    }

    /// The crowd trades against exactly this order.
    pub async fn hit_order(&self, order_id: OrderId, quantity: &str) {
        let name = if D::VENUE == Venue::Kalshi { "client_order_id" } else { "order_id" };
        let named = json!({ name: self.name_of(order_id).await, "quantity": quantity });
        self.admin("/hit", named).await;
    }

    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        self.stage.until(what, async || holds().await.then_some(())).await.expect("a fact");
    }

    /// Open breakers.
    pub async fn breakers(&self) -> Vec<(Scope, Reason)> {
        let open = self
            .engine
            .engine
            .query(|engine| engine.book().breakers.open().map(|(scope, trip)| (scope.clone(), trip.reason)).collect::<Vec<_>>());
        open.await.expect("an engine")
    }

    /// The reasons why a wish was not traded.
    pub async fn vetoed_for(&self, wish: &Wish) -> Vec<String> {
        let id = self.stage.send(&self.engine, wish).await.expect("sent");
        let story = self.stage.answer(&self.engine, &id).await.expect("an answer");
        assert_eq!(story["answer"], "vetoed", "{story}");
        let reasons = story["reasons"].as_array().expect("reasons");
        reasons.iter().map(|failure| failure["reason"].as_str().expect("a reason").to_owned()).collect()
    }
}

pub fn names(story: &[Event]) -> Vec<&'static str> {
    story.iter().map(Event::name).collect()
}
