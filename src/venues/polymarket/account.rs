//! The account, whole or not at all: open orders, trades, money and tokens, and how the markets of those tokens ended.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::{Asset, Filter};
use super::client::{CallError, Incomplete};
use super::cost;
use super::look_up::MARGIN_MS;
use super::translate::{book_key, taker_fee};
use super::venue::PolymarketVenue;
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, Venue};
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::domain::report::{AccountReading, Liquidity, VenueFill, VenuePosition, VenueSettlement, VenueState};
use crate::domain::time::Time;

/// The venue says nowhere how fresh what it lists is, and keeps balances in a cache: what is younger than this may be missing.
const LISTINGS_LAG_MS: i64 = 5_000;

impl PolymarketVenue {
    /// Everything the venue knows of the account; fills since. `tokens`: those that we may hold, beside those that the
    /// trades and open orders name. From the beginning of time all trades are read, so that no holding is missed.
    pub async fn read_account(&self, since: Time, tokens: &BTreeSet<TokenId>) -> Result<AccountReading, Incomplete> {
        let begun_at = self.client.clock().now().wall;
        let breaks = self.client.standing().breaks();
        let open_orders = self.client.orders(Filter::default()).await?;
        let after = Some(since.plus_ms(-MARGIN_MS)).filter(|after| after.nanos() > 0);
        let whole = after.is_none();
        let fills = self.fills(Filter { token: None, after }).await?;
        let mut seen = tokens.clone();
        let keys = fills.iter().map(|fill| &fill.key).chain(open_orders.iter().map(|order| &order.key));
        seen.extend(keys.filter_map(|key| TokenId::new(key.id.as_str()).ok()));
        let broken = |error| Incomplete::Broken { what: "/balance-allowance", error };
        let mut positions = Vec::new();
        for token in &seen {
            if self.facts.has_ended(token) {
                self.look_at_the_chain(Asset::Token(token.as_str())).await;
            }
            let signed = self.holding(token).await.map_err(broken)?;
            if !signed.is_zero() {
                let key = book_key(token.as_str())?;
                // Of a part of the trades nothing follows: the shares are priced as if nothing were known of them.
                let cost = cost::of_holding(&key, signed, if whole { &fills } else { &[] });
                positions.push(VenuePosition { key, signed, cost });
            }
        }
        let settlements = self.settlements(&seen, &positions).await?;
        self.look_at_the_chain(Asset::Collateral).await;
        let cash = Usd::from_micros(self.client.balance(Asset::Collateral).await.map_err(broken)?.balance.0);
        self.client.standing().reconciled(breaks);
        Ok(AccountReading {
            venue: Venue::Polymarket,
            begun_at,
            read_through: begun_at.plus_ms(-LISTINGS_LAG_MS),
            cash,
            positions,
            open_orders: open_orders.into_iter().filter(|row| row.state == VenueState::Resting).collect(),
            fills,
            settlements,
            movements: Vec::new(),
        })
    }

    /// The venue keeps balances as it once saw them (`polymarket.md` §4); what wasn't its own trade, a claim of winnings or a
    /// deposit, shows only after this. Without it the balance is merely old.
    async fn look_at_the_chain(&self, asset: Asset<'_>) {
        let _ = self.client.refresh_balance(asset).await;
    }

    /// Settled shares of a token.
    async fn holding(&self, token: &TokenId) -> Result<Quantity, CallError> {
        let units = self.client.balance(Asset::Token(token.as_str())).await?.balance.0;
        Ok(Quantity::from_micros(units.min(Quantity::MAX_MICROS)))
    }

    /// Every fill of ours since, each with its fee where the schedule of its market can be known.
    pub(super) async fn fills(&self, filter: Filter<'_>) -> Result<Vec<VenueFill>, Incomplete> {
        let mut fills = self.client.fills(filter, &|key| self.facts.fee(key)).await?;
        let unknown: BTreeSet<BookKey> = fills.iter().filter(|fill| fill.fee.is_none()).map(|fill| fill.key.clone()).collect();
        for key in unknown {
            let Ok(token) = TokenId::new(key.id.as_str()) else { continue };
            // A market that can't be described now leaves the fee open; the fill stands all the same.
            let Ok(facts) = self.facts.token(&self.client, &token).await else { continue };
            for fill in fills.iter_mut().filter(|fill| fill.key == key && fill.liquidity == Liquidity::Taker) {
                fill.fee = Some(taker_fee(facts.fee, fill.price, fill.quantity));
            }
        }
        fills.sort_by(|a, b| (a.at, &a.trade_id, &a.venue_order_id).cmp(&(b.at, &b.trade_id, &b.venue_order_id)));
        Ok(fills)
    }

    /// Of the markets whose tokens we know. A market that isn't found, or not over, has none.
    async fn settlements(&self, tokens: &BTreeSet<TokenId>, held: &[VenuePosition]) -> Result<Vec<VenueSettlement>, Incomplete> {
        let mut conditions: BTreeMap<MarketId, Vec<&TokenId>> = BTreeMap::new();
        for token in tokens {
            let facts = match self.facts.known(token) {
                Some(facts) => Ok(facts),
                None => self.facts.token(&self.client, token).await,
            };
            match facts {
                Ok(facts) => conditions.entry(facts.condition).or_default().push(token),
                Err(error) if error.status() == Some(404) => {}
                // Nothing tradable, or nothing we understand: its end is for a person.
                Err(CallError::Unbuildable(_)) => {}
                Err(error) => return Err(Incomplete::Broken { what: "/clob-markets/{}", error }),
            }
        }
        let mut settlements = Vec::new();
        for (condition, tokens) in conditions {
            let read = self.facts.settlement(&self.client, &condition).await;
            let Some(settlement) = read.map_err(|error| Incomplete::Broken { what: "/markets/{}", error })? else { continue };
            for token in tokens {
                let key = book_key(token.as_str())?;
                let holding = held.iter().find(|position| position.key == key).map_or(Quantity::ZERO, |position| position.signed);
                let outcome = self.facts.known(token).map(|facts| facts.outcome);
                let payout = outcome.and_then(|outcome| settlement.payout(outcome));
                let revenue = payout.map_or(Usd::ZERO, |payout| payout.times(holding, Rounding::Down));
                settlements.push(VenueSettlement { key, settlement, revenue, fee: Usd::ZERO, at: self.client.clock().now().wall });
            }
        }
        Ok(settlements)
    }
}
