//! Named points between every two effects of the workers, at which a program built for tests dies or stands still.
//!
//! Without the cargo feature `test-hooks`, which no release has, a point is nothing. With it, and armed, the n-th pass
//! through the named point is the last thing that the process does (it aborts, which like kill -9 writes and sends
//! nothing more), or it stops itself as by `kill -STOP` until somebody lets it go on, or that thread alone panics.

use std::fmt;
use std::str::FromStr;

macro_rules! points {
    ($($(#[doc = $doc:literal])* $point:ident $name:literal,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[doc = $doc])* $point,)+
        }

        impl Point {
            /// Every point, in the order of the flow.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// The log is open, locked and folded.
    StartLogOpened "start_log_opened",
    /// Of several leases one is taken.
    StartLeaseTaken "start_lease_taken",
    /// Accounts were looked at and may be traded on; no session has begun.
    StartVenuesOpened "start_venues_opened",
    /// The session was handed to the engine.
    StartSessionBegun "start_session_begun",
    /// Everything runs; signals are about to be read.
    StartUp "start_up",
    /// A lease is about to be renewed, or was a moment ago.
    LeaseRenewBefore "lease_renew_before",
    LeaseRenewAfter "lease_renew_after",
    /// A signal has come and nobody knows of it yet.
    SignalTaken "signal_taken",
    /// The engine's queue has it.
    SignalHanded "signal_handed",
    /// Decided and folded, but nothing of it is done; and all of it is under way.
    EffectsBefore "effects_before",
    EffectsAfter "effects_after",
    /// The question to the risk consumer, and its answer, which the engine hasn't heard yet.
    VerdictAskBefore "verdict_ask_before",
    VerdictAskAfter "verdict_ask_after",
    /// A record was folded by the risk consumer.
    RiskRecordAfter "risk_record_after",
    /// A verdict exists, with its grant; and it was handed to the bus.
    RiskAnswerBefore "risk_answer_before",
    RiskAnswerAfter "risk_answer_after",
    /// What risk says unasked.
    RiskTellBefore "risk_tell_before",
    RiskTellAfter "risk_tell_after",
    /// An order signed ahead of its verdict.
    PrepareBefore "prepare_before",
    PrepareAfter "prepare_after",
    /// Around the journal's write and its sync.
    JournalAppendBefore "journal_append_before",
    JournalAppendAfter "journal_append_after",
    JournalSyncAfter "journal_sync_after",
    /// Durable and readable, before and after the engine is told.
    DurableTellBefore "durable_tell_before",
    DurableTellAfter "durable_tell_after",
    /// Around a batch for sled.
    SledInsertBefore "sled_insert_before",
    SledInsertAfter "sled_insert_after",
    /// An order at the socket, before the last look at the lease; its answer, read whole; that answer, handed over.
    KalshiSubmitBefore "kalshi_submit_before",
    KalshiSubmitAfter "kalshi_submit_after",
    PolymarketSubmitBefore "polymarket_submit_before",
    PolymarketSubmitAfter "polymarket_submit_after",
    PaperSubmitBefore "paper_submit_before",
    PaperSubmitAfter "paper_submit_after",
    SubmitAnswered "submit_answered",
    /// The same of a cancel.
    KalshiCancelBefore "kalshi_cancel_before",
    KalshiCancelAfter "kalshi_cancel_after",
    PolymarketCancelBefore "polymarket_cancel_before",
    PolymarketCancelAfter "polymarket_cancel_after",
    PaperCancelBefore "paper_cancel_before",
    PaperCancelAfter "paper_cancel_after",
    CancelAnswered "cancel_answered",
    /// An order of unknown fate is asked about; what was found isn't known to the engine.
    LookUpBefore "look_up_before",
    LookUpAfter "look_up_after",
    /// The account was read whole, and the engine hasn't heard.
    AccountRead "account_read",
    /// Fills and ends as the stream tells them, not heard by the engine; and heard.
    NewsBefore "news_before",
    NewsAfter "news_after",
    /// A record on its way to everybody.
    PublishBefore "publish_before",
    PublishAfter "publish_after",
    /// A message that nobody understood, before and after it is kept.
    DeadLetterBefore "dead_letter_before",
    DeadLetterAfter "dead_letter_after",
    /// An answer on its way to the strategy.
    AnswerBefore "answer_before",
    AnswerAfter "answer_after",
    /// The server has read the answers; the signal may be forgotten; it is.
    AcknowledgeBefore "acknowledge_before",
    AcknowledgeAfter "acknowledge_after",
    /// Somebody wants the process to end: no more is decided; the last record is durable; leases are to be given back.
    StopAsked "stop_asked",
    StopFlushed "stop_flushed",
}

/// What happens at a point, and on which pass through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arming {
    pub point: Point,
    /// From 1.
    pub pass: u64,
    pub how: How,
}

/// What a process does at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Dies,
    Stops,
    Panics,
}

/// Why a text arms nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnArming(String);

impl fmt::Display for NotAnArming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not NAME:PASS, NAME:PASS:stop or NAME:PASS:panic with the name of a crash point and a pass from 1", self.0)
    }
}

impl std::error::Error for NotAnArming {}

impl FromStr for Arming {
    type Err = NotAnArming;

    /// `journal_sync_after:3` dies on the third pass, `journal_sync_after:3:stop` stands still, `…:3:panic` panics.
    fn from_str(text: &str) -> Result<Self, NotAnArming> {
        let mut parts = text.split(':');
        let point = parts.next().and_then(|name| Point::ALL.iter().find(|point| point.name() == name));
        let pass = parts.next().and_then(|pass| pass.parse().ok()).filter(|pass| *pass > 0);
        let how = match parts.next() {
            None => Some(How::Dies),
            Some("stop") => Some(How::Stops),
            Some("panic") => Some(How::Panics),
            Some(_) => None,
        };
        match (point, pass, how, parts.next()) {
            (Some(point), Some(pass), Some(how), None) => Ok(Self { point: *point, pass, how }),
            _ => Err(NotAnArming(text.to_owned())),
        }
    }
}

#[cfg(not(feature = "test-hooks"))]
mod hook {
    use super::{Arming, Point};

    #[inline(always)]
    pub fn reach(_point: Point) {}

    /// `false`: this program was built without crash points.
    pub fn arm(_arming: Arming) -> bool {
        false
    }
}

#[cfg(feature = "test-hooks")]
mod hook {
    use std::process::{Command, abort, id};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::{Arming, How, Point};

    const STANDS_STILL_WITHIN: Duration = Duration::from_millis(500);

    static ARMED: OnceLock<Arming> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    /// The process is here.
    pub fn reach(point: Point) {
        let Some(arming) = ARMED.get().filter(|arming| arming.point == point) else { return };
        if PASSES.fetch_add(1, Ordering::Relaxed) + 1 == arming.pass {
            act(arming);
        }
    }

    /// Once a process; later armings are ignored.
    pub fn arm(arming: Arming) -> bool {
        ARMED.set(arming).is_ok()
    }

    fn act(arming: &Arming) {
        eprintln!("crash point {} reached, pass {}", arming.point.name(), arming.pass);
        match arming.how {
            How::Dies => abort(),
            How::Stops => stop(arming),
            How::Panics => panic!("crash point {} panics", arming.point.name()),
        }
    }

    fn stop(arming: &Arming) {
        let stopped = Command::new("sh").args(["-c", &format!("kill -STOP {}", id())]).status();
        // The signal has been sent, but another thread may be the one to take it, a moment later: this one must not go on
        // before all of them stand still.
        thread::sleep(STANDS_STILL_WITHIN);
        eprintln!("crash point {} left again: {stopped:?}", arming.point.name());
    }
}

pub use hook::{arm, reach};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_an_arming_names_one() {
        let names: std::collections::BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        let arming = "journal_sync_after:3".parse();
        assert_eq!(arming, Ok(Arming { point: Point::JournalSyncAfter, pass: 3, how: How::Dies }));
        for (text, how) in [("start_up:1:stop", How::Stops), ("start_up:1:panic", How::Panics)] {
            assert_eq!(text.parse(), Ok(Arming { point: Point::StartUp, pass: 1, how }));
        }
        for bad in ["", "start_up", "start_up:0", "start_up:x", "nowhere:1", "start_up:1:halt", "start_up:1:stop:2"] {
            assert_eq!(bad.parse::<Arming>(), Err(NotAnArming(bad.to_owned())));
        }
    }
}
