//! One owner: who was stopped past its lease and goes on sends nothing (S56); and a log that is older than the venue.

use std::fs;

use arbees::clock::Clock;
use arbees::crash_points::Point;
use serde_json::Value;

use crate::arbees::{Place, copy};
use crate::load::wish;
use crate::support::until;
use crate::venues::{Double, ticker, token};
use crate::world::{Role, World};

/// An order that is filled at once; market number 0.
fn taking(id: &str, at_kalshi: bool) -> Value {
    let mut signal = wish(id, u64::from(!at_kalshi), &Clock::system().now().wall.to_string());
    let (name, value) = if at_kalshi { ("market_id", ticker(0)) } else { ("token_id", token(0)) };
    signal[name] = value.into();
    signal
}

async fn send(world: &World, signal: &Value, at_kalshi: bool) {
    world.publish(if at_kalshi { "signals.kalshi" } else { "signals.polymarket" }, signal).await;
}

/// What `explain` says of the signal's order at this engine, once it has this state.
async fn becomes(place: &Place, id: &str, state: &str) -> Value {
    until(&format!("the order of {id} to be {state}"), async || {
        let (_, story) = place.get(&format!("/api/explain/{}", id.replace(' ', "%20"))).await?;
        (story["orders"][0]["state"] == state).then_some(story)
    })
    .await
}

/// Requests that change something, by everybody so far.
async fn writes(double: &Double) -> usize {
    let rows = double.admin("GET", "/requests", Value::Null).await;
    let writes = |row: &&Value| row["method"] != "GET" && row["call"] != "heartbeats" && row["call"] != "heartbeat";
    rows.as_array().expect("rows").iter().filter(writes).count()
}

/// Stands still at this point because of what was sent, without a word to anybody.
async fn stopped_at(world: &mut World, role: Role, point: Point, signal: (&Value, bool)) {
    world.process(role).kill();
    world.revive(role, Some(&format!("{}:1:stop", point.name()))).await;
    world.place.ready().await;
    send(world, signal.0, signal.1).await;
    let reached = format!("crash point {} reached", point.name());
    let lines = async || world.process(role).lines().contains(&reached).then_some(());
    until(&reached, lines).await;
}

/// A second engine with a copy of the first one's log and the same account takes over what was stopped at its socket.
async fn whoever_was_stopped_at_its_socket_sends_nothing(point: Point, at_kalshi: bool) {
    let mut world = World::start(&[]).await;
    send(&world, &taking("before", at_kalshi), at_kalshi).await;
    becomes(&world.place, "before", "filled").await;
    stopped_at(&mut world, Role::Engine, point, (&taking("stopped", at_kalshi), at_kalshi)).await;

    let second = world.second("second");
    copy(&world.place.mode_dir(), &second.mode_dir());
    let mut heir = second.start(&["run", "--role", "engine"]);
    // The lease has to run out first.
    second.ready().await;
    send(&world, &taking("after", at_kalshi), at_kalshi).await;
    becomes(&second, "after", "filled").await;
    becomes(&second, "stopped", "unknown").await;
    let double = if at_kalshi { &world.kalshi } else { &world.polymarket };
    let (sent, written) = (double.creates().await, writes(double).await);
    assert_eq!(sent.values().sum::<u64>(), 2, "before and after; not the one in between");

    world.engine.signal("CONT");
    assert_eq!(world.engine.exit_code(), 3, "it halts: {}", world.engine.lines());
    assert_eq!((double.creates().await, writes(double).await), (sent, written), "{}", world.engine.lines());
    send(&world, &taking("again", at_kalshi), at_kalshi).await;
    becomes(&second, "again", "filled").await;
    assert_eq!(heir.stop(), 4, "the fate of what was stopped is still to be proven");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s56_stopped_past_its_lease_at_kalshis_socket_an_engine_sends_nothing_more() {
    whoever_was_stopped_at_its_socket_sends_nothing(Point::KalshiSubmitBefore, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s56_stopped_past_its_lease_at_polymarkets_socket_an_engine_sends_nothing_more() {
    whoever_was_stopped_at_its_socket_sends_nothing(Point::PolymarketSubmitBefore, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s56_stopped_past_its_lease_a_risk_consumer_answers_nothing_more() {
    let mut world = World::start(&[]).await;
    stopped_at(&mut world, Role::Risk, Point::RiskAnswerBefore, (&taking("unanswered", true), true)).await;
    let mut heir = world.place.start(&["run", "--role", "risk"]);
    world.place.not_ready("risk consumer is silent").await;
    world.place.ready().await;
    send(&world, &taking("judged", true), true).await;
    becomes(&world.place, "judged", "filled").await;

    world.risk.signal("CONT");
    assert_eq!(world.risk.exit_code(), 3, "{}", world.risk.lines());
    assert!(world.risk.lines().contains("this risk consumer has ended: lease risk.demo.main"), "{}", world.risk.lines());
    send(&world, &taking("judged too", true), true).await;
    becomes(&world.place, "judged too", "filled").await;
    let story = world.place.get("/api/explain/unanswered").await.expect("a story").1;
    assert_eq!(story["answer"], "vetoed", "{story}");
    assert_eq!((world.engine.stop(), heir.stop()), (0, 0));
    assert_eq!(world.place.json(&["verify", "--json"])["good"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_older_than_the_venues_and_opens_nothing_until_somebody_has_looked() {
    let mut world = World::start(&[]).await;
    for at_kalshi in [true, false] {
        let id = format!("kept {at_kalshi}");
        send(&world, &taking(&id, at_kalshi), at_kalshi).await;
        becomes(&world.place, &id, "filled").await;
    }
    assert_eq!(world.engine.stop(), 0);
    let (live, backup) = (world.place.mode_dir(), world.place.dir.join("backup"));
    copy(&live, &backup);
    world.start_one(Role::Engine, None);
    world.place.ready().await;
    for at_kalshi in [true, false] {
        let id = format!("forgotten {at_kalshi}");
        send(&world, &taking(&id, at_kalshi), at_kalshi).await;
        becomes(&world.place, &id, "filled").await;
    }
    assert_eq!((world.engine.stop(), world.risk.stop()), (0, 0));
    for folder in ["journal", "sled"] {
        fs::remove_dir_all(live.join(folder)).expect("the newer log");
        copy(&backup.join(folder), &live.join(folder));
    }
    let before = [world.kalshi.creates().await, world.polymarket.creates().await];
    for role in [Role::Engine, Role::Risk] {
        world.start_one(role, None);
    }
    let stopped = until("both venues to be stopped", async || {
        let (_, status) = world.place.get("/api/status").await?;
        let breakers = status["breakers"].as_array()?;
        let older = |venue: &str| {
            breakers.iter().any(|one| one["scope"] == format!("venue:{venue}") && one["reason"] == "history_diverged").then_some(())
        };
        older("kalshi").and(older("polymarket"))
    });
    stopped.await;
    world.place.ready().await;
    for at_kalshi in [true, false] {
        // The strategy says it once more, and says something new: neither is sent.
        for id in [format!("forgotten {at_kalshi}"), format!("new {at_kalshi}")] {
            send(&world, &taking(&id, at_kalshi), at_kalshi).await;
            let vetoed = async || {
                let (_, story) = world.place.get(&format!("/api/explain/{}", id.replace(' ', "%20"))).await?;
                (story["answer"] == "vetoed" && story["reasons"].to_string().contains("breaker_open")).then_some(())
            };
            until(&format!("a veto of {id}"), vetoed).await;
        }
    }
    assert_eq!([world.kalshi.creates().await, world.polymarket.creates().await], before);

    // Somebody has looked: what the venues have is counted already, and trading goes on.
    for venue in ["kalshi", "polymarket"] {
        world.place.good(&["breaker", "reset", &format!("venue:{venue}"), "--reason", "looked"]);
    }
    for (market, at_kalshi) in [(1, true), (1, false)] {
        let (id, mut signal) = (format!("afterwards {at_kalshi}"), taking("", at_kalshi));
        signal["signal_id"] = id.clone().into();
        let (name, value) = if at_kalshi { ("market_id", ticker(market)) } else { ("token_id", token(market)) };
        signal[name] = value.into();
        send(&world, &signal, at_kalshi).await;
        becomes(&world.place, &id, "filled").await;
    }
}
