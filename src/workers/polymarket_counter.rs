//! Polymarket behind the live desk: orders are signed ahead and carry their own name.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::live_desk::{Heard, Known, LiveVenue, Reaction, Submitted, Undescribed};
use crate::clock::Clock;
use crate::domain::ids::{MarketId, TokenId, VenueOrderId};
use crate::domain::market::{BookKey, Quote, Venue};
use crate::domain::order::Order;
use crate::domain::report::{AccountReading, CancelOutcome, Description, LookUp, SubmitOutcome, VenueFill, VenueNews, VenueOrder};
use crate::domain::signed::SignedOrder;
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;
use crate::venues::polymarket::PolymarketVenue;
use crate::venues::polymarket::client::CallError;
use crate::venues::polymarket::heartbeat::Heartbeat;
use crate::venues::polymarket::stream::{StreamEvent, StreamHandle};
use crate::venues::standing::VenueStanding;

/// Refusals that say the market has another tick, minimum or state than we were told (`venues::polymarket::errors`); the stream
/// tells of ticks only, and of nothing while it is down.
const OTHERWISE: [&str; 4] = ["tick_size", "below_minimum_size", "market_not_ready", "refused"];

pub struct PolymarketCounter {
    venue: Arc<PolymarketVenue>,
    clock: Clock,
    /// `None`: the account and the books are polled.
    stream: Option<StreamHandle>,
    /// Beats as long as this counter lives.
    _heartbeat: Option<Heartbeat>,
}

impl PolymarketCounter {
    pub fn new(venue: Arc<PolymarketVenue>, clock: Clock, stream: Option<StreamHandle>, heartbeat: Option<Heartbeat>) -> Self {
        Self { venue, clock, stream, _heartbeat: heartbeat }
    }
}

/// Books of Polymarket are named by their tokens.
pub(super) fn token(id: &MarketId) -> Option<TokenId> {
    TokenId::new(id.as_str()).ok()
}

pub(super) fn undescribed(error: CallError) -> Undescribed {
    let again = matches!(error, CallError::Unclear { .. } | CallError::NotSent { .. });
    Undescribed { why: error.to_string(), again }
}

impl LiveVenue for PolymarketCounter {
    type Event = StreamEvent;

    fn venue(&self) -> Venue {
        Venue::Polymarket
    }

    fn standing(&self) -> watch::Receiver<VenueStanding> {
        self.venue.state()
    }

    async fn prepare(&self, order: &Order) -> Result<SignedOrder, String> {
        self.venue.prepare(order).await.map_err(|error| error.to_string())
    }

    /// It was signed ahead; what can't be sent was refused then.
    fn sign_only(&self, _order: &Order, signed: Option<&SignedOrder>) -> Result<(), String> {
        signed.map(drop).ok_or_else(|| "it was not signed".to_owned())
    }

    async fn submit(&self, order: &ApprovedOrder, _attempt: u32, signed: Option<&SignedOrder>) -> Submitted {
        let Some(signed) = signed else {
            return Submitted::only(SubmitOutcome::Withheld { why: "nothing was signed ahead".to_owned() });
        };
        let (outcome, row) = self.venue.submit(order, signed).await;
        let describe = matches!(&outcome, SubmitOutcome::Rejected { code, .. } if OTHERWISE.contains(&code.as_str()));
        Submitted { outcome, row, news: None, describe }
    }

    async fn cancel(&self, order: &Order, id: &VenueOrderId) -> CancelOutcome {
        self.venue.cancel(order, id).await
    }

    async fn look_up(&self, order: &Order, first_sent_at: Time, known: Option<&VenueOrderId>) -> (LookUp, Vec<VenueFill>) {
        let Some(id) = known else {
            return (LookUp::Incomplete { why: "an order without the hash of what was signed".to_owned() }, Vec::new());
        };
        self.venue.look_up(order, id, first_sent_at).await
    }

    async fn identify(&self, key: &BookKey, id: &VenueOrderId) -> Result<Option<VenueOrder>, String> {
        self.venue.identify(key, id).await
    }

    async fn describe(&self, key: &BookKey) -> Result<Description, Undescribed> {
        self.venue.describe(key).await.map_err(undescribed)
    }

    fn follow(&self, id: &MarketId) {
        if let (Some(stream), Some(token)) = (&self.stream, token(id)) {
            stream.watch(&token);
        }
    }

    fn heard(&self, event: StreamEvent, followed: &BTreeSet<MarketId>) -> Reaction {
        match event {
            StreamEvent::News(one) => one.into(),
            StreamEvent::Touch { key, top, at } => {
                let at = at.unwrap_or_else(|| self.clock.now().wall);
                VenueNews::Quote { key, quote: top.quote, at }.into()
            }
            StreamEvent::TickChanged { token, tick } => {
                tracing::info!("polymarket:{token}: the tick is {tick} now");
                let described = MarketId::new(token.as_str()).ok();
                Reaction { describe: described.into_iter().collect(), ..Reaction::default() }
            }
            StreamEvent::Resolved { condition, winner } => {
                tracing::info!("polymarket:{condition}: resolved, winner {}", winner.as_ref().map_or("not told", |token| token.as_str()));
                let winner = winner.and_then(|token| MarketId::new(token.as_str()).ok()).filter(|token| followed.contains(token));
                Reaction { describe: winner.into_iter().collect(), account: Heard::ReadSoon, ..Reaction::default() }
            }
            StreamEvent::Silent { why } => {
                tracing::info!("polymarket's account is read: {why}");
                Reaction { account: Heard::ReadSoon, ..Reaction::default() }
            }
            StreamEvent::Missing { what } => {
                tracing::warn!("polymarket's stream goes on without {what}");
                Reaction::default()
            }
            // What is polled meanwhile is told by the listener; the account's stream is another one.
            StreamEvent::BooksDown { why } => {
                tracing::warn!("polymarket's stream of books broke: {why}");
                Reaction::default()
            }
            StreamEvent::Book { .. } => Reaction::default(),
            StreamEvent::Up => Reaction { account: Heard::Up, ..Reaction::default() },
            StreamEvent::Down { why } => Reaction { account: Heard::Down { why }, ..Reaction::default() },
        }
    }

    async fn read_status(&self) -> Result<(), String> {
        self.venue.read_status().await.map_err(|error| error.to_string())
    }

    /// The first reading goes back to the beginning: no other list names the tokens that an account may hold.
    async fn read_account(&self, known: Known) -> Result<AccountReading, String> {
        let tokens = known.books.iter().filter_map(|key| token(&key.id)).collect();
        self.venue.read_account(known.since.unwrap_or_default(), &tokens).await.map_err(|incomplete| incomplete.to_string())
    }

    async fn quote(&self, id: &MarketId) -> Option<Quote> {
        self.venue.top_of_book(&token(id)?).await.ok().map(|top| top.quote)
    }
}
