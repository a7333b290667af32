//! `ops/nats/nats.conf` as it is deployed: each role can do its work, and no more.

use arbees::bus::nats::NatsBus;
use arbees::bus::subjects::Subjects;
use arbees::bus::{Bus, LeaseError, SignalsOptions};
use arbees::domain::ids::{Instance, Mode};
use async_nats::jetstream::consumer::push;
use async_nats::jetstream::stream::{Config, Republish};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures::StreamExt;
use secrecy::ExposeSecret;

use super::{next_text, send};
use crate::support::{NatsServer, PATIENCE, soon};

const CONF: &str = "ops/nats/nats.conf";

fn subjects() -> Subjects {
    Subjects::of(Mode::Paper, &Instance::new("main").expect("name"))
}

/// The configuration as deployed, after the admin's step.
async fn provisioned() -> NatsServer {
    let server = NatsServer::of_file(CONF);
    let admin = server.bus_of("admin").await;
    for _ in 0..2 {
        admin.provision(&[subjects().engine_durable]).await.expect("provisioned, also a second time");
    }
    assert_eq!(admin.state().borrow().violations, 0, "{:?}", admin.state().borrow().last_error);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_can_do_its_work() {
    let server = provisioned().await;
    let (engine, risk) = (server.bus_of("engine").await, server.bus_of("risk").await);
    let (strategy, operator) = (server.bus_of("signals").await, server.bus_of("operator").await);
    let names = subjects();

    let mut source = engine.signals(SignalsOptions::new(&names.engine_durable)).await.expect("signals");
    let mut answers = strategy.subscribe(&names.answers).await.expect("subscribe");
    let mut records = risk.subscribe(&names.events).await.expect("subscribe");
    let mut kills = engine.subscribe(&names.control_kill).await.expect("subscribe");
    let opened = async {
        let mut state = engine.state();
        soon("open signals", state.wait_for(|state| state.signals_open)).await.expect("state");
        send(&strategy, "a").await
    };
    let (text, _) = tokio::join!(next_text(&mut source), opened);
    assert_eq!(text, "a");
    send(&engine, "b").await;
    assert_eq!(next_text(&mut source).await, "b");

    for (from, subject, to) in
        [(&engine, &names.answers, &mut answers), (&engine, &names.events, &mut records), (&operator, &names.control_kill, &mut kills)]
    {
        from.publish(subject, Bytes::from("x"), None).await.expect("publish");
        soon(subject, to.next()).await.expect("open subscription");
    }
    for (asks, subject, answers) in
        [(&engine, &names.risk_request, &risk), (&risk, &names.log_read, &engine), (&risk, &names.risk_tell, &engine)]
    {
        let mut questions = answers.subscribe(subject).await.expect("subscribe");
        let answer = async {
            let question = questions.next().await.expect("a question");
            answers.reply(&question, Bytes::from("yes")).await.expect("reply");
        };
        let (got, ()) = soon(subject, async { tokio::join!(asks.request(subject, Bytes::new(), PATIENCE), answer) }).await;
        assert_eq!(got, Ok(Bytes::from("yes")), "{subject}");
    }
    // One owner of an account, in demo and live.
    let first = engine.lease_take("engine.live.main", "one".into(), None).await.expect("free");
    let held = engine.lease_take("engine.live.main", "two".into(), None).await;
    assert!(matches!(&held, Err(LeaseError::Held { by }) if by == "one"), "{held:?}");
    let renewed = engine.lease_take("engine.live.main", "one".into(), Some(first)).await.expect("renewed");
    engine.lease_give_back("engine.live.main", renewed).await.expect("given back");
    assert!(engine.lease_take("engine.live.main", "two".into(), None).await.expect("free again") > renewed);
    for bus in [&engine, &risk, &strategy, &operator] {
        assert_eq!(bus.state().borrow().violations, 0, "{:?}", bus.state().borrow().last_error);
    }
}

/// `publish` says Ok; what the server thinks of it comes as an event.
async fn refused(bus: &NatsBus, what: &str) {
    let mut state = bus.state();
    let seen = soon(what, state.wait_for(|state| state.violations >= 1 && state.refused.is_some())).await;
    assert!(seen.expect("state").refused.as_deref().is_some_and(|text| text.contains("Permissions Violation")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_can_do_more() {
    let server = provisioned().await;
    let names = subjects();
    let api = |what: &str| format!("$JS.API.{what}");
    for (user, subject) in [
        ("signals", names.risk_tell.clone()),
        ("signals", names.control_kill.clone()),
        ("signals", names.answers.clone()),
        ("signals", names.events.clone()),
        ("signals", names.risk_request.clone()),
        ("signals", "_INBOX.engine.x".to_owned()),
        ("signals", api("STREAM.INFO.SIGNALS")),
        ("signals", api("STREAM.MSG.GET.SIGNALS")),
        ("signals", api("CONSUMER.CREATE.SIGNALS.x")),
        ("signals", api("CONSUMER.MSG.NEXT.SIGNALS.engine-paper-main")),
        ("signals", "$KV.ARBEES_LEASES.engine.live.main".to_owned()),
        ("engine", names.control_kill.clone()),
        ("engine", api("STREAM.CREATE.ESCAPE")),
        ("engine", api("STREAM.CREATE.SIGNALS")),
        ("engine", api("STREAM.UPDATE.SIGNALS")),
        ("engine", api("CONSUMER.CREATE.SIGNALS.engine-paper-main")),
        ("engine", api("STREAM.PURGE.SIGNALS")),
        ("risk", names.events.clone()),
        ("risk", "signals.kalshi".to_owned()),
        ("risk", api("STREAM.INFO.SIGNALS")),
        ("operator", names.risk_request.clone()),
        ("operator", api("STREAM.PURGE.SIGNALS")),
        ("dash", names.control_kill.clone()),
        ("dash", names.risk_request.clone()),
        ("admin", names.control_kill.clone()),
        ("admin", "signals.kalshi".to_owned()),
        ("admin", api("STREAM.CREATE.ESCAPE")),
        ("admin", api("STREAM.DELETE.SIGNALS")),
    ] {
        let bus = server.bus_of(user).await;
        bus.publish(&subject, Bytes::from("x"), None).await.expect("publish says ok");
        refused(&bus, &format!("{user} refused on {subject}")).await;
    }
    for (user, pattern) in [
        ("signals", names.risk_request.as_str()),
        ("signals", "_INBOX.>"),
        ("signals", "signals.>"),
        ("dash", names.risk_request.as_str()),
        ("risk", "signals.>"),
        ("engine", "_INBOX.risk.>"),
    ] {
        let bus = server.bus_of(user).await;
        let _foreign = bus.subscribe(pattern).await.expect("subscribe");
        refused(&bus, &format!("{user} refused to read {pattern}")).await;
    }
}

/// A client of this role as anybody could write one.
async fn client(server: &NatsServer, role: &str) -> Client {
    let options = ConnectOptions::with_nkey(server.seed(role).expose_secret().to_owned()).custom_inbox_prefix(format!("_INBOX.{role}"));
    options.connect(server.url()).await.expect("connection")
}

/// Past the permissions of its own, a role could only let the server publish for it: by receipts, by answers of the API, by a
/// stream that republishes, by a consumer that delivers elsewhere. What a sender of signals gets by that is a receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_of_signals_can_make_the_server_say_nothing_but_its_receipts() {
    let server = provisioned().await;
    let names = subjects();
    let (engine, risk, sender) = (client(&server, "engine").await, client(&server, "risk").await, client(&server, "signals").await);
    let targets = [&names.risk_tell, &names.control_kill, &names.log_read];
    let mut heard = Vec::new();
    for subject in targets {
        heard.push(engine.subscribe(subject.clone()).await.expect("subscribe"));
    }
    heard.push(engine.subscribe("_INBOX.engine.>").await.expect("subscribe"));
    for subject in [&names.risk_request, &names.events] {
        heard.push(risk.subscribe(subject.clone()).await.expect("subscribe"));
    }
    for one in [&engine, &risk] {
        one.flush().await.expect("flush");
    }
    let places =
        [names.risk_tell.as_str(), &names.control_kill, &names.log_read, "_INBOX.engine.verdict", &names.risk_request, &names.events];
    let forged = "{\"verdict\":\"approved\"}";
    for place in places {
        for subject in [
            "$JS.API.STREAM.INFO.SIGNALS",
            "$JS.API.STREAM.MSG.GET.SIGNALS",
            "$JS.API.DIRECT.GET.SIGNALS",
            "$JS.API.CONSUMER.MSG.NEXT.SIGNALS.engine-paper-main",
            "$JS.ACK.SIGNALS.engine-paper-main.1.1.1.1.0",
            "$JS.FC.SIGNALS.x",
            place,
        ] {
            sender.publish_with_reply(subject.to_owned(), place.to_owned(), forged.into()).await.expect("says ok");
        }
        sender.publish_with_reply("signals.kalshi", place.to_owned(), forged.into()).await.expect("says ok");
    }
    let jetstream = async_nats::jetstream::new(sender.clone());
    let republish = Republish { source: "signals.esc".into(), destination: names.risk_tell.clone(), headers_only: false };
    let escape = Config { name: "ESC".into(), subjects: vec!["signals.esc".into()], republish: Some(republish), ..Config::default() };
    assert!(jetstream.create_stream(escape).await.is_err());
    let deliver = push::Config { deliver_subject: names.control_kill.clone(), ..push::Config::default() };
    assert!(jetstream.create_consumer_on_stream(deliver, "SIGNALS").await.is_err());
    sender.flush().await.expect("flush");
    for (place, heard) in places.iter().zip(&mut heard) {
        let message = soon(place, heard.next()).await.expect("the receipt");
        assert!(message.payload.starts_with(br#"{"stream":"SIGNALS""#), "{place}: {:?}", message.payload);
    }
    // One word more than everything above: nothing else came before it.
    for (subject, index) in [(&names.risk_tell, 0), (&names.control_kill, 1)] {
        let trusted = if index == 0 { &risk } else { &client(&server, "operator").await };
        trusted.publish(subject.clone(), "the last".into()).await.expect("allowed");
        trusted.flush().await.expect("flush");
        let message = soon("the last", heard[index].next()).await.expect("open");
        assert_eq!(message.payload, "the last", "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_the_server_does_not_know_is_told_and_a_seed_never_shown() {
    let server = provisioned().await;
    let (seed, _) = arbees::bus::nats::nkey::generate().expect("a key");
    let identity = arbees::bus::nats::Identity { seed: Some(seed.clone()), role: Some("engine".to_owned()) };
    let bus = NatsBus::connect_as(&server.url(), "stranger", &identity).await.expect("a good seed");
    let mut state = bus.state();
    let told = soon("the refusal", state.wait_for(|state| state.attempts > 1)).await.expect("state").clone();
    let text = told.last_error.unwrap_or_default();
    assert!(text.contains("authorization") && !bus.is_connected(), "{text}");
    assert!(!format!("{text}{identity:?}").contains(seed.expose_secret()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_admins_step_the_engine_says_what_is_missing_and_reads_nothing() {
    let server = NatsServer::of_file(CONF);
    let engine = server.bus_of("engine").await;
    let mut source = engine.signals(SignalsOptions::new(&subjects().engine_durable)).await.expect("options");
    let reading = tokio::spawn(async move { source.next().await });
    refused(&engine, "the refusal to make a stream").await;
    assert!(!engine.state().borrow().signals_open);
    reading.abort();
}
