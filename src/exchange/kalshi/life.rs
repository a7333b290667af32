//! The lives of markets and of the exchange, and what the crowd does; driven through the admin port and by time.

use serde_json::{Map, Value, json};

use super::account::{Moved, Settled};
use super::core::{Core, Job};
use super::markets::{FeeTerms, Life, Market, MarketSpec, result_word, settlement_price};
use super::notices::{Body, Channel, Notice};
use super::orders::{InForce, NewOrder, Reason, Source};
use super::place::Took;
use super::refusal::Refusal;
use super::wire::price as price_text;
use crate::domain::market::{PriceBand, PriceGrid, Settlement};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, CROWD, MarketNo, OrderNo};

impl Core {
    /// `None` when the ticker is taken or the bands are no grid.
    pub fn create_market(&mut self, spec: MarketSpec) -> Option<MarketNo> {
        if self.market_called(&spec.ticker).is_some() {
            return None;
        }
        let id = self.new_id();
        let market = Market::new(id, spec, self.now())?;
        let (close, open) = (market.close_time, market.open_time);
        let no = self.push_market(market);
        self.schedule(close, Job::Close(no));
        let market = self.market(no);
        let more = json!({
            "exchange_index": market.shard, "open_ts": super::wire::seconds(open), "close_ts": super::wire::seconds(close),
            "price_level_structure": market.structure, "price_ranges": market.bands_json(),
            "additional_metadata": {
                "name": market.title, "title": market.title, "yes_sub_title": market.title, "no_sub_title": market.title,
                "rules_primary": "", "rules_secondary": "", "can_close_early": true, "event_ticker": market.event,
                "expected_expiration_ts": super::wire::seconds(close), "strike_type": "structured",
            },
        });
        self.tell_life(no, "created", more);
        Some(no)
    }

    fn tell_life(&mut self, no: MarketNo, event: &str, more: Value) {
        let mut msg = Map::new();
        msg.insert("event_type".into(), event.into());
        msg.insert("market_ticker".into(), self.market(no).ticker.clone().into());
        if let Value::Object(more) = more {
            msg.extend(more);
        }
        let body = Body::Message(Value::Object(msg));
        self.tell(Notice { channel: Channel::MarketLifecycle, kind: "market_lifecycle_v2", market: Some(no), account: None, body });
    }

    fn live(&mut self, no: MarketNo, life: Life) {
        let now = self.now();
        let market = self.market_mut(no);
        (market.life, market.updated) = (life, now);
    }

    /// Another word for a market's life. Closing tells nothing; coming back from `inactive` cancels what rests.
    pub fn set_life(&mut self, no: MarketNo, life: Life) {
        let before = self.market(no).life;
        self.live(no, life);
        match (before, life) {
            (Life::Inactive, Life::Active) => {
                self.cancel_resting_in(no, Reason::HaltCancel);
                self.tell_life(no, "activated", json!({ "is_deactivated": false }));
            }
            (_, Life::Inactive) => {
                self.cancel_on_pause(Some(no));
                self.tell_life(no, "deactivated", json!({ "is_deactivated": true }));
            }
            (_, Life::Closed) => {
                let due = self.now().plus_ms(self.rules.close_cancel_ms);
                self.schedule(due, Job::CancelAtClose(no));
            }
            _ => {}
        }
    }

    pub fn close_when_due(&mut self, no: MarketNo) {
        let market = self.market(no);
        if market.close_time <= self.now() && market.takes_cancels() {
            self.set_life(no, Life::Closed);
        }
    }

    pub fn cancel_at_close(&mut self, no: MarketNo) {
        if !self.market(no).takes_cancels() {
            self.cancel_resting_in(no, Reason::CloseCancel);
        }
    }

    pub fn set_close_time(&mut self, no: MarketNo, close: Time) {
        self.market_mut(no).close_time = close;
        self.schedule(close, Job::Close(no));
        self.tell_life(no, "close_date_updated", json!({ "close_ts": super::wire::seconds(close) }));
    }

    fn cancel_resting_in(&mut self, no: MarketNo, reason: Reason) {
        for order in self.market(no).book.orders() {
            self.cancel_resting(order, Some(reason));
        }
    }

    fn cancel_on_pause(&mut self, only: Option<MarketNo>) {
        let markets: Vec<MarketNo> = only.map_or_else(|| self.market_numbers().collect(), |no| vec![no]);
        for market in markets {
            for order in self.market(market).book.orders() {
                if self.order(order).cancel_on_pause {
                    self.cancel_resting(order, Some(Reason::HaltCancel));
                }
            }
        }
    }

    pub fn set_hours(&mut self, hours: super::core::Hours) {
        let pauses = self.hours.trading_active && !hours.trading_active || self.hours.exchange_active && !hours.exchange_active;
        self.hours = hours;
        if pauses {
            self.cancel_on_pause(None);
        }
    }

    /// Another grid while the market trades. Resting orders are kept where the new grid has their prices.
    pub fn set_structure(&mut self, no: MarketNo, name: &str, bands: Vec<PriceBand>) -> bool {
        let Some(grid) = PriceGrid::new(bands.clone()) else { return false };
        let market = self.market_mut(no);
        (market.structure, market.bands, market.grid) = (name.to_owned(), bands, grid);
        let off: Vec<OrderNo> = {
            let market = self.market(no);
            market.book.orders().into_iter().filter(|order| !market.grid.holds(self.order(*order).view.price)).collect()
        };
        for order in off {
            self.cancel_resting(order, None);
        }
        let market = self.market(no);
        let more = json!({ "price_level_structure": market.structure, "price_ranges": market.bands_json() });
        self.tell_life(no, "price_level_structure_updated", more);
        true
    }

    /// Another fee schedule for a market's event; orders already accepted keep theirs.
    pub fn set_fees(&mut self, no: MarketNo, fees: FeeTerms) {
        self.market_mut(no).fees = fees;
        let market = self.market(no);
        let msg = json!({
            "event_ticker": market.event, "fee_type_override": market.fees.kind,
            "fee_multiplier_override": market.fees.multiplier_json(),
        });
        let body = Body::Message(msg);
        self.tell(Notice { channel: Channel::MarketLifecycle, kind: "event_fee_update", market: None, account: None, body });
    }

    /// Ends a market: what rests is cancelled, what is held is paid.
    pub fn settle(&mut self, no: MarketNo, result: Settlement) {
        self.live(no, Life::Determined);
        self.cancel_resting_in(no, Reason::CloseCancel);
        let now = self.now();
        self.market_mut(no).result = Some(result);
        let seconds = super::wire::seconds(now);
        let value = settlement_price(result).map(price_text);
        let mut more = json!({ "result": result_word(result), "determination_ts": seconds });
        if let Some(value) = &value {
            more["settlement_value"] = value.clone().into();
        }
        self.tell_life(no, "determined", more);
        for account in self.members() {
            self.pay(account, no, result);
        }
        self.live(no, Life::Finalized);
        self.market_mut(no).settled = Some(now);
        self.tell_life(no, "settled", json!({ "settled_ts": seconds }));
    }

    fn pay(&mut self, account: AccountNo, no: MarketNo, result: Settlement) {
        let before = self.account(account).position(no);
        if before.traded_contracts.is_zero() {
            return;
        }
        let (now, shard) = (self.now(), self.market(no).shard);
        let revenue = before.payout(result);
        let mut after = before;
        after.realized += revenue - before.cost;
        (after.signed, after.cost, after.updated) = (Quantity::ZERO, Usd::ZERO, now);
        let owner = self.account_mut(account);
        owner.set_position(no, after);
        owner.move_cash(shard, revenue);
        owner.settlements.push(Settled { market: no, result, before, revenue, at: now });
        self.square(account, no);
        self.tell_position(account, no);
    }

    /// A deposit, or a withdrawal; collateral that is then missing costs the newest orders.
    pub fn move_money(&mut self, account: AccountNo, shard: u32, amount: Usd) {
        let (id, at) = (self.new_id(), self.now());
        let owner = self.account_mut(account);
        owner.move_cash(shard, amount);
        owner.moves.push(Moved { id, amount, at });
        self.remember_balance(account);
        while self.available(account, shard) < Usd::ZERO {
            let newest = self
                .account(account)
                .resting
                .values()
                .flatten()
                .copied()
                .filter(|no| self.market(self.order(*no).market).shard == shard)
                .max();
            let Some(newest) = newest else { break };
            self.cancel_resting(newest, Some(Reason::MarginCancel));
        }
    }

    /// An order of the crowd.
    pub fn crowd(&mut self, market: MarketNo, side: Side, price: Price, quantity: Quantity, in_force: InForce) -> Result<Took, Refusal> {
        self.place(&crowd_order(market, side, price, quantity, in_force))
    }

    /// Replaces the crowd's levels; with `keep` it puts them back whenever they are taken.
    pub fn set_crowd_book(&mut self, market: MarketNo, levels: &[(Side, Price, Quantity)], keep: bool) -> Result<(), Refusal> {
        for order in self.market(market).book.orders() {
            if self.order(order).account == CROWD {
                self.cancel_resting(order, None);
            }
        }
        self.market_mut(market).kept.clear();
        for (side, price, quantity) in levels {
            self.crowd(market, *side, *price, *quantity, InForce::UntilCanceled)?;
        }
        if keep {
            self.market_mut(market).kept = levels.to_vec();
        }
        Ok(())
    }

    /// The crowd puts back what is missing from the levels it keeps, where that wouldn't trade.
    pub fn keep_book(&mut self, market: MarketNo) {
        if self.market(market).kept.is_empty() || self.market(market).life != Life::Active {
            return;
        }
        for (side, price, quantity) in self.market(market).kept.clone() {
            let book = &self.market(market).book;
            let there: Quantity = book.levels(side).find(|(at, _)| *at == price).map_or(Quantity::ZERO, |(_, size)| size);
            if there < quantity && !book.would_cross(side, price) {
                let new = crowd_order(market, side, price, quantity - there, InForce::UntilCanceled);
                // It rests or is refused; either way the book stays right.
                let _ = self.place(&new);
            }
        }
    }

    /// The crowd trades against exactly this resting order, wherever it stands in the queue. Returns what it took.
    pub fn hit(&mut self, no: OrderNo, quantity: Quantity) -> Option<Quantity> {
        let order = self.order(no);
        let (market, side, price, left, account) = (order.market, order.side, order.view.price, order.view.left, order.account);
        if !order.is_resting() || quantity.is_zero() {
            return None;
        }
        let quantity = quantity.min(left);
        let new = crowd_order(market, side.opposite(), price, quantity, InForce::ImmediateOrCancel);
        let (taker, id) = (self.next_order(), self.new_id());
        let fees = crate::domain::fees::OrderFees::new(
            crate::domain::market::Venue::Kalshi,
            self.market(market).fees.rate(),
            self.rules.balance_unit,
        );
        self.push_order(super::orders::Order::new(taker, id, &new, quantity, fees, self.now()));
        if quantity == left {
            self.market_mut(market).book.remove(side, price, no);
        } else {
            self.market_mut(market).book.shrink(side, price, no, left - quantity);
        }
        self.book_trade(taker, no, price, quantity);
        self.square(account, market);
        if let Some(group) = self.order(no).group {
            self.count_in_group(group, quantity);
        }
        Some(quantity)
    }
}

fn crowd_order(market: MarketNo, side: Side, price: Price, quantity: Quantity, in_force: InForce) -> NewOrder {
    NewOrder {
        account: CROWD,
        market,
        client_id: String::new(),
        side,
        price,
        quantity,
        in_force,
        expires: None,
        self_trade: crate::exchange::book::SelfTrade::Allowed,
        post_only: false,
        reduce_only: false,
        cancel_on_pause: false,
        group: None,
        source: Source::Crowd,
    }
}
