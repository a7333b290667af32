//! Creates and cancels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::core::Core;
use super::super::orders::{Kind, Status};
use super::super::payload::understood;
use super::super::place::{FAK_KILLED, FOK_KILLED, Wait};
use super::super::refusal::Refusal;
use super::super::show::amount;
use super::{Answer, Cx};
use crate::domain::money::Quantity;
use crate::exchange::ids::OrderNo;

/// Entries of a batch (`polymarket.md` §4).
const BATCH_MAX: usize = 15;
const CANCELS_MAX: usize = 1_000;

/// The documented no, which a batch says under `success: true`.
pub fn refused_row(success: bool, text: &str) -> Value {
    json!({ "success": success, "errorMsg": text, "orderID": "", "status": "", "makingAmount": "", "takingAmount": "" })
}

/// What a create says of an order: as it is now.
pub fn placed(core: &Core, no: OrderNo) -> Answer {
    let order = core.order(no);
    let status = match &order.view.status {
        Status::Live => "live",
        Status::Matched => "matched",
        Status::Delayed => "delayed",
        Status::Ended(_) if order.view.matched.is_zero() && !order.new.kind.rests() => {
            return Err(Refusal::bad(if order.new.kind == Kind::Fok { FOK_KILLED } else { FAK_KILLED }));
        }
        Status::Ended(_) => "unmatched",
    };
    let status = if status == "live" && !order.view.matched.is_zero() { "matched" } else { status };
    let (making, taking) = core.amounts(no);
    let trades: Vec<String> = order.view.trades.iter().map(|trade| core.trades[*trade].id.to_string()).collect();
    Ok((
        200,
        json!({
            "success": true, "errorMsg": "", "orderID": order.new.id, "status": status, "makingAmount": amount(making),
            "takingAmount": amount(taking), "transactionsHashes": [], "tradeIDs": trades,
        }),
    ))
}

impl Cx<'_> {
    pub fn create(&mut self) -> Answer {
        let body: Value = serde_json::from_slice(self.body).map_err(|_| Refusal::payload())?;
        let (no, unmatched) = self.place(&body)?;
        let order = self.core.order(no);
        let spec = &self.core.market(order.new.token.market).spec;
        if order.view.status == Status::Delayed && self.delayed.is_none() && spec.delay_s == 0 {
            self.hold = Some((spec.taker_delay_ms, no));
        }
        let (status, mut answer) = placed(self.core, no)?;
        if unmatched {
            answer["status"] = "unmatched".into();
        }
        Ok((status, answer))
    }

    /// Places one order; whether its answer shall be `unmatched`.
    fn place(&mut self, body: &Value) -> Result<(OrderNo, bool), Refusal> {
        // While nothing is taken, nobody looks at what is sent.
        self.core.check_open()?;
        let key = self.key()?.clone();
        let new = understood(self.core, &key, body)?;
        let unmatched = self.delayed.as_ref().is_some_and(|fault| fault.code.as_deref() == Some("unmatched"));
        let wait = self.delayed.as_ref().filter(|_| !unmatched);
        let wait = wait.map(|fault| Wait { ms: fault.ms, succeeds: fault.processed.unwrap_or(true) });
        let no = self.core.place(new, wait)?;
        if let Some((parts, every_ms)) = self.drip.filter(|_| self.core.order(no).is_live()) {
            self.core.drip(no, parts, every_ms);
        }
        Ok((no, unmatched))
    }

    /// Each entry for itself; a refused one says `success: true` and has no id (`polymarket.md` §0.4).
    pub fn batch_create(&mut self) -> Answer {
        let body: Value = serde_json::from_slice(self.body).map_err(|_| Refusal::payload())?;
        let entries = body.as_array().filter(|entries| !entries.is_empty()).ok_or_else(Refusal::payload)?;
        if entries.len() > BATCH_MAX {
            return Err(Refusal::bad(&format!("Too many orders in payload: {}, max allowed: {BATCH_MAX}", entries.len())));
        }
        self.core.check_open()?;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let row = self.place(entry).and_then(|(no, _)| placed(self.core, no));
            rows.push(row.map_or_else(|refusal| refused_row(true, &refusal.text), |(_, row)| row));
        }
        Ok((200, rows.into()))
    }

    pub fn cancel(&mut self) -> Answer {
        let body = self.json()?;
        let id = body["orderID"].as_str().ok_or_else(|| Refusal::bad("Invalid orderID"))?.to_owned();
        self.cancel_these(vec![id])
    }

    pub fn batch_cancel(&mut self) -> Answer {
        let body = self.json()?;
        let ids = body.as_array().ok_or_else(|| Refusal::bad("Invalid order payload"))?;
        let ids: Option<Vec<String>> = ids.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        let ids = ids.ok_or_else(|| Refusal::bad("Invalid orderID"))?;
        if ids.len() > CANCELS_MAX {
            return Err(Refusal::bad(&format!("Too many orders in payload: {}, max allowed: {CANCELS_MAX}", ids.len())));
        }
        self.cancel_these(ids)
    }

    fn cancel_these(&mut self, ids: Vec<String>) -> Answer {
        self.core.check_cancels()?;
        let accounts = self.accounts()?;
        let (mut canceled, mut kept) = (Vec::new(), BTreeMap::new());
        for id in ids {
            self.hit_before(&id);
            match self.core.cancel(&accounts, &id) {
                Ok(_) => canceled.push(id),
                Err(why) => {
                    kept.insert(id, why);
                }
            }
        }
        Ok((200, json!({ "canceled": canceled, "not_canceled": kept })))
    }

    /// A fill that was under way before the cancel arrived.
    fn hit_before(&mut self, id: &str) {
        let (Some(quantity), Some(no)) = (self.hit_first.clone(), self.core.order_called(id)) else { return };
        let all = self.core.order(no).view.left;
        let quantity = if quantity.is_empty() { all } else { Quantity::parse(&quantity).unwrap_or(all) };
        let _ = self.core.hit(no, quantity);
    }

    pub fn cancel_all(&mut self) -> Answer {
        self.cancel_where(|_, _| true)
    }

    pub fn cancel_market(&mut self) -> Answer {
        let body = self.json()?;
        let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (market, token) = (text("market"), text("asset_id"));
        if market.is_none() && token.is_none() {
            return Err(Refusal::bad("Invalid payload"));
        }
        self.cancel_where(|core, no| {
            let of = core.order(no).new.token;
            let record = core.market(of.market);
            market.as_ref().is_none_or(|market| *market == record.spec.condition)
                && token.as_ref().is_none_or(|token| token == record.token_id(of.outcome))
        })
    }

    /// What this key has open, and nothing of another key (`polymarket.md` §4).
    fn cancel_where(&mut self, wanted: impl Fn(&Core, OrderNo) -> bool) -> Answer {
        self.core.check_cancels()?;
        let key = self.key()?.id.clone();
        let open = self.core.open_of_key(&key);
        let ids = open.into_iter().filter(|no| wanted(self.core, *no)).map(|no| self.core.order(no).new.id.clone()).collect();
        let answer = self.cancel_these(ids);
        if let Ok((_, body)) = &answer {
            self.owed = body["canceled"].as_array().map_or(0, |rows| i64::try_from(rows.len()).unwrap_or(0));
        }
        answer
    }
}
