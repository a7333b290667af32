//! Orders to a venue with money, its answers back as inputs: the same desk for every venue. Each request is a task of its
//! own; what an answer means for the order is decided in the engine.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::gate::Gate;
use crate::crash_points::{Point, reach};
use crate::domain::ids::{MarketId, Mode, VenueOrderId};
use crate::domain::market::{BookKey, Quote, Venue};
use crate::domain::order::Order;
use crate::domain::report::{AccountReading, CancelOutcome, Description, LookUp, SubmitOutcome, VenueFill, VenueNews, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::engine::{Input, SignalQuote};
use crate::venues::standing::VenueStanding;

/// What came of one attempt.
#[derive(Debug)]
pub struct Submitted {
    pub outcome: SubmitOutcome,
    /// The order as the answer shows it.
    pub row: Option<VenueOrder>,
    /// What else the answer says.
    pub news: Option<VenueNews>,
    /// The refusal shows that the market isn't what it was described as.
    pub describe: bool,
}

impl Submitted {
    pub fn only(outcome: SubmitOutcome) -> Self {
        Self { outcome, row: None, news: None, describe: false }
    }
}

/// Why there is no description.
#[derive(Debug)]
pub struct Undescribed {
    pub why: String,
    /// No answer: the next one may be better.
    pub again: bool,
}

/// What something heard on the stream means.
#[derive(Debug, Default)]
pub struct Reaction {
    pub news: Vec<VenueNews>,
    /// Markets to be described anew.
    pub describe: Vec<MarketId>,
    pub account: Heard,
}

impl From<VenueNews> for Reaction {
    fn from(one: VenueNews) -> Self {
        Self { news: vec![one], ..Self::default() }
    }
}

/// What it means for the reading of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    #[default]
    Nothing,
    /// Everything from now on is heard; what was before has to be read.
    Up,
    Down {
        why: String,
    },
    /// The next reading comes early.
    ReadSoon,
}

/// What a reading of the account begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The time up to which everything is in the log, less what listings may lag; `None` before the first reading.
    pub since: Option<Time>,
    /// Books held or worked on.
    pub books: Vec<BookKey>,
}

/// A venue's client as the desk needs it.
pub trait LiveVenue: Send + Sync + 'static {
    type Event: Send;

    fn venue(&self) -> Venue;
    fn standing(&self) -> watch::Receiver<VenueStanding>;
    /// Signs an order ahead of its approval, where the venue's name of an order is the hash of what was signed.
    fn prepare(&self, order: &Order) -> impl Future<Output = Result<SignedOrder, String>> + Send;
    /// In a dry run: everything but the sending.
    fn sign_only(&self, order: &Order, signed: Option<&SignedOrder>) -> Result<(), String>;
    fn submit(&self, order: &ApprovedOrder, attempt: u32, signed: Option<&SignedOrder>) -> impl Future<Output = Submitted> + Send;
    fn cancel(&self, order: &Order, id: &VenueOrderId) -> impl Future<Output = CancelOutcome> + Send;
    fn look_up(
        &self,
        order: &Order,
        first_sent_at: Time,
        known: Option<&VenueOrderId>,
    ) -> impl Future<Output = (LookUp, Vec<VenueFill>)> + Send;
    fn identify(&self, key: &BookKey, id: &VenueOrderId) -> impl Future<Output = Result<Option<VenueOrder>, String>> + Send;
    fn describe(&self, key: &BookKey) -> impl Future<Output = Result<Description, Undescribed>> + Send;
    /// Hear of this book on the stream from now on.
    fn follow(&self, id: &MarketId);
    fn heard(&self, event: Self::Event, followed: &BTreeSet<MarketId>) -> Reaction;
    /// Asks whether the venue trades; what it says shows in the standing.
    fn read_status(&self) -> impl Future<Output = Result<(), String>> + Send;
    fn read_account(&self, known: Known) -> impl Future<Output = Result<AccountReading, String>> + Send;
    fn quote(&self, id: &MarketId) -> impl Future<Output = Option<Quote>> + Send;
}

pub struct LiveDesk<V>(Arc<Inner<V>>);

impl<V> Clone for LiveDesk<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<V> {
    venue: V,
    gate: Gate,
    /// Markets whose prices matter.
    followed: Mutex<BTreeSet<MarketId>>,
    /// Somebody wants the account read.
    read_account: Notify,
}

pub(super) fn news(engine: &EngineHandle, one: VenueNews) {
    engine.input(Input::Venue(Box::new(one)));
}

impl<V: LiveVenue> LiveDesk<V> {
    pub fn new(venue: V, gate: Gate) -> Self {
        Self(Arc::new(Inner { venue, gate, followed: Mutex::default(), read_account: Notify::new() }))
    }

    pub fn venue(&self) -> &V {
        &self.0.venue
    }

    pub fn followed(&self) -> BTreeSet<MarketId> {
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until somebody wants the account read.
    pub async fn asked_to_read(&self) {
        self.0.read_account.notified().await;
    }

    /// Hands one event of the stream to the engine.
    pub fn heard(&self, event: V::Event, engine: &EngineHandle) -> Heard {
        let Reaction { news: told, describe, account } = self.0.venue.heard(event, &self.followed());
        for one in told {
            reach(Point::NewsBefore);
            news(engine, one);
            reach(Point::NewsAfter);
        }
        for id in describe {
            self.describe(BookKey { venue: self.0.venue.venue(), id }, engine);
        }
        account
    }

    /// Runs `work` with the desk's insides and feeds its inputs back.
    fn task<F>(&self, engine: &EngineHandle, work: impl FnOnce(Arc<Inner<V>>) -> F)
    where
        F: Future<Output = Vec<Input>> + Send + 'static,
    {
        let (work, engine) = (work(Arc::clone(&self.0)), engine.clone());
        tokio::spawn(async move {
            for input in work.await {
                engine.input(input);
            }
        });
    }
}

impl<V: LiveVenue> Inner<V> {
    async fn submit(&self, order: &ApprovedOrder, attempt: u32, signed: Option<&SignedOrder>) -> Submitted {
        // Cancels and reduce-only closes go out under the same lease: two owners would close twice.
        if let Some(why) = self.gate.objection() {
            if self.gate.mode == Mode::DryRun
                && let Err(error) = self.venue.sign_only(order.order(), signed)
            {
                return Submitted::only(SubmitOutcome::Withheld { why: format!("{why}, and it could not be: {error}") });
            }
            return Submitted::only(SubmitOutcome::Withheld { why });
        }
        self.venue.submit(order, attempt, signed).await
    }

    async fn described(&self, key: &BookKey) -> Result<Description, String> {
        let found = match self.venue.describe(key).await {
            Err(Undescribed { again: true, .. }) => self.venue.describe(key).await,
            first => first,
        };
        found.map_err(|undescribed| {
            tracing::warn!("{key} can't be described: {}", undescribed.why);
            undescribed.why
        })
    }
}

fn inputs(told: impl IntoIterator<Item = VenueNews>) -> impl Iterator<Item = Input> {
    told.into_iter().map(|one| Input::Venue(Box::new(one)))
}

impl<V: LiveVenue> Desk for LiveDesk<V> {
    fn prepare(&self, order: Order, engine: &EngineHandle) {
        self.task(engine, |inner| async move {
            reach(Point::PrepareBefore);
            let signed = inner.venue.prepare(&order).await.map(Box::new);
            reach(Point::PrepareAfter);
            vec![Input::Prepared { order_id: order.order_id, signed }]
        });
    }

    fn submit(
        &self,
        order: ApprovedOrder,
        attempt: u32,
        _quote: Option<SignalQuote>,
        signed: Option<Box<SignedOrder>>,
        engine: &EngineHandle,
    ) {
        self.task(engine, |inner| async move {
            let order_id = order.order().order_id;
            let Submitted { outcome, row, news, describe } = inner.submit(&order, attempt, signed.as_deref()).await;
            reach(Point::SubmitAnswered);
            let row = row.map(|row| VenueNews::Listed(Box::new(row)));
            let mut all = vec![Input::Submitted { order_id, attempt, outcome }];
            all.extend(inputs(news.into_iter().chain(row)));
            if describe {
                let key = order.order().instrument.book_key();
                let found = inner.described(&key).await;
                all.push(Input::Described { key, found });
            }
            all
        });
    }

    fn cancel(&self, order: Order, venue_order_id: Option<VenueOrderId>, engine: &EngineHandle) {
        self.task(engine, |inner| async move {
            let outcome = match venue_order_id {
                None => CancelOutcome::Unknown { why: "the venue's name of the order is not known yet".to_owned() },
                Some(id) => inner.venue.cancel(&order, &id).await,
            };
            reach(Point::CancelAnswered);
            vec![Input::CancelAnswered { order_id: order.order_id, outcome }]
        });
    }

    fn look_up(&self, order: Order, venue_order_id: Option<VenueOrderId>, first_sent_at: Option<Time>, engine: &EngineHandle) {
        self.task(engine, |inner| async move {
            let begun_at = inner.gate.clock.now().wall;
            let sent_at = first_sent_at.unwrap_or(begun_at);
            reach(Point::LookUpBefore);
            let (found, fills) = inner.venue.look_up(&order, sent_at, venue_order_id.as_ref()).await;
            reach(Point::LookUpAfter);
            let mut all: Vec<Input> = inputs(fills.into_iter().map(|fill| VenueNews::Traded(Box::new(fill)))).collect();
            all.push(Input::LookedUp { order_id: order.order_id, begun_at, found });
            all
        });
    }

    fn identify(&self, key: BookKey, venue_order_id: VenueOrderId, engine: &EngineHandle) {
        self.task(engine, |inner| async move {
            let found = inner.venue.identify(&key, &venue_order_id).await;
            vec![Input::Identified { key, venue_order_id, found }]
        });
    }

    fn describe(&self, key: BookKey, engine: &EngineHandle) {
        self.task(engine, |inner| async move {
            let found = inner.described(&key).await;
            vec![Input::Described { key, found }]
        });
    }

    fn watch(&self, key: BookKey, _engine: &EngineHandle) {
        self.0.venue.follow(&key.id);
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id);
    }

    fn reconcile(&self, _engine: &EngineHandle) {
        self.0.read_account.notify_one();
    }
}
