//! Accounts as venues read them, beside the fold: what is missing is folded, what differs stops trading, nothing is
//! invented.

use super::operator::words;
use super::{Effect, Engine, Timer};
use crate::domain::event::{Event, FoundTrade, Holding, Scope};
use crate::domain::market::{BookKey, Market, Outcome, Venue};
use crate::domain::money::{Quantity, Usd};
use crate::domain::order::OrderState;
use crate::domain::report::{AccountReading, FillSettlement, VenueFill, VenueMode, VenuePosition, VenueSettlement};
use crate::domain::time::Now;
use crate::domain::verdict::Reason;
use crate::projections::{Account, Position, VenueRecord};

/// A difference is looked at again after this: reads lag behind fills.
const LOOK_AGAIN_MS: i64 = 1_000;
/// Cash may differ by less than this: what a venue rounds away.
const CASH_TOLERANCE: Usd = Usd::from_micros(10_000);
/// Movements this close to the opening are told apart by their ids: venues state seconds, and clocks differ.
const OPENING_MARGIN_MS: i64 = 10_000;
/// A proof that says nothing new is written down this often.
const PROOF_EVERY_MS: i64 = 600_000;
/// How the reason begins, and how often another one is written down.
const UNREAD: &str = "the account can't be read";
const UNREAD_EVERY_MS: i64 = 10_000;
/// Redemptions that one reading is searched for.
const REDEEMED_AT_ONCE_MAX: usize = 10;

/// Those of the candidates whose bit is set.
fn chosen(candidates: &[(BookKey, Usd)], set: u32) -> impl Iterator<Item = &(BookKey, Usd)> {
    candidates.iter().enumerate().filter(move |(index, _)| set & (1 << index) != 0).map(|(_, candidate)| candidate)
}

/// Something that the venue shows otherwise than the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// `None`: the cash.
    pub key: Option<BookKey>,
    pub ours: String,
    pub theirs: String,
}

impl Difference {
    /// What differs, as events name it.
    pub fn what(key: Option<&BookKey>) -> String {
        key.map_or_else(|| "cash".to_owned(), |key| format!("position {}", key.id))
    }
}

impl Engine {
    pub(super) fn venue_mode(&mut self, now: Now, venue: Venue, mode: VenueMode, why: &str, out: &mut Vec<Effect>) {
        let known = self.book.venues.mode(venue);
        match mode {
            // Only a reading that agrees opens a venue; how far, is remembered until then.
            VenueMode::Open if self.close_only.remove(&venue).is_some() && known == VenueMode::CloseOnly => {
                out.push(Effect::Reconcile { venue });
                self.mode_changed(now, venue, VenueMode::Reconciling, "it takes opens again; the account is being read", out);
            }
            VenueMode::Open => {}
            VenueMode::CloseOnly => {
                self.close_only.insert(venue, words(why));
                if known == VenueMode::Open {
                    self.mode_changed(now, venue, mode, why, out);
                }
            }
            mode if mode == known => {}
            mode => {
                self.suspected.remove(&venue);
                self.mode_changed(now, venue, mode, why, out);
            }
        }
    }

    fn mode_changed(&mut self, now: Now, venue: Venue, mode: VenueMode, why: &str, out: &mut Vec<Effect>) {
        self.append(now, vec![Event::VenueModeChanged { venue, mode, why: words(why) }], out);
    }

    /// A reading that isn't whole proves nothing. What has never been proven says why it still isn't.
    pub(super) fn unread(&mut self, now: Now, venue: Venue, why: &str, out: &mut Vec<Effect>) {
        let why = words(&format!("{UNREAD}: {why}"));
        let record = self.book.venues.get(venue).filter(|record| record.mode == VenueMode::Reconciling && record.why != why);
        // Errors that differ by a number only must not fill the log.
        let news = |record: &VenueRecord| !record.why.starts_with(UNREAD) || now.wall.ms_since(record.since) >= UNREAD_EVERY_MS;
        if record.is_some_and(news) {
            self.mode_changed(now, venue, VenueMode::Reconciling, &why, out);
        }
        self.answer_reading(now, venue, Err(why.to_string()), out);
    }

    pub(super) fn account(&mut self, now: Now, reading: AccountReading, out: &mut Vec<Effect>) {
        let venue = reading.venue;
        if is_not_read(self.book.venues.mode(venue)) {
            return;
        }
        if !self.book.cash.is_opened(venue) && !self.open_account(now, &reading, out) {
            return self.answer_reading(now, venue, Err(self.why(venue)), out);
        }
        self.take_in(now, &reading, out);
        self.redeemed(now, &reading, out);
        if self.unclaimed.keys().any(|(key, _)| key.venue == venue) {
            // A fill is known and not booked yet: neither side is wrong.
            return self.set_timer(now.mono.plus_ms(LOOK_AGAIN_MS), Timer::Reconcile(venue));
        }
        let differences = self.differences(&reading);
        let lags = self.booked_at.get(&venue).is_some_and(|newest| reading.read_through < *newest);
        if lags && !differences.is_empty() {
            // It can't show what is booked already, however often it says so.
            return self.set_timer(now.mono.plus_ms(LOOK_AGAIN_MS), Timer::Reconcile(venue));
        }
        let suspected = self.suspected.insert(venue, differences.clone()).unwrap_or_default();
        let (real, fresh): (Vec<_>, Vec<_>) = differences.into_iter().partition(|difference| suspected.contains(difference));
        if !fresh.is_empty() {
            return self.set_timer(now.mono.plus_ms(LOOK_AGAIN_MS), Timer::Reconcile(venue));
        }
        let agrees = real.is_empty();
        if agrees {
            self.agreed_at.insert(venue, now.mono);
        }
        for difference in real {
            self.diverged(now, venue, difference, out);
        }
        self.proven(now, &reading, agrees, out);
        self.count(now, &reading, out);
        self.readings.insert(venue, bare(reading));
        self.answer_reading(now, venue, Ok(()), out);
    }

    /// The first reading of an account: what holds nothing is taken over as it is, the rest needs a person.
    fn open_account(&mut self, now: Now, reading: &AccountReading, out: &mut Vec<Effect>) -> bool {
        if reading.fills.iter().any(|fill| fill.settlement == FillSettlement::Provisional) {
            // Neither money nor tokens show a trade that is still on its way.
            self.set_timer(now.mono.plus_ms(LOOK_AGAIN_MS), Timer::Reconcile(reading.venue));
            return false;
        }
        if reading.positions.is_empty() && reading.open_orders.is_empty() {
            self.append(now, opening(reading, now), out);
            return true;
        }
        let (positions, orders) = (reading.positions.len(), reading.open_orders.len());
        let why =
            format!("the account holds {positions} positions and {orders} open orders that this log doesn't know: run `arbees adopt`");
        if self.book.venues.get(reading.venue).is_none_or(|record| *record.why != *why) {
            self.mode_changed(now, reading.venue, VenueMode::Reconciling, &why, out);
        }
        false
    }

    /// An operator has seen what the account holds and takes it over.
    pub(super) fn adopt(&mut self, now: Now, by: &str, reading: &AccountReading, out: &mut Vec<Effect>) -> Result<String, String> {
        let venue = reading.venue;
        if self.book.cash.is_opened(venue) {
            return Err(format!("the {venue} account is in this log already; differences are settled one by one"));
        }
        let keys = reading.positions.iter().map(|position| &position.key).chain(reading.open_orders.iter().map(|order| &order.key));
        if let Some(unnamed) = keys.into_iter().find(|key| self.is_unnamed_token(key)) {
            return Err(format!("{unnamed}: the venue has not described this token, and which outcome it is, is not guessed"));
        }
        let mut events = opening(reading, now);
        for position in &reading.positions {
            let holding = Some(Box::new(holding(position, self.book.markets.get(&position.key))));
            let reason = "adopted with the account".into();
            events.push(Event::OperatorAdjusted { by: by.into(), reason, holding, money: None, counts: false, proof: None });
        }
        self.append(now, events, out);
        for order in reading.open_orders.clone() {
            self.listed(now, order, out);
        }
        Ok(format!(
            "{venue} account taken over: ${} cash, {} positions, {} open orders",
            reading.cash,
            reading.positions.len(),
            reading.open_orders.len()
        ))
    }

    /// Everything in the reading that the fold lacks.
    fn take_in(&mut self, now: Now, reading: &AccountReading, out: &mut Vec<Effect>) {
        let venue = reading.venue;
        for movement in &reading.movements {
            let old = self.book.cash.account(venue).is_none_or(|account| movement.at < account.opened_at.plus_ms(-OPENING_MARGIN_MS));
            if !old && !self.book.cash.has_moved(venue, &movement.id) {
                let why = if movement.amount < Usd::ZERO { "withdrawal" } else { "deposit" };
                self.note_booked(venue, movement.at);
                let event = Event::CashMoved { account: venue, id: movement.id.clone().into(), amount: movement.amount, why: why.into() };
                self.append(now, vec![event], out);
            }
        }
        for order in reading.open_orders.clone() {
            self.listed(now, order, out);
        }
        for fill in reading.fills.clone() {
            self.traded(now, fill, out);
        }
        for settlement in reading.settlements.clone() {
            self.venue_settled(now, settlement, out);
        }
        let listed = |id| reading.open_orders.iter().any(|order| Some(&order.venue_order_id) == id);
        let gone = self.book.orders.live().filter(|record| record.order.instrument.venue == venue && record.state == OrderState::Working);
        let gone: Vec<_> = gone.filter(|r| !listed(r.venue_order_id.as_ref())).map(|r| r.order.order_id).collect();
        for order_id in gone {
            self.set_timer(now.mono, Timer::LookUp(order_id));
        }
    }

    /// Tokens of ended markets that are gone, with as much more cash as they paid: redeemed. As few as explain it.
    fn redeemed(&mut self, now: Now, reading: &AccountReading, out: &mut Vec<Effect>) {
        let venue = reading.venue;
        let Some(account) = self.book.cash.account(venue) else { return };
        if account.redeemable.is_zero() || shows(account, reading.cash, Usd::ZERO) {
            return;
        }
        let gone = |key: &BookKey| reading.positions.iter().all(|position| position.key != *key || position.signed.is_zero());
        let candidates =
            self.book.positions.iter().filter(|(key, position)| key.venue == venue && !position.redeemable.is_zero() && gone(key));
        let candidates: Vec<(BookKey, Usd)> =
            candidates.map(|(key, position)| (key.clone(), position.redeemable)).take(REDEEMED_AT_ONCE_MAX).collect();
        let sum = |set: u32| -> Usd { chosen(&candidates, set).map(|(_, amount)| *amount).sum() };
        let sets = 1u32..1 << candidates.len();
        let explains = sets.filter(|set| shows(account, reading.cash, sum(*set))).min_by_key(|set| set.count_ones());
        let Some(set) = explains else { return };
        let event = |(key, amount): &(BookKey, Usd)| Event::Redeemed { venue, market: key.id.clone(), amount: *amount };
        let events: Vec<Event> = chosen(&candidates, set).map(event).collect();
        self.note_booked(venue, reading.read_through);
        self.append(now, events, out);
    }

    pub(super) fn differences(&self, reading: &AccountReading) -> Vec<Difference> {
        let venue = reading.venue;
        let mut keys: Vec<&BookKey> = reading.positions.iter().map(|position| &position.key).collect();
        keys.extend(self.book.positions.held().map(|(key, _)| key).filter(|key| key.venue == venue));
        keys.sort();
        keys.dedup();
        let unsure = self.unsure();
        keys.retain(|key| !unsure.contains(key));
        let mut found: Vec<Difference> = keys.into_iter().filter_map(|key| self.position_difference(key, reading)).collect();
        found.extend(self.cash_difference(reading).filter(|_| unsure.iter().all(|key| key.venue != venue)));
        found
    }

    /// An order whose fate is unknown may have filled: its look-up tells.
    pub(super) fn unsure(&self) -> Vec<BookKey> {
        self.book.orders.live().filter(|r| r.state != OrderState::Working).map(|r| r.order.instrument.book_key()).collect()
    }

    pub(super) fn position_difference(&self, key: &BookKey, reading: &AccountReading) -> Option<Difference> {
        let theirs = reading.positions.iter().find(|position| position.key == *key).map_or(Quantity::ZERO, |position| position.signed);
        let position = self.book.positions.get(key);
        let ours = position.map_or(Quantity::ZERO, Position::in_book_terms);
        let settled = self.book.markets.settlement(key).is_some();
        // The venue shows what is final there; of the rest it may show any part.
        let (least, most) = position.map_or((ours, ours), Position::may_be_shown_as);
        let agrees = least <= theirs && theirs <= most;
        (!agrees && !settled).then(|| Difference { key: Some(key.clone()), ours: ours.to_string(), theirs: theirs.to_string() })
    }

    /// Whether a venue has taken the price of resting orders out of the cash it shows, its page leaves open: both agree.
    pub(super) fn cash_difference(&self, reading: &AccountReading) -> Option<Difference> {
        let account = self.book.cash.account(reading.venue)?;
        (!shows(account, reading.cash, Usd::ZERO)).then(|| Difference {
            key: None,
            ours: format!("${}", account.cash),
            theirs: format!("${}", reading.cash),
        })
    }

    fn diverged(&mut self, now: Now, venue: Venue, difference: Difference, out: &mut Vec<Effect>) {
        let Difference { key, ours, theirs } = difference;
        let what = Difference::what(key.as_ref());
        let scope = key.map_or(Scope::Venue(venue), Scope::Market);
        let noted = |(a, b, c): &(Box<str>, Box<str>, Box<str>)| **a == *what && **b == *ours && **c == *theirs;
        let observed = format!("{what}: the venue says {theirs}");
        if !self.book.venues.get(venue).is_some_and(|record| record.diverged.iter().any(noted)) {
            let event = Event::ReconciliationDiverged { venue, what: what.into(), ours: ours.as_str().into(), theirs: theirs.into() };
            self.append(now, vec![event], out);
        }
        // Closed by somebody before it was explained, it opens again.
        self.trip(now, scope, Reason::PositionDiverged, observed, format!("{ours}, as the log says"), out);
    }

    fn proven(&mut self, now: Now, reading: &AccountReading, agrees: bool, out: &mut Vec<Effect>) {
        let (venue, cash, read_through) = (reading.venue, reading.cash, reading.read_through);
        let record = self.book.venues.get(venue);
        let open = if self.close_only.contains_key(&venue) { VenueMode::CloseOnly } else { VenueMode::Open };
        let opens = record.is_none_or(|record| record.mode != open);
        let stale = record.and_then(|record| record.proven_through).is_none_or(|at| read_through.ms_since(at) >= PROOF_EVERY_MS);
        let news = record.is_none_or(|record| record.stated_cash != Some(cash) || !record.diverged.is_empty());
        let mut events = Vec::new();
        if agrees && (opens || stale || news) {
            events.push(Event::BalanceSeen { venue, cash, read_through });
        }
        if opens {
            let read = if agrees { "account reconciled" } else { "account read; what differs is stopped by its breaker" };
            let why = self.close_only.get(&venue).cloned().unwrap_or_else(|| read.into());
            events.push(Event::VenueModeChanged { venue, mode: open, why });
        }
        if !events.is_empty() {
            self.append(now, events, out);
        }
    }

    pub(super) fn venue_settled(&mut self, now: Now, settled: VenueSettlement, out: &mut Vec<Effect>) {
        let VenueSettlement { key, settlement, at, .. } = settled;
        let ours = self.book.positions.get(&key).is_some() || self.book.orders.of_book(&key).next().is_some();
        if !ours || self.book.markets.settlement(&key).is_some() {
            return;
        }
        self.note_booked(key.venue, at);
        self.append(now, vec![Event::MarketSettled { venue: key.venue, market: key.id, settlement }], out);
    }
}

/// Whether the venue may show this cash: with or without the price of resting orders, and with whatever part of the fills that
/// aren't final. `more`: what came beside all that.
pub(super) fn shows(account: &Account, cash: Usd, more: Usd) -> bool {
    let (least, most) = account.may_be_shown_as();
    least + more - CASH_TOLERANCE < cash && cash < most + more + CASH_TOLERANCE
}

/// Nothing is read while the venue is off or refuses us.
pub(super) fn is_not_read(mode: VenueMode) -> bool {
    matches!(mode, VenueMode::Off | VenueMode::Halted | VenueMode::CancelOnly | VenueMode::PostOnly)
}

/// The account alone; what moved it is booked already.
fn bare(reading: AccountReading) -> AccountReading {
    AccountReading { fills: Vec::new(), settlements: Vec::new(), movements: Vec::new(), open_orders: Vec::new(), ..reading }
}

/// The cash as read; what moved or traded shortly before is part of it and must not be booked again.
fn opening(reading: &AccountReading, now: Now) -> Vec<Event> {
    let venue = reading.venue;
    let recent = reading.movements.iter().filter(|movement| movement.at >= now.wall.plus_ms(-2 * OPENING_MARGIN_MS));
    let part_of_it = recent.map(|movement| {
        let why = "in the opening balance already".into();
        Event::CashMoved { account: venue, id: movement.id.clone().into(), amount: Usd::ZERO, why }
    });
    let recent = |fill: &&VenueFill| fill.at >= now.wall.plus_ms(-2 * OPENING_MARGIN_MS);
    let name = |fill: &VenueFill| FoundTrade {
        key: fill.key.clone(),
        trade_id: fill.trade_id.clone(),
        venue_order_id: fill.venue_order_id.clone(),
    };
    let found = Some(reading.fills.iter().filter(recent).map(name).collect());
    std::iter::once(Event::OpeningBalance { account: venue, cash: reading.cash, found }).chain(part_of_it).collect()
}

pub(super) fn holding(position: &VenuePosition, market: Option<&Market>) -> Holding {
    let outcome = if position.signed < Quantity::ZERO { Outcome::No } else { Outcome::Yes };
    let instrument = super::listed::instrument_of(&position.key, market, outcome);
    let groups = super::intake::plain_groups(&instrument);
    Holding { instrument, groups, quantity: position.signed.abs(), cost: position.cost }
}
