//! What became of one order: found, absent from complete listings, or nothing proven. `null` for a hash is not absence:
//! the venue has answered so of orders that were filled (`polymarket.md` §4), so the trades decide.

use super::calls::Filter;
use super::client::Incomplete;
use super::venue::PolymarketVenue;
use crate::domain::ids::VenueOrderId;
use crate::domain::market::BookKey;
use crate::domain::matching::LOT;
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::{LookUp, VenueFill, VenueOrder, VenueState};
use crate::domain::time::Time;

/// Our clock and the venue's may differ by 2 s, and listings cut to seconds; the rest is for trades that come late.
pub(super) const MARGIN_MS: i64 = 600_000;

impl PolymarketVenue {
    /// By the hash, which is known before anything is sent. The fills are those of the order.
    pub async fn look_up(&self, order: &Order, hash: &VenueOrderId, since: Time) -> (LookUp, Vec<VenueFill>) {
        let found = self.found(order, hash, since).await;
        found.unwrap_or_else(|incomplete| (LookUp::Incomplete { why: incomplete.to_string() }, Vec::new()))
    }

    async fn found(&self, order: &Order, hash: &VenueOrderId, since: Time) -> Result<(LookUp, Vec<VenueFill>), Incomplete> {
        let begun_at = self.client.clock().now().wall;
        let Some(token) = &order.instrument.token else { return Err(Incomplete::Unsure("the order names no token".to_owned())) };
        let row = self.client.order(hash).await.map_err(|error| Incomplete::Broken { what: "/data/order/{}", error })?;
        let filter = Filter { token: None, after: Some(since.plus_ms(-MARGIN_MS)) };
        let mut fills = self.fills(filter).await?;
        fills.retain(|fill| fill.venue_order_id == *hash);
        let traded: Quantity = fills.iter().map(|fill| fill.quantity).sum();
        let row = match row {
            Some(row) => Some(row),
            None => {
                self.client.orders(Filter { token: Some(token), after: None }).await?.into_iter().find(|row| row.venue_order_id == *hash)
            }
        };
        let found = match row {
            Some(row) => {
                // The hash commits to everything else.
                let matches = (&row.key, row.side) == (&order.instrument.book_key(), order.book_side());
                let filled = row.filled.max(traded);
                LookUp::Found { venue_order_id: hash.clone(), state: row.state, filled, matches }
            }
            None if fills.is_empty() => LookUp::Absent { read_through: begun_at, nothing_in_flight: false },
            // Traded, and neither shown nor open: it has ended.
            None => {
                let state = if traded + LOT > order.quantity { VenueState::Executed } else { VenueState::Canceled };
                let ours = |fill: &VenueFill| (&fill.key, fill.side) == (&order.instrument.book_key(), order.book_side());
                LookUp::Found { venue_order_id: hash.clone(), state, filled: traded, matches: fills.iter().all(ours) }
            }
        };
        Ok((found, fills))
    }

    /// Whose order is this? `None`: the venue shows none of that name.
    pub async fn identify(&self, _key: &BookKey, id: &VenueOrderId) -> Result<Option<VenueOrder>, String> {
        self.client.order(id).await.map_err(|error| error.to_string())
    }
}
