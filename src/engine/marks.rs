//! Marks of held markets: on change, at most one a second, and often enough that a quiet market doesn't look stale.

use super::{Effect, Engine, Timer};
use crate::domain::event::Event;
use crate::domain::market::{BookKey, Instrument, MarketSource, Outcome, Quote};
use crate::domain::money::Price;
use crate::domain::time::{Now, Time};

const MARK_EVERY_MS: i64 = 1_000;

impl Engine {
    pub(super) fn quote(&mut self, now: Now, key: BookKey, quote: Quote, at: Time, out: &mut Vec<Effect>) {
        self.quotes.insert(key.clone(), (quote, at));
        if self.book.positions.get(&key).is_none_or(|position| position.quantity.is_zero()) {
            return;
        }
        let Some(mark) = self.book.markets.get_mark(&key) else { return self.mark(now, key, quote, at, out) };
        let since_ms = at.ms_since(mark.at);
        let changed = mark.quote != quote || mark.source == MarketSource::Signal;
        let refresh_ms = self.book.limits.as_ref().map_or(MARK_EVERY_MS, |limits| limits.mark_age_max_ms / 3);
        if since_ms >= MARK_EVERY_MS && changed || since_ms >= refresh_ms {
            self.mark(now, key, quote, at, out);
        } else if changed && self.late_marks.insert(key.clone()) {
            // Nobody may tell this change again: books are told when they change.
            let wait_ms = (MARK_EVERY_MS - since_ms).clamp(1, MARK_EVERY_MS);
            self.set_timer(now.mono.plus_ms(wait_ms), Timer::Mark(key));
        }
    }

    fn mark(&mut self, now: Now, key: BookKey, quote: Quote, at: Time, out: &mut Vec<Effect>) {
        self.append(now, vec![Event::MarkTaken { key, quote, at, source: MarketSource::Venue }], out);
    }

    /// The last change that came too soon after a mark, unless it was marked or undone meanwhile.
    pub(super) fn late_mark(&mut self, now: Now, key: BookKey, out: &mut Vec<Effect>) {
        self.late_marks.remove(&key);
        let Some((quote, at)) = self.quotes.get(&key).copied() else { return };
        let held = self.book.positions.get(&key).is_some_and(|position| !position.quantity.is_zero());
        if held && self.book.markets.get_mark(&key).is_none_or(|mark| mark.quote != quote) {
            self.mark(now, key, quote, at, out);
        }
    }

    /// The last quote of the book, when it is newer than the mark: taken with the fill that opens a holding.
    pub(super) fn fresh_mark(&self, key: &BookKey) -> Option<Event> {
        let (quote, at) = self.quotes.get(key).copied()?;
        let mark = self.book.markets.get_mark(key);
        let newer = mark.is_none_or(|mark| mark.source == MarketSource::Signal || at.ms_since(mark.at) >= MARK_EVERY_MS);
        newer.then(|| Event::MarkTaken { key: key.clone(), quote, at, source: MarketSource::Venue })
    }

    /// The signal's own book, where there is no other.
    pub(super) fn signal_mark(&self, now: Now, yes: Quote, instrument: &Instrument) -> Option<Event> {
        let key = instrument.book_key();
        if self.quotes.contains_key(&key) || (yes.bid.is_none() && yes.ask.is_none()) {
            return None;
        }
        let quote = match instrument.book_outcome() {
            Outcome::Yes => yes,
            Outcome::No => Quote { bid: yes.ask.map(Price::complement), ask: yes.bid.map(Price::complement) },
        };
        Some(Event::MarkTaken { key, quote, at: now.wall, source: MarketSource::Signal })
    }
}
