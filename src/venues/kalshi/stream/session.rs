//! One connection's state: what was asked for, what was confirmed, which sequence number comes next. It touches no
//! socket: frames go in, steps come out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::StreamEvent;
use super::frame::{Data, Frame};
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Venue};
use crate::domain::matching::BookChange;
use crate::domain::report::VenueNews;
use crate::domain::time::{Mono, Now, Time};
use crate::venues::books::{Books, TopOfBook};

const BOOKS: &str = "orderbook_delta";
/// Channels of the account; without the first two the stream is of no use.
const ACCOUNT: &[&str] = &["fill", "user_orders", "market_positions", "order_group_updates", "market_lifecycle_v2"];
const NEEDED: &[&str] = &["fill", "user_orders"];
/// For the venue to confirm a command.
const CONFIRM_MS_MAX: i64 = 10_000;
/// Markets in one command.
const MARKETS_MAX: usize = 500;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Send(String),
    Emit(StreamEvent),
    /// Only a new connection helps.
    Drop(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Subscribe(Vec<MarketId>),
    Add(Vec<MarketId>),
    Delete(Vec<MarketId>),
    Unsubscribe,
}

#[derive(Debug, Default)]
pub struct Session {
    last_id: i64,
    begun_at: Mono,
    /// Channels of the account that are not confirmed yet, by command.
    pending: BTreeMap<i64, &'static str>,
    up: bool,
    seqs: BTreeMap<i64, i64>,
    books: Books,
    book_sid: Option<i64>,
    wanted: BTreeSet<MarketId>,
    shown: BTreeSet<MarketId>,
    /// Markets that the venue won't show.
    refused: BTreeSet<MarketId>,
    /// One command about books at a time.
    change: Option<(i64, Mono, Change)>,
    /// Parts of a command that was refused whole.
    parts: VecDeque<Vec<MarketId>>,
    levels: bool,
}

impl Session {
    pub fn start(wanted: BTreeSet<MarketId>, now: Now) -> (Self, Vec<Step>) {
        let mut session = Self { wanted, begun_at: now.mono, ..Self::default() };
        let mut steps = Vec::new();
        for channel in ACCOUNT {
            let (id, text) = session.command("subscribe", json!({"channels": [channel]}));
            session.pending.insert(id, channel);
            steps.push(Step::Send(text));
        }
        session.next_change(now.mono, &mut steps);
        (session, steps)
    }

    /// Whether every level of the books is told, too.
    pub fn tell_levels(&mut self, levels: bool) {
        self.levels = levels;
    }

    pub fn want(&mut self, wanted: BTreeSet<MarketId>, now: Now) -> Vec<Step> {
        self.wanted = wanted;
        self.refused.retain(|market| self.wanted.contains(market));
        let mut steps = Vec::new();
        self.next_change(now.mono, &mut steps);
        steps
    }

    /// Confirmations that are overdue.
    pub fn tick(&self, now: Now) -> Option<Step> {
        let overdue = |since: Mono| now.mono > since.plus_ms(CONFIRM_MS_MAX);
        let late = (!self.up && overdue(self.begun_at)) || self.change.as_ref().is_some_and(|(_, since, _)| overdue(*since));
        late.then(|| Step::Drop(format!("no confirmation of a subscription within {CONFIRM_MS_MAX} ms")))
    }

    pub fn heard(&mut self, frame: Frame, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        match frame {
            Frame::Subscribed { id, channel, sid } => self.subscribed(id, &channel, sid, now.mono, &mut steps),
            Frame::Done { id, sid, seq } => {
                self.sequence(sid, seq, true, now, &mut steps);
                self.done(id, now.mono, &mut steps);
            }
            Frame::Refused { id, code, message, .. } => self.refusal(id, code, &message, now.mono, &mut steps),
            Frame::Data { sid, seq, data } => {
                if self.sequence(Some(sid), seq, false, now, &mut steps) {
                    self.data(sid, data, now, &mut steps);
                }
            }
            Frame::Other { sid, seq } => {
                self.sequence(sid, seq, false, now, &mut steps);
            }
        }
        steps
    }

    fn command(&mut self, name: &str, params: Value) -> (i64, String) {
        self.last_id += 1;
        (self.last_id, json!({"id": self.last_id, "cmd": name, "params": params}).to_string())
    }

    fn subscribed(&mut self, id: i64, channel: &str, sid: i64, now: Mono, steps: &mut Vec<Step>) {
        if channel == BOOKS {
            self.book_sid = Some(sid);
            self.done(id, now, steps);
            return;
        }
        self.pending.remove(&id);
        self.rise(steps);
    }

    fn rise(&mut self, steps: &mut Vec<Step>) {
        if !self.up && self.pending.is_empty() {
            self.up = true;
            steps.push(Step::Emit(StreamEvent::Up));
        }
    }

    fn refusal(&mut self, id: Option<i64>, code: i64, message: &str, now: Mono, steps: &mut Vec<Step>) {
        if let Some(channel) = id.and_then(|id| self.pending.remove(&id)) {
            if NEEDED.contains(&channel) {
                steps.push(Step::Drop(format!("the channel {channel} is refused: {code} {message}")));
            } else {
                steps.push(Step::Emit(StreamEvent::Missing { what: format!("channel {channel}: {code} {message}") }));
                self.rise(steps);
            }
            return;
        }
        // Channel errors and overflows end a subscription without a word of which (`kalshi.md` §4).
        let ours = self.change.as_ref().is_some_and(|(change, ..)| Some(*change) == id);
        if !ours {
            steps.push(Step::Drop(format!("the venue says: {code} {message}")));
            return;
        }
        match self.change.take() {
            Some((_, _, Change::Subscribe(markets) | Change::Add(markets))) if markets.len() > 1 => {
                let (one, other) = markets.split_at(markets.len() / 2);
                self.parts.extend([one.to_vec(), other.to_vec()]);
            }
            Some((_, _, Change::Subscribe(markets) | Change::Add(markets))) => {
                for market in markets {
                    steps.push(Step::Emit(StreamEvent::Missing { what: format!("book of {market}: {code} {message}") }));
                    self.refused.insert(market);
                }
            }
            _ => steps.push(Step::Drop(format!("books can't be changed: {code} {message}"))),
        }
        self.next_change(now, steps);
    }

    fn done(&mut self, id: i64, now: Mono, steps: &mut Vec<Step>) {
        if self.change.as_ref().is_none_or(|(change, ..)| *change != id) {
            return;
        }
        match self.change.take().map(|(_, _, change)| change) {
            Some(Change::Subscribe(markets) | Change::Add(markets)) => self.shown.extend(markets),
            Some(Change::Delete(markets)) => {
                for market in markets {
                    self.shown.remove(&market);
                    self.books.forget(&market);
                }
            }
            Some(Change::Unsubscribe) | None => {}
        }
        self.next_change(now, steps);
    }

    fn next_change(&mut self, now: Mono, steps: &mut Vec<Step>) {
        if self.change.is_some() {
            return;
        }
        let Some(change) = self.due() else { return };
        let (name, params) = match (&change, self.book_sid) {
            (Change::Subscribe(markets), _) => {
                ("subscribe", json!({"channels": [BOOKS], "market_tickers": markets, "use_yes_price": true}))
            }
            (Change::Add(markets), sid) => ("update_subscription", json!({"sid": sid, "market_tickers": markets, "action": "add_markets"})),
            (Change::Delete(markets), sid) => {
                ("update_subscription", json!({"sid": sid, "market_tickers": markets, "action": "delete_markets"}))
            }
            (Change::Unsubscribe, sid) => ("unsubscribe", json!({"sids": [sid]})),
        };
        if change == Change::Unsubscribe {
            self.close_books();
        }
        let (id, text) = self.command(name, params);
        self.change = Some((id, now, change));
        steps.push(Step::Send(text));
    }

    fn due(&mut self) -> Option<Change> {
        if self.book_sid.is_some() && self.wanted.is_empty() {
            return Some(Change::Unsubscribe);
        }
        let surplus: Vec<MarketId> = self.shown.difference(&self.wanted).take(MARKETS_MAX).cloned().collect();
        if self.book_sid.is_some() && !surplus.is_empty() {
            return Some(Change::Delete(surplus));
        }
        let lacking = |market: &&MarketId| !self.shown.contains(*market) && !self.refused.contains(*market);
        let part = std::iter::from_fn(|| self.parts.pop_front())
            .map(|part| part.into_iter().filter(|market| self.wanted.contains(market)).collect::<Vec<_>>())
            .find(|part| !part.is_empty());
        let markets = part.unwrap_or_else(|| self.wanted.iter().filter(lacking).take(MARKETS_MAX).cloned().collect());
        if markets.is_empty() {
            return None;
        }
        Some(if self.book_sid.is_some() { Change::Add(markets) } else { Change::Subscribe(markets) })
    }

    fn close_books(&mut self) {
        if let Some(sid) = self.book_sid.take() {
            self.seqs.remove(&sid);
        }
        self.shown.clear();
        self.books.clear();
    }

    /// Numbers of one subscription come one after the other where they come at all. False: the frame is void.
    fn sequence(&mut self, sid: Option<i64>, seq: Option<i64>, confirmation: bool, now: Now, steps: &mut Vec<Step>) -> bool {
        let (Some(sid), Some(seq)) = (sid, seq) else { return true };
        let last = self.seqs.get(&sid).copied();
        // Older servers number confirmations with the number before.
        if last.is_none_or(|last| seq == last + 1) || (confirmation && last == Some(seq)) {
            self.seqs.insert(sid, seq);
            return true;
        }
        if Some(sid) == self.book_sid {
            self.resubscribe(now, steps);
        } else if self.seqs.contains_key(&sid) {
            steps.push(Step::Drop(format!("sequence of subscription {sid}: {seq} after {}", last.unwrap_or_default())));
        }
        false
    }

    /// The books are not the venue's any more: void until they are shown anew.
    fn resubscribe(&mut self, now: Now, steps: &mut Vec<Step>) {
        let shown = self.books.markets().filter(|_| self.levels).cloned().collect::<Vec<_>>();
        steps.extend(shown.into_iter().map(|market| book(market, BookChange::unsure(), now.wall)));
        for market in self.books.clear() {
            touch(market, TopOfBook::default(), None, steps);
        }
        let Some(sid) = self.book_sid else { return };
        self.close_books();
        self.change = None;
        self.parts.clear();
        let (_, text) = self.command("unsubscribe", json!({"sids": [sid]}));
        steps.push(Step::Send(text));
        steps.push(Step::Emit(StreamEvent::Missing { what: "a frame of the books; they are asked for anew".to_owned() }));
        self.next_change(now.mono, steps);
    }

    fn data(&mut self, sid: i64, data: Data, now: Now, steps: &mut Vec<Step>) {
        let of_books = Some(sid) == self.book_sid;
        let news = |news| Step::Emit(StreamEvent::News(news));
        match data {
            Data::Snapshot { market, bids, asks } if of_books => {
                if let Some(top) = self.books.snapshot(&market, &bids, &asks) {
                    touch(market.clone(), top, Some(now.wall), steps);
                }
                if self.levels {
                    steps.push(book(market, BookChange::whole(bids, asks), now.wall));
                }
            }
            Data::Delta { market, side, price, change, at } if of_books => match self.books.delta(&market, side, price, change) {
                Ok(top) => {
                    let at = at.unwrap_or(now.wall);
                    if let Some(top) = top {
                        touch(market.clone(), top, Some(at), steps);
                    }
                    if self.levels && self.books.has(&market) {
                        steps.push(book(market, vec![BookChange::Delta { side, price, signed: change }], at));
                    }
                }
                Err(_) => self.resubscribe(now, steps),
            },
            // Of a subscription that was given up.
            Data::Snapshot { .. } | Data::Delta { .. } => {}
            Data::Fill(fill) => steps.push(news(VenueNews::Traded(fill))),
            Data::Order(order) => steps.push(news(VenueNews::Listed(order))),
            Data::Position(position) => steps.push(Step::Emit(StreamEvent::Position(position))),
            Data::Group { id, event } if event == "triggered" => {
                steps.push(news(VenueNews::FuseBlown { venue: Venue::Kalshi, why: format!("order group {id:.64} was triggered") }));
            }
            Data::Group { .. } => {}
            Data::Market { market, event } => {
                if self.wanted.contains(&market) {
                    steps.push(Step::Emit(StreamEvent::MarketChanged { market, event }));
                }
            }
            Data::Fees { event_ticker } => steps.push(Step::Emit(StreamEvent::FeesChanged { event_ticker })),
        }
    }
}

fn book(market: MarketId, changes: Vec<BookChange>, at: Time) -> Step {
    Step::Emit(StreamEvent::Book { key: BookKey { venue: Venue::Kalshi, id: market }, changes, at })
}

fn touch(market: MarketId, top: TopOfBook, at: Option<Time>, steps: &mut Vec<Step>) {
    let key = BookKey { venue: Venue::Kalshi, id: market };
    steps.push(Step::Emit(StreamEvent::Touch { key, top, at }));
}

#[cfg(test)]
mod tests;
