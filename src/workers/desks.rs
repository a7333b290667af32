//! Where orders go: one desk a venue, all alike. A desk carries out and reports back; it decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine_loop::EngineHandle;
use crate::domain::ids::{MarketId, VenueOrderId};
use crate::domain::market::{BookKey, Settlement, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::{CancelOutcome, LookUp, SubmitOutcome};
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::engine::{Effect, Input, SignalQuote};

/// Each call returns at once; what comes of it is an input of the engine.
pub trait Desk: Send + Sync {
    /// Sign this order ahead of its verdict; the answer is `Input::Prepared`.
    fn prepare(&self, order: Order, engine: &EngineHandle) {
        let signed = Err("orders for this venue are not signed ahead".to_owned());
        engine.input(Input::Prepared { order_id: order.order_id, signed });
    }
    /// `signed`: as prepared, for venues that prepare; exactly this is sent.
    fn submit(
        &self,
        order: ApprovedOrder,
        attempt: u32,
        quote: Option<SignalQuote>,
        signed: Option<Box<SignedOrder>>,
        engine: &EngineHandle,
    );
    fn cancel(&self, order: Order, venue_order_id: Option<VenueOrderId>, engine: &EngineHandle);
    fn look_up(&self, order: Order, venue_order_id: Option<VenueOrderId>, first_sent_at: Option<Time>, engine: &EngineHandle);
    /// Whose order is this?
    fn identify(&self, key: BookKey, venue_order_id: VenueOrderId, engine: &EngineHandle);
    fn describe(&self, key: BookKey, engine: &EngineHandle);
    /// Follow the prices of this book from now on.
    fn watch(&self, key: BookKey, engine: &EngineHandle);
    /// Read the account.
    fn reconcile(&self, engine: &EngineHandle);
    /// An order of an earlier session, for an exchange that lives in this process.
    fn restore(&self, _order: &Order, _filled: Quantity, _engine: &EngineHandle) {}
    fn market_ended(&self, _venue: Venue, _market: &MarketId, _settlement: Settlement, _engine: &EngineHandle) {}
}

/// The desks of this process. On paper one stands for every venue.
#[derive(Clone, Default)]
pub struct Desks {
    of: BTreeMap<Venue, Arc<dyn Desk>>,
}

impl Desks {
    pub fn paper(desk: Arc<dyn Desk>) -> Self {
        let all = [Venue::Kalshi, Venue::Polymarket, Venue::Paper];
        Self { of: all.into_iter().map(|venue| (venue, Arc::clone(&desk))).collect() }
    }

    pub fn add(&mut self, venue: Venue, desk: Arc<dyn Desk>) {
        self.of.insert(venue, desk);
    }

    /// Carries out what is for a desk; gives back what isn't.
    pub fn carry_out(&self, effect: Effect, engine: &EngineHandle) -> Option<Effect> {
        let Some(venue) = venue_of(&effect) else { return Some(effect) };
        let Some(desk) = self.of.get(&venue) else {
            answer_for_nobody(effect, venue, engine);
            return None;
        };
        match effect {
            Effect::Prepare { order } => desk.prepare(*order, engine),
            Effect::Submit { order, attempt, quote, signed } => desk.submit(*order, attempt, quote, signed, engine),
            Effect::Cancel { order, venue_order_id } => desk.cancel(*order, venue_order_id, engine),
            Effect::LookUp { order, venue_order_id, first_sent_at } => desk.look_up(*order, venue_order_id, first_sent_at, engine),
            Effect::Identify { key, venue_order_id } => desk.identify(key, venue_order_id, engine),
            Effect::Describe { key } => desk.describe(key, engine),
            Effect::Watch { key } => desk.watch(key, engine),
            Effect::Reconcile { .. } => desk.reconcile(engine),
            Effect::Restore { order, filled } => desk.restore(&order, filled, engine),
            Effect::MarketEnded { venue, market, settlement } => desk.market_ended(venue, &market, settlement, engine),
            other => return Some(other),
        }
        None
    }
}

fn venue_of(effect: &Effect) -> Option<Venue> {
    match effect {
        Effect::Submit { order, .. } => Some(order.order().instrument.venue),
        Effect::Prepare { order } | Effect::Cancel { order, .. } | Effect::LookUp { order, .. } | Effect::Restore { order, .. } => {
            Some(order.instrument.venue)
        }
        Effect::Identify { key, .. } | Effect::Describe { key } | Effect::Watch { key } => Some(key.venue),
        Effect::Reconcile { venue } | Effect::MarketEnded { venue, .. } => Some(*venue),
        _ => None,
    }
}

/// A venue without credentials: nothing is sent, and what is asked stays open.
fn answer_for_nobody(effect: Effect, venue: Venue, engine: &EngineHandle) {
    let why = || format!("{venue} has no credentials here");
    match effect {
        Effect::Prepare { order } => engine.input(Input::Prepared { order_id: order.order_id, signed: Err(why()) }),
        Effect::Submit { order, attempt, .. } => {
            let order_id = order.order().order_id;
            engine.input(Input::Submitted { order_id, attempt, outcome: SubmitOutcome::Withheld { why: why() } });
        }
        Effect::Cancel { order, .. } => {
            engine.input(Input::CancelAnswered { order_id: order.order_id, outcome: CancelOutcome::Unknown { why: why() } });
        }
        Effect::LookUp { order, .. } => {
            let begun_at = Time::default();
            engine.input(Input::LookedUp { order_id: order.order_id, begun_at, found: LookUp::Incomplete { why: why() } });
        }
        Effect::Describe { key } => engine.input(Input::Described { key, found: Err(why()) }),
        _ => {}
    }
}
