//! kill -9 of the program itself, with a real nats-server; the double outlives it in the test's own process.
//!
//! S18 (at every syscall boundary) is held for the log by the worker's own tests (`tests/worker/run`); here are the three
//! sides of the socket: before the venue has the order, after it, and after its fill.

use std::collections::BTreeSet;

use ::arbees::app::rehearsal::{Book, Setup, Stage, TICKER, Wish, truth};
use ::arbees::bus::Bus;
use ::arbees::domain::event::Event;
use ::arbees::domain::ids::{Instance, Mode, OrderId, SignalId};
use ::arbees::event_log::EventStore;
use ::arbees::projections::{OrderRecord, Projections};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::arbees::{Place, Process};
use crate::servers::NatsServer;
use crate::support::{Folder, until};

/// The double, a nats-server, and the program as often as it is started.
struct Killed {
    stage: Stage,
    server: NatsServer,
    place: Place,
    _folder: Folder,
}

impl Killed {
    async fn new() -> (Self, Process) {
        let (folder, server) = (Folder::new(), NatsServer::start());
        let setup = Setup { markets: vec![Book::usual(TICKER)], ..Setup::default() };
        let stage = Stage::open(&folder.0, setup).await.expect("a stage");
        let mut place = Place::new(&server.url());
        for (name, value) in stage.settings().iter().filter(|(name, _)| *name != "NATS_URL") {
            place = place.with(name, value);
        }
        // The process is killed while it still waits for answers.
        let place = place.with("KALSHI_REQUEST_TIMEOUT_MS", "20000");
        let killed = Self { stage, server, place, _folder: folder };
        let process = killed.place.start(&["run"]);
        killed.place.ready().await;
        (killed, process)
    }

    async fn send(&self, wish: &Wish) -> (SignalId, OrderId) {
        let (id, signal) = self.stage.signal(wish);
        self.server.bus().await.publish_signal("signals.kalshi", signal.to_string().into()).await.expect("published");
        let account = Instance::new("rehearsal").expect("an instance");
        (id.clone(), OrderId::of(&account, Mode::Demo, &id, 0, 0))
    }

    /// Starts it again. The dead one's leases would run out in some seconds; they are taken away instead.
    async fn again(&self) -> Process {
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
    async fn requests(&self) -> Vec<Value> {
        let all = self.stage.admin("GET", "/requests", Value::Null).await.expect("requests");
        all.as_array().expect("a list").clone()
    }

    async fn creates(&self, order: OrderId) -> u64 {
        self.truth().await["creates"][order.client_order_id().as_str()].as_u64().unwrap_or(0)
    }

    async fn truth(&self) -> Value {
        self.stage.truth().await.expect("the truth")
    }

    /// What `explain` says of the signal's order, once it says this of its state.
    async fn state(&self, id: &SignalId, state: &str) -> Value {
        until(&format!("order of {id} to be {state}"), async || {
            let (_, story) = self.place.get(&format!("/api/explain/{id}")).await?;
            let order = story["orders"][0].clone();
            (order["state"] == state).then_some(order)
        })
        .await
    }

    /// Ends the process and opens its log: with the fold, all events.
    async fn opened(&self, mut process: Process) -> (Projections, Vec<Event>) {
        assert_eq!(process.stop(), 0, "{}", process.lines());
        let (log, book, _) = ::arbees::app::open_log(&self.stage.config().expect("settings")).await.expect("the log");
        let rows = log.read_from(1, usize::MAX, usize::MAX).expect("records");
        (book, rows.iter().map(|row| row.decode().expect("a record").recorded.event).collect())
    }

    /// Every order of the venue was asked for by an intent that was on record; and both tell the same story.
    async fn agrees(&self, book: &Projections, events: &[Event]) {
        let sent = events.iter().filter_map(|event| match event {
            Event::SubmitStarted { order_id, .. } => Some(order_id.client_order_id().to_string()),
            _ => None,
        });
        let (intents, truth) = (sent.collect::<BTreeSet<String>>(), self.truth().await);
        let venue: BTreeSet<String> = truth["creates"].as_object().expect("creates").keys().cloned().collect();
        assert!(venue.is_subset(&intents), "{venue:?} of {intents:?}");
        assert_eq!(truth::between(&truth, book), Vec::<String>::new());
    }
}

fn record(book: &Projections, order: OrderId) -> OrderRecord {
    book.orders.get(&order).expect("the order").clone()
}

fn count(events: &[Event], order: OrderId, name: &str) -> usize {
    events.iter().filter(|event| event.order_id() == Some(order) && event.name() == name).count()
}

fn resting() -> Wish {
    Wish::open("yes", "0.45", "3", "gtd")
}

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
}

/// Puts the process to death while the venue has this order and answers nothing, or while it hasn't.
async fn killed_at_the_socket(killed: &Killed, mut process: Process, wish: &Wish, has_it: bool) -> (SignalId, OrderId, Process) {
    killed.stage.fault(json!({ "kind": "no_reply", "call": "create", "processed": has_it, "count": 1 })).await.expect("a fault");
    let (id, order) = killed.send(wish).await;
    until("the order at the socket", async || (killed.creates(order).await == 1).then_some(())).await;
    process.kill();
    drop(process);
    let there = killed.truth().await["orders"][order.client_order_id().as_str()].is_object();
    assert_eq!(there, has_it);
    let process = killed.again().await;
    (id, order, process)
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_killed_before_the_venue_has_the_order_a_resting_one_is_looked_up_before_it_goes_again() {
    let (killed, process) = Killed::new().await;
    let (id, order, process) = killed_at_the_socket(&killed, process, &resting(), false).await;
    killed.state(&id, "working").await;
    let requests = killed.requests().await;
    let creates: Vec<usize> = (0..requests.len()).filter(|n| requests[*n]["call"] == "create").collect();
    assert_eq!(creates.len(), 2);
    let looked_up = |row: &Value| row["call"] == "orders" && row["target"].as_str().is_some_and(|target| target.contains("ticker="));
    assert!(requests[creates[0]..creates[1]].iter().any(looked_up), "sent blindly");
    assert_eq!(requests[creates[0]]["body"], requests[creates[1]]["body"]);
    let (book, events) = killed.opened(process).await;
    assert_eq!((count(&events, order, "SubmitStarted"), count(&events, order, "OrderOutcomeUnknown")), (2, 1));
    killed.agrees(&book, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_killed_before_the_venue_has_the_order_one_that_cannot_rest_stays_unknown_and_is_never_sent_again() {
    let (killed, process) = Killed::new().await;
    let (id, order, process) = killed_at_the_socket(&killed, process, &taking(), false).await;
    killed.state(&id, "unknown").await;
    let listings = async || killed.requests().await.iter().filter(|row| row["call"] == "orders").count();
    let before = listings().await;
    // Absence counts only once the venue wouldn't take the attempt any more, a minute from now.
    until("some look-ups", async || (listings().await >= before + 5).then_some(())).await;
    assert_eq!(killed.creates(order).await, 1);
    let (book, events) = killed.opened(process).await;
    let record = record(&book, order);
    assert_eq!((record.state.as_str(), record.outstanding(), record.attempts), ("unknown", record.order.quantity, 1), "exposure is held");
    assert!(!record.reserved().is_zero());
    assert_eq!(count(&events, order, "SubmitStarted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_killed_before_the_ack_is_on_record_the_order_is_found_with_its_fills() {
    for wish in [taking(), resting()] {
        let (killed, process) = Killed::new().await;
        let (id, order, process) = killed_at_the_socket(&killed, process, &wish, true).await;
        killed.state(&id, if wish.tif == Some("ioc") { "filled" } else { "working" }).await;
        assert_eq!(killed.creates(order).await, 1, "no resend");
        let (book, events) = killed.opened(process).await;
        assert_eq!((count(&events, order, "SubmitStarted"), count(&events, order, "OrderAcked")), (1, 1));
        killed.agrees(&book, &events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_killed_between_the_fill_and_its_publication_the_fold_gives_the_position_once() {
    let (mut killed, mut process) = Killed::new().await;
    let (id, order) = killed.send(&resting()).await;
    killed.state(&id, "working").await;
    // Without a bus nothing is published; the venue's stream goes on.
    killed.server.kill();
    let named = json!({ "client_order_id": order.client_order_id().to_string(), "quantity": "3" });
    killed.stage.admin("POST", "/hit", named).await.expect("a fill");
    // Explained from the log: the fill is durable.
    until("the fill in the log", async || {
        let (_, story) = killed.place.get(&format!("/api/explain/{id}")).await?;
        (story["orders"][0]["fills"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    process.kill();
    drop(process);
    killed.server.run();
    let process = killed.again().await;
    let position = killed.place.get("/api/positions").await.expect("positions").1;
    assert!(position.to_string().contains(TICKER), "{position}");
    let (book, events) = killed.opened(process).await;
    assert_eq!(count(&events, order, "Filled"), 1);
    assert_eq!(record(&book, order).state.as_str(), "filled");
    killed.agrees(&book, &events).await;
}
