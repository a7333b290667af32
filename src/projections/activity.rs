//! What happened lately, by recorded times.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::ids::GameId;
use crate::domain::money::Usd;
use crate::domain::order::{Action, Order};
use crate::domain::time::Time;

const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Approved opens of the last hour; the hourly limit bounds it.
    opens: VecDeque<Time>,
    /// Dollars of the opens approved today, fees aside, filled or not.
    #[serde(default)]
    pub day_notional: Usd,
    /// Rejected or unknown since the last success.
    pub errors_in_a_row: u32,
    /// When each game's last round trip closed, and what it realised.
    closed: BTreeMap<GameId, (Time, Usd)>,
}

impl Activity {
    /// Approved opens since `window_ms` before `now`.
    pub fn opens_within(&self, now: Time, window_ms: i64) -> u32 {
        self.opens.iter().rev().take_while(|at| now.ms_since(**at) < window_ms).count() as u32
    }

    pub fn last_closed(&self, game: &GameId) -> Option<(Time, Usd)> {
        self.closed.get(game).copied()
    }

    pub(super) fn approved(&mut self, order: &Order, at: Time) {
        if order.action != Action::Buy {
            return;
        }
        self.day_notional += order.notional();
        while self.opens.front().is_some_and(|first| at.ms_since(*first) >= HOUR_MS) {
            self.opens.pop_front();
        }
        self.opens.push_back(at);
    }

    pub(super) fn succeeded(&mut self) {
        self.errors_in_a_row = 0;
    }

    pub(super) fn failed(&mut self) {
        self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
    }

    pub(super) fn closed(&mut self, game: &GameId, realized: Usd, at: Time) {
        self.closed.insert(game.clone(), (at, realized));
    }

    /// A new trading day.
    pub(super) fn start_day(&mut self, at: Time) {
        self.day_notional = Usd::ZERO;
        self.forget_before(at.plus_ms(-24 * HOUR_MS));
    }

    fn forget_before(&mut self, at: Time) {
        self.closed.retain(|_, (when, _)| *when >= at);
    }
}
