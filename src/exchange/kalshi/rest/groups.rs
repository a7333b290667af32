//! Order groups over REST.

use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::wire::count;
use super::body::Body;
use super::{Answer, Cx};
use crate::domain::money::Quantity;
use crate::exchange::ids::Id;

impl Cx<'_> {
    fn group_id(&self) -> Result<Id, Refusal> {
        Id::parse(self.id).ok_or_else(Refusal::not_found)
    }

    pub fn create_group(&mut self) -> Answer {
        let body = Body::parse("CreateOrderGroupRequest", self.body)?;
        let (limit, shard) = (limit_of(&body)?, body.shard()?.unwrap_or(0));
        let id = self.core.create_group(self.account()?, shard, limit);
        Ok((201, json!({ "order_group_id": id, "subaccount": 0, "exchange_index": shard })))
    }

    pub fn list_groups(&mut self) -> Answer {
        let account = self.account()?;
        let own = self.core.groups.iter().filter(|(_, group)| group.account == account);
        let rows = own.map(|(id, group)| {
            json!({
                "id": id, "contracts_limit_fp": count(group.limit), "is_auto_cancel_enabled": true, "exchange_index": group.shard,
            })
        });
        Ok((200, json!({ "order_groups": rows.collect::<Vec<_>>() })))
    }

    pub fn get_group(&mut self) -> Answer {
        let (account, id) = (self.account()?, self.group_id()?);
        let group = self.core.group(account, id)?;
        let orders: Vec<Id> = self.core.group_orders(account, id).into_iter().map(|no| self.core.order(no).id).collect();
        Ok((
            200,
            json!({
                "is_auto_cancel_enabled": true, "contracts_limit_fp": count(group.limit), "orders": orders, "exchange_index": group.shard,
            }),
        ))
    }

    pub fn delete_group(&mut self) -> Answer {
        let id = self.group_id()?;
        self.core.delete_group(self.account()?, id)?;
        Ok((200, json!({})))
    }

    pub fn reset_group(&mut self) -> Answer {
        let id = self.group_id()?;
        self.core.reset_group(self.account()?, id)?;
        Ok((200, json!({})))
    }

    pub fn trigger_group(&mut self) -> Answer {
        let id = self.group_id()?;
        self.core.trigger_group(self.account()?, id)?;
        Ok((200, json!({})))
    }

    pub fn limit_group(&mut self) -> Answer {
        let body = Body::parse("UpdateOrderGroupLimitRequest", self.body)?;
        let (limit, id) = (limit_of(&body)?, self.group_id()?);
        self.core.set_group_limit(self.account()?, id, limit)?;
        Ok((200, Value::Object(serde_json::Map::new())))
    }
}

/// Whole contracts or text; both together must say the same.
fn limit_of(body: &Body) -> Result<Quantity, Refusal> {
    let whole = body.integer("contracts_limit")?;
    if whole.is_some_and(|whole| !(1..=100_000_000).contains(&whole)) {
        return Err(body.invalid("contracts_limit", "gte"));
    }
    let whole = whole.map(Quantity::whole);
    let limit = match (whole, body.count("contracts_limit_fp")?) {
        (Some(whole), Some(text)) if whole != text => return Err(body.invalid("contracts_limit_fp", "eqfield")),
        (whole, text) => text.or(whole).ok_or_else(|| body.missing("contracts_limit"))?,
    };
    if limit > Quantity::ZERO { Ok(limit) } else { Err(body.invalid("contracts_limit_fp", "gt")) }
}
