//! kill -9 of the program itself, with a real nats-server: before the venue has the order, after it, and after its fill.

use ::arbees::app::rehearsal::{Polymarket, SLUG, Setup};
use ::arbees::domain::event::Event;
use serde_json::{Value, json};

use crate::arbees::Process;
use crate::killed::{count, record};
use crate::support::until;
use crate::wishes::{resting, taking};

type Killed = crate::killed::Killed<Polymarket>;

async fn started() -> (Killed, Process) {
    let mut setup = Setup::<Polymarket>::default();
    // A dead process doesn't beat; what the venue does about that is not what is looked at here.
    setup.venue.rules.heartbeat_ms = 600_000;
    Killed::new(setup, ("POLY_REQUEST_TIMEOUT_MS", "20000")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_killed_before_the_venue_has_the_order_a_resting_one_is_looked_up_before_the_same_bytes_go_again() {
    let (killed, process) = started().await;
    let (id, order, process) = killed.killed_at_the_socket(process, &resting(30_000), false).await;
    killed.state(&id, "working").await;
    let requests = killed.requests().await;
    let creates: Vec<usize> = (0..requests.len()).filter(|n| requests[*n]["call"] == "create").collect();
    assert_eq!(creates.len(), 2);
    // The signature was kept, sealed: nothing is signed anew.
    assert_eq!(requests[creates[0]]["body"], requests[creates[1]]["body"]);
    let (hash, _) = killed.there().await.expect("an order");
    let looked_up = |row: &Value| row["call"] == "order" && row["target"].as_str().is_some_and(|target| target.contains(&hash));
    assert!(requests[creates[0]..creates[1]].iter().any(looked_up), "sent blindly");
    let (book, events) = killed.opened(process).await;
    assert_eq!((count(&events, order, "SubmitStarted"), count(&events, order, "OrderOutcomeUnknown")), (2, 1));
    let signed =
        |event: &&Event| matches!(event, Event::SubmitStarted { signed: Some(signed), .. } if signed.venue_order_id.as_str() == hash);
    assert_eq!(events.iter().filter(signed).count(), 1, "signed once, on record before it was sent");
    killed.agrees(&book, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_killed_before_the_venue_has_the_order_one_that_is_filled_at_once_or_never_stays_unknown_and_is_never_sent_again() {
    let (killed, process) = started().await;
    let (id, order, process) = killed.killed_at_the_socket(process, &taking(), false).await;
    killed.state(&id, "unknown").await;
    let look_ups = async || killed.requests().await.iter().filter(|row| row["call"] == "order").count();
    let before = look_ups().await;
    until("some look-ups", async || (look_ups().await >= before + 5).then_some(())).await;
    assert_eq!(killed.creates().await, 1);
    let (book, events) = killed.opened(process).await;
    let record = record(&book, order);
    assert_eq!((record.state.as_str(), record.outstanding(), record.attempts), ("unknown", record.order.quantity, 1), "exposure is held");
    assert!(!record.reserved().is_zero());
    assert_eq!(count(&events, order, "SubmitStarted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_killed_before_the_ack_is_on_record_the_order_is_found_with_its_fills() {
    for wish in [taking(), resting(30_000)] {
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
    let (id, order) = killed.send(&resting(30_000)).await;
    killed.state(&id, "working").await;
    // Without a bus nothing is published; the venue's stream goes on.
    killed.server.kill();
    let (hash, _) = killed.there().await.expect("an order");
    // It settles while nobody looks.
    killed.stage.fault(json!({ "kind": "trade_hold", "count": 1 })).await.expect("a fault");
    killed.stage.admin("POST", "/hit", json!({ "order_id": hash, "quantity": "6" })).await.expect("a fill");
    // Explained from the log: the fill is durable.
    until("the fill in the log", async || {
        let (_, story) = killed.place.get(&format!("/api/explain/{id}")).await?;
        (story["orders"][0]["fills"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    process.kill();
    drop(process);
    let trade = killed.there().await.expect("an order").1["fills"][0]["trade_id"].as_str().expect("a trade").to_owned();
    killed.stage.admin("POST", &format!("/trades/{trade}/status"), json!({ "status": "confirm" })).await.expect("confirmed");
    killed.server.run();
    let process = killed.again().await;
    let token = killed.stage.venue.book_key(SLUG, "yes").id.to_string();
    let position = killed.place.get("/api/positions").await.expect("positions").1;
    assert!(position.to_string().contains(&token), "{position}");
    let (book, events) = killed.opened(process).await;
    assert_eq!((count(&events, order, "Filled"), count(&events, order, "FillSettled")), (1, 1));
    assert_eq!(record(&book, order).state.as_str(), "filled");
    killed.agrees(&book, &events).await;
}
