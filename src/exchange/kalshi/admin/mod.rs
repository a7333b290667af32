//! The admin port: faults, the crowd, markets, money, and the ground truth. Its table is in `kalshi/mod.rs`.

/// What is asked, as JSON.
pub mod asks;
/// What really happened.
pub mod truth;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};

use super::core::{Core, Hours};
use super::limits::Limits;
use super::options::MEMBER;
use super::orders::{NewOrder, Source};
use super::place::Took;
use super::refusal::Refusal;
use super::server::{Inner, Shared};
use super::wire::count;
use crate::domain::market::Settlement;
use crate::domain::money::Usd;
use crate::exchange::asks::{CrowdBook, Done, EndSockets, LifeAsk, ReadLag, answered, asked};
use crate::exchange::faults::{Fault, Kind};
use crate::exchange::ids::{AccountNo, Id, MarketNo, OrderNo};
use asks::{CashAsk, CloseTimeAsk, FeesAsk, HoursAsk, KeyAsk, NamedOrder, NewMarket, OrderAsk, RulesAsk, SettleAsk, StructureAsk};

const BODY_MAX: usize = 1 << 20;

pub async fn serve(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let account = parts.uri.query().and_then(|query| query.strip_prefix("account=")).unwrap_or(MEMBER);
    let done = match parts.method.as_str() {
        "GET" => shared.with(|inner| read(inner, &path, account)),
        "POST" if path == ["keys"] => keys(&shared, &bytes),
        "POST" | "DELETE" => shared.with(|inner| write(inner, parts.method.as_str(), &path, &bytes)),
        _ => None,
    };
    answered(done, "src/exchange/kalshi/mod.rs")
}

fn read(inner: &Inner, path: &[&str], account: &str) -> Option<Done> {
    let core = &inner.core;
    let Some(account) = core.account_named(account) else { return Some(Err(format!("no such account: {account}"))) };
    Some(Ok(match path {
        ["truth"] => truth::truth(core, &inner.requests, account),
        ["orders"] => truth::orders(core, account),
        ["positions"] => truth::positions(core, account),
        ["cash"] => truth::cash(core, account),
        ["requests"] => inner.requests.json(false),
        ["refused"] => inner.requests.json(true),
        ["creates"] => truth::creates(&inner.requests),
        ["faults"] => json!(inner.faults.list()),
        ["sockets"] => json!({ "open": inner.hub.len() }),
        _ => return None,
    }))
}

fn write(inner: &mut Inner, method: &str, path: &[&str], bytes: &[u8]) -> Option<Done> {
    Some(match (method, path) {
        ("POST", ["faults"]) => add_fault(inner, bytes),
        ("DELETE", ["faults"]) => {
            inner.faults.clear(None);
            Ok(json!({}))
        }
        ("DELETE", ["faults", id]) => id.parse().map_err(|_| "a fault's id is a number".to_owned()).map(|id| {
            inner.faults.clear(Some(id));
            json!({})
        }),
        ("POST", ["sockets", "end"]) => asked(bytes).map(|ask: EndSockets| {
            inner.hub.end_all(ask.abrupt);
            json!({})
        }),
        ("POST", ["read_lag"]) => asked(bytes).map(|ask: ReadLag| {
            inner.read_lag_ms = ask.ms;
            json!({})
        }),
        ("POST", ["rules"]) => asked(bytes).map(|ask: RulesAsk| {
            inner.core.rules = ask.applied(inner.core.rules);
            json!({})
        }),
        ("POST", ["limits"]) => asked(bytes).map(|limits: Limits| {
            inner.buckets.set(limits);
            json!({})
        }),
        ("POST", ["exchange"]) => hours(&mut inner.core, bytes),
        ("POST", ["cash"]) => cash(&mut inner.core, bytes),
        ("POST", ["crowd", "order"]) => crowd_order(&mut inner.core, bytes),
        ("POST", ["hit"]) => hit(&mut inner.core, bytes),
        ("POST", ["website", "order"]) => website_order(&mut inner.core, bytes),
        ("POST", ["website", "cancel"]) => website_cancel(&mut inner.core, bytes),
        ("POST", ["markets"]) => create_market(&mut inner.core, bytes),
        ("POST", ["markets", ticker, what]) => {
            let market = inner.core.market_called(ticker).ok_or_else(|| format!("no such market: {ticker}"));
            return market.map_or_else(|error| Some(Err(error)), |market| change_market(&mut inner.core, market, what, bytes));
        }
        _ => return None,
    })
}

fn refused(refusal: Refusal) -> String {
    format!("refused: {} {}", refusal.status, refusal.code)
}

fn account_of(core: &Core, name: Option<&str>) -> Result<AccountNo, String> {
    let name = name.unwrap_or(MEMBER);
    core.account_named(name).ok_or_else(|| format!("no such account: {name}"))
}

fn market_of(core: &Core, ticker: &str) -> Result<MarketNo, String> {
    core.market_called(ticker).ok_or_else(|| format!("no such market: {ticker}"))
}

fn add_fault(inner: &mut Inner, bytes: &[u8]) -> Done {
    let fault: Fault = asked(bytes)?;
    if fault.kind == Kind::WsDisconnect {
        inner.hub.end_all(true);
        return Ok(json!({ "id": 0 }));
    }
    inner.faults.add(fault).map(|id| json!({ "id": id }))
}

fn hours(core: &mut Core, bytes: &[u8]) -> Done {
    let (ask, now): (HoursAsk, Hours) = (asked(bytes)?, core.hours);
    core.set_hours(Hours {
        exchange_active: ask.exchange_active.unwrap_or(now.exchange_active),
        trading_active: ask.trading_active.unwrap_or(now.trading_active),
        resumes: ask.resumes,
    });
    Ok(json!({}))
}

fn cash(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: CashAsk = asked(bytes)?;
    let account = account_of(core, ask.account.as_deref())?;
    let amount = Usd::parse(&ask.amount).map_err(|error| format!("amount: {error}"))?;
    core.move_money(account, ask.exchange_index, amount);
    Ok(truth::cash(core, account))
}

fn took_json(core: &Core, took: Took) -> Value {
    let order = core.order(took.order);
    json!({ "order_id": order.id, "client_order_id": order.view.client_id, "filled": count(took.filled), "left": count(order.view.left) })
}

fn crowd_order(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: OrderAsk = asked(bytes)?;
    let market = market_of(core, &ask.ticker)?;
    let took = core.crowd(market, ask.side.into(), ask.price, ask.quantity, ask.time_in_force.into()).map_err(refused)?;
    Ok(took_json(core, took))
}

/// The order that either id names.
fn named(core: &Core, ask: &NamedOrder) -> Result<OrderNo, String> {
    let account = account_of(core, ask.account.as_deref())?;
    let by_id = ask.order_id.as_deref().and_then(Id::parse).and_then(|id| core.order_called(id));
    let by_client = || {
        let wanted = ask.client_order_id.as_deref()?;
        core.account(account).orders.iter().rev().copied().find(|no| core.order(*no).view.client_id == wanted)
    };
    by_id.or_else(by_client).ok_or_else(|| "no such order: give order_id or client_order_id".to_owned())
}

fn hit(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NamedOrder = asked(bytes)?;
    let no = named(core, &ask)?;
    let quantity = ask.quantity.unwrap_or(core.order(no).view.left);
    let filled = core.hit(no, quantity).ok_or_else(|| "the order rests no more".to_owned())?;
    Ok(json!({ "filled": count(filled) }))
}

fn website_order(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: OrderAsk = asked(bytes)?;
    let (account, market) = (account_of(core, ask.account.as_deref())?, market_of(core, &ask.ticker)?);
    // A browser rolls its ids (UUID version 4).
    let mut client_id = core.new_id().to_string();
    client_id.replace_range(14..15, "4");
    let took = core.place(&NewOrder {
        account,
        market,
        client_id,
        side: ask.side.into(),
        price: ask.price,
        quantity: ask.quantity,
        in_force: ask.time_in_force.into(),
        expires: None,
        self_trade: crate::exchange::book::SelfTrade::TakerAtCross,
        post_only: false,
        reduce_only: false,
        cancel_on_pause: false,
        group: None,
        source: Source::Website,
    });
    Ok(took_json(core, took.map_err(refused)?))
}

fn website_cancel(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NamedOrder = asked(bytes)?;
    let no = named(core, &ask)?;
    let (_, reduced) = core.cancel(core.order(no).account, Some(no)).map_err(refused)?;
    Ok(json!({ "reduced_by": count(reduced) }))
}

fn create_market(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NewMarket = asked(bytes)?;
    let spec = ask.spec(core.now())?;
    let market = core.create_market(spec).ok_or_else(|| "the ticker is taken, or the bands are no price grid".to_owned())?;
    core.set_crowd_book(market, &asks::levels(&ask.bids, &ask.asks), ask.keep).map_err(refused)?;
    Ok(core.market(market).json())
}

fn change_market(core: &mut Core, market: MarketNo, what: &str, bytes: &[u8]) -> Option<Done> {
    let done = match what {
        "status" => asked(bytes).and_then(|ask: LifeAsk| asks::life(&ask.status)).map(|life| core.set_life(market, life)),
        "book" => asked(bytes)
            .and_then(|ask: CrowdBook| core.set_crowd_book(market, &asks::levels(&ask.bids, &ask.asks), ask.keep).map_err(refused)),
        "settle" => asked(bytes).and_then(|ask: SettleAsk| {
            let result = Settlement::parse(&ask.result).ok_or_else(|| "result: yes, no, void, or what YES pays".to_owned())?;
            core.settle(market, result);
            Ok(())
        }),
        "close_time" => asked(bytes).map(|ask: CloseTimeAsk| core.set_close_time(market, ask.close_time)),
        "structure" => asked(bytes).and_then(|ask: StructureAsk| {
            let bands = asks::bands(&ask.price_level_structure, ask.price_ranges.as_deref())?;
            let set = core.set_structure(market, &ask.price_level_structure, bands);
            if set { Ok(()) } else { Err("the bands are no price grid".to_owned()) }
        }),
        "fees" => asked(bytes).and_then(|ask: FeesAsk| {
            core.set_fees(market, asks::fees(ask.fee_type.as_deref(), ask.fee_multiplier.as_deref())?);
            Ok(())
        }),
        _ => return None,
    };
    Some(done.map(|()| core.market(market).json()))
}

fn keys(shared: &Shared, bytes: &[u8]) -> Option<Done> {
    let ask: KeyAsk = match asked(bytes) {
        Ok(ask) => ask,
        Err(error) => return Some(Err(error)),
    };
    if let Some(key) = ask.key.as_deref().filter(|key| !shared.keys().keys.contains_key(*key)) {
        return Some(Err(format!("no such key: {key}")));
    }
    shared.change_keys(|keys| {
        if let Some(key) = ask.key.as_deref().and_then(|id| keys.keys.get_mut(id)) {
            key.revoked = ask.revoked.unwrap_or(key.revoked);
            key.scopes = ask.scopes.unwrap_or_else(|| key.scopes.clone());
        }
        keys.region_expires = ask.region_expires.or(keys.region_expires);
        keys.skew_ms_max = ask.skew_ms_max.unwrap_or(keys.skew_ms_max);
    });
    Some(Ok(json!({})))
}
