//! Messages that wait for the channel: so many and no more, the critical ones first.

use std::collections::VecDeque;

use super::message::Message;

/// A channel that is down for longer than these take to come gets a count of the rest.
pub const WAITING_MAX: usize = 64;

/// A message and how often it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub message: Message,
    pub tries: u32,
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// Dropped or given up since the channel last worked.
    lost: u64,
    /// One is under way.
    sending: bool,
}

impl Queue {
    /// False when a message had to go for it: the oldest that isn't critical, or this one.
    pub fn push(&mut self, message: Message) -> bool {
        let full = self.waiting.len() >= WAITING_MAX;
        if full {
            self.lost += 1;
            match self.waiting.iter().position(|other| !other.message.critical) {
                Some(at) => self.waiting.remove(at),
                None => return false,
            };
        }
        self.waiting.push_back(Waiting { message, tries: 0 });
        !full
    }

    /// The oldest critical one, else the oldest.
    pub fn pop(&mut self) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.message.critical).unwrap_or(0);
        let next = self.waiting.remove(at);
        self.sending = next.is_some();
        next
    }

    /// The one under way has come through, or is given up.
    pub fn done(&mut self) {
        self.sending = false;
    }

    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.sending
    }

    /// To be tried again, before those that came later.
    pub fn put_back(&mut self, waiting: Waiting) {
        self.sending = false;
        self.waiting.push_front(waiting);
    }

    pub fn lose(&mut self) {
        self.lost += 1;
    }

    /// How many were lost, to be told now that the channel works.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;
    use crate::domain::time::Time;

    fn message(text: &str, critical: bool) -> Message {
        Message { kind: Kind::Fill, critical, text: text.to_owned(), key: text.to_owned(), ends: None, seq: 0, at: Time::default() }
    }

    #[test]
    fn the_critical_ones_go_first_and_a_second_try_before_later_ones() {
        let mut queue = Queue::default();
        for (text, critical) in [("a", false), ("b", true), ("c", false), ("d", true)] {
            assert!(queue.push(message(text, critical)));
        }
        let first = queue.pop().expect("one");
        assert_eq!(first.message.text, "b");
        queue.put_back(Waiting { tries: 1, ..first });
        let order: Vec<String> = std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.message.text).collect();
        assert_eq!(order, ["b", "d", "a", "c"]);
    }

    #[test]
    fn a_full_queue_gives_up_the_oldest_that_is_not_critical_and_counts_it() {
        let mut queue = Queue::default();
        for n in 0..WAITING_MAX {
            assert!(queue.push(message(&n.to_string(), n % 2 == 0)));
        }
        assert!(!queue.push(message("kill", true)));
        assert!(queue.waiting.iter().all(|waiting| waiting.message.text != "1"));
        for n in 0..WAITING_MAX {
            queue.push(message(&format!("more {n}"), true));
        }
        assert!(queue.waiting.iter().all(|waiting| waiting.message.critical));
        assert_eq!((queue.waiting.len(), queue.take_lost(), queue.take_lost()), (WAITING_MAX, WAITING_MAX as u64 + 1, 0));
        assert_eq!(queue.pop().expect("the oldest").message.text, "0");
    }
}
