//! What an account has: fills, positions, balance, settlements, money moved, keys, limits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::account::Position;
use super::super::markets::{result_word, settlement_price};
use super::super::refusal::Refusal;
use super::super::wire::{balance, cents, count, dollars, seconds, stamp};
use super::{Answer, COST_DEFAULT, COSTS, Cx};
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::exchange::ids::{Id, MarketNo};

const TICKERS_MAX: usize = 100;

impl Cx<'_> {
    pub fn fills(&mut self) -> Answer {
        const CALL: &str = "GetFills";
        let query = self.query;
        let (tickers, order) = (query.list("ticker"), query.get("order_id").map(Id::parse));
        if tickers.as_ref().is_some_and(|tickers| tickers.len() > TICKERS_MAX) {
            return Err(Refusal::parameter(CALL, "Ticker", "max"));
        }
        let (from, to) = (query.time(CALL, "min_ts", "MinTs")?, query.time(CALL, "max_ts", "MaxTs")?);
        let shard = query.shard(CALL)?;
        let fills = self.core.account(self.account()?).fills.iter().enumerate().rev();
        let rows = fills.filter(|(_, fill)| {
            let market = self.core.market(fill.market);
            fill.at <= self.read_at
                && tickers.as_ref().is_none_or(|tickers| tickers.contains(&market.ticker.as_str()))
                && order.is_none_or(|order| order == Some(self.core.order(fill.order).id))
                && from.is_none_or(|from| fill.at >= from)
                && to.is_none_or(|to| fill.at <= to)
                && shard.is_none_or(|shard| shard == market.shard)
        });
        let (fills, cursor) = self.page(CALL, rows.collect(), |fill| self.core.fill_json(fill))?;
        Ok((200, json!({ "fills": fills, "cursor": cursor })))
    }

    pub fn positions(&mut self) -> Answer {
        const CALL: &str = "GetPositions";
        let query = self.query;
        let (ticker, event, shard) = (query.get("ticker"), query.get("event_ticker"), query.shard(CALL)?);
        let settled = match query.get("settlement_status") {
            None | Some("unsettled") => Some(false),
            Some("settled") => Some(true),
            Some("all") => None,
            Some(_) => return Err(Refusal::parameter(CALL, "SettlementStatus", "oneof")),
        };
        let filter = query.list("count_filter").unwrap_or_default();
        let counted = |position: &Position| {
            filter.is_empty()
                || filter.contains(&"position") && !position.signed.is_zero()
                || filter.contains(&"total_traded") && !position.traded.is_zero()
        };
        let account = self.core.account(self.account()?);
        let seen = account.positions_at(self.read_at).into_iter().filter(|(no, position)| {
            let market = self.core.market(*no);
            let over = market.settled.is_some_and(|at| at <= self.read_at);
            settled.is_none_or(|settled| settled == over)
                && ticker.is_none_or(|ticker| ticker == market.ticker)
                && event.is_none_or(|event| event == market.event)
                && shard.is_none_or(|shard| shard == market.shard)
                && counted(position)
        });
        let seen: Vec<(MarketNo, Position)> = seen.collect();
        let events = self.event_positions(&seen);
        let rows = seen.iter().map(|row| (row.0.0, row)).collect();
        let (rows, cursor) = self.page(CALL, rows, |(no, position)| self.position_json(*no, position))?;
        Ok((200, json!({ "market_positions": rows, "event_positions": events, "cursor": cursor })))
    }

    fn position_json(&self, no: MarketNo, position: &Position) -> Value {
        let market = self.core.market(no);
        let resting = self.caller.as_ref().and_then(|caller| self.core.account(caller.account).resting.get(&no));
        json!({
            "ticker": market.ticker, "exchange_index": market.shard, "position_fp": count(position.signed),
            "market_exposure_dollars": dollars(position.cost), "total_traded_dollars": dollars(position.traded),
            "realized_pnl_dollars": dollars(position.realized), "fees_paid_dollars": dollars(position.fees),
            "resting_orders_count": resting.map_or(0, |orders| orders.len()), "last_updated_ts": stamp(position.updated),
        })
    }

    fn event_positions(&self, seen: &[(MarketNo, Position)]) -> Vec<Value> {
        let mut events: BTreeMap<&str, Position> = BTreeMap::new();
        for (no, position) in seen {
            let sum = events.entry(self.core.market(*no).event.as_str()).or_default();
            sum.cost += position.cost;
            sum.realized += position.realized;
            sum.fees += position.fees;
            sum.traded += position.traded;
            sum.traded_contracts += position.traded_contracts;
        }
        let row = |(event, sum): (&str, Position)| {
            json!({
                "event_ticker": event, "total_cost_dollars": dollars(sum.traded), "total_cost_shares_fp": count(sum.traded_contracts),
                "event_exposure_dollars": dollars(sum.cost), "realized_pnl_dollars": dollars(sum.realized),
                "fees_paid_dollars": dollars(sum.fees),
            })
        };
        events.into_iter().map(row).collect()
    }

    pub fn balance(&mut self) -> Answer {
        let shard = self.query.shard("GetBalance")?;
        let account = self.core.account(self.account()?);
        let (since, cash) = account.available_at(self.read_at);
        let asked = |other: &u32| shard.is_none_or(|shard| shard == *other);
        let total: Usd = cash.iter().filter(|(shard, _)| asked(shard)).map(|(_, usd)| *usd).sum();
        let held = account.positions_at(self.read_at).into_iter().filter(|(no, _)| asked(&self.core.market(*no).shard));
        let value: Usd = held.map(|(no, position)| self.marked(no, &position)).sum();
        let row = |(shard, usd): (&u32, &Usd)| json!({ "exchange_index": shard, "balance": balance(*usd) });
        let rows: Vec<Value> = cash.iter().filter(|(shard, _)| asked(shard)).map(row).collect();
        Ok((
            200,
            json!({
                "balance": cents(total), "balance_dollars": balance(total), "portfolio_value": cents(value),
                "updated_ts": seconds(since), "balance_breakdown": rows,
            }),
        ))
    }

    /// A holding at the last price, or at its cost where nothing has traded.
    fn marked(&self, no: MarketNo, position: &Position) -> Usd {
        let Some((last, _)) = self.core.market(no).last else { return position.cost };
        let own = if position.signed >= Quantity::ZERO { last } else { last.complement() };
        own.times(position.signed.abs(), Rounding::Down)
    }

    pub fn settlements(&mut self) -> Answer {
        const CALL: &str = "GetSettlements";
        let query = self.query;
        let (ticker, event) = (query.get("ticker"), query.get("event_ticker"));
        let (from, to) = (query.time(CALL, "min_ts", "MinTs")?, query.time(CALL, "max_ts", "MaxTs")?);
        let settled = self.core.account(self.account()?).settlements.iter().enumerate().rev();
        let rows = settled.filter(|(_, settled)| {
            let market = self.core.market(settled.market);
            settled.at <= self.read_at
                && ticker.is_none_or(|ticker| ticker == market.ticker)
                && event.is_none_or(|event| event == market.event)
                && from.is_none_or(|from| settled.at >= from)
                && to.is_none_or(|to| settled.at <= to)
        });
        let json = |settled: &super::super::account::Settled| {
            let (market, before) = (self.core.market(settled.market), &settled.before);
            let long = before.signed > Quantity::ZERO;
            let of = |yes: bool| {
                if yes == long { (count(before.signed.abs()), dollars(before.cost)) } else { ("0.00".into(), dollars(Usd::ZERO)) }
            };
            let ((yes_count, yes_cost), (no_count, no_cost)) = (of(true), of(false));
            let value = settlement_price(settled.result).map(|price| price.times(Quantity::whole(1), Rounding::Down));
            json!({
                "ticker": market.ticker, "event_ticker": market.event, "exchange_index": market.shard,
                "market_result": result_word(settled.result), "yes_count_fp": yes_count, "yes_total_cost_dollars": yes_cost,
                "no_count_fp": no_count, "no_total_cost_dollars": no_cost, "revenue": cents(settled.revenue),
                "settled_time": stamp(settled.at), "fee_cost": dollars(before.fees), "value": value.map(cents),
            })
        };
        let (settlements, cursor) = self.page(CALL, rows.collect(), json)?;
        Ok((200, json!({ "settlements": settlements, "cursor": cursor })))
    }

    pub fn moves(&mut self, deposits: bool) -> Answer {
        let call = if deposits { "GetDeposits" } else { "GetWithdrawals" };
        let moves = self.core.account(self.account()?).moves.iter().enumerate().rev();
        let rows = moves.filter(|(_, moved)| (moved.amount > Usd::ZERO) == deposits && moved.at <= self.read_at);
        let row = |moved: &super::super::account::Moved| {
            json!({
                "id": moved.id, "status": "applied", "type": "ach", "amount_cents": cents(moved.amount.abs()), "fee_cents": 0,
                "created_ts": seconds(moved.at), "finalized_ts": seconds(moved.at),
            })
        };
        let (rows, cursor) = self.page(call, rows.collect(), row)?;
        let name = if deposits { "deposits" } else { "withdrawals" };
        Ok((200, json!({ name: rows, "cursor": cursor })))
    }

    pub fn resting_value(&mut self) -> Answer {
        let account = self.core.account(self.account()?);
        let on = |shard: u32| account.held.iter().filter(|(no, _)| self.core.market(**no).shard == shard).map(|(_, usd)| *usd).sum::<Usd>();
        let rows: Vec<Value> =
            account.cash.keys().map(|shard| json!({ "exchange_index": shard, "balance": balance(on(*shard)) })).collect();
        let total: Usd = account.held.values().copied().sum();
        Ok((200, json!({ "total_resting_order_value": cents(total), "resting_order_value_breakdown": rows })))
    }

    pub fn limits(&mut self) -> Answer {
        self.account()?;
        Ok((200, self.limits.json()))
    }

    pub fn endpoint_costs(&mut self) -> Answer {
        let row =
            |(method, path, cost): &(&str, &str, i64)| json!({ "method": method, "path": format!("/trade-api/v2{path}"), "cost": cost });
        Ok((200, json!({ "default_cost": COST_DEFAULT, "endpoint_costs": COSTS.iter().map(row).collect::<Vec<_>>() })))
    }

    pub fn api_keys(&mut self) -> Answer {
        let account = self.account()?;
        let own = self.keys.keys.iter().filter(|(_, key)| key.account == account && !key.revoked);
        let rows: Vec<Value> = own.map(|(id, key)| json!({ "api_key_id": id, "name": key.name, "scopes": key.scopes })).collect();
        let mut answer = json!({ "api_keys": rows });
        if let Some(expires) = self.keys.region_expires {
            answer["api_key_region_expiration_ts"] = seconds(expires).into();
        }
        Ok((200, answer))
    }

    /// Nothing is ever old enough here: the cut-offs lie two weeks back.
    pub fn cutoff(&mut self) -> Answer {
        let cutoff = stamp(self.core.now().plus_ms(-14 * 86_400_000));
        Ok((
            200,
            json!({
                "market_settled_ts": cutoff, "trades_created_ts": cutoff, "orders_updated_ts": cutoff, "market_positions_last_updated_ts": cutoff,
            }),
        ))
    }

    pub fn nothing_historical(&mut self, name: &str) -> Answer {
        Ok((200, json!({ name: [], "cursor": "" })))
    }
}
