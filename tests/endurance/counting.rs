//! What the log and the venues' own books say, by plain counting: not by the engine, and after it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use arbees::app::rehearsal::{Double as Compared, Kalshi, Polymarket};
use arbees::config::Config;
use arbees::domain::event::Event;
use arbees::domain::ids::{OrderId, SignalId};
use arbees::domain::market::Venue;
use arbees::event_log::{EventStore, read_ahead};
use arbees::projections::Projections;

use crate::venues::Double;
use crate::world::{Role, World};

/// An attempt may arrive for a minute after it was sent: what was killed right before its socket stays open for so long. A
/// signal that was in flight at several kills in a row comes again after a minute, too.
pub const SETTLED_WITHIN: Duration = Duration::from_secs(150);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What was counted, and everything that is wrong.
#[derive(Debug, Default)]
pub struct Counted {
    pub signals: usize,
    pub sessions: usize,
    pub requested: usize,
    pub vetoed: usize,
    pub rejected: usize,
    /// Orders of which an attempt is on record, by venue.
    pub sent: BTreeMap<Venue, usize>,
    /// Orders at the venue, by its own books.
    pub there: BTreeMap<Venue, usize>,
    pub fills: usize,
    pub unknown: usize,
    pub records: u64,
    /// Signals without a logged answer.
    pub lost: Vec<String>,
    /// Answered, sent, filled or placed more often than it was meant.
    pub doubled: Vec<String>,
    /// In which log and venues differ, and what should not have happened at all.
    pub wrong: Vec<String>,
}

impl Counted {
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.wrong.is_empty()
    }

    fn of(&self, venue: Venue) -> (usize, usize) {
        let count = |of: &BTreeMap<Venue, usize>| of.get(&venue).copied().unwrap_or_default();
        (count(&self.sent), count(&self.there))
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signals, requested, vetoed, rejected, sessions, records, fills, unknown, .. } = self;
        writeln!(f, "signals published       {signals:>8}   requested {requested}, vetoed {vetoed}, rejected {rejected}")?;
        writeln!(f, "records of the log      {records:>8}   in {sessions} sessions")?;
        for venue in [Venue::Kalshi, Venue::Polymarket] {
            let (sent, there) = self.of(venue);
            writeln!(f, "orders {:17}{there:>8}   at the venue, of {sent} that were to be sent", venue.to_string())?;
        }
        writeln!(f, "fills                   {fills:>8}   and {unknown} orders that were of unknown fate for a while")?;
        for (what, found) in [("lost", &self.lost), ("duplicates", &self.doubled), ("differences", &self.wrong)] {
            writeln!(f, "{what:24}{:>8}", found.len())?;
            for one in found.iter().take(20) {
                writeln!(f, "    {one}")?;
            }
        }
        Ok(())
    }
}

/// Waits until nothing is open any more, ends both processes, and counts. What can only be open for a while (an order of
/// unknown fate) is waited for.
pub async fn count(world: &mut World, published: &BTreeSet<String>) -> Counted {
    let started = Instant::now();
    loop {
        settle(world, started).await;
        assert_eq!((world.engine.stop(), world.risk.stop()), (0, 0), "a clean end\n{}", world.engine.lines());
        let counted = count_once(world, published).await;
        if counted.is_good() || started.elapsed() > SETTLED_WITHIN {
            return counted;
        }
        for role in [Role::Engine, Role::Risk] {
            world.start_one(role, None);
        }
        world.place.ready().await;
    }
}

/// Until the stream is drained and no order is open, or it takes too long.
async fn settle(world: &World, started: Instant) {
    while started.elapsed() < SETTLED_WITHIN {
        let drained = world.pending().await == Some(0);
        if drained && world.live_orders().await.is_some_and(|orders| orders.is_empty()) {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn count_once(world: &World, published: &BTreeSet<String>) -> Counted {
    let (mut counted, tally, book) = read(&world.config(), published).await;
    compare::<Kalshi>(&world.kalshi, &tally, &book, &mut counted).await;
    compare::<Polymarket>(&world.polymarket, &tally, &book, &mut counted).await;
    let verified = world.place.say(&["verify", "--json"]);
    if verified.code != 0 {
        counted.wrong.push(format!("verify: {}{}", verified.out, verified.err));
    }
    counted
}

/// The log alone.
pub async fn count_log(config: &Config, published: &BTreeSet<String>) -> Counted {
    read(config, published).await.0
}

async fn read(config: &Config, published: &BTreeSet<String>) -> (Counted, Tally, Projections) {
    let (log, book, _) = arbees::app::open_log(config).await.expect("the log");
    let mut tally = Tally::default();
    let mut counted = Counted { signals: published.len(), records: log.head().seq, ..Counted::default() };
    read_ahead::<()>(&*log, 1, |stored| {
        tally.take(&stored.recorded.event, &mut counted);
        std::ops::ControlFlow::Continue(())
    })
    .expect("records");
    drop(log);
    tally.judge(published, &mut counted);
    counted.wrong.extend(book.breakers.open().map(|(scope, trip)| format!("the breaker {scope} is open: {}", trip.observed)));
    (counted, tally, book)
}

/// The log by plain counting.
#[derive(Default)]
struct Tally {
    /// First answers of each signal.
    answers: BTreeMap<SignalId, usize>,
    venues: BTreeMap<OrderId, Venue>,
    verdicts: BTreeMap<OrderId, usize>,
    approved: BTreeSet<OrderId>,
    attempts: BTreeMap<OrderId, u32>,
    /// What venues call orders that were signed ahead.
    names: BTreeMap<OrderId, String>,
    trades: BTreeSet<String>,
}

impl Tally {
    fn take(&mut self, event: &Event, counted: &mut Counted) {
        match event {
            Event::SessionStarted { .. } => counted.sessions += 1,
            Event::SignalRejected { signal_id, .. } => {
                counted.rejected += 1;
                signal_id.iter().for_each(|id| *self.answers.entry(id.clone()).or_default() += 1);
            }
            Event::OrderRequested { order_id, signal_id, order, .. } => {
                // A close that was filled in part asks once more, under a revision of its own.
                if order.as_ref().is_none_or(|order| order.revision == 0) {
                    *self.answers.entry(signal_id.clone()).or_default() += 1;
                }
                let twice = self.verdicts.insert(*order_id, 0).is_some();
                counted.doubled.extend(twice.then(|| format!("order {order_id} was requested twice")));
                self.venues.extend(order.iter().map(|order| (*order_id, order.instrument.venue)));
            }
            Event::OrderApproved { order_id, .. } => {
                counted.requested += 1;
                self.approved.insert(*order_id);
                *self.verdicts.entry(*order_id).or_default() += 1;
            }
            Event::OrderVetoed { order_id, .. } => {
                counted.vetoed += 1;
                *self.verdicts.entry(*order_id).or_default() += 1;
            }
            Event::SubmitStarted { order_id, attempt, signed } => {
                self.attempt(*order_id, *attempt, counted);
                self.names.extend(signed.iter().map(|signed| (*order_id, signed.venue_order_id.to_string())));
            }
            Event::Filled(fill) => {
                let (order_id, trade_id) = (fill.order_id, &fill.trade_id);
                counted.fills += 1;
                let twice = !self.trades.insert(format!("{order_id} {trade_id}"));
                counted.doubled.extend(twice.then(|| format!("trade {trade_id} of order {order_id} is booked twice")));
            }
            Event::OrderOutcomeUnknown { .. } => counted.unknown += 1,
            Event::ReconciliationDiverged { what, ours, theirs, .. } => {
                counted.wrong.push(format!("a difference was found on the way: {what}: {ours} here, {theirs} there"));
            }
            _ => {}
        }
    }

    fn attempt(&mut self, order_id: OrderId, attempt: u32, counted: &mut Counted) {
        if !self.approved.contains(&order_id) {
            counted.wrong.push(format!("order {order_id} was sent without an approval"));
        }
        let last = self.attempts.insert(order_id, attempt).unwrap_or_default();
        if attempt != last + 1 {
            counted.wrong.push(format!("attempt {attempt} of order {order_id} follows attempt {last}"));
        }
    }

    fn judge(&self, published: &BTreeSet<String>, counted: &mut Counted) {
        for id in published {
            let answers = SignalId::new(id).ok().and_then(|id| self.answers.get(&id)).copied().unwrap_or_default();
            match answers {
                0 => counted.lost.push(format!("signal {id} has no answer in the log")),
                1 => {}
                more => counted.doubled.push(format!("signal {id} has {more} first answers")),
            }
        }
        for (order_id, verdicts) in self.verdicts.iter().filter(|(_, verdicts)| **verdicts != 1) {
            counted.wrong.push(format!("order {order_id} has {verdicts} verdicts"));
        }
        for venue in self.attempts.keys().filter_map(|order_id| self.venues.get(order_id)) {
            *counted.sent.entry(*venue).or_default() += 1;
        }
    }

    /// What a venue would call an order of the log.
    fn name(&self, order_id: &OrderId) -> String {
        self.names.get(order_id).cloned().unwrap_or_else(|| order_id.client_order_id().to_string())
    }
}

/// Each order of the venue to one intent of the log, sent no more often than that says; filled quantities, positions and cash.
async fn compare<D: Compared>(double: &Double, tally: &Tally, book: &Projections, counted: &mut Counted) {
    let (venue, truth) = (D::VENUE, double.truth().await);
    let intents = tally.attempts.iter().filter(|(order_id, _)| tally.venues.get(order_id) == Some(&venue));
    let intents: BTreeMap<String, u32> = intents.map(|(order_id, attempts)| (tally.name(order_id), *attempts)).collect();
    for (name, sends) in double.creates().await {
        match intents.get(&name) {
            None => counted.wrong.push(format!("{venue} was sent order {name}, of which the log knows no attempt")),
            Some(attempts) if sends > u64::from(*attempts) => {
                counted.doubled.push(format!("{venue} was sent order {name} {sends} times, the log knows of {attempts}"));
            }
            Some(_) => {}
        }
    }
    let there = truth["orders"].as_object().expect("orders");
    for name in there.keys().filter(|name| !intents.contains_key(*name)) {
        counted.wrong.push(format!("{venue} has order {name}, which no intent of the log asked for"));
    }
    counted.there.insert(venue, there.len());
    counted.wrong.extend(D::differences(&truth, book).into_iter().map(|text| format!("{venue}: {text}")));
}
