//! Kalshi's counter behind the live desk: the venue's client, and the fuse that guards its opening orders.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::gate::Gate;
use super::live_desk::{Heard, Known, LiveVenue, Reaction, Submitted, Undescribed};
use crate::domain::ids::{MarketId, VenueOrderId};
use crate::domain::market::{BookKey, Quote, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::report::{AccountReading, CancelOutcome, Description, LookUp, SubmitOutcome, VenueFill, VenueNews, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::{Mono, Time};
use crate::domain::verdict::ApprovedOrder;
use crate::venues::kalshi::KalshiVenue;
use crate::venues::kalshi::client::CallError;
use crate::venues::kalshi::stream::{StreamEvent, StreamHandle};
use crate::venues::kalshi::translate::venue_order;
use crate::venues::standing::VenueStanding;

/// Refusals that speak of the order group, by the words of FIX (`kalshi.md` §2.2).
const GROUP_BLOWN: &str = "exceeded_order_group_risk_limit";
const GROUP_GONE: &str = "order_group_not_found";
/// A timestamp that the venue found too old: signed anew once (`kalshi.md` §1).
const STALE_SIGNATURE: &str = "header_timestamp_expired";
/// Approvals live no longer than this: what comes later was granted after somebody had closed the breaker.
const BLOWN_FOR_MS: i64 = 1_000;
/// Fills are read from this long before now where nothing is proven yet.
const FIRST_READ_MS: i64 = 300_000;

pub struct KalshiCounter {
    venue: Arc<KalshiVenue>,
    gate: Gate,
    /// Contracts within 15 s after which the venue stops our opens; zero: no such fuse.
    fuse_contracts: Quantity,
    /// The venue has said that it knows no such thing.
    no_fuses: AtomicBool,
    /// The fuses are spent, since then.
    blown: Mutex<Option<Mono>>,
    /// `None`: the account and the books are polled.
    stream: Option<StreamHandle>,
}

impl KalshiCounter {
    pub fn new(venue: Arc<KalshiVenue>, gate: Gate, fuse_contracts: Quantity, stream: Option<StreamHandle>) -> Self {
        Self { venue, gate, fuse_contracts, no_fuses: AtomicBool::new(false), blown: Mutex::default(), stream }
    }

    /// The venue's fuse has blown: the next open resets it, but none that was on its way.
    pub fn fuse_blown(&self) {
        let now = self.gate.clock.now().mono;
        *self.blown.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
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
}

impl LiveVenue for KalshiCounter {
    type Event = StreamEvent;

    fn venue(&self) -> Venue {
        Venue::Kalshi
    }

    fn standing(&self) -> watch::Receiver<VenueStanding> {
        self.venue.state()
    }

    async fn prepare(&self, _order: &Order) -> Result<SignedOrder, String> {
        Err("Kalshi names an order itself: nothing is signed ahead".to_owned())
    }

    fn sign_only(&self, order: &Order, _signed: Option<&SignedOrder>) -> Result<(), String> {
        self.venue.sign_only(order).map(drop).map_err(|error| error.to_string())
    }

    async fn submit(&self, order: &ApprovedOrder, attempt: u32, _signed: Option<&SignedOrder>) -> Submitted {
        if order.order().action == Action::Buy && !self.is_fused(order.order()) {
            return Submitted::only(match self.fuse(order.order()).await {
                // That took a while: kill, expiry, breakers and lease are looked at again before the send.
                Ok(()) => SubmitOutcome::NotProcessed { why: "the order group had to be armed first".to_owned(), retry_after_ms: 1 },
                Err(why) => SubmitOutcome::Withheld { why },
            });
        }
        let (outcome, row) = match self.venue.submit(order).await {
            // Refused before it was looked at. The client sends no order by itself: the next attempt is on record first.
            (SubmitOutcome::Rejected { code, message }, row) if attempt == 1 && code.eq_ignore_ascii_case(STALE_SIGNATURE) => {
                (SubmitOutcome::NotProcessed { why: message, retry_after_ms: 1 }, row)
            }
            answered => answered,
        };
        let news = self.fuse_refused(order.order(), &outcome);
        Submitted { outcome, row, news, describe: false }
    }

    async fn cancel(&self, order: &Order, id: &VenueOrderId) -> CancelOutcome {
        self.venue.cancel(order, id).await
    }

    async fn look_up(&self, order: &Order, first_sent_at: Time, known: Option<&VenueOrderId>) -> (LookUp, Vec<VenueFill>) {
        self.venue.look_up(order, first_sent_at, known).await
    }

    async fn identify(&self, _key: &BookKey, id: &VenueOrderId) -> Result<Option<VenueOrder>, String> {
        match self.venue.client().order(id).await {
            Ok(row) => venue_order(&row).map(Some).map_err(|error| error.to_string()),
            Err(CallError::Refused { refusal, .. }) if refusal.status == 404 && refusal.is("not_found") => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn describe(&self, key: &BookKey) -> Result<Description, Undescribed> {
        let undescribed = |error: CallError| {
            let again = matches!(error, CallError::Unclear { .. } | CallError::NotSent { .. });
            Undescribed { why: error.to_string(), again }
        };
        let facts = self.venue.market(&key.id).await.map_err(undescribed)?;
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
        Ok(Description { markets: vec![facts.market] })
    }

    fn follow(&self, id: &MarketId) {
        if let Some(stream) = &self.stream {
            stream.watch(id);
        }
    }

    fn heard(&self, event: StreamEvent, followed: &BTreeSet<MarketId>) -> Reaction {
        match event {
            StreamEvent::News(one) => {
                if matches!(one, VenueNews::FuseBlown { .. }) {
                    self.fuse_blown();
                }
                one.into()
            }
            StreamEvent::Touch { key, top, at } => {
                let at = at.unwrap_or_else(|| self.gate.clock.now().wall);
                VenueNews::Quote { key, quote: top.quote, at }.into()
            }
            StreamEvent::MarketChanged { market, event } => {
                tracing::info!("kalshi:{market}: {event}");
                Reaction { describe: vec![market], account: Heard::ReadSoon, ..Reaction::default() }
            }
            StreamEvent::FeesChanged { event_ticker } => {
                self.venue.forget_fees(&event_ticker);
                let touched = followed.iter().filter(|id| id.as_str().starts_with(&event_ticker)).cloned().collect();
                Reaction { describe: touched, ..Reaction::default() }
            }
            StreamEvent::Missing { what } => {
                tracing::warn!("kalshi's stream goes on without {what}");
                Reaction::default()
            }
            // Fills say it sooner, and the next reading says it surely.
            StreamEvent::Position(_) | StreamEvent::Book { .. } => Reaction::default(),
            StreamEvent::Up => Reaction { account: Heard::Up, ..Reaction::default() },
            StreamEvent::Down { why } => Reaction { account: Heard::Down { why }, ..Reaction::default() },
        }
    }

    async fn read_status(&self) -> Result<(), String> {
        self.venue.read_status().await.map_err(|error| error.to_string())
    }

    async fn read_account(&self, known: Known) -> Result<AccountReading, String> {
        let since = known.since.unwrap_or_else(|| self.gate.clock.now().wall.plus_ms(-FIRST_READ_MS));
        self.venue.read_account(since).await.map_err(|incomplete| incomplete.to_string())
    }

    async fn quote(&self, id: &MarketId) -> Option<Quote> {
        self.venue.top_of_book(id).await.ok().map(|top| top.quote)
    }
}
