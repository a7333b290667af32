//! The admin port: faults, the crowd, markets, money, and the ground truth. Its table is in `polymarket/mod.rs`.

/// What is asked, as JSON.
pub mod asks;
/// What really happened.
pub mod truth;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};

use super::account::{Account, Token, WalletKind};
use super::core::Core;
use super::eip712::Address;
use super::limits::Limits;
use super::markets::{MarketSpec, is_tick};
use super::options::MEMBER;
use super::orders::{Source, Status, in_book};
use super::refusal::Refusal;
use super::server::{Inner, Shared};
use super::trades::{Fate, Status as TradeStatus};
use crate::domain::market::{Outcome, Settlement};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::order::Action;
use crate::exchange::asks::{CrowdBook, Done, EndSockets, LifeAsk, ReadLag, answered, asked};
use crate::exchange::faults::{Fault, Kind};
use crate::exchange::ids::{AccountNo, Id, OrderNo};
use asks::{
    AllowanceAsk, CashAsk, DelayAsk, FeesAsk, HeartbeatAsk, KeyAsk, ModeAsk, NamedOrder, NewMarket, OrderAsk, RulesAsk, SettleAsk,
    StandingAsk, TickAsk, TokensAsk, TradeAsk, VersionAsk, WalletAsk,
};

const BODY_MAX: usize = 1 << 20;

pub async fn serve(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let account = parts.uri.query().and_then(|query| query.strip_prefix("account=")).unwrap_or(MEMBER);
    let done = match parts.method.as_str() {
        "GET" => shared.with(|inner| read(inner, &path, account)),
        "POST" if path == ["keys"] => Some(keys(&shared, &bytes)),
        "POST" => shared.with(|inner| write(inner, &path, &bytes)),
        "DELETE" => shared.with(|inner| clear(inner, &path)),
        _ => None,
    };
    answered(done, "src/exchange/polymarket/mod.rs")
}

fn read(inner: &Inner, path: &[&str], account: &str) -> Option<Done> {
    let core = &inner.core;
    let Some(account) = core.account_named(account) else { return Some(Err(format!("no such account: {account}"))) };
    Some(Ok(match path {
        ["truth"] => truth::truth(core, &inner.requests, account),
        ["orders"] => truth::orders(core, account),
        ["trades"] => truth::trades(core, account),
        ["positions"] => truth::positions(core, account),
        ["cash"] => truth::cash(core, account),
        ["requests"] => inner.requests.json(false),
        ["refused"] => inner.requests.json(true),
        ["creates"] => truth::creates(core, &inner.requests),
        ["faults"] => json!(core.faults.list()),
        ["sockets"] => json!({ "open": inner.hub.len() }),
        ["markets"] => core.markets().iter().map(|market| market_json(&market.spec)).collect(),
        _ => return None,
    }))
}

fn clear(inner: &mut Inner, path: &[&str]) -> Option<Done> {
    let id = match path {
        ["faults"] => Ok(None),
        ["faults", id] => id.parse().map(Some).map_err(|_| "a fault's id is a number".to_owned()),
        _ => return None,
    };
    Some(id.map(|id| {
        inner.core.faults.clear(id);
        json!({})
    }))
}

fn write(inner: &mut Inner, path: &[&str], bytes: &[u8]) -> Option<Done> {
    let done = match path {
        ["faults"] => return Some(add_fault(inner, bytes)),
        ["sockets", "end"] => asked(bytes).map(|ask: EndSockets| inner.hub.end_all(ask.abrupt)),
        ["read_lag"] => asked(bytes).map(|ask: ReadLag| inner.read_lag_ms = ask.ms),
        ["limits"] => asked(bytes).map(|limits: Limits| inner.buckets = super::limits::Buckets::new(limits)),
        _ => return write_core(&mut inner.core, path, bytes),
    };
    Some(done.map(|()| json!({})))
}

fn write_core(core: &mut Core, path: &[&str], bytes: &[u8]) -> Option<Done> {
    let done = match path {
        ["rules"] => asked(bytes).map(|ask: RulesAsk| core.rules = ask.applied(core.rules)),
        ["heartbeat"] => asked(bytes).map(|ask: HeartbeatAsk| {
            core.rules.heartbeat_ms = ask.timeout_ms.unwrap_or(core.rules.heartbeat_ms);
            core.rules.heartbeat_sweep_ms = ask.sweep_ms.unwrap_or(core.rules.heartbeat_sweep_ms);
        }),
        ["version"] => asked(bytes).map(|ask: VersionAsk| core.rules.version = ask.version),
        ["exchange"] => asked(bytes).and_then(|ask: ModeAsk| {
            core.set_mode(ask.mode(core.now())?, ask.post_only_ms);
            Ok(())
        }),
        ["allowance"] => allowance(core, bytes),
        ["closed_only" | "standing"] => standing(core, bytes),
        ["wallets"] => add_wallet(core, bytes),
        ["cash"] => return Some(cash(core, bytes)),
        ["tokens"] => return Some(tokens(core, bytes)),
        ["crowd", "order"] => return Some(crowd_order(core, bytes)),
        ["hit"] => return Some(hit(core, bytes)),
        ["website", "order"] => return Some(website_order(core, bytes)),
        ["website", "cancel"] => return Some(website_cancel(core, bytes)),
        ["trades", id, "status"] => trade(core, id, bytes),
        ["markets"] => return Some(create_market(core, bytes)),
        ["markets", name, what] => {
            let token = token_of(core, name);
            return token.map_or_else(|error| Some(Err(error)), |token| change_market(core, token, what, bytes));
        }
        _ => return None,
    };
    Some(done.map(|()| json!({})))
}

fn refused(refusal: Refusal) -> String {
    format!("refused: {} {}", refusal.status, refusal.text)
}

fn account_of(core: &Core, name: Option<&str>) -> Result<AccountNo, String> {
    let name = name.unwrap_or(MEMBER);
    core.account_named(name).ok_or_else(|| format!("no such account: {name}"))
}

fn token_of(core: &Core, name: &str) -> Result<Token, String> {
    core.token_called(name).ok_or_else(|| format!("no such market: {name}; give a slug, a condition or a token"))
}

/// A signed amount in millionths.
fn micros(text: &str) -> Result<i64, String> {
    Usd::parse(text).map(Usd::micros).map_err(|error| format!("amount: {error}"))
}

fn add_fault(inner: &mut Inner, bytes: &[u8]) -> Done {
    let fault: Fault = asked(bytes)?;
    if fault.kind == Kind::WsDisconnect {
        inner.hub.end_all(true);
        return Ok(json!({ "id": 0 }));
    }
    inner.core.faults.add(fault).map(|id| json!({ "id": id }))
}

fn cash(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: CashAsk = asked(bytes)?;
    let account = account_of(core, ask.account.as_deref())?;
    core.move_money(account, Usd::from_micros(micros(&ask.amount)?));
    Ok(truth::cash(core, account))
}

fn tokens(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: TokensAsk = asked(bytes)?;
    let (account, token) = (account_of(core, ask.account.as_deref())?, token_of(core, &ask.token)?);
    core.move_tokens(account, token, Quantity::from_micros(micros(&ask.amount)?));
    Ok(truth::positions(core, account))
}

fn allowance(core: &mut Core, bytes: &[u8]) -> Result<(), String> {
    let ask: AllowanceAsk = asked(bytes)?;
    let account = account_of(core, ask.account.as_deref())?;
    core.account_mut(account).allowance = ask.amount.as_deref().map(micros).transpose()?.map(Usd::from_micros);
    Ok(())
}

fn standing(core: &mut Core, bytes: &[u8]) -> Result<(), String> {
    let ask: StandingAsk = asked(bytes)?;
    let no = account_of(core, ask.account.as_deref())?;
    let account = core.account_mut(no);
    account.closed_only = ask.closed_only.unwrap_or(account.closed_only);
    account.banned = ask.banned.unwrap_or(account.banned);
    account.allowed = ask.maker_allowed.unwrap_or(account.allowed);
    Ok(())
}

fn add_wallet(core: &mut Core, bytes: &[u8]) -> Result<(), String> {
    let ask: WalletAsk = asked(bytes)?;
    let address = |text: &str| Address::parse(text).ok_or_else(|| format!("no address: {text}"));
    let owner = address(&ask.owner)?;
    let wallet = ask.wallet.as_deref().map_or(Ok(owner), address)?;
    let kind = WalletKind::parse(&ask.kind).ok_or("kind: eoa, proxy, safe, deposit")?;
    if core.account_named(&ask.account).is_some() || core.wallet(wallet).is_some() {
        return Err("the account or its wallet is there already".to_owned());
    }
    core.add_account(Account::new(&ask.account, owner, wallet, kind));
    Ok(())
}

fn order_json(core: &Core, no: OrderNo) -> Value {
    let order = core.order(no);
    json!({
        "order_id": order.new.id, "status": order.view.status.as_str(), "filled": order.view.matched.to_string(),
        "left": order.view.left.to_string(),
    })
}

fn crowd_order(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: OrderAsk = asked(bytes)?;
    let token = token_of(core, &ask.market)?;
    let no = core.crowd(token, &ask.terms()?).map_err(refused)?;
    Ok(order_json(core, no))
}

fn website_order(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: OrderAsk = asked(bytes)?;
    let (account, token) = (account_of(core, ask.account.as_deref())?, token_of(core, &ask.market)?);
    let new = core.unsigned(Source::Website, account, token, &ask.terms()?);
    let no = core.place(new, None).map_err(refused)?;
    Ok(order_json(core, no))
}

fn named(core: &Core, id: &str) -> Result<OrderNo, String> {
    core.order_called(id).ok_or_else(|| format!("no such order: {id}"))
}

fn website_cancel(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NamedOrder = asked(bytes)?;
    let no = named(core, &ask.order_id)?;
    core.cancel(&[core.order(no).new.account], &ask.order_id).map_err(str::to_owned)?;
    Ok(order_json(core, no))
}

fn hit(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NamedOrder = asked(bytes)?;
    let no = named(core, &ask.order_id)?;
    let quantity = ask.quantity.unwrap_or(core.order(no).view.left);
    let filled = core.hit_as(no, quantity, ask.complement).ok_or_else(|| "the order rests no more".to_owned())?;
    Ok(json!({ "filled": filled.to_string() }))
}

/// `fail` and `confirm` happen at once, whatever was before; `retry` goes on by itself.
fn trade(core: &mut Core, id: &str, bytes: &[u8]) -> Result<(), String> {
    let ask: TradeAsk = asked(bytes)?;
    let id = Id::parse(id).ok_or("a trade's id is a UUID")?;
    let index = core.trades.iter().position(|trade| trade.id == id).ok_or("no such trade")?;
    let fate = ask.fate()?;
    match fate {
        Fate::Hold => core.plan(index, Fate::Hold, 0),
        Fate::Retry => {
            core.set_trade(index, TradeStatus::Retrying);
            core.plan(index, Fate::Confirm, 0);
        }
        Fate::Confirm | Fate::Fail => {
            core.plan(index, Fate::Hold, 0);
            core.set_trade(index, if fate == Fate::Fail { TradeStatus::Failed } else { TradeStatus::Confirmed });
        }
    }
    Ok(())
}

fn market_json(spec: &MarketSpec) -> Value {
    json!({
        "market": spec.slug, "condition": spec.condition, "tokens": spec.tokens, "tick": spec.tick.to_string(),
        "status": spec.life.as_str(), "neg_risk": spec.neg_risk,
    })
}

/// Levels in YES's terms.
fn levels(outcome: Outcome, bids: &[(Price, Quantity)], asks: &[(Price, Quantity)]) -> Vec<(Side, Price, Quantity)> {
    let of = |action: Action, levels: &[(Price, Quantity)]| {
        let level = move |(price, size): &(Price, Quantity)| {
            let (side, at) = in_book(outcome, action, *price);
            (side, at, *size)
        };
        levels.iter().map(level).collect::<Vec<_>>()
    };
    [of(Action::Buy, bids), of(Action::Sell, asks)].concat()
}

fn create_market(core: &mut Core, bytes: &[u8]) -> Done {
    let ask: NewMarket = asked(bytes)?;
    let spec = ask.spec(core.now())?;
    let no = core.create_market(spec).ok_or("a name is taken, or the ids or the tick aren't what they must be")?;
    core.set_crowd_book(no, &levels(Outcome::Yes, &ask.bids, &ask.asks), ask.keep).map_err(refused)?;
    Ok(market_json(&core.market(no).spec))
}

fn change_market(core: &mut Core, token: Token, what: &str, bytes: &[u8]) -> Option<Done> {
    let market = token.market;
    let done = match what {
        "status" => asked(bytes).and_then(|ask: LifeAsk| asks::life(&ask.status)).map(|life| core.set_life(market, life)),
        "book" => asked(bytes).and_then(|ask: CrowdBook| {
            core.set_crowd_book(market, &levels(token.outcome, &ask.bids, &ask.asks), ask.keep).map_err(refused)
        }),
        "settle" => asked(bytes).and_then(|ask: SettleAsk| {
            let result = Settlement::parse(&ask.result).ok_or("result: yes, no, void, or what YES pays")?;
            core.resolve(market, result, ask.redeem);
            Ok(())
        }),
        "redeem" => {
            core.redeem(market);
            Ok(())
        }
        "tick" => asked(bytes).and_then(|ask: TickAsk| {
            if !is_tick(ask.tick) {
                return Err("tick: 0.1, 0.01, 0.005, 0.0025, 0.001, 0.0001".to_owned());
            }
            core.set_tick(market, ask.tick);
            Ok(())
        }),
        "fees" => asked(bytes).and_then(|ask: FeesAsk| {
            let fees = ask.terms(core.market(market).spec.fees)?;
            core.set_fees(market, fees);
            Ok(())
        }),
        "delay" => asked(bytes).map(|ask: DelayAsk| {
            let spec = &mut core.market_mut(market).spec;
            spec.delay_s = ask.delay_s.unwrap_or(spec.delay_s);
            spec.taker_delay_ms = ask.taker_delay_ms.unwrap_or(spec.taker_delay_ms);
        }),
        "cancel_resting" => {
            core.cancel_in(market, Status::canceled().as_str());
            Ok(())
        }
        _ => return None,
    };
    Some(done.map(|()| market_json(&core.market(market).spec)))
}

fn keys(shared: &Shared, bytes: &[u8]) -> Done {
    let ask: KeyAsk = asked(bytes)?;
    shared.change_keys(|keys| {
        keys.skew_s_max = ask.skew_s_max.unwrap_or(keys.skew_s_max);
        match &ask.revoke {
            Some(id) if keys.keys.remove(id).is_none() => Err("no such key".to_owned()),
            _ => Ok(json!({})),
        }
    })
}
