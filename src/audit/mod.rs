//! The auditor: reads the log and its fold, never writes.
//!
//! `views` are what people and programs see of the present; `explain` is the story of one signal; `replay` and `verify` are the
//! second opinion. Absent: clocks, sockets, any way to change something.

/// Why a signal did or did not trade.
pub mod explain;
/// What is read of a log.
pub mod history;
/// One event as the auditor tells it.
mod narrate;
/// The fold from zero.
pub mod replay;
/// A day or a week on a page.
pub mod report;
/// Events as lines and as JSON.
pub mod tail;
/// The day as a funnel and a curve.
pub mod today;
/// What every history must obey.
pub mod verify;
/// The present, in numbers.
pub mod views;

#[cfg(test)]
pub mod fixture;

pub use explain::{ExplainError, Explainer, Story, Unlogged};
pub use history::{DeadLetterInfo, History, MemoryHistory, RawRecord, ReadError, SignalRef};
pub use replay::{ReplayReport, Until, replay};
