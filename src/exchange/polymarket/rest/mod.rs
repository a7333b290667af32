//! REST: from bytes to a call on the core and back, with what goes wrong on the way.

/// Balances, bans, heartbeats, notifications, positions.
mod account;
/// API keys.
mod auth;
/// Open orders and trades.
mod data;
/// Gamma's listing of markets.
mod gamma;
/// Creates and cancels.
mod orders;
/// Books, prices, markets.
mod public;
/// Which call a method and a path are.
mod route;

use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use serde_json::Value;

use super::auth::ApiKey;
use super::core::Core;
use super::eip712::Address;
use super::limits::{Bill, Left};
use super::refusal::Refusal;
use super::server::{Inner, Shared};
use crate::domain::time::{Now, Time};
use crate::exchange::faults::{Fault, Kind, Plan};
use crate::exchange::ids::{AccountNo, OrderNo};
use crate::exchange::line::Line;
use crate::exchange::query::Query;
use crate::exchange::reply::{Reply, deliver, text_reply};
use crate::exchange::requests::Seen;
use route::{Call, Scope};

/// Where gamma's paths begin: its host is another one.
pub const GAMMA: &str = "/gamma";
const BODY_MAX: usize = 4 << 20;

/// A status and a JSON body, or a refusal.
pub type Answer = Result<(u16, Value), Refusal>;

/// Who calls: an API key, or a wallet that has none yet.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    Wallet(Address, u64),
    Key(ApiKey),
}

/// One call being carried out.
pub struct Cx<'a> {
    pub core: &'a mut Core,
    pub shared: &'a Shared,
    pub caller: Caller,
    pub query: &'a Query,
    pub body: &'a [u8],
    pub id: &'a str,
    /// Reads of the account's data see the venue as of then.
    pub read_at: Time,
    pub drop_rows: usize,
    pub drip: Option<(u32, i64)>,
    pub hit_first: Option<String>,
    pub delayed: Option<Fault>,
    /// The reply waits until this order has been held.
    pub hold: Option<(i64, OrderNo)>,
    /// Cancels beyond those that were paid for.
    pub owed: i64,
}

impl Cx<'_> {
    /// Errors: 401, though the door has asked before.
    pub fn key(&self) -> Result<&ApiKey, Refusal> {
        match &self.caller {
            Caller::Key(key) => Ok(key),
            _ => Err(Refusal::unauthorized()),
        }
    }

    /// All wallets of the caller.
    pub fn accounts(&self) -> Result<Vec<AccountNo>, Refusal> {
        Ok(self.core.owned_by(self.key()?.address))
    }

    pub fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::bad("Invalid payload"))
    }
}

/// Every request of the REST port.
pub async fn serve(State(shared): State<Shared>, ConnectInfo(line): ConnectInfo<Line>, request: Request) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let Some((call, _)) = route::find(parts.method.as_str(), parts.uri.path()) else {
        return not_found();
    };
    let plan = shared.with(|inner| {
        // Which of the markets that faults name this request names, before the faults are asked.
        let named: Vec<String> = inner.core.faults.markets().filter(|name| names(&inner.core, &parts, &bytes, name)).collect();
        inner.core.faults.plan(call.name, call.scope.is_write(), &|name| named.iter().any(|known| known == name))
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

fn not_found() -> Response<HttpBody> {
    text_reply(404, "text/plain", "404 page not found".into(), None)
}

/// Whether a request names this market: by its slug, its condition or one of its tokens.
fn names(core: &Core, parts: &Parts, body: &Bytes, name: &str) -> bool {
    let (target, body) = (parts.uri.to_string(), String::from_utf8_lossy(body));
    let Some(token) = core.token_called(name) else { return false };
    let spec = &core.market(token.market).spec;
    let by_slug = name == spec.slug || name == spec.condition;
    let wanted: Vec<&String> = if by_slug {
        vec![&spec.condition, &spec.tokens[0], &spec.tokens[1]]
    } else {
        vec![&spec.tokens[super::markets::index(token.outcome)]]
    };
    wanted.iter().any(|name| target.contains(name.as_str()) || body.contains(name.as_str()))
}

/// A request that has arrived: its signature is judged now, not when it was sent.
async fn handle(shared: Shared, line: Line, parts: Parts, bytes: Bytes, plan: Plan) -> Response<HttpBody> {
    let Some((call, id)) = route::find(parts.method.as_str(), parts.uri.path()) else {
        return not_found();
    };
    let skew_ms = shared.with(|inner| inner.core.faults.clock_skew_ms());
    let (keys, venue_now) = (shared.keys(), shared.clock.now().wall.plus_ms(skew_ms));
    let caller = match call.scope {
        Scope::Public => Ok(Caller::Nobody),
        Scope::Wallet => keys.wallet(&parts.headers, venue_now).map(|(address, nonce)| Caller::Wallet(address, nonce)),
        _ => keys.caller(&parts.headers, parts.method.as_str(), parts.uri.path(), &bytes, venue_now).map(Caller::Key),
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let asked = Asked { shared: &shared, call, id, query: &query, body: &bytes, plan: &plan };
    let log = |inner: &mut Inner, reply: &Reply| {
        inner.requests.push(Seen::of(&parts, &bytes).answered(call.name, reply.status, reply.code.as_deref(), &plan));
    };
    let (mut reply, hold) = shared.with(|inner| {
        let (reply, hold) = asked.answer(inner, caller, shared.clock.now());
        if hold.is_none() {
            log(inner, &reply);
        }
        (reply, hold)
    });
    if let Some((ms, order)) = hold {
        // Until what is held has been looked at again, and a little more so that it has.
        tokio::time::sleep(Duration::from_millis(ms.unsigned_abs() + 2)).await;
        reply = shared.with(|inner| {
            let reply = asked.reply(&inner.core, orders::placed(&inner.core, order));
            log(inner, &reply);
            reply
        });
    }
    if plan.after_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.after_ms.unsigned_abs())).await;
    }
    let off_ms = skew_ms + plan.date_skew_ms;
    let date = (off_ms != 0).then(|| shared.clock.now().wall.plus_ms(off_ms));
    deliver(reply, plan.deliver, &line, shared.stopped(), date).await
}

struct Asked<'a> {
    shared: &'a Shared,
    call: Call,
    id: &'a str,
    query: &'a Query,
    body: &'a Bytes,
    plan: &'a Plan,
}

impl Asked<'_> {
    fn answer(&self, inner: &mut Inner, caller: Result<Caller, Refusal>, now: Now) -> (Reply, Option<(i64, OrderNo)>) {
        let caller = match caller {
            Err(refusal) => return (self.reply(&inner.core, Err(refusal)), None),
            // As if the request had been lost on its way: not even its rate was charged. 200 stands for nothing.
            Ok(_) if self.plan.unprocessed => return (self.reply(&inner.core, Ok((200, Value::Null))), None),
            Ok(caller) => caller,
        };
        let signer = match &caller {
            Caller::Key(key) => Some(key.address),
            _ => None,
        };
        let left = match signer.map(|signer| inner.buckets.pay(signer, self.bill(), now.mono)) {
            Some(Err(retry_after_s)) => {
                return (self.reply(&inner.core, Err(Refusal::too_many_requests(retry_after_s))), None);
            }
            Some(Ok(left)) => left,
            None => None,
        };
        let (answer, hold, owed) = self.carry_out(inner, caller);
        if let Some(signer) = signer.filter(|_| owed > 0) {
            inner.buckets.owe(signer, owed, now.mono);
        }
        let mut reply = self.reply(&inner.core, answer);
        reply.headers.extend(left.iter().flat_map(rate_headers));
        (reply, hold)
    }

    fn bill(&self) -> Bill {
        let many = || {
            let rows = serde_json::from_slice::<Value>(self.body).ok().and_then(|body| body.as_array().map(Vec::len));
            i64::try_from(rows.unwrap_or(1).max(1)).unwrap_or(i64::MAX)
        };
        match self.call.name {
            "create" => Bill::Orders(1),
            "batch_create" => Bill::Orders(many()),
            "cancel" | "cancel_all" | "cancel_market" => Bill::Cancels(1),
            "batch_cancel" => Bill::Cancels(many()),
            _ => Bill::Nothing,
        }
    }

    fn carry_out(&self, inner: &mut Inner, caller: Caller) -> (Answer, Option<(i64, OrderNo)>, i64) {
        let lag_ms = inner.read_lag_ms.max(self.plan.read_lag_ms);
        let pretends = self.plan.more.iter().find(|fault| matches!(fault.kind, Kind::SuccessFalse | Kind::SuccessButEmptyId));
        if let Some(fault) = pretends.filter(|fault| !fault.processed.unwrap_or(false)) {
            return (Ok((200, self.pretended(fault, None))), None, 0);
        }
        let mut cx = Cx {
            read_at: inner.core.now().plus_ms(-lag_ms),
            core: &mut inner.core,
            shared: self.shared,
            caller,
            query: self.query,
            body: self.body,
            id: self.id,
            drop_rows: self.plan.drop_rows as usize,
            drip: self.plan.drip,
            hit_first: self.plan.hit_first.clone(),
            delayed: self.plan.more.iter().find(|fault| fault.kind == Kind::Delayed).cloned(),
            hold: None,
            owed: 0,
        };
        let mut answer = (self.call.run)(&mut cx);
        if self.plan.wrong_echo {
            let other = cx.core.new_hash();
            if let Ok((_, body)) = &mut answer {
                let name = if body.get("orderID").is_some() { "orderID" } else { "id" };
                if body.get(name).is_some() {
                    body[name] = other.into();
                }
            }
        }
        if let (Some(fault), Ok((_, body))) = (pretends, &mut answer) {
            *body = self.pretended(fault, Some(body));
        }
        (answer, cx.hold, cx.owed)
    }

    /// A 200 that isn't a yes: of a batch one for each entry.
    fn pretended(&self, fault: &Fault, done: Option<&Value>) -> Value {
        let text = fault.details.as_deref().or(fault.code.as_deref()).unwrap_or("could not run the execution");
        let row = orders::refused_row(fault.kind == Kind::SuccessButEmptyId, text);
        let sent: Option<Value> = serde_json::from_slice(self.body).ok();
        match done.or(sent.as_ref()) {
            Some(Value::Array(rows)) => rows.iter().map(|_| row.clone()).collect(),
            _ => row,
        }
    }

    fn reply(&self, core: &Core, answer: Answer) -> Reply {
        match answer {
            Ok((status, body)) => Reply { status, body: body.to_string(), ..Reply::default() },
            Err(refusal) => {
                let documented = core.rules.fail_body && refusal.status == 400 && self.call.name == "create";
                let body = if documented { orders::refused_row(false, &refusal.text) } else { refusal.body };
                let retry = refusal.retry_after_s.map(|seconds| ("retry-after", seconds.to_string()));
                Reply { status: refusal.status, body: body.to_string(), code: Some(refusal.text), headers: retry.into_iter().collect() }
            }
        }
    }
}

fn rate_headers(left: &Left) -> [(&'static str, String); 3] {
    [
        ("poly-ratelimit-remaining", left.tokens.to_string()),
        ("poly-ratelimit-reset", left.reset_s.to_string()),
        ("poly-ratelimit-tier", "standard".to_owned()),
    ]
}
