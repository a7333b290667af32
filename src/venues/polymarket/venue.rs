//! What workers hold: prepare, submit, cancel, look up, read. Decides nothing about an order's life.

use std::sync::Arc;
use std::time::Duration;

use super::super::call::Untranslatable;
use super::super::standing::VenueStanding;
use super::calls::Asset;
use super::client::{CallError, Client};
use super::credentials::ApiCredentials;
use super::errors::{CLOSED_ONLY, Class, of_message, trouble};
use super::facts::FactBook;
use super::outcome::{self, Cancelled};
use super::translate::{Levels, TopOfBook};
use super::wire::orders::CancelReply;
use crate::domain::ids::{MarketId, TokenId, VenueOrderId};
use crate::domain::market::BookKey;
use crate::domain::order::Order;
use crate::domain::report::{CancelOutcome, Description, SubmitOutcome, VenueOrder, VenueState};
use crate::domain::signed::SignedOrder;
use crate::domain::verdict::ApprovedOrder;

/// Look-ups of a cancelled order whose count is not final yet.
const CANCEL_READS_MAX: u32 = 4;
const CANCEL_READ_EVERY_MS: u64 = 200;

pub struct PolymarketVenue {
    pub(super) client: Arc<Client>,
    pub(super) facts: FactBook,
}

impl PolymarketVenue {
    pub fn new(client: Arc<Client>) -> Self {
        Self { client, facts: FactBook::default() }
    }

    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub fn facts(&self) -> &FactBook {
        &self.facts
    }

    /// Whether the venue takes orders, and why not.
    pub fn state(&self) -> tokio::sync::watch::Receiver<VenueStanding> {
        self.client.standing().watch()
    }

    /// Takes the API key that was kept, or creates one, or derives the one that exists. Gives it back to be kept.
    pub async fn connect(&self, kept: Option<ApiCredentials>) -> Result<ApiCredentials, CallError> {
        let credentials = match kept {
            Some(kept) => kept,
            None => self.client.create_or_derive_key().await?,
        };
        self.client.use_credentials(credentials.clone())?;
        Ok(credentials)
    }

    /// Signs an order with its market's facts of this moment. The same order gives the same bytes as long as those stand.
    pub async fn prepare(&self, order: &Order) -> Result<SignedOrder, CallError> {
        let Some(token) = &order.instrument.token else {
            return Err(Untranslatable { what: "token", why: "the order names none".to_owned() }.into());
        };
        let facts = self.facts.token(&self.client, token).await?;
        let contradiction = facts.outcome != order.instrument.outcome;
        if contradiction {
            let why = format!("{token} is the {} token, the order is for {}", facts.outcome, order.instrument.outcome);
            return Err(Untranslatable { what: "token", why }.into());
        }
        let signed = self.client.signer()?.sign(order, facts.tick, facts.neg_risk);
        Ok(signed.map_err(|error| Untranslatable { what: "order", why: error.to_string() })?)
    }

    /// One attempt, with the bytes of every other attempt. The order as the venue's answer shows it comes along.
    pub async fn submit(&self, approved: &ApprovedOrder, signed: &SignedOrder) -> (SubmitOutcome, Option<VenueOrder>) {
        let order = approved.order();
        let answer = self.client.post(signed).await;
        let answered = outcome::post(order, signed, answer, self.client.clock().now().wall);
        if answered.misnamed {
            let SubmitOutcome::Unknown { why } = &answered.outcome else { return (answered.outcome, None) };
            self.client.standing().halt(trouble("misnamed", why));
        }
        if let Some(complaint) = &answered.complaint {
            self.client.judge_message(complaint);
        }
        if let SubmitOutcome::Rejected { code, .. } = &answered.outcome
            && matches!(code.as_str(), "tick_size" | "invalid_signature" | "invalid_amounts")
            && let Some(token) = &order.instrument.token
        {
            // The facts that it was signed with may be old.
            self.facts.forget_tick(token);
        }
        (answered.outcome, answered.row)
    }

    pub async fn cancel(&self, _order: &Order, id: &VenueOrderId) -> CancelOutcome {
        match outcome::cancel(id, self.client.cancel_order(id).await) {
            Cancelled::Proven => self.confirmed(id).await,
            Cancelled::Matched => CancelOutcome::Over,
            Cancelled::NotWorking => CancelOutcome::NotWorking,
            Cancelled::Unknown(why) => {
                if let Class::Halted(_) = of_message(&why) {
                    self.client.judge_message(&why);
                }
                CancelOutcome::Unknown { why }
            }
        }
    }

    /// Cancelled, says the venue; how much was filled, its order says.
    async fn confirmed(&self, id: &VenueOrderId) -> CancelOutcome {
        let mut shown = true;
        for read in 0..CANCEL_READS_MAX {
            if read > 0 {
                tokio::time::sleep(Duration::from_millis(CANCEL_READ_EVERY_MS)).await;
            }
            match self.client.order(id).await {
                Ok(Some(row)) if row.state != VenueState::Resting => return CancelOutcome::Canceled { filled: row.filled },
                Ok(row) => shown = row.is_some(),
                Err(_) => shown = true,
            }
        }
        // Not shown at all: nothing works under this name, and a look-up reads the trades.
        if shown { CancelOutcome::Unknown { why: "cancelled, but its count can't be read".to_owned() } } else { CancelOutcome::Over }
    }

    pub async fn cancel_all(&self) -> Result<CancelReply, CallError> {
        self.client.cancel_all().await
    }

    pub async fn cancel_market(&self, condition: &MarketId) -> Result<CancelReply, CallError> {
        self.client.cancel_market(condition).await
    }

    /// Of a token or a condition: both of its tokens.
    pub async fn describe(&self, key: &BookKey) -> Result<Description, CallError> {
        self.facts.describe(&self.client, key).await
    }

    /// A stream says that the tick of this token changed.
    pub fn tick_changed(&self, token: &TokenId) {
        self.facts.forget_tick(token);
    }

    pub async fn top_of_book(&self, token: &TokenId) -> Result<TopOfBook, CallError> {
        self.client.top_of_book(token).await
    }

    /// Every level of a token's book: bids and asks.
    pub async fn levels(&self, token: &TokenId) -> Result<Levels, CallError> {
        self.client.book(token).await
    }

    /// Makes the venue look at the chain again for this token; without one, for the collateral.
    pub async fn refresh_balance(&self, token: Option<&TokenId>) -> Result<(), CallError> {
        self.client.refresh_balance(token.map_or(Asset::Collateral, |token| Asset::Token(token.as_str()))).await
    }

    /// Asks whether orders go: version, clock, place, account. Ends a restricted mode whose time is over.
    pub async fn read_status(&self) -> Result<(), CallError> {
        let (client, standing) = (&self.client, self.client.standing());
        let version = client.version().await?;
        let known = client.signer().map_or(u32::from(super::contracts::VERSION_TOKENS), |signer| u32::from(signer.version()));
        if version != known {
            standing.halt(trouble("version_mismatch", &format!("version {version}, ours is {known}")));
        }
        client.time().await?;
        if client.requests().is_ok() {
            let closed = client.closed_only().await?;
            standing.close_only(closed.then(|| trouble(CLOSED_ONLY, CLOSED_ONLY)));
        }
        // It stands on another host: its silence is not the venue's.
        if let Ok(Some(place)) = client.geoblock().await
            && place.blocked
        {
            let place = [place.country, place.region].into_iter().flatten().collect::<Vec<_>>().join(" ");
            standing.halt(trouble("geoblocked", &format!("{place:.40}")));
        }
        client.end_mode();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
