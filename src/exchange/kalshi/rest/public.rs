//! What everybody may read: markets, books, trades, series, events, the exchange.

use serde_json::{Value, json};

use super::super::markets::Market;
use super::super::refusal::Refusal;
use super::super::wire::{seconds, stamp};
use super::{Answer, Cx};
use crate::exchange::ids::MarketNo;

/// The words that a status filter takes (`kalshi.md` §3).
const STATUS_FILTERS: [&str; 5] = ["unopened", "open", "paused", "closed", "settled"];

impl Cx<'_> {
    fn market_here(&self) -> Result<MarketNo, Refusal> {
        self.core.market_called(self.id).ok_or_else(Refusal::not_found)
    }

    pub fn market(&mut self) -> Answer {
        let no = self.market_here()?;
        Ok((200, json!({ "market": self.core.market(no).json() })))
    }

    pub fn markets(&mut self) -> Answer {
        const CALL: &str = "GetMarkets";
        let query = self.query;
        let (tickers, event, series) = (query.list("tickers"), query.get("event_ticker"), query.get("series_ticker"));
        let status = query.get("status");
        if status.is_some_and(|status| !STATUS_FILTERS.contains(&status)) {
            return Err(Refusal::parameter(CALL, "Status", "oneof"));
        }
        let (from, to) = (query.integer(CALL, "min_close_ts", "MinCloseTs")?, query.integer(CALL, "max_close_ts", "MaxCloseTs")?);
        let wanted = |market: &Market| {
            tickers.as_ref().is_none_or(|tickers| tickers.contains(&market.ticker.as_str()))
                && event.is_none_or(|event| event == market.event)
                && series.is_none_or(|series| series == market.series)
                && status.is_none_or(|status| status == market.life.filter())
                && from.is_none_or(|from| seconds(market.close_time) >= from)
                && to.is_none_or(|to| seconds(market.close_time) <= to)
        };
        let all = self.core.market_numbers().map(|no| (no.0, self.core.market(no)));
        let rows = all.filter(|(_, market)| wanted(market)).collect();
        let (markets, cursor) = self.page(CALL, rows, Market::json)?;
        Ok((200, json!({ "markets": markets, "cursor": cursor })))
    }

    fn book(&self, no: MarketNo, depth: usize) -> Value {
        let (yes, no_side) = self.core.market(no).book_json(depth);
        json!({ "yes_dollars": yes, "no_dollars": no_side })
    }

    pub fn orderbook(&mut self) -> Answer {
        let depth = self.query.integer("GetMarketOrderbook", "depth", "Depth")?.unwrap_or(0);
        let depth = usize::try_from(depth).map_err(|_| Refusal::parameter("GetMarketOrderbook", "Depth", "gte"))?;
        let no = self.market_here()?;
        Ok((200, json!({ "orderbook_fp": self.book(no, depth) })))
    }

    pub fn orderbooks(&mut self) -> Answer {
        let query = self.query;
        let tickers = query.list("tickers").ok_or_else(|| Refusal::parameter("GetMarketOrderbooks", "Tickers", "required"))?;
        let known = tickers.iter().filter_map(|ticker| Some((ticker, self.core.market_called(ticker)?)));
        let rows: Vec<Value> = known.map(|(ticker, no)| json!({ "ticker": ticker, "orderbook_fp": self.book(no, 0) })).collect();
        Ok((200, json!({ "orderbooks": rows })))
    }

    pub fn trades(&mut self) -> Answer {
        const CALL: &str = "GetTrades";
        let query = self.query;
        let ticker = query.get("ticker");
        let (from, to) = (query.time(CALL, "min_ts", "MinTs")?, query.time(CALL, "max_ts", "MaxTs")?);
        let newest_first = self.core.trades.iter().enumerate().rev();
        let rows = newest_first.filter(|(_, trade)| {
            ticker.is_none_or(|ticker| ticker == self.core.market(trade.market).ticker)
                && from.is_none_or(|from| trade.at >= from)
                && to.is_none_or(|to| trade.at <= to)
        });
        let (trades, cursor) = self.page(CALL, rows.collect(), |trade| self.core.trade_json(trade))?;
        Ok((200, json!({ "trades": trades, "cursor": cursor })))
    }

    fn first_of(&self, wanted: impl Fn(&Market) -> bool) -> Option<&Market> {
        self.core.market_numbers().map(|no| self.core.market(no)).find(|market| wanted(market))
    }

    pub fn series(&mut self) -> Answer {
        let market = self.first_of(|market| market.series == self.id).ok_or_else(Refusal::not_found)?;
        Ok((200, json!({ "series": market.series_json() })))
    }

    pub fn series_list(&mut self) -> Answer {
        let mut rows: Vec<(&str, Value)> = Vec::new();
        for market in self.core.market_numbers().map(|no| self.core.market(no)) {
            if !rows.iter().any(|(series, _)| *series == market.series) {
                rows.push((&market.series, market.series_json()));
            }
        }
        Ok((200, json!({ "series": rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>() })))
    }

    pub fn fee_changes(&mut self) -> Answer {
        Ok((200, json!({ "series_fee_change_arr": [] })))
    }

    pub fn event_fee_changes(&mut self) -> Answer {
        Ok((200, json!({ "event_fee_changes": [], "cursor": "" })))
    }

    /// The markets of an event carry their own fee terms here; an override is what differs from the series' first market.
    pub fn event(&mut self) -> Answer {
        let market = self.first_of(|market| market.event == self.id).ok_or_else(Refusal::not_found)?;
        let series = self.first_of(|other| other.series == market.series).unwrap_or(market);
        let mut event = market.event_json();
        if series.fees != market.fees {
            event.insert("fee_type_override".into(), market.fees.kind.clone().into());
            event.insert("fee_multiplier_override".into(), market.fees.multiplier_json());
        }
        let of_event = self.core.market_numbers().map(|no| self.core.market(no)).filter(|other| other.event == market.event);
        let markets: Vec<Value> = of_event.map(Market::json).collect();
        if self.query.get("with_nested_markets") == Some("true") {
            event.insert("markets".into(), markets.clone().into());
        }
        Ok((200, json!({ "event": event, "markets": markets })))
    }

    pub fn status(&mut self) -> Answer {
        let hours = self.core.hours;
        let shard = |index: u32| {
            json!({
                "exchange_index": index, "description": format!("Shard {index}"), "exchange_active": hours.exchange_active,
                "trading_active": hours.trading_active, "intra_exchange_transfers_active": hours.exchange_active,
            })
        };
        let mut status = json!({
            "exchange_active": hours.exchange_active, "trading_active": hours.trading_active,
            "intra_exchange_transfers_active": hours.exchange_active,
            "exchange_index_statuses": self.core.shards().into_iter().map(shard).collect::<Vec<_>>(),
        });
        if let Some(resumes) = hours.resumes {
            status["exchange_estimated_resume_time"] = stamp(resumes).into();
        }
        Ok((200, status))
    }

    /// Open around the clock, but for Thursdays from 03:00 to 05:00 Eastern.
    pub fn schedule(&mut self) -> Answer {
        let day = json!([{ "open_time": "00:00", "close_time": "00:00" }]);
        let thursday = json!([{ "open_time": "00:00", "close_time": "03:00" }, { "open_time": "05:00", "close_time": "00:00" }]);
        let (start, end) = (stamp(self.core.now().plus_ms(-365 * 86_400_000)), stamp(self.core.now().plus_ms(365 * 86_400_000)));
        let week = json!({
            "start_time": start, "end_time": end, "monday": day, "tuesday": day, "wednesday": day, "thursday": thursday,
            "friday": day, "saturday": day, "sunday": day,
        });
        Ok((200, json!({ "schedule": { "standard_hours": [week], "maintenance_windows": [] } })))
    }

    /// How fresh the reads of an account's data are.
    pub fn user_data_timestamp(&mut self) -> Answer {
        Ok((200, json!({ "as_of_time": stamp(self.read_at) })))
    }
}
