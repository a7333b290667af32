//! What became of one order: found, absent from complete listings, or nothing proven.

use super::client::CallError;
use super::orders::Filter;
use super::paging::Incomplete;
use super::translate::{venue_fill, venue_order};
use super::venue::KalshiVenue;
use crate::domain::ids::VenueOrderId;
use crate::domain::order::Order;
use crate::domain::report::{LookUp, VenueFill, VenueOrder};
use crate::domain::time::Time;

/// Our clock and the venue's may differ by 2 s, and listings cut to seconds; the rest is for slow requests.
const MARGIN_MS: i64 = 60_000;
/// Finished orders leave the listings after two weeks (`kalshi.md` §2.4); a day before, absence proves nothing any more.
pub(super) const HORIZON_MS: i64 = 13 * 86_400_000;
/// Fills of orders that the listing does not show, each asked for by its order.
const ORPHANS_MAX: usize = 32;

impl KalshiVenue {
    /// By id where one is known, else in the listings since the first attempt. The fills are those of the order.
    pub async fn look_up(&self, order: &Order, first_sent_at: Time, known: Option<&VenueOrderId>) -> (LookUp, Vec<VenueFill>) {
        let found = match known {
            Some(id) => self.by_id(order, first_sent_at, id).await,
            None => self.by_listing(order, first_sent_at).await,
        };
        found.unwrap_or_else(|incomplete| (LookUp::Incomplete { why: incomplete.to_string() }, Vec::new()))
    }

    async fn by_id(&self, order: &Order, first_sent_at: Time, id: &VenueOrderId) -> Result<(LookUp, Vec<VenueFill>), Incomplete> {
        match self.client.order(id).await {
            Ok(row) if row.order_id == id.as_str() => self.found(order, first_sent_at, venue_order(&row)?).await,
            Ok(row) => Err(Incomplete::Unsure(format!("asked for order {id}, the answer is about {:.64}", row.order_id))),
            // Only the venue's own word counts as "not there" (`kalshi.md` §11 P5), and old orders aren't there either.
            Err(CallError::Refused { refusal, .. }) if refusal.status == 404 && refusal.code.is_some() => {
                self.by_listing(order, first_sent_at).await
            }
            Err(error) => Err(Incomplete::Broken { what: "/portfolio/orders/{}", error }),
        }
    }

    async fn by_listing(&self, order: &Order, first_sent_at: Time) -> Result<(LookUp, Vec<VenueFill>), Incomplete> {
        let begun_at = self.client.clock().now().wall;
        if begun_at.ms_since(first_sent_at) > HORIZON_MS {
            return Err(Incomplete::Unsure("sent so long ago that the venue's listings no longer reach back".to_owned()));
        }
        let fresh_before = self.freshness().await?;
        let min_ts = Some(first_sent_at.plus_ms(-MARGIN_MS).ms().div_euclid(1_000).max(0));
        let filter = Filter { ticker: Some(&order.instrument.market), min_ts, ..Filter::default() };
        let rows = self.client.orders(filter).await?.iter().map(venue_order).collect::<Result<Vec<_>, _>>()?;
        let ours = order.order_id.client_order_id();
        if let Some(row) = rows.iter().find(|row| row.client_order_id.as_ref() == Some(&ours)) {
            return self.found(order, first_sent_at, row.clone()).await;
        }
        let fills = self.client.fills(filter).await?.iter().map(venue_fill).collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = self.behind(order, &rows, &fills).await? {
            return self.found(order, first_sent_at, row).await;
        }
        // Complete up to the older of the venue's two statements, and never past the moment when we began to read: what
        // was placed later may have been missed. A venue's clock ahead of ours can't stretch this.
        let read_through = fresh_before.min(self.freshness().await?).min(begun_at);
        Ok((LookUp::Absent { read_through, nothing_in_flight: false }, Vec::new()))
    }

    /// Fills name no client id: a fill of an order that the listing doesn't show may be of ours, so the order is asked.
    async fn behind(&self, order: &Order, rows: &[VenueOrder], fills: &[VenueFill]) -> Result<Option<VenueOrder>, Incomplete> {
        let ours = order.order_id.client_order_id();
        let mut orphans: Vec<&VenueOrderId> = fills.iter().map(|fill| &fill.venue_order_id).collect();
        orphans.retain(|id| !rows.iter().any(|row| row.venue_order_id == **id));
        orphans.sort();
        orphans.dedup();
        if orphans.len() > ORPHANS_MAX {
            return Err(Incomplete::Unsure(format!("{} fills belong to orders that the listing does not show", orphans.len())));
        }
        for id in orphans {
            let row = self.client.order(id).await.map_err(|error| Incomplete::Broken { what: "/portfolio/orders/{}", error })?;
            let row = venue_order(&row)?;
            if row.client_order_id.as_ref() == Some(&ours) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    async fn found(&self, order: &Order, first_sent_at: Time, row: VenueOrder) -> Result<(LookUp, Vec<VenueFill>), Incomplete> {
        let filter = Filter { order_id: Some(&row.venue_order_id), ..Filter::default() };
        let fills = self.client.fills(filter).await?.iter().map(venue_fill).collect::<Result<Vec<_>, _>>()?;
        // A venue that does not know the filter gives the fills of others too.
        let fills: Vec<VenueFill> = fills.into_iter().filter(|fill| fill.venue_order_id == row.venue_order_id).collect();
        let matches = row.has_terms_of(order) && row.is_as_young_as(first_sent_at);
        Ok((LookUp::Found { venue_order_id: row.venue_order_id, state: row.state, filled: row.filled, matches }, fills))
    }
}
