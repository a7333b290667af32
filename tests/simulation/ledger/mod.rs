//! The invariants of design §3 as code. Everything here is counted anew from the records of the log and from what the venues
//! really have: it shares no arithmetic with the engine, the risk consumer or the projections.

/// What is held of each book, counted from its fills.
pub mod holdings;
/// One order as the records tell it.
mod told;
/// What must hold when an order is approved, sent or closed.
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use arbees::domain::event::{Event, NotPlaced, Recorded, Scope};
use arbees::domain::ids::{OrderId, SignalId};
use arbees::domain::market::{BookKey, Quote, Venue};
use arbees::domain::money::{Quantity, Rounding, Usd};
use arbees::domain::order::Action;
use arbees::domain::report::{FillSettlement, VenueMode};
use arbees::domain::verdict::Reason;
use arbees::projections::Projections;

use crate::venue::{SimVenue, Trade};
use holdings::Holding;
pub use told::{Phase, Told};

/// The venues as they really are.
pub struct Truth<'a> {
    pub venues: &'a BTreeMap<Venue, SimVenue>,
    /// Orders whose approval has died before they went to a socket.
    pub late: BTreeSet<OrderId>,
}

impl Truth<'_> {
    fn trade(&self, venue: Venue, order_id: &OrderId, trade_id: &arbees::domain::ids::TradeId) -> Option<&Trade> {
        self.venues[&venue].trades.iter().find(|trade| trade.id == *trade_id && trade.order_id == *order_id)
    }
}

/// An open breaker.
#[derive(Clone, Debug)]
pub struct Open {
    pub reason: Reason,
    /// Half-open, and the order that goes through.
    pub probe: Option<Option<OrderId>>,
}

#[derive(Default)]
pub struct Ledger {
    pub orders: BTreeMap<OrderId, Told>,
    pub books: BTreeMap<BookKey, Holding>,
    opening: BTreeMap<Venue, Usd>,
    redeemed: BTreeMap<Venue, Usd>,
    pub breakers: BTreeMap<Scope, Open>,
    pub kill: bool,
    modes: BTreeMap<Venue, VenueMode>,
    marks: BTreeMap<BookKey, Quote>,
    /// First answers: no signal has two.
    answered: BTreeSet<(SignalId, u32)>,
    /// The last record that changes what may be at stake without anybody's approval.
    unforeseen: u64,
    day_equity: Option<Usd>,
    /// Since which record the day's loss has been at its limit.
    loss_since: Option<u64>,
    pub limits: Option<arbees::domain::limits::Limits>,
    /// By venue; kept up with each change of an order.
    reserved: BTreeMap<Venue, Usd>,
}

/// Breaks off with the rule that doesn't hold.
#[macro_export]
macro_rules! holds {
    ($condition:expr, $($words:tt)+) => { if !$condition { panic!($($words)+) } };
}

impl Ledger {
    /// One record, and what must be true of it. `truth`: absent while an old log is counted again.
    pub fn take(&mut self, recorded: &Recorded, truth: Option<&Truth<'_>>) {
        if let Some(truth) = truth {
            self.check(recorded, truth);
        }
        self.count(recorded);
    }

    /// Where the order of this record stood before it.
    pub fn phase(&self, event: &Event) -> Phase {
        event.order_id().and_then(|id| self.orders.get(&id)).map_or(Phase::None, |told| told.phase)
    }

    fn told(&self, order_id: &OrderId) -> &Told {
        self.orders.get(order_id).unwrap_or_else(|| panic!("§3.1: a record of order {order_id}, which no record requested"))
    }

    fn change(&mut self, order_id: &OrderId, change: impl FnOnce(&mut Told)) {
        let Some(told) = self.orders.get_mut(order_id) else { panic!("§3.1: a record of order {order_id}, which no record requested") };
        let before = told.reserved();
        change(told);
        let (venue, after) = (told.venue(), told.reserved());
        *self.reserved.entry(venue).or_default() += after - before;
    }

    fn count(&mut self, recorded: &Recorded) {
        let (seq, at) = (recorded.seq, recorded.recorded_at);
        if let Event::OrderAcked { order_id, .. } | Event::OrderNotPlaced { order_id, .. } = &recorded.event {
            self.change(order_id, |told| told.resolved(at, crate::world::STALE_MS));
        }
        match &recorded.event {
            Event::LimitsLoaded { limits } => self.limits = Some((**limits).clone()),
            Event::OrderRequested { order_id, signal_id, request, order: Some(order), .. } => {
                self.answered.insert((signal_id.clone(), order.revision));
                self.orders.insert(*order_id, Told::new((**order).clone(), request.to_vec()));
            }
            Event::OrderRequested { signal_id, .. } => drop(self.answered.insert((signal_id.clone(), 0))),
            Event::OrderApproved { order_id, .. } => {
                let order = self.told(order_id).order.clone();
                self.change(order_id, |told| told.approved = true);
                if order.action == Action::Buy {
                    let over: Vec<Scope> = verdicts::scopes(&order).into_iter().filter(|scope| self.breakers.contains_key(scope)).collect();
                    for scope in over {
                        self.breakers.entry(scope).and_modify(|open| open.probe = Some(Some(order.order_id)));
                    }
                }
            }
            Event::OrderVetoed { order_id, .. } => {
                self.orders.remove(order_id);
            }
            Event::SubmitStarted { order_id, attempt, .. } => self.change(order_id, |told| told.started(*attempt, at)),
            Event::OrderAcked { order_id, .. } => self.change(order_id, |told| told.acked()),
            Event::OrderRejected { order_id, .. } => self.change(order_id, |told| told.ended(Phase::Rejected, Quantity::ZERO)),
            Event::OrderOutcomeUnknown { order_id, .. } => self.change(order_id, |told| told.unknown(at)),
            Event::OrderNotPlaced { order_id, .. } => self.change(order_id, |told| told.ended(Phase::NotPlaced, Quantity::ZERO)),
            Event::OrderCanceled { order_id, filled, .. } => self.change(order_id, |told| told.ended(Phase::Canceled, *filled)),
            Event::OrderExpired { order_id, filled } => self.change(order_id, |told| told.ended(Phase::Expired, *filled)),
            Event::ExternalOrderSeen { order, .. } => {
                self.orders.insert(order.order_id, Told::new((**order).clone(), Vec::new()));
                self.change(&order.order_id, Told::external);
                self.unforeseen = seq;
            }
            Event::Filled(fill) => {
                let book = fill.instrument.book_key();
                let groups = self.told(&fill.order_id).order.groups.clone();
                self.books.entry(book).or_default().filled(fill, &groups);
                self.change(&fill.order_id, |told| told.filled(fill.quantity));
                self.check_day(seq);
            }
            Event::FillSettled { order_id, trade_id, .. } => {
                let book = self.told(order_id).order.instrument.book_key();
                self.books.entry(book).or_default().confirmed(trade_id, order_id);
            }
            Event::FillReversed { order_id, trade_id, .. } => {
                let book = self.told(order_id).order.instrument.book_key();
                if let Some(quantity) = self.books.entry(book).or_default().failed(trade_id, order_id) {
                    self.change(order_id, |told| told.reversed(quantity));
                }
                self.unforeseen = seq;
                self.check_day(seq);
            }
            Event::FeeCorrected { order_id, trade_id, fee, .. } => {
                let book = self.told(order_id).order.instrument.book_key();
                self.books.entry(book).or_default().fee(trade_id, order_id, *fee);
                self.unforeseen = seq;
                self.check_day(seq);
            }
            Event::MarkTaken { key, quote, .. } => {
                self.marks.insert(key.clone(), *quote);
                self.check_day(seq);
            }
            Event::MarketSettled { venue, market, settlement } => {
                let key = BookKey { venue: *venue, id: market.clone() };
                self.books.entry(key).or_default().settled(*settlement);
                self.check_day(seq);
            }
            Event::Redeemed { venue, market, amount } => {
                let key = BookKey { venue: *venue, id: market.clone() };
                self.books.entry(key).or_default().redeemed += *amount;
                *self.redeemed.entry(*venue).or_default() += *amount;
            }
            Event::VenueModeChanged { venue, mode, .. } => drop(self.modes.insert(*venue, *mode)),
            Event::SessionStarted { .. } => {
                for mode in self.modes.values_mut().filter(|mode| **mode != VenueMode::Off) {
                    *mode = VenueMode::Reconciling;
                }
            }
            Event::OpeningBalance { account, cash, .. } => drop(self.opening.insert(*account, *cash)),
            Event::TradingDayStarted { equity, .. } => {
                (self.day_equity, self.loss_since) = (Some(*equity), None);
            }
            Event::BreakerTripped { scope, reason, .. } => {
                self.breakers.insert(scope.clone(), Open { reason: *reason, probe: None });
            }
            Event::BreakerProbing { scope } => {
                if let Some(open) = self.breakers.get_mut(scope) {
                    open.probe = Some(None);
                }
            }
            Event::BreakerReset { scope, .. } => drop(self.breakers.remove(scope)),
            Event::KillSet { .. } => self.kill = true,
            Event::KillCleared { .. } => self.kill = false,
            _ => {}
        }
    }

    fn check(&mut self, recorded: &Recorded, truth: &Truth<'_>) {
        match &recorded.event {
            Event::OrderRequested { signal_id, order, .. } => {
                let revision = order.as_ref().map_or(0, |order| order.revision);
                holds!(!self.answered.contains(&(signal_id.clone(), revision)), "§3.9: signal {signal_id} has two answers in the log");
            }
            Event::OrderApproved { order_id, by, verdict, .. } => self.check_approval(order_id, *by, verdict, &truth.late),
            Event::SubmitStarted { order_id, attempt, signed } => self.check_attempt(order_id, *attempt, signed.is_some()),
            Event::OrderAcked { order_id, venue_order_id, .. } => {
                let told = &self.orders[order_id];
                let placed = truth.venues[&told.venue()].orders.get(order_id);
                holds!(
                    placed.is_some_and(|placed| placed.name == *venue_order_id),
                    "§3.3: order {order_id} acknowledged under a name that it hasn't"
                );
            }
            Event::OrderRejected { order_id, .. } => self.must_not_be_there(order_id, truth, "§3.3: rejected"),
            Event::OrderNotPlaced { order_id, cause } => {
                let withheld = matches!(cause, NotPlaced::Withheld(_));
                let why = if withheld { "§3.6: called withheld" } else { "§3.4: called absent" };
                self.must_not_be_there(order_id, truth, why);
            }
            Event::OrderCanceled { order_id, filled, .. } | Event::OrderExpired { order_id, filled } => {
                let told = &self.orders[order_id];
                let venue = &truth.venues[&told.venue()];
                let there = venue.filled(order_id);
                holds!(there == *filled, "§3.5: order {order_id} ended with {filled} filled, the venue has {there}");
                holds!(!venue.is_resting(order_id), "§3.5: order {order_id} is called ended, and rests at the venue");
            }
            Event::Filled(fill) => {
                let (venue, book) = (fill.instrument.venue, fill.instrument.book_key());
                let Some(trade) = truth.trade(venue, &fill.order_id, &fill.trade_id) else {
                    panic!("§3.5: a fill {} of order {} that never was", fill.trade_id, fill.order_id)
                };
                let price = fill.instrument.in_book_terms(fill.price);
                holds!((trade.quantity, trade.price) == (fill.quantity, price), "§3.5: fill {} booked as another", fill.trade_id);
                let twice = self.books.get(&book).is_some_and(|holding| holding.has(&fill.trade_id, &fill.order_id));
                holds!(!twice, "§3.5: fill {} booked twice", fill.trade_id);
            }
            Event::FillSettled { order_id, venue, trade_id } => {
                let standing = truth.trade(*venue, order_id, trade_id).map(Trade::standing);
                holds!(standing == Some(FillSettlement::Settled), "§3.5: trade {trade_id} called settled, it is {standing:?}");
            }
            Event::FillReversed { order_id, venue, trade_id, .. } => {
                let standing = truth.trade(*venue, order_id, trade_id).map(Trade::standing);
                holds!(standing == Some(FillSettlement::Failed), "§3.5: trade {trade_id} taken back, it is {standing:?}");
            }
            Event::MarketSettled { venue, market, settlement } => {
                let key = BookKey { venue: *venue, id: market.clone() };
                let there = truth.venues[venue].settled.get(&key).map(|(_, settlement)| *settlement);
                holds!(there == Some(*settlement), "market {key} settled as {settlement:?}, it is {there:?}");
            }
            Event::TradingDayStarted { equity, .. } => {
                let ours = self.equity();
                holds!(ours == *equity, "§3.7: the day opens with ${equity}, counted from the log it is ${ours}");
            }
            Event::CashCounted { venue, ours, .. } => {
                let counted = self.cash(*venue);
                holds!(counted == *ours, "§3.8: {venue} is counted with ${ours}, the records say ${counted}");
            }
            Event::ReconciliationDiverged { what, ours, theirs, .. } => {
                panic!("reconciliation: {what} called {theirs} against {ours}: nothing differs")
            }
            Event::ExternalOrderSeen { order, .. } => {
                let by_hand = truth.venues[&order.instrument.venue].orders.get(&order.order_id).is_some_and(|placed| !placed.ours);
                holds!(by_hand, "an order of ours was taken for a stranger's: {}", order.order_id);
            }
            Event::BreakerTripped { scope, reason, observed, .. } => self.check_trip(scope, *reason, observed, truth),
            Event::BreakerProbing { scope } => self.check_probing(scope),
            Event::BreakerReset { scope, by, .. } => self.check_reset(scope, by),
            _ => {}
        }
    }

    fn must_not_be_there(&self, order_id: &OrderId, truth: &Truth<'_>, why: &str) {
        let venue = self.orders[order_id].venue();
        holds!(!truth.venues[&venue].orders.contains_key(order_id), "{why}: order {order_id}, which the venue has");
    }

    /// Held contracts at their executable marks; nothing without a mark.
    fn marked(&self) -> Usd {
        let value = |(key, holding): (&BookKey, &Holding)| {
            let Some(quote) = self.marks.get(key).filter(|_| !holding.signed.is_zero()) else { return Usd::ZERO };
            let each = if holding.signed > Quantity::ZERO { quote.bid } else { quote.ask.map(|ask| ask.complement()) };
            each.map_or(Usd::ZERO, |each| each.times(holding.signed.abs(), Rounding::Down))
        };
        self.books.iter().map(value).sum()
    }

    pub fn is_opened(&self, venue: Venue) -> bool {
        self.opening.contains_key(&venue)
    }

    pub fn cash(&self, venue: Venue) -> Usd {
        let of = self.books.iter().filter(|(key, _)| key.venue == venue);
        let opening = self.opening.get(&venue).copied().unwrap_or_default();
        opening + self.redeemed.get(&venue).copied().unwrap_or_default() + of.map(|(_, holding)| holding.cash).sum::<Usd>()
    }

    pub fn equity(&self) -> Usd {
        let cash: Usd = self.opening.keys().map(|venue| self.cash(*venue)).sum();
        cash + self.marked() + self.books.values().map(|holding| holding.payable - holding.redeemed).sum::<Usd>()
    }

    /// Cash that outstanding orders may still take.
    pub fn reserved(&self, venue: Venue) -> Usd {
        self.reserved.get(&venue).copied().unwrap_or_default()
    }

    fn check_day(&mut self, seq: u64) {
        let (Some(opened), Some(limits)) = (self.day_equity, &self.limits) else { return };
        let marked = |(key, holding): (&BookKey, &Holding)| holding.signed.is_zero() || self.marks.contains_key(key);
        if self.books.iter().all(marked) && self.equity() - opened <= -limits.daily_loss_max {
            self.loss_since.get_or_insert(seq);
        } else {
            self.loss_since = None;
        }
    }

    /// What everybody is shown says the same as the records.
    pub fn check_fold(&self, book: &Projections) {
        for venue in self.opening.keys() {
            let account = book.cash.account(*venue).expect("opened");
            holds!(account.cash == self.cash(*venue), "§3.8: {venue} shows ${}, the records say ${}", account.cash, self.cash(*venue));
            let reserved = self.reserved(*venue);
            holds!(account.reserved == reserved, "§3.5: {venue} holds back ${}, the records say ${reserved}", account.reserved);
        }
    }

    /// The same of one book and one order, after a record about them.
    pub fn check_fold_of(&self, book: &Projections, order_id: &OrderId) {
        let (Some(told), Some(record)) = (self.orders.get(order_id), book.orders.get(order_id)) else { return };
        holds!(record.filled == told.filled, "§3.5: order {order_id} shows {} filled, the records say {}", record.filled, told.filled);
        holds!(
            record.outstanding() == told.outstanding(),
            "§3.5: order {order_id} holds {} back, the records say {}",
            record.outstanding(),
            told.outstanding()
        );
        let key = told.order.instrument.book_key();
        let shown = book.positions.get(&key).map_or(Quantity::ZERO, |position| position.in_book_terms());
        let held = self.books.get(&key).map_or(Quantity::ZERO, |holding| holding.signed);
        holds!(shown == held, "§3.7: {key} shows {shown}, the records say {held}");
    }
}
