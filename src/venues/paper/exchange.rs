//! Orders in, news out. Every method is told the time, first ends what has expired by then, and returns what happened.

use std::collections::BTreeMap;

use crate::domain::ids::{MarketId, OrderId};
use crate::domain::market::{BookKey, Market, MarketStatus, Quote, Settlement, Venue};
use crate::domain::matching::matcher::Matcher;
use crate::domain::matching::{BookChange, BookOrder, Execution, Placed};
use crate::domain::money::Quantity;
use crate::domain::order::{Order, TimeInForce};
use crate::domain::report::{CancelOutcome, FillReport, FillSource, LookUp, SubmitOutcome, VenueNews, VenueState};
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;

use super::account::Account;
use super::ledger::{Ledger, Working, same_terms, trade_id, venue_order_id};
use super::quotes::QuoteBooks;
use super::{Feed, MarketRow, PaperReject, PaperSettings, PaperStart, RowCounts, SignalQuote};

/// One book and what is known of its market.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    pub(super) matcher: Matcher,
    /// Where rows come from; until the first one, only signals' quotes are known.
    pub(super) feed: Option<Feed>,
    /// The market's name in the feed.
    name: Option<MarketId>,
    pub(super) market: Option<Market>,
    pub(super) closed: bool,
    told: Quote,
}

/// The exchange with its one account.
#[derive(Clone, Debug)]
pub struct PaperExchange {
    pub(super) settings: PaperSettings,
    session: u64,
    pub(super) account: Account,
    pub(super) ledger: Ledger,
    pub(super) books: BTreeMap<BookKey, Listed>,
    quotes: BTreeMap<BookKey, QuoteBooks>,
    counts: RowCounts,
}

impl PaperExchange {
    pub fn new(settings: PaperSettings, start: PaperStart) -> Self {
        Self {
            settings,
            session: start.session,
            account: Account::new(start.cash, &start.holdings),
            ledger: Ledger::default(),
            books: BTreeMap::new(),
            quotes: BTreeMap::new(),
            counts: RowCounts::default(),
        }
    }

    pub fn settings(&self) -> &PaperSettings {
        &self.settings
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn counts(&self) -> RowCounts {
        self.counts
    }

    pub fn working_orders(&self) -> usize {
        self.ledger.working_len()
    }

    pub fn markets(&self) -> impl Iterator<Item = &Market> {
        self.books.values().filter_map(|listed| listed.market.as_ref())
    }

    /// Takes an order. The same order again gets the same answer and does nothing.
    /// With no book from a feed, `quote` is the book for this order, and for resting orders it reaches.
    pub fn submit(&mut self, approved: &ApprovedOrder, quote: Option<SignalQuote>, now: Time) -> (SubmitOutcome, Vec<VenueNews>) {
        let mut news = self.tick(now);
        let order = approved.order();
        let known = self.known(order);
        let outcome = match known {
            Some(known) => known,
            None => self.accept(order, now).and_then(|working| self.place(working, quote, now, &mut news)),
        };
        let answer = match outcome {
            Ok(()) => SubmitOutcome::Acked { venue_order_id: venue_order_id(&order.order_id), venue_at: Some(now) },
            Err(reject) => SubmitOutcome::Rejected { code: reject.code().to_owned(), message: reject.to_string() },
        };
        (answer, news)
    }

    pub fn cancel(&mut self, id: &OrderId, now: Time) -> (CancelOutcome, Vec<VenueNews>) {
        let news = self.tick(now);
        let outcome = match self.end(id, VenueState::Canceled) {
            Some(working) => CancelOutcome::Canceled { filled: working.filled },
            None => CancelOutcome::NotWorking,
        };
        (outcome, news)
    }

    /// What the exchange knows of the order. Nothing is ever in flight here, so absence is certain,
    /// unless so many orders have ended that some are forgotten. Ends nothing: a later call brings that news.
    pub fn look_up(&self, order: &Order, now: Time) -> LookUp {
        let venue_order_id = venue_order_id(&order.order_id);
        if let Some(working) = self.ledger.working(&order.order_id) {
            let matches = same_terms(&working.order, order);
            return LookUp::Found { venue_order_id, state: VenueState::Resting, filled: working.filled, matches };
        }
        if let Some(ended) = self.ledger.ended(&order.order_id) {
            return LookUp::Found { venue_order_id, state: ended.state, filled: ended.filled, matches: ended.matches(order) };
        }
        match self.ledger.forgotten() {
            0 => LookUp::Absent { read_through: now, nothing_in_flight: true },
            n => LookUp::Incomplete { why: format!("the paper exchange has forgotten {n} ended orders; this may be one of them") },
        }
    }

    /// One row of market data: fills of resting orders, a changed quote, a market seen for the first time or with finer prices.
    pub fn apply(&mut self, row: &MarketRow, now: Time) -> Vec<VenueNews> {
        let mut news = self.tick(now);
        self.counts.rows += 1;
        let listed = self.books.entry(row.key.clone()).or_default();
        if listed.closed {
            return news;
        }
        news.extend(listed.describe(row).map(VenueNews::Market));
        let (mut fills, odd) = listed.matcher.apply(&row.changes, row.mark);
        fills.extend(row.print.iter().flat_map(|print| listed.matcher.print(*print, row.mark)));
        let quote = listed.changed_quote();
        self.counts.crossed += u64::from(listed.matcher.book().is_crossed());
        self.counts.underflows += odd.underflows;
        self.counts.stale_levels += odd.stale_levels;
        for fill in &fills {
            self.book_fill(fill, row.feed.source(fill.mark), now, &mut news);
        }
        news.extend(quote.map(|quote| VenueNews::Quote { key: row.key.clone(), quote, at: now }));
        news
    }

    /// A market as its venue describes it. One that takes no orders (any more) ends those that work in it; its book
    /// stays, so that nothing of it is missed should it open again.
    pub fn list(&mut self, market: Market, now: Time) -> Vec<VenueNews> {
        let mut news = self.tick(now);
        let key = market.key.clone();
        if market.status != MarketStatus::Open {
            let working: Vec<OrderId> =
                self.ledger.all_working().filter(|w| w.order.instrument.book_key() == key).map(|w| w.order.order_id).collect();
            for id in working {
                self.end_with_news(&id, VenueState::Canceled, "the market takes no orders", &mut news);
            }
        }
        let listed = self.books.entry(key.clone()).or_default();
        listed.name = Some(market.condition.clone().unwrap_or(key.id));
        listed.market = Some(market);
        news
    }

    /// Ends resting orders whose expiry at the venue has come.
    pub fn tick(&mut self, now: Time) -> Vec<VenueNews> {
        let mut news = Vec::new();
        while let Some(id) = self.ledger.next_expired(now) {
            self.end_with_news(&id, VenueState::Expired, "expired at the venue", &mut news);
        }
        news
    }

    /// Puts a working order of an earlier session back, behind everything shown at its price. Orders that don't rest are left out.
    pub fn restore(&mut self, order: &Order, filled: Quantity, now: Time) -> Vec<VenueNews> {
        let left = order.quantity - filled;
        if order.tif.rests() && left > Quantity::ZERO && self.ledger.working(&order.order_id).is_none() {
            let mut working = self.working(order, order.quantity);
            working.filled = filled;
            working.reserved = self.reservation(&working);
            self.account.reserve(working.reserved);
            let book_order = book_order(&working);
            self.books.entry(order.instrument.book_key()).or_default().matcher.rest(book_order, left);
            self.ledger.start(working);
        }
        self.tick(now)
    }

    /// The market takes no more orders; working ones end.
    pub fn close_market(&mut self, venue: Venue, market: &MarketId, now: Time) -> Vec<VenueNews> {
        let mut news = self.tick(now);
        let named = |key: &BookKey, name: Option<&MarketId>| key.venue == venue && (key.id == *market || name == Some(market));
        let in_market = |w: &&Working| named(&w.order.instrument.book_key(), Some(&w.order.instrument.market));
        let working: Vec<OrderId> = self.ledger.all_working().filter(in_market).map(|w| w.order.order_id).collect();
        for id in working {
            self.end_with_news(&id, VenueState::Canceled, "market closed", &mut news);
        }
        self.books.entry(BookKey { venue, id: market.clone() }).or_default().closed = true;
        for (_, listed) in self.books.iter_mut().filter(|(key, listed)| named(key, listed.name.as_ref())) {
            listed.closed = true;
            listed.matcher = Matcher::default();
            if let Some(known) = &mut listed.market {
                known.status = MarketStatus::Closed;
                news.push(VenueNews::Market(known.clone()));
            }
        }
        news
    }

    /// Closes the market and pays its holders.
    pub fn settle_market(&mut self, venue: Venue, market: &MarketId, settlement: Settlement, now: Time) -> Vec<VenueNews> {
        let news = self.close_market(venue, market, now);
        self.account.settle(venue, market, settlement);
        news
    }

    fn place(&mut self, working: Working, quote: Option<SignalQuote>, now: Time, news: &mut Vec<VenueNews>) -> Result<(), PaperReject> {
        let order = working.order.clone();
        let book_order = book_order(&working);
        self.account.reserve(working.reserved);
        self.ledger.start(working);
        if order.tif == TimeInForce::Fok && book_order.quantity < order.quantity {
            self.end(&order.order_id, VenueState::Canceled);
            return Err(PaperReject::Killed);
        }
        if book_order.quantity.is_zero() {
            self.end_with_news(&order.order_id, VenueState::Canceled, "reduce only: nothing of it is held", news);
            return Ok(());
        }
        let (fills, placed, source) = self.meet_book(book_order, &order, quote, now);
        for fill in &fills {
            let source = source.map_or(FillSource::SignalQuote, |feed| feed.source(fill.mark));
            self.book_fill(fill, source, now, news);
        }
        match placed {
            Placed::Filled | Placed::Resting => {}
            Placed::Canceled => self.end_with_news(&order.order_id, VenueState::Canceled, "immediate or cancel: the rest", news),
            Placed::Killed => {
                self.end(&order.order_id, VenueState::Canceled);
                return Err(PaperReject::Killed);
            }
        }
        Ok(())
    }

    /// Lets the order meet the feed's book, or the signal's quote where there is no feed; then resting orders meet it first.
    fn meet_book(
        &mut self,
        book_order: BookOrder,
        order: &Order,
        quote: Option<SignalQuote>,
        now: Time,
    ) -> (Vec<Execution>, Placed, Option<Feed>) {
        let key = order.instrument.book_key();
        let listed = self.books.entry(key.clone()).or_default();
        let (None, Some(quote)) = (listed.feed, quote) else {
            let (fills, placed) = listed.matcher.submit(book_order);
            return (fills, placed, listed.feed);
        };
        let quotes = self.quotes.entry(key).or_default();
        let mut book = quotes.checkout(quote, &order.instrument, now);
        let (fills, placed) = listed.matcher.against(&mut book, |matcher| {
            let mut fills = matcher.fill_crossed();
            let (own, placed) = matcher.submit(book_order);
            fills.extend(own);
            (fills, placed)
        });
        quotes.keep(quote, book, order.expires_at);
        self.quotes.retain(|_, quotes| {
            quotes.forget_before(now);
            !quotes.is_empty()
        });
        (fills, placed, None)
    }

    fn book_fill(&mut self, fill: &Execution, source: FillSource, now: Time, news: &mut Vec<VenueNews>) {
        let working = self.ledger.working_mut(&fill.id).expect("Invariant: only working orders are in a book");
        let instrument = working.order.instrument.clone();
        let gross = self.account.gross(&instrument, working.side, fill.price, fill.quantity);
        let fee = working.fees.charge(gross, fill.price, fill.quantity, fill.liquidity);
        self.account.book(&instrument, working.side, fill.price, fill.quantity, fee);
        working.filled += fill.quantity;
        working.trades += 1;
        news.push(VenueNews::Fill(FillReport {
            order_id: fill.id,
            trade_id: trade_id(&fill.id, self.session, working.trades),
            price: instrument.in_book_terms(fill.price),
            instrument,
            action: working.order.action,
            quantity: fill.quantity,
            fee,
            fee_provisional: false,
            liquidity: fill.liquidity,
            settled: true,
            venue_at: now,
            source,
        }));
        let (done, cut) = (working.left().is_zero(), working.accepted < working.order.quantity);
        self.reserve_anew(&fill.id);
        if done && cut {
            self.end_with_news(&fill.id, VenueState::Canceled, "reduce only: no more is held", news);
        } else if done {
            self.end(&fill.id, VenueState::Executed);
        }
    }

    fn reserve_anew(&mut self, id: &OrderId) {
        let Some(working) = self.ledger.working(id) else { return };
        let (before, after) = (working.reserved, self.reservation(working));
        self.account.release(before);
        self.account.reserve(after);
        if let Some(working) = self.ledger.working_mut(id) {
            working.reserved = after;
        }
    }

    fn end(&mut self, id: &OrderId, state: VenueState) -> Option<Working> {
        let working = self.ledger.end(id, state)?;
        self.account.release(working.reserved);
        let key = working.order.instrument.book_key();
        if let Some(listed) = self.books.get_mut(&key) {
            listed.matcher.cancel(*id);
            if listed.market.is_none() && !listed.closed && !listed.matcher.has_resting() {
                self.books.remove(&key);
            }
        }
        Some(working)
    }

    fn end_with_news(&mut self, id: &OrderId, state: VenueState, cause: &str, news: &mut Vec<VenueNews>) {
        if let Some(working) = self.end(id, state) {
            news.push(VenueNews::Ended { order_id: *id, state, filled: working.filled, cause: cause.to_owned() });
        }
    }
}

impl Listed {
    pub(super) fn takes_nothing(&self) -> bool {
        self.closed || self.market.as_ref().is_some_and(|market| market.status != MarketStatus::Open)
    }

    /// The market, when this row is the first of it or needs a finer grid.
    fn describe(&mut self, row: &MarketRow) -> Option<Market> {
        // A trade alone shows no book: until one is shown, a signal's own quote is still the best that is known.
        if row.changes.iter().any(|change| !matches!(change, BookChange::Stated { .. })) {
            self.feed = Some(row.feed);
        }
        let Some(market) = &mut self.market else {
            self.name = Some(row.market.clone());
            return self.market.insert(row.describe()).clone().into();
        };
        if row.feed.is_live() {
            return None;
        }
        market.grid = row.finest_needed(&market.grid)?;
        Some(market.clone())
    }

    /// The best prices, when they have changed and are not crossed: a crossed book has no price worth telling.
    fn changed_quote(&mut self) -> Option<Quote> {
        let quote = self.matcher.quote();
        if quote == self.told || self.matcher.book().is_crossed() {
            return None;
        }
        self.told = quote;
        Some(quote)
    }
}

fn book_order(working: &Working) -> BookOrder {
    let order = &working.order;
    BookOrder {
        id: order.order_id,
        side: working.side,
        limit: order.instrument.in_book_terms(order.limit),
        quantity: working.accepted,
        tif: order.tif,
    }
}
