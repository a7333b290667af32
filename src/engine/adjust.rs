//! Differences that an operator books. Nothing is invented: only what two readings have proven can be booked, and only towards
//! what the venue says.

use super::operator::words;
use super::reconcile::{Difference, holding};
use super::{Effect, Engine};
use crate::domain::adjustment::{Adjustment, NewHolding};
use crate::domain::event::{Event, Holding, Money};
use crate::domain::market::{BookKey, Outcome, Venue};
use crate::domain::money::{Price, Quantity, Rounding, Usd};
use crate::domain::report::{AccountReading, VenuePosition};
use crate::domain::time::Now;

impl Engine {
    pub(super) fn adjust(&mut self, now: Now, by: &str, wanted: Adjustment, out: &mut Vec<Effect>) -> Result<String, String> {
        let Adjustment { venue, holding, cash, counts, reason } = wanted;
        if reason.trim().is_empty() {
            return Err("a reason is needed: it is all that explains the booking later".to_owned());
        }
        if holding.is_none() && cash.is_none() {
            return Err("nothing to book: neither a holding nor cash".to_owned());
        }
        let unread = || format!("the {venue} account was not read completely in this session; nothing is proven: `arbees reconcile` first");
        let reading = self.readings.get(&venue).ok_or_else(unread)?;
        let mut proof = Vec::new();
        let holding = holding.map(|new| self.new_holding(venue, new, reading, &mut proof)).transpose()?;
        let money = cash.map(|amount| self.money(venue, amount, reading, &mut proof)).transpose()?;
        let proof = proof.join("; ");
        let event = Event::OperatorAdjusted {
            by: words(by),
            reason: words(&reason),
            holding: holding.map(Box::new),
            money,
            counts,
            proof: Some(words(&proof)),
        };
        self.append(now, vec![event], out);
        self.suspected.remove(&venue);
        out.push(Effect::Reconcile { venue });
        Ok(format!("booked; before, {proof}. The account is being read; breakers stay open until they are reset"))
    }

    /// Errors: nothing differs there, it isn't proven, or the venue says something else.
    fn new_holding(&self, venue: Venue, new: NewHolding, reading: &AccountReading, proof: &mut Vec<String>) -> Result<Holding, String> {
        let key = BookKey { venue, id: new.market };
        let differs = self.position_difference(&key, reading);
        let difference = self.proven_difference(venue, Some(&key), differs)?;
        let position = self.book.positions.get(&key);
        if position.is_some_and(|position| position.is_open_ended()) {
            return Err(format!("trades of {key} are not settled yet: what they leave is not known"));
        }
        if self.is_unnamed_token(&key) {
            return Err(format!("{key}: the venue has not described this token, and which outcome it is, is not guessed"));
        }
        let outcome = new.outcome.unwrap_or_else(|| self.book_outcome(&key));
        let negative = venue.nets_outcomes() && outcome == Outcome::No;
        let signed = if negative { -new.quantity } else { new.quantity };
        let theirs = reading.positions.iter().find(|position| position.key == key).map_or(Quantity::ZERO, |position| position.signed);
        if signed != theirs {
            return Err(format!(
                "the venue says {theirs} of {key} (below zero: NO), the log {}; that would make it {signed}",
                difference.ours
            ));
        }
        check_cost(new.quantity, new.cost)?;
        proof.push(told(Some(&key), &difference));
        let fresh = holding(&VenuePosition { key: key.clone(), signed, cost: new.cost }, self.book.markets.get(&key));
        // What is held already keeps its groups: its exposure is counted there.
        Ok(match position {
            Some(position) => Holding { groups: position.groups_for(fresh.instrument.outcome), ..fresh },
            None => fresh,
        })
    }

    /// The outcome of a token; of a ticker, YES.
    fn book_outcome(&self, key: &BookKey) -> Outcome {
        self.book.markets.get(key).and_then(|market| market.outcome).unwrap_or(Outcome::Yes)
    }

    /// Errors: as above; a booking may explain a part, and never more than there is.
    fn money(&self, venue: Venue, amount: Usd, reading: &AccountReading, proof: &mut Vec<String>) -> Result<Money, String> {
        let difference = self.proven_difference(venue, None, self.cash_difference(reading))?;
        let account = self.book.cash.account(venue).ok_or_else(|| format!("the {venue} account is not in this log"))?;
        let (least, most) = account.may_be_shown_as();
        let beyond = |least: Usd, most: Usd| reading.cash - reading.cash.clamp(least.min(most), most);
        let (before, after) = (beyond(least, most), beyond(least + amount, most + amount));
        let toward = if before > Usd::ZERO { amount > Usd::ZERO && after >= Usd::ZERO } else { amount < Usd::ZERO && after <= Usd::ZERO };
        if !toward {
            return Err(format!("the venue says {}, the log {}: ${amount} does not lead there", difference.theirs, difference.ours));
        }
        proof.push(told(None, &difference));
        Ok(Money { account: venue, amount })
    }

    fn proven_difference(&self, venue: Venue, key: Option<&BookKey>, differs: Option<Difference>) -> Result<Difference, String> {
        let what = Difference::what(key);
        let difference = differs.ok_or_else(|| format!("{venue} {what}: venue and log agree, there is nothing to book"))?;
        let noted = |record: &crate::projections::VenueRecord| record.diverged.iter().any(|(noted, ..)| **noted == *what);
        let proven = self.book.venues.get(venue).is_some_and(noted);
        if proven { Ok(difference) } else { Err(format!("{venue} {what}: not proven by two readings yet")) }
    }
}

fn told(key: Option<&BookKey>, difference: &Difference) -> String {
    format!("{}: {} here, {} there", Difference::what(key), difference.ours, difference.theirs)
}

/// No contract costs more than a dollar.
fn check_cost(quantity: Quantity, cost: Usd) -> Result<(), String> {
    let most = Price::ONE.times(quantity, Rounding::Up);
    if cost < Usd::ZERO || cost > most {
        return Err(format!("a cost of ${cost} for {quantity} contracts: it lies between $0 and ${most}"));
    }
    Ok(())
}
