//! Memory: what the log says, folded. The only source of orders, positions, exposure, P&L and breaker state.
//!
//! A fold of one record never fails on what our engine wrote; anything else stops it with a `FoldError`.

/// What happened lately: rates, errors in a row, wins and losses.
mod activity;
/// Breakers and the kill.
mod breaker;
/// Cash, equity, the day.
mod cash;
/// A day of cash, line by line.
mod cash_day;
/// Worst cases per game, sport, venue and in all.
mod exposure;
/// Fills already counted, and what each of them changed.
mod fills;
/// Markets and marks.
mod markets;
/// Orders and their states.
mod orders;
/// Holdings with the venue's netting.
mod positions;
/// The size of what a half-open breaker lets through.
mod probe;
/// What may still be taken back.
mod provisional;
/// The rule for closes, the same for both who may grant one.
mod reduce;
/// Venues: what they take, and what is proven of them.
mod venues;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use activity::Activity;
pub use breaker::{Breakers, Kill, Probe, Trip};
pub use cash::{Account, Cash};
pub use cash_day::{CashDay, Counted};
pub use exposure::{Exposure, Worst};
pub use fills::FillStanding;
pub use markets::{Mark, Markets};
pub use orders::{OrderRecord, Orders};
pub use positions::{Position, Positions};
pub use probe::{is_minimal, probe_size};
pub use reduce::{FUTURE_TOLERANCE_MS, reduce_checks, reducible, shared_checks, venue_ready};
pub use venues::{VenueRecord, Venues};

use crate::domain::event::{Event, Holding, Money, Recorded};
use crate::domain::ids::{Hash, OrderId, sha256};
use crate::domain::limits::Limits;
use crate::domain::market::{BookKey, Settlement, Venue};
use crate::domain::money::Usd;
use crate::domain::order::Groups;
use crate::domain::planted::{self, Bug};
use crate::domain::report::FillReport;
use crate::domain::time::Time;
use cash_day::Booking;
use fills::Fills;

/// How long orders and fill ids of a settled market stay in memory.
const SETTLED_KEPT_MS: i64 = 14 * 86_400_000;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoldError {
    #[error("record {got} follows record {after}: the log has a gap or a repeat")]
    Gap { after: u64, got: u64 },
    #[error("record {seq} is of epoch {got}, older than {newest}: its writer was no owner any more")]
    OlderEpoch { seq: u64, newest: u64, got: u64 },
    #[error("record {seq} speaks of order {order_id}, which no earlier record requested")]
    UnknownOrder { seq: u64, order_id: OrderId },
}

/// Everything that is shown or decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projections {
    /// Of the last record folded.
    pub seq: u64,
    pub epoch: u64,
    pub recorded_at: Time,
    /// The last session ended with `SessionEnded{clean}`.
    pub clean: bool,
    pub limits: Option<Limits>,
    pub orders: Orders,
    pub positions: Positions,
    fills: Fills,
    pub markets: Markets,
    pub exposure: Exposure,
    pub cash: Cash,
    pub venues: Venues,
    pub breakers: Breakers,
    pub activity: Activity,
    /// Signals refused as not understood, since the log began.
    pub rejected_signals: u64,
}

impl Projections {
    /// Takes the next record in.
    pub fn fold(&mut self, record: &Recorded) -> Result<(), FoldError> {
        if record.seq != self.seq + 1 {
            return Err(FoldError::Gap { after: self.seq, got: record.seq });
        }
        if record.epoch < self.epoch {
            return Err(FoldError::OlderEpoch { seq: record.seq, newest: self.epoch, got: record.epoch });
        }
        self.seq = record.seq;
        self.recorded_at = record.recorded_at;
        self.epoch = record.epoch;
        self.apply(record).ok_or_else(|| FoldError::UnknownOrder { seq: record.seq, order_id: record.event.order_id().unwrap_or_default() })
    }

    /// `None` when the record speaks of an order that isn't there.
    fn apply(&mut self, record: &Recorded) -> Option<()> {
        let at = record.recorded_at;
        match &record.event {
            Event::SessionStarted { .. } => {
                self.clean = false;
                self.venues.start_session(at);
                if planted::has(Bug::KillForgotten) {
                    self.breakers.kill = None;
                }
            }
            Event::SessionEnded { clean } => self.clean = *clean,
            Event::LimitsLoaded { limits } => self.limits = Some((**limits).clone()),
            Event::TradingDayStarted { day, equity } => self.start_day(*day, *equity, at),
            Event::Heartbeat { .. } => {}
            Event::SignalRejected { .. } => self.rejected_signals += 1,
            Event::OrderRequested { order, .. } => {
                if let Some(order) = order {
                    self.orders.request((**order).clone(), at);
                }
            }
            Event::OrderApproved { order_id, by, .. } => {
                let order = self.orders.approve(order_id, *by)?;
                self.activity.approved(order, at);
                self.breakers.approved(order);
            }
            Event::OrderVetoed { order_id, .. } => self.orders.forget_vetoed(order_id),
            Event::SubmitStarted { order_id, attempt, signed } => {
                self.change(order_id, |record| record.submit_started(*attempt, signed.as_deref(), at))?;
            }
            Event::OrderAcked { order_id, venue_order_id, .. } => {
                self.change(order_id, |record| record.acked(venue_order_id.clone(), at))?;
                self.activity.succeeded();
            }
            Event::OrderRejected { order_id, message, code, .. } => {
                self.change(order_id, |record| record.rejected(message.clone()))?;
                // A killed fill-or-kill is what was asked for, not a failure.
                if !code.starts_with("fill_or_kill") {
                    self.activity.failed();
                }
            }
            Event::OrderOutcomeUnknown { order_id, seen, .. } => {
                self.change(order_id, |record| record.unknown(*seen, at))?;
                self.activity.failed();
            }
            Event::OrderNotPlaced { order_id, cause } => self.change(order_id, |record| record.not_placed(cause))?,
            Event::Filled(fill) => self.fill(fill, at)?,
            Event::FillSettled { order_id, trade_id, .. } => {
                let key = self.orders.get(order_id)?.order.instrument.book_key();
                if let Some(quantity) = self.fills.settle(&key, trade_id, order_id) {
                    let before = self.positions.pending(&key);
                    self.positions.settle_fill(&key, trade_id, order_id, quantity);
                    self.cash.pending(key.venue, before, self.positions.pending(&key));
                }
            }
            Event::FillReversed { order_id, trade_id, .. } => self.reverse(order_id, trade_id)?,
            Event::FeeCorrected { order_id, trade_id, fee, .. } => self.correct_fee(order_id, trade_id, *fee)?,
            Event::CancelRequested { order_id, .. } => self.change(order_id, |record| record.cancel_requested(at))?,
            Event::OrderCanceled { order_id, filled, cause } => self.change(order_id, |record| record.canceled(*filled, cause.clone()))?,
            Event::OrderExpired { order_id, filled } => self.change(order_id, |record| record.expired(*filled))?,
            Event::MarketSeen { market } => self.markets.seen((**market).clone()),
            Event::MarkTaken { key, quote, at, source } => {
                self.markets.mark(key.clone(), Mark { quote: *quote, at: *at, source: *source });
                self.revalue(key);
            }
            Event::MarketSettled { venue, market, settlement } => {
                for key in self.positions.keys_of(*venue, market) {
                    self.markets.settled(key.clone(), *settlement, at);
                    self.pay_out(&key, *settlement, at);
                }
                self.markets.settled(BookKey { venue: *venue, id: market.clone() }, *settlement, at);
            }
            Event::Redeemed { venue, market, amount } => {
                let key = BookKey { venue: *venue, id: market.clone() };
                let expected = self.positions.redeemed(&key, *amount);
                self.cash.redeemable(*venue, -expected);
                self.cash.paid(*venue, Booking::Redeemed, *amount);
            }
            Event::VenueModeChanged { venue, mode, why } => self.venues.changed(*venue, *mode, why.clone(), at),
            Event::BalanceSeen { venue, cash, read_through } => self.venues.agreed(*venue, *cash, *read_through),
            Event::ExternalOrderSeen { order, venue_order_id } => {
                self.orders.request((**order).clone(), at);
                self.change(&order.order_id, |record| record.external(venue_order_id.clone(), at))?;
            }
            Event::ReconciliationDiverged { venue, what, ours, theirs } => self.venues.diverged(*venue, what, ours, theirs),
            Event::OperatorAdjusted { holding, money, counts, .. } => self.adjust(holding.as_deref(), *money, *counts),
            Event::OpeningBalance { account, cash, found } => self.cash.opening(*account, *cash, found.as_ref(), at),
            Event::CashCounted { venue, day, theirs, read_through, .. } => self.cash.counted(*venue, *day, *theirs, *read_through, at),
            Event::CashMoved { account, id, amount, .. } => self.cash.moved(*account, id, *amount),
            Event::BreakerTripped { scope, reason, observed, limit } => self
                .breakers
                .trip(scope.clone(), Trip { reason: *reason, observed: observed.clone(), limit: limit.clone(), at, probe: None }),
            Event::BreakerProbing { scope } => {
                self.breakers.probing(scope);
                self.activity.succeeded();
            }
            Event::BreakerReset { scope, .. } => {
                self.breakers.reset(scope);
                self.activity.succeeded();
            }
            Event::KillSet { by, reason } => self.breakers.kill = Some(Kill { by: by.clone(), reason: reason.clone(), at }),
            Event::KillCleared { .. } => self.breakers.kill = None,
        }
        Some(())
    }

    /// Changes one order and everything that is summed from it.
    fn change(&mut self, order_id: &OrderId, change: impl FnOnce(&mut OrderRecord)) -> Option<()> {
        let record = self.orders.get_mut(order_id)?;
        let (outstanding, before, place) = (record.outstanding(), record.reserved(), record.place());
        change(record);
        if record.is_done() {
            record.signed = None;
        }
        if record.outstanding() == outstanding && !outstanding.is_zero() {
            // Sums and worst cases depend on an order by what is outstanding alone; a fill always changes that.
            if record.place() != place {
                self.orders.index(order_id);
            }
            return Some(());
        }
        let reserved = record.reserved() - before;
        self.cash.reserve(record.order.instrument.venue, reserved);
        let (game, key) = (record.order.groups.game.clone(), record.order.instrument.book_key());
        self.orders.index(order_id);
        self.exposure.refresh(&game, &key, &self.orders, &self.positions);
        // What is held may have been opened under another name of the game.
        let held_as = self.positions.get(&key).map(|position| position.groups.game.clone());
        if let Some(other) = held_as.filter(|held_as| *held_as != game) {
            self.exposure.refresh(&other, &key, &self.orders, &self.positions);
        }
        Some(())
    }

    fn fill(&mut self, fill: &FillReport, at: Time) -> Option<()> {
        let key = fill.instrument.book_key();
        if self.fills.has(&key, &fill.trade_id, &fill.order_id) && !planted::has(Bug::NoFillDedupe) {
            return Some(());
        }
        let groups = self.orders.get(&fill.order_id)?.order.groups.clone();
        let held_before = self.positions.get(&key).map(|position| position.groups.game.clone());
        let before = self.positions.pending(&key);
        let change = self.positions.apply(&key, fill, &groups);
        self.cash.pending(key.venue, before, self.positions.pending(&key));
        self.fills.insert(&key, fill, change);
        self.cash.paid(key.venue, Booking::Traded, change.cash);
        self.cash.paid(key.venue, Booking::Fee, -fill.fee);
        self.cash.realized += change.realized;
        self.cash.fees += fill.fee;
        self.change(&fill.order_id, |record| record.filled(fill))?;
        self.activity.succeeded();
        if let Some(before) = held_before.filter(|before| *before != groups.game) {
            self.exposure.refresh(&before, &key, &self.orders, &self.positions);
        }
        if let Some(flat) = self.positions.get(&key).filter(|position| position.quantity.is_zero()) {
            let game = flat.groups.game.clone();
            self.activity.closed(&game, self.positions.round_trip(&key), at);
        }
        self.revalue(&key);
        if let Some(settlement) = self.markets.settlement(&key) {
            self.pay_out(&key, settlement, at);
        }
        Some(())
    }

    fn reverse(&mut self, order_id: &OrderId, trade_id: &crate::domain::ids::TradeId) -> Option<()> {
        let key = self.orders.get(order_id)?.order.instrument.book_key();
        let Some(counted) = self.fills.reverse(&key, trade_id, order_id) else { return Some(()) };
        let fee = counted.fee;
        let before = self.positions.pending(&key);
        let moved = self.positions.undo(&key, trade_id, order_id, &counted.change, fee);
        self.cash.pending(key.venue, before, self.positions.pending(&key));
        self.cash.paid(key.venue, Booking::TakenBack, fee + moved.cash);
        self.cash.realized += moved.realized;
        self.cash.redeemable(key.venue, moved.redeemable);
        self.cash.fees -= fee;
        self.change(order_id, |record| record.unfilled(counted.quantity, counted.notional, fee))?;
        // The order may owe as much as before, the holding doesn't.
        if let Some(game) = self.positions.get(&key).map(|position| position.groups.game.clone()) {
            self.exposure.refresh(&game, &key, &self.orders, &self.positions);
        }
        self.revalue(&key);
        Some(())
    }

    fn correct_fee(&mut self, order_id: &OrderId, trade_id: &crate::domain::ids::TradeId, fee: Usd) -> Option<()> {
        let key = self.orders.get(order_id)?.order.instrument.book_key();
        let Some(difference) = self.fills.correct_fee(&key, trade_id, order_id, fee) else { return Some(()) };
        self.cash.paid(key.venue, Booking::Fee, -difference);
        self.cash.fees += difference;
        let before = self.positions.pending(&key);
        self.positions.add_fee(&key, trade_id, order_id, difference);
        self.cash.pending(key.venue, before, self.positions.pending(&key));
        self.orders.get_mut(order_id)?.fees += difference;
        Some(())
    }

    fn pay_out(&mut self, key: &BookKey, settlement: Settlement, at: Time) {
        // Outcome tokens pay once they are redeemed; the paper exchange plays that at once.
        let redeemed_later = key.venue == Venue::Polymarket && self.cash.is_opened(Venue::Polymarket);
        let before = self.positions.pending(key);
        let Some(paid) = self.positions.pay_out(key, settlement, redeemed_later) else { return };
        self.cash.pending(key.venue, before, self.positions.pending(key));
        if redeemed_later {
            self.cash.redeemable(key.venue, paid.cash);
        } else {
            self.cash.paid(key.venue, Booking::Settled, paid.cash);
        }
        self.cash.realized += paid.realized;
        if let Some(game) = self.positions.get(key).map(|position| position.groups.game.clone()) {
            self.activity.closed(&game, self.positions.round_trip(key), at);
            self.exposure.refresh(&game, key, &self.orders, &self.positions);
        }
        self.revalue(key);
    }

    /// An operator's booking. What counts as a result of trading is realised as a trade would be; anything else moves the day's
    /// opening with it, as a deposit does.
    fn adjust(&mut self, holding: Option<&Holding>, money: Option<Money>, counts: bool) {
        let moved = money.map_or(Usd::ZERO, |money| money.amount);
        if let Some(money) = money {
            self.cash.paid(money.account, Booking::Adjusted, money.amount);
        }
        let (realized, gained) = holding.map_or((moved, Usd::ZERO), |holding| self.hold(holding, counts.then_some(moved)));
        if counts {
            self.cash.realized += realized;
        } else {
            self.cash.beside_trading(moved + gained);
        }
    }

    /// What is held of a book from now on, bought elsewhere. `counts`: a result of trading, with this much cash. Returns what
    /// that realises, and how much more the holding is worth.
    fn hold(&mut self, holding: &Holding, counts: Option<Usd>) -> (Usd, Usd) {
        let key = holding.instrument.book_key();
        let games = [self.positions.get(&key).map(|position| position.groups.game.clone()), Some(holding.groups.game.clone())];
        let before = self.positions.worth(&key);
        let realized = self.positions.adopt(&key, holding, counts);
        self.revalue(&key);
        for game in games.into_iter().flatten() {
            self.exposure.refresh(&game, &key, &self.orders, &self.positions);
        }
        (realized, self.positions.worth(&key) - before)
    }

    /// Marks one holding anew; without a mark it counts as worth nothing.
    fn revalue(&mut self, key: &BookKey) {
        let mark = self.markets.get_mark(key);
        let (before, after) = self.positions.revalue(key, mark.map(|mark| mark.quote));
        self.cash.marked_value += after - before;
    }

    fn start_day(&mut self, day: i32, equity: Usd, at: Time) {
        self.cash.start_day(day, equity);
        self.activity.start_day(at);
        for key in self.markets.settled_before(at.plus_ms(-SETTLED_KEPT_MS)) {
            self.fills.forget(&key);
            self.orders.forget_book(&key);
            self.positions.forget(&key);
            self.markets.forget(&key);
        }
    }

    /// The groups under which this book is held or worked on now: a market belongs to one game, whatever the next
    /// signal calls it.
    pub fn groups_of(&self, key: &BookKey) -> Option<&Groups> {
        let held = self.positions.get(key).filter(|position| !position.quantity.is_zero()).map(|position| &position.groups);
        let working = || self.orders.of_book(key).find(|record| !record.is_done()).map(|record| &record.order.groups);
        held.or_else(working)
    }

    /// Whether this fill was counted before.
    pub fn has_fill(&self, fill: &FillReport) -> bool {
        self.fills.has(&fill.instrument.book_key(), &fill.trade_id, &fill.order_id)
    }

    /// Where this fill stands; `None` when it wasn't counted yet.
    pub fn fill_standing(&self, key: &BookKey, trade_id: &crate::domain::ids::TradeId, order_id: &OrderId) -> Option<FillStanding> {
        self.fills.standing(key, trade_id, order_id)
    }

    /// The fee booked for this fill; `None` when it wasn't counted yet.
    pub fn fee_of(&self, fill: &FillReport) -> Option<Usd> {
        self.fills.fee(&fill.instrument.book_key(), &fill.trade_id, &fill.order_id)
    }

    /// SHA-256 of the whole state: equal for equal histories.
    pub fn state_hash(&self) -> Hash {
        let bytes = rmp_serde::to_vec_named(self).expect("Invariant: the state always encodes");
        sha256(&[b"arbees state", &bytes])
    }

    /// Cash for orders at this venue that no working, unknown or submitted order may still take.
    pub fn free_cash(&self, venue: Venue) -> Usd {
        self.cash.free(venue)
    }

    /// Held markets without a mark, or with one older than allowed. A mark that only a signal gave
    /// (paper mode without a book) has no feed that could refresh it and doesn't age.
    pub fn unmarked(&self, now: Time) -> Vec<BookKey> {
        let age_max_ms = self.limits.as_ref().map_or(0, |limits| limits.mark_age_max_ms);
        let fresh = |key: &BookKey| self.markets.get_mark(key).is_some_and(|mark| mark.is_fresh(now, age_max_ms));
        self.positions.held().filter(|(key, _)| !fresh(key)).map(|(key, _)| key.clone()).collect()
    }
}
