//! The dead man's switch (`polymarket.md` §5): beats chain by their ids; a missing one costs the key its open orders.

use super::core::{Core, Job};
use super::orders::Status;
use crate::domain::time::Time;
use crate::exchange::ids::{Id, OrderNo};

#[derive(Clone, Copy, Debug)]
pub struct Beat {
    /// What the next beat must name.
    pub expected: Id,
    pub at: Time,
    /// It was missed: whoever comes next begins a new chain. What the venue does then is not documented.
    pub missed: bool,
}

impl Core {
    /// The id for the next beat. Errors: the id that was expected.
    pub fn beat(&mut self, key: &str, given: &str) -> Result<Id, Id> {
        let now = self.now();
        if let Some(beat) = self.beats.get(key)
            && !beat.missed
            && Id::parse(given) != Some(beat.expected)
        {
            return Err(beat.expected);
        }
        let expected = self.new_id();
        self.beats.insert(key.to_owned(), Beat { expected, at: now, missed: false });
        let due = now.plus_ms(self.rules.heartbeat_ms);
        let sweep = self.rules.heartbeat_sweep_ms.max(1);
        let swept = due.ms().div_euclid(sweep) * sweep + sweep;
        self.schedule(Time::from_ms(swept), Job::Beat(key.to_owned()));
        Ok(expected)
    }

    pub fn sweep(&mut self, key: &str) {
        let now = self.now();
        let timeout_ms = self.rules.heartbeat_ms;
        let Some(beat) = self.beats.get_mut(key).filter(|beat| !beat.missed && now.ms_since(beat.at) >= timeout_ms) else { return };
        beat.missed = true;
        for order in self.open_of_key(key) {
            self.end(order, Status::canceled());
        }
    }

    /// Open orders that came with this API key.
    pub fn open_of_key(&self, key: &str) -> Vec<OrderNo> {
        let orders = self.members().flat_map(|account| self.account(account).orders.clone());
        orders.filter(|no| self.order(*no).is_live() && self.order(*no).new.owner == key).collect()
    }
}
