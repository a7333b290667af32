//! One pass over the log: each record belongs to the trading day that was last begun.

use std::collections::{BTreeMap, BTreeSet};

use super::words::signed;
use super::{Group, Moment, Period, Report, day_text};
use crate::audit::narrate;
use crate::audit::today::Curve;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{MarketId, OrderId, TradeId};
use crate::domain::market::{BookKey, Outcome};
use crate::domain::money::{Price, Quantity, Rounding, Usd};
use crate::domain::order::Action;
use crate::domain::report::FillReport;
use crate::domain::time::Time;
use crate::domain::verdict::RiskRequest;
use crate::projections::Projections;

/// What is said of a strange message, at most.
const REJECTION_CHARS: usize = 60;
const MOMENTS_MAX: usize = 200;

/// What a record changed of the fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    pub realized: Usd,
    pub fees: Usd,
}

/// A fill as it was counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Of its order.
    first: bool,
    quantity: Quantity,
    amount: Usd,
    /// Paid beyond the touch.
    beyond: Option<Usd>,
}

/// Who last opened a book, and of which market it is.
#[derive(Clone, Debug)]
struct Opened {
    tag: Tag,
    market: MarketId,
}

/// What an order is counted under.
#[derive(Clone, Debug)]
struct Tag {
    venue: String,
    sport: String,
    signal_type: String,
    edge: String,
}

impl Tag {
    fn other() -> Self {
        let other = || "other".to_owned();
        Self { venue: other(), sport: other(), signal_type: other(), edge: other() }
    }
}

#[derive(Clone, Debug)]
struct Sent {
    tag: Tag,
    key: BookKey,
    quantity: Quantity,
    filled: Quantity,
    /// In the period, an attempt was made.
    sent: bool,
    /// What the strategy saw the contract offered at, in terms of the outcome bought.
    touch: Option<Price>,
    acked_at: Option<Time>,
}

pub struct Counter {
    period: Period,
    day: Option<i32>,
    begun: bool,
    orders: BTreeMap<OrderId, Sent>,
    /// What a book's result is counted under.
    opened: BTreeMap<BookKey, Opened>,
    markets: BTreeMap<String, Usd>,
    /// Fills that can still be taken back.
    provisional: BTreeMap<(OrderId, TradeId), Counted>,
    unknown: BTreeSet<OrderId>,
    fill_ms: Vec<i64>,
    curve: Curve,
    report: Report,
}

impl Counter {
    pub fn new(period: Period) -> Self {
        let report = Report { from: day_text(period.from), until: day_text(period.until), ..Report::default() };
        Self {
            period,
            day: None,
            begun: false,
            orders: BTreeMap::new(),
            opened: BTreeMap::new(),
            markets: BTreeMap::new(),
            provisional: BTreeMap::new(),
            unknown: BTreeSet::new(),
            fill_ms: Vec::new(),
            curve: Curve::default(),
            report,
        }
    }

    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// A later day has begun: nothing more comes.
    pub fn is_past(&self) -> bool {
        self.day.is_some_and(|day| day > self.period.until)
    }

    fn is_in(&self) -> bool {
        self.day.is_some_and(|day| (self.period.from..=self.period.until).contains(&day))
    }

    /// `book`: the fold with this record; `brought`: what the record changed of it.
    pub fn take(&mut self, recorded: &Recorded, book: &Projections, brought: Brought) {
        if let Event::TradingDayStarted { day, equity } = &recorded.event {
            self.day = Some(*day);
            if self.is_in() && !self.begun {
                self.begun = true;
                self.report.opening_equity = Some(*equity);
            }
        }
        self.remember(&recorded.event, recorded.recorded_at);
        if self.is_in() {
            self.count(recorded, brought.realized);
            self.credit(&recorded.event, brought);
            self.curve.add(recorded.recorded_at, book.cash.equity());
        }
    }

    /// What later records refer to, whatever day it was.
    fn remember(&mut self, event: &Event, at: Time) {
        match event {
            Event::OrderRequested { order_id, request, order: Some(order), .. } => {
                let asked = RiskRequest::decode(request).ok();
                let signal = asked.as_ref().map(|asked| &asked.request.signal);
                let opens = order.action == Action::Buy;
                let edge = signal.and_then(|signal| {
                    let won = signal.model_prob?;
                    let won = if order.instrument.outcome == Outcome::Yes { won } else { won.complement() };
                    Some(won.micros() - order.limit.micros())
                });
                let tag = Tag {
                    venue: order.instrument.venue.to_string(),
                    sport: order.groups.sport.to_string(),
                    signal_type: signal.and_then(|signal| signal.notes.get("signal_type")).map_or("unnamed", |name| name).to_owned(),
                    edge: if opens { bucket(edge) } else { "closes".to_owned() },
                };
                let touch = signal.and_then(|signal| match order.instrument.outcome {
                    Outcome::Yes => signal.quote.ask,
                    Outcome::No => signal.quote.bid.map(Price::complement),
                });
                let key = order.instrument.book_key();
                let sent = Sent {
                    tag: tag.clone(),
                    key: key.clone(),
                    quantity: order.quantity,
                    filled: Quantity::ZERO,
                    sent: false,
                    touch: touch.filter(|_| opens),
                    acked_at: None,
                };
                self.orders.insert(*order_id, sent);
                if opens {
                    self.opened.insert(key, Opened { tag, market: order.instrument.market.clone() });
                }
            }
            Event::OrderAcked { order_id, .. } => {
                if let Some(sent) = self.orders.get_mut(order_id) {
                    sent.acked_at = Some(at);
                }
            }
            Event::OrderVetoed { order_id, .. } => drop(self.orders.remove(order_id)),
            _ => {}
        }
    }

    fn count(&mut self, recorded: &Recorded, realized: Usd) {
        let at = recorded.recorded_at;
        match &recorded.event {
            Event::SignalRejected { error, .. } => {
                self.report.signals += 1;
                self.report.rejected += 1;
                *self.report.rejections.entry(kind_of(error)).or_default() += 1;
            }
            Event::OrderRequested { order, .. } => {
                self.report.signals += u64::from(order.as_ref().is_none_or(|order| order.revision == 0));
            }
            Event::OrderVetoed { failures, .. } => {
                self.report.vetoed += 1;
                failures.iter().for_each(|failure| *self.report.vetoes.entry(failure.reason.as_str()).or_default() += 1);
            }
            Event::OrderApproved { .. } => self.report.approved += 1,
            Event::SubmitStarted { order_id, attempt: 1, .. } => {
                if let Some(sent) = self.orders.get_mut(order_id) {
                    sent.sent = true;
                    let tag = sent.tag.clone();
                    self.groups(&tag, |group| group.orders += 1);
                }
            }
            Event::Filled(fill) => self.filled(fill, at),
            Event::FeeCorrected { fee, .. } => self.moment(at, format!("a fee was corrected to ${fee}")),
            Event::FillReversed { order_id, trade_id, why, .. } => {
                self.taken_back(order_id, trade_id);
                self.moment(at, format!("a fill was taken back: {why}"));
            }
            Event::MarketSettled { venue, market, settlement } => {
                let ended = format!("{venue}:{market} ended {}, {}", narrate::settlement(*settlement), signed(realized));
                self.moment(at, ended);
            }
            Event::OrderOutcomeUnknown { order_id, .. } => drop(self.unknown.insert(*order_id)),
            Event::ReconciliationDiverged { venue, what, ours, theirs } => {
                self.report.divergences += 1;
                self.moment(at, format!("{venue} differs in {what}: log {ours}, venue {theirs}"));
            }
            Event::OperatorAdjusted { by, reason, .. } => {
                self.report.adjustments += 1;
                self.moment(at, format!("{by} booked a difference: {reason}"));
            }
            Event::ExternalOrderSeen { order, .. } => {
                self.report.external_orders += 1;
                self.moment(at, format!("an order that no signal asked for on {}", order.instrument.book_key()));
            }
            Event::CashCounted { venue, ours, theirs, .. } => drop(self.report.cash_counts.insert(venue.to_string(), (*ours, *theirs))),
            Event::KillSet { by, reason } => self.moment(at, format!("kill on, by {by}: {reason}")),
            Event::KillCleared { by, reason } => self.moment(at, format!("kill off, by {by}: {reason}")),
            Event::BreakerTripped { scope, reason, observed, limit } => {
                self.moment(at, format!("breaker {scope} opened: {}, {observed} against {limit}", reason.as_str()));
            }
            Event::BreakerReset { scope, by, reason } => self.moment(at, format!("breaker {scope} closed by {by}: {reason}")),
            _ => {}
        }
        self.resolved(&recorded.event);
    }

    fn resolved(&mut self, event: &Event) {
        let (order_id, how) = match event {
            Event::OrderAcked { order_id, .. } => (order_id, "found at the venue"),
            Event::OrderNotPlaced { order_id, .. } => (order_id, "proven absent"),
            Event::OrderRejected { order_id, .. } => (order_id, "refused"),
            Event::OrderCanceled { order_id, .. } | Event::OrderExpired { order_id, .. } => (order_id, "ended at the venue"),
            Event::Filled(fill) => (&fill.order_id, "found by its fill"),
            _ => return,
        };
        if self.unknown.remove(order_id) {
            *self.report.unknowns.entry(how).or_default() += 1;
        }
    }

    fn filled(&mut self, fill: &FillReport, at: Time) {
        let amount = fill.price.times(fill.quantity, Rounding::Down);
        let Some(sent) = self.orders.get_mut(&fill.order_id) else { return };
        let first = sent.filled.is_zero();
        sent.filled += fill.quantity;
        if let Some(acked_at) = sent.acked_at.filter(|_| first) {
            self.fill_ms.push(at.ms_since(acked_at).max(0));
        }
        let beyond = sent.touch.map(|touch| amount - touch.times(fill.quantity, Rounding::Down));
        let (tag, counted) = (sent.tag.clone(), Counted { first, quantity: fill.quantity, amount, beyond });
        self.counted(&tag, &counted, 1);
        if !fill.settled {
            self.provisional.insert((fill.order_id, fill.trade_id.clone()), counted);
        }
    }

    /// As if it had not been.
    fn taken_back(&mut self, order_id: &OrderId, trade_id: &TradeId) {
        let Some(counted) = self.provisional.remove(&(*order_id, trade_id.clone())) else { return };
        let Some(sent) = self.orders.get_mut(order_id) else { return };
        sent.filled -= counted.quantity;
        let (tag, last) = (sent.tag.clone(), sent.filled.is_zero());
        self.counted(&tag, &Counted { first: last, ..counted }, -1);
    }

    /// Adds a fill, or takes it away.
    fn counted(&mut self, tag: &Tag, counted: &Counted, times: i64) {
        let (contracts, turnover) =
            (Quantity::from_micros(counted.quantity.micros() * times), Usd::from_micros(counted.amount.micros() * times));
        self.groups(tag, |group| {
            group.filled_orders = group.filled_orders.saturating_add_signed(i64::from(counted.first) * times);
            group.contracts += contracts;
            group.turnover += turnover;
        });
        if let Some(beyond) = counted.beyond {
            self.report.execution.compared += contracts;
            self.report.execution.slippage += Usd::from_micros(beyond.micros() * times);
        }
    }

    /// What a record brought belongs to the order it is about: its fees to that order, its result to who opened what it closes. What is
    /// about no order of ours stands under `other`, so that the groups come to the totals.
    fn credit(&mut self, event: &Event, brought: Brought) {
        if brought == Brought::default() {
            return;
        }
        self.report.realized += brought.realized;
        self.report.fees += brought.fees;
        let sent = event.order_id().and_then(|order_id| self.orders.get(&order_id));
        let opened = match (event, sent) {
            (_, Some(sent)) => self.opened.get_key_value(&sent.key),
            (Event::MarketSettled { venue, market, .. }, None) => {
                self.opened.iter().find(|(key, opened)| key.venue == *venue && (key.id == *market || opened.market == *market))
            }
            _ => None,
        };
        let key = sent.map(|sent| sent.key.to_string()).or_else(|| opened.map(|(key, _)| key.to_string()));
        let payer = sent.map(|sent| sent.tag.clone());
        let earner = opened.map(|(_, opened)| opened.tag.clone()).or_else(|| payer.clone()).unwrap_or_else(Tag::other);
        let payer = payer.unwrap_or_else(|| earner.clone());
        *self.markets.entry(key.unwrap_or_else(|| "other".to_owned())).or_default() += brought.realized - brought.fees;
        self.groups(&earner, |group| group.realized += brought.realized);
        self.groups(&payer, |group| group.fees += brought.fees);
    }

    fn groups(&mut self, tag: &Tag, change: impl Fn(&mut Group)) {
        let report = &mut self.report;
        change(report.by_venue.entry(tag.venue.clone()).or_default());
        change(report.by_sport.entry(tag.sport.clone()).or_default());
        change(report.by_signal_type.entry(tag.signal_type.clone()).or_default());
        change(report.by_edge.entry(tag.edge.clone()).or_default());
    }

    fn moment(&mut self, at: Time, what: String) {
        if self.report.moments.len() < MOMENTS_MAX {
            self.report.moments.push(Moment { at, what });
        }
    }

    pub fn report(mut self, book: &Projections) -> Report {
        for sent in self.orders.values().filter(|sent| sent.sent) {
            let execution = &mut self.report.execution;
            execution.sent += 1;
            execution.contracts_sent += sent.quantity;
            execution.contracts_filled += sent.filled;
            match (sent.filled.is_zero(), sent.filled >= sent.quantity) {
                (true, _) => execution.unfilled += 1,
                (false, true) => execution.filled_whole += 1,
                (false, false) => execution.filled_partly += 1,
            }
        }
        self.fill_ms.sort_unstable();
        let at = |per_cent: usize| self.fill_ms.len().checked_sub(1).map(|last| self.fill_ms[last * per_cent / 100]);
        (self.report.execution.fill_ms_p50, self.report.execution.fill_ms_p95) = (at(50), at(95));
        *self.report.unknowns.entry("still unknown").or_default() += book.orders.unknown().count() as u64;
        self.report.unknowns.retain(|_, count| *count > 0);
        self.report.markets = self.markets.into_iter().collect();
        // The record after the period, if there is one, begins a day and changes nothing of these.
        self.report.closing_equity = book.cash.equity();
        self.report.unrealized = book.positions.held().map(|(_, position)| position.unrealized()).sum();
        self.report.markets.sort_by_key(|(_, brought)| *brought);
        self.report.equity = self.curve.points();
        self.report
    }
}

/// What was wrong with a message, without what it said: names and values differ, mistakes repeat.
fn kind_of(error: &str) -> String {
    let mut kind = String::new();
    for (at, part) in error.split('"').enumerate() {
        kind += if at % 2 == 0 { part } else { "…" };
    }
    let mut digits = 0;
    let mut shown = String::new();
    for letter in kind.split([':', ';']).next().unwrap_or("").trim().chars() {
        digits = if letter.is_ascii_digit() { digits + 1 } else { 0 };
        match digits {
            0..=4 => shown.push(letter),
            5 => shown.push('…'),
            _ => {}
        }
    }
    shown.chars().take(REJECTION_CHARS).collect()
}

/// Whole percentage points of edge over the limit, before fees.
fn bucket(edge_micros: Option<i64>) -> String {
    match edge_micros.map(|micros| micros.div_euclid(10_000)) {
        None => "unknown".to_owned(),
        Some(..2) => "under 2".to_owned(),
        Some(2..5) => "2 to 5".to_owned(),
        Some(5..10) => "5 to 10".to_owned(),
        Some(10..) => "over 10".to_owned(),
    }
}
