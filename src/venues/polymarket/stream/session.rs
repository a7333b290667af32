//! One connection's books: what was asked for, what was shown, whether it still adds up. It touches no socket: events go
//! in, steps come out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::StreamEvent;
use super::frame::{Change, Event};
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, Quote, Venue};
use crate::domain::matching::BookChange;
use crate::domain::money::Price;
use crate::domain::time::{Mono, Now, Time};
use crate::venues::books::{Books, TopOfBook};

/// For the venue to show a book that was asked for.
const SHOW_MS_MAX: i64 = 10_000;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Send(String),
    Emit(StreamEvent),
    /// Compare this book with what REST says.
    Audit(TokenId),
    /// Only a new connection helps.
    Drop(String),
}

#[derive(Debug, Default)]
pub struct Session {
    wanted: BTreeSet<TokenId>,
    books: Books,
    /// Asked for, not shown yet, since.
    awaited: BTreeMap<TokenId, Mono>,
    heard_at: Mono,
    levels: bool,
    silence_ms_max: i64,
}

impl Session {
    pub fn start(wanted: BTreeSet<TokenId>, levels: bool, silence_ms_max: i64, now: Now) -> (Self, Vec<Step>) {
        let awaited = wanted.iter().map(|token| (token.clone(), now.mono)).collect();
        let first = json!({"assets_ids": texts(&wanted), "type": "market", "custom_feature_enabled": true});
        let session = Self { wanted, books: Books::default(), awaited, heard_at: now.mono, levels, silence_ms_max };
        (session, vec![Step::Send(first.to_string())])
    }

    pub fn want(&mut self, wanted: BTreeSet<TokenId>, now: Now) -> Vec<Step> {
        let more: BTreeSet<TokenId> = wanted.difference(&self.wanted).cloned().collect();
        let less: BTreeSet<TokenId> = self.wanted.difference(&wanted).cloned().collect();
        self.wanted = wanted;
        let mut steps = Vec::new();
        if !less.is_empty() {
            for token in &less {
                self.awaited.remove(token);
                self.books.forget(&id(token));
            }
            steps.push(unsubscribe(&less));
        }
        if !more.is_empty() {
            steps.push(subscribe(&more));
            self.awaited.extend(more.into_iter().map(|token| (token, now.mono)));
        }
        steps
    }

    /// Books that are overdue, and a stream that has said nothing for long.
    pub fn tick(&mut self, now: Now) -> Vec<Step> {
        let overdue = |since: &Mono| now.mono > since.plus_ms(SHOW_MS_MAX);
        let late: Vec<TokenId> = self.awaited.iter().filter(|(_, since)| overdue(since)).map(|(token, _)| token.clone()).collect();
        let mut steps = Vec::new();
        for token in late {
            self.awaited.remove(&token);
            steps.push(Step::Emit(StreamEvent::Missing { what: format!("the book of {token}") }));
        }
        if now.mono > self.heard_at.plus_ms(self.silence_ms_max) {
            self.heard_at = now.mono;
            steps.extend(self.wanted.iter().find(|token| self.books.has(&id(token))).cloned().map(Step::Audit));
        }
        steps
    }

    /// What REST says of a book, asked at `asked`. A stream that tells nothing while the book moves is none.
    pub fn audited(&self, token: &TokenId, top: &TopOfBook, asked: Mono) -> Option<Step> {
        let quiet = self.heard_at <= asked;
        let differs = self.books.best(&id(token)).is_some_and(|best| best != top.quote);
        (quiet && differs).then(|| Step::Drop(format!("silent while the book of {token:.12} moves")))
    }

    /// Steps at the end of a connection: its books are nobody's.
    pub fn end(&mut self, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        let shown: Vec<MarketId> = self.books.markets().cloned().collect();
        for market in shown {
            self.void(&market, now, &mut steps);
        }
        steps
    }

    pub fn heard(&mut self, event: Event, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        match event {
            Event::Book { token, bids, asks, at } if self.wants(&token) => {
                self.heard_at = now.mono;
                self.awaited.retain(|awaited, _| awaited.as_str() != token.as_str());
                if let Some(top) = self.books.snapshot(&token, &bids, &asks) {
                    steps.push(touch(token.clone(), top, at.or(Some(now.wall))));
                }
                if self.levels {
                    steps.push(book(token, BookChange::whole(bids, asks), at.unwrap_or(now.wall)));
                }
            }
            Event::Changes { changes, at } => {
                self.heard_at = now.mono;
                self.changes(&changes, at, now, &mut steps);
            }
            Event::Tick { token, tick } => {
                // The levels of the old grid are gone.
                self.void(&id(&token), now, &mut steps);
                steps.push(Step::Emit(StreamEvent::TickChanged { token: token.clone(), tick }));
                if self.wanted.contains(&token) {
                    self.again(token, now, &mut steps);
                }
            }
            Event::Resolved { condition, winner } => steps.push(Step::Emit(StreamEvent::Resolved { condition, winner })),
            Event::Book { .. } | Event::Order(_) | Event::Trade(_) | Event::Other => {}
        }
        steps
    }

    fn changes(&mut self, changes: &[Change], at: Option<Time>, now: Now, steps: &mut Vec<Step>) {
        for (index, change) in changes.iter().enumerate() {
            if !self.books.has(&change.token) {
                continue;
            }
            if let Some(top) = self.books.level(&change.token, change.side, change.price, change.size) {
                steps.push(touch(change.token.clone(), top, at.or(Some(now.wall))));
            }
            if self.levels {
                let level = BookChange::Level { side: change.side, price: change.price, quantity: change.size };
                steps.push(book(change.token.clone(), vec![level], at.unwrap_or(now.wall)));
            }
            let last = !changes[index + 1..].iter().any(|later| later.token == change.token);
            if last && !self.adds_up(change) {
                self.void(&change.token, now, steps);
                steps.push(Step::Emit(StreamEvent::Missing {
                    what: format!("a change of the book of {}; it is asked for anew", change.token),
                }));
                if let Ok(token) = TokenId::new(change.token.as_str()) {
                    self.again(token, now, steps);
                }
            }
        }
    }

    /// Each change states the best prices after it: a free check of the whole book.
    fn adds_up(&self, change: &Change) -> bool {
        let Some(Quote { bid, ask }) = self.books.best(&change.token) else { return true };
        // An empty side is stated as 0 or 1, or not at all.
        let same = |ours: Option<Price>, stated: Option<Price>| match (ours, stated) {
            (_, None) => true,
            (None, Some(stated)) => stated == Price::ZERO || stated == Price::ONE,
            (ours, stated) => ours == stated,
        };
        same(bid, change.best_bid) && same(ask, change.best_ask)
    }

    fn wants(&self, token: &MarketId) -> bool {
        self.wanted.iter().any(|wanted| wanted.as_str() == token.as_str())
    }

    /// A new subscription brings the whole book.
    fn again(&mut self, token: TokenId, now: Now, steps: &mut Vec<Step>) {
        let one = BTreeSet::from([token.clone()]);
        steps.extend([unsubscribe(&one), subscribe(&one)]);
        self.awaited.insert(token, now.mono);
    }

    fn void(&mut self, token: &MarketId, now: Now, steps: &mut Vec<Step>) {
        if !self.books.has(token) {
            return;
        }
        self.books.forget(token);
        if self.levels {
            steps.push(book(token.clone(), BookChange::unsure(), now.wall));
        }
        steps.push(touch(token.clone(), TopOfBook::default(), None));
    }
}

fn id(token: &TokenId) -> MarketId {
    MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id")
}

fn texts(tokens: &BTreeSet<TokenId>) -> Vec<&str> {
    tokens.iter().map(TokenId::as_str).collect()
}

fn subscribe(tokens: &BTreeSet<TokenId>) -> Step {
    Step::Send(json!({"operation": "subscribe", "assets_ids": texts(tokens), "custom_feature_enabled": true}).to_string())
}

fn unsubscribe(tokens: &BTreeSet<TokenId>) -> Step {
    Step::Send(json!({"operation": "unsubscribe", "assets_ids": texts(tokens)}).to_string())
}

fn book(token: MarketId, changes: Vec<BookChange>, at: Time) -> Step {
    Step::Emit(StreamEvent::Book { key: BookKey { venue: Venue::Polymarket, id: token }, changes, at })
}

fn touch(token: MarketId, top: TopOfBook, at: Option<Time>) -> Step {
    Step::Emit(StreamEvent::Touch { key: BookKey { venue: Venue::Polymarket, id: token }, top, at })
}

#[cfg(test)]
mod tests;
