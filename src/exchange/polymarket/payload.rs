//! A signed order as it is sent: read, checked against who calls, its hash computed and its signer recovered.

use serde_json::Value;

use super::account::WalletKind;
use super::auth::ApiKey;
use super::core::Core;
use super::eip712::{Address, Domain, OrderFields, bytes_of, decimal_word, hex, word_of};
use super::orders::{Kind, NewOrder, Source};
use super::refusal::Refusal;
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, micros_text, mul_div};
use crate::domain::order::Action;

const CENT: i64 = ONE / 100;
/// Four decimals.
const FINE: i64 = ONE / 10_000;
/// A salt must survive JavaScript (`polymarket.md` §2).
const SALT_MAX: u64 = 1 << 53;
/// No amount is larger; sums of it stay inside what money is kept in.
const AMOUNT_MAX: u64 = 100_000_000_000_000;

/// The body of one order, understood as far as its own text goes.
#[derive(Clone, Debug)]
pub struct Payload {
    pub fields: OrderFields,
    pub token: String,
    pub signature: Vec<u8>,
    pub owner: String,
    pub kind: Kind,
    pub expiration: i64,
    pub post_only: bool,
}

impl Payload {
    /// `None`: the body isn't what the call takes.
    pub fn read(body: &Value) -> Option<Self> {
        let order = body.get("order")?;
        let text = |name: &str| order.get(name)?.as_str();
        let amount = |name: &str| text(name)?.parse::<u64>().ok().filter(|amount| *amount <= AMOUNT_MAX);
        let word = |name: &str| word_of(text(name)?);
        let flag = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Some(false),
            Some(value) => value.as_bool(),
        };
        let side = match text("side")? {
            "BUY" => 0,
            "SELL" => 1,
            _ => return None,
        };
        flag("deferExec")?;
        let token = text("tokenId")?.to_owned();
        Some(Self {
            fields: OrderFields {
                salt: order.get("salt")?.as_u64().filter(|salt| *salt < SALT_MAX)?,
                maker: Address::parse(text("maker")?)?,
                signer: Address::parse(text("signer")?)?,
                token: decimal_word(&token)?,
                maker_amount: amount("makerAmount")?,
                taker_amount: amount("takerAmount")?,
                side,
                signature_type: u8::try_from(order.get("signatureType")?.as_u64()?).ok()?,
                timestamp: text("timestamp")?.parse().ok()?,
                metadata: word("metadata")?,
                builder: word("builder")?,
            },
            token,
            signature: bytes_of(text("signature")?)?,
            owner: body.get("owner")?.as_str()?.to_owned(),
            kind: Kind::parse(body.get("orderType")?.as_str()?)?,
            expiration: text("expiration").map_or(Some(0), |text| text.parse().ok()).filter(|seconds| *seconds >= 0)?,
            post_only: flag("postOnly")?,
        })
    }

    fn action(&self) -> Action {
        if self.fields.side == 0 { Action::Buy } else { Action::Sell }
    }

    /// Pays dollars of a buy, shares of a sale; in base units.
    fn dollars_and_shares(&self) -> (i64, i64) {
        let (maker, taker) = (self.fields.maker_amount as i64, self.fields.taker_amount as i64);
        if self.action() == Action::Buy { (maker, taker) } else { (taker, maker) }
    }
}

/// What an order of this caller asks for, or why it is refused: everything but the market's state and the money.
pub fn understood(core: &Core, caller: &ApiKey, body: &Value) -> Result<NewOrder, Refusal> {
    let payload = Payload::read(body).ok_or_else(Refusal::payload)?;
    if payload.owner != caller.id {
        return Err(Refusal::bad("the order owner has to be the owner of the API KEY"));
    }
    let token = core.token_called(&payload.token).ok_or_else(|| unknown_book(&payload.token))?;
    let market = core.market(token.market);
    if market.token_id(token.outcome) != payload.token {
        // A slug or a condition is no token.
        return Err(unknown_book(&payload.token));
    }
    let account = maker(core, caller, &payload)?;
    let domain = core.domain(token.market);
    let id = hex(&payload.fields.order_id(&domain));
    check_signature(core, &payload, &domain, caller.address)?;
    if core.order_called(&id).is_some() {
        return Err(Refusal::order(&id, "Duplicated."));
    }
    if payload.expiration != 0 && payload.kind != Kind::Gtd || payload.expiration == 0 && payload.kind == Kind::Gtd {
        return Err(Refusal::bad("invalid expiration"));
    }
    // Not documented in its words: post-only is for resting kinds.
    if payload.post_only && !payload.kind.rests() {
        return Err(Refusal::payload());
    }
    let (price, size, dollars) = terms(&payload, market.spec.tick, &id)?;
    let price = if payload.kind.rests() { price } else { market.grid_near(price, payload.action()) };
    Ok(NewOrder {
        id,
        account,
        owner: payload.owner.clone(),
        token,
        action: payload.action(),
        price,
        size,
        dollars,
        kind: payload.kind,
        expiration: payload.expiration,
        post_only: payload.post_only,
        source: Source::Api,
    })
}

fn unknown_book(token: &str) -> Refusal {
    Refusal::bad(&format!("the orderbook {token} does not exist"))
}

/// The wallet that makes the order, by the kind it says it is.
fn maker(core: &Core, caller: &ApiKey, payload: &Payload) -> Result<crate::exchange::ids::AccountNo, Refusal> {
    let (maker, signer) = (payload.fields.maker, payload.fields.signer);
    let known = core.wallet(maker).map(|no| (no, core.account(no)));
    let (no, account) = known.ok_or_else(|| Refusal::bad("maker address not allowed, please use the deposit wallet flow"))?;
    // A deposit wallet signs for itself, with its owner's key.
    let expected = if account.kind == WalletKind::Deposit { account.wallet } else { account.owner };
    if account.owner != caller.address || signer != expected {
        return Err(Refusal::bad("the order signer address has to be the address of the API KEY"));
    }
    if !account.allowed {
        return Err(Refusal::bad("maker address not allowed, please use the deposit wallet flow"));
    }
    if payload.fields.signature_type != account.kind.number() {
        return Err(Refusal::bad("invalid signature"));
    }
    Ok(no)
}

fn check_signature(core: &Core, payload: &Payload, domain: &Domain, owner: Address) -> Result<(), Refusal> {
    let (fields, signature) = (&payload.fields, payload.signature.as_slice());
    let good = |domain: &Domain| {
        if fields.signature_type != WalletKind::Deposit.number() {
            return fields.plain_signer(domain, signature) == Some(owner);
        }
        core.rules.wrapped_1271 && fields.wrapped_signer(domain, signature) == Some(owner)
            || core.rules.plain_1271 && fields.plain_signer(domain, signature) == Some(owner)
    };
    if good(domain) {
        return Ok(());
    }
    let others = (1..=3).filter(|version| *version != domain.version);
    if others.into_iter().any(|version| good(&Domain { version, ..*domain })) {
        return Err(Refusal::bad("order_version_mismatch"));
    }
    Err(Refusal::bad("invalid signature"))
}

/// Price, shares, and the dollars of a market buy.
fn terms(payload: &Payload, tick: Price, id: &str) -> Result<(Price, Quantity, Option<Usd>), Refusal> {
    let (dollars, shares) = payload.dollars_and_shares();
    if dollars <= 0 || shares <= 0 {
        return Err(Refusal::bad("invalid amounts"));
    }
    let size = Quantity::from_micros(shares);
    if payload.kind.rests() { limit_terms(payload, tick, id).map(|price| (price, size, None)) } else { market_terms(payload, id, size) }
}

/// Amounts of a limit order are exactly price times size (`polymarket.md` §0.7).
fn limit_terms(payload: &Payload, tick: Price, id: &str) -> Result<Price, Refusal> {
    let (dollars, shares) = payload.dollars_and_shares();
    let off_grid = |price: &str| Err(Refusal::order(id, &format!("Price ({price}) breaks minimum tick size rule: {tick}")));
    if dollars >= shares {
        return off_grid(&micros_text(mul_div(dollars, ONE, shares, Rounding::Down).min(ONE * ONE)));
    }
    // A price has four decimals at most; what has more comes from amounts that were rounded.
    let price = mul_div(dollars, ONE, shares, Rounding::Down);
    if price % FINE == 0 && mul_div(price, shares, ONE, Rounding::Up) == dollars {
        if shares % CENT != 0 {
            return Err(Refusal::bad(&inexact(payload, Price::from_micros(price), shares / CENT * CENT)));
        }
        return Ok(Price::from_micros(price));
    }
    let nearest = (price + tick.micros() / 2) / tick.micros() * tick.micros();
    Err(Refusal::bad(&inexact(payload, Price::from_micros(nearest), shares)))
}

fn inexact(payload: &Payload, price: Price, shares: i64) -> String {
    let (dollars, _) = payload.dollars_and_shares();
    let which = if payload.action() == Action::Buy { "maker" } else { "taker" };
    let right = mul_div(price.micros(), shares, ONE, Rounding::Down);
    format!(
        "invalid amounts, the {which} amount for a ${price} order of size {} should be '{}' but the value submited is '{}'. Please check \
         if you are using the latest version of the 'clob-client' library",
        micros_text(shares),
        micros_text(right),
        micros_text(dollars)
    )
}

/// FOK and FAK: two decimals given, four taken, whatever the tick; the price lies on the grid up to that rounding.
fn market_terms(payload: &Payload, id: &str, size: Quantity) -> Result<(Price, Quantity, Option<Usd>), Refusal> {
    let (dollars, shares) = payload.dollars_and_shares();
    let buys = payload.action() == Action::Buy;
    let (given, taken) = (payload.fields.maker_amount as i64, payload.fields.taker_amount as i64);
    if given % CENT != 0 || taken % FINE != 0 {
        let what = if buys { "market buy orders" } else { "sell orders" };
        return Err(Refusal::bad(&format!(
            "invalid amounts, the {what} maker amount supports a max accuracy of 2 decimals, taker amount a max of 4 decimals"
        )));
    }
    if dollars >= shares {
        let price = micros_text(mul_div(dollars, ONE, shares, Rounding::Down));
        return Err(Refusal::order(id, &format!("Price ({price}) breaks minimum tick size rule")));
    }
    // The implied price: what a buy pays at the most, what a sale takes at the least.
    let rounding = if buys { Rounding::Down } else { Rounding::Up };
    let implied = Price::from_micros(mul_div(dollars, ONE, shares, rounding));
    Ok((implied, size, buys.then(|| Usd::from_micros(dollars))))
}
