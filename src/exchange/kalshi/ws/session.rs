//! One WebSocket session without its socket: commands in, frames out (`kalshi.md` §4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::core::Core;
use super::super::notices::{Body, Channel, Notice};
use super::super::wire::{count, price, stamp};
use crate::domain::matching::Side;
use crate::exchange::ids::{AccountNo, MarketNo};

/// Error codes and their words, as in the AsyncAPI document.
const ERRORS: [(i64, &str); 13] = [
    (1, "Unable to process message"),
    (2, "Params required"),
    (3, "Channels required"),
    (4, "Subscription IDs required"),
    (5, "Unknown command"),
    (7, "Unknown subscription ID"),
    (8, "Unknown channel name"),
    (11, "Invalid parameter"),
    (12, "Exactly one subscription ID is required"),
    (13, "Unsupported action"),
    (14, "Market Ticker required"),
    (15, "Action required"),
    (26, "Subscription market limit exceeded"),
];

#[derive(Clone, Debug)]
struct Subscription {
    channel: Channel,
    /// `None`: all of them.
    markets: Option<BTreeSet<MarketNo>>,
    use_yes_price: bool,
    seq: u64,
}

impl Subscription {
    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn wants(&self, notice: &Notice, account: AccountNo) -> bool {
        self.channel == notice.channel
            && notice.account.is_none_or(|owner| owner == account)
            && match (&self.markets, notice.market) {
                (Some(markets), Some(market)) => markets.contains(&market),
                _ => true,
            }
    }
}

#[derive(Clone, Debug)]
pub struct Session {
    pub account: AccountNo,
    subscriptions: BTreeMap<u64, Subscription>,
    made: u64,
}

impl Session {
    pub fn new(account: AccountNo) -> Self {
        Self { account, subscriptions: BTreeMap::new(), made: 0 }
    }

    /// Answers to one command, then what it starts with.
    pub fn command(&mut self, text: &str, core: &Core) -> Vec<Value> {
        let Ok(command) = serde_json::from_str::<Value>(text) else { return vec![error(None, 1)] };
        let id = command["id"].as_i64().filter(|id| *id != 0);
        let params = command.get("params").filter(|params| params.is_object());
        let done = match command["cmd"].as_str() {
            Some("subscribe") => self.subscribe(id, params, core),
            Some("unsubscribe") => self.unsubscribe(id, params),
            Some("update_subscription") => self.update(id, params, core),
            Some("list_subscriptions") => Ok(vec![self.list(id)]),
            _ => Err(5),
        };
        done.unwrap_or_else(|code| vec![error(id, code)])
    }

    fn subscribe(&mut self, id: Option<i64>, params: Option<&Value>, core: &Core) -> Result<Vec<Value>, i64> {
        let params = params.ok_or(2)?;
        let channels = params["channels"].as_array().filter(|channels| !channels.is_empty()).ok_or(3)?;
        let channels = channels.iter().map(|name| name.as_str().and_then(Channel::parse).ok_or(8));
        let channels = channels.collect::<Result<Vec<Channel>, i64>>()?;
        let tickers = tickers(params)?;
        if tickers.is_none() && channels.contains(&Channel::OrderbookDelta) {
            return Err(14);
        }
        let markets = tickers.map(|tickers| known(&tickers, core)).transpose()?;
        let use_yes_price = flag(params, "use_yes_price")?;
        let initial = flag(params, "send_initial_snapshot")?;
        let (mut acks, mut first) = (Vec::new(), Vec::new());
        for channel in channels {
            let (sid, added) = self.subscription(channel, markets.clone().filter(|_| channel.takes_markets()), use_yes_price);
            acks.push(numbered(json!({ "type": "subscribed", "msg": { "channel": channel.as_str(), "sid": sid } }), id));
            if channel == Channel::OrderbookDelta {
                first.extend(self.snapshots(sid, &added, core));
            }
            if channel == Channel::Ticker && initial {
                first.extend(added.iter().map(|market| ticker(sid, *market, core)));
            }
        }
        acks.extend(first);
        Ok(acks)
    }

    /// A new subscription; one channel has one, so that a second subscription only adds markets.
    fn subscription(&mut self, channel: Channel, markets: Option<BTreeSet<MarketNo>>, use_yes_price: bool) -> (u64, Vec<MarketNo>) {
        let added = markets.iter().flatten().copied().collect();
        if let Some((sid, there)) = self.subscriptions.iter_mut().find(|(_, there)| there.channel == channel) {
            match (&mut there.markets, markets) {
                (Some(old), Some(new)) => old.extend(new),
                (old, _) => *old = None,
            }
            return (*sid, added);
        }
        self.made += 1;
        self.subscriptions.insert(self.made, Subscription { channel, markets, use_yes_price, seq: 0 });
        (self.made, added)
    }

    fn unsubscribe(&mut self, id: Option<i64>, params: Option<&Value>) -> Result<Vec<Value>, i64> {
        let sids = params.ok_or(2)?["sids"].as_array().filter(|sids| !sids.is_empty()).ok_or(4)?;
        let end = |sid: &Value| match sid.as_u64().and_then(|sid| Some((sid, self.subscriptions.remove(&sid)?))) {
            Some((sid, mut ended)) => numbered(json!({ "type": "unsubscribed", "sid": sid, "seq": ended.next() }), id),
            None => error(id, 7),
        };
        Ok(sids.iter().map(end).collect())
    }

    fn update(&mut self, id: Option<i64>, params: Option<&Value>, core: &Core) -> Result<Vec<Value>, i64> {
        let params = params.ok_or(2)?;
        let sid = match (params["sid"].as_u64(), params["sids"].as_array().map(Vec::as_slice)) {
            (Some(sid), None) => sid,
            (None, Some([sid])) => sid.as_u64().ok_or(11)?,
            _ => return Err(12),
        };
        let action = params["action"].as_str().ok_or(15)?;
        let tickers = tickers(params)?;
        let there = self.subscriptions.get_mut(&sid).ok_or(7)?;
        let named = known(&tickers.ok_or(14)?, core)?;
        let markets = there.markets.get_or_insert_default();
        match action {
            "add_markets" => markets.extend(named.iter().copied()),
            "delete_markets" => markets.retain(|market| !named.contains(market)),
            "get_snapshot" if there.channel == Channel::OrderbookDelta => {
                return Ok(self.snapshots(sid, &named.into_iter().collect::<Vec<_>>(), core));
            }
            _ => return Err(13),
        }
        let now: Vec<&str> = markets.iter().map(|market| core.market(*market).ticker.as_str()).collect();
        let ack = json!({ "type": "ok", "sid": sid, "msg": { "market_tickers": now } });
        let snapshots = there.channel == Channel::OrderbookDelta && action == "add_markets";
        let mut ack = numbered(ack, id);
        ack["seq"] = there.next().into();
        let mut frames = vec![ack];
        if snapshots {
            frames.extend(self.snapshots(sid, &named.into_iter().collect::<Vec<_>>(), core));
        }
        Ok(frames)
    }

    fn list(&self, id: Option<i64>) -> Value {
        let row = |(sid, there): (&u64, &Subscription)| json!({ "channel": there.channel.as_str(), "sid": sid });
        numbered(json!({ "type": "ok", "msg": self.subscriptions.iter().map(row).collect::<Vec<_>>() }), id)
    }

    fn snapshots(&mut self, sid: u64, markets: &[MarketNo], core: &Core) -> Vec<Value> {
        let Some(there) = self.subscriptions.get_mut(&sid) else { return Vec::new() };
        let one = |market: &MarketNo| snapshot(sid, there.next(), core.market(*market), there.use_yes_price, core);
        markets.iter().map(one).collect()
    }

    /// What this session hears of a notice: the channel's frame, if it is subscribed.
    pub fn hear(&mut self, notice: &Notice, core: &Core) -> Option<Value> {
        let (sid, there) = self.subscriptions.iter_mut().find(|(_, there)| there.wants(notice, self.account))?;
        let msg = match &notice.body {
            Body::Message(msg) => msg.clone(),
            Body::Level { .. } => level(notice, self.account, there.use_yes_price, core)?,
        };
        let mut frame = json!({ "type": notice.kind, "sid": sid, "msg": msg, "sending_ts_ms": core.now().ms() });
        if there.channel.has_seq() {
            frame["seq"] = there.next().into();
        }
        Some(frame)
    }

    /// A number of this channel is lost.
    pub fn skip(&mut self, channel: Channel) {
        if let Some(there) = self.subscriptions.values_mut().find(|there| there.channel == channel) {
            there.next();
        }
    }
}

fn level(notice: &Notice, account: AccountNo, use_yes_price: bool, core: &Core) -> Option<Value> {
    let Body::Level { side, price: at, change, owner, client_id, at: time } = &notice.body else { return None };
    let market = core.market(notice.market?);
    let shown = if *side == Side::Ask && !use_yes_price { at.complement() } else { *at };
    let mut msg = json!({
        "market_ticker": market.ticker, "market_id": market.id, "price_dollars": price(shown), "delta_fp": count(*change),
        "side": if *side == Side::Bid { "yes" } else { "no" }, "ts": stamp(*time), "ts_ms": time.ms(),
    });
    if *owner == account {
        msg["client_order_id"] = client_id.clone().into();
    }
    Some(msg)
}

fn snapshot(sid: u64, seq: u64, market: &super::super::markets::Market, use_yes_price: bool, core: &Core) -> Value {
    let mut msg = json!({ "market_ticker": market.ticker, "market_id": market.id });
    for (side, key) in [(Side::Bid, "yes_dollars_fp"), (Side::Ask, "no_dollars_fp")] {
        let shown = |at: crate::domain::money::Price| if side == Side::Ask && !use_yes_price { at.complement() } else { at };
        let mut levels: Vec<Value> = market.book.levels(side).map(|(at, size)| json!([price(shown(at)), count(size)])).collect();
        levels.reverse();
        // An empty side has no key.
        if !levels.is_empty() {
            msg[key] = levels.into();
        }
    }
    json!({ "type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": msg, "sending_ts_ms": core.now().ms() })
}

fn ticker(sid: u64, market: MarketNo, core: &Core) -> Value {
    json!({ "type": "ticker", "sid": sid, "msg": core.ticker_json(market), "sending_ts_ms": core.now().ms() })
}

fn numbered(mut frame: Value, id: Option<i64>) -> Value {
    if let Some(id) = id {
        frame["id"] = id.into();
    }
    frame
}

fn error(id: Option<i64>, code: i64) -> Value {
    let words = ERRORS.iter().find(|(known, _)| *known == code).map_or("Unable to process message", |(_, words)| *words);
    numbered(json!({ "type": "error", "msg": { "code": code, "msg": words } }), id)
}

/// `market_ticker` or `market_tickers`.
fn tickers(params: &Value) -> Result<Option<Vec<String>>, i64> {
    let one = params.get("market_ticker").map(|ticker| ticker.as_str().map(|ticker| vec![ticker.to_owned()]).ok_or(11)).transpose()?;
    let text = |ticker: &Value| ticker.as_str().map(str::to_owned).ok_or(11);
    let many = params.get("market_tickers").map(|list| list.as_array().ok_or(11)?.iter().map(text).collect()).transpose()?;
    Ok(many.or(one).filter(|tickers: &Vec<String>| !tickers.is_empty()))
}

/// Errors: a ticker that doesn't exist is an invalid parameter, since "market not found" was retired.
fn known(tickers: &[String], core: &Core) -> Result<BTreeSet<MarketNo>, i64> {
    tickers.iter().map(|ticker| core.market_called(ticker).ok_or(11)).collect()
}

fn flag(params: &Value, name: &str) -> Result<bool, i64> {
    params.get(name).map_or(Ok(false), |flag| flag.as_bool().ok_or(11))
}
