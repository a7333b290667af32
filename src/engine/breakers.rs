//! Breakers: tripped at once, tried again where errors opened them, by one order of minimum size (design §3.11).

use super::operator::words;
use super::{Effect, Engine, Timer};
use crate::domain::event::{CancelCause, Event, Scope};
use crate::domain::ids::OrderId;
use crate::domain::market::Venue;
use crate::domain::order::{Order, OrderState};
use crate::domain::report::VenueMode;
use crate::domain::time::{Mono, Now};
use crate::domain::verdict::Reason;
use crate::projections::{OrderRecord, Trip};

/// What a cool-down still waits for, an account or an order of unknown fate, is looked at again after this.
const LOOK_AGAIN_MS: i64 = 1_000;

fn covers(scope: &Scope, order: &Order) -> bool {
    match scope {
        Scope::Global => true,
        Scope::Venue(venue) => order.instrument.venue == *venue,
        Scope::Game(game) => order.groups.game == *game,
        Scope::Market(key) => order.instrument.book_key() == *key,
    }
}

/// What became of a probe: `None` while that isn't known.
fn fate(record: &OrderRecord) -> Option<Result<(), &'static str>> {
    match record.state {
        OrderState::Requested | OrderState::Submitting => None,
        OrderState::Unknown => Some(Err("is of unknown fate")),
        OrderState::Rejected => Some(Err("was rejected")),
        OrderState::NotPlaced => Some(Err("was not placed")),
        OrderState::Vetoed => Some(Err("was vetoed")),
        OrderState::Working | OrderState::Filled | OrderState::Canceled | OrderState::Expired => Some(Ok(())),
    }
}

impl Engine {
    /// Opens a breaker (once) and cancels the resting opens it covers.
    pub(super) fn trip(&mut self, now: Now, scope: Scope, reason: Reason, observed: String, limit: String, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started || self.book.breakers.is_open(&scope) {
            return;
        }
        self.open_breaker(now, scope, reason, &observed, &limit, out);
    }

    fn open_breaker(&mut self, now: Now, scope: Scope, reason: Reason, observed: &str, limit: &str, out: &mut Vec<Effect>) {
        let event = Event::BreakerTripped { scope: scope.clone(), reason, observed: words(observed), limit: words(limit) };
        self.append(now, vec![event], out);
        self.cancel_opens(now, CancelCause::Breaker, |order| covers(&scope, order), out);
        self.cool_down(now, scope);
    }

    /// Counted in running time: from the trip, or from the start of this session. What an earlier trip of this breaker waits for
    /// is over with it.
    fn cool_down(&mut self, now: Now, scope: Scope) {
        self.timers.retain(|(_, timer)| !matches!(timer, Timer::Probe(of, _) if *of == scope));
        let after_ms = self.book.limits.as_ref().map_or(0, |limits| limits.probe_after_ms);
        let may_probe = self.book.breakers.open().any(|(open, trip)| *open == scope && trip.may_probe());
        if may_probe && after_ms > 0 {
            self.set_timer(now.mono.plus_ms(after_ms), Timer::Probe(scope, now.mono));
        }
    }

    /// A restart never resumes by itself: what was half-open is open again, and every cool-down begins anew.
    pub(super) fn breakers_at_start(&mut self, now: Now, out: &mut Vec<Effect>) {
        let open: Vec<(Scope, Trip)> = self.book.breakers.open().map(|(scope, trip)| (scope.clone(), trip.clone())).collect();
        for (scope, trip) in open {
            match &trip.probe {
                Some(probe) if probe.order_id.is_none() => self.open_breaker(now, scope, trip.reason, &trip.observed, &trip.limit, out),
                _ => self.cool_down(now, scope),
            }
        }
    }

    /// The cool-down is over. Before anything is tried, the accounts must have been read since `tripped_at` and agree, and no
    /// order under the breaker may be of unknown fate.
    pub(super) fn probe_due(&mut self, now: Now, scope: Scope, tripped_at: Mono, out: &mut Vec<Effect>) {
        let waits = self.book.breakers.open().any(|(open, trip)| *open == scope && trip.may_probe() && trip.probe.is_none());
        if !waits {
            return;
        }
        let unread: Vec<Venue> =
            self.venues_under(&scope).filter(|venue| self.agreed_at.get(venue).is_none_or(|at| *at <= tripped_at)).collect();
        let unknown = self.book.orders.unknown().any(|record| covers(&scope, &record.order));
        if unread.is_empty() && !unknown {
            self.append(now, vec![Event::BreakerProbing { scope }], out);
            return;
        }
        out.extend(unread.into_iter().map(|venue| Effect::Reconcile { venue }));
        self.set_timer(now.mono.plus_ms(LOOK_AGAIN_MS), Timer::Probe(scope, tripped_at));
    }

    /// Those with an account, as far as the breaker reaches.
    fn venues_under(&self, scope: &Scope) -> impl Iterator<Item = Venue> {
        let with_account = self.book.venues.iter().filter(|(_, record)| record.mode != VenueMode::Off).map(|(venue, _)| venue);
        with_account.filter(move |venue| match scope {
            Scope::Global | Scope::Game(_) => true,
            Scope::Venue(one) => one == venue,
            Scope::Market(key) => key.venue == *venue,
        })
    }

    /// A probe that the venue has acknowledged closes its breakers; any other end opens them for another cool-down. An unknown
    /// one keeps them shut, too.
    pub(super) fn judge_probes(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        let probes = self.book.breakers.open().filter_map(|(scope, trip)| {
            let order_id = trip.probe.as_ref()?.order_id?;
            let fate = self.book.orders.get(&order_id).map_or(Some(Err("is not in this log")), fate)?;
            Some((scope.clone(), trip.clone(), order_id, fate))
        });
        let known: Vec<(Scope, Trip, OrderId, Result<(), &str>)> = probes.collect();
        for (scope, trip, order_id, fate) in known {
            match fate {
                Ok(()) => {
                    let reason = format!("order {order_id} of minimum size was acknowledged");
                    self.append(now, vec![Event::BreakerReset { scope, by: "probe".into(), reason: words(&reason) }], out);
                }
                Err(why) => self.open_breaker(now, scope, trip.reason, &format!("the probe, order {order_id}, {why}"), &trip.limit, out),
            }
        }
    }
}
