//! Builds everything from the settings and ties it together; nothing else does.

/// Accounts at venues, from the settings.
pub mod accounts;
/// Taking over an account that holds something.
mod adopt;
/// A question to the person at the terminal.
mod asking;
/// Speed, each figure beside its baseline.
pub mod bench;
/// Commands that need no engine, or start one.
pub mod commands;
/// The venues of a session, and the leases that guard them.
mod counters;
/// The seeded market with its sample signals.
pub mod demo;
/// What the API and the commands read: a running engine, or its log alone.
pub mod desk;
/// What stands in the way of trading with money.
mod doctor;
/// The end of a session, in order.
mod ending;
/// A double of a venue as a process of its own.
mod exchange;
/// What a scrape sets.
mod gauges;
/// The log as `audit` reads it.
pub mod history;
/// Keys and tokens on disk.
pub mod keys;
/// What the page shows.
mod live;
/// Who we are on the bus, its keys, and what an admin makes there.
mod nats;
/// The webhook that people are told by.
mod notify;
/// Panics of any part, which end the process.
mod panics;
/// Whether a signal would be traded now.
mod readiness;
/// The live code against a venue's double.
pub mod rehearsal;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::bus::embedded::EmbeddedBus;
use crate::bus::subjects::Subjects;
use crate::bus::{Bus, SignalsOptions};
use crate::clock::Clock;
use crate::config::{Config, Nats, StopSettings};
use crate::crash_points::{Point, reach};
use crate::domain::event::Recorded;
use crate::engine::{Engine, Input, Settings, Start};
use crate::event_log::{EventStore, Log, OpenOptions};
use crate::http::serve;
use crate::metrics::{Metrics, names};
use crate::projections::Projections;
use crate::venues::paper::demo_market::DemoMarket;
use crate::workers::control;
use crate::workers::deliveries::Deliveries;
use crate::workers::engine_loop::{self, EngineHandle, Hands};
use crate::workers::follower::follow;
use crate::workers::intake;
use crate::workers::lease::{Lease, Ownership};
use crate::workers::market_feed::{self, TapeProgress};
use crate::workers::meter::Meter;
use crate::workers::notifier::{END_MS, Watched};
use crate::workers::outbox::Outbox;
use crate::workers::paper_desk::PaperDesk;
use crate::workers::publisher::{self, Publisher};
use crate::workers::risk_consumer::{self, RiskConsumer, Tell};
use crate::workers::risk_gate::RiskGate;
use counters::{Counters, Opening};
use gauges::Gauges;
use live::Counted;
use readiness::Readiness;

/// How long intake waits for the risk consumer at the start before signals are taken (and vetoed) without it.
const RISK_WAIT: Duration = Duration::from_secs(5);

/// An end takes no longer, beside `STOP_WAIT_MS`: main loop, last records, last notifications, leases.
pub const STOP_TAKES_AT_MOST: Duration = Duration::from_millis(2 * 10_000 + END_MS + 500 + 5_000);

/// Where the paper exchange's books come from, beside the signals' own quotes (and Kalshi itself, given its credentials).
#[derive(Debug, Default)]
pub enum Books {
    #[default]
    SignalsOnly,
    Tape {
        file: PathBuf,
        speed: u32,
        /// Whose rows, where the tape has several recorders.
        recorder: Option<String>,
    },
    Demo(Box<DemoMarket>),
}

/// Who plays here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Engine and risk consumer, each its own task, over the same messages.
    All,
    Engine,
    Risk,
}

/// A running engine.
pub struct Running {
    pub engine: EngineHandle,
    pub log: Arc<dyn EventStore>,
    pub bus: Arc<dyn Bus>,
    pub subjects: Subjects,
    pub http_addr: std::net::SocketAddr,
    pub desk: Arc<desk::LiveDesk>,
    pub tape: watch::Receiver<TapeProgress>,
    tasks: Vec<JoinHandle<()>>,
    main: JoinHandle<()>,
    http_stop: watch::Sender<bool>,
    /// Every record of the session is written.
    written: watch::Sender<bool>,
    notifier: Option<JoinHandle<()>>,
    ownership: Option<Ownership>,
    stop: StopSettings,
}

/// Connects to the bus of the settings as this role. Returns at once; the connection is made in the background.
pub async fn bus(config: &Config, name: &str, role: &str, clock: &Clock) -> anyhow::Result<Arc<dyn Bus>> {
    match &config.nats {
        Nats::Embedded => {
            let clock = clock.clone();
            Ok(Arc::new(EmbeddedBus::new(move || clock.now())))
        }
        Nats::Servers(urls) => Ok(Arc::new(nats::connect(config, urls, name, role).await?)),
    }
}

/// Opens the log and folds it, telling what was repaired.
pub async fn open_log(config: &Config) -> anyhow::Result<(Arc<Log>, Projections, crate::event_log::OpenReport)> {
    open_log_seeing(config, |_, _| {}).await
}

/// The same; `see` gets each record and what the fold has come to with it.
async fn open_log_seeing(
    config: &Config,
    mut see: impl FnMut(&crate::domain::event::Recorded, &Projections) + Send + 'static,
) -> anyhow::Result<(Arc<Log>, Projections, crate::event_log::OpenReport)> {
    let options = OpenOptions::new(config.mode_dir(), config.mode);
    let opened = tokio::task::spawn_blocking(move || {
        let mut book = Projections::default();
        let mut broken = None;
        let opened = Log::open(&options, |recorded, _| {
            if broken.is_none() {
                broken = book.fold(recorded).err();
                see(recorded, &book);
            }
        });
        opened.map(|(log, report)| (log, report, book, broken))
    });
    let (log, report, book, broken) = opened.await?.with_context(|| format!("the log in {}", config.mode_dir().display()))?;
    if let Some(error) = broken {
        bail!("the log can't be folded: {error}");
    }
    Ok((Arc::new(log), book, report))
}

/// Runs the risk consumer alone, until somebody wants it to end or another one has taken its place: then tells why.
pub async fn run_risk(config: &Config, end: impl Future<Output = ()>) -> anyhow::Result<Option<String>> {
    let clock = Clock::system();
    let key = keys::risk_key_pair(&config.risk.key_path, &config.risk.public_key_path)?;
    let bus = bus(config, &format!("arbees-risk-{}", config.instance), "risk", &clock).await?;
    let (ready, mut told) = watch::channel(false);
    tracing::info!("{} risk consumer for instance {} at work", config.mode.tag(), config.instance);
    let ownership = counters::own_judgement(config, &bus, &clock).await?;
    let lease = ownership.as_ref().and_then(|ownership| ownership.lease(&counters::risk_key(config)));
    let consumer = risk_consumer(config, Arc::clone(&bus), clock, key, ready, lease);
    let mut panicked = panics::noticed();
    tokio::spawn(async move {
        while told.changed().await.is_ok() {
            tracing::info!("risk consumer {}", if *told.borrow() { "ready" } else { "not ready: it grants nothing" });
        }
    });
    let replaced = tokio::select! {
        () = consumer.run() => None,
        why = lost(ownership.as_ref()) => Some(why),
        place = panicked.wait_for(Option::is_some) => bail!("a part of the risk consumer has panicked at {}", place?.as_deref().unwrap_or("")),
        () = end => None,
    };
    if let Some(ownership) = ownership.filter(|_| replaced.is_none()) {
        ownership.give_back(&*bus).await;
    }
    Ok(replaced)
}

/// Waits until a lease is lost, and tells how.
async fn lost(ownership: Option<&Ownership>) -> String {
    if let Some(mut lost) = ownership.map(Ownership::lost)
        && let Ok(why) = lost.wait_for(Option::is_some).await
    {
        return why.clone().unwrap_or_default();
    }
    std::future::pending().await
}

fn risk_consumer(
    config: &Config,
    bus: Arc<dyn Bus>,
    clock: Clock,
    key: ring::signature::Ed25519KeyPair,
    ready: watch::Sender<bool>,
    lease: Option<Arc<Lease>>,
) -> RiskConsumer {
    // Without a lease (paper, dry run) there is nobody to be told apart from but one's own earlier self.
    let risk_epoch = lease.as_ref().map_or_else(|| clock.now().wall.ms().unsigned_abs(), |lease| lease.revision());
    RiskConsumer { lease, bus, clock, mode: config.mode, instance: config.instance.clone(), key, risk_epoch, ready }
}

/// Starts an engine (and with `Role::All` its risk consumer) and returns once it takes signals.
pub async fn start(config: Config, role: Role, books: Books, bus: Arc<dyn Bus>) -> anyhow::Result<Running> {
    let clock = Clock::system();
    let channel = notify::channel(&config)?;
    let day = Arc::default();
    let metrics = Arc::new(Metrics::default());
    let opens_at = clock.now().mono;
    let counted = Counted::default();
    let rereader = counted.clone();
    let mut day_counted = notify::counting(&day);
    let see = move |recorded: &Recorded, book: &Projections| {
        rereader.reread(recorded, book);
        day_counted(recorded);
    };
    let (log, book, report) = open_log_seeing(&config, see).await?;
    metrics.set_seconds(names::REPLAY, &[], clock.now().mono.0 - opens_at.0);
    time_syncs(&log, &metrics, &clock);
    reach(Point::StartLogOpened);
    for repair in &report.repairs {
        tracing::warn!("log repaired: {repair}");
    }
    tracing::info!("{} log {} opened at record {}", config.mode.tag(), report.log_id, report.head.seq);
    let subjects = Subjects::of(config.mode, &config.instance);
    let risk_public_key = match role {
        Role::All => keys::risk_key_pair(&config.risk.key_path, &config.risk.public_key_path).map(|key| keys::public_of(&key))?,
        Role::Engine | Role::Risk => keys::wait_for_public_key(&config.risk.public_key_path).await?,
    };
    let risk_public_keys = keys::remember_public_key(&config.mode_dir(), &risk_public_key)?;
    let token = keys::http_token(&config.http_token_path, config.http_addr)?;
    let listener =
        TcpListener::bind(config.http_addr).await.with_context(|| format!("HTTP_ADDR {} can't be listened on", config.http_addr))?;
    let http_addr = listener.local_addr()?;
    keys::write_address(&config.mode_dir().join("http_addr"), http_addr, report.log_id)?;

    let opening = Opening { book: &book, live_books: matches!(books, Books::SignalsOnly), judges: role == Role::All, metrics: &metrics };
    let mut counters = Counters::open(&config, opening, &bus, &clock).await?;
    reach(Point::StartVenuesOpened);
    let store: Arc<dyn EventStore> = log;
    let settings = Settings {
        account: config.instance.clone(),
        mode: config.mode,
        log_id: report.log_id,
        risk_public_key,
        risk_timeout_ms: i64::from(config.risk.timeout_ms),
        submit_stale_after_ms: config.submit_stale_after_ms,
    };
    let (engine, inbox) = engine_loop::inbox();
    let (durable, durable_rx) = watch::channel(report.head.seq);
    let memory = channel.map(|channel| notify::Memory { channel, book: book.clone(), day });
    let (outgoing, outgoing_rx) = mpsc::unbounded_channel();
    let gate = RiskGate { bus: Arc::clone(&bus), subject: subjects.risk_request.clone() };
    let hands = Hands {
        clock: clock.clone(),
        log: Arc::clone(&store),
        gate,
        desks: counters.desks.clone(),
        outbox: outgoing,
        durable,
        appends: [metrics.timer(names::LOG_APPEND, &[]), metrics.timer(names::STAGES, &[("stage", "durable_write")])],
    };
    let main = tokio::spawn(engine_loop::run(Engine::new(settings, book), hands, inbox));
    engine.input(Input::Start(Box::new(Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: config.config_hash(),
        limits: config.limits.clone(),
        paper_cash: counters.paper.is_some().then_some(config.paper.cash),
        venues: counters.venues.clone(),
        prepares: counters.prepares(),
        epoch: counters.epoch(),
        head_hash: report.head.hash,
    })));
    reach(Point::StartSessionBegun);

    let readiness = Arc::new(Readiness::new(engine.clone(), Arc::clone(&bus), Arc::clone(&store), clock.clone()));
    let deliveries = Deliveries::default();
    let mut meter = Meter::new(Arc::clone(&metrics));
    let gauges = Gauges::new(
        &config,
        metrics,
        &clock,
        report.log_id,
        std::mem::take(&mut counters.clients),
        counters.leases(),
        meter.last_signal.subscribe(),
    );
    let (show, shown) = watch::channel(Arc::from(""));
    let live = Arc::new(desk::LiveDesk::new(
        &config,
        engine.clone(),
        Arc::clone(&store),
        Arc::clone(&bus),
        clock.clone(),
        risk_public_keys,
        Arc::clone(&readiness),
        gauges,
        shown,
    ));
    let outbox = Outbox {
        bus: Arc::clone(&bus),
        log: Arc::clone(&store),
        clock: clock.clone(),
        deliveries: deliveries.clone(),
        counts: Arc::clone(&live.counts),
        recent: Arc::clone(&live.recent),
        subject: subjects.answers.clone(),
    };
    let publisher =
        Publisher { bus: Arc::clone(&bus), log: Arc::clone(&store), events: subjects.events.clone(), log_read: subjects.log_read.clone() };
    let (tell, told) = mpsc::unbounded_channel();
    let (written, stop) = watch::channel(false);
    let watched = Watched { durable: durable_rx.clone(), halted: engine.halted(), stop };
    let notifier = memory.map(|memory| tokio::spawn(notify::worker(&config, &store, &clock, memory, &live.notified, watched).run()));
    let counting = counted.clone();
    let mut tasks = vec![
        tokio::spawn(outbox.run(outgoing_rx)),
        tokio::spawn(publisher::serve_ranges(Arc::clone(&bus), Arc::clone(&store), publisher.log_read.clone())),
        tokio::spawn(follow(Arc::clone(&store), report.head.seq, durable_rx.clone(), move |recorded| {
            let took = meter.take(recorded);
            counting.take(recorded, took);
        })),
        tokio::spawn(Arc::clone(&live).check_itself()),
        tokio::spawn(live::show(Arc::clone(&live), counted, show)),
        tokio::spawn(publisher.run(report.head.seq, durable_rx)),
        tokio::spawn(control::listen(Arc::clone(&bus), subjects.control_kill.clone(), engine.clone())),
        tokio::spawn(control::watch_files(kill_files(&config), engine.clone())),
        tokio::spawn(risk_consumer::hear(Arc::clone(&bus), subjects.risk_tell.clone(), tell)),
        tokio::spawn(hand_on(told, engine.clone(), Arc::clone(&readiness))),
    ];
    tasks.extend(counters.listen(&engine, &clock));
    if role == Role::All {
        let key = keys::risk_key_pair(&config.risk.key_path, &config.risk.public_key_path)?;
        let (ready, _) = watch::channel(false);
        tasks.push(tokio::spawn(risk_consumer(&config, Arc::clone(&bus), clock.clone(), key, ready, counters.risk_lease(&config)).run()));
    }
    let (progress, tape) = watch::channel(TapeProgress::default());
    let (http_stop, mut stopped) = watch::channel(false);
    let queries: Arc<dyn crate::http::Queries> = live.clone();
    tasks.push(tokio::spawn(async move {
        let end = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = serve(listener, queries, token, end).await {
            tracing::error!("the HTTP API has ended: {error}");
        }
    }));
    let options = SignalsOptions::new(&subjects.engine_durable);
    let taking = (Arc::clone(&bus), Arc::clone(&store), deliveries, engine.clone());
    tasks.push(tokio::spawn(async move {
        let (bus, store, deliveries, engine) = taking;
        readiness.wait_for_risk(RISK_WAIT).await;
        reach(Point::StartUp);
        intake::run(bus, options, store, deliveries, engine).await;
    }));
    if let Some(desk) = counters.paper.clone() {
        tasks.extend(feed_books((books, desk, engine.clone(), clock), progress));
    }
    tracing::info!("{} instance {} up; HTTP on {http_addr}", config.mode.tag(), config.instance);
    Ok(Running {
        engine,
        log: store,
        bus,
        subjects,
        http_addr,
        desk: live,
        tape,
        tasks,
        main,
        http_stop,
        written,
        notifier,
        ownership: counters.into_ownership(),
        stop: config.stop,
    })
}

/// Each commit of the journal, as long as it takes.
fn time_syncs(log: &Log, metrics: &Arc<Metrics>, clock: &Clock) {
    let (timer, clock, begun) = (metrics.timer(names::LOG_SYNC, &[]), clock.clone(), std::sync::atomic::AtomicI64::new(0));
    log.tell_syncs(move |begins| {
        let now = clock.now().mono.0;
        if begins {
            begun.store(now, std::sync::atomic::Ordering::Relaxed);
        } else {
            timer.took(now - begun.load(std::sync::atomic::Ordering::Relaxed));
        }
    });
}

type Feed = (Books, PaperDesk, EngineHandle, Clock);

fn feed_books((books, desk, engine, clock): Feed, progress: watch::Sender<TapeProgress>) -> Option<JoinHandle<()>> {
    match books {
        Books::SignalsOnly => None,
        Books::Demo(market) => Some(tokio::spawn(market_feed::demo(*market, desk, engine, clock))),
        Books::Tape { file, speed, recorder } => Some(tokio::spawn(async move {
            let name = file.display().to_string();
            if let Err(error) = market_feed::play((file, recorder), speed, desk, engine, clock, progress).await {
                tracing::error!("the tape {name} can't be played: {error}");
            }
        })),
    }
}

/// A kill file counts in the folder of the mode and in the folder above.
pub fn kill_files(config: &Config) -> Vec<PathBuf> {
    vec![config.mode_dir().join("KILL"), config.data_dir.join("KILL")]
}

/// Risk's breakers to the engine, its sign of life to the health page.
async fn hand_on(mut told: mpsc::UnboundedReceiver<Tell>, engine: EngineHandle, readiness: Arc<Readiness>) {
    while let Some(tell) = told.recv().await {
        match tell {
            Tell::Hello { ready, .. } => readiness.heard_risk(ready),
            Tell::Trip { scope, reason, observed, limit } => engine.input(Input::TripAsked { scope, reason, observed, limit }),
        }
    }
}
