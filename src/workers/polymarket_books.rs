//! Polymarket's public books for the paper exchange; they need no key.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::live_books::{BookNews, BookSource, Levels};
use super::polymarket_counter::token;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::Description;
use crate::venues::paper::Feed;
use crate::venues::polymarket::PolymarketVenue;
use crate::venues::polymarket::stream::{StreamEvent, StreamHandle};

pub struct PolymarketBooks {
    pub venue: Arc<PolymarketVenue>,
    /// `None`: the books are polled.
    pub stream: Option<StreamHandle>,
}

#[async_trait]
impl BookSource for PolymarketBooks {
    fn venue(&self) -> Venue {
        Venue::Polymarket
    }

    fn feed(&self) -> Feed {
        Feed::Polymarket
    }

    async fn describe(&self, key: &BookKey) -> Result<Description, String> {
        self.venue.describe(key).await.map_err(|error| error.to_string())
    }

    async fn levels(&self, id: &MarketId) -> Result<Levels, String> {
        let token = token(id).ok_or_else(|| format!("{id} is no token"))?;
        self.venue.levels(&token).await.map_err(|error| error.to_string())
    }

    fn watch(&self, id: &MarketId) {
        if let (Some(stream), Some(token)) = (&self.stream, token(id)) {
            stream.watch(&token);
        }
    }

    fn unwatch(&self, id: &MarketId) {
        if let (Some(stream), Some(token)) = (&self.stream, token(id)) {
            stream.unwatch(&token);
        }
    }
}

/// What the paper exchange hears of the stream.
pub fn book_news(event: StreamEvent, followed: &BTreeSet<MarketId>) -> BookNews {
    match event {
        StreamEvent::Book { key, changes, at } => BookNews::Book { key, changes, at },
        StreamEvent::BooksDown { why } => BookNews::Down { why },
        StreamEvent::TickChanged { token, .. } => BookNews::Describe(MarketId::new(token.as_str()).into_iter().collect()),
        StreamEvent::Resolved { condition, .. } => {
            tracing::info!("polymarket:{condition}: resolved");
            BookNews::Describe(followed.iter().cloned().collect())
        }
        StreamEvent::Missing { what } => {
            tracing::warn!("polymarket's stream goes on without {what}");
            BookNews::Nothing
        }
        // No account has a part in this.
        StreamEvent::Up | StreamEvent::Down { .. } | StreamEvent::News(_) | StreamEvent::Touch { .. } | StreamEvent::Silent { .. } => {
            BookNews::Nothing
        }
    }
}
