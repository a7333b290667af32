//! What a call to a venue can come to, told by what it proves.

use thiserror::Error;

use super::http::Unanswered;

/// Something that has no form on the other side: never guessed at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}")]
pub struct Untranslatable {
    pub what: &'static str,
    pub why: String,
}

pub fn no<T>(what: &'static str, why: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable { what, why: why.into() })
}

/// A venue's refusal: any status that is no success.
pub trait Refuses: std::fmt::Display {
    fn status(&self) -> u16;
}

/// Why a call brought no answer, by what that proves.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError<R: Refuses> {
    /// No byte left this machine.
    #[error("not sent: {why}")]
    NotSent { why: String },
    /// Not sent: our own budget has no tokens for it.
    #[error("not sent: the rate budget has no room for another {retry_after_ms} ms")]
    Budget { retry_after_ms: i64 },
    /// The venue answered, and not with success.
    #[error("{refusal}")]
    Refused { refusal: R, retry_after_ms: Option<i64> },
    /// It may have been processed: no answer, or one that cannot be read.
    #[error("{why}")]
    Unclear { why: String },
    /// Nothing the venue would understand: our own fault.
    #[error(transparent)]
    Unbuildable(#[from] Untranslatable),
}

impl<R: Refuses> CallError<R> {
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.status()),
            _ => None,
        }
    }
}

impl<R: Refuses> From<Unanswered> for CallError<R> {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotSent { why } => Self::NotSent { why },
            Unanswered::Unclear { why } => Self::Unclear { why },
        }
    }
}

/// Pages of a listing that are read: more than an account of ours gathers in two weeks.
pub const PAGES_MAX: usize = 100;

/// A listing is complete or it says why not; half of one proves nothing.
#[derive(Debug, Error)]
pub enum Incomplete<R: Refuses> {
    #[error("{what}: page {page} came again: the venue does not know its own cursor")]
    RepeatedPage { what: &'static str, page: usize },
    #[error("{what}: more than {PAGES_MAX} pages")]
    TooManyPages { what: &'static str },
    #[error("{what}: {error}")]
    Broken { what: &'static str, error: CallError<R> },
    /// A row that has no meaning for us: the list can't be relied on.
    #[error(transparent)]
    Row(#[from] Untranslatable),
    #[error("{0}")]
    Unsure(String),
}
