//! kill -9 and SIGSTOP under load, again and again, of engine, risk consumer and nats-server, at named points and at
//! random moments; afterwards everything is counted. `./run kill-loop N`; `KILLS` and `KILL_SEED` in the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use arbees::crash_points::Point;

use crate::counting::count;
use crate::load::Load;
use crate::points::{is_at_the_end, passers};
use crate::support::until;
use crate::world::{Role, World};

/// In an ordinary test run.
const KILLS: usize = 20;
const SIGNALS_PER_SECOND: u64 = 240;
/// Of a run by name (`./run kill-loop`). An ordinary test run tells its rate and judges only what was lost or doubled: a slow disk
/// beside other work is no finding about the engine.
const SIGNALS_PER_SECOND_MIN: u128 = 200;
const SIGNALS_PER_SECOND_WHILE_DOWN: u64 = 25;
/// A point on which nothing passes for so long is left for a random moment.
const DIES_WITHIN: Duration = Duration::from_secs(15);
/// Longer than a lease lives.
const LONG_STOP: Duration = Duration::from_millis(11_000);

/// SplitMix64: the same seed gives the same blows.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    At(Role, Point),
    Kill(Role),
    StopAndGoOn(Role),
    StopAndKill(Role),
    /// Past its lease.
    StopLong(Role),
    KillNats,
    StopNats,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(role, point) => write!(f, "{role:?} at {}", point.name()),
            Self::Kill(role) => write!(f, "{role:?}, kill -9 at a random moment"),
            Self::StopAndGoOn(role) => write!(f, "{role:?}, SIGSTOP for a while, then SIGCONT"),
            Self::StopAndKill(role) => write!(f, "{role:?}, SIGSTOP for a while, then kill -9"),
            Self::StopLong(role) => write!(f, "{role:?}, SIGSTOP past its lease, then SIGCONT"),
            Self::KillNats => write!(f, "nats-server, kill -9"),
            Self::StopNats => write!(f, "nats-server, SIGSTOP for a while, then SIGCONT"),
        }
    }
}

struct Loop {
    world: World,
    load: Load,
    dice: Dice,
    /// Shuffled; taken from the end, and filled again.
    points: Vec<(Role, Point)>,
    /// Drawn ahead, so that who starts again is armed for it.
    upcoming: Option<Blow>,
    /// Which process is to die where.
    armed: Option<(Role, Point)>,
    dealt: BTreeMap<Blow, usize>,
    missed: Vec<&'static str>,
    kills: usize,
    fast_for: Duration,
    fast_count: u64,
}

impl Loop {
    fn next(&mut self) -> Blow {
        self.upcoming.take().unwrap_or_else(|| self.draw())
    }

    fn draw(&mut self) -> Blow {
        let role = if self.dice.roll(3) == 0 { Role::Risk } else { Role::Engine };
        match self.dice.roll(20) {
            0..12 => self.next_point(),
            12..15 => Blow::Kill(role),
            15 => Blow::StopAndGoOn(role),
            16 => Blow::StopAndKill(role),
            17 => [Blow::StopAndGoOn(role), Blow::StopLong(role)][self.dice.roll(2) as usize],
            18 => Blow::KillNats,
            _ => Blow::StopNats,
        }
    }

    fn next_point(&mut self) -> Blow {
        if self.points.is_empty() {
            self.points = Point::ALL
                .iter()
                .filter(|point| !is_at_the_end(point))
                .flat_map(|point| passers(*point).iter().map(|role| (*role, *point)))
                .collect();
            for at in (1..self.points.len()).rev() {
                self.points.swap(at, self.dice.roll(at as u64 + 1) as usize);
            }
        }
        let (role, point) = self.points.pop().expect("points");
        Blow::At(role, point)
    }

    fn note(&mut self, blow: Blow) {
        *self.dealt.entry(blow).or_default() += 1;
        self.kills += 1;
    }

    /// At full speed for a while, the blow, and everybody up again.
    async fn deal(&mut self, blow: Blow) {
        match blow {
            Blow::At(role, point) => self.die_at(role, point).await,
            Blow::Kill(role) => {
                self.run_fast(200).await;
                self.world.process(role).kill();
                self.note(blow);
                self.revive(role).await;
            }
            Blow::StopAndGoOn(role) | Blow::StopAndKill(role) | Blow::StopLong(role) => self.stop(blow, role).await,
            Blow::KillNats | Blow::StopNats => self.nats(blow).await,
        }
    }

    /// Both in full work, for so long at the least.
    async fn run_fast(&mut self, ms_min: u64) {
        let (began, from) = (Instant::now(), self.load.count());
        let enough = 40 + self.dice.roll(60);
        while self.load.count() < from + enough || began.elapsed() < Duration::from_millis(ms_min) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.fast_for += began.elapsed();
        self.fast_count += self.load.count() - from;
    }

    async fn die_at(&mut self, role: Role, point: Point) {
        if self.armed.take() != Some((role, point)) {
            self.world.process(role).kill();
            self.note(Blow::Kill(role));
            let arming = self.arming(point);
            self.world.revive(role, Some(&arming)).await;
        }
        let (began, from) = (Instant::now(), self.load.count());
        self.load.pace(SIGNALS_PER_SECOND);
        let dead = self.world.is_dead_within(role, point, DIES_WITHIN).await;
        self.fast_for += began.elapsed();
        self.fast_count += self.load.count() - from;
        if dead {
            self.note(Blow::At(role, point));
        } else {
            self.missed.push(point.name());
            self.world.process(role).kill();
            self.note(Blow::Kill(role));
        }
        self.revive(role).await;
    }

    fn arming(&mut self, point: Point) -> String {
        let rare = ["start_", "lease_", "look_up_", "account_", "dead_", "kalshi_cancel", "polymarket_cancel"]
            .iter()
            .any(|prefix| point.name().starts_with(prefix));
        let pass = if rare { 1 } else { 1 + self.dice.roll(30) };
        format!("{}:{pass}", point.name())
    }

    /// Up again, most often with its leases taken away from the dead one, sometimes once they have run out.
    async fn revive(&mut self, role: Role) {
        self.load.pace(SIGNALS_PER_SECOND_WHILE_DOWN);
        let next = self.upcoming.take().unwrap_or_else(|| self.draw());
        self.upcoming = Some(next);
        if let Blow::At(whose, point) = next
            && whose == role
        {
            // It may die long before it is up.
            let arming = self.arming(point);
            self.armed = Some((role, point));
            return self.world.revive(role, Some(&arming)).await;
        }
        self.revive_unarmed(role).await;
    }

    async fn revive_unarmed(&mut self, role: Role) {
        if self.dice.roll(12) == 0 {
            self.world.start_one(role, None);
        } else {
            self.world.revive(role, None).await;
        }
        self.up().await;
    }

    /// Nobody is armed any more.
    async fn disarm(&mut self) {
        if let Some((role, _)) = self.armed.take() {
            self.world.process(role).kill();
            self.note(Blow::Kill(role));
            self.revive_unarmed(role).await;
        }
    }

    /// The cheap check after each life: everybody is there, and no breaker has found anything.
    async fn up(&mut self) {
        self.world.place.ready().await;
        let status = until("the status", async || self.world.place.get("/api/status").await.map(|(_, status)| status)).await;
        assert_eq!(status["breakers"], serde_json::json!([]), "{status}");
        self.load.pace(SIGNALS_PER_SECOND);
    }

    async fn stop(&mut self, blow: Blow, role: Role) {
        self.run_fast(200).await;
        self.world.process(role).signal("STOP");
        let pause = if matches!(blow, Blow::StopLong(_)) { LONG_STOP } else { self.dice.ms(50, 2_000) };
        self.load.pace(SIGNALS_PER_SECOND_WHILE_DOWN);
        tokio::time::sleep(pause).await;
        self.note(blow);
        match blow {
            Blow::StopAndKill(_) => {
                self.world.process(role).kill();
                self.revive(role).await;
            }
            Blow::StopLong(_) => {
                self.world.process(role).signal("CONT");
                // Nobody has taken its lease, but it can't know that: it ends, or renews what is still there.
                if self.ends(role).await {
                    assert_eq!(self.world.process(role).exit_code(), 3, "halted\n{}", self.world.process(role).lines());
                    // It may be armed, and dead before it is up.
                    return self.revive(role).await;
                }
                self.up().await;
            }
            _ => {
                self.world.process(role).signal("CONT");
                self.up().await;
            }
        }
    }

    /// Whether it ends within two renewals.
    async fn ends(&mut self, role: Role) -> bool {
        let began = Instant::now();
        while self.world.process(role).lives() && began.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        !self.world.process(role).lives()
    }

    async fn nats(&mut self, blow: Blow) {
        self.run_fast(200).await;
        let pause = self.dice.ms(20, 1_500);
        if blow == Blow::KillNats {
            self.world.server.kill();
            tokio::time::sleep(pause).await;
            self.world.server.run();
        } else {
            self.world.server.signal("STOP");
            tokio::time::sleep(pause).await;
            self.world.server.signal("CONT");
        }
        self.note(blow);
        self.up().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_stopped_again_and_again_nothing_is_lost_and_nothing_happens_twice() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")));
    let by_name = number("KILLS");
    let kills = by_name.map_or(KILLS, |kills| kills as usize);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let seed = number("KILL_SEED").unwrap_or(now);
    eprintln!("kill-loop: {kills} kills, KILL_SEED={seed}");
    let world = World::start(&[]).await;
    let load = Load::start(&world.server.url(), SIGNALS_PER_SECOND).await;
    let (points, missed, dealt) = (Vec::new(), Vec::new(), BTreeMap::new());
    let (fast_for, began) = (Duration::ZERO, Instant::now());
    let mut all =
        Loop { world, load, dice: Dice(seed), points, upcoming: None, armed: None, dealt, missed, kills: 0, fast_for, fast_count: 0 };
    while all.kills < kills {
        let blow = all.next();
        eprintln!("kill-loop: {:>5.1} s, {:>3} of {kills}: {blow}", began.elapsed().as_secs_f64(), all.kills + 1);
        all.deal(blow).await;
    }
    all.disarm().await;
    all.run_fast(1_000).await;
    let Loop { mut world, load, dealt, missed, kills, fast_for, fast_count, .. } = all;
    let published = load.end().await;
    let counted = count(&mut world, &published).await;
    let rate = u128::from(fast_count) * 1_000 / fast_for.as_millis().max(1);
    eprintln!(
        "\nkill-loop, KILL_SEED={seed}: {kills} blows in {:.0} s, {rate} signals a second between them",
        began.elapsed().as_secs_f64()
    );
    for (blow, times) in &dealt {
        eprintln!("  {times:>4}  {blow}");
    }
    if !missed.is_empty() {
        eprintln!("  not passed within {DIES_WITHIN:?}, killed at a random moment instead: {missed:?}");
    }
    eprintln!("{counted}");
    assert!(counted.is_good(), "{counted}");
    assert!(by_name.is_none() || rate >= SIGNALS_PER_SECOND_MIN, "only {rate} signals a second");
}
