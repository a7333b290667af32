//! Books made of a signal's own quote, for instruments no feed describes. A quote is remembered until the signals that
//! carried it are over, so that what one order took is not there for the next.

use std::collections::BTreeMap;

use crate::domain::market::{Instrument, Outcome};
use crate::domain::matching::book::Book;
use crate::domain::matching::{BookChange, Mark, Side};
use crate::domain::money::{Price, Quantity};
use crate::domain::time::Time;

use super::SignalQuote;

/// Quotes remembered per book: more signals than this on one undescribed book within their life is no real case;
/// the one that ends first is dropped.
const QUOTES_PER_BOOK_MAX: usize = 256;

#[derive(Clone, Debug)]
struct Remembered {
    book: Book,
    until: Time,
}

/// The quotes of one book.
#[derive(Clone, Debug, Default)]
pub struct QuoteBooks {
    remembered: BTreeMap<SignalQuote, Remembered>,
}

impl QuoteBooks {
    /// The book of this quote, less what was taken from it, to be put back with `keep`.
    pub fn checkout(&mut self, quote: SignalQuote, instrument: &Instrument, now: Time) -> Book {
        self.forget_before(now);
        let known = self.remembered.get(&quote);
        known.map_or_else(|| one_level(quote, instrument.book_outcome()), |one| one.book.clone())
    }

    /// Remembers the book until `until`, or longer when it was to be remembered longer already.
    pub fn keep(&mut self, quote: SignalQuote, book: Book, until: Time) {
        if self.remembered.len() >= QUOTES_PER_BOOK_MAX && !self.remembered.contains_key(&quote) {
            let first = self.remembered.iter().min_by_key(|(_, one)| one.until).map(|(quote, _)| *quote);
            first.map(|quote| self.remembered.remove(&quote));
        }
        let until = self.remembered.get(&quote).map_or(until, |one| one.until.max(until));
        self.remembered.insert(quote, Remembered { book, until });
    }

    pub fn forget_before(&mut self, now: Time) {
        self.remembered.retain(|_, one| one.until > now);
    }

    pub fn is_empty(&self) -> bool {
        self.remembered.is_empty()
    }
}

fn one_level(quote: SignalQuote, book_outcome: Outcome) -> Book {
    let (bid, ask) = match book_outcome {
        Outcome::Yes => (quote.bid, quote.ask),
        Outcome::No => (quote.ask.map(Price::complement), quote.bid.map(Price::complement)),
    };
    let size = quote.liquidity.unwrap_or(Quantity::from_micros(Quantity::MAX_MICROS));
    let mut book = Book::default();
    for (side, price) in [(Side::Bid, bid), (Side::Ask, ask)] {
        let level = price.map(|price| (price, size));
        book.apply(&BookChange::Top { side, level }, Mark::default());
    }
    book
}
