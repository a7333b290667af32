//! The program itself with a real nats-server, killed at the socket; the double outlives it in the test's own process. Each
//! test sends one order.

use std::collections::BTreeSet;

use ::arbees::app::rehearsal::{Double, Setup, Stage, Wish};
use ::arbees::bus::Bus;
use ::arbees::domain::event::Event;
use ::arbees::domain::ids::{Instance, Mode, OrderId, SignalId};
use ::arbees::event_log::EventStore;
use ::arbees::projections::{OrderRecord, Projections};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::arbees::{Place, Process};
use crate::scene::{Folder, until};
use crate::servers::NatsServer;

/// The double, a nats-server, and the program as often as it is started.
pub struct Killed<D: Double> {
    pub stage: Stage<D>,
    pub server: NatsServer,
    pub place: Place,
    _folder: Folder,
}

impl<D: Double> Killed<D> {
    /// With a setting that keeps the process waiting for answers until it is killed.
    pub async fn new(setup: Setup<D>, patient: (&str, &str)) -> (Self, Process) {
        let (folder, server) = (Folder::new(), NatsServer::start());
        let stage = Stage::open(&folder.0, setup).await.expect("a stage");
        let mut place = Place::new(&server.url());
        for (name, value) in stage.settings().iter().filter(|(name, _)| *name != "NATS_URL") {
            place = place.with(name, value);
        }
        let place = place.with(patient.0, patient.1);
        let killed = Self { stage, server, place, _folder: folder };
        let process = killed.place.start(&["run"]);
        killed.place.ready().await;
        (killed, process)
    }

    pub async fn send(&self, wish: &Wish) -> (SignalId, OrderId) {
        let (id, signal) = self.stage.signal(wish);
        self.server.bus().await.publish_signal(&format!("signals.{}", D::VENUE), signal.to_string().into()).await.expect("published");
        let account = Instance::new("rehearsal").expect("an instance");
        (id.clone(), OrderId::of(&account, Mode::Demo, &id, 0, 0))
    }

    /// Starts it again. The dead one's leases would run out in some seconds; they are taken away instead.
    pub async fn again(&self) -> Process {
        let client = async_nats::connect(self.server.url()).await.expect("a connection");
        let store = async_nats::jetstream::new(client).get_key_value("ARBEES_LEASES").await.expect("the leases");
        let mut keys = store.keys().await.expect("keys");
        while let Some(key) = keys.next().await {
            store.delete(key.expect("a key")).await.expect("deleted");
        }
        let process = self.place.start(&["run"]);
        self.place.ready().await;
        process
    }

    /// Rows of the double's requests.
    pub async fn requests(&self) -> Vec<Value> {
        let all = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        all.as_array().expect("a list").clone()
    }

    /// The order as the venue knows it, if it does.
    pub async fn there(&self) -> Option<(String, Value)> {
        let orders = self.truth().await["orders"].as_object().expect("orders").clone();
        assert!(orders.len() <= 1, "more than the one order: {orders:?}");
        orders.into_iter().next()
    }

    /// How often the order was sent.
    pub async fn creates(&self) -> u64 {
        let creates = self.truth().await["creates"].as_object().expect("creates").clone();
        assert!(creates.len() <= 1, "more than the one order: {creates:?}");
        creates.values().map(|sends| sends.as_u64().expect("a count")).sum()
    }

    pub async fn truth(&self) -> Value {
        self.stage.truth().await.expect("the truth")
    }

    /// What `explain` says of the signal's order, once it says this of its state.
    pub async fn state(&self, id: &SignalId, state: &str) -> Value {
        until(&format!("order of {id} to be {state}"), async || {
            let (_, story) = self.place.get(&format!("/api/explain/{id}")).await?;
            let order = story["orders"][0].clone();
            (order["state"] == state).then_some(order)
        })
        .await
    }

    /// Ends the process and opens its log: with the fold, all events.
    pub async fn opened(&self, mut process: Process) -> (Projections, Vec<Event>) {
        let code = process.stop();
        let (log, book, _) = ::arbees::app::open_log(&self.stage.config().expect("settings")).await.expect("the log");
        // 4: the fate of what was killed at its socket is still to be proven.
        let unknown = book.orders.unknown().next().is_some();
        assert_eq!(code, if unknown { 4 } else { 0 }, "{}", process.lines());
        let rows = log.read_from(1, usize::MAX, usize::MAX).expect("records");
        (book, rows.iter().map(|row| row.decode().expect("a record").recorded.event).collect())
    }

    /// Every order of the venue was asked for by an intent that was on record; and both tell the same story.
    pub async fn agrees(&self, book: &Projections, events: &[Event]) {
        let sent = events.iter().filter_map(|event| match event {
            Event::SubmitStarted { order_id, .. } => Some(D::name_of(&record(book, *order_id))),
            _ => None,
        });
        let (intents, truth) = (sent.collect::<BTreeSet<String>>(), self.truth().await);
        let venue: BTreeSet<String> = truth["creates"].as_object().expect("creates").keys().cloned().collect();
        assert!(venue.is_subset(&intents), "{venue:?} of {intents:?}");
        assert_eq!(D::differences(&truth, book), Vec::<String>::new());
    }

    /// Puts the process to death while the venue has this order and answers nothing, or while it hasn't.
    pub async fn killed_at_the_socket(&self, mut process: Process, wish: &Wish, has_it: bool) -> (SignalId, OrderId, Process) {
        self.stage.fault(json!({ "kind": "no_reply", "call": "create", "processed": has_it, "count": 1 })).await.expect("a fault");
        let (id, order) = self.send(wish).await;
        until("the order at the socket", async || (self.creates().await == 1).then_some(())).await;
        process.kill();
        drop(process);
        assert_eq!(self.there().await.is_some(), has_it);
        let process = self.again().await;
        (id, order, process)
    }
}

pub fn record(book: &Projections, order: OrderId) -> OrderRecord {
    book.orders.get(&order).expect("the order").clone()
}

pub fn count(events: &[Event], order: OrderId, name: &str) -> usize {
    events.iter().filter(|event| event.order_id() == Some(order) && event.name() == name).count()
}
