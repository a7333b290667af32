//! What every carrier promises.

use std::time::{Duration, Instant};

use arbees::bus::embedded::EmbeddedBus;
use arbees::bus::{Bus, BusError, MAX_DELIVER, SIGNAL_BYTES_MAX, SUBSCRIPTION_MESSAGES_MAX, SignalsOptions, Subscription};
use arbees::clock::Clock;
use arbees::domain::time::Time;
use bytes::Bytes;

use super::{next, next_text, options, send, text};
use crate::support::{NatsServer, soon};

macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        mod over_nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let server = super::NatsServer::start();
                super::$name(&server.bus().await).await;
            })+
        }
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let clock = super::Clock::system();
                super::$name(&super::EmbeddedBus::new(move || clock.now())).await;
            })+
        }
    };
}

promises! {
    a_message_reaches_every_matching_subscription_and_no_other,
    a_question_is_answered,
    a_question_to_nobody_fails_at_once,
    a_question_without_an_answer_times_out,
    only_a_question_can_be_answered,
    wildcards_and_gaps_are_not_published_to,
    a_reader_that_is_too_slow_loses_messages_visibly,
    signals_come_in_order_and_once,
    a_signal_carries_its_place_and_time,
    a_signal_sent_without_confirmation_is_kept_too,
    a_nak_brings_the_signal_again,
    an_unacknowledged_signal_comes_again_after_its_wait,
    a_signal_in_progress_does_not_come_again,
    a_terminated_signal_never_comes_again,
    the_delivery_to_give_up_on_is_flagged,
    only_filtered_subjects_are_delivered,
    two_durables_each_get_every_signal,
    no_more_signals_are_in_flight_than_allowed,
    poison_is_delivered_whole_and_a_bomb_is_refused,
    bad_options_are_refused,
}

async fn letter(subscription: &mut Subscription) -> String {
    let message = soon("a message", subscription.next()).await.expect("open subscription");
    String::from_utf8(message.payload.to_vec()).expect("text")
}

async fn a_message_reaches_every_matching_subscription_and_no_other(bus: &dyn Bus) {
    let mut exact = bus.subscribe("events.paper.main").await.expect("subscribe");
    let mut wild = bus.subscribe("events.>").await.expect("subscribe");
    let mut other = bus.subscribe("events.live.main").await.expect("subscribe");
    bus.publish("events.paper.main", Bytes::from("a"), Some("id-1")).await.expect("publish");
    bus.publish("events.live.main", Bytes::from("b"), None).await.expect("publish");
    assert_eq!(letter(&mut exact).await, "a");
    assert_eq!((letter(&mut wild).await, letter(&mut wild).await), ("a".to_owned(), "b".to_owned()));
    assert_eq!(letter(&mut other).await, "b");
}

async fn a_question_is_answered(bus: &dyn Bus) {
    let mut questions = bus.subscribe("risk.request.paper.main").await.expect("subscribe");
    let answer = async {
        let question = questions.next().await.expect("a question");
        bus.reply(&question, [question.payload.as_ref(), b"!"].concat().into()).await.expect("reply");
    };
    let ask = bus.request("risk.request.paper.main", Bytes::from("may I?"), Duration::from_secs(5));
    let (got, ()) = soon("the answer", async { tokio::join!(ask, answer) }).await;
    assert_eq!(got, Ok(Bytes::from("may I?!")));
}

async fn a_question_to_nobody_fails_at_once(bus: &dyn Bus) {
    let started = Instant::now();
    let got = bus.request("risk.request.paper.main", Bytes::new(), Duration::from_secs(10)).await;
    assert_eq!(got, Err(BusError::NoResponders { subject: "risk.request.paper.main".to_owned() }));
    assert!(started.elapsed() < Duration::from_secs(5));
}

async fn a_question_without_an_answer_times_out(bus: &dyn Bus) {
    let _silent = bus.subscribe("risk.request.paper.main").await.expect("subscribe");
    let got = bus.request("risk.request.paper.main", Bytes::new(), Duration::from_millis(50)).await;
    assert_eq!(got, Err(BusError::TimedOut { subject: "risk.request.paper.main".to_owned(), timeout_ms: 50 }));
}

async fn only_a_question_can_be_answered(bus: &dyn Bus) {
    let mut events = bus.subscribe("events.paper.main").await.expect("subscribe");
    bus.publish("events.paper.main", Bytes::from("a"), None).await.expect("publish");
    let message = soon("a message", events.next()).await.expect("open subscription");
    assert_eq!(bus.reply(&message, Bytes::new()).await, Err(BusError::NoReply { subject: "events.paper.main".to_owned() }));
}

async fn wildcards_and_gaps_are_not_published_to(bus: &dyn Bus) {
    for bad in ["events.*", "events..main", "a b"] {
        assert_eq!(bus.publish(bad, Bytes::new(), None).await, Err(BusError::BadSubject { subject: bad.to_owned() }));
    }
    assert!(matches!(bus.publish_signal("events.paper", Bytes::new()).await, Err(BusError::BadSubject { .. })));
}

async fn a_reader_that_is_too_slow_loses_messages_visibly(bus: &dyn Bus) {
    let mut slow = bus.subscribe("events.paper.main").await.expect("subscribe");
    let sent = SUBSCRIPTION_MESSAGES_MAX + 500;
    for number in 0..sent {
        bus.publish("events.paper.main", Bytes::from(number.to_string()), None).await.expect("publish");
    }
    let mut state = bus.state();
    soon("a counted loss", state.wait_for(|state| state.dropped > 0)).await.expect("state");
    let first: Vec<String> = [letter(&mut slow).await, letter(&mut slow).await].into();
    assert_eq!(first, ["0", "1"]);
    assert!(bus.is_connected());
}

async fn signals_come_in_order_and_once(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    for number in 0..200 {
        send(bus, &number.to_string()).await;
    }
    for number in 0..200 {
        let delivery = next(&mut source).await;
        assert_eq!((text(&delivery), delivery.delivered_count), (number.to_string(), 1));
        delivery.ack().await.expect("ack");
    }
    drop(source);
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    send(bus, "last").await;
    assert_eq!(next_text(&mut source).await, "last");
    assert!(bus.state().borrow().signals_open);
}

async fn a_signal_carries_its_place_and_time(bus: &dyn Bus) {
    let before = Clock::system().now().wall;
    let stream_seq = send(bus, "a").await;
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    let delivery = next(&mut source).await;
    let after = Clock::system().now().wall;
    assert_eq!((delivery.subject.as_str(), delivery.stream_seq), ("signals.kalshi", stream_seq));
    // The server's clock is this machine's; it may round.
    let slack = |time: Time, ms| time.plus_ms(ms);
    assert!(slack(before, -5) <= delivery.published_at && delivery.published_at <= slack(after, 5), "{:?}", delivery.published_at);
}

async fn a_signal_sent_without_confirmation_is_kept_too(bus: &dyn Bus) {
    send(bus, "a").await;
    bus.publish("signals.polymarket.nba", Bytes::from("b"), None).await.expect("publish");
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    assert_eq!((next_text(&mut source).await, next_text(&mut source).await), ("a".to_owned(), "b".to_owned()));
}

async fn a_nak_brings_the_signal_again(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    send(bus, "a").await;
    next(&mut source).await.nak(0).await.expect("nak");
    let again = next(&mut source).await;
    assert_eq!((text(&again), again.delivered_count), ("a".to_owned(), 2));
    let started = Instant::now();
    again.nak(300).await.expect("nak");
    assert_eq!(next(&mut source).await.delivered_count, 3);
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
}

async fn an_unacknowledged_signal_comes_again_after_its_wait(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 400)).await.expect("signals");
    send(bus, "a").await;
    let first = next(&mut source).await;
    let started = Instant::now();
    let again = next(&mut source).await;
    assert_eq!((first.stream_seq, again.stream_seq, again.delivered_count), (1, 1, 2));
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

async fn a_signal_in_progress_does_not_come_again(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 1_500)).await.expect("signals");
    send(bus, "a").await;
    let working = next(&mut source).await;
    let work = async {
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            working.in_progress().await.expect("in progress");
        }
        working.ack().await.expect("ack");
        send(bus, "b").await;
    };
    let (following, ()) = tokio::join!(next(&mut source), work);
    assert_eq!(text(&following), "b");
}

async fn a_terminated_signal_never_comes_again(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 200)).await.expect("signals");
    send(bus, "a").await;
    next(&mut source).await.term().await.expect("term");
    send(bus, "b").await;
    let unacknowledged = next(&mut source).await;
    // The redelivery of `b` takes the wait that `a` would have taken.
    let again = next(&mut source).await;
    assert_eq!((text(&unacknowledged), text(&again)), ("b".to_owned(), "b".to_owned()));
}

async fn the_delivery_to_give_up_on_is_flagged(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    send(bus, "poison").await;
    for count in 1..=MAX_DELIVER + 1 {
        let delivery = next(&mut source).await;
        assert_eq!((delivery.delivered_count, delivery.is_last()), (count, count >= MAX_DELIVER));
        delivery.nak(0).await.expect("nak");
    }
}

async fn only_filtered_subjects_are_delivered(bus: &dyn Bus) {
    let filter_subjects = vec!["signals.kalshi".to_owned(), "signals.paper".to_owned()];
    let mut source = bus.signals(SignalsOptions { filter_subjects, ..options("engine", 60_000) }).await.expect("signals");
    for (subject, payload) in [("signals.polymarket", "a"), ("signals.kalshi", "b"), ("signals.kalshi.nba", "c"), ("signals.paper", "d")] {
        bus.publish_signal(subject, Bytes::from(payload)).await.expect("signal kept");
    }
    assert_eq!((next_text(&mut source).await, next_text(&mut source).await), ("b".to_owned(), "d".to_owned()));
}

async fn two_durables_each_get_every_signal(bus: &dyn Bus) {
    let mut paper = bus.signals(options("engine-paper-main", 60_000)).await.expect("signals");
    let mut live = bus.signals(options("engine-live-main", 60_000)).await.expect("signals");
    send(bus, "a").await;
    assert_eq!((next_text(&mut paper).await, next_text(&mut live).await), ("a".to_owned(), "a".to_owned()));
}

async fn no_more_signals_are_in_flight_than_allowed(bus: &dyn Bus) {
    let options = SignalsOptions { in_flight_max: 2, ..options("engine", 60_000) };
    let mut source = bus.signals(options).await.expect("signals");
    for number in 1..=3 {
        send(bus, &number.to_string()).await;
    }
    let (first, _second) = (next(&mut source).await, next(&mut source).await);
    let early = tokio::time::timeout(Duration::from_millis(300), source.next()).await;
    assert!(early.is_err(), "a third signal came before the first was acknowledged");
    first.ack().await.expect("ack");
    assert_eq!(next_text(&mut source).await, "3");
}

async fn poison_is_delivered_whole_and_a_bomb_is_refused(bus: &dyn Bus) {
    let mut source = bus.signals(options("engine", 60_000)).await.expect("signals");
    let poison = Bytes::from((0..SIGNAL_BYTES_MAX).map(|byte| (byte % 251) as u8).collect::<Vec<u8>>());
    for raw in [Bytes::new(), Bytes::from_static(&[0xff, 0xfe, 0x00]), poison] {
        bus.publish_signal("signals.kalshi", raw.clone()).await.expect("signal kept");
        let delivery = next(&mut source).await;
        assert!(delivery.raw == raw, "{} bytes came of {}", delivery.raw.len(), raw.len());
        delivery.ack().await.expect("ack");
    }
    let bomb = Bytes::from(vec![0; SIGNAL_BYTES_MAX + 1]);
    assert!(matches!(bus.publish_signal("signals.kalshi", bomb.clone()).await, Err(BusError::TooLarge { .. })));
    // Sent past our own check, the stream refuses it, too.
    bus.publish("signals.kalshi", bomb, None).await.expect("publish");
    send(bus, "after").await;
    assert_eq!(next_text(&mut source).await, "after");
    let huge = bus.publish("events.paper.main", Bytes::from(vec![0; 2 * 1024 * 1024]), None).await;
    assert!(matches!(huge, Err(BusError::TooLarge { bytes: 2_097_152, .. })), "{huge:?}");
}

async fn bad_options_are_refused(bus: &dyn Bus) {
    for bad in [
        SignalsOptions { durable: "engine.paper".to_owned(), ..options("engine", 1) },
        SignalsOptions { filter_subjects: vec![], ..options("engine", 1) },
        SignalsOptions { redeliver_after_ms: vec![], ..options("engine", 1) },
        SignalsOptions { in_flight_max: 0, ..options("engine", 1) },
    ] {
        assert!(matches!(bus.signals(bad).await, Err(BusError::Misconfigured(_))));
    }
}
