//! Orders as the fold knows them: vetoed ones never were orders and are told by `explain`.

use serde::Serialize;

use crate::audit::narrate;
use crate::domain::ids::{GameId, MarketId, OrderId, SignalId, TokenId, VenueOrderId};
use crate::domain::market::{Outcome, Venue};
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::order::OrderState;
use crate::domain::time::Time;
use crate::projections::{OrderRecord, Projections};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderView {
    pub order_id: OrderId,
    pub signal_id: SignalId,
    /// Counts the orders one close needed; 0 for the first.
    pub revision: u32,
    pub venue: Venue,
    pub market: MarketId,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    pub action: &'static str,
    pub quantity: Quantity,
    pub filled: Quantity,
    /// Of the fills; absent without one.
    pub average_price: Option<Price>,
    pub fees: Usd,
    pub limit: Price,
    pub tif: &'static str,
    pub state: OrderState,
    /// As acknowledged, or as it was known before it was sent.
    pub venue_order_id: Option<VenueOrderId>,
    pub approved_by: Option<&'static str>,
    /// Attempts to send.
    pub attempts: u32,
    /// Cash the outstanding part may still take.
    pub reserved: Usd,
    pub game: GameId,
    pub requested_at: Time,
    pub acked_at: Option<Time>,
    pub expires_at: Time,
    /// Since when the fate of an attempt is not known.
    pub unknown_since: Option<Time>,
    /// Why it ended, in the venue's or our words.
    pub ended: Option<String>,
}

/// Which orders are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFilter {
    All,
    /// Something may still come of them.
    Live,
    State(OrderState),
}

const STATES: [OrderState; 10] = [
    OrderState::Requested,
    OrderState::Vetoed,
    OrderState::Submitting,
    OrderState::Unknown,
    OrderState::Working,
    OrderState::Filled,
    OrderState::Rejected,
    OrderState::NotPlaced,
    OrderState::Canceled,
    OrderState::Expired,
];

impl OrderFilter {
    /// Reads `all`, `live` or the name of a state. Errors: the words that are allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "live" | "open" => Ok(Self::Live),
            other => STATES.into_iter().find(|state| state.as_str() == other).map(Self::State).ok_or_else(|| {
                let names: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
                format!("unknown order state {other:?}: all, live, {}", names.join(", "))
            }),
        }
    }

    fn takes(self, record: &OrderRecord) -> bool {
        match self {
            Self::All => true,
            Self::Live => !record.is_done(),
            Self::State(state) => record.state == state,
        }
    }
}

/// The newest `max` orders, in the order they were asked for.
pub fn orders(book: &Projections, filter: OrderFilter, max: usize) -> Vec<OrderView> {
    let mut found: Vec<&OrderRecord> = book.orders.iter().filter(|record| filter.takes(record)).collect();
    found.sort_by_key(|record| (record.requested_at, record.order.order_id));
    let skipped = found.len().saturating_sub(max);
    found.into_iter().skip(skipped).map(order_view).collect()
}

pub fn order_view(record: &OrderRecord) -> OrderView {
    let order = &record.order;
    OrderView {
        order_id: order.order_id,
        signal_id: order.signal_id.clone(),
        revision: order.revision,
        venue: order.instrument.venue,
        market: order.instrument.market.clone(),
        outcome: order.instrument.outcome,
        token_id: order.instrument.token.clone(),
        action: narrate::action(order.action),
        quantity: order.quantity,
        filled: record.filled,
        average_price: record.average_price(),
        fees: record.fees,
        limit: order.limit,
        tif: narrate::tif(order),
        state: record.state,
        venue_order_id: record.venue_name().cloned(),
        approved_by: record.approved_by.map(narrate::approver),
        attempts: record.attempts,
        reserved: record.reserved(),
        game: order.groups.game.clone(),
        requested_at: record.requested_at,
        acked_at: record.acked_at,
        expires_at: order.expires_at,
        unknown_since: record.unknown_since,
        ended: record.ended.as_deref().map(str::to_owned),
    }
}
