//! Orders over REST: create, cancel, amend, decrease, batches, look-ups.

use serde_json::{Value, json};

use super::super::change::Amendment;
use super::super::orders::{InForce, NewOrder, Order, Reason, Source, View};
use super::super::place::Took;
use super::super::refusal::Refusal;
use super::super::wire::{count, price};
use super::body::Body;
use super::{Answer, Cx};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Rounding, mul_div};
use crate::domain::time::Time;
use crate::exchange::book::SelfTrade;
use crate::exchange::ids::{Id, MarketNo, OrderNo};

/// Categories that need a valid location attestation.
const ATTESTED: [&str; 3] = ["Sports", "Elections", "Entertainment"];
const EVENTS_MAX: usize = 10;

impl Cx<'_> {
    pub fn create(&mut self) -> Answer {
        let body = Body::parse("CreateOrderV2Request", self.body)?;
        Ok((201, self.create_one(&body)?))
    }

    fn create_one(&mut self, body: &Body) -> Result<Value, Refusal> {
        let new = self.new_order(body)?;
        if self.attestation_expired && ATTESTED.contains(&self.core.market(new.market).category.as_str()) {
            // The refusal's words are not documented; that it comes is (`kalshi.md` §1).
            return Err(Refusal::nested(403, "forbidden", Some("location attestation expired")));
        }
        let took = self.core.place(&new)?;
        self.drip_into(took.order);
        Ok(self.took_json(&took, true))
    }

    fn new_order(&mut self, body: &Body) -> Result<NewOrder, Refusal> {
        // Types first, as a JSON decoder sees them; then what is missing; then what the exchange knows.
        let types =
            ["ticker", "client_order_id", "side", "count", "price", "time_in_force", "self_trade_prevention_type", "order_group_id"];
        for field in types {
            body.text(field)?;
        }
        let (post_only, reduce_only) = (body.flag("post_only")?, body.flag("reduce_only")?);
        let (cancel_on_pause, shard) = (body.flag("cancel_order_on_pause")?, body.shard()?);
        if body.integer("subaccount")?.is_some_and(|subaccount| subaccount != 0) {
            return Err(Refusal::nested(404, "subaccount_not_found", None));
        }
        let expires = body.integer("expiration_time")?.map(|seconds| Time::from_ms(seconds.saturating_mul(1_000)));
        let (ticker, side) = (body.required("ticker")?.to_owned(), side_of(body)?);
        body.required("count")?;
        body.required("price")?;
        let in_force = match body.required("time_in_force")? {
            "good_till_canceled" => InForce::UntilCanceled,
            "immediate_or_cancel" => InForce::ImmediateOrCancel,
            "fill_or_kill" => InForce::FillOrKill,
            _ => return Err(body.invalid("time_in_force", "oneof")),
        };
        let self_trade = match body.required("self_trade_prevention_type")? {
            "taker_at_cross" => SelfTrade::TakerAtCross,
            "maker" => SelfTrade::Maker,
            _ => return Err(body.invalid("self_trade_prevention_type", "oneof")),
        };
        let market = self.tradable(&ticker, shard)?;
        let group = body.text("order_group_id")?.filter(|text| !text.is_empty());
        let group = group.map(|id| Id::parse(id).ok_or_else(|| Refusal::nested(404, "order_group_not_found", None))).transpose()?;
        let quantity = body.required_count("count")?;
        let client_id = body.text("client_order_id")?.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(NewOrder {
            account: self.account()?,
            market,
            client_id: client_id.unwrap_or_else(|| self.core.new_id().to_string()),
            side,
            price: body.required_price("price")?,
            quantity,
            in_force,
            expires,
            self_trade,
            post_only,
            reduce_only,
            cancel_on_pause,
            group,
            source: Source::Api,
        })
    }

    /// A market on the shard that is named, or anywhere. Errors: 404, for a wrong shard, too.
    fn tradable(&self, ticker: &str, shard: Option<u32>) -> Result<MarketNo, Refusal> {
        let market = self.core.market_called(ticker).ok_or_else(Refusal::market_not_found)?;
        let here = shard.is_none_or(|shard| shard == self.core.market(market).shard);
        if here { Ok(market) } else { Err(Refusal::market_not_found()) }
    }

    fn drip_into(&mut self, no: OrderNo) {
        let Some((parts, every_ms)) = self.drip else { return };
        let (left, now) = (self.core.order(no).view.left, self.core.now());
        let lot = 10_000;
        let part = left.micros() / i64::from(parts) / lot * lot;
        for number in 1..=i64::from(parts) {
            let quantity = if number == i64::from(parts) { left.micros() - part * (number - 1) } else { part };
            let job = super::super::core::Job::Hit { order: no, quantity: Quantity::from_micros(quantity) };
            self.core.schedule(now.plus_ms(every_ms * number), job);
        }
    }

    /// What a create or an amendment says it did.
    fn took_json(&self, took: &Took, with_counts: bool) -> Value {
        let order = self.core.order(took.order);
        let mut answer = json!({ "order_id": order.id, "client_order_id": order.view.client_id, "ts_ms": self.core.now().ms() });
        if with_counts || !took.filled.is_zero() {
            answer["fill_count"] = count(took.filled).into();
            answer["remaining_count"] = count(order.view.left).into();
        }
        if !took.filled.is_zero() {
            let per_contract = |micros, rounding| Price::from_micros(mul_div(micros, ONE, took.filled.micros(), rounding));
            answer["average_fill_price"] = price(per_contract(took.value.micros(), Rounding::Down)).into();
            let fee = per_contract(took.fees.micros() + 99, Rounding::Down);
            answer["average_fee_paid"] = price(Price::from_micros(fee.micros() / 100 * 100)).into();
        }
        answer
    }

    fn named(&self, id: &str) -> Option<OrderNo> {
        Id::parse(id).and_then(|id| self.core.order_called(id))
    }

    /// An order that can be changed and lies on the shard that is named.
    fn changeable(&self, id: &str, shard: Option<u32>) -> Result<OrderNo, Refusal> {
        let no = self.core.changeable(self.account()?, self.named(id))?;
        let here = shard.is_none_or(|shard| shard == self.core.market(self.core.order(no).market).shard);
        if here { Ok(no) } else { Err(Refusal::not_found()) }
    }

    pub fn cancel(&mut self) -> Answer {
        let shard = self.query.shard("CancelOrderV2")?;
        let id = self.id.to_owned();
        Ok((200, self.cancel_one(&id, shard)?))
    }

    fn cancel_one(&mut self, id: &str, shard: Option<u32>) -> Result<Value, Refusal> {
        self.hit_before(id)?;
        let no = self.changeable(id, shard)?;
        let reduced = self.core.cancel_resting(no, None);
        let order = self.core.order(no);
        Ok(json!({
            "order_id": order.id, "client_order_id": order.view.client_id,
            "reduced_by": count(reduced), "ts_ms": self.core.now().ms(),
        }))
    }

    /// A fill that was under way before the cancel arrived.
    fn hit_before(&mut self, id: &str) -> Result<(), Refusal> {
        let Some(quantity) = self.hit_first.take() else { return Ok(()) };
        let Some(no) = self.named(id) else { return Ok(()) };
        let all = self.core.order(no).view.left;
        let quantity = if quantity.is_empty() { all } else { Quantity::parse(&quantity).unwrap_or(all) };
        let _ = self.core.hit(no, quantity);
        Ok(())
    }

    pub fn cancel_all(&mut self) -> Answer {
        let account = self.account()?;
        if !self.core.hours.exchange_active {
            return Err(Refusal::nested(503, "exchange_paused", None));
        }
        self.core.cancel_all(account);
        Ok((204, Value::Null))
    }

    pub fn decrease(&mut self) -> Answer {
        let body = Body::parse("DecreaseOrderV2Request", self.body)?;
        let (by, to, shard) = (body.count("reduce_by")?, body.count("reduce_to")?, body.shard()?);
        let no = self.changeable(self.id, shard)?;
        let before = self.core.order(no).view.left;
        let left = match (by, to) {
            (Some(by), None) => before - by,
            (None, Some(to)) => to,
            _ => return Err(Refusal::bad_request("exactly one of reduce_by and reduce_to is required")),
        };
        self.core.decrease(no, left, Reason::Decrease)?;
        let order = self.core.order(no);
        let answer = json!({
            "order_id": order.id, "client_order_id": order.view.client_id,
            "remaining_count": count(order.view.left), "ts_ms": self.core.now().ms(),
        });
        Ok((200, answer))
    }

    pub fn amend(&mut self) -> Answer {
        let body = Body::parse("AmendOrderV2Request", self.body)?;
        let (ticker, side) = (body.required("ticker")?, side_of(&body)?);
        let (wanted_price, total) = (body.required_price("price")?, body.required_count("count")?);
        let (client_id, updated) = (body.text("client_order_id")?, body.text("updated_client_order_id")?);
        let expires = body.integer("expiration_time")?;
        let no = self.changeable(self.id, body.shard()?)?;
        let order = self.core.order(no);
        if self.core.market(order.market).ticker != ticker {
            return Err(Refusal::order("order_ticker_mismatch"));
        }
        if order.side != side {
            return Err(Refusal::order("order_side_mismatch"));
        }
        if client_id.is_some_and(|id| id != order.view.client_id) {
            return Err(Refusal::order("order_id_and_client_order_id_mismatch"));
        }
        let at = expires.map(|seconds| (seconds != 0).then(|| Time::from_ms(seconds.saturating_mul(1_000))));
        if at.flatten().is_some_and(|at| at <= self.core.now()) {
            return Err(Refusal::invalid_order("expiration_time is in the past"));
        }
        let before = order.view.left;
        let change = Amendment { price: wanted_price, total, client_id: updated.map(str::to_owned), expires: at };
        let took = self.core.amend(no, &change)?;
        let resized = self.core.order(no).view.left != before;
        Ok((200, self.took_json(&took, resized)))
    }

    pub fn batch_create(&mut self) -> Answer {
        let body = Body::parse("BatchCreateOrdersV2Request", self.body)?;
        let bodies = body.list("orders")?.iter().map(|order| Body::of("CreateOrderV2Request", order.clone()));
        let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(bodies.len());
        for body in &bodies {
            let row = self.create_one(body);
            let client_id = body.text("client_order_id").ok().flatten();
            rows.push(row.unwrap_or_else(|refusal| json!({ "client_order_id": client_id, "error": error_of(&refusal) })));
        }
        Ok((201, json!({ "orders": rows })))
    }

    pub fn batch_cancel(&mut self) -> Answer {
        let body = Body::parse("BatchCancelOrdersV2Request", self.body)?;
        let bodies = body.list("orders")?.iter().map(|order| Body::of("BatchCancelOrdersV2RequestOrder", order.clone()));
        let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(bodies.len());
        for body in &bodies {
            let (id, shard) = (body.required("order_id")?.to_owned(), body.shard()?);
            let row = self.cancel_one(&id, shard);
            rows.push(row.unwrap_or_else(|refusal| json!({ "order_id": id, "reduced_by": "0.00", "error": error_of(&refusal) })));
        }
        Ok((200, json!({ "orders": rows })))
    }

    pub fn get_order(&mut self) -> Answer {
        let account = self.account()?;
        let order = self.named(self.id).map(|no| self.core.order(no)).filter(|order| order.account == account);
        let seen = order.and_then(|order| Some((order, order.seen_at(self.read_at)?)));
        let (order, view) = seen.ok_or_else(Refusal::not_found)?;
        Ok((200, json!({ "order": self.core.order_json(order, view) })))
    }

    pub fn list_orders(&mut self) -> Answer {
        const CALL: &str = "GetOrders";
        let query = self.query;
        let (ticker, events) = (query.get("ticker"), query.list("event_ticker"));
        if events.as_ref().is_some_and(|events| events.len() > EVENTS_MAX) {
            return Err(Refusal::parameter(CALL, "EventTicker", "max"));
        }
        let status = query.get("status");
        if status.is_some_and(|status| !["resting", "canceled", "executed"].contains(&status)) {
            return Err(Refusal::parameter(CALL, "Status", "oneof"));
        }
        let (from, to) = (query.time(CALL, "min_ts", "MinTs")?, query.time(CALL, "max_ts", "MaxTs")?);
        let shard = query.shard(CALL)?;
        let wanted = |order: &Order, view: &View| {
            let market = self.core.market(order.market);
            ticker.is_none_or(|ticker| ticker == market.ticker)
                && events.as_ref().is_none_or(|events| events.contains(&market.event.as_str()))
                && status.is_none_or(|status| status == view.status.as_str())
                && from.is_none_or(|from| order.created >= from)
                && to.is_none_or(|to| order.created <= to)
                && shard.is_none_or(|shard| shard == market.shard)
        };
        let newest_first = self.core.account(self.account()?).orders.iter().rev().map(|no| self.core.order(*no));
        let seen = newest_first.filter_map(|order| Some((order, order.seen_at(self.read_at)?)));
        let rows = seen.filter(|(order, view)| wanted(order, view)).map(|(order, view)| (order.no.0, (order, view)));
        let (orders, cursor) = self.page(CALL, rows.collect(), |(order, view)| self.core.order_json(order, view))?;
        Ok((200, json!({ "orders": orders, "cursor": cursor })))
    }

    pub fn queue_position(&mut self) -> Answer {
        let account = self.account()?;
        let order = self.named(self.id).map(|no| self.core.order(no));
        let order = order.filter(|order| order.account == account && order.is_resting()).ok_or_else(Refusal::not_found)?;
        Ok((200, json!({ "queue_position_fp": count(self.ahead_of(order)) })))
    }

    pub fn queue_positions(&mut self) -> Answer {
        let (tickers, event) = (self.query.list("market_tickers"), self.query.get("event_ticker"));
        if tickers.is_none() && event.is_none() {
            return Err(Refusal::parameter("GetOrderQueuePositions", "MarketTickers", "required"));
        }
        let resting = self.core.account(self.account()?).resting.values().flatten().map(|no| self.core.order(*no));
        let rows = resting.filter_map(|order| {
            let market = self.core.market(order.market);
            let wanted = tickers.as_ref().is_none_or(|tickers| tickers.contains(&market.ticker.as_str()))
                && event.is_none_or(|event| event == market.event);
            let row = || json!({ "order_id": order.id, "market_ticker": market.ticker, "queue_position_fp": count(self.ahead_of(order)) });
            wanted.then(row)
        });
        Ok((200, json!({ "queue_positions": rows.collect::<Vec<_>>() })))
    }

    fn ahead_of(&self, order: &Order) -> Quantity {
        self.core.market(order.market).book.ahead(order.side, order.view.price, order.no)
    }
}

fn side_of(body: &Body) -> Result<Side, Refusal> {
    match body.required("side")? {
        "bid" => Ok(Side::Bid),
        "ask" => Ok(Side::Ask),
        _ => Err(body.invalid("side", "oneof")),
    }
}

/// The error object of a batch's row: its code, message and details.
fn error_of(refusal: &Refusal) -> Value {
    let body: Value = serde_json::from_str(&refusal.body).unwrap_or(Value::Null);
    body.get("error").cloned().unwrap_or(body)
}
