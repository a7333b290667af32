//! What the sender of a signal hears (`answers.<mode>.<instance>`).

use serde::{Deserialize, Serialize};

use super::ids::{Hash, OrderId, SignalId};
use super::time::Time;
use super::verdict::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// Approved; an order is on its way.
    Requested,
    /// Understood, but at least one check failed.
    Vetoed,
    /// Not understood, or contradictory.
    Rejected,
    /// The same signal was answered before.
    Duplicate,
    /// Nothing to do: hold.
    Ignored,
}

impl AnswerKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Vetoed => "vetoed",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The same for every repeat of the same answer, so that receivers can drop repeats.
    pub answer_id: Hash,
    /// Absent when the message could not be read that far.
    pub signal_id: Option<SignalId>,
    pub answer: AnswerKind,
    /// All failed checks of a veto, and what the vocabulary says of a rejection.
    pub reasons: Vec<Failure>,
    /// A rejection in words: which field, which value, what is allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// What the first delivery was answered, when this is a duplicate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_answer: Option<AnswerKind>,
    pub answered_at: Time,
}
