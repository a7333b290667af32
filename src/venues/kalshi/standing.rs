//! Whether the venue takes our orders, as far as the client can tell: why not, and who has to do something.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::domain::report::VenueMode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueStanding {
    pub mode: VenueMode,
    pub why: String,
}

#[derive(Debug, Default)]
struct Facts {
    /// A refused key: stays until somebody clears it.
    halted: Option<String>,
    clock: Option<String>,
    paused: Option<String>,
    reconciled: bool,
}

impl Facts {
    fn standing(&self) -> VenueStanding {
        let halted = self.halted.as_ref().or(self.clock.as_ref()).map(|why| (VenueMode::Halted, why));
        let (mode, why) = match halted.or(self.paused.as_ref().map(|why| (VenueMode::CancelOnly, why))) {
            Some((mode, why)) => (mode, why.clone()),
            None if !self.reconciled => (VenueMode::Reconciling, "not read completely yet".to_owned()),
            None => (VenueMode::Open, String::new()),
        };
        VenueStanding { mode, why }
    }
}

#[derive(Debug)]
pub struct Standing {
    facts: Mutex<Facts>,
    sender: watch::Sender<VenueStanding>,
}

impl Default for Standing {
    fn default() -> Self {
        let facts = Facts::default();
        let sender = watch::Sender::new(facts.standing());
        Self { facts: Mutex::new(facts), sender }
    }
}

impl Standing {
    pub fn watch(&self) -> watch::Receiver<VenueStanding> {
        self.sender.subscribe()
    }

    /// The venue refuses our key.
    pub fn halt(&self, why: String) {
        self.change(|facts| {
            facts.halted.get_or_insert(why);
        });
    }

    /// An operator has seen to it.
    pub fn clear_halt(&self) {
        self.change(|facts| facts.halted = None);
    }

    pub fn clock(&self, why: Option<String>) {
        self.change(|facts| facts.clock = why);
    }

    /// A pause of trading or of the whole exchange, or its end.
    pub fn pause(&self, why: Option<String>) {
        self.change(|facts| facts.paused = why);
    }

    /// A complete reading of the account, or the break after which one is needed.
    pub fn reconciled(&self, reconciled: bool) {
        self.change(|facts| facts.reconciled = reconciled);
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.locked();
        change(&mut facts);
        let new = facts.standing();
        self.sender.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }

    fn locked(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_fact_is_shown_and_a_halt_stays() {
        let standing = Standing::default();
        let mode = || standing.watch().borrow().mode;
        assert_eq!(mode(), VenueMode::Reconciling);
        standing.reconciled(true);
        assert_eq!(mode(), VenueMode::Open);
        standing.pause(Some("maintenance".to_owned()));
        assert_eq!(mode(), VenueMode::CancelOnly);
        standing.clock(Some("clock".to_owned()));
        assert_eq!(mode(), VenueMode::Halted);
        standing.halt("401".to_owned());
        standing.clock(None);
        standing.pause(None);
        standing.reconciled(true);
        assert_eq!(*standing.watch().borrow(), VenueStanding { mode: VenueMode::Halted, why: "401".to_owned() });
        standing.clear_halt();
        assert_eq!(mode(), VenueMode::Open);
    }

    #[test]
    fn watchers_are_woken_by_changes_only() {
        let standing = Standing::default();
        let mut watcher = standing.watch();
        standing.clock(None);
        assert!(!watcher.has_changed().expect("open"));
        standing.reconciled(true);
        assert!(watcher.has_changed().expect("open"));
        watcher.mark_unchanged();
        standing.reconciled(true);
        assert!(!watcher.has_changed().expect("open"));
    }
}
