//! What Kalshi may send: amounts are those that stand there, or the row is refused.

use arbees::venues::kalshi::stream::frame;
use arbees::venues::kalshi::translate;
use arbees::venues::kalshi::wire::account::{Balance, Costs, Limits, Position, Positions, Settlements};
use arbees::venues::kalshi::wire::error::Refusal;
use arbees::venues::kalshi::wire::market::{ExchangeStatus, Markets, OneBook, OneMarket};
use arbees::venues::kalshi::wire::orders::{CancelReply, CreateReply, Fill, OneOrder, Order, Orders};

use super::money::{assert_exact, fields};

/// Everything that may come is read as everything it may be.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    Refusal::read(409, data);
    if let Ok(first) = frame::read(text) {
        assert_eq!(Some(first), frame::read(text).ok());
    }
    pages(text);
    order(text);
    fill(text);
    position(text);
}

fn pages(text: &str) {
    let _ = serde_json::from_str::<Balance>(text);
    let _ = serde_json::from_str::<Costs>(text);
    let _ = serde_json::from_str::<Limits>(text);
    let _ = serde_json::from_str::<Positions>(text);
    let _ = serde_json::from_str::<Settlements>(text);
    let _ = serde_json::from_str::<ExchangeStatus>(text);
    let _ = serde_json::from_str::<Markets>(text);
    let _ = serde_json::from_str::<OneMarket>(text);
    let _ = serde_json::from_str::<CancelReply>(text);
    let _ = serde_json::from_str::<CreateReply>(text);
    let _ = serde_json::from_str::<OneOrder>(text);
    let _ = serde_json::from_str::<Orders>(text);
    if let Ok(book) = serde_json::from_str::<OneBook>(text) {
        translate::top_of_book(&book.orderbook_fp);
    }
}

fn order(text: &str) {
    let Ok(row) = serde_json::from_str::<Order>(text) else { return };
    let fields = fields(text).expect("an order is an object");
    assert_exact(&fields, &["yes_price_dollars"], row.yes_price_dollars.0.micros());
    assert_exact(&fields, &["initial_count_fp"], row.initial_count_fp.0.micros());
    assert_exact(&fields, &["fill_count_fp"], row.fill_count_fp.0.micros());
    assert_exact(&fields, &["remaining_count_fp"], row.remaining_count_fp.0.micros());
    let Ok(order) = translate::venue_order(&row) else { return };
    assert_eq!((order.price, order.quantity, order.filled), (row.yes_price_dollars.0, row.initial_count_fp.0, row.fill_count_fp.0));
}

fn fill(text: &str) {
    let Ok(row) = serde_json::from_str::<Fill>(text) else { return };
    let Ok(fill) = translate::venue_fill(&row) else { return };
    let fields = fields(text).expect("a fill is an object");
    assert_exact(&fields, &["count_fp"], fill.quantity.micros());
}

fn position(text: &str) {
    let Ok(row) = serde_json::from_str::<Position>(text) else { return };
    let Ok(position) = translate::venue_position(&row) else { return };
    let fields = fields(text).expect("a position is an object");
    assert_exact(&fields, &["position_fp"], position.signed.micros());
}
