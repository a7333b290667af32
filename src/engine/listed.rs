//! Orders and fills as venues list them: whose they are, and what they say of ours.

use super::{Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event, FoundTrade, Scope};
use crate::domain::fees;
use crate::domain::ids::{ClientOrderId, OrderId, SignalId, TokenId, VenueOrderId};
use crate::domain::market::{BookKey, Instrument, Market, Outcome, Venue};
use crate::domain::matching::Side;
use crate::domain::money::Usd;
use crate::domain::order::{Action, Order, OrderState, TimeInForce};
use crate::domain::planted::{self, Bug};
use crate::domain::report::{FillReport, FillSettlement, FillSource, VenueFill, VenueOrder, VenueState};
use crate::domain::time::{Now, Time};
use crate::domain::verdict::Reason;
use crate::projections::{FillStanding, OrderRecord};

/// Fills that may wait for their order, and orders of a token for its description: a flood of foreign ones is answered by a breaker long before.
const UNCLAIMED_MAX: usize = 4_096;
/// A venue that could not say whose order it is, is asked again after this.
const IDENTIFY_AGAIN_MS: i64 = 1_000;
/// What a stated time may lie before the moment that is meant.
const STATED_TO_MS: i64 = 1_000;
/// How long a foreign order without an expiry is taken to live: its end comes as news or by a reading.
const EXTERNAL_LIFE_MS: i64 = 30 * 86_400_000;

impl Engine {
    /// Our order of that book with this name at the venue, or with this name of ours.
    fn owner(&self, key: &BookKey, venue_order_id: &VenueOrderId, client: Option<&ClientOrderId>) -> Option<OrderId> {
        let name = Some(venue_order_id);
        let is_named = |record: &&OrderRecord| record.venue_order_id.as_ref() == name || record.known_as.as_ref() == name;
        let named = self.book.orders.of_book(key).find(is_named);
        let ours = |record: &&OrderRecord| {
            record.venue_order_id.is_none() && client.is_some_and(|client| record.order.order_id.client_order_id() == *client)
        };
        named.or_else(|| self.book.orders.of_book(key).find(ours)).map(|record| record.order.order_id)
    }

    pub(super) fn traded(&mut self, now: Now, fill: VenueFill, out: &mut Vec<Effect>) {
        if let Some(order_id) = self.owner(&fill.key, &fill.venue_order_id, fill.client_order_id.as_ref()) {
            return self.own_fill(now, order_id, fill, out);
        }
        // Traded before this account was taken over: part of what was found then.
        if self.is_older_than_the_account(&fill) {
            return;
        }
        let name = (fill.key.clone(), fill.venue_order_id.clone());
        let asked = self.unclaimed.contains_key(&name);
        let waiting = self.unclaimed.entry(name.clone()).or_default();
        if waiting.len() < UNCLAIMED_MAX && waiting.iter().all(|other| other.trade_id != fill.trade_id) {
            waiting.push(fill);
        }
        if !asked {
            self.identify(name.0, name.1, out);
        }
    }

    /// Venues state whole seconds: beside the opening, what it was read with tells the two apart.
    fn is_older_than_the_account(&self, fill: &VenueFill) -> bool {
        let Some(account) = self.book.cash.account(fill.key.venue) else { return true };
        // Logs from before those trades were written down have only the time.
        let Some(found) = &account.opened_with else { return fill.at < account.opened_at };
        let is_it = |one: &FoundTrade| one.trade_id == fill.trade_id && one.venue_order_id == fill.venue_order_id && one.key == fill.key;
        fill.at.plus_ms(STATED_TO_MS) <= account.opened_at || found.iter().any(is_it)
    }

    pub(super) fn identify(&mut self, key: BookKey, venue_order_id: VenueOrderId, out: &mut Vec<Effect>) {
        if self.unclaimed.contains_key(&(key.clone(), venue_order_id.clone())) {
            out.push(Effect::Identify { key, venue_order_id });
        }
    }

    pub(super) fn identified(
        &mut self,
        now: Now,
        key: BookKey,
        venue_order_id: VenueOrderId,
        found: Result<Option<VenueOrder>, String>,
        out: &mut Vec<Effect>,
    ) {
        if self.halted.is_some() {
            return;
        }
        match found {
            Ok(Some(listed)) => self.listed(now, listed, out),
            Ok(None) => self.adopt_fills(now, key, venue_order_id, out),
            Err(_) => self.set_timer(now.mono.plus_ms(IDENTIFY_AGAIN_MS), Timer::Identify(key, venue_order_id)),
        }
    }

    /// Fills of an order that the venue doesn't show any more: they are the order.
    fn adopt_fills(&mut self, now: Now, key: BookKey, venue_order_id: VenueOrderId, out: &mut Vec<Effect>) {
        let Some(first) = self.unclaimed.get(&(key.clone(), venue_order_id.clone())).and_then(|fills| fills.first()) else { return };
        let listed = VenueOrder {
            venue_order_id,
            client_order_id: None,
            key,
            side: first.side,
            price: first.price,
            quantity: first.quantity,
            filled: first.quantity,
            remaining: Default::default(),
            state: VenueState::Executed,
            cause: None,
            created_at: None,
            expires_at: None,
        };
        self.adopt_order(now, &listed, out);
    }

    /// Fills that waited for this order's name, if it has one now; or for the certainty that it has none.
    pub(super) fn claim(&mut self, now: Now, order_id: &OrderId, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(order_id) else { return };
        let Some(venue_order_id) = record.venue_name().cloned() else { return };
        let name = (record.order.instrument.book_key(), venue_order_id);
        for fill in self.unclaimed.remove(&name).unwrap_or_default() {
            self.own_fill(now, *order_id, fill, out);
        }
    }

    fn own_fill(&mut self, now: Now, order_id: OrderId, fill: VenueFill, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let order = &record.order;
        if fill.side != order.book_side() {
            let observed = format!("trade {} of {} on the other side than ordered", fill.trade_id, fill.venue_order_id);
            let scope = Scope::Market(fill.key);
            return self.trip(now, scope, Reason::UnexpectedFill, observed, "the side that was ordered".to_owned(), out);
        }
        let price = order.instrument.in_book_terms(fill.price);
        let bound = fees::taker_bound(order.fee, price, fill.quantity);
        let fee = fill.fee.unwrap_or(bound);
        // Polymarket names no fee: it follows from the schedule of the moment. What the schedule is when the trade is read
        // again says nothing of it; only a bound gives way to a figure.
        let computed = fill.key.venue == Venue::Polymarket;
        let report = FillReport {
            order_id,
            trade_id: fill.trade_id,
            instrument: order.instrument.clone(),
            action: order.action,
            quantity: fill.quantity,
            price,
            fee,
            fee_provisional: fill.fee.is_none(),
            liquidity: fill.liquidity,
            settled: fill.settlement == FillSettlement::Settled,
            venue_at: fill.at,
            source: FillSource::Venue,
        };
        let unnamed = record.venue_order_id.is_none();
        let (key, trade_id) = (fill.key.clone(), report.trade_id.clone());
        match self.book.fill_standing(&key, &trade_id, &order_id) {
            // What failed is booked and taken back: the venue counts it, and it may still say otherwise.
            Some(FillStanding::Settled | FillStanding::Provisional) if planted::has(Bug::NoFillDedupe) => self.fill(now, report, out),
            None => self.fill(now, report, out),
            Some(FillStanding::Reversed) => {}
            Some(_) if computed && self.book.fee_of(&report) != Some(bound) => {}
            Some(_) => self.correct_fee(now, &report, fill.fee, out),
        }
        match fill.settlement {
            FillSettlement::Provisional => {}
            FillSettlement::Settled => self.fill_ended(now, order_id, trade_id, Ok(()), out),
            FillSettlement::Failed => self.fill_ended(now, order_id, trade_id, Err("the venue could not settle it"), out),
        }
        if unnamed {
            self.named_by_fill(now, order_id, fill.venue_order_id, out);
        }
    }

    fn correct_fee(&mut self, now: Now, booked: &FillReport, named: Option<Usd>, out: &mut Vec<Effect>) {
        let Some(fee) = named.filter(|fee| self.book.fee_of(booked).is_some_and(|before| before != *fee)) else { return };
        let (order_id, venue, trade_id) = (booked.order_id, booked.instrument.venue, booked.trade_id.clone());
        self.append(now, vec![Event::FeeCorrected { order_id, venue, trade_id, fee }], out);
    }

    /// Only the stream names our order beside the venue's: what is read later has but the venue's name of it.
    fn named_by_fill(&mut self, now: Now, order_id: OrderId, venue_order_id: VenueOrderId, out: &mut Vec<Effect>) {
        self.append(now, vec![Event::OrderAcked { order_id, venue_order_id, venue_at: None }], out);
        self.claim(now, &order_id, out);
        self.after_ack(now, order_id, out);
    }

    pub(super) fn listed(&mut self, now: Now, listed: VenueOrder, out: &mut Vec<Effect>) {
        let Some(order_id) = self.owner(&listed.key, &listed.venue_order_id, listed.client_order_id.as_ref()) else {
            let awaited = self.unclaimed.contains_key(&(listed.key.clone(), listed.venue_order_id.clone()));
            if awaited || listed.state == VenueState::Resting && self.book.cash.is_opened(listed.key.venue) {
                self.adopt_order(now, &listed, out);
            }
            return;
        };
        // One that has ended may still lack its name, for which its fills wait.
        let unfinished = |record: &&OrderRecord| !record.is_done() || record.venue_order_id.is_none();
        let Some(record) = self.book.orders.get(&order_id).filter(unfinished) else { return };
        // Being sent right now: its own answer comes, too, and names it. A fill may already wait for the name.
        if !record.external && !is_as_sent(record, &listed) {
            return self.mismatched(now, order_id, &listed.venue_order_id, out);
        }
        let was = record.state;
        let given_up = record.known_as.is_some() && matches!(was, OrderState::NotPlaced | OrderState::Rejected);
        let cause = listed.cause.unwrap_or_else(|| "ended by the venue".to_owned());
        if given_up && listed.state != VenueState::Resting && listed.filled.is_zero() {
            // A refused order may be listed as such; nothing came of it.
            return;
        }
        let name = listed.venue_order_id.clone();
        self.found(now, order_id, listed.venue_order_id, listed.state, (listed.filled, cause), out);
        if given_up {
            let observed = format!("order {name} is at the venue though it was {was}");
            self.trip(now, Scope::Market(listed.key), Reason::UnknownOrders, observed, "no such order".to_owned(), out);
            self.request_cancel(now, order_id, CancelCause::Breaker, out);
        }
    }

    /// A token of which nobody has said which outcome it is: what it pays can't be told, and is never guessed.
    pub(super) fn is_unnamed_token(&self, key: &BookKey) -> bool {
        !key.venue.nets_outcomes() && self.book.markets.get(key).is_none_or(|market| market.outcome.is_none())
    }

    /// Asks for its description; its market is stopped at once, the order counted as soon as it can be.
    fn await_token(&mut self, now: Now, listed: &VenueOrder, out: &mut Vec<Effect>) {
        let key = listed.key.clone();
        let waiting = self.strangers.entry(key.clone()).or_default();
        waiting.retain(|other| other.venue_order_id != listed.venue_order_id);
        if waiting.len() < UNCLAIMED_MAX {
            waiting.push(listed.clone());
        }
        out.push(Effect::Describe { key: key.clone() });
        let observed = format!("order {} of {key}, which nobody has described yet", listed.venue_order_id);
        self.trip(now, Scope::Market(key), Reason::ExternalOrder, observed, "orders of this engine only".to_owned(), out);
    }

    /// What waited for the description of this token.
    pub(super) fn token_described(&mut self, now: Now, key: &BookKey, out: &mut Vec<Effect>) {
        for listed in self.strangers.remove(key).unwrap_or_default() {
            self.listed(now, listed, out);
        }
    }

    /// Counts a foreign order as ours, with its fills, and stops that market until a person has looked.
    fn adopt_order(&mut self, now: Now, listed: &VenueOrder, out: &mut Vec<Effect>) {
        if self.is_unnamed_token(&listed.key) {
            return self.await_token(now, listed, out);
        }
        let mut order = external_order(listed, self.book.markets.get(&listed.key), now);
        self.keep_group(&mut order);
        let (order_id, key) = (order.order_id, listed.key.clone());
        let unwritten = self.unwritten(listed);
        let observed = format!("{:?} {} of {} at {}, order {}", listed.side, listed.quantity, key, listed.price, listed.venue_order_id);
        let event = Event::ExternalOrderSeen { order: Box::new(order), venue_order_id: listed.venue_order_id.clone() };
        self.append(now, vec![event], out);
        // What it holds needs a mark, or nothing opens anywhere.
        out.push(Effect::Watch { key: key.clone() });
        self.claim(now, &order_id, out);
        if matches!(listed.state, VenueState::Canceled | VenueState::Expired) {
            self.venue_ended(now, order_id, listed.state, listed.filled, "ended by whoever placed it".to_owned(), out);
        }
        if let Some(why) = unwritten {
            let limit = "a log that knows it: is this an older copy?".to_owned();
            self.trip(now, Scope::Venue(key.venue), Reason::HistoryDiverged, format!("{why}: {observed}"), limit, out);
        }
        self.trip(now, Scope::Market(key), Reason::ExternalOrder, observed, "orders of this engine only".to_owned(), out);
    }

    /// Why a foreign order may be one of ours that this log has lost: then everything it says of the venue is old. A crash
    /// loses none, each send is on record before it.
    fn unwritten(&self, listed: &VenueOrder) -> Option<&'static str> {
        if let Some(id) = &listed.client_order_id {
            return OrderId::is_named_like_ours(id).then_some("named like ours");
        }
        // Where names tell nothing the time does: nobody wrote the log then.
        let fills = self.unclaimed.get(&(listed.key.clone(), listed.venue_order_id.clone())).into_iter().flatten();
        let at = listed.created_at.or(fills.map(|fill| fill.at).min())?;
        let (ended, began) = self.silence;
        (ended < at.plus_ms(STATED_TO_MS) && at < began && ended > Time::default())
            .then_some("from the time between the log's last record and this session")
    }
}

/// Whether the venue's order is the one we sent; one that is known by its venue's name may have any age.
fn is_as_sent(record: &OrderRecord, listed: &VenueOrder) -> bool {
    let sent_at = record.first_sent_at.unwrap_or(record.requested_at);
    listed.has_terms_of(&record.order) && (listed.is_as_young_as(sent_at) || record.state == OrderState::Working)
}

/// A foreign order in our words: whatever its sender meant, it is taken to open.
fn external_order(listed: &VenueOrder, market: Option<&Market>, now: Now) -> Order {
    let venue = listed.key.venue;
    let outcome = if listed.side == Side::Bid || !venue.nets_outcomes() { Outcome::Yes } else { Outcome::No };
    let action = if listed.side == Side::Ask && !venue.nets_outcomes() { Action::Sell } else { Action::Buy };
    let instrument = instrument_of(&listed.key, market, outcome);
    let ends_at = listed.expires_at.unwrap_or(now.wall.plus_ms(EXTERNAL_LIFE_MS));
    Order {
        order_id: OrderId::external(venue.as_str(), &listed.venue_order_id),
        signal_id: SignalId::new("external").expect("Invariant: a plain word is a valid id"),
        revision: 0,
        groups: super::intake::plain_groups(&instrument),
        limit: instrument.in_book_terms(listed.price),
        action,
        quantity: listed.quantity,
        tif: TimeInForce::Gtc,
        expires_at: Time::max(ends_at, now.wall),
        venue_expires_at: Time::max(ends_at, now.wall),
        created_at: None,
        fee: market.map_or_else(|| fees::assumed_rate(venue, None), |market| market.fee),
        instrument,
    }
}

/// What is held of a book that only its venue has named. Of a token, the market's description tells condition and outcome.
pub(super) fn instrument_of(key: &BookKey, market: Option<&Market>, outcome: Outcome) -> Instrument {
    let venue = key.venue;
    if venue.nets_outcomes() {
        return Instrument { venue, market: key.id.clone(), token: None, outcome };
    }
    let condition = market.and_then(|market| market.condition.clone());
    Instrument {
        venue,
        market: condition.unwrap_or_else(|| key.id.clone()),
        token: TokenId::new(key.id.as_str()).ok(),
        outcome: market.and_then(|market| market.outcome).unwrap_or(outcome),
    }
}
