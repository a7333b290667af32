//! Death at each named point, one by one, and what is there afterwards: S15 to S18.

use std::collections::BTreeSet;

use arbees::config::from_sources;
use arbees::crash_points::Point;
use serde_json::{Value, json};

use crate::arbees::{Place, Process};
use crate::counting::{count, count_log};
use crate::load::{Load, wish};
use crate::support::{NatsServer, until};
use crate::venues::{Double, ticker, token};
use crate::world::{Role, UNLIMITED, World};

const SIGNALS_PER_SECOND: u64 = 80;

/// Who passes through a point that doesn't lie on paper; both where leases are concerned.
pub fn passers(point: Point) -> &'static [Role] {
    let name = point.name();
    match point {
        Point::StartLeaseTaken | Point::LeaseRenewBefore | Point::LeaseRenewAfter => &[Role::Engine, Role::Risk],
        _ if name.starts_with("risk_") => &[Role::Risk],
        _ if on_paper(&point) => &[],
        _ => &[Role::Engine],
    }
}

pub fn on_paper(point: &Point) -> bool {
    point.name().starts_with("paper_")
}

/// Only who ends by itself passes there.
pub fn is_at_the_end(point: &Point) -> bool {
    point.name().starts_with("stop_")
}

/// A venue with its kinds of signals: one that takes, one that rests.
#[derive(Clone, Copy, Debug)]
enum At {
    Kalshi,
    Polymarket,
}

impl At {
    fn points(self) -> (Point, Point) {
        match self {
            Self::Kalshi => (Point::KalshiSubmitBefore, Point::KalshiSubmitAfter),
            Self::Polymarket => (Point::PolymarketSubmitBefore, Point::PolymarketSubmitAfter),
        }
    }

    fn double(self, world: &World) -> &Double {
        match self {
            Self::Kalshi => &world.kalshi,
            Self::Polymarket => &world.polymarket,
        }
    }

    async fn creates(self, world: &World) -> u64 {
        self.double(world).creates().await.values().sum()
    }

    /// One signal; resting ones live for 25 s.
    async fn send(self, world: &World, id: &str, rests: bool) {
        let now = arbees::clock::Clock::system().now().wall.to_string();
        let kind = u64::from(matches!(self, Self::Polymarket)) + if rests { 2 } else { 0 };
        let mut signal = wish(id, kind, &now);
        if rests {
            signal["ttl_ms"] = 25_000.into();
        }
        let (subject, name, value) = match self {
            Self::Kalshi => ("signals.kalshi", "market_id", ticker(0)),
            Self::Polymarket => ("signals.polymarket", "token_id", token(0)),
        };
        signal[name] = value.into();
        world.publish(subject, &signal).await;
    }
}

/// The order of a signal, once it is in this state.
async fn order(world: &World, id: &str, state: &str) -> Value {
    until(&format!("the order of {id} to be {state}"), async || {
        let (_, story) = world.place.get(&format!("/api/explain/{id}")).await?;
        let order = story["orders"][0].clone();
        (order["state"] == state).then_some(order)
    })
    .await
}

/// One signal to an engine that dies at this point because of it, and another one after it. Returns the sends before.
async fn killed_by_one(world: &mut World, at: At, point: Point, id: &str, rests: bool) -> u64 {
    world.engine.kill();
    world.revive(Role::Engine, Some(&format!("{}:1", point.name()))).await;
    world.place.ready().await;
    let before = at.creates(world).await;
    at.send(world, id, rests).await;
    world.dies(Role::Engine, point).await;
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_killed_between_the_append_and_the_socket_what_cannot_rest_is_never_sent_and_what_rests_only_after_a_look_up() {
    let mut world = World::start(&[]).await;
    for at in [At::Kalshi, At::Polymarket] {
        for rests in [false, true] {
            let id = format!("s15-{at:?}-{rests}");
            let before = killed_by_one(&mut world, at, at.points().0, &id, rests).await;
            assert_eq!(at.creates(&world).await, before, "{id}: it died before the socket");
            world.revive(Role::Engine, None).await;
            world.place.ready().await;
            let order = order(&world, &id, if rests { "working" } else { "unknown" }).await;
            assert_eq!(at.creates(&world).await, before + u64::from(rests), "{id}: {order}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_killed_between_the_answer_and_its_append_the_order_is_found_and_not_sent_again() {
    let mut world = World::start(&[]).await;
    for at in [At::Kalshi, At::Polymarket] {
        for (point, rests) in [(at.points().1, false), (at.points().1, true), (Point::SubmitAnswered, false)] {
            let id = format!("s16-{at:?}-{}-{rests}", point.name());
            let before = killed_by_one(&mut world, at, point, &id, rests).await;
            assert_eq!(at.creates(&world).await, before + 1, "{id}: the venue has answered");
            world.revive(Role::Engine, None).await;
            world.place.ready().await;
            let order = order(&world, &id, if rests { "working" } else { "filled" }).await;
            assert_eq!(at.creates(&world).await, before + 1, "{id}: {order}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_killed_between_any_append_of_a_fill_and_its_publication_the_position_is_there_once() {
    let mut world = World::start(&[]).await;
    let mut published = BTreeSet::new();
    // A session begins with some records; behind them come those of the order, its answer and its fill, one more each time.
    for pass in 4..12 {
        for at in [At::Kalshi, At::Polymarket] {
            let id = format!("s17-{at:?}-{pass}");
            at.send(&world, &id, false).await;
            published.insert(id);
        }
        world.engine.kill();
        world.revive(Role::Engine, Some(&format!("publish_before:{pass}"))).await;
        world.dies(Role::Engine, Point::PublishBefore).await;
    }
    world.revive(Role::Engine, None).await;
    world.place.ready().await;
    let counted = count(&mut world, &published).await;
    assert!(counted.is_good(), "{counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_dying_at_each_named_point_loses_nothing_and_doubles_nothing() {
    let mut world = World::start(&[]).await;
    let load = Load::start(&world.server.url(), SIGNALS_PER_SECOND).await;
    let all = Point::ALL.iter().flat_map(|point| passers(*point).iter().map(move |role| (*role, *point)));
    let mut dead = None;
    for (role, point) in all {
        match dead {
            Some(other) if other != role => {
                world.revive(other, None).await;
                world.process(role).kill();
            }
            Some(_) => {}
            None => world.process(role).kill(),
        }
        world.revive(role, Some(&format!("{}:1", point.name()))).await;
        if is_at_the_end(&point) {
            world.place.ready().await;
            world.process(role).signal("TERM");
        }
        world.dies(role, point).await;
        dead = Some(role);
    }
    world.revive(dead.expect("points"), None).await;
    world.place.ready().await;
    let published = load.end().await;
    let counted = count(&mut world, &published).await;
    eprintln!("{counted}");
    assert!(counted.is_good(), "{counted}");
}

/// On paper the exchange dies with the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_dying_at_each_point_of_the_paper_exchange_loses_nothing_and_doubles_nothing() {
    let server = NatsServer::start();
    let more = [
        ("MAX_ORDERS_PER_MINUTE", "100000"),
        ("MAX_ORDERS_PER_HOUR", "1000000"),
        ("MAX_UNKNOWN_AGE_MS", "86400000"),
        ("MAX_CONSECUTIVE_ERRORS", "1000"),
    ];
    let more = more.into_iter().chain([("DUPLICATE_INTENT_MS", "0"), ("SUBMIT_STALE_AFTER_MS", "1000")]);
    let place = UNLIMITED.map(|name| (name, "1000000")).into_iter().chain(more);
    let place = place.fold(Place::new(&server.url()), |place, (name, value)| place.with(name, value));
    let load = Load::start(&server.url(), SIGNALS_PER_SECOND).await;
    for point in Point::ALL.iter().filter(|point| on_paper(point)) {
        let armed = format!("ARBEES_CRASH_AT={}:2", point.name());
        let mut process = place.start_under(&["env", &armed], &["run"]);
        let what = format!("death at {}", point.name());
        until(&what, async || (!process.lives()).then_some(())).await;
        assert!(process.lines().contains(&format!("crash point {} reached", point.name())), "{}", process.lines());
    }
    let mut process = place.start(&["run"]);
    place.ready().await;
    let published = load.end().await;
    drained(&server, &place, &mut process).await;
    let settings = [("DATA_DIR", place.dir.display().to_string()), ("NATS_URL", server.url())];
    let config = from_sources(&settings.map(|(name, value)| (name.to_owned(), value)).into(), None).expect("settings");
    let counted = count_log(&config, &published).await;
    assert!(counted.is_good() && counted.fills > 0, "{counted}");
    assert_eq!(place.json(&["verify", "--json"])["good"], json!(true));
}

/// Until nothing is pending and no order is open; then ends the process.
async fn drained(server: &NatsServer, place: &Place, process: &mut Process) {
    let started = std::time::Instant::now();
    while crate::world::pending(server, "engine-paper-main").await != Some(0) {
        assert!(started.elapsed() < crate::counting::SETTLED_WITHIN, "signals stay unanswered");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    until("no open order", async || {
        let (_, rows) = place.get("/api/orders?state=live&limit=1000").await?;
        rows.as_array().filter(|rows| rows.is_empty()).map(drop)
    })
    .await;
    assert_eq!(process.stop(), 0);
}
