//! Whether the venue takes our orders, as far as the client can tell: why not, and who has to do something.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

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
    paused: Option<(VenueMode, String)>,
    /// The dead man's switch is not held: resting orders may be cancelled at any moment.
    unheld: Option<String>,
    /// The venue takes nothing but closes of this account.
    close_only: Option<String>,
    reconciled: bool,
    /// Breaks of the stream so far.
    breaks: u64,
}

impl Facts {
    fn standing(&self) -> VenueStanding {
        let halted = self.halted.as_ref().or(self.clock.as_ref()).map(|why| (VenueMode::Halted, why));
        let paused = self.paused.as_ref().map(|(mode, why)| (*mode, why));
        let unheld = self.unheld.as_ref().map(|why| (VenueMode::CancelOnly, why));
        let (mode, why) = match halted.or(paused).or(unheld) {
            Some((mode, why)) => (mode, why.clone()),
            None if self.close_only.is_some() => (VenueMode::CloseOnly, self.close_only.clone().unwrap_or_default()),
            None if !self.reconciled => (VenueMode::Reconciling, "not read completely yet".to_owned()),
            None => (VenueMode::Open, String::new()),
        };
        VenueStanding { mode, why }
    }
}

/// Why nothing that trades may leave this process now, if so.
type Guard = Box<dyn Fn() -> Option<String> + Send + Sync>;

pub struct Standing {
    facts: Mutex<Facts>,
    sender: watch::Sender<VenueStanding>,
    guard: OnceLock<Guard>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", *self.sender.borrow())
    }
}

impl Default for Standing {
    fn default() -> Self {
        let facts = Facts::default();
        let sender = watch::Sender::new(facts.standing());
        Self { facts: Mutex::new(facts), sender, guard: OnceLock::new() }
    }
}

impl Standing {
    /// Asked right before each request that trades goes to the socket; the first one counts.
    pub fn guarded_by(&self, guard: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let _ = self.guard.set(Box::new(guard));
    }

    /// Errors: why not. Without a guard (a doctor, a test) everything may.
    pub fn may_trade(&self) -> Result<(), String> {
        self.guard.get().and_then(|guard| guard()).map_or(Ok(()), Err)
    }

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
        self.pause_as(VenueMode::CancelOnly, why);
    }

    /// The same, by how little still goes: post-only or cancels.
    pub fn pause_as(&self, mode: VenueMode, why: Option<String>) {
        self.change(|facts| facts.paused = why.map(|why| (mode, why)));
    }

    /// The venue has left the account nothing but closes, or has opened it again.
    pub fn close_only(&self, why: Option<String>) {
        self.change(|facts| facts.close_only = why);
    }

    /// A dead man's switch that isn't held, or is again; orders may have been cancelled meanwhile, so the account is to be
    /// read before anything opens.
    pub fn unheld(&self, why: Option<String>) {
        self.change(|facts| {
            if facts.unheld.is_some() && why.is_none() {
                facts.reconciled = false;
                facts.breaks += 1;
            }
            facts.unheld = why;
        });
    }

    /// The stream broke: what was read before may have changed unheard.
    pub fn broken(&self) {
        self.change(|facts| {
            facts.reconciled = false;
            facts.breaks += 1;
        });
    }

    pub fn breaks(&self) -> u64 {
        self.locked().breaks
    }

    /// The account was read completely, begun after this many breaks; a break since then asks for another reading.
    pub fn reconciled(&self, breaks: u64) {
        self.change(|facts| facts.reconciled |= facts.breaks == breaks);
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
        standing.reconciled(0);
        assert_eq!(mode(), VenueMode::Open);
        standing.pause(Some("maintenance".to_owned()));
        assert_eq!(mode(), VenueMode::CancelOnly);
        standing.clock(Some("clock".to_owned()));
        assert_eq!(mode(), VenueMode::Halted);
        standing.halt("401".to_owned());
        standing.clock(None);
        standing.pause(None);
        standing.reconciled(0);
        assert_eq!(*standing.watch().borrow(), VenueStanding { mode: VenueMode::Halted, why: "401".to_owned() });
        standing.clear_halt();
        assert_eq!(mode(), VenueMode::Open);
    }

    #[test]
    fn a_reading_from_before_a_break_opens_nothing() {
        let standing = Standing::default();
        let begun = standing.breaks();
        standing.broken();
        standing.reconciled(begun);
        assert_eq!(standing.watch().borrow().mode, VenueMode::Reconciling);
        standing.reconciled(standing.breaks());
        assert_eq!(standing.watch().borrow().mode, VenueMode::Open);
    }

    #[test]
    fn a_switch_that_was_let_go_asks_for_a_reading_once_it_is_held_again() {
        let standing = Standing::default();
        let mode = || standing.watch().borrow().mode;
        standing.reconciled(0);
        standing.unheld(None);
        assert_eq!(mode(), VenueMode::Open, "nothing was let go");
        standing.unheld(Some("no heartbeat".to_owned()));
        assert_eq!(mode(), VenueMode::CancelOnly);
        standing.unheld(None);
        assert_eq!(mode(), VenueMode::Reconciling);
        standing.pause_as(VenueMode::PostOnly, Some("restart".to_owned()));
        assert_eq!(mode(), VenueMode::PostOnly);
    }

    #[test]
    fn an_account_that_may_only_close_says_so_until_it_may_open_again() {
        let standing = Standing::default();
        let mode = || standing.watch().borrow().mode;
        standing.close_only(Some("closed only".to_owned()));
        assert_eq!(mode(), VenueMode::CloseOnly, "before anything is read");
        standing.reconciled(0);
        standing.pause(Some("maintenance".to_owned()));
        assert_eq!(mode(), VenueMode::CancelOnly, "a pause is graver");
        standing.pause(None);
        assert_eq!(mode(), VenueMode::CloseOnly);
        standing.close_only(None);
        assert_eq!(mode(), VenueMode::Open);
    }

    #[test]
    fn watchers_are_woken_by_changes_only() {
        let standing = Standing::default();
        let mut watcher = standing.watch();
        standing.clock(None);
        assert!(!watcher.has_changed().expect("open"));
        standing.reconciled(0);
        assert!(watcher.has_changed().expect("open"));
        watcher.mark_unchanged();
        standing.reconciled(0);
        assert!(!watcher.has_changed().expect("open"));
    }
}
