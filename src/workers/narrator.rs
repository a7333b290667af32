//! Log lines of orders, each with the mark of its mode: placing, filled, failed.

use std::collections::BTreeMap;

use crate::domain::event::{Event, NotPlaced};
use crate::domain::ids::{Mode, OrderId};
use crate::domain::money::{Price, micros_text};
use crate::domain::order::Action;
use crate::event_log::StoredBytes;

/// A price as people say it: 52.5c.
fn cents(price: Price) -> String {
    format!("{}c", micros_text(price.micros() * 100))
}

/// Orders that were asked for and not yet sent: a batch holds a few records of each.
const ASKED_MAX: usize = 1_024;

/// Remembers what an order is until it is placed.
#[derive(Debug, Default)]
pub struct Narrator {
    asked: BTreeMap<OrderId, String>,
}

impl Narrator {
    /// One line for a record that people want to see go by.
    pub fn tell(&mut self, mode: Mode, record: &StoredBytes) {
        let Ok(stored) = record.decode() else { return };
        let tag = mode.tag();
        match &stored.recorded.event {
            Event::OrderRequested { order_id, signal_id, order: Some(order), .. } => {
                if self.asked.len() >= ASKED_MAX {
                    self.asked.pop_first();
                }
                let verb = if order.action == Action::Buy { "buy" } else { "sell" };
                let (quantity, outcome, market, price) =
                    (order.quantity, order.instrument.outcome, &order.instrument.market, cents(order.limit));
                self.asked.insert(*order_id, format!("{verb} {quantity} {outcome} {market} at {price} for signal {signal_id}"));
            }
            Event::SubmitStarted { order_id, attempt, .. } => {
                let what = self.asked.remove(order_id).unwrap_or_default();
                tracing::info!("{tag} placing {what} (order {order_id}, attempt {attempt})");
            }
            event => {
                if let Event::OrderVetoed { order_id, .. } = event {
                    self.asked.remove(order_id);
                }
                tell(tag, event);
            }
        }
    }
}

fn tell(tag: &str, event: &Event) {
    match event {
        Event::OrderAcked { order_id, venue_order_id, .. } => tracing::info!("{tag} order {order_id} is at the venue as {venue_order_id}"),
        Event::Filled(fill) => {
            let (order_id, quantity, market) = (fill.order_id, fill.quantity, &fill.instrument.market);
            tracing::info!(
                "{tag} filled {quantity} {} {market} at {} (order {order_id}, fee ${})",
                fill.instrument.outcome,
                cents(fill.price),
                fill.fee
            );
        }
        Event::OrderRejected { order_id, code, message, .. } => tracing::warn!("{tag} order {order_id} failed: {code}: {message}"),
        Event::OrderOutcomeUnknown { order_id, why, .. } => tracing::warn!("{tag} order {order_id} is unknown: {why}"),
        Event::OrderNotPlaced { order_id, cause: NotPlaced::Withheld(why) } => tracing::warn!("{tag} order {order_id} withheld: {why}"),
        Event::OrderNotPlaced { order_id, cause } => tracing::warn!("{tag} order {order_id} was not placed: {cause:?}"),
        Event::OrderVetoed { order_id, failures, .. } => {
            let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
            tracing::info!("{tag} order {order_id} vetoed: {}", reasons.join(" "));
        }
        Event::OrderCanceled { order_id, filled, .. } => tracing::info!("{tag} order {order_id} canceled with {filled} filled"),
        Event::OrderExpired { order_id, filled } => tracing::info!("{tag} order {order_id} expired with {filled} filled"),
        Event::BreakerTripped { scope, reason, observed, limit } => {
            tracing::error!("{tag} breaker {scope} open: {reason} {observed} ({limit})")
        }
        Event::KillSet { by, reason } => tracing::error!("{tag} kill on, by {by}: {reason}"),
        Event::KillCleared { by, reason } => tracing::warn!("{tag} kill off, by {by}: {reason}"),
        _ => {}
    }
}
