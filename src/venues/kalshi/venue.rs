//! What workers hold: submit, cancel, look up, read. Decides nothing about an order's life.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::standing::VenueStanding;
use super::account::seconds;
use super::client::{CallError, Client};
use super::facts::{FeeBook, MarketFacts};
use super::look_up::HORIZON_MS;
use super::orders::Filter;
use super::outcome;
use super::paging::Incomplete;
use super::translate::{Levels, Route, TopOfBook, levels, top_of_book, venue_fill, venue_order, venue_position, venue_settlement};
use crate::domain::ids::{MarketId, VenueOrderId};
use crate::domain::market::Venue;
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::{AccountReading, CancelOutcome, SubmitOutcome, VenueFill, VenueOrder, VenueState};
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;

/// Look-ups of a cancelled order whose fills are in doubt; the venue's reads lag its writes by some 360 ms
/// (`kalshi.md` §2.5).
const CANCEL_READS_MAX: u32 = 4;
const CANCEL_READ_EVERY_MS: u64 = 200;

pub struct KalshiVenue {
    pub(super) client: Arc<Client>,
    /// The shard of each market seen.
    shards: Mutex<BTreeMap<MarketId, u32>>,
    /// The armed fuse of each shard.
    fuses: Mutex<BTreeMap<u32, String>>,
    fees: FeeBook,
}

impl KalshiVenue {
    pub fn new(client: Arc<Client>) -> Self {
        Self { client, shards: Mutex::default(), fuses: Mutex::default(), fees: FeeBook::default() }
    }

    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whether the venue takes orders, and why not.
    pub fn state(&self) -> tokio::sync::watch::Receiver<VenueStanding> {
        self.client.standing().watch()
    }

    /// One attempt. The order as the venue's answer shows it comes along.
    pub async fn submit(&self, approved: &ApprovedOrder) -> (SubmitOutcome, Option<VenueOrder>) {
        let order = approved.order();
        let answer = self.client.create(order, &self.route(order)).await;
        let (outcome, row) = outcome::create(order, answer);
        if let Some(resting) = row.as_ref().filter(|row| row.state == VenueState::Resting) {
            // Cancels are signed ahead; without that they are signed when they are sent.
            let (client, id) = (Arc::clone(&self.client), resting.venue_order_id.clone());
            drop(tokio::task::spawn_blocking(move || client.prepare_cancel(&id)));
        }
        (outcome, row)
    }

    /// Where this order goes; resting and opening orders carry the armed fuse of their shard, closes none.
    pub fn route(&self, order: &Order) -> Route {
        let exchange_index = locked(&self.shards).get(&order.instrument.market).copied();
        let order_group = exchange_index.and_then(|shard| locked(&self.fuses).get(&shard).cloned());
        Route { exchange_index, order_group, subaccount: self.client.settings.subaccount }
    }

    pub async fn cancel(&self, order: &Order, id: &VenueOrderId) -> CancelOutcome {
        let market = &order.instrument.market;
        let shard = locked(&self.shards).get(market).copied();
        let answer = self.client.cancel_order(id, market, shard).await;
        match outcome::cancel(order.quantity, id, answer) {
            CancelOutcome::Canceled { filled } if !filled.is_zero() => self.confirmed(id, filled).await,
            outcome => outcome,
        }
    }

    /// `reduced_by` was less than we placed: filled, or decreased by somebody else. The order itself knows, once the
    /// venue's reads have caught up; until then the matching engine's figure stands.
    async fn confirmed(&self, id: &VenueOrderId, filled: Quantity) -> CancelOutcome {
        for _ in 0..CANCEL_READS_MAX {
            if let Ok(row) = self.client.order(id).await
                && let Ok(row) = venue_order(&row)
                && row.venue_order_id == *id
                && row.state != VenueState::Resting
            {
                return CancelOutcome::Canceled { filled: row.filled };
            }
            tokio::time::sleep(std::time::Duration::from_millis(CANCEL_READ_EVERY_MS)).await;
        }
        CancelOutcome::Canceled { filled }
    }

    /// Everything the venue knows of the account; fills, settlements and transfers since.
    pub async fn read_account(&self, since: Time) -> Result<AccountReading, Incomplete> {
        let begun_at = self.client.clock().now().wall;
        let breaks = self.client.standing().breaks();
        let fresh_before = self.freshness().await?;
        let resting = Filter { status: Some("resting"), ..Filter::default() };
        let open_orders = self.client.orders(resting).await?.iter().map(venue_order).collect::<Result<Vec<_>, _>>()?;
        let fills = self.fills(since, begun_at).await?;
        let positions = self.client.positions().await?.iter().map(venue_position).collect::<Result<_, _>>()?;
        let settlements = self.client.settlements(since).await?.iter().map(venue_settlement).collect::<Result<_, _>>()?;
        let movements = self.client.movements(since).await?;
        let balance = self.client.balance().await.map_err(|error| Incomplete::Broken { what: "/portfolio/balance", error })?;
        let read_through = fresh_before.min(self.freshness().await?).min(begun_at);
        self.client.standing().reconciled(breaks);
        Ok(AccountReading {
            venue: Venue::Kalshi,
            begun_at,
            read_through,
            cash: balance.balance_dollars.0,
            positions,
            open_orders: open_orders.into_iter().filter(|row| row.state == VenueState::Resting).collect(),
            fills,
            settlements,
            movements,
        })
    }

    /// Also from the archive, where the time asked for may lie before it.
    async fn fills(&self, since: Time, now: Time) -> Result<Vec<VenueFill>, Incomplete> {
        let recent = Filter { min_ts: seconds(since), ..Filter::default() };
        let mut rows = self.client.fills(recent).await?;
        if now.ms_since(since) > HORIZON_MS {
            rows.extend(self.client.archived_fills(since).await?);
        }
        let mut fills: Vec<VenueFill> = rows.iter().map(venue_fill).collect::<Result<_, _>>()?;
        fills.retain(|fill| fill.at.plus_ms(1_000) > since);
        fills.sort_by(|a, b| (a.at, &a.trade_id, &a.venue_order_id).cmp(&(b.at, &b.trade_id, &b.venue_order_id)));
        fills.dedup_by(|a, b| a.trade_id == b.trade_id && a.venue_order_id == b.venue_order_id);
        Ok(fills)
    }

    pub(super) async fn freshness(&self) -> Result<Time, Incomplete> {
        let read = self.client.user_data_timestamp().await;
        read.map_err(|error| Incomplete::Broken { what: "/exchange/user_data_timestamp", error })
    }

    /// The market's facts, its fee from series and event. Remembers its shard.
    pub async fn market(&self, id: &MarketId) -> Result<MarketFacts, CallError> {
        let facts = self.fees.market(&self.client, id).await?;
        if let Some(shard) = facts.exchange_index {
            locked(&self.shards).insert(id.clone(), shard);
        }
        Ok(facts)
    }

    /// The stream says that the fees of this event changed: the next reading of its markets asks anew.
    pub fn forget_fees(&self, event_ticker: &str) {
        self.fees.forget(event_ticker);
    }

    pub async fn top_of_book(&self, id: &MarketId) -> Result<TopOfBook, CallError> {
        self.client.book(id, Some(1)).await.map(|book| top_of_book(&book))
    }

    /// Every level of a book in YES terms: bids and asks.
    pub async fn levels(&self, id: &MarketId) -> Result<Levels, CallError> {
        self.client.book(id, None).await.map(|book| levels(&book))
    }

    /// Asks whether the exchange trades; a pause of a shard in use counts.
    pub async fn read_status(&self) -> Result<(), CallError> {
        let status = self.client.exchange_status().await?;
        let used: Vec<u32> = locked(&self.shards).values().copied().collect();
        let shards = status.exchange_index_statuses.iter().flatten();
        let shut =
            shards.filter(|shard| used.contains(&shard.exchange_index.0)).find(|shard| !(shard.exchange_active && shard.trading_active));
        let resumes = status.exchange_estimated_resume_time.as_deref().map(|at| format!("; expected back {at:.40}")).unwrap_or_default();
        let why = match (status.exchange_active, status.trading_active, shut) {
            (false, _, _) => Some(format!("the exchange is paused{resumes}")),
            (_, false, _) => Some(format!("trading is paused{resumes}")),
            (_, _, Some(shard)) => Some(format!("shard {} is paused{resumes}", shard.exchange_index.0)),
            _ => None,
        };
        self.client.standing().pause(why);
        Ok(())
    }

    /// Arms a fuse on this shard: opening orders join it from now on. The one of an earlier process goes on: an order sent
    /// again is the identical one, and what blew meanwhile is not forgotten.
    pub async fn arm_fuse(&self, exchange_index: u32, contracts_max: Quantity) -> Result<String, CallError> {
        let groups = match self.client.groups().await {
            // A venue that shows no groups has none of ours to go on with.
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => Vec::new(),
            listed => listed?,
        };
        let ours = groups.into_iter().filter(|group| group.is_fuse(exchange_index, contracts_max)).map(|group| group.id).min();
        let id = match ours {
            Some(id) => id,
            None => self.client.create_group(contracts_max, exchange_index).await?,
        };
        locked(&self.fuses).insert(exchange_index, id.clone());
        Ok(id)
    }

    /// Opening orders of this shard carry no fuse any more; the group itself stays.
    pub fn disarm_fuse(&self, exchange_index: u32) -> Option<String> {
        locked(&self.fuses).remove(&exchange_index)
    }

    /// Lets this shard's fuse take orders again after it has blown.
    pub async fn reset_fuse(&self, exchange_index: u32) -> Result<(), CallError> {
        let Some(id) = locked(&self.fuses).get(&exchange_index).cloned() else { return Ok(()) };
        self.client.reset_group(&id, Some(exchange_index)).await
    }

    pub fn fuses(&self) -> BTreeMap<u32, String> {
        locked(&self.fuses).clone()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
