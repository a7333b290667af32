//! A market's facts (`polymarket.md` §4, §8, §9): its two tokens, tick, smallest order, contract, fee, and how it ended.
//! Nothing is guessed: a market that contradicts itself has no description.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::call::{Untranslatable, no};
use super::client::{CallError, Client};
use super::translate::book_key;
use super::wire::market::{ClobMarket, FeeDetails, GammaMarket, MarketState};
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, FeeRate, Market, MarketSource, MarketStatus, Outcome, PriceGrid, Settlement};
use crate::domain::money::{ONE, Price, Quantity, Usd};
use crate::domain::report::Description;
use crate::domain::time::Mono;

/// A marketable buy below this is refused (`polymarket.md` §3).
const NOTIONAL_MIN: Usd = Usd::from_micros(ONE);
const HALF: Price = Price::from_micros(ONE / 2);
/// No published schedule is near these.
const RATE_MICROS_MAX: i64 = ONE;
const EXPONENT_MAX: u32 = 8;
/// A tick changes when a stream says so, or when an order is refused for it; this is for the time without either.
const LIVE_MS: i64 = 60_000;
const KEPT_MAX: usize = 8_192;

/// What signing needs to know of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    pub condition: MarketId,
    pub outcome: Outcome,
    pub tick: Price,
    pub neg_risk: bool,
    pub fee: FeeRate,
    pub quantity_min: Quantity,
    /// Takers are held for a moment before they match.
    pub taker_delay: bool,
}

/// Both tokens of a condition; the first is YES.
pub type Tokens = [(TokenId, TokenFacts); 2];

#[derive(Debug, Default)]
pub struct FactBook {
    tokens: Mutex<BTreeMap<TokenId, (Mono, TokenFacts)>>,
    /// How conditions ended: that never changes.
    ended: Mutex<BTreeMap<MarketId, Settlement>>,
}

impl FactBook {
    /// Of a token or a condition, with both of its tokens.
    pub async fn describe(&self, client: &Client, key: &BookKey) -> Result<Description, CallError> {
        let token = TokenId::new(key.id.as_str()).ok();
        let condition = match &token {
            Some(token) => client.condition_of(token).await?,
            None => key.id.clone(),
        };
        let tokens = self.read(client, &condition).await?;
        if let Some(token) = token.filter(|token| tokens.iter().all(|(id, _)| id != token)) {
            return Err(Untranslatable { what: "token", why: format!("{token} is none of the outcomes of {condition}") }.into());
        }
        let state = match client.market_state(&condition).await {
            Ok(state) => Some(state),
            // A venue that shows no such page has said with the facts that the market is there.
            Err(error) if error.status() == Some(404) => None,
            Err(error) => return Err(error),
        };
        let (status, _) = self.judge(client, &condition, &tokens, state.as_ref()).await?;
        // The end that the venue states may lie behind a market that is still open (`polymarket.md` §9): its status decides.
        let markets = tokens.into_iter().map(|(id, facts)| {
            Ok(Market {
                key: book_key(id.as_str())?,
                status,
                grid: PriceGrid::uniform(facts.tick),
                fee: facts.fee,
                source: MarketSource::Venue,
                close_time: None,
                condition: Some(facts.condition),
                outcome: Some(facts.outcome),
                quantity_min: facts.quantity_min,
                notional_min: NOTIONAL_MIN,
            })
        });
        Ok(Description { markets: markets.collect::<Result<_, Untranslatable>>()? })
    }

    /// What is known of a token, asked for if need be.
    pub async fn token(&self, client: &Client, token: &TokenId) -> Result<TokenFacts, CallError> {
        let now = client.clock().now().mono;
        let kept = locked(&self.tokens).get(token).cloned();
        if let Some((_, facts)) = kept.filter(|(read_at, _)| now < read_at.plus_ms(LIVE_MS)) {
            return Ok(facts);
        }
        let condition = match self.known(token) {
            Some(facts) => facts.condition,
            None => client.condition_of(token).await?,
        };
        let found = self.read(client, &condition).await?.into_iter().find(|(id, _)| id == token);
        let none = || Untranslatable { what: "token", why: format!("{token} is none of the outcomes of {condition}") };
        Ok(found.ok_or_else(none)?.1)
    }

    /// What was known of a token last, however old; asks nobody.
    pub fn known(&self, token: &TokenId) -> Option<TokenFacts> {
        locked(&self.tokens).get(token).map(|(_, facts)| facts.clone())
    }

    /// Its market is known to be over: the rest is claims.
    pub fn has_ended(&self, token: &TokenId) -> bool {
        self.known(token).is_some_and(|facts| locked(&self.ended).contains_key(&facts.condition))
    }

    pub fn fee(&self, key: &BookKey) -> Option<FeeRate> {
        TokenId::new(key.id.as_str()).ok().and_then(|token| self.known(&token)).map(|facts| facts.fee)
    }

    /// The tick of this token changed: the next order asks anew.
    pub fn forget_tick(&self, token: &TokenId) {
        if let Some((read_at, _)) = locked(&self.tokens).get_mut(token) {
            *read_at = Mono(i64::MIN);
        }
    }

    /// How a condition ended; `None`: it hasn't.
    pub async fn settlement(&self, client: &Client, condition: &MarketId) -> Result<Option<Settlement>, CallError> {
        let kept = locked(&self.ended).get(condition).copied();
        if kept.is_some() {
            return Ok(kept);
        }
        let state = match client.market_state(condition).await {
            Err(error) if error.status() == Some(404) => return Ok(None),
            state => state?,
        };
        if !state.closed {
            return Ok(None);
        }
        let tokens = self.read(client, condition).await?;
        self.judge(client, condition, &tokens, Some(&state)).await.map(|(_, ended)| ended)
    }

    async fn read(&self, client: &Client, condition: &MarketId) -> Result<Tokens, CallError> {
        let row = client.clob_market(condition).await?;
        let gamma = if row.fd.is_none() { client.gamma_market(condition, false).await? } else { None };
        let tokens = tokens(condition, &row, gamma.as_ref())?;
        let now = client.clock().now().mono;
        let mut kept = locked(&self.tokens);
        for (token, facts) in &tokens {
            if kept.len() >= KEPT_MAX {
                kept.pop_first();
            }
            kept.insert(token.clone(), (now, facts.clone()));
        }
        Ok(tokens)
    }

    async fn judge(
        &self,
        client: &Client,
        condition: &MarketId,
        tokens: &Tokens,
        state: Option<&MarketState>,
    ) -> Result<(MarketStatus, Option<Settlement>), CallError> {
        let Some(state) = state else { return Ok((MarketStatus::Open, None)) };
        let mut ended = ending(tokens, state)?;
        let drawn = ended == Some(Settlement::Scalar(HALF));
        if state.closed && (ended.is_none() || drawn) && client.settings().gamma.is_some() {
            // Equal prices of an open question look like a draw: only a resolution that is over says which it is.
            // It stands on another host: while it is silent the end isn't known, and nothing else of the account waits for it.
            let told = client.gamma_market(condition, true).await.unwrap_or(None);
            ended = told.as_ref().and_then(|market| ending_by_gamma(tokens, market));
        }
        let status = match ended {
            Some(_) => MarketStatus::Settled,
            None if state.closed || state.accepting_orders == Some(false) || state.active == Some(false) => MarketStatus::Closed,
            None => MarketStatus::Open,
        };
        if let Some(ended) = ended {
            locked(&self.ended).insert(condition.clone(), ended);
        }
        Ok((status, ended))
    }
}

fn tokens(condition: &MarketId, row: &ClobMarket, gamma: Option<&GammaMarket>) -> Result<Tokens, Untranslatable> {
    if row.c.as_deref().is_some_and(|named| !named.eq_ignore_ascii_case(condition.as_str())) {
        return no("condition", format!("asked for {condition}, the answer is about another"));
    }
    let [yes, other] = row.t.as_slice() else { return no("tokens", format!("{condition} has {} outcomes, not two", row.t.len())) };
    // Names of teams say nothing; these two words do.
    let says = |text: &Option<String>, word: &str| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
    if says(&yes.o, "no") || says(&other.o, "yes") || yes.t == other.t {
        return no("tokens", format!("the outcomes of {condition} contradict their order"));
    }
    let tick = row.mts.0;
    if tick.is_zero() || ONE % tick.micros() != 0 || tick > HALF {
        return no("tick", format!("{tick} makes no grid"));
    }
    let fee = fee(row, gamma)?;
    let facts = |outcome| TokenFacts {
        condition: condition.clone(),
        outcome,
        tick,
        neg_risk: row.nr,
        fee,
        quantity_min: row.mos.0,
        taker_delay: row.itode.unwrap_or(false),
    };
    let token = |text: &str| TokenId::new(text).or_else(|error| no("token", error.to_string()));
    Ok([(token(&yes.t)?, facts(Outcome::Yes)), (token(&other.t)?, facts(Outcome::No))])
}

/// A market with fees whose schedule nobody names is not traded.
fn fee(row: &ClobMarket, gamma: Option<&GammaMarket>) -> Result<FeeRate, Untranslatable> {
    if let Some(details) = row.fd.as_ref().or(gamma.and_then(|market| market.fee_schedule.as_ref())) {
        return schedule(details);
    }
    let base = [row.tbf, row.mbf].into_iter().flatten().any(|fee| fee.0.0 > 0);
    if gamma.is_some_and(|market| market.fees_enabled == Some(true)) || (base && gamma.is_none()) {
        return no("fee", "the market has fees, but its schedule is not known: its orders can't be bounded");
    }
    Ok(FeeRate::new(0, 0))
}

fn schedule(details: &FeeDetails) -> Result<FeeRate, Untranslatable> {
    let Some(rate) = details.r.map(|rate| rate.0.0) else { return no("fee", "the schedule names no rate") };
    let exponent = details.e.map_or(1, |exponent| exponent.0);
    if !(0..=RATE_MICROS_MAX).contains(&rate) || exponent > EXPONENT_MAX {
        return no("fee", format!("rate {} with exponent {exponent} is out of bounds", Usd::from_micros(rate)));
    }
    let exponent = u8::try_from(exponent).unwrap_or(u8::MAX);
    let maker_micros = if details.to == Some(false) { rate } else { 0 };
    Ok(FeeRate { taker_micros: rate, maker_micros, exponent })
}

/// In YES terms of the condition. `None`: it isn't over, or this page doesn't say how.
fn ending(tokens: &Tokens, state: &MarketState) -> Result<Option<Settlement>, Untranslatable> {
    if !state.closed {
        return Ok(None);
    }
    let of = |token: &TokenId| state.tokens.iter().find(|row| row.token_id == token.as_str());
    let (Some(yes), Some(other)) = (of(&tokens[0].0), of(&tokens[1].0)) else {
        return if state.tokens.is_empty() { Ok(None) } else { no("tokens", "the outcomes are not those of the market") };
    };
    Ok(match (yes.winner, other.winner) {
        (Some(true), Some(true)) => Some(Settlement::Scalar(HALF)),
        (Some(true), _) => Some(Settlement::Yes),
        (_, Some(true)) => Some(Settlement::No),
        // Neither won and both say so: the pool is shared as the prices say, which only a closed market states exactly.
        (Some(false), Some(false)) => match (yes.price.map(|price| price.0), other.price.map(|price| price.0)) {
            (Some(HALF), Some(HALF)) => Some(Settlement::Scalar(HALF)),
            _ => None,
        },
        _ => None,
    })
}

fn ending_by_gamma(tokens: &Tokens, market: &GammaMarket) -> Option<Settlement> {
    let over = market.closed == Some(true) && market.resolution.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("resolved"));
    let (ids, prices) = (market.token_ids.as_ref()?, market.outcome_prices.as_ref()?);
    let paid = |token: &TokenId| {
        let at = ids.0.iter().position(|id| id == token.as_str())?;
        Price::parse(prices.0.get(at)?).ok()
    };
    let (yes, other) = (paid(&tokens[0].0)?, paid(&tokens[1].0)?);
    if !over || yes.complement() != other {
        return None;
    }
    Some(match yes {
        Price::ONE => Settlement::Yes,
        Price::ZERO => Settlement::No,
        value => Settlement::Scalar(value),
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
