//! The venues of a session: the paper exchange, or the accounts with money and the leases that guard them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::accounts::{KalshiAccount, PolymarketAccount, account_key, kalshi_account, polymarket_account};
use super::gauges::{ClientFacts, ClientLook};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::event::Scope;
use crate::domain::fees::BalanceUnit;
use crate::domain::ids::{MarketId, Mode, sha256};
use crate::domain::market::{Instrument, Venue};
use crate::domain::verdict::Reason;
use crate::engine::Input;
use crate::metrics::{Metrics, names};
use crate::projections::Projections;
use crate::venues::kalshi;
use crate::venues::kalshi::stream::{self, StreamEvent, StreamHandle, StreamSettings};
use crate::venues::onlooker::{Exchanged, Onlooker};
use crate::venues::paper::{PaperExchange, PaperSettings, PaperStart, StartHolding};
use crate::venues::polymarket::venue::PolymarketVenue;
use crate::workers::desks::Desks;
use crate::workers::engine_loop::EngineHandle;
use crate::workers::gate::Gate;
use crate::workers::kalshi_books::{KalshiBooks, book_news};
use crate::workers::kalshi_counter::KalshiCounter;
use crate::workers::lease::{Lease, Ownership};
use crate::workers::live_books::{BookNews, BookSource, LiveBooks};
use crate::workers::live_desk::{LiveDesk, LiveVenue};
use crate::workers::market_feed;
use crate::workers::paper_desk::PaperDesk;
use crate::workers::polymarket_books::{self, PolymarketBooks};
use crate::workers::polymarket_counter::PolymarketCounter;
use crate::workers::venue_listener::VenueListener;

/// A lease can't be taken from a server that isn't there.
const BUS_WAIT: Duration = Duration::from_secs(30);

/// News waiting for the listener; a full queue slows the stream down, which the venue ends, after which all is read anew.
const STREAM_EVENTS_MAX: usize = 4_096;

pub struct Counters {
    pub desks: Desks,
    /// On paper.
    pub paper: Option<PaperDesk>,
    /// What is started once there is an engine to tell.
    listeners: Vec<Listener>,
    /// On paper and in a dry run there is none.
    ownership: Option<Ownership>,
    /// With money; on paper, those whose own books are traded on.
    pub venues: Vec<Venue>,
    /// What their clients know of themselves.
    pub clients: Vec<(Venue, ClientLook)>,
    metrics: Arc<Metrics>,
}

/// What a session begins with.
pub struct Opening<'a> {
    pub book: &'a Projections,
    /// On paper, with credentials, orders fill against the venues' own books.
    pub live_books: bool,
    /// The risk consumer is in this process.
    pub judges: bool,
    pub metrics: &'a Arc<Metrics>,
}

type Listener = Box<dyn FnOnce(&EngineHandle, &Clock) -> JoinHandle<()> + Send>;

impl Counters {
    /// Errors: a lease that another engine holds; credentials that can't be read.
    pub async fn open(config: &Config, opening: Opening<'_>, bus: &Arc<dyn Bus>, clock: &Clock) -> anyhow::Result<Self> {
        let Opening { book, live_books, judges, metrics } = opening;
        if config.mode == Mode::Paper {
            return Self::on_paper(config, book, clock, live_books, metrics);
        }
        let (account, polymarket) = (kalshi_account(config, clock)?, polymarket_account(config, clock)?);
        let ownership = own(config, book, bus, clock, judges).await?;
        let leases = ownership.iter().flat_map(|ownership| ownership.leases().to_vec()).collect();
        let gate = Gate { mode: config.mode, clock: clock.clone(), leases };
        let mut counters = Self { ownership, ..Self::none(metrics) };
        match account {
            Some(account) => counters.add_kalshi(config, account, gate.clone(), fuse_has_blown(book)).await,
            None => tracing::warn!("{} kalshi is off: no credentials; its signals are vetoed", config.mode.tag()),
        }
        match polymarket {
            Some(account) => counters.add_polymarket(config, account, gate).await,
            None => tracing::warn!("{} polymarket is off: no credentials; its signals are vetoed", config.mode.tag()),
        }
        Ok(counters)
    }

    fn none(metrics: &Arc<Metrics>) -> Self {
        let (desks, listeners, venues, clients) = (Desks::default(), Vec::new(), Vec::new(), Vec::new());
        Self { desks, paper: None, listeners, ownership: None, venues, clients, metrics: Arc::clone(metrics) }
    }

    /// Each request of this client is counted, and a scrape asks it how it is.
    fn look_at(&mut self, venue: Venue, onlooker: &Onlooker, look: impl Fn() -> ClientFacts + Send + Sync + 'static) {
        onlooker.tell(counting(&self.metrics, venue));
        self.clients.push((venue, Box::new(look)));
    }

    fn look_at_kalshi(&mut self, client: &Arc<kalshi::client::Client>) {
        let it = Arc::clone(client);
        self.look_at(Venue::Kalshi, client.onlooker(), move || ClientFacts::of(it.budget().left(), it.onlooker(), it.skew()));
    }

    fn look_at_polymarket(&mut self, venue: &Arc<PolymarketVenue>) {
        let it = Arc::clone(venue);
        let look = move || ClientFacts::of(it.client().budget().left(), it.client().onlooker(), it.client().skew());
        self.look_at(Venue::Polymarket, venue.client().onlooker(), look);
    }

    /// With Kalshi's credentials the paper exchange fills against Kalshi's own books, unless it is fed otherwise.
    fn on_paper(config: &Config, book: &Projections, clock: &Clock, live_books: bool, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        let mut counters = Self::none(metrics);
        let mut desk = PaperDesk::new(paper_exchange(config, book), clock.clone());
        if live_books && let Some(account) = kalshi_account(config, clock)? {
            counters.look_at_kalshi(account.venue.client());
            let (handle, stream) = stream_of(&account, true);
            let venue = Arc::clone(&account.venue);
            let source = KalshiBooks { venue: account.venue, stream: handle };
            desk = counters
                .add_books(config, Box::new(source), desk, clock, stream, move |event, followed| book_news(&venue, event, followed));
        }
        if live_books && let Some(account) = polymarket_account(config, clock)? {
            counters.look_at_polymarket(&account.venue);
            let (handle, stream) = account.start_stream(true, STREAM_EVENTS_MAX);
            let source = PolymarketBooks { venue: account.venue, stream: handle };
            desk = counters.add_books(config, Box::new(source), desk, clock, stream, polymarket_books::book_news);
        }
        counters.desks = Desks::paper(Arc::new(desk.clone()));
        counters.paper = Some(desk);
        Ok(counters)
    }

    /// Orders for this venue fill against its own books. The desk as it trades from now on.
    fn add_books<E: Send + 'static>(
        &mut self,
        config: &Config,
        source: Box<dyn BookSource>,
        desk: PaperDesk,
        clock: &Clock,
        stream: Option<mpsc::Receiver<E>>,
        read: impl Fn(E, &BTreeSet<MarketId>) -> BookNews + Send + 'static,
    ) -> PaperDesk {
        let venue = source.venue();
        tracing::info!("{} orders for {venue} fill against {venue}'s own books", config.mode.tag());
        let books = Arc::new(LiveBooks::new(source, clock.clone()));
        let desk = desk.on_books_of(Arc::clone(&books));
        self.venues.push(venue);
        let told = desk.clone();
        self.listeners.push(Box::new(move |engine, _| tokio::spawn(books.listen(stream, read, told, engine.clone()))));
        desk
    }

    async fn add_kalshi(&mut self, config: &Config, account: KalshiAccount, gate: Gate, fuse_blown: bool) {
        account.announce(config).await;
        self.look_at_kalshi(account.venue.client());
        let guard = gate.clone();
        account.venue.client().standing().guarded_by(move || guard.objection());
        let (handle, stream) = stream_of(&account, false);
        let counter = KalshiCounter::new(account.venue, gate.clone(), account.fuse_contracts, handle);
        if fuse_blown {
            counter.fuse_blown();
        }
        self.add(counter, gate, stream, account.read_every_ms);
    }

    async fn add_polymarket(&mut self, config: &Config, account: PolymarketAccount, gate: Gate) {
        account.announce(config).await;
        self.look_at_polymarket(&account.venue);
        let guard = gate.clone();
        account.venue.client().standing().guarded_by(move || guard.objection());
        let (handle, stream) = account.start_stream(false, STREAM_EVENTS_MAX);
        // A dry run owns nothing, and must not arm a switch that cancels what another engine rests.
        let heartbeat = if config.mode == Mode::DryRun { None } else { account.start_heartbeat() };
        let counter = PolymarketCounter::new(account.venue, gate.clock.clone(), handle, heartbeat);
        self.add(counter, gate, stream, account.read_every_ms);
    }

    /// A venue with money: a desk for its orders, and a listener for what it says.
    fn add<V: LiveVenue>(&mut self, counter: V, gate: Gate, stream: Option<mpsc::Receiver<V::Event>>, read_every_ms: i64) {
        let venue = counter.venue();
        let desk = LiveDesk::new(counter, gate);
        self.desks.add(venue, Arc::new(desk.clone()));
        self.venues.push(venue);
        self.listeners.push(Box::new(move |engine, clock| {
            let listener = VenueListener { desk, engine: engine.clone(), clock: clock.clone(), stream, read_every_ms };
            tokio::spawn(listener.run())
        }));
    }

    /// Venues whose orders are signed ahead of their approval.
    pub fn prepares(&self) -> Vec<Venue> {
        self.venues.iter().copied().filter(|venue| *venue == Venue::Polymarket && self.paper.is_none()).collect()
    }

    /// The risk consumer's, where it is in this process and needs one.
    pub fn risk_lease(&self, config: &Config) -> Option<Arc<Lease>> {
        self.ownership.as_ref().and_then(|ownership| ownership.lease(&risk_key(config)))
    }

    /// The epoch of this session; `None` where no lease gives one.
    pub fn epoch(&self) -> Option<u64> {
        self.ownership.as_ref().and_then(Ownership::epoch)
    }

    pub fn leases(&self) -> Vec<Arc<Lease>> {
        self.ownership.as_ref().map(|ownership| ownership.leases().to_vec()).unwrap_or_default()
    }

    /// Starts what listens to venues and to the end of the ownership.
    pub fn listen(&mut self, engine: &EngineHandle, clock: &Clock) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if let Some(desk) = &self.paper {
            tasks.push(tokio::spawn(market_feed::tick(desk.clone(), engine.clone())));
        }
        tasks.extend(self.listeners.drain(..).map(|listener| listener(engine, clock)));
        if let Some(ownership) = &self.ownership {
            let (mut lost, engine) = (ownership.lost(), engine.clone());
            tasks.push(tokio::spawn(async move {
                // An error: the ownership was given back.
                if let Ok(why) = lost.wait_for(Option::is_some).await {
                    engine.input(Input::OwnershipLost { why: why.clone().unwrap_or_default() });
                }
            }));
        }
        tasks
    }

    pub fn into_ownership(self) -> Option<Ownership> {
        self.ownership
    }
}

/// Counts each request of this venue's client.
fn counting(metrics: &Arc<Metrics>, venue: Venue) -> impl Fn(&Exchanged) + Send + Sync + 'static {
    let metrics = Arc::clone(metrics);
    move |exchanged| {
        let Exchanged { method, pattern, places, class, waited, took } = *exchanged;
        let call = format!("{method} {pattern}");
        metrics.took(names::REQUESTS, &[("venue", venue.as_str()), ("call", &call), ("class", class)], took);
        if places {
            metrics.took(names::STAGES, &[("stage", "send")], waited);
        }
    }
}

/// The account's stream, where it has one; `levels`: with whole books.
fn stream_of(account: &KalshiAccount, levels: bool) -> (Option<StreamHandle>, Option<mpsc::Receiver<StreamEvent>>) {
    let Some(ws) = account.ws.clone() else { return (None, None) };
    let (events, stream) = mpsc::channel(STREAM_EVENTS_MAX);
    let settings = StreamSettings { levels, ..StreamSettings::new(ws) };
    (Some(stream::start(Arc::clone(account.venue.client()), settings, events)), Some(stream))
}

/// One lease for the engine, whose revision is the session's epoch, one for each account, and one for the risk consumer where
/// this process judges, too. A dry run owns nothing.
pub async fn own(
    config: &Config,
    book: &Projections,
    bus: &Arc<dyn Bus>,
    clock: &Clock,
    judges: bool,
) -> anyhow::Result<Option<Ownership>> {
    if !config.mode.is_leased() {
        return Ok(None);
    }
    let mut keys = vec![(format!("engine.{}.{}", config.mode, config.instance), book.epoch)];
    if let Some(kalshi) = &config.kalshi {
        use secrecy::ExposeSecret;
        let account = sha256(&[b"arbees account", kalshi.key_id.expose_secret().as_bytes()]);
        keys.push((format!("account.kalshi.{}", account.short()), 0));
    }
    keys.extend(account_key(config)?.map(|key| (key, 0)));
    keys.extend(judges.then(|| (risk_key(config), 0)));
    take(bus, clock, &keys).await.map(Some)
}

/// The lease of a risk consumer that is a process of its own.
pub async fn own_judgement(config: &Config, bus: &Arc<dyn Bus>, clock: &Clock) -> anyhow::Result<Option<Ownership>> {
    if !config.mode.is_leased() {
        return Ok(None);
    }
    take(bus, clock, &[(risk_key(config), 0)]).await.map(Some)
}

pub fn risk_key(config: &Config) -> String {
    format!("risk.{}.{}", config.mode, config.instance)
}

async fn take(bus: &Arc<dyn Bus>, clock: &Clock, keys: &[(String, u64)]) -> anyhow::Result<Ownership> {
    bus.wait_connected(BUS_WAIT).await.context("one owner is proven by a lease in NATS")?;
    let holder = format!("{} (pid {}) since {}", host(), std::process::id(), clock.now().wall);
    Ownership::take(bus, clock, &holder, keys).await.map_err(anyhow::Error::msg)
}

/// The breaker of an earlier session still says so: the order group is reset when somebody has closed that breaker.
fn fuse_has_blown(book: &Projections) -> bool {
    book.breakers.open().any(|(scope, trip)| *scope == Scope::Venue(Venue::Kalshi) && trip.reason == Reason::FuseBlown)
}

fn host() -> String {
    std::fs::read_to_string("/etc/hostname").map_or_else(|_| "a host".to_owned(), |name| name.trim().to_owned())
}

fn paper_exchange(config: &Config, book: &Projections) -> PaperExchange {
    let settings = PaperSettings {
        latency_ms: u64::from(config.paper.latency_ms),
        reject_per_mille: config.paper.reject_per_mille as u16,
        reject_seed: 0,
        kalshi_unit: BalanceUnit::Direct,
    };
    let held = book.positions.held().map(|(_, position)| StartHolding {
        instrument: Instrument { outcome: position.outcome(), ..position.instrument.clone() },
        quantity: position.held(),
        cost: position.cost,
    });
    let cash = book.cash.account(Venue::Paper).map_or(config.paper.cash, |account| account.cash);
    PaperExchange::new(settings, PaperStart { session: book.epoch + 1, cash, holdings: held.collect() })
}
