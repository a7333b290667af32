//! Books, prices and markets, for everybody.

use serde_json::{Value, json};

use super::super::account::Token;
use super::super::books;
use super::super::markets::{Life, Market};
use super::super::refusal::Refusal;
use super::super::show::seconds;
use super::{Answer, Cx};
use crate::domain::market::Outcome;
use crate::domain::matching::Side;
use crate::domain::money::{Price, micros_text};

/// A decimal as a JSON number, as the CLOB writes those of markets.
pub fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

impl Cx<'_> {
    /// The token that the query names, with a book. Errors: 404, for closed markets, too.
    fn asked_token(&self) -> Result<Token, Refusal> {
        let id = self.query.get("token_id").ok_or_else(|| Refusal::bad("Invalid token id"))?;
        let token = self.token(id)?;
        let life = self.core.market(token.market).spec.life;
        if life.is_closed() || life == Life::NotReady {
            return Err(Refusal::new(404, "No orderbook exists for the requested token id"));
        }
        Ok(token)
    }

    pub fn book(&mut self) -> Answer {
        Ok((200, books::summary(self.core, self.asked_token()?)))
    }

    /// In another order than asked: whoever reads it goes by `asset_id` (`polymarket.md` §4). Unknown ones are left out.
    pub fn books(&mut self) -> Answer {
        let body = self.json()?;
        let rows = body.as_array().ok_or_else(|| Refusal::bad("Invalid payload"))?;
        let tokens = rows.iter().rev().filter_map(|row| self.token(row["token_id"].as_str()?).ok());
        Ok((200, tokens.map(|token| books::summary(self.core, token)).collect::<Vec<_>>().into()))
    }

    fn asked_market(&self) -> Result<&Market, Refusal> {
        let id = self.query.get("token_id").ok_or_else(|| Refusal::bad("Invalid token id"))?;
        let token = self.token(id).map_err(|_| Refusal::new(404, "market not found"))?;
        Ok(self.core.market(token.market))
    }

    pub fn tick_size(&mut self) -> Answer {
        Ok((200, json!({ "minimum_tick_size": number(&self.asked_market()?.spec.tick.to_string()) })))
    }

    pub fn neg_risk(&mut self) -> Answer {
        Ok((200, json!({ "neg_risk": self.asked_market()?.spec.neg_risk })))
    }

    pub fn midpoint(&mut self) -> Answer {
        let token = self.asked_token()?;
        let mid = books::midpoint(self.core, token).ok_or_else(|| Refusal::new(404, "No orderbook exists for the requested token id"))?;
        Ok((200, json!({ "mid": mid.to_string() })))
    }

    /// The best price of a side: BUY is the best bid.
    pub fn price(&mut self) -> Answer {
        let token = self.asked_token()?;
        let side = match self.query.get("side").map(str::to_ascii_uppercase).as_deref() {
            Some("BUY") => Side::Bid,
            Some("SELL") => Side::Ask,
            _ => return Err(Refusal::bad("Invalid side")),
        };
        let best = self.core.market(token.market).best(token.outcome, side).unwrap_or(Price::ZERO);
        Ok((200, json!({ "price": best.to_string() })))
    }

    pub fn last_trade_price(&mut self) -> Answer {
        let token = self.asked_token()?;
        Ok((200, json!({ "price": books::last_price(self.core, token), "side": "" })))
    }

    pub fn spread(&mut self) -> Answer {
        let token = self.asked_token()?;
        let market = self.core.market(token.market);
        let both = (market.best(token.outcome, Side::Bid), market.best(token.outcome, Side::Ask));
        match both {
            (Some(bid), Some(ask)) => Ok((200, json!({ "spread": (ask - bid).to_string() }))),
            _ => Err(Refusal::new(404, "No orderbook exists for the requested token id")),
        }
    }

    pub fn market_by_token(&mut self) -> Answer {
        let token = self.token(self.id).map_err(|_| Refusal::new(404, "market not found"))?;
        let spec = &self.core.market(token.market).spec;
        let [yes, no] = &spec.tokens;
        Ok((200, json!({ "condition_id": spec.condition, "primary_token_id": yes, "secondary_token_id": no })))
    }

    fn market_in_path(&self) -> Result<&Market, Refusal> {
        let found = self.core.token_called(self.id).map(|token| self.core.market(token.market));
        found.filter(|market| market.spec.condition == self.id).ok_or_else(|| Refusal::new(404, "market not found"))
    }

    /// Short field names (`polymarket.md` §4).
    pub fn clob_market(&mut self) -> Answer {
        let market = self.market_in_path()?;
        let spec = &market.spec;
        let token = |outcome| json!({ "t": market.token_id(outcome), "o": market.outcome_word(outcome) });
        let mut row = json!({
            "c": spec.condition, "t": [token(Outcome::Yes), token(Outcome::No)], "mts": number(&spec.tick.to_string()),
            "mos": number(&spec.size_min.to_string()), "nr": spec.neg_risk, "itode": spec.taker_delay_ms > 0,
            "mbf": 0, "tbf": 0, "rfqe": false,
        });
        if let Some(fees) = spec.fees {
            row["fd"] = json!({ "r": number(&micros_text(fees.rate_micros)), "e": fees.exponent, "to": true });
        }
        Ok((200, row))
    }

    pub fn market(&mut self) -> Answer {
        let market = self.market_in_path()?;
        let spec = &market.spec;
        let token = |outcome: Outcome| {
            let price = market.payout(outcome).or(market.best(outcome, Side::Bid)).unwrap_or(Price::ZERO);
            json!({
                "token_id": market.token_id(outcome), "outcome": market.outcome_word(outcome),
                "price": number(&price.to_string()), "winner": market.payout(outcome) == Some(Price::ONE),
            })
        };
        Ok((
            200,
            json!({
                "condition_id": spec.condition, "question": spec.question, "market_slug": spec.slug, "description": "",
                "end_date_iso": spec.end.to_string(), "active": true, "closed": spec.life.is_closed(), "archived": false,
                "accepting_orders": spec.life == Life::Active, "enable_order_book": spec.life != Life::NotReady,
                "minimum_order_size": number(&spec.size_min.to_string()), "minimum_tick_size": number(&spec.tick.to_string()),
                "neg_risk": spec.neg_risk, "seconds_delay": spec.delay_s, "maker_base_fee": 0, "taker_base_fee": 0,
                "tags": [spec.category], "tokens": [token(Outcome::Yes), token(Outcome::No)],
            }),
        ))
    }

    pub fn version(&mut self) -> Answer {
        Ok((200, json!({ "version": self.core.rules.version })))
    }

    pub fn time(&mut self) -> Answer {
        let now = self.core.now().plus_ms(self.core.faults.clock_skew_ms());
        Ok((200, seconds(now).into()))
    }
}
