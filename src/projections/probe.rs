//! The size of a probe: what a half-open breaker lets through (design §3.11).

use super::Projections;
use crate::domain::money::{ONE, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::Order;

/// The smallest whole number of contracts that the limits and the market take at this price.
pub fn probe_size(book: &Projections, order: &Order) -> Quantity {
    let market = book.markets.get(&order.instrument.book_key());
    let ours = book.limits.as_ref().map_or(Quantity::ZERO, |limits| limits.order_contracts_min);
    let theirs = market.map_or(Quantity::ZERO, |market| market.quantity_min);
    let dollars = market.map_or(Usd::ZERO, |market| market.notional_min);
    let price = order.limit.micros().max(1);
    let worth = Quantity::from_micros(mul_div(dollars.micros(), ONE, price, Rounding::Up));
    whole_up(ours.max(theirs).max(worth)).max(Quantity::whole(1))
}

/// Not larger than a probe.
pub fn is_minimal(book: &Projections, order: &Order) -> bool {
    order.quantity <= probe_size(book, order)
}

fn whole_up(quantity: Quantity) -> Quantity {
    let floor = quantity.floor_whole();
    if floor == quantity { quantity } else { floor + Quantity::whole(1) }
}
