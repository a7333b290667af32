//! Breakers and the kill: events, so a restart never resumes by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::Scope;
use crate::domain::order::Order;
use crate::domain::time::Time;
use crate::domain::verdict::Reason;

/// Why a breaker is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub reason: Reason,
    pub observed: Box<str>,
    pub limit: Box<str>,
    pub at: Time,
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

    /// The open breakers that cover this order.
    pub fn covering(&self, order: &Order) -> Vec<(&Scope, &Trip)> {
        let scopes = [
            Scope::Global,
            Scope::Venue(order.instrument.venue),
            Scope::Game(order.groups.game.clone()),
            Scope::Market(order.instrument.book_key()),
        ];
        scopes.iter().filter_map(|scope| self.open.get_key_value(scope)).collect()
    }

    pub(super) fn trip(&mut self, scope: Scope, trip: Trip) {
        self.open.entry(scope).or_insert(trip);
    }

    pub(super) fn reset(&mut self, scope: &Scope) {
        self.open.remove(scope);
    }
}
