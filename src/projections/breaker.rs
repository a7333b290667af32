//! Breakers and the kill: events, so a restart never resumes by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::Scope;
use crate::domain::ids::OrderId;
use crate::domain::order::{Action, Order};
use crate::domain::planted::{self, Bug};
use crate::domain::time::Time;
use crate::domain::verdict::Reason;

/// Why a breaker is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub reason: Reason,
    pub observed: Box<str>,
    pub limit: Box<str>,
    pub at: Time,
    /// Half-open: one order of minimum size may go through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probe: Option<Probe>,
}

/// A breaker that is half-open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The one that went; until it is known to be at the venue, nothing else opens.
    pub order_id: Option<OrderId>,
}

impl Trip {
    /// What errors have stopped may be tried again; losses and surprises are for a person (design §3.11).
    pub fn may_probe(&self) -> bool {
        self.reason == Reason::ConsecutiveErrors || planted::has(Bug::LossTripProbes) && self.reason == Reason::DailyLoss
    }

    fn awaits_probe(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.order_id.is_none())
    }

    fn is_probe(&self, order_id: &OrderId) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.order_id.as_ref() == Some(order_id))
    }
}

/// Who stopped all opens, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    pub by: Box<str>,
    pub reason: Box<str>,
    pub at: Time,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakers {
    open: BTreeMap<Scope, Trip>,
    pub kill: Option<Kill>,
}

impl Breakers {
    pub fn open(&self) -> impl Iterator<Item = (&Scope, &Trip)> {
        self.open.iter()
    }

    pub fn is_open(&self, scope: &Scope) -> bool {
        self.open.contains_key(scope)
    }

    /// The breakers that stop this order; its own probe doesn't.
    pub fn covering(&self, order: &Order) -> Vec<(&Scope, &Trip)> {
        self.of(order).filter(|(_, trip)| !trip.is_probe(&order.order_id)).collect()
    }

    /// The breakers that stop an order which isn't approved yet. `minimal`: it is of the size of a probe.
    pub fn stopping(&self, order: &Order, minimal: bool) -> Vec<(&Scope, &Trip)> {
        self.of(order).filter(|(_, trip)| !(minimal && trip.awaits_probe())).collect()
    }

    /// Some breaker over this order awaits a probe, and none is plainly open.
    pub fn wants_probe(&self, order: &Order) -> bool {
        let mut over = self.of(order).peekable();
        over.peek().is_some() && over.all(|(_, trip)| trip.awaits_probe())
    }

    fn of(&self, order: &Order) -> impl Iterator<Item = (&Scope, &Trip)> {
        let scopes = [
            Scope::Global,
            Scope::Venue(order.instrument.venue),
            Scope::Game(order.groups.game.clone()),
            Scope::Market(order.instrument.book_key()),
        ];
        scopes.into_iter().filter_map(|scope| self.open.get_key_value(&scope))
    }

    pub(super) fn trip(&mut self, scope: Scope, trip: Trip) {
        match self.open.get_mut(&scope) {
            // A probe has failed: as open as before, for another cool-down.
            Some(known) if known.probe.is_some() => *known = trip,
            Some(_) => {}
            None => {
                self.open.insert(scope, trip);
            }
        }
    }

    pub(super) fn probing(&mut self, scope: &Scope) {
        if let Some(trip) = self.open.get_mut(scope) {
            trip.probe = Some(Probe::default());
        }
    }

    /// An approved order that goes through half-open breakers is their probe.
    pub(super) fn approved(&mut self, order: &Order) {
        if order.action != Action::Buy {
            return;
        }
        let scopes: Vec<Scope> = self.of(order).filter(|(_, trip)| trip.awaits_probe()).map(|(scope, _)| scope.clone()).collect();
        for scope in scopes {
            if let Some(trip) = self.open.get_mut(&scope) {
                trip.probe = Some(Probe { order_id: Some(order.order_id) });
            }
        }
    }

    pub(super) fn reset(&mut self, scope: &Scope) {
        self.open.remove(scope);
    }
}
