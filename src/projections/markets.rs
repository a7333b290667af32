//! What is known of markets, and the last mark of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Market, MarketSource, MarketStatus, Outcome, Quote, Settlement};
use crate::domain::time::Time;

/// Best prices at a moment, in the book's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub quote: Quote,
    pub at: Time,
    pub source: MarketSource,
}

impl Mark {
    pub fn is_fresh(&self, now: Time, age_max_ms: i64) -> bool {
        self.source == MarketSource::Signal || now.ms_since(self.at) <= age_max_ms
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Markets {
    known: BTreeMap<BookKey, Market>,
    marks: BTreeMap<BookKey, Mark>,
    settled: BTreeMap<BookKey, (Settlement, Time)>,
}

impl Markets {
    pub fn get(&self, key: &BookKey) -> Option<&Market> {
        self.known.get(key)
    }

    /// The token of this outcome of a condition, as its venue has described it.
    pub fn token_of(&self, condition: &MarketId, outcome: Outcome) -> Option<&Market> {
        let of = |market: &&Market| market.outcome == Some(outcome) && market.condition.as_ref() == Some(condition);
        let mut tokens = self.known.values().filter(of);
        // Two tokens of one outcome would be a guess.
        tokens.next().filter(|_| tokens.next().is_none())
    }

    pub fn get_mark(&self, key: &BookKey) -> Option<&Mark> {
        self.marks.get(key)
    }

    pub fn settlement(&self, key: &BookKey) -> Option<Settlement> {
        self.settled.get(key).map(|(settlement, _)| *settlement)
    }

    pub(super) fn seen(&mut self, market: Market) {
        self.known.insert(market.key.clone(), market);
    }

    pub(super) fn mark(&mut self, key: BookKey, mark: Mark) {
        self.marks.insert(key, mark);
    }

    pub(super) fn settled(&mut self, key: BookKey, settlement: Settlement, at: Time) {
        if let Some(market) = self.known.get_mut(&key) {
            market.status = MarketStatus::Settled;
        }
        self.settled.entry(key).or_insert((settlement, at));
    }

    pub(super) fn settled_before(&self, at: Time) -> Vec<BookKey> {
        self.settled.iter().filter(|(_, (_, when))| *when < at).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn forget(&mut self, key: &BookKey) {
        self.known.remove(key);
        self.marks.remove(key);
        self.settled.remove(key);
    }
}
