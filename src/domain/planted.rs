//! Bugs that tests plant on purpose, to see that the simulation finds them. Outside of test builds (`test-hooks`) nothing can be
//! planted, and nothing of this is left in the program.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// One way to lose money that was seen in public bots.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $doc])+ $name),+ }

        impl Bug {
            /// Every bug with what it is.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, concat!($($doc),+))),+];
        }
    };
}

bugs! {
    /// The order id depends on the session, not on the signal alone.
    RandomIds,
    /// A timeout counts as a failure.
    TimeoutIsFailed,
    /// A fill that comes twice is booked twice.
    NoFillDedupe,
    /// An order is sent before its record is durable.
    SendBeforeSync,
    /// A signal is answered before its record is durable.
    AnswerBeforeSync,
    /// What the first look-up doesn't show was never placed.
    NotFoundIsFinal,
    /// Grants that the log doesn't hold yet take no room.
    NoReservation,
    /// NO is marked at the YES bid.
    NoAtYes,
    /// A trade that fails stays booked.
    ReversalForgotten,
    /// A verdict counts for whatever was asked.
    ApprovalReused,
    /// Expiry isn't looked at again right before the send.
    ExpiryUnchecked,
    /// A loss trip is tried again like an error trip.
    LossTripProbes,
    /// A cancel answered "not found" is a cancel with nothing filled.
    CancelNotFoundIsCanceled,
    /// Risk answers though its fold is behind.
    StaleRiskState,
    /// A refusal of a resend closes the order.
    RefusedResendCloses,
    /// What an order held back is freed when it ends, before its fills are here.
    FreedBeforeFills,
    /// Closes that work don't count against what may be closed.
    ClosesOverlap,
    /// A risk consumer that has just started grants at once.
    RiskForgetsGrants,
    /// A restart clears the kill.
    KillForgotten,
    /// An order of unknown fate holds nothing back.
    UnknownIsFree,
    /// An order that doesn't rest is sent again like one that does.
    IocResent,
    /// A verdict may be used for as long as its signal lives.
    VerdictNeverDies,
    /// Reserved cash isn't taken from what is free.
    CashSpentTwice,
}

#[cfg(feature = "test-hooks")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static QUICK_SEALS: Cell<bool> = const { Cell::new(false) };
    }

    /// From now on this thread runs with this bug.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// From now on verdicts are sealed by a hash on this thread: a million simulated worlds need no curve for what any verdict of
    /// the one key there would pass.
    pub fn seal_quickly(quickly: bool) {
        QUICK_SEALS.set(quickly);
    }

    /// Whether verdicts are sealed by a hash on this thread.
    pub fn seals_quickly() -> bool {
        QUICK_SEALS.get()
    }

    /// Whether this thread runs with this bug.
    pub fn has(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "test-hooks")]
pub use switch::{has, plant, seal_quickly, seals_quickly};

/// Never, outside of test builds.
#[cfg(not(feature = "test-hooks"))]
pub const fn has(_bug: Bug) -> bool {
    false
}

/// Never, outside of test builds.
#[cfg(not(feature = "test-hooks"))]
pub const fn seals_quickly() -> bool {
    false
}
