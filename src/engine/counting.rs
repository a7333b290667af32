//! Cash counted against what venues say: once for each day that has ended, and when somebody asks. And who asked.

use std::collections::BTreeSet;

use super::reconcile::is_not_read;
use super::{Effect, Engine, Ticket, Timer};
use crate::domain::event::Event;
use crate::domain::market::Venue;
use crate::domain::report::{AccountReading, VenueMode};
use crate::domain::time::{Mono, Now};

/// A reading takes a second or two; one that lags behind our fills some more.
const READING_WAIT_MS: i64 = 20_000;

/// An operator who waits for readings.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    ticket: Ticket,
    missing: BTreeSet<Venue>,
    told: Vec<String>,
    good: bool,
    until: Mono,
}

impl Engine {
    /// Reads the account of this venue, of all; the answer is what came of it.
    pub(super) fn ask_reading(&mut self, now: Now, ticket: Ticket, venue: Option<Venue>, out: &mut Vec<Effect>) {
        let known =
            self.book.venues.iter().filter(|(one, record)| record.mode != VenueMode::Off && venue.is_none_or(|venue| venue == *one));
        let (shut, read): (Vec<_>, Vec<_>) = known.map(|(one, record)| (one, record.mode)).partition(|(_, mode)| is_not_read(*mode));
        if shut.is_empty() && read.is_empty() {
            return self.tell(now, ticket, Err("no such venue has credentials here".to_owned()), out);
        }
        let told = shut.iter().map(|(venue, _)| format!("{}: not read", self.why(*venue))).collect();
        let missing: BTreeSet<Venue> = read.into_iter().map(|(venue, _)| venue).collect();
        out.extend(missing.iter().map(|venue| Effect::Reconcile { venue: *venue }));
        let until = now.mono.plus_ms(READING_WAIT_MS);
        self.set_timer(until, Timer::ReadingDue);
        self.awaited.push(Awaited { ticket, missing, told, good: shut.is_empty(), until });
        self.answer_awaited(now, out);
    }

    /// A venue as it stands.
    pub(super) fn why(&self, venue: Venue) -> String {
        let record = self.book.venues.get(venue);
        record.map_or_else(|| format!("{venue} is off"), |record| format!("{venue} {}: {}", record.mode.as_str(), record.why))
    }

    /// The account was read and compared, or couldn't be read whole.
    pub(super) fn answer_reading(&mut self, now: Now, venue: Venue, read: Result<(), String>, out: &mut Vec<Effect>) {
        if self.awaited.iter().all(|one| !one.missing.contains(&venue)) {
            return;
        }
        let agrees = self.book.venues.get(venue).is_some_and(|record| record.diverged.is_empty());
        let good = read.is_ok() && agrees;
        let line = match read {
            Ok(()) => self.compared(now, venue),
            Err(why) => format!("{venue}: {why}"),
        };
        self.strike_off(venue, &line, good, |_| true);
        self.answer_awaited(now, out);
    }

    /// What the reading of this moment showed.
    fn compared(&self, now: Now, venue: Venue) -> String {
        let counted = self.book.cash.account(venue).and_then(|account| account.counted.as_ref()).filter(|count| count.at == now.wall);
        let cash = counted.map_or_else(
            || "cash not counted while an order's fate is unknown".to_owned(),
            |count| format!("cash ${} here, ${} there, unexplained ${}", count.ours, count.theirs, count.unexplained),
        );
        let diverged = self.book.venues.get(venue).map(|record| record.diverged.as_slice()).unwrap_or_default();
        let differs = diverged.iter().map(|(what, ours, theirs)| format!("; {what} DIFFERS: {ours} here, {theirs} there"));
        format!("{}; {cash}{}", self.why(venue), differs.collect::<String>())
    }

    pub(super) fn give_up_waiting(&mut self, now: Now, out: &mut Vec<Effect>) {
        let venues: BTreeSet<Venue> = self.awaited.iter().flat_map(|one| one.missing.clone()).collect();
        for venue in venues {
            let line = format!("{}; no reading that proves anything within {} s", self.why(venue), READING_WAIT_MS / 1_000);
            self.strike_off(venue, &line, false, |one| one.until <= now.mono);
        }
        self.answer_awaited(now, out);
    }

    /// No reading comes any more.
    pub(super) fn forget_awaited(&mut self, why: &str, out: &mut Vec<Effect>) {
        let answer = |one: Awaited| Effect::OperatorAnswer { ticket: one.ticket, result: Err(why.to_owned()) };
        out.extend(std::mem::take(&mut self.awaited).into_iter().map(answer));
    }

    /// Those who wait for this venue have this line now.
    fn strike_off(&mut self, venue: Venue, line: &str, good: bool, whose: impl Fn(&Awaited) -> bool) {
        for one in &mut self.awaited {
            if whose(one) && one.missing.remove(&venue) {
                one.told.push(line.to_owned());
                one.good &= good;
            }
        }
    }

    fn answer_awaited(&mut self, now: Now, out: &mut Vec<Effect>) {
        let (done, waiting) = std::mem::take(&mut self.awaited).into_iter().partition(|one| one.missing.is_empty());
        self.awaited = waiting;
        for one in Vec::into_iter(done) {
            let words = one.told.join("\n");
            let result = if one.good { Ok(words) } else { Err(words) };
            self.tell(now, one.ticket, result, out);
        }
    }

    /// Writes down what log and venue say, for a day that has ended or for somebody who asked. Not while an order's fate is
    /// unknown: its fill may be in the one and not in the other.
    pub(super) fn count(&mut self, now: Now, reading: &AccountReading, out: &mut Vec<Effect>) {
        let venue = reading.venue;
        let Some(account) = self.book.cash.account(venue) else { return };
        let asked = self.awaited.iter().any(|one| one.missing.contains(&venue));
        let Some(day) = account.uncounted.or(account.today.day.filter(|_| asked)) else { return };
        if self.unsure().iter().any(|key| key.venue == venue) {
            return;
        }
        let (ours, theirs, read_through) = (account.cash, reading.cash, reading.read_through);
        self.append(now, vec![Event::CashCounted { venue, day, ours, theirs, read_through }], out);
    }

    /// The day has turned: the one that ended is counted against each venue at once.
    pub(super) fn count_day(&mut self, out: &mut Vec<Effect>) {
        let due = self.book.cash.accounts().filter(|(_, account)| account.uncounted.is_some()).map(|(venue, _)| venue);
        let open = due.filter(|venue| matches!(self.book.venues.mode(*venue), VenueMode::Open | VenueMode::CloseOnly));
        out.extend(open.map(|venue| Effect::Reconcile { venue }));
    }
}
