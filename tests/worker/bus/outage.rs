//! The server goes away, and comes back with or without its memory.

use std::collections::BTreeMap;
use std::time::Duration;

use arbees::bus::nats::NatsBus;
use arbees::bus::{Bus, BusError, Link};
use bytes::Bytes;

use super::{next, next_text, options, send, text};
use crate::support::{NatsServer, PATIENCE, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_absent_at_the_start_is_waited_for() {
    let mut server = NatsServer::absent("");
    let bus = NatsBus::connect(&server.url(), "test").await.expect("URL");
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    let mut events = bus.subscribe("events.paper.main").await.expect("subscribe");
    let absent = Err(BusError::Disconnected { server: format!("127.0.0.1:{}", server.port) });
    assert_eq!(bus.wait_connected(Duration::from_millis(100)).await, absent);
    assert_eq!(bus.publish("events.paper.main", Bytes::new(), None).await, absent);
    assert!(bus.request("risk.request.paper.main", Bytes::new(), PATIENCE).await.is_err());
    assert!(!bus.is_connected());
    let mut state = bus.state();
    soon("a counted attempt", state.wait_for(|state| state.attempts > 0 && state.last_error.is_some())).await.expect("state");
    let (first, ()) = tokio::join!(next(&mut source), async {
        server.run();
        bus.wait_connected(PATIENCE).await.expect("connection");
        send(&bus, "a").await;
        bus.publish("events.paper.main", Bytes::from("b"), None).await.expect("publish");
    });
    assert_eq!(text(&first), "a");
    assert_eq!(soon("a message", events.next()).await.expect("open").payload, Bytes::from("b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_loses_nothing() {
    let mut server = NatsServer::start();
    let (bus, publisher) = (server.bus().await, server.bus().await);
    let mut source = bus.signals(options("engine", 1_000)).await.expect("signals");
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..3 {
        for number in 0..100 {
            send(&publisher, &format!("{round}-{number}")).await;
        }
        // Killed with part of the round read, part buffered, part still in the stream.
        for _ in 0..40 {
            let delivery = next(&mut source).await;
            delivery.ack().await.expect("ack");
            *seen.entry(text(&delivery)).or_default() += 1;
        }
        server.kill();
        soon("the loss to be seen", publisher.state().wait_for(|state| state.link == Link::Disconnected)).await.expect("state");
        server.run();
        publisher.wait_connected(PATIENCE).await.expect("connection");
    }
    while seen.len() < 300 {
        let delivery = next(&mut source).await;
        delivery.ack().await.expect("ack");
        *seen.entry(text(&delivery)).or_default() += 1;
    }
    // Acknowledgements on their way at the kill were lost at the server, but not here.
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    assert_eq!(bus.state().borrow().connects, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_during_an_outage_does_not_come_again() {
    let mut server = NatsServer::start();
    let bus = server.bus().await;
    let mut source = bus.signals(options("engine", 500)).await.expect("signals");
    for number in 0..10 {
        send(&bus, &number.to_string()).await;
    }
    let mut taken = Vec::new();
    for _ in 0..10 {
        taken.push(next(&mut source).await);
    }
    server.kill();
    soon("the loss to be seen", bus.state().wait_for(|state| state.link == Link::Disconnected)).await.expect("state");
    assert!(!bus.state().borrow().signals_open);
    for delivery in &taken {
        delivery.ack().await.expect("kept for later");
    }
    let ((), after) = tokio::join!(
        async {
            server.run();
            bus.wait_connected(PATIENCE).await.expect("connection");
            let mut state = bus.state();
            soon("open signals", state.wait_for(|state| state.signals_open)).await.expect("state");
            // Longer than their wait: unacknowledged ones would have come by now.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            send(&bus, "after").await;
        },
        next(&mut source)
    );
    assert_eq!(text(&after), "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_its_streams_gets_them_again_and_no_stale_acknowledgement() {
    let mut server = NatsServer::start();
    let bus = server.bus().await;
    let mut source = bus.signals(options("engine", 500)).await.expect("signals");
    send(&bus, "before").await;
    let stale = next(&mut source).await;
    server.kill();
    server.wipe();
    soon("the loss to be seen", bus.state().wait_for(|state| state.link == Link::Disconnected)).await.expect("state");
    let (fresh, ()) = tokio::join!(next(&mut source), async {
        server.run();
        bus.wait_connected(PATIENCE).await.expect("connection");
        send(&bus, "fresh").await;
    });
    assert_eq!((text(&fresh), fresh.stream_seq), ("fresh".to_owned(), stale.stream_seq));
    stale.ack().await.expect("dropped");
    let again = next(&mut source).await;
    assert_eq!((text(&again), again.delivered_count), ("fresh".to_owned(), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_deleted_under_way_is_made_again() {
    let server = NatsServer::start();
    let bus = server.bus().await;
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    send(&bus, "a").await;
    assert_eq!(next_text(&mut source).await, "a");
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connection"));
    let (following, ()) = tokio::join!(next(&mut source), async {
        admin.delete_stream("SIGNALS").await.expect("delete");
        send(&bus, "b").await;
    });
    assert_eq!(text(&following), "b");
}
