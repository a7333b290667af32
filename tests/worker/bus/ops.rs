//! `ops/nats.conf` as it is deployed: each role can do its work, and no more.

use arbees::bus::nats::NatsBus;
use arbees::bus::subjects::Subjects;
use arbees::bus::{Bus, SignalsOptions};
use arbees::domain::ids::{Instance, Mode};
use bytes::Bytes;

use super::{next_text, send};
use crate::support::{NatsServer, PATIENCE, soon};

async fn log_in(server: &NatsServer, user: &str) -> NatsBus {
    let bus = NatsBus::connect(&format!("nats://{user}:test@127.0.0.1:{}", server.port), user).await.expect("URL");
    bus.wait_connected(PATIENCE).await.expect("connection");
    bus
}

fn subjects() -> Subjects {
    Subjects::of(Mode::Paper, &Instance::new("main").expect("name"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_can_do_its_work() {
    let server = NatsServer::of_file("ops/nats.conf");
    let (engine, risk) = (log_in(&server, "engine").await, log_in(&server, "risk").await);
    let (strategy, operator) = (log_in(&server, "signals").await, log_in(&server, "operator").await);
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
    for bus in [&engine, &risk, &strategy, &operator] {
        assert_eq!(bus.state().borrow().violations, 0, "{:?}", bus.state().borrow().last_error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_can_do_more() {
    let server = NatsServer::of_file("ops/nats.conf");
    let names = subjects();
    let admin = "$JS.API.STREAM.CREATE.ESCAPE".to_owned();
    for (user, subject) in [
        ("signals", &names.risk_tell),
        ("signals", &names.control_kill),
        ("signals", &names.answers),
        ("engine", &names.control_kill),
        ("engine", &admin),
        ("risk", &names.events),
        ("risk", &"signals.kalshi".to_owned()),
        ("operator", &names.risk_request),
        ("dash", &names.control_kill),
        ("dash", &names.risk_request),
    ] {
        let bus = log_in(&server, user).await;
        bus.publish(subject, Bytes::from("x"), None).await.expect("publish says ok");
        let mut state = bus.state();
        soon(&format!("{user} refused on {subject}"), state.wait_for(|state| state.violations == 1)).await.expect("state");
    }
    for (user, pattern) in [("signals", &names.risk_request), ("dash", &names.risk_request), ("risk", &"signals.>".to_owned())] {
        let bus = log_in(&server, user).await;
        let _foreign = bus.subscribe(pattern).await.expect("subscribe");
        let mut state = bus.state();
        soon(&format!("{user} refused to read {pattern}"), state.wait_for(|state| state.violations == 1)).await.expect("state");
    }
}
