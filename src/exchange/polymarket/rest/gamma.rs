//! Gamma's listing of markets (`polymarket.md` §9): lists inside are JSON-encoded texts.

use serde_json::{Value, json};

use super::super::markets::{Life, Market};
use super::super::refusal::Refusal;
use super::public::number;
use super::{Answer, Cx};
use crate::domain::market::Outcome;
use crate::domain::matching::Side;
use crate::domain::money::{Price, micros_text};

const LIMIT_MAX: usize = 100;
const LIMIT_DEFAULT: usize = 20;

fn row(market: &Market) -> Value {
    let spec = &market.spec;
    let price = |outcome| market.payout(outcome).or(market.best(outcome, Side::Bid)).unwrap_or(Price::ZERO).to_string();
    let text = |list: &[String]| json!(list).to_string();
    let mut row = json!({
        "id": market.no.0.to_string(), "question": spec.question, "conditionId": spec.condition, "slug": spec.slug,
        "category": spec.category, "endDate": spec.end.to_string(), "startDate": market.created.to_string(), "description": "",
        "outcomes": text(&spec.outcomes), "outcomePrices": text(&[price(Outcome::Yes), price(Outcome::No)]),
        "clobTokenIds": if spec.life == Life::NotReady { "[]".to_owned() } else { text(&spec.tokens) },
        "active": true, "closed": spec.life.is_closed(), "archived": false, "acceptingOrders": spec.life == Life::Active,
        "enableOrderBook": spec.life != Life::NotReady, "negRisk": spec.neg_risk, "secondsDelay": spec.delay_s,
        "orderPriceMinTickSize": number(&spec.tick.to_string()), "orderMinSize": number(&spec.size_min.to_string()),
        "feesEnabled": spec.fees.is_some(), "volume": market.volume.to_string(),
        "umaResolutionStatus": if market.result.is_some() { "resolved" } else { "" },
        "events": [{ "id": market.no.0.to_string(), "slug": spec.slug, "title": spec.question, "enableNegRisk": spec.neg_risk }],
    });
    if let Some(fees) = spec.fees {
        row["feeSchedule"] = json!({
            "rate": number(&micros_text(fees.rate_micros)), "exponent": fees.exponent, "takerOnly": true, "rebateRate": number("0.25"),
        });
    }
    row
}

impl Cx<'_> {
    /// `closed` is false unless asked for otherwise, also of markets that are named.
    fn wanted(&self) -> impl Iterator<Item = &Market> {
        let query = self.query;
        // Names come repeated or as one list.
        let names = |name: &str| -> Vec<String> { query.all(name).iter().flat_map(|text| text.split(',')).map(str::to_owned).collect() };
        let (conditions, tokens, slugs) = (names("condition_ids"), names("clob_token_ids"), names("slug"));
        let closed = query.get("closed") == Some("true");
        let any = |names: &[String], of: &[&String]| names.is_empty() || of.iter().any(|name| names.contains(name));
        self.core.markets().iter().filter(move |market| {
            let spec = &market.spec;
            spec.life.is_closed() == closed
                && any(&conditions, &[&spec.condition])
                && any(&tokens, &[&spec.tokens[0], &spec.tokens[1]])
                && any(&slugs, &[&spec.slug])
        })
    }

    fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.query.get("limit").map_or(Ok(LIMIT_DEFAULT), |text| text.parse().map_err(|_| Refusal::bad("limit is invalid")))?;
        Ok(limit.min(LIMIT_MAX))
    }

    pub fn gamma_markets(&mut self) -> Answer {
        let skip = self.query.get("offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        let rows: Vec<Value> = self.wanted().skip(skip).take(self.limit()?).map(row).collect();
        Ok((200, rows.into()))
    }

    /// Pages that go on after a market, whatever happens to the list meanwhile.
    pub fn gamma_keyset(&mut self) -> Answer {
        let limit = self.limit()?;
        let after = self.query.get("after_cursor").and_then(|text| text.parse::<usize>().ok());
        let mut rest = self.wanted().filter(|market| after.is_none_or(|after| market.no.0 > after)).peekable();
        let (mut rows, mut last) = (Vec::new(), None);
        while rows.len() < limit
            && let Some(market) = rest.next()
        {
            rows.push(row(market));
            last = Some(market.no.0);
        }
        let next = rest.peek().and(last).map(|last| last.to_string());
        Ok((200, json!({ "markets": rows, "next_cursor": next })))
    }

    pub fn gamma_slug(&mut self) -> Answer {
        let market = self.core.markets().iter().find(|market| market.spec.slug == self.id);
        market.map(|market| (200, row(market))).ok_or_else(|| Refusal::new(404, "slug not found"))
    }
}
