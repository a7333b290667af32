//! Orders to Kalshi, its answers back as inputs. Each request is a task of its own; what an answer means for the order
//! is decided in the engine.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::desks::Desk;
use super::engine_loop::EngineHandle;
use super::gate::Gate;
use crate::domain::ids::{MarketId, Mode, VenueOrderId};
use crate::domain::market::{BookKey, Market, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::report::{CancelOutcome, Description, SubmitOutcome, VenueFill, VenueNews, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::{Mono, Time};
use crate::domain::verdict::ApprovedOrder;
use crate::engine::{Input, SignalQuote};
use crate::venues::kalshi::KalshiVenue;
use crate::venues::kalshi::client::CallError;
use crate::venues::kalshi::stream::StreamHandle;
use crate::venues::kalshi::translate::venue_order;

/// Refusals that speak of the order group, by the words of FIX (`kalshi.md` §2.2).
const GROUP_BLOWN: &str = "exceeded_order_group_risk_limit";
const GROUP_GONE: &str = "order_group_not_found";
/// A timestamp that the venue found too old: signed anew once (`kalshi.md` §1).
const STALE_SIGNATURE: &str = "header_timestamp_expired";
/// Approvals live no longer than this: what comes later was granted after somebody had closed the breaker.
const BLOWN_FOR_MS: i64 = 1_000;

#[derive(Clone)]
pub struct KalshiDesk(Arc<Inner>);

struct Inner {
    venue: Arc<KalshiVenue>,
    gate: Gate,
    /// Contracts within 15 s after which the venue stops our opens; zero: no such fuse.
    fuse_contracts: Quantity,
    /// The venue has said that it knows no such thing.
    no_fuses: AtomicBool,
    /// The fuses are spent, since then.
    blown: Mutex<Option<Mono>>,
    /// Markets whose prices matter.
    followed: Mutex<BTreeSet<MarketId>>,
    /// `None`: the account and the books are polled.
    stream: Option<StreamHandle>,
    /// Somebody wants the account read.
    read_account: Notify,
}

impl KalshiDesk {
    pub fn new(venue: Arc<KalshiVenue>, gate: Gate, fuse_contracts: Quantity, stream: Option<StreamHandle>) -> Self {
        Self(Arc::new(Inner {
            venue,
            gate,
            fuse_contracts,
            no_fuses: AtomicBool::new(false),
            blown: Mutex::default(),
            followed: Mutex::default(),
            stream,
            read_account: Notify::new(),
        }))
    }

    pub fn venue(&self) -> &Arc<KalshiVenue> {
        &self.0.venue
    }

    pub fn followed(&self) -> Vec<MarketId> {
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The venue's fuse has blown: the next open resets it, but none that was on its way.
    pub fn fuse_blown(&self) {
        self.0.fuse_blown();
    }

    /// Waits until somebody wants the account read.
    pub async fn asked_to_read(&self) {
        self.0.read_account.notified().await;
    }
}

fn news(engine: &EngineHandle, one: VenueNews) {
    engine.input(Input::Venue(Box::new(one)));
}

fn all_traded(engine: &EngineHandle, fills: Vec<VenueFill>) {
    for fill in fills {
        news(engine, VenueNews::Traded(Box::new(fill)));
    }
}

impl Inner {
    async fn submit(&self, order: &ApprovedOrder, attempt: u32) -> (SubmitOutcome, Option<VenueOrder>) {
        // Cancels and reduce-only closes go out under the same lease: two owners would close twice.
        if let Some(why) = self.gate.objection() {
            if self.gate.mode == Mode::DryRun
                && let Err(error) = self.venue.sign_only(order.order())
            {
                return (SubmitOutcome::Withheld { why: format!("{why}, and it could not be: {error}") }, None);
            }
            return (SubmitOutcome::Withheld { why }, None);
        }
        if order.order().action == Action::Buy && !self.is_fused(order.order()) {
            let outcome = match self.fuse(order.order()).await {
                // That took a while: kill, expiry, breakers and lease are looked at again before the send.
                Ok(()) => SubmitOutcome::NotProcessed { why: "the order group had to be armed first".to_owned(), retry_after_ms: 1 },
                Err(why) => SubmitOutcome::Withheld { why },
            };
            return (outcome, None);
        }
        match self.venue.submit(order).await {
            // Refused before it was looked at. The client sends no order by itself: the next attempt is on record first.
            (SubmitOutcome::Rejected { code, message }, row) if attempt == 1 && code.eq_ignore_ascii_case(STALE_SIGNATURE) => {
                (SubmitOutcome::NotProcessed { why: message, retry_after_ms: 1 }, row)
            }
            answered => answered,
        }
    }

    /// Whether the venue's fuse stops this opening order. Waits for nothing.
    fn is_fused(&self, order: &Order) -> bool {
        let unfused = self.fuse_contracts.is_zero() || self.no_fuses.load(Ordering::Relaxed);
        unfused || self.blown_since().is_none() && self.venue.route(order).order_group.is_some()
    }

    /// An opening order without the fuse would be one that the venue doesn't stop: it isn't sent.
    async fn fuse(&self, order: &Order) -> Result<(), String> {
        let arm = || async { self.arm(order.instrument.book_key()).await.map_err(|error| format!("the order group: {error}")) };
        arm().await?;
        self.reset_blown().await?;
        arm().await
    }

    fn blown_since(&self) -> Option<Mono> {
        *self.blown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fuse_blown(&self) {
        let now = self.gate.clock.now().mono;
        *self.blown.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    async fn reset_blown(&self) -> Result<(), String> {
        let Some(since) = self.blown_since() else { return Ok(()) };
        if self.gate.clock.now().mono < since.plus_ms(BLOWN_FOR_MS) {
            return Err("the order group has just blown".to_owned());
        }
        for shard in self.venue.fuses().into_keys() {
            match self.venue.reset_fuse(shard).await {
                // Somebody has deleted it: another one takes its place.
                Err(error) if error.status() == Some(404) => drop(self.venue.disarm_fuse(shard)),
                reset => reset.map_err(|error| format!("the blown order group: {error}"))?,
            }
        }
        let mut now = self.blown.lock().unwrap_or_else(PoisonError::into_inner);
        // Unless it blew again meanwhile.
        *now = now.filter(|at| *at != since);
        Ok(())
    }

    /// What a refusal says of the fuse; without the stream it is the only word of it.
    fn fuse_refused(&self, order: &Order, outcome: &SubmitOutcome) -> Option<VenueNews> {
        let SubmitOutcome::Rejected { code, message } = outcome else { return None };
        if code.eq_ignore_ascii_case(GROUP_GONE) {
            let shard = self.venue.route(order).exchange_index;
            shard.and_then(|shard| self.venue.disarm_fuse(shard));
        }
        code.eq_ignore_ascii_case(GROUP_BLOWN).then(|| {
            self.fuse_blown();
            VenueNews::FuseBlown { venue: Venue::Kalshi, why: message.clone() }
        })
    }

    async fn arm(&self, key: BookKey) -> Result<(), CallError> {
        let facts = self.venue.market(&key.id).await?;
        let shard = facts.exchange_index.unwrap_or(0);
        if self.venue.fuses().contains_key(&shard) || self.no_fuses.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.venue.arm_fuse(shard, self.fuse_contracts).await {
            Ok(group) => tracing::info!("order group {group} guards shard {shard}: {} contracts within 15 s", self.fuse_contracts),
            // Our own limits and breakers hold without it.
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => {
                tracing::warn!("kalshi offers no order groups here ({error}): opens go without the venue's own fuse");
                self.no_fuses.store(true, Ordering::Relaxed);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn describe(&self, key: &BookKey) -> Result<Market, CallError> {
        let facts = self.venue.market(&key.id).await?;
        if facts.fee_assumed {
            tracing::warn!("{key}: the venue names no fee; the highest general schedule is assumed");
        }
        // Armed ahead of the first order, which is withheld without it.
        if !self.fuse_contracts.is_zero()
            && self.gate.objection().is_none()
            && let Err(error) = self.arm(key.clone()).await
        {
            tracing::warn!("{key}: no order group yet: {error}");
        }
        Ok(facts.market)
    }

    async fn identify(&self, venue_order_id: &VenueOrderId) -> Result<Option<VenueOrder>, String> {
        match self.venue.client().order(venue_order_id).await {
            Ok(row) => venue_order(&row).map(Some).map_err(|error| error.to_string()),
            Err(CallError::Refused { refusal, .. }) if refusal.status == 404 && refusal.is("not_found") => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Desk for KalshiDesk {
    fn submit(
        &self,
        order: ApprovedOrder,
        attempt: u32,
        _quote: Option<SignalQuote>,
        _signed: Option<Box<SignedOrder>>,
        engine: &EngineHandle,
    ) {
        let (inner, engine) = (Arc::clone(&self.0), engine.clone());
        tokio::spawn(async move {
            let order_id = order.order().order_id;
            let (outcome, row) = inner.submit(&order, attempt).await;
            let fuse = inner.fuse_refused(order.order(), &outcome);
            engine.input(Input::Submitted { order_id, attempt, outcome });
            if let Some(blown) = fuse {
                news(&engine, blown);
            }
            if let Some(row) = row {
                news(&engine, VenueNews::Listed(Box::new(row)));
            }
        });
    }

    fn cancel(&self, order: Order, venue_order_id: Option<VenueOrderId>, engine: &EngineHandle) {
        let (inner, engine) = (Arc::clone(&self.0), engine.clone());
        tokio::spawn(async move {
            let outcome = match venue_order_id {
                None => CancelOutcome::Unknown { why: "the venue's name of the order is not known yet".to_owned() },
                Some(id) => inner.venue.cancel(&order, &id).await,
            };
            engine.input(Input::CancelAnswered { order_id: order.order_id, outcome });
        });
    }

    fn look_up(&self, order: Order, venue_order_id: Option<VenueOrderId>, first_sent_at: Option<Time>, engine: &EngineHandle) {
        let (inner, engine) = (Arc::clone(&self.0), engine.clone());
        tokio::spawn(async move {
            let begun_at = inner.gate.clock.now().wall;
            let sent_at = first_sent_at.unwrap_or(begun_at);
            let (found, fills) = inner.venue.look_up(&order, sent_at, venue_order_id.as_ref()).await;
            all_traded(&engine, fills);
            engine.input(Input::LookedUp { order_id: order.order_id, begun_at, found });
        });
    }

    fn identify(&self, key: BookKey, venue_order_id: VenueOrderId, engine: &EngineHandle) {
        let (inner, engine) = (Arc::clone(&self.0), engine.clone());
        tokio::spawn(async move {
            let found = inner.identify(&venue_order_id).await;
            engine.input(Input::Identified { key, venue_order_id, found });
        });
    }

    fn describe(&self, key: BookKey, engine: &EngineHandle) {
        let (inner, engine) = (Arc::clone(&self.0), engine.clone());
        tokio::spawn(async move {
            let mut found = inner.describe(&key).await;
            if matches!(found, Err(CallError::Unclear { .. } | CallError::NotSent { .. })) {
                found = inner.describe(&key).await;
            }
            let found = found.map(Description::from).map_err(|error| error.to_string());
            if let Err(why) = &found {
                tracing::warn!("{key} can't be described: {why}");
            }
            engine.input(Input::Described { key, found });
        });
    }

    fn watch(&self, key: BookKey, _engine: &EngineHandle) {
        if let Some(stream) = &self.0.stream {
            stream.watch(&key.id);
        }
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id);
    }

    fn reconcile(&self, _engine: &EngineHandle) {
        self.0.read_account.notify_one();
    }
}
