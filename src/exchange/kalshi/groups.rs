//! Order groups: a fuse that blows when too much of a group is matched within fifteen seconds (`kalshi.md` §2.6).

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;

use super::core::Core;
use super::notices::{Body, Channel, Notice};
use super::refusal::Refusal;
use super::wire::count;
use crate::domain::money::Quantity;
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, Id, OrderNo};

const WINDOW_MS: i64 = 15_000;

#[derive(Clone, Debug)]
pub struct Group {
    pub account: AccountNo,
    pub shard: u32,
    pub limit: Quantity,
    pub triggered: bool,
    matched: VecDeque<(Time, Quantity)>,
}

impl Group {
    pub fn new(account: AccountNo, shard: u32, limit: Quantity) -> Self {
        Self { account, shard, limit, triggered: false, matched: VecDeque::new() }
    }

    fn in_window(&mut self, now: Time) -> Quantity {
        while self.matched.front().is_some_and(|(at, _)| now.ms_since(*at) >= WINDOW_MS) {
            self.matched.pop_front();
        }
        self.matched.iter().map(|(_, quantity)| *quantity).sum()
    }

    /// "When the limit is hit": at the limit, not beyond it.
    fn is_hit(&mut self, now: Time) -> bool {
        self.in_window(now) >= self.limit
    }

    fn matched(&mut self, now: Time, quantity: Quantity) {
        self.matched.push_back((now, quantity));
    }

    fn reset(&mut self) {
        self.triggered = false;
        self.matched.clear();
    }
}

/// All of them, by id.
pub type Groups = BTreeMap<Id, Group>;

impl Core {
    pub fn create_group(&mut self, account: AccountNo, shard: u32, limit: Quantity) -> Id {
        let id = self.new_id();
        self.groups.insert(id, Group::new(account, shard, limit));
        self.tell_group(id, "created");
        id
    }

    /// A group of this account. Errors: 404.
    pub fn group(&self, account: AccountNo, id: Id) -> Result<&Group, Refusal> {
        self.groups.get(&id).filter(|group| group.account == account).ok_or_else(Refusal::not_found)
    }

    fn group_mut(&mut self, account: AccountNo, id: Id) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(&id).filter(|group| group.account == account).ok_or_else(Refusal::not_found)
    }

    pub fn set_group_limit(&mut self, account: AccountNo, id: Id, limit: Quantity) -> Result<(), Refusal> {
        let now = self.now();
        let group = self.group_mut(account, id)?;
        group.limit = limit;
        let hit = !group.triggered && group.is_hit(now);
        self.tell_group(id, "limit_updated");
        if hit { self.trigger_group(account, id) } else { Ok(()) }
    }

    pub fn reset_group(&mut self, account: AccountNo, id: Id) -> Result<(), Refusal> {
        self.group_mut(account, id)?.reset();
        self.tell_group(id, "reset");
        Ok(())
    }

    /// Cancels what rests in the group and refuses what is new, until it is reset.
    pub fn trigger_group(&mut self, account: AccountNo, id: Id) -> Result<(), Refusal> {
        self.group_mut(account, id)?.triggered = true;
        self.tell_group(id, "triggered");
        self.cancel_group(account, id);
        Ok(())
    }

    pub fn delete_group(&mut self, account: AccountNo, id: Id) -> Result<(), Refusal> {
        self.group(account, id)?;
        self.cancel_group(account, id);
        self.tell_group(id, "deleted");
        self.groups.remove(&id);
        Ok(())
    }

    pub fn group_orders(&self, account: AccountNo, id: Id) -> Vec<OrderNo> {
        let resting = self.account(account).resting.values().flatten().copied();
        resting.filter(|no| self.order(*no).group == Some(id)).collect()
    }

    fn cancel_group(&mut self, account: AccountNo, id: Id) {
        for no in self.group_orders(account, id) {
            self.cancel_resting(no, None);
        }
    }

    /// Counts a fill against its order's group, and blows the fuse.
    pub fn count_in_group(&mut self, id: Id, quantity: Quantity) {
        let now = self.now();
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.matched(now, quantity);
        let (account, hit) = (group.account, !group.triggered && group.is_hit(now));
        if hit {
            // It exists: it was just found.
            let _ = self.trigger_group(account, id);
        }
    }

    fn tell_group(&mut self, id: Id, event: &'static str) {
        let Some(group) = self.groups.get(&id) else { return };
        let mut msg = json!({ "event_type": event, "order_group_id": id, "ts_ms": self.now().ms() });
        if matches!(event, "created" | "limit_updated") {
            msg["contracts_limit_fp"] = count(group.limit).into();
        }
        let (account, body) = (Some(group.account), Body::Message(msg));
        self.tell(Notice { channel: Channel::OrderGroupUpdates, kind: "order_group_updates", market: None, account, body });
    }
}
