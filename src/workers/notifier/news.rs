//! Records into messages: which events people are told of, and in which words. Has its own fold, so that a fill knows its order and a
//! close its result.

use super::day::{Day, dollars, signed};
use super::message::{Kind, Message, words};
use crate::domain::event::{Event, Recorded, Scope};
use crate::domain::ids::{MarketId, Mode, OrderId};
use crate::domain::market::{BookKey, Instrument, Settlement, Venue};
use crate::domain::money::{Price, Quantity, Usd, micros_text};
use crate::domain::order::{Action, Order, OrderState};
use crate::domain::report::{FillReport, VenueMode};
use crate::domain::verdict::Failure;
use crate::projections::{FoldError, Projections};

pub struct News {
    mode: Mode,
    /// Vetoed orders of at least so many dollars are told of.
    vetoes_above: Usd,
    book: Projections,
    day: Day,
}

/// What there was before a record, of what it may change.
struct Before {
    realized: Usd,
    /// Of the book that is filled.
    quantity: Quantity,
    /// Of the order it is about.
    state: Option<OrderState>,
    filled: Quantity,
    /// Of the market that is settled.
    held: Vec<String>,
    halted: bool,
}

/// A message before its record is known.
struct Draft {
    kind: Kind,
    critical: bool,
    text: String,
    key: String,
    ends: Option<String>,
}

impl Draft {
    fn new(kind: Kind, key: String, text: String) -> Self {
        Self { kind, critical: false, text, key, ends: None }
    }

    fn critical(kind: Kind, key: String, text: String) -> Self {
        Self { critical: true, ..Self::new(kind, key, text) }
    }

    fn ends(self, key: String) -> Self {
        Self { ends: Some(key), ..self }
    }
}

impl News {
    /// `book` and `day`: as of the last record that was there before.
    pub fn new(mode: Mode, vetoes_above: Usd, book: Projections, day: Day) -> Self {
        Self { mode, vetoes_above, book, day }
    }

    /// Of the last record taken in.
    pub fn seq(&self) -> u64 {
        self.book.seq
    }

    /// Takes the next record in and tells of it, if it is worth telling. Errors: a record that doesn't follow.
    pub fn take(&mut self, record: &Recorded) -> Result<Option<Message>, FoldError> {
        let told = self.before(&record.event);
        let before = self.look(&record.event);
        self.book.fold(record)?;
        let told = told.or_else(|| self.after(&record.event, &before));
        self.day.count(&record.event);
        Ok(told.map(|draft| self.message(draft, record)))
    }

    fn message(&self, draft: Draft, record: &Recorded) -> Message {
        let Draft { kind, critical, text, key, ends } = draft;
        Message { kind, critical, text: format!("{} {text}", self.mode.tag()), key, ends, seq: record.seq, at: record.recorded_at }
    }

    fn look(&self, event: &Event) -> Before {
        let order = event.order_id().and_then(|id| self.book.orders.get(&id));
        Before {
            realized: self.book.cash.realized,
            quantity: if let Event::Filled(fill) = event { self.quantity(&fill.instrument.book_key()) } else { Quantity::ZERO },
            state: order.map(|order| order.state),
            filled: order.map_or(Quantity::ZERO, |order| order.filled),
            held: if let Event::MarketSettled { venue, market, .. } = event { self.held(*venue, market) } else { Vec::new() },
            halted: matches!(event, Event::VenueModeChanged { venue, .. } if self.is_halted(*venue)),
        }
    }

    fn is_halted(&self, venue: Venue) -> bool {
        self.book.venues.get(venue).is_some_and(|venue| venue.mode == VenueMode::Halted)
    }

    /// What is held of a market: `10 yes`.
    fn held(&self, venue: Venue, market: &MarketId) -> Vec<String> {
        let held = self
            .book
            .positions
            .held()
            .filter(|(key, position)| key.venue == venue && (position.instrument.market == *market || key.id == *market));
        held.map(|(_, position)| format!("{} {}", position.held(), position.outcome())).collect()
    }

    fn quantity(&self, key: &BookKey) -> Quantity {
        self.book.positions.get(key).map_or(Quantity::ZERO, |position| position.quantity)
    }

    /// What is told from what was there before: the fold forgets it, or begins anew with this record.
    fn before(&self, event: &Event) -> Option<Draft> {
        match event {
            Event::OrderVetoed { order_id, failures, .. } => self.vetoed(order_id, failures),
            Event::TradingDayStarted { day, .. } => {
                let text = self.day.summary(&self.book)?;
                Some(Draft::new(Kind::Day, format!("day before {day}"), text))
            }
            _ => None,
        }
    }

    fn vetoed(&self, order_id: &OrderId, failures: &[Failure]) -> Option<Draft> {
        let order = &self.book.orders.get(order_id)?.order;
        if order.notional() < self.vetoes_above {
            return None;
        }
        let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        let (what, reasons) = (ordered(order), reasons.join(", "));
        let key = format!("veto {} {} {reasons}", order.instrument.book_key(), order.instrument.outcome);
        Some(Draft::new(Kind::Veto, key, format!("vetoed: {what}, {}: {reasons}", dollars(order.notional()))))
    }

    fn after(&self, event: &Event, before: &Before) -> Option<Draft> {
        match event {
            Event::Filled(fill) => self.filled(fill, before),
            Event::MarketSettled { venue, market, settlement } => {
                settled(*venue, market, *settlement, self.book.cash.realized - before.realized, &before.held)
            }
            Event::OrderOutcomeUnknown { order_id, why, .. } => {
                let text = format!("UNKNOWN whether this order is there: {}: {}", self.order(order_id), words(why));
                Some(Draft::critical(Kind::Unknown, unknown_key(order_id), text))
            }
            Event::FillReversed { order_id, trade_id, why, .. } => {
                let what = format!("a fill TAKEN BACK by the venue: {}: {}", self.order(order_id), words(why));
                Some(Draft::critical(Kind::Difference, format!("reversed {trade_id} {order_id}"), what))
            }
            Event::ExternalOrderSeen { order, venue_order_id } => {
                let name = words(venue_order_id.as_str());
                let text = format!("NOT OURS: an order that no signal asked for: {}; the venue calls it {name}", ordered(order));
                Some(Draft::critical(Kind::Difference, format!("external {}", order.order_id), text))
            }
            Event::ReconciliationDiverged { venue, what, ours, theirs } => {
                let text = format!("DIFFERENCE at {venue}: {}: {} here, {} there", words(what), words(ours), words(theirs));
                Some(Draft::critical(Kind::Difference, format!("diverged {venue} {what} {ours} {theirs}"), text))
            }
            Event::VenueModeChanged { venue, mode: VenueMode::Halted, why } => {
                let text = format!("{venue} HALTED: {}", words(why));
                Some(Draft::critical(Kind::Halt, halted_key(*venue), text))
            }
            Event::VenueModeChanged { venue, mode, .. } if before.halted => {
                let text = format!("{venue} is halted no more: {}", mode.as_str().replace('_', " "));
                Some(Draft::new(Kind::Halt, format!("no more {}", halted_key(*venue)), text).ends(halted_key(*venue)))
            }
            event => stop(event).or_else(|| self.known_again(event, before)),
        }
    }

    /// The fate of an order that was unknown.
    fn known_again(&self, event: &Event, before: &Before) -> Option<Draft> {
        let order_id = event.order_id().filter(|_| before.state == Some(OrderState::Unknown))?;
        let record = self.book.orders.get(&order_id)?;
        let state = match record.state {
            OrderState::Unknown => return None,
            OrderState::NotPlaced => "it is not there",
            OrderState::Working => "it rests at the venue",
            OrderState::Filled => "it is filled",
            OrderState::Rejected => "it was refused",
            _ => "it has ended",
        };
        let text = format!("known again: {}: {state}, {} filled", ordered(&record.order), record.filled);
        Some(Draft::new(Kind::Unknown, format!("known {order_id} {state}"), text).ends(unknown_key(&order_id)))
    }

    fn order(&self, order_id: &OrderId) -> String {
        self.book.orders.get(order_id).map_or_else(|| format!("order {order_id}"), |record| ordered(&record.order))
    }

    fn filled(&self, fill: &FillReport, before: &Before) -> Option<Draft> {
        let record = self.book.orders.get(&fill.order_id)?;
        if record.filled == before.filled {
            // Counted already.
            return None;
        }
        let after = self.quantity(&fill.instrument.book_key());
        let what = traded(fill.action, fill.quantity, &fill.instrument, fill.price);
        let (fee, signal) = (dollars(fill.fee), words(record.order.signal_id.as_str()));
        let (was, is) = (before.quantity.micros(), after.micros());
        // Less is held than before, or something else.
        let closes = was != 0 && (was.signum() != is.signum() || is.abs() < was.abs());
        let key = format!("fill {} {}", fill.trade_id, fill.order_id);
        let draft = if closes || fill.action == Action::Sell {
            let result = signed(self.book.cash.realized - before.realized);
            Draft::new(Kind::Exit, key, format!("exit: {what}, result {result}, fee {fee}; signal {signal}"))
        } else {
            Draft::new(Kind::Fill, key, format!("filled: {what}, fee {fee}; signal {signal}"))
        };
        let is_known = before.state == Some(OrderState::Unknown) && record.state != OrderState::Unknown;
        Some(if is_known { draft.ends(unknown_key(&fill.order_id)) } else { draft })
    }
}

fn settled(venue: Venue, market: &MarketId, settlement: Settlement, result: Usd, held: &[String]) -> Option<Draft> {
    if held.is_empty() {
        return None;
    }
    let how = match settlement {
        Settlement::Yes => "yes".to_owned(),
        Settlement::No => "no".to_owned(),
        Settlement::Scalar(price) => format!("at {} for YES", cents(price)),
        Settlement::Void => "void".to_owned(),
    };
    let (market, held) = (words(market.as_str()), held.join(" and "));
    let text = format!("settled {how}: {market} ({venue}), held {held}, result {}", signed(result));
    Some(Draft::new(Kind::Settlement, format!("settled {venue} {market}"), text))
}

/// The kill and the breakers.
fn stop(event: &Event) -> Option<Draft> {
    const KILL: &str = "kill";
    let draft = match event {
        Event::KillSet { by, reason } => Draft::critical(
            Kind::Kill,
            KILL.to_owned(),
            format!("KILL ON by {}: {}; nothing opens until it is switched off", words(by), words(reason)),
        ),
        Event::KillCleared { by, reason } => {
            let text = format!("kill off by {}: {}", words(by), words(reason));
            Draft::new(Kind::Kill, format!("off {text}"), text).ends(KILL.to_owned())
        }
        Event::BreakerTripped { scope, reason, observed, limit } => {
            let text = format!("BREAKER OPEN {}: {reason}: {} against {}", scope_words(scope), words(observed), words(limit));
            Draft::critical(Kind::Breaker, breaker_key(scope), text)
        }
        Event::BreakerProbing { scope } => {
            let text = format!("breaker {} half-open: one order of minimum size may try", scope_words(scope));
            Draft::new(Kind::Breaker, format!("half-open {scope}"), text).ends(breaker_key(scope))
        }
        Event::BreakerReset { scope, by, reason } => {
            let text = format!("breaker {} closed by {}: {}", scope_words(scope), words(by), words(reason));
            Draft::new(Kind::Breaker, format!("closed {text}"), text).ends(breaker_key(scope))
        }
        _ => return None,
    };
    Some(draft)
}

fn scope_words(scope: &Scope) -> String {
    words(&scope.to_string())
}

fn breaker_key(scope: &Scope) -> String {
    format!("open {scope}")
}

fn unknown_key(order_id: &OrderId) -> String {
    format!("unknown {order_id}")
}

fn halted_key(venue: Venue) -> String {
    format!("halted {venue}")
}

/// A price as people say it: 52.5c.
fn cents(price: Price) -> String {
    format!("{}c", micros_text(price.micros() * 100))
}

fn ordered(order: &Order) -> String {
    traded(order.action, order.quantity, &order.instrument, order.limit)
}

/// `buy 10 yes KXNBAGAME-... at 52c (kalshi)`.
fn traded(action: Action, quantity: Quantity, instrument: &Instrument, price: Price) -> String {
    let verb = if action == Action::Buy { "buy" } else { "sell" };
    let (outcome, market, venue) = (instrument.outcome, words(instrument.market.as_str()), instrument.venue);
    format!("{verb} {quantity} {outcome} {market} at {} ({venue})", cents(price))
}

#[cfg(test)]
mod tests;
