//! kill -9 of the program itself, with a real nats-server; the double outlives it in the test's own process.
//!
//! S18 (at every syscall boundary) is held for the log by the worker's own tests (`tests/worker/run`); here are the three
//! sides of the socket: before the venue has the order, after it, and after its fill.

use ::arbees::app::rehearsal::{Kalshi, Setup, TICKER, Wish};
use serde_json::{Value, json};

use crate::arbees::Process;
use crate::killed::{count, record};
use crate::support::until;

type Killed = crate::killed::Killed<Kalshi>;

async fn started() -> (Killed, Process) {
    Killed::new(Setup::default(), ("KALSHI_REQUEST_TIMEOUT_MS", "20000")).await
}

fn resting() -> Wish {
    Wish::open("yes", "0.45", "3", "gtd")
}

fn taking() -> Wish {
    Wish::open("yes", "0.50", "3", "ioc")
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_killed_before_the_venue_has_the_order_a_resting_one_is_looked_up_before_it_goes_again() {
    let (killed, process) = started().await;
    let (id, order, process) = killed.killed_at_the_socket(process, &resting(), false).await;
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
    let (killed, process) = started().await;
    let (id, order, process) = killed.killed_at_the_socket(process, &taking(), false).await;
    killed.state(&id, "unknown").await;
    let listings = async || killed.requests().await.iter().filter(|row| row["call"] == "orders").count();
    let before = listings().await;
    // Absence counts only once the venue wouldn't take the attempt any more, a minute from now.
    until("some look-ups", async || (listings().await >= before + 5).then_some(())).await;
    assert_eq!(killed.creates().await, 1);
    let (book, events) = killed.opened(process).await;
    let record = record(&book, order);
    assert_eq!((record.state.as_str(), record.outstanding(), record.attempts), ("unknown", record.order.quantity, 1), "exposure is held");
    assert!(!record.reserved().is_zero());
    assert_eq!(count(&events, order, "SubmitStarted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_killed_before_the_ack_is_on_record_the_order_is_found_with_its_fills() {
    for wish in [taking(), resting()] {
        let (killed, process) = started().await;
        let (id, order, process) = killed.killed_at_the_socket(process, &wish, true).await;
        killed.state(&id, if wish.tif == Some("ioc") { "filled" } else { "working" }).await;
        assert_eq!(killed.creates().await, 1, "no resend");
        let (book, events) = killed.opened(process).await;
        assert_eq!((count(&events, order, "SubmitStarted"), count(&events, order, "OrderAcked")), (1, 1));
        killed.agrees(&book, &events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_killed_between_the_fill_and_its_publication_the_fold_gives_the_position_once() {
    let (mut killed, mut process) = started().await;
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
