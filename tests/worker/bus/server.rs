//! What a server knows, refuses and can't do.

use std::time::Duration;

use arbees::bus::nats::NatsBus;
use arbees::bus::subjects::Subjects;
use arbees::bus::{Bus, BusError, DELIVERIES_MAX, Link, SIGNAL_BYTES_MAX, SignalsOptions};
use arbees::domain::ids::{Instance, Mode};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{next_text, options, send};
use crate::support::{NatsServer, PATIENCE, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_and_durable_have_the_settings_of_the_design() {
    let server = NatsServer::start();
    let bus = server.bus().await;
    let durable = Subjects::of(Mode::Paper, &Instance::new("main").expect("name")).engine_durable;
    let mut source = bus.signals(SignalsOptions::new(&durable)).await.expect("signals");
    send(&bus, "a").await;
    assert_eq!(next_text(&mut source).await, "a");

    let reader = async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connection"));
    let stream = reader.get_stream("SIGNALS").await.expect("stream");
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["signals.>"]);
    assert_eq!((config.storage, config.discard), (StorageType::File, DiscardPolicy::Old));
    assert_eq!((config.max_age, config.max_bytes), (Duration::from_secs(86_400), 256 << 20));
    assert_eq!(config.max_message_size as usize, SIGNAL_BYTES_MAX);

    let consumer: PullConsumer = stream.get_consumer("engine-paper-main").await.expect("durable");
    let config = &consumer.cached_info().config;
    assert_eq!((config.ack_policy, config.max_ack_pending), (AckPolicy::Explicit, 256));
    assert_eq!((config.ack_wait, config.max_deliver as u64), (Duration::from_secs(10), DELIVERIES_MAX));
    assert_eq!(config.backoff, [10, 20, 40, 60].map(Duration::from_secs));
    assert_eq!(config.filter_subjects.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_of_an_older_version_is_brought_up_to_date_and_keeps_its_place() {
    let server = NatsServer::start();
    let bus = server.bus().await;
    let mut source = bus.signals(options("engine", 5_000)).await.expect("signals");
    send(&bus, "a").await;
    assert_eq!(next_text(&mut source).await, "a");
    drop(source);
    let mut source = bus.signals(SignalsOptions { in_flight_max: 7, ..SignalsOptions::new("engine") }).await.expect("signals");
    send(&bus, "b").await;
    assert_eq!(next_text(&mut source).await, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_lose_signals_is_refused_by_name() {
    let server = NatsServer::start();
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connection"));
    let config = Config { name: "SIGNALS".to_owned(), subjects: vec!["signals.nba".to_owned()], ..Config::default() };
    admin.create_stream(config).await.expect("stream");
    let bus = server.bus().await;
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    let reading = tokio::spawn(async move { source.next().await });
    let mut state = bus.state();
    let told = soon("the reason", state.wait_for(|state| state.last_error.is_some())).await.expect("state").clone();
    assert!(told.last_error.as_deref().unwrap_or_default().contains("signals.nba"), "{told:?}");
    assert!(!told.signals_open);
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_subject_shows_although_publish_said_ok() {
    let server = NatsServer::start_with(
        r#"authorization { users: [ { user: dash, password: secret, permissions: { publish: ["arbees.ping"], subscribe: ["events.>", "_INBOX.dash.>"] } } ] }"#,
    );
    let url = format!("nats://dash:secret@127.0.0.1:{}", server.port);
    let bus = NatsBus::connect(&url, "dash").await.expect("URL");
    bus.wait_connected(PATIENCE).await.expect("connection");
    let mut state = bus.state();
    let _events = bus.subscribe("events.paper.main").await.expect("subscribe");
    assert_eq!(state.borrow().violations, 0);
    assert_eq!(bus.publish("control.paper.main.kill", Bytes::from("on"), None).await, Ok(()));
    let seen = soon("the violation", state.wait_for(|state| state.violations == 1)).await.expect("state").clone();
    assert!(seen.last_error.as_deref().unwrap_or_default().contains("control.paper.main.kill"), "{seen:?}");
    let _foreign = bus.subscribe("risk.request.>").await.expect("subscribe");
    soon("the second violation", state.wait_for(|state| state.violations == 2)).await.expect("state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = NatsServer::start_with("authorization { user: engine, password: right }");
    let bus = NatsBus::connect(&format!("nats://engine:hunter2@127.0.0.1:{}", server.port), "test").await.expect("URL");
    let mut state = bus.state();
    let told = soon("the refusal", state.wait_for(|state| state.attempts > 1)).await.expect("state").clone();
    let text = told.last_error.unwrap_or_default();
    assert!(text.contains("authorization") && !text.contains("hunter2"), "{text}");
    assert!(!bus.is_connected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_known_to_the_server_when_subscribe_returns() {
    let server = NatsServer::start();
    let (reader, writer) = (server.bus().await, server.bus().await);
    for round in 0..100 {
        let subject = format!("events.paper.r{round}");
        let mut events = reader.subscribe(&subject).await.expect("subscribe");
        writer.publish(&subject, Bytes::from("a"), None).await.expect("publish");
        soon("the message", events.next()).await.expect("open subscription");
    }
}

/// A server of 2.9, as Debian's, which would drop `filter_subjects` in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let old_server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("client");
        let (reader, mut writer) = socket.into_split();
        let info = r#"INFO {"server_id":"old","server_name":"old","version":"2.9.10","proto":1,"host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"jetstream":true}"#;
        writer.write_all(format!("{info}\r\n").as_bytes()).await.expect("greeting");
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line == "PING" {
                writer.write_all(b"PONG\r\n").await.expect("pong");
            }
        }
    });
    let bus = NatsBus::connect(&format!("nats://127.0.0.1:{port}"), "test").await.expect("URL");
    let refused = bus.wait_connected(PATIENCE).await;
    let Err(BusError::Misconfigured(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("2.9.10") && why.contains("2.10"), "{why}");
    assert!(matches!(bus.state().borrow().link, Link::Refused(_)));
    assert_eq!(bus.publish("events.paper.main", Bytes::new(), None).await, refused);
    old_server.abort();
}
