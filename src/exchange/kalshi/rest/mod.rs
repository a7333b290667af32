//! REST: from bytes to a call on the core and back, with what goes wrong on the way.

/// Request bodies in Go's words.
mod body;
/// Order groups.
mod groups;
/// Create, cancel, amend, decrease, batches, look-ups.
mod orders;
/// Fills, positions, balance, settlements, keys, limits.
mod portfolio;
/// Markets, series, events, the exchange.
mod public;
/// Query parameters, pages, cursors.
mod query;
/// Which call a method and a path are.
mod route;

use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use serde_json::Value;

pub use route::{COST_DEFAULT, COSTS};

use super::auth::{Caller, Keys};
use super::core::Core;
use super::limits::{Bill, Limits};
use super::refusal::Refusal;
use super::server::{Inner, Shared};
use crate::domain::time::{Now, Time};
use crate::exchange::faults::Plan;
use crate::exchange::ids::AccountNo;
use crate::exchange::line::Line;
use crate::exchange::query::Query;
use crate::exchange::reply::{Reply, deliver, text_reply};
use crate::exchange::requests::Seen;
use route::{Call, Scope};

pub const ROOT: &str = "/trade-api/v2";
const BODY_MAX: usize = 1 << 20;

/// A status and a JSON body (`Null`: none), or a refusal.
pub type Answer = Result<(u16, Value), Refusal>;

/// One call being carried out.
pub struct Cx<'a> {
    pub core: &'a mut Core,
    pub caller: Option<Caller>,
    pub query: &'a Query,
    pub body: &'a [u8],
    pub id: &'a str,
    /// Reads of the account's data see the venue as of then.
    pub read_at: Time,
    pub limits: Limits,
    pub keys: &'a Keys,
    pub attestation_expired: bool,
    pub drop_rows: usize,
    pub drip: Option<(u32, i64)>,
    pub hit_first: Option<String>,
}

impl Cx<'_> {
    /// The caller's account. Errors: 401, though the door has asked before.
    pub fn account(&self) -> Result<AccountNo, Refusal> {
        self.caller.as_ref().map(|caller| caller.account).ok_or_else(Refusal::signature_missing)
    }

    /// One page, less what a fault drops from its front: the newest. Only its own rows become JSON.
    pub fn page<T>(&self, call: &str, mut rows: Vec<(usize, T)>, json: impl Fn(T) -> Value) -> Result<(Vec<Value>, String), Refusal> {
        rows.drain(..self.drop_rows.min(rows.len()));
        let (rows, cursor) = self.query.page(call, rows)?;
        Ok((rows.into_iter().map(json).collect(), cursor))
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok((status, Value::Null)) => Self { status, ..Self::default() },
            Ok((status, body)) => Self { status, body: body.to_string(), ..Self::default() },
            Err(refusal) => Self { status: refusal.status, body: refusal.body, code: Some(refusal.code), ..Self::default() },
        }
    }
}

/// Every request of the REST port.
pub async fn serve(State(shared): State<Shared>, ConnectInfo(line): ConnectInfo<Line>, request: Request) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let Some((call, _)) = called(&parts) else {
        return text_reply(404, "text/plain", "404 page not found".into(), None);
    };
    let plan = shared.with(|inner| {
        let names = |ticker: &str| parts.uri.to_string().contains(ticker) || String::from_utf8_lossy(&bytes).contains(ticker);
        inner.faults.plan(call.name, call.scope.is_write(), &names)
    });
    if plan.before_ms == 0 {
        return handle(shared, line, parts, bytes, plan).await;
    }
    // What is under way arrives, also when its sender has given up.
    let arriving = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(plan.before_ms.unsigned_abs())).await;
        handle(shared, line, parts, bytes, plan).await
    });
    arriving.await.unwrap_or_else(|_| text_reply(500, "text/plain", String::new(), None))
}

/// The call of a request, and the id in its path.
fn called(parts: &Parts) -> Option<(Call, &str)> {
    let inside = parts.uri.path().strip_prefix(ROOT).filter(|rest| rest.starts_with('/'))?;
    route::find(parts.method.as_str(), inside)
}

/// A request that has arrived: its signature is judged now, not when it was sent.
async fn handle(shared: Shared, line: Line, parts: Parts, bytes: Bytes, plan: Plan) -> Response<HttpBody> {
    let Some((call, id)) = called(&parts) else {
        return text_reply(404, "text/plain", "404 page not found".into(), None);
    };
    let skew_ms = shared.with(|inner| inner.faults.clock_skew_ms());
    let keys = shared.keys();
    let caller = match call.scope {
        Scope::Public => Ok(None),
        _ => {
            let venue_now = shared.clock.now().wall.plus_ms(skew_ms);
            keys.check(&parts.headers, parts.method.as_str(), parts.uri.path(), venue_now).map(Some)
        }
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let asked = Asked { call, id, query: &query, body: &bytes, keys: &keys, plan: &plan };
    let reply = shared.with(|inner| {
        let reply = asked.answer(inner, caller, shared.clock.now());
        inner.requests.push(Seen::of(&parts, &bytes).answered(call.name, reply.status, reply.code.as_deref(), &plan));
        reply
    });
    if plan.after_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.after_ms.unsigned_abs())).await;
    }
    let off_ms = skew_ms + plan.date_skew_ms;
    let date = (off_ms != 0).then(|| shared.clock.now().wall.plus_ms(off_ms));
    deliver(reply, plan.deliver, &line, shared.stopped(), date).await
}

struct Asked<'a> {
    call: Call,
    id: &'a str,
    query: &'a Query,
    body: &'a Bytes,
    keys: &'a Keys,
    plan: &'a Plan,
}

impl Asked<'_> {
    fn answer(&self, inner: &mut Inner, caller: Result<Option<Caller>, Refusal>, now: Now) -> Reply {
        match self.admit(inner, caller, now) {
            Err(refusal) => Err(refusal).into(),
            // As if the request had been lost on its way: not even its rate was charged. 200 stands for nothing.
            Ok(_) if self.plan.unprocessed => Ok((200, Value::Null)).into(),
            Ok(caller) => self.carry_out(inner, caller, now),
        }
    }

    /// Signature, scope, rate: in this order.
    fn admit(&self, inner: &mut Inner, caller: Result<Option<Caller>, Refusal>, now: Now) -> Result<Option<Caller>, Refusal> {
        let Some(caller) = caller? else { return Ok(None) };
        let allowed = match self.call.scope {
            Scope::Trade => caller.may("write::trade"),
            _ => caller.may("read") || self.call.name == "balance" && caller.may("read::portfolio_balance"),
        };
        if !allowed {
            // Documented as a 403 (`kalshi.md` P7), its words are not.
            return Err(Refusal::nested(403, "insufficient_scope", None));
        }
        if self.plan.unprocessed {
            return Ok(Some(caller));
        }
        let shards = inner.core.shards();
        let paid = inner.buckets.pay(caller.account, &self.bill(), &shards, now.mono);
        if paid { Ok(Some(caller)) } else { Err(Refusal::too_many_requests()) }
    }

    fn bill(&self) -> Bill {
        if !self.call.scope.is_write() {
            return Bill::Read(self.call.cost);
        }
        let body: Value = serde_json::from_slice(self.body).unwrap_or(Value::Null);
        if matches!(self.call.name, "batch_create" | "batch_cancel") {
            let items = body["orders"].as_array().map_or(1, Vec::len).max(1);
            let tokens = self.call.cost.saturating_mul(i64::try_from(items).unwrap_or(i64::MAX));
            return Bill::Write { tokens, shard: Some(0) };
        }
        let in_query = self.query.get("exchange_index").and_then(|text| text.parse().ok());
        let named = body["exchange_index"].as_i64().or(in_query);
        let shard = named.and_then(|index: i64| u32::try_from(index).ok());
        let shard = if self.call.name == "groups" { shard.or(Some(0)) } else { shard };
        Bill::Write { tokens: self.call.cost, shard }
    }

    fn carry_out(&self, inner: &mut Inner, caller: Option<Caller>, now: Now) -> Reply {
        let lag_ms = inner.read_lag_ms.max(self.plan.read_lag_ms);
        let mut cx = Cx {
            read_at: inner.core.now().plus_ms(-lag_ms),
            core: &mut inner.core,
            caller,
            query: self.query,
            body: self.body,
            id: self.id,
            limits: inner.buckets.limits,
            keys: self.keys,
            attestation_expired: self.keys.region_expires.is_some_and(|expires| expires <= now.wall),
            drop_rows: self.plan.drop_rows as usize,
            drip: self.plan.drip,
            hit_first: self.plan.hit_first.clone(),
        };
        let mut answer = (self.call.run)(&mut cx);
        if self.plan.wrong_echo {
            let other = cx.core.new_id();
            if let Ok((_, body)) = &mut answer
                && body.get("order_id").is_some()
            {
                body["order_id"] = other.to_string().into();
            }
        }
        answer.into()
    }
}
