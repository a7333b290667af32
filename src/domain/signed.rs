//! An order as signed for a venue whose order id is the hash of what was signed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::ids::{TokenId, VenueOrderId};
use super::money::{ONE, Quantity, Rounding, Usd, mul_div};
use super::order::{Action, Order};

/// Order types of Polymarket's CLOB (`polymarket.md` §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VenueOrderType {
    Gtc,
    Gtd,
    Fok,
    Fak,
}

impl VenueOrderType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gtc => "GTC",
            Self::Gtd => "GTD",
            Self::Fok => "FOK",
            Self::Fak => "FAK",
        }
    }
}

/// Everything that is sent, but for the API key, so that the identical bytes can be sent again. What isn't here is
/// constant in the body (zero metadata and builder, no deferred execution).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedOrder {
    /// EIP-712 digest of the order: `0x` and 64 lower-case hex digits. The venue's name for the order.
    pub venue_order_id: VenueOrderId,
    /// The verifying contract it was signed for: `0x` and 40 lower-case hex digits.
    pub exchange: Box<str>,
    /// Below 2^53.
    pub salt: u64,
    /// EIP-55 checksum text, exactly as sent.
    pub maker: Box<str>,
    pub signer: Box<str>,
    pub token: TokenId,
    /// Millionths. A buy gives pUSD and takes shares; a sell gives shares and takes pUSD.
    pub maker_amount: u64,
    pub taker_amount: u64,
    pub action: Action,
    /// 0 to 3.
    pub signature_type: u8,
    pub timestamp_ms: i64,
    /// Unix seconds as stated to the venue, which acts on it 60 s earlier; 0 where there is none.
    pub expiration: i64,
    pub order_type: VenueOrderType,
    pub post_only: bool,
    /// The signature, sealed: neither the log nor what is published of it shows live signed bytes.
    pub sealed_signature: ByteBuf,
}

impl fmt::Debug for SignedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedOrder")
            .field("venue_order_id", &self.venue_order_id)
            .field("exchange", &self.exchange)
            .field("salt", &self.salt)
            .field("maker", &self.maker)
            .field("signer", &self.signer)
            .field("token", &self.token)
            .field("maker_amount", &self.maker_amount)
            .field("taker_amount", &self.taker_amount)
            .field("action", &self.action)
            .field("signature_type", &self.signature_type)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("expiration", &self.expiration)
            .field("order_type", &self.order_type)
            .field("post_only", &self.post_only)
            .field("sealed_signature", &"sealed")
            .finish()
    }
}

/// The fourth decimal, in millionths.
const FOURTH_DECIMAL: i64 = 100;

impl SignedOrder {
    /// Whether the venue keeps what isn't filled at once.
    pub fn may_rest(&self) -> bool {
        matches!(self.order_type, VenueOrderType::Gtc | VenueOrderType::Gtd)
    }

    /// Why these are not the bytes of this order, if they aren't: never more paid, given or taken than the order allows.
    pub fn objection(&self, order: &Order) -> Option<String> {
        if order.instrument.token.as_ref() != Some(&self.token) {
            return Some(format!("signed for token {}, not the order's", self.token));
        }
        if order.action != self.action {
            return Some(format!("signed to {:?}, not to {:?}", self.action, order.action).to_lowercase());
        }
        let (Ok(maker), Ok(taker)) = (i64::try_from(self.maker_amount), i64::try_from(self.taker_amount)) else {
            return Some("signed for more than there is".to_owned());
        };
        let (shares, dollars) = match order.action {
            Action::Buy => (taker, maker),
            Action::Sell => (maker, taker),
        };
        let whole = order.quantity.micros();
        // A marketable buy is stated in dollars, and its shares follow from those, floored: it may name fewer, never more.
        let floored = order.action == Action::Buy && !self.may_rest();
        if shares <= 0 || shares > whole || shares < whole && !floored {
            return Some(format!("signed for {} of {} ordered", Quantity::from_micros(shares), order.quantity));
        }
        let at_limit = |rounding| mul_div(order.limit.micros(), whole, ONE, rounding);
        let worse = match order.action {
            Action::Buy => dollars > at_limit(Rounding::Up),
            // Of a marketable sell the venue takes four decimals.
            Action::Sell => dollars < at_limit(Rounding::Down) / FOURTH_DECIMAL * FOURTH_DECIMAL,
        };
        worse.then(|| format!("signed for ${} at a limit of {}", Usd::from_micros(dollars), order.limit))
    }
}
