//! Orders signed ahead without a key: what tests of the pure core need of Polymarket's signatures is that they follow from the order.

use arbees::domain::ids::{VenueOrderId, sha256};
use arbees::domain::money::Rounding;
use arbees::domain::order::{Action, Order, TimeInForce};
use arbees::domain::signed::{SignedOrder, VenueOrderType};

/// As a desk would sign it, but for the signature: everything follows from the order.
pub fn sign(order: &Order) -> SignedOrder {
    let hash = sha256(&[b"toy digest", &order.order_id.0]);
    let order_type = match (order.tif, order.action) {
        (TimeInForce::Gtc | TimeInForce::Gtd, _) | (TimeInForce::Ioc, Action::Buy) => VenueOrderType::Gtd,
        (TimeInForce::Ioc, Action::Sell) => VenueOrderType::Fak,
        (TimeInForce::Fok, _) => VenueOrderType::Fok,
    };
    let shares = order.quantity.micros() as u64;
    let dollars = order.limit.times(order.quantity, Rounding::Down).micros() as u64;
    let (maker_amount, taker_amount) = if order.action == Action::Buy { (dollars, shares) } else { (shares, dollars) };
    SignedOrder {
        venue_order_id: VenueOrderId::new(&format!("0x{hash}")).expect("id"),
        exchange: "0xe111180000d2663c0091e4f400237545b87b996b".into(),
        salt: 7,
        maker: "0x0000000000000000000000000000000000000001".into(),
        signer: "0x0000000000000000000000000000000000000001".into(),
        token: order.instrument.token.clone().expect("token"),
        maker_amount,
        taker_amount,
        action: order.action,
        signature_type: 0,
        timestamp_ms: order.created_at.expect("part of what is signed").ms(),
        expiration: order.venue_expires_at.ms() / 1_000 + 60,
        order_type,
        post_only: false,
        sealed_signature: serde_bytes::ByteBuf::from(vec![0xaa; 65]),
    }
}
