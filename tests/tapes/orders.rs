//! Orders at fixed points of a tape, each fill checked against the tape, and the cash they should leave.

use std::collections::BTreeMap;

use arbees::domain::fees::KALSHI;
use arbees::domain::ids::{GameId, Instance, Mode, OrderId, SignalId, TokenId};
use arbees::domain::market::{Instrument, Outcome, Settlement, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use arbees::domain::report::{FillReport, FillSource, Liquidity, SubmitOutcome, VenueNews, VenueState};
use arbees::domain::time::Time;
use arbees::domain::verdict::ApprovedOrder;
use arbees::venues::paper::{MarketRow, PaperExchange, PaperSettings, PaperStart};
use serde_json::Value;

use super::reference::{Visible, micros, model_fee};

const CASH: i64 = 10_000_000_000_000;

/// What came of a tape, so that a test can tell that all of it was exercised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub orders: u64,
    pub taker_fills: u64,
    pub print_fills: u64,
    pub crossed_fills: u64,
    pub no_fills: u64,
    pub sells: u64,
    pub killed: u64,
    pub expired: u64,
    pub crossed_rows: u64,
}

/// One order as the checker sees it: bought or sold in the terms of the book.
struct Sent {
    order: Order,
    key: String,
    buys: bool,
    limit: i64,
    filled: i64,
    /// Kalshi's roundings not given back yet.
    carried: i64,
}

impl Sent {
    fn left(&self) -> i64 {
        self.order.quantity.micros() - self.filled
    }
}

pub struct Trader {
    exchange: PaperExchange,
    every: u64,
    books: BTreeMap<String, Visible>,
    outcomes: BTreeMap<String, (Instrument, i64)>,
    sent: BTreeMap<OrderId, Sent>,
    resting_sells: Vec<OrderId>,
    cash: i64,
    now: Time,
    dice: u64,
    seen: Seen,
}

impl Trader {
    pub fn new(every: u64) -> Self {
        let start = PaperStart { session: 1, cash: Usd::from_micros(CASH), holdings: Vec::new() };
        Self {
            exchange: PaperExchange::new(PaperSettings::default(), start),
            every,
            books: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            sent: BTreeMap::new(),
            resting_sells: Vec::new(),
            cash: CASH,
            now: Time::default(),
            dice: 0x5EED,
            seen: Seen::default(),
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// How many rows were played.
    pub fn rows(&self) -> u64 {
        self.exchange.counts().rows
    }

    pub fn play(&mut self, row: &MarketRow, line: &Value) {
        self.now = self.now.max(Time::from_ms(row.mark.ts_ms));
        let key = row.key.to_string();
        self.outcomes.entry(key.clone()).or_insert_with(|| (book_instrument(row), 0));
        let book = self.books.entry(key.clone()).or_default();
        book.follow(line);
        self.seen.crossed_rows += u64::from(book.crossed());
        let news = self.exchange.apply(row, self.now);
        self.check_resting(&news, &key, row.mark.row, line);
        self.check_cash();
        if row.mark.row.is_multiple_of(self.every)
            && let Some(order) = self.invent(&key)
        {
            self.send(order, key);
        }
    }

    /// Settles a copy and compares its cash with what is held times what it pays.
    pub fn check_settled(&self, settlement: Settlement) {
        let mut exchange = self.exchange.clone();
        let mut expected = self.cash;
        for (instrument, position) in self.outcomes.values() {
            exchange.settle_market(instrument.venue, &instrument.market, settlement, self.now);
            let outcome = if *position < 0 { instrument.outcome.other() } else { instrument.outcome };
            expected += if settlement.payout(outcome) == Some(Price::ONE) { position.abs() } else { 0 };
        }
        assert_eq!(exchange.account().cash().micros(), expected);
        assert_eq!(exchange.account().holdings().count(), 0);
        assert_eq!(exchange.working_orders(), 0);
    }

    fn send(&mut self, order: Order, key: String) {
        let buys = (order.action == Action::Buy) == (order.instrument.outcome == order.instrument.book_outcome());
        let limit = order.instrument.in_book_terms(order.limit).micros();
        self.sent.insert(order.order_id, Sent { order: order.clone(), key, buys, limit, filled: 0, carried: 0 });
        self.seen.orders += 1;
        if order.action == Action::Sell && order.tif.rests() {
            self.resting_sells.push(order.order_id);
        }
        let (outcome, news) = self.exchange.submit(&ApprovedOrder::after_durable_approval(order.clone()), None, self.now);
        match outcome {
            SubmitOutcome::Rejected { code, .. } => {
                assert_eq!(code, "fill_or_kill_insufficient_resting_volume", "{order:?}");
                self.check_kill(&order);
            }
            SubmitOutcome::Acked { .. } => self.check_taken(&order, &news),
            other => panic!("nothing is unknown in process: {other:?}"),
        }
        self.check_cash();
    }

    fn check_cash(&self) {
        assert_eq!(self.exchange.account().cash().micros(), self.cash);
    }

    /// From 0 to `sides` - 1: a linear congruence, the same in every run.
    fn throw(&mut self, sides: i64) -> i64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) as i64 % sides
    }

    /// The next order for this book: any kind, either outcome, from passive to marketable; sells what is held now and then.
    fn invent(&mut self, key: &str) -> Option<Order> {
        let (bid, ask) = (self.books[key].bid()?, self.books[key].ask()?);
        let (own, position) = self.outcomes[key].clone();
        let tif = [TimeInForce::Ioc, TimeInForce::Gtc, TimeInForce::Fok, TimeInForce::Gtd][self.throw(4) as usize];
        let sells = position != 0 && self.throw(3) == 0;
        let positive = if sells { position > 0 } else { own.venue == Venue::Polymarket || self.throw(2) == 0 };
        let outcome = if positive { own.outcome } else { own.outcome.other() };
        let buys = positive != sells;
        let towards = (self.throw(6) - 2) * 10_000;
        let touch = if self.throw(2) == 0 { bid } else { ask };
        let limit = (if buys { touch + towards } else { touch - towards }).clamp(10_000, 990_000);
        let most = if sells { position.abs() / 10_000 } else { 40_000 };
        let most = if sells { most - self.on_offer(key) / 10_000 } else { most };
        if most <= 0 {
            return None;
        }
        let quantity = (1 + self.throw(most)) * 10_000;
        let instrument = Instrument { outcome, ..own };
        let limit = instrument.in_book_terms(Price::from_micros(limit));
        let action = if sells { Action::Sell } else { Action::Buy };
        Some(self.order(instrument, action, quantity, limit, tif))
    }

    /// Of this book's contracts, how many are on offer by orders that may still be working.
    fn on_offer(&mut self, key: &str) -> i64 {
        let (sent, now) = (&self.sent, self.now);
        self.resting_sells.retain(|id| sent[id].order.venue_expires_at > now && sent[id].left() > 0);
        self.resting_sells.iter().map(|id| &sent[id]).filter(|sent| sent.key == key).map(Sent::left).sum()
    }

    fn order(&mut self, instrument: Instrument, action: Action, quantity: i64, limit: Price, tif: TimeInForce) -> Order {
        let signal_id = SignalId::new(&format!("s-{}", self.seen.orders)).expect("id");
        let life_ms = 500 + self.throw(60_000);
        Order {
            order_id: OrderId::of(&Instance::new("tapes").expect("name"), Mode::Paper, &signal_id, 0, 0),
            signal_id,
            revision: 0,
            instrument,
            action,
            quantity: Quantity::from_micros(quantity),
            limit,
            tif,
            expires_at: self.now.plus_ms(life_ms),
            venue_expires_at: self.now.plus_ms(life_ms),
            created_at: None,
            fee: KALSHI,
            groups: Groups {
                game: GameId::new("game").expect("id"),
                sport: "NBA".into(),
                stance: Stance { subject: "A".into(), wins: true, contest: true },
            },
        }
    }

    /// A kill is right only when the book didn't show enough.
    fn check_kill(&mut self, order: &Order) {
        self.seen.killed += 1;
        let sent = &self.sent[&order.order_id];
        let book = &self.books[&sent.key];
        let lots = |left: i64| left / 10_000 * 10_000;
        let enough: i64 = if sent.buys {
            book.asks.levels.range(..=sent.limit).map(|(_, shown)| lots(shown.left())).sum()
        } else {
            book.bids.levels.range(sent.limit..).map(|(_, shown)| lots(shown.left())).sum()
        };
        assert!(book.crossed() || enough < order.quantity.micros(), "{order:?} could have been filled");
    }

    fn check_taken(&mut self, order: &Order, news: &[VenueNews]) {
        for one in news {
            match one {
                VenueNews::Fill(fill) if fill.order_id == order.order_id => {
                    assert_eq!(fill.liquidity, Liquidity::Taker);
                    self.seen.taker_fills += 1;
                    self.take_shown(fill, None);
                    self.book(fill);
                }
                VenueNews::Ended { state: VenueState::Expired, .. } => self.seen.expired += 1,
                VenueNews::Ended { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let sent = &self.sent[&order.order_id];
        assert!(order.tif != TimeInForce::Fok || sent.filled == order.quantity.micros(), "FOK in parts");
    }

    fn check_resting(&mut self, news: &[VenueNews], key: &str, row: u64, line: &Value) {
        let mut print_left = if line["kind"] == "trade" { micros(&line["size"]).expect("size") } else { 0 };
        for one in news {
            match one {
                VenueNews::Fill(fill) => {
                    let sent = &self.sent[&fill.order_id];
                    assert_eq!((sent.key.as_str(), fill.liquidity), (key, Liquidity::Maker));
                    assert!(sent.order.tif.rests());
                    assert!(!self.books[key].crossed(), "row {row}: filled while crossed");
                    let FillSource::Tape { row: shown_by, .. } = fill.source else { panic!("{fill:?}") };
                    if shown_by == row && line["kind"] == "trade" {
                        self.seen.print_fills += 1;
                        self.take_print(fill, line, &mut print_left);
                    } else {
                        self.seen.crossed_fills += 1;
                        self.take_shown(fill, Some(sent.limit));
                    }
                    self.book(fill);
                }
                VenueNews::Ended { state: VenueState::Expired, .. } => self.seen.expired += 1,
                VenueNews::Ended { .. } | VenueNews::Market(_) | VenueNews::Quote { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// A fill from the other side's levels: at the level's own price for a taker; a resting order pays its limit, and
    /// its contracts come from the best levels that reach it.
    fn take_shown(&mut self, fill: &FillReport, resting_limit: Option<i64>) {
        let sent = &self.sent[&fill.order_id];
        let price = fill.instrument.in_book_terms(fill.price).micros();
        let book = self.books.get_mut(&sent.key).expect("book");
        assert!(!book.crossed(), "{fill:?} while crossed");
        let levels = if sent.buys { &mut book.asks.levels } else { &mut book.bids.levels };
        let mut left = fill.quantity.micros();
        match resting_limit {
            None => {
                assert!(if sent.buys { price <= sent.limit } else { price >= sent.limit }, "{fill:?} beyond its limit");
                let shown = levels.get_mut(&price).unwrap_or_else(|| panic!("{fill:?}: nothing is shown there"));
                assert!(left <= shown.left(), "{fill:?}: more than the {} shown", shown.left());
                shown.taken += left;
                let better = |at: &i64| if sent.buys { *at < price } else { *at > price };
                let passed_over = levels.iter().any(|(at, shown)| better(at) && shown.left() >= 10_000);
                assert!(!passed_over, "{fill:?}: a better level was passed over");
            }
            Some(limit) => {
                assert_eq!(price, limit);
                let reach: Vec<i64> = if sent.buys {
                    levels.range(..=limit).map(|(at, _)| *at).collect()
                } else {
                    levels.range(limit..).rev().map(|(at, _)| *at).collect()
                };
                for at in reach {
                    let shown = levels.get_mut(&at).expect("level");
                    let part = (shown.left() / 10_000 * 10_000).min(left);
                    shown.taken += part;
                    left -= part;
                }
                assert_eq!(left, 0, "{fill:?}: more than was shown at its limit");
            }
        }
    }

    fn take_print(&self, fill: &FillReport, line: &Value, print_left: &mut i64) {
        let sent = &self.sent[&fill.order_id];
        let price = fill.instrument.in_book_terms(fill.price).micros();
        let printed = micros(&line["yes_price"]).or(micros(&line["price"])).expect("price");
        let taker_bought = matches!(line["taker_side"].as_str(), Some("yes" | "BUY"));
        assert_eq!(price, sent.limit);
        assert_ne!(taker_bought, sent.buys, "{fill:?}: the taker was on our side");
        assert!(if sent.buys { printed <= price } else { printed >= price }, "{fill:?} better than the print {line}");
        *print_left -= fill.quantity.micros();
        assert!(*print_left >= 0, "{fill:?}: more than was printed");
    }

    /// Books the fill in one line of arithmetic and compares: short contracts lock up a dollar each.
    fn book(&mut self, fill: &FillReport) {
        let sent = self.sent.get_mut(&fill.order_id).expect("sent");
        let venue = fill.instrument.venue;
        let price = fill.instrument.in_book_terms(fill.price).micros();
        let quantity = fill.quantity.micros();
        sent.filled += quantity;
        assert!(sent.filled <= sent.order.quantity.micros(), "{fill:?}: more than was ordered");
        let position = &mut self.outcomes.get_mut(&sent.key).expect("position").1;
        let locked = (-*position).max(0);
        *position += if sent.buys { quantity } else { -quantity };
        let paid = i64::try_from(i128::from(price) * i128::from(quantity) / 1_000_000).expect("small");
        let gross = (if sent.buys { -paid } else { paid }) - ((-*position).max(0) - locked);
        let rate = if fill.liquidity == Liquidity::Maker { 0 } else { 70_000 };
        let fee = if venue == Venue::Polymarket {
            model_fee(if rate == 0 { 0 } else { polymarket_rate(&sent.order.instrument) }, price, quantity, 10)
        } else {
            let model = model_fee(rate, price, quantity, 1);
            let rounding = (gross - model).rem_euclid(100);
            let rebate = (sent.carried + rounding).min(model + rounding) / 100 * 100;
            sent.carried += rounding - rebate;
            model + rounding - rebate
        };
        assert_eq!(fill.fee.micros(), fee, "{fill:?}");
        self.cash += gross - fee;
        self.seen.no_fills += u64::from(fill.instrument.outcome == Outcome::No);
        self.seen.sells += u64::from(fill.action == Action::Sell);
    }
}

/// What the book quotes.
fn book_instrument(row: &MarketRow) -> Instrument {
    let token = (row.key.venue == Venue::Polymarket).then(|| TokenId::new(row.key.id.as_str()).expect("token"));
    let outcome = if token.is_some() { row.outcome } else { Outcome::Yes };
    Instrument { venue: row.key.venue, market: row.market.clone(), token, outcome }
}

fn polymarket_rate(instrument: &Instrument) -> i64 {
    if instrument.market.as_str().starts_with("btc-") { 70_000 } else { 50_000 }
}
