//! Kalshi's books for the paper exchange.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::live_books::{BookNews, BookSource, Levels};
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::Description;
use crate::venues::kalshi::KalshiVenue;
use crate::venues::kalshi::stream::{StreamEvent, StreamHandle};
use crate::venues::paper::Feed;

pub struct KalshiBooks {
    pub venue: Arc<KalshiVenue>,
    /// `None`: the books are polled.
    pub stream: Option<StreamHandle>,
}

#[async_trait]
impl BookSource for KalshiBooks {
    fn venue(&self) -> Venue {
        Venue::Kalshi
    }

    fn feed(&self) -> Feed {
        Feed::Kalshi
    }

    async fn describe(&self, key: &BookKey) -> Result<Description, String> {
        let facts = self.venue.market(&key.id).await.map_err(|error| error.to_string())?;
        if facts.fee_assumed {
            tracing::warn!("{key}: the venue names no fee; the highest general schedule is assumed");
        }
        Ok(facts.market.into())
    }

    async fn levels(&self, id: &MarketId) -> Result<Levels, String> {
        self.venue.levels(id).await.map_err(|error| error.to_string())
    }

    fn watch(&self, id: &MarketId) {
        if let Some(stream) = &self.stream {
            stream.watch(id);
        }
    }

    fn unwatch(&self, id: &MarketId) {
        if let Some(stream) = &self.stream {
            stream.unwatch(id);
        }
    }
}

/// What the paper exchange hears of the stream.
pub fn book_news(venue: &KalshiVenue, event: StreamEvent, followed: &BTreeSet<MarketId>) -> BookNews {
    match event {
        StreamEvent::Book { key, changes, at } => BookNews::Book { key, changes, at },
        StreamEvent::Down { why } => BookNews::Down { why },
        StreamEvent::MarketChanged { market, event } => {
            tracing::info!("kalshi:{market}: {event}");
            BookNews::Describe(vec![market])
        }
        StreamEvent::FeesChanged { event_ticker } => {
            venue.forget_fees(&event_ticker);
            BookNews::Describe(followed.iter().filter(|id| id.as_str().starts_with(&event_ticker)).cloned().collect())
        }
        StreamEvent::Missing { what } => {
            tracing::warn!("kalshi's stream goes on without {what}");
            BookNews::Nothing
        }
        // The account with money has no part in this.
        StreamEvent::Up | StreamEvent::News(_) | StreamEvent::Touch { .. } | StreamEvent::Position(_) => BookNews::Nothing,
    }
}
