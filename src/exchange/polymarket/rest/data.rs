//! Open orders and trades, in pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::orders::{Order, Status, View};
use super::super::refusal::Refusal;
use super::super::show::seconds;
use super::{Answer, Cx};
use crate::domain::time::Time;

/// The first page's cursor is the text `0`, the last one's is `-1` (`polymarket.md` §4: `MA==`, `LTE=`).
const END: &str = "LTE=";

/// Where a page begins; `None`: there is none.
pub fn decoded_cursor(text: Option<&str>) -> Option<usize> {
    let Some(text) = text else { return Some(0) };
    let bytes = STANDARD.decode(text).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

impl Cx<'_> {
    /// One page, less what a fault drops from its front: the newest. Only its own rows become JSON.
    fn page<T>(&self, mut rows: Vec<T>, json: impl Fn(T) -> Value) -> Answer {
        rows.drain(..self.drop_rows.min(rows.len()));
        let limit = self.core.rules.page_limit;
        let at = match self.query.get("next_cursor") {
            Some(END) => rows.len(),
            text => decoded_cursor(text).ok_or_else(|| Refusal::bad("next_cursor is invalid"))?,
        };
        let end = rows.len().min(at.saturating_add(limit));
        let next = if end < rows.len() { STANDARD.encode(end.to_string()) } else { END.to_owned() };
        let data: Vec<Value> = rows.into_iter().take(end).skip(at).map(json).collect();
        Ok((200, json!({ "count": data.len(), "data": data, "limit": limit, "next_cursor": next })))
    }

    /// An unknown one is JSON's null.
    pub fn get_order(&mut self) -> Answer {
        let accounts = self.accounts()?;
        let order = self.core.order_called(self.id).map(|no| self.core.order(no));
        let seen =
            order.filter(|order| accounts.contains(&order.new.account)).and_then(|order| Some((order, order.seen_at(self.read_at)?)));
        Ok((200, seen.map_or(Value::Null, |(order, view)| self.core.order_json(order, view))))
    }

    /// Live ones, newest first; by its id any.
    pub fn list_orders(&mut self) -> Answer {
        let (id, market, token) = (self.query.get("id"), self.query.get("market"), self.query.get("asset_id"));
        let wanted = |order: &Order, view: &View| {
            let record = self.core.market(order.new.token.market);
            let live = matches!(view.status, Status::Live);
            id.map_or(live, |id| id == order.new.id)
                && market.is_none_or(|market| market == record.spec.condition)
                && token.is_none_or(|token| token == record.token_id(order.new.token.outcome))
        };
        let mut numbers: Vec<_> = self.accounts()?.iter().flat_map(|account| &self.core.account(*account).orders).copied().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let seen = numbers.into_iter().map(|no| self.core.order(no)).filter_map(|order| Some((order, order.seen_at(self.read_at)?)));
        let rows: Vec<(&Order, &View)> = seen.filter(|(order, view)| wanted(order, view)).collect();
        self.page(rows, |(order, view)| self.core.order_json(order, view))
    }

    fn seconds_of(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let text = self.query.get(name);
        text.map(|text| text.parse().map_err(|_| Refusal::bad(&format!("{name} is invalid")))).transpose()
    }

    /// Newest first. `before` and `after` are seconds of the match.
    pub fn list_trades(&mut self) -> Answer {
        let query = self.query;
        let (id, market, token, maker) = (query.get("id"), query.get("market"), query.get("asset_id"), query.get("maker_address"));
        let (before, after) = (self.seconds_of("before")?, self.seconds_of("after")?);
        let accounts = self.accounts()?;
        let in_time = |at: Time| before.is_none_or(|before| seconds(at) < before) && after.is_none_or(|after| seconds(at) > after);
        let rows = self.core.trades_of(&accounts).into_iter().rev().filter_map(|index| {
            let trade = &self.core.trades[index];
            let view = trade.seen_at(self.read_at)?;
            let record = self.core.market(trade.market);
            let own = || trade.legs.iter().filter(|leg| accounts.contains(&leg.account));
            let wanted = id.is_none_or(|id| trade.id.to_string() == id)
                && market.is_none_or(|market| market == record.spec.condition)
                && token.is_none_or(|token| own().any(|leg| record.token_id(leg.movement.token.outcome) == token))
                && maker.is_none_or(|maker| own().any(|leg| self.core.account(leg.account).wallet.lower() == maker.to_lowercase()))
                && in_time(trade.at);
            wanted.then_some((trade, view))
        });
        self.page(rows.collect(), |(trade, view)| self.core.trade_row(trade, view, &accounts))
    }
}
