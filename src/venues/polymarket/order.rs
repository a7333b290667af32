//! From an order to a signed one. The same order always gives the same bytes, and so the same name at the venue: its salt
//! follows from the order's id, its timestamp is the signal's, and the signature is deterministic.

use std::fmt;

use alloy_primitives::{B256, U256, hex};
use thiserror::Error;

use super::address::EvmAddress;
use super::amounts::{AmountError, Tick, for_order};
use super::body::body;
use super::contracts::{Chain, ContractError};
use super::eip712::{ExchangeDomain, OrderFields};
use super::seal::{SealError, Sealer};
use super::wallet::{Poly1271Encoding, SignatureType, Wallet};
use crate::domain::ids::{OrderId, VenueOrderId, sha256};
use crate::domain::market::Venue;
use crate::domain::money::Price;
use crate::domain::order::Order;
use crate::domain::signed::{SignedOrder, VenueOrderType};
use crate::domain::time::Time;

/// The venue drops a resting order this long before its stated expiry (`polymarket.md` §2).
const EXPIRY_EARLY_S: i64 = 60;
/// JSON numbers are exact below 2^53.
const SALT_BITS: u32 = 53;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    #[error(transparent)]
    Amounts(#[from] AmountError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("an order at {0} is not signed for Polymarket")]
    Venue(Venue),
    #[error("the order names no token: the market's facts are not known")]
    NoToken,
    #[error("the token's number is larger than any")]
    Token,
    #[error("the order doesn't say when its signal was made, which its hash needs")]
    NoTime,
    #[error("the signed order was signed for {0}, which is no exchange of this signer's")]
    OtherExchange(Box<str>),
    #[error("the signed order is of the wallet {0}, not of this signer's")]
    OtherWallet(Box<str>),
    #[error("the signed order's fields don't hash to its name: it is damaged, and not sent")]
    Damaged,
}

/// Of an order: 65 bytes, or 317 wrapped for a deposit wallet. Whoever holds it and the order can send it.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderSignature(Vec<u8>);

impl OrderSignature {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// `0x` and hex, as sent.
    pub fn text(&self) -> String {
        hex::encode_prefixed(&self.0)
    }
}

impl fmt::Debug for OrderSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderSignature({} bytes)", self.0.len())
    }
}

pub struct OrderSigner {
    wallet: Wallet,
    sealer: Sealer,
    version: u8,
    standard: ExchangeDomain,
    neg_risk: ExchangeDomain,
}

impl OrderSigner {
    /// `version`: what the venue says that orders are signed for (`GET /version`).
    pub fn new(wallet: Wallet, chain: Chain, version: u8) -> Result<Self, ContractError> {
        let domain = |neg_risk| chain.exchange(version, neg_risk).map(|contract| ExchangeDomain::new(version, chain.id(), contract));
        let (standard, neg_risk) = (domain(false)?, domain(true)?);
        Ok(Self { sealer: Sealer::new(wallet.key()), wallet, version, standard, neg_risk })
    }

    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    pub fn version(&self) -> u8 {
        self.version
    }

    pub fn domain(&self, neg_risk: bool) -> &ExchangeDomain {
        if neg_risk { &self.neg_risk } else { &self.standard }
    }

    /// `tick` and `neg_risk` are the market's facts of this moment: both decide what is signed.
    pub fn sign(&self, order: &Order, tick: Price, neg_risk: bool) -> Result<SignedOrder, SignError> {
        if order.instrument.venue != Venue::Polymarket {
            return Err(SignError::Venue(order.instrument.venue));
        }
        let token = order.instrument.token.clone().ok_or(SignError::NoToken)?;
        let timestamp_ms = order.created_at.map(Time::ms).filter(|ms| *ms > 0).ok_or(SignError::NoTime)?;
        let (order_type, amounts) = for_order(order, Tick::of(tick)?)?;
        let domain = self.domain(neg_risk);
        let mut signed = SignedOrder {
            // Known once the fields are.
            venue_order_id: name(B256::ZERO),
            exchange: domain.contract.lower().into(),
            salt: salt(&order.order_id),
            maker: self.wallet.maker().checksum().into(),
            signer: self.wallet.signer().checksum().into(),
            token,
            maker_amount: amounts.maker,
            taker_amount: amounts.taker,
            action: order.action,
            signature_type: self.wallet.kind().number(),
            timestamp_ms,
            expiration: expiration(order_type, order.venue_expires_at),
            order_type,
            post_only: false,
            sealed_signature: serde_bytes::ByteBuf::new(),
        };
        let (id, signature) = self.sign_fields(domain, &fields(&signed)?);
        signed.venue_order_id = name(id);
        signed.sealed_signature = serde_bytes::ByteBuf::from(self.sealer.seal(id, signature.bytes()));
        Ok(signed)
    }

    /// The order's name at the venue, and the signature as its wallet wants it.
    pub fn sign_fields(&self, domain: &ExchangeDomain, fields: &OrderFields) -> (B256, OrderSignature) {
        let (key, hash) = (self.wallet.key(), fields.hash());
        let id = domain.order_id(hash);
        let signature = match self.wallet.kind() {
            SignatureType::Deposit(Poly1271Encoding::Wrapped) => domain.wrap(hash, &key.sign(domain.wrapped_digest(hash, fields.signer))),
            _ => key.sign(id).to_vec(),
        };
        (id, OrderSignature(signature))
    }

    /// What to send for a signed order, now or again: identical bytes each time.
    pub fn body(&self, signed: &SignedOrder, owner: &str) -> Result<Vec<u8>, SignError> {
        Ok(body(signed, &self.signature(signed)?.text(), owner))
    }

    /// The signature of an order that this wallet signed, checked to be of these very fields.
    pub fn signature(&self, signed: &SignedOrder) -> Result<OrderSignature, SignError> {
        let fields = fields(signed)?;
        if fields.maker != self.wallet.maker() {
            return Err(SignError::OtherWallet(signed.maker.clone()));
        }
        let exchange = EvmAddress::parse(&signed.exchange).map_err(|_| SignError::Damaged)?;
        let domain = [&self.standard, &self.neg_risk].into_iter().find(|domain| domain.contract == exchange);
        let id = domain.ok_or_else(|| SignError::OtherExchange(signed.exchange.clone()))?.order_id(fields.hash());
        if name(id) != signed.venue_order_id {
            return Err(SignError::Damaged);
        }
        Ok(OrderSignature(self.sealer.unseal(id, &signed.sealed_signature)?))
    }
}

impl fmt::Debug for OrderSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderSigner({}, version {})", self.wallet.maker(), self.version)
    }
}

/// What was signed of a signed order; metadata and builder are always zero in ours.
pub fn fields(signed: &SignedOrder) -> Result<OrderFields, SignError> {
    let address = |text: &str| EvmAddress::parse(text).map_err(|_| SignError::Damaged);
    Ok(OrderFields {
        salt: signed.salt,
        maker: address(&signed.maker)?,
        signer: address(&signed.signer)?,
        token: U256::from_str_radix(signed.token.as_str(), 10).map_err(|_| SignError::Token)?,
        maker_amount: signed.maker_amount,
        taker_amount: signed.taker_amount,
        action: signed.action,
        signature_type: signed.signature_type,
        timestamp_ms: u64::try_from(signed.timestamp_ms).map_err(|_| SignError::Damaged)?,
        metadata: B256::ZERO,
        builder: B256::ZERO,
    })
}

/// The order's hash as the venue writes it.
pub fn name(id: B256) -> VenueOrderId {
    VenueOrderId::new(&hex::encode_prefixed(id)).expect("Invariant: hex is visible ASCII")
}

/// Unlike any other order's, and the same each time this one is signed.
fn salt(order_id: &OrderId) -> u64 {
    let digest = sha256(&[b"polymarket salt", order_id.to_string().as_bytes()]);
    let (first, _) = digest.0.split_first_chunk::<8>().expect("Invariant: 32 bytes");
    u64::from_be_bytes(*first) >> (u64::BITS - SALT_BITS)
}

fn expiration(order_type: VenueOrderType, effective: Time) -> i64 {
    match order_type {
        // Rounded up: the venue must not drop it before the moment that proves its absence.
        VenueOrderType::Gtd => -(-effective.nanos()).div_euclid(1_000_000_000) + EXPIRY_EARLY_S,
        VenueOrderType::Gtc | VenueOrderType::Fok | VenueOrderType::Fak => 0,
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::wallet::tests::wallet;
    use super::*;
    use crate::domain::ids::{GameId, Instance, MarketId, SignalId, TokenId};
    use crate::domain::market::{FeeRate, Instrument, Outcome};
    use crate::domain::money::Quantity;
    use crate::domain::order::{Action, Groups, Stance, TimeInForce};

    pub const TOKEN: &str = "71321045679252212594626385532706912750332728571942532289631379312455583992563";
    const CENT: Price = Price::from_micros(10_000);

    pub fn signer(kind: &str) -> OrderSigner {
        OrderSigner::new(wallet(kind), Chain::Polygon, 2).expect("signer")
    }

    /// A buy of 10 at 0.52 that rests until its signal ends.
    pub fn order() -> Order {
        let signal_id = SignalId::new("s").expect("id");
        let expires_at = Time::from_ms(1_780_000_120_500);
        Order {
            order_id: OrderId::of(&Instance::new("main").expect("name"), crate::domain::ids::Mode::Live, &signal_id, 0, 0),
            signal_id,
            revision: 0,
            instrument: Instrument {
                venue: Venue::Polymarket,
                market: MarketId::new("0xabab").expect("id"),
                token: Some(TokenId::new(TOKEN).expect("token")),
                outcome: Outcome::Yes,
            },
            action: Action::Buy,
            quantity: Quantity::whole(10),
            limit: Price::from_micros(520_000),
            tif: TimeInForce::Gtd,
            expires_at,
            venue_expires_at: expires_at,
            fee: FeeRate { taker_micros: 50_000, maker_micros: 0, exponent: 1 },
            groups: Groups {
                game: GameId::new("g").expect("id"),
                sport: "s".into(),
                stance: Stance { subject: "m".into(), wins: true, contest: false },
            },
            created_at: Some(Time::from_ms(1_780_000_000_123)),
        }
    }

    #[test]
    fn signing_the_same_order_again_gives_the_same_order() {
        for kind in ["0", "1", "2", "3", "3-plain"] {
            let signed = signer(kind).sign(&order(), CENT, false).expect("signed");
            assert_eq!(signer(kind).sign(&order(), CENT, false).expect("signed"), signed, "{kind}");
            assert!(signed.salt < 1 << 53);
            assert_eq!((signed.timestamp_ms, signed.expiration), (1_780_000_000_123, 1_780_000_121 + 60));
        }
        let other = OrderId::of(&Instance::new("main").expect("name"), crate::domain::ids::Mode::Live, &order().signal_id, 0, 1);
        let again = signer("0").sign(&Order { order_id: other, ..order() }, CENT, false).expect("signed");
        assert_ne!(again.salt, signer("0").sign(&order(), CENT, false).expect("signed").salt, "each revision has a salt of its own");
    }

    #[test]
    fn the_plain_and_the_wrapped_encoding_have_one_name() {
        let (wrapped, plain) = (signer("3"), signer("3-plain"));
        let one = wrapped.sign(&order(), CENT, true).expect("signed");
        let other = plain.sign(&order(), CENT, true).expect("signed");
        assert_eq!(one.venue_order_id, other.venue_order_id);
        assert_eq!(wrapped.signature(&one).expect("signature").bytes().len(), 317);
        assert_eq!(plain.signature(&other).expect("signature").bytes().len(), 65);
        assert_eq!(one.maker, one.signer);
    }

    #[test]
    fn the_market_decides_which_contract_is_signed_for() {
        let (standard, neg_risk) = (signer("0").sign(&order(), CENT, false), signer("0").sign(&order(), CENT, true));
        let (standard, neg_risk) = (standard.expect("signed"), neg_risk.expect("signed"));
        assert_eq!(&*standard.exchange, "0xe111180000d2663c0091e4f400237545b87b996b");
        assert_eq!(&*neg_risk.exchange, "0xe2222d279d744050d28e00520010520000310f59");
        assert_ne!(standard.venue_order_id, neg_risk.venue_order_id);
    }

    #[test]
    fn an_order_that_says_too_little_is_not_signed() {
        let refused = |order: &Order| signer("0").sign(order, CENT, false).expect_err("refused");
        assert_eq!(refused(&Order { created_at: None, ..order() }), SignError::NoTime);
        let at = |venue, token: Option<&str>| {
            let token = token.map(|token| TokenId::new(token).expect("token"));
            Order { instrument: Instrument { venue, token, ..order().instrument }, ..order() }
        };
        assert_eq!(refused(&at(Venue::Polymarket, None)), SignError::NoToken);
        assert_eq!(refused(&at(Venue::Kalshi, Some(TOKEN))), SignError::Venue(Venue::Kalshi));
        assert_eq!(refused(&at(Venue::Polymarket, Some(&"9".repeat(78)))), SignError::Token);
        let off_grid = Order { limit: Price::from_micros(525_000), ..order() };
        assert!(matches!(refused(&off_grid), SignError::Amounts(AmountError::OffGrid { .. })));
    }

    #[test]
    fn a_signed_order_that_was_changed_is_not_sent() {
        let signed = signer("0").sign(&order(), CENT, false).expect("signed");
        let sent = |signed: &SignedOrder| signer("0").body(signed, "owner").expect_err("refused");
        assert_eq!(sent(&SignedOrder { maker_amount: 1, ..signed.clone() }), SignError::Damaged);
        assert_eq!(sent(&SignedOrder { salt: 1, ..signed.clone() }), SignError::Damaged);
        let mut unsealed = signed.clone();
        unsealed.sealed_signature[20] ^= 1;
        assert_eq!(sent(&unsealed), SealError.into());
        let other = SignedOrder { exchange: "0x1111111111111111111111111111111111111111".into(), ..signed.clone() };
        assert!(matches!(sent(&other), SignError::OtherExchange(_)));
        assert!(matches!(signer("2").body(&signed, "owner"), Err(SignError::OtherWallet(_))));
    }

    #[test]
    fn debug_shows_neither_the_signature_nor_its_seal() {
        let signed = signer("0").sign(&order(), CENT, false).expect("signed");
        let signature = signer("0").signature(&signed).expect("signature");
        assert_eq!(format!("{signature:?}"), "OrderSignature(65 bytes)");
        assert!(format!("{signed:?}").contains("sealed_signature: \"sealed\""));
    }
}
