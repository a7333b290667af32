//! The YES books as the stream shows them, and when their touch changes.

use std::collections::BTreeMap;

use crate::domain::ids::MarketId;
use crate::domain::market::Quote;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};

/// Best prices in the book's own terms and what lies there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopOfBook {
    pub quote: Quote,
    pub bid_size: Quantity,
    pub ask_size: Quantity,
}

/// Bids and asks of a book, in its own terms.
pub type Levels = (Vec<(Price, Quantity)>, Vec<(Price, Quantity)>);

#[derive(Debug, Default)]
struct Book {
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
    /// As last told.
    told: TopOfBook,
}

#[derive(Debug, Default)]
pub struct Books(BTreeMap<MarketId, Book>);

/// The book said something impossible: it is not the venue's book any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Books {
    /// The new touch, if it changed.
    pub fn snapshot(&mut self, market: &MarketId, bids: &[(Price, Quantity)], asks: &[(Price, Quantity)]) -> Option<TopOfBook> {
        let book = self.0.entry(market.clone()).or_default();
        let levels = |levels: &[(Price, Quantity)]| levels.iter().copied().filter(|(_, size)| !size.is_zero()).collect();
        (book.bids, book.asks) = (levels(bids), levels(asks));
        book.tell()
    }

    /// A change before the first snapshot says nothing yet.
    pub fn delta(&mut self, market: &MarketId, side: Side, price: Price, change: Quantity) -> Result<Option<TopOfBook>, Broken> {
        let Some(book) = self.0.get_mut(market) else { return Ok(None) };
        let levels = if side == Side::Bid { &mut book.bids } else { &mut book.asks };
        let size = levels.get(&price).copied().unwrap_or_default().micros().checked_add(change.micros()).ok_or(Broken)?;
        match size {
            ..0 => return Err(Broken),
            0 => levels.remove(&price),
            size => levels.insert(price, Quantity::from_micros(size)),
        };
        Ok(book.tell())
    }

    /// A level has this size from now on. A change before the first snapshot says nothing yet.
    pub fn level(&mut self, market: &MarketId, side: Side, price: Price, size: Quantity) -> Option<TopOfBook> {
        let book = self.0.get_mut(market)?;
        let levels = if side == Side::Bid { &mut book.bids } else { &mut book.asks };
        if size.is_zero() {
            levels.remove(&price)
        } else {
            levels.insert(price, size)
        };
        book.tell()
    }

    /// The best prices as they stand now, told or not.
    pub fn best(&self, market: &MarketId) -> Option<Quote> {
        self.0.get(market).map(|book| Quote {
            bid: book.bids.last_key_value().map(|(price, _)| *price),
            ask: book.asks.first_key_value().map(|(price, _)| *price),
        })
    }

    /// Books that have been shown.
    pub fn markets(&self) -> impl Iterator<Item = &MarketId> {
        self.0.keys()
    }

    pub fn has(&self, market: &MarketId) -> bool {
        self.0.contains_key(market)
    }

    pub fn forget(&mut self, market: &MarketId) {
        self.0.remove(market);
    }

    /// All books are void; these had a touch.
    pub fn clear(&mut self) -> Vec<MarketId> {
        let books = std::mem::take(&mut self.0);
        books.into_iter().filter(|(_, book)| book.told != TopOfBook::default()).map(|(market, _)| market).collect()
    }
}

impl Book {
    /// A crossed book is between two frames of one change, or not the venue's: its touch is told once it uncrosses.
    fn tell(&mut self) -> Option<TopOfBook> {
        let (bid, ask) = (self.bids.last_key_value(), self.asks.first_key_value());
        if bid.zip(ask).is_some_and(|((bid, _), (ask, _))| bid >= ask) {
            return None;
        }
        let top = TopOfBook {
            quote: Quote { bid: bid.map(|(price, _)| *price), ask: ask.map(|(price, _)| *price) },
            bid_size: bid.map_or(Quantity::ZERO, |(_, size)| *size),
            ask_size: ask.map_or(Quantity::ZERO, |(_, size)| *size),
        };
        (top != self.told).then(|| {
            self.told = top;
            top
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).expect(text)
    }

    #[test]
    fn only_a_change_of_the_touch_is_told() {
        let market = MarketId::new("T-1").expect("id");
        let mut books = Books::default();
        let whole = Quantity::whole;
        assert_eq!(books.delta(&market, Side::Bid, price("0.4"), whole(1)), Ok(None), "no snapshot yet");
        let top = books.snapshot(&market, &[(price("0.4"), whole(5)), (price("0.47"), whole(3))], &[(price("0.52"), whole(1))]);
        assert_eq!(top.map(|top| (top.quote.bid, top.quote.ask, top.bid_size)), Some((Some(price("0.47")), Some(price("0.52")), whole(3))));
        assert_eq!(books.delta(&market, Side::Bid, price("0.4"), whole(1)), Ok(None), "below the touch");
        let gone = books.delta(&market, Side::Bid, price("0.47"), -whole(3)).expect("delta").expect("touch");
        assert_eq!((gone.quote.bid, gone.bid_size), (Some(price("0.4")), whole(6)));
        assert_eq!(books.delta(&market, Side::Ask, price("0.39"), whole(1)), Ok(None), "crossed");
        let uncrossed = books.delta(&market, Side::Bid, price("0.4"), -whole(6)).expect("delta").expect("touch");
        assert_eq!(uncrossed.quote, Quote { bid: None, ask: Some(price("0.39")) });
        assert_eq!(books.delta(&market, Side::Ask, price("0.39"), -whole(2)), Err(Broken), "more than there is");
        assert_eq!(books.clear(), [market]);
    }
}
