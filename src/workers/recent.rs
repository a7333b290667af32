//! Signals that were answered without a record: holds and repeats, the last ones only, for `explain`.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::answer::{Answer, AnswerKind};
use crate::domain::ids::SignalId;

/// Ids that are remembered.
const RECENT_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub struct Recent {
    seen: BTreeMap<SignalId, Seen>,
    order: VecDeque<SignalId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub ignored: bool,
    pub repeats: u64,
}

impl Recent {
    pub fn note(&mut self, answer: &Answer) {
        let Some(id) = &answer.signal_id else { return };
        if !matches!(answer.answer, AnswerKind::Ignored | AnswerKind::Duplicate) {
            return;
        }
        if !self.seen.contains_key(id) {
            if self.order.len() == RECENT_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
            self.order.push_back(id.clone());
        }
        let seen = self.seen.entry(id.clone()).or_default();
        seen.ignored |= answer.answer == AnswerKind::Ignored;
        seen.repeats += u64::from(answer.answer == AnswerKind::Duplicate);
    }

    pub fn get(&self, id: &SignalId) -> Seen {
        self.seen.get(id).copied().unwrap_or_default()
    }
}
