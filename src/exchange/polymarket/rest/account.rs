//! Balances, bans, the heartbeat, and the data API's positions.

use serde_json::{Value, json};

use super::super::account::Token;
use super::super::eip712::{Address, EXCHANGE, NEG_RISK_EXCHANGE};
use super::super::markets::index;
use super::super::refusal::Refusal;
use super::{Answer, Cx};
use crate::exchange::ids::AccountNo;

/// What an unlimited approval looks like.
const UNLIMITED: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

impl Cx<'_> {
    /// The caller's wallet of the kind that is asked for.
    fn asked_wallet(&self) -> Result<AccountNo, Refusal> {
        let kind = self.query.get("signature_type").unwrap_or("0");
        let mut accounts = self.accounts()?.into_iter();
        let found = accounts.find(|no| self.core.account(*no).kind.number().to_string() == kind);
        found.ok_or_else(|| Refusal::bad("the wallet of this signature_type is not known"))
    }

    pub fn balance(&mut self) -> Answer {
        let no = self.asked_wallet()?;
        let account = self.core.account(no);
        let settled = account.settled_at(self.read_at);
        let (balance, allowance) = match self.query.get("asset_type") {
            Some("COLLATERAL") => (settled.cash.micros(), account.allowance.map(|usd| usd.micros().to_string())),
            Some("CONDITIONAL") => {
                let id = self.query.get("token_id").ok_or_else(|| Refusal::bad("token_id is required"))?;
                let token = self.token(id)?;
                (settled.of(token).micros(), None)
            }
            _ => return Err(Refusal::bad("asset_type is invalid")),
        };
        let allowance = allowance.unwrap_or_else(|| UNLIMITED.to_owned());
        let allowances = [EXCHANGE, NEG_RISK_EXCHANGE].map(|exchange| (exchange.to_string(), allowance.clone().into()));
        Ok((200, json!({ "balance": balance.to_string(), "allowances": Value::Object(allowances.into_iter().collect()) })))
    }

    /// The venue keeps balances in a cache; here there is nothing to bring up to date.
    pub fn balance_update(&mut self) -> Answer {
        self.balance().map(|_| (200, "".into()))
    }

    pub fn closed_only(&mut self) -> Answer {
        let closed = self.accounts()?.iter().any(|no| self.core.account(*no).closed_only);
        Ok((200, json!({ "closed_only": closed })))
    }

    /// Nothing and `null` begin a chain (`polymarket.md` §5).
    pub fn heartbeat(&mut self) -> Answer {
        let key = self.key()?.id.clone();
        let body = if self.body.is_empty() { Value::Null } else { self.json()? };
        let given = body["heartbeat_id"].as_str().unwrap_or_default();
        match self.core.beat(&key, given) {
            Ok(next) => Ok((200, json!({ "heartbeat_id": next }))),
            Err(expected) => {
                let text = "Invalid Heartbeat ID";
                let body = json!({ "error_msg": text, "heartbeat_id": expected });
                Err(Refusal { body, ..Refusal::bad(text) })
            }
        }
    }

    /// The data API's rows: settled tokens of one wallet.
    pub fn positions(&mut self) -> Answer {
        let user =
            self.query.get("user").and_then(Address::parse).ok_or_else(|| Refusal::bad("required query param 'user' not provided"))?;
        let Some(no) = self.core.wallet(user) else { return Ok((200, json!([]))) };
        let settled = self.core.account(no).settled_at(self.read_at);
        let row = |token: &Token| {
            let market = self.core.market(token.market);
            json!({
                "proxyWallet": user.to_string(), "asset": market.token_id(token.outcome), "conditionId": market.spec.condition,
                "size": settled.of(*token).to_string(), "outcome": market.outcome_word(token.outcome),
                "outcomeIndex": index(token.outcome), "oppositeAsset": market.token_id(token.outcome.other()),
                "title": market.spec.question, "slug": market.spec.slug, "negativeRisk": market.spec.neg_risk,
                "redeemable": market.result.is_some(),
            })
        };
        let held = settled.tokens.iter().filter(|(_, shares)| !shares.is_zero()).map(|(token, _)| row(token));
        Ok((200, held.collect::<Vec<_>>().into()))
    }

    /// The token of this id. Errors: as the book says it.
    pub fn token(&self, id: &str) -> Result<Token, Refusal> {
        let token = self.core.token_called(id).filter(|token| self.core.market(token.market).token_id(token.outcome) == id);
        token.ok_or_else(|| Refusal::new(404, "No orderbook exists for the requested token id"))
    }
}
