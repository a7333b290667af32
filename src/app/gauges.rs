//! What stands still between two looks: set when somebody scrapes, from one look at the fold and what the process knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::desk::LiveDesk;
use crate::audit::views::{self, ExposureView, PnlView};
use crate::bus::Link;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::event::Scope;
use crate::domain::ids::LogId;
use crate::domain::market::Venue;
use crate::domain::money::Usd;
use crate::domain::report::VenueMode;
use crate::domain::time::{Mono, Time};
use crate::engine::Engine;
use crate::metrics::{Metrics, names};
use crate::venues::clock_skew::SkewBounds;
use crate::venues::onlooker::Onlooker;
use crate::workers::lease::Lease;

const STATES: [&str; 10] =
    ["requested", "vetoed", "submitting", "unknown", "working", "filled", "rejected", "not_placed", "canceled", "expired"];
const MODES: [VenueMode; 7] = [
    VenueMode::Off,
    VenueMode::Reconciling,
    VenueMode::Open,
    VenueMode::CloseOnly,
    VenueMode::CancelOnly,
    VenueMode::PostOnly,
    VenueMode::Halted,
];

/// What a venue's client knows of itself.
pub struct ClientFacts {
    /// Whole requests that may go out now, by bucket.
    pub left: Vec<(&'static str, i64)>,
    pub heard_at: Option<Mono>,
    /// How far the clocks are apart at least.
    pub skew_ms: Option<i64>,
}

impl ClientFacts {
    pub fn of(left: Vec<(&'static str, i64)>, onlooker: &Onlooker, skew: Option<SkewBounds>) -> Self {
        Self { left, heard_at: onlooker.heard_at(), skew_ms: skew.map(SkewBounds::at_least_ms) }
    }
}

pub type ClientLook = Box<dyn Fn() -> ClientFacts + Send + Sync>;

pub struct Gauges {
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub clients: Vec<(Venue, ClientLook)>,
    pub leases: Vec<Arc<Lease>>,
    pub last_signal: watch::Receiver<Option<Time>>,
    /// The last replay that was asked for gave another state.
    pub replay_differs: AtomicBool,
    folder: PathBuf,
    began: Time,
}

/// What is read of the engine.
struct Seen {
    seq: u64,
    halted: bool,
    killed: bool,
    questions: usize,
    warnings: u64,
    orders: BTreeMap<(Venue, &'static str), u64>,
    unknown_since: Vec<Option<Time>>,
    breakers: Vec<(&'static str, &'static str)>,
    exposure: ExposureView,
    pnl: PnlView,
    venues: Vec<VenueSeen>,
    /// Folded cash, and what the last count left unexplained.
    cash: Vec<(Venue, Usd, Option<Usd>)>,
    limits: Option<[Usd; 4]>,
}

struct VenueSeen {
    venue: Venue,
    mode: VenueMode,
    proven_through: Option<Time>,
    diverged: usize,
    stated_cash: Option<Usd>,
}

impl Seen {
    fn at(engine: &Engine) -> Self {
        let book = engine.book();
        let venue = |(venue, record): (Venue, &crate::projections::VenueRecord)| VenueSeen {
            venue,
            mode: record.mode,
            proven_through: record.proven_through,
            diverged: record.diverged.len(),
            stated_cash: record.stated_cash,
        };
        let breaker = |(scope, trip): (&Scope, &crate::projections::Trip)| {
            let kind = match scope {
                Scope::Global => "global",
                Scope::Venue(_) => "venue",
                Scope::Game(_) => "game",
                Scope::Market(_) => "market",
            };
            (kind, if trip.probe.is_some() { "half-open" } else { "open" })
        };
        let mut orders = BTreeMap::new();
        for record in book.orders.iter() {
            *orders.entry((record.order.instrument.venue, record.state.as_str())).or_default() += 1;
        }
        Self {
            seq: book.seq,
            halted: engine.halted().is_some(),
            killed: engine.is_killed(),
            questions: engine.questions_open(),
            warnings: engine.warnings(),
            orders,
            unknown_since: book.orders.unknown().map(|record| record.unknown_since).collect(),
            breakers: book.breakers.open().map(breaker).collect(),
            exposure: views::exposure(book),
            pnl: views::pnl(book),
            venues: book.venues.iter().map(venue).collect(),
            cash: book
                .cash
                .accounts()
                .map(|(venue, account)| (venue, account.cash, account.counted.as_ref().map(|count| count.unexplained)))
                .collect(),
            limits: book
                .limits
                .as_ref()
                .map(|limits| [limits.total_exposure_max, limits.venue_exposure_max, limits.game_exposure_max, limits.sport_exposure_max]),
        }
    }
}

impl Gauges {
    pub fn new(
        config: &Config,
        metrics: Arc<Metrics>,
        clock: &Clock,
        log_id: LogId,
        clients: Vec<(Venue, ClientLook)>,
        leases: Vec<Arc<Lease>>,
        last_signal: watch::Receiver<Option<Time>>,
    ) -> Self {
        let (hash, id) = (config.config_hash().to_string(), log_id.to_string());
        let (mode, instance) = (config.mode.as_str(), config.instance.to_string());
        let info =
            [("version", env!("CARGO_PKG_VERSION")), ("mode", mode), ("instance", &instance), ("config_hash", &hash), ("log_id", &id)];
        metrics.set(names::BUILD_INFO, &info, 1);
        let began = clock.now().wall;
        metrics.set_seconds(names::START_TIME, &[], began.nanos());
        let (clock, folder, replay_differs) = (clock.clone(), config.mode_dir(), AtomicBool::new(false));
        Self { metrics, clock, clients, leases, last_signal, replay_differs, folder, began }
    }

    /// Everything as of now. An engine that has ended shows so.
    pub async fn refresh(&self, desk: &LiveDesk) {
        let ready = desk.reasons().await.is_empty();
        self.metrics.set(names::READY, &[], u8::from(ready));
        match desk.engine.query(Seen::at).await {
            Some(seen) => self.of_fold(desk, &seen),
            None => self.metrics.set(names::HALTED, &[], 1),
        }
        self.of_answers(desk);
        self.of_bus(desk);
        self.of_disk(desk);
        self.of_clients();
    }

    fn of_fold(&self, desk: &LiveDesk, seen: &Seen) {
        let (metrics, now) = (&self.metrics, self.clock.now().wall);
        let flag = |metric, on: bool| metrics.set(metric, &[], u8::from(on));
        flag(names::HALTED, seen.halted);
        flag(names::KILL_ON, seen.killed);
        flag(names::LOG_WRITABLE, desk.log.failed().is_none() && !seen.halted);
        flag(names::REPLAY_DIFFERS, self.replay_differs.load(Ordering::Relaxed));
        metrics.set(names::VERDICTS_WAITING, &[], seen.questions);
        metrics.counted(names::SIGNAL_WARNINGS, &[], seen.warnings);
        metrics.set(names::LOG_RECORDS, &[], seen.seq);
        for venue in [Venue::Kalshi, Venue::Polymarket, Venue::Paper] {
            for state in STATES {
                let count = seen.orders.get(&(venue, state)).copied().unwrap_or(0);
                metrics.set(names::ORDERS, &[("venue", venue.as_str()), ("state", state)], count);
            }
        }
        metrics.set(names::UNKNOWN, &[], seen.unknown_since.len());
        let oldest = seen.unknown_since.iter().flatten().min().map_or(0, |since| now.nanos().saturating_sub(since.nanos()));
        metrics.set_seconds(names::UNKNOWN_AGE, &[], oldest);
        for kind in ["global", "venue", "game", "market"] {
            for state in ["open", "half-open"] {
                let count = seen.breakers.iter().filter(|known| **known == (kind, state)).count();
                metrics.set(names::BREAKERS, &[("kind", kind), ("state", state)], count);
            }
        }
        self.of_money(seen, now);
    }

    fn of_money(&self, seen: &Seen, now: Time) {
        let metrics = &self.metrics;
        let exposure = |scope: &str, worst: Usd| metrics.set(names::EXPOSURE, &[("scope", scope)], worst);
        let largest = |groups: &[views::GroupExposure]| groups.iter().map(|group| group.worst).max().unwrap_or_default();
        exposure("total", seen.exposure.total.worst);
        exposure("largest_game", largest(&seen.exposure.games));
        exposure("largest_sport", largest(&seen.exposure.sports));
        for venue in [Venue::Kalshi, Venue::Polymarket, Venue::Paper] {
            let of_venue = seen.exposure.venues.iter().find(|group| group.name == venue.as_str());
            exposure(venue.as_str(), of_venue.map(|group| group.worst).unwrap_or_default());
        }
        for (scope, limit) in ["total", "venue", "game", "sport"].into_iter().zip(seen.limits.into_iter().flatten()) {
            metrics.set(names::EXPOSURE_LIMIT, &[("scope", scope)], limit);
        }
        if let Some(day) = &seen.pnl.day {
            metrics.set(names::DAILY_PNL, &[], day.pnl);
            if let Some(limit) = day.limit {
                metrics.set(names::DAILY_LOSS_LIMIT, &[], limit);
            }
        }
        for seen in &seen.venues {
            let venue = ("venue", seen.venue.as_str());
            for mode in MODES {
                metrics.set(names::VENUE_MODE, &[venue, ("mode", mode.as_str())], u8::from(mode == seen.mode));
            }
            metrics.set(names::DIVERGENCES, &[venue], seen.diverged);
            if let Some(cash) = seen.stated_cash {
                metrics.set(names::CASH_STATED, &[venue], cash);
            }
            if let Some(through) = seen.proven_through {
                metrics.set_seconds(names::RECONCILED_AGE, &[venue], now.nanos().saturating_sub(through.nanos()));
            }
        }
        for (venue, cash, unexplained) in &seen.cash {
            metrics.set(names::CASH, &[("venue", venue.as_str())], cash);
            if let Some(unexplained) = unexplained {
                metrics.set(names::CASH_UNEXPLAINED, &[("venue", venue.as_str())], unexplained.abs());
            }
        }
    }

    fn of_answers(&self, desk: &LiveDesk) {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        self.metrics.counted(names::SIGNALS_DUPLICATE, &[], count(&desk.counts.duplicate));
        self.metrics.counted(names::SIGNALS_IGNORED, &[], count(&desk.counts.ignored));
        for (outcome, total) in desk.notified.by_outcome() {
            self.metrics.counted(names::NOTIFICATIONS, &[("outcome", outcome)], total);
        }
        self.metrics.set(names::DEAD_LETTERS, &[], desk.log.dead_letter_len());
        let since = self.last_signal.borrow().unwrap_or(self.began);
        self.metrics.set_seconds(names::SIGNAL_AGE, &[], self.clock.now().wall.nanos().saturating_sub(since.nanos()));
        self.metrics.set_seconds(names::RISK_AGE, &[], desk.risk_silent_nanos());
    }

    fn of_bus(&self, desk: &LiveDesk) {
        let state = desk.bus.state().borrow().clone();
        self.metrics.set(names::BUS_CONNECTED, &[], u8::from(state.link == Link::Connected));
        self.metrics.counted(names::BUS_CONNECTS, &[], state.connects);
        self.metrics.counted(names::BUS_DROPPED, &[], state.dropped);
        self.metrics.counted(names::BUS_VIOLATIONS, &[], state.violations);
        self.metrics.set(names::BUS_LAG, &[], state.signals_behind);
    }

    fn of_disk(&self, desk: &LiveDesk) {
        self.metrics.set(names::LOG_WAITING, &[], desk.log.queue_len());
        self.metrics.set(names::LOG_BYTES, &[], bytes_of(&self.folder.join("journal")) + bytes_of(&self.folder.join("sled")));
        if let Ok(free) = fs2::available_space(&self.folder) {
            self.metrics.set(names::DISK_FREE, &[], free);
        }
        if let Ok(size) = fs2::total_space(&self.folder) {
            self.metrics.set(names::DISK_SIZE, &[], size);
        }
    }

    fn of_clients(&self) {
        let now = self.clock.now();
        for (venue, look) in &self.clients {
            let (venue, facts) = (("venue", venue.as_str()), look());
            for (bucket, left) in facts.left {
                self.metrics.set(names::BUDGET, &[venue, ("bucket", bucket)], left.max(0));
            }
            let heard = facts.heard_at.map_or(now.wall.nanos() - self.began.nanos(), |at| now.mono.0 - at.0);
            self.metrics.set_seconds(names::STREAM_AGE, &[venue], heard);
            if let Some(skew_ms) = facts.skew_ms {
                self.metrics.set_seconds(names::CLOCK_SKEW, &[venue], skew_ms.saturating_mul(1_000_000));
            }
        }
        for lease in &self.leases {
            let kind = ("lease", lease.kind());
            self.metrics.set(names::LEASE_EPOCH, &[kind], lease.revision());
            self.metrics.set(names::LEASE_HELD, &[kind], u8::from(lease.objection(now).is_none()));
        }
    }
}

/// Of all files below; what can't be read counts as nothing.
fn bytes_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_of(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
