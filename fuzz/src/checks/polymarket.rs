//! What Polymarket may send: amounts are those that stand there, or the row is refused.

use arbees::domain::market::{BookKey, FeeRate};
use arbees::domain::money::Quantity;
use arbees::venues::polymarket::errors::of_refusal;
use arbees::venues::polymarket::stream::frame::{Context, Event, Frame, read};
use arbees::venues::polymarket::translate::{Ours, fills, venue_order};
use arbees::venues::polymarket::wire::error::Refusal;
use arbees::venues::polymarket::wire::market::{Book, ClobMarket, MarketState, gamma_markets};
use arbees::venues::polymarket::wire::orders::{CancelReply, Order, PostReply};
use arbees::venues::polymarket::wire::trades::Trade;

use super::money::{assert_exact, fields};

/// Everything that may come is read as everything it may be.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    of_refusal(&Refusal::read(400, data));
    let _ = gamma_markets(data);
    let _ = serde_json::from_str::<MarketState>(text);
    let _ = serde_json::from_str::<PostReply>(text);
    let _ = serde_json::from_str::<CancelReply>(text);
    let _ = serde_json::from_str::<Book<'_>>(text);
    market(text);
    order(text);
    trade(text);
    stream(text);
}

fn ours() -> Ours {
    Ours { key: "<k>".to_owned(), wallet: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".to_owned() }
}

fn fees(_: &BookKey) -> Option<FeeRate> {
    Some(FeeRate::new(50_000, 0))
}

/// What decides how an order is signed has no default.
fn market(text: &str) {
    let Ok(market) = serde_json::from_str::<ClobMarket>(text) else { return };
    let fields = fields(text).expect("a market is an object");
    assert_exact(&fields, &["mts"], market.mts.0.micros());
    assert_exact(&fields, &["mos"], market.mos.0.micros());
    assert!(fields.contains_key("nr"), "which contract settles it was said");
}

fn order(text: &str) {
    let Ok(row) = serde_json::from_str::<Order<'_>>(text) else { return };
    let fields = fields(text).expect("an order is an object");
    assert_exact(&fields, &["price"], row.price.0.micros());
    assert_exact(&fields, &["original_size"], row.original_size.0.micros());
    let Ok(order) = venue_order(&row) else { return };
    assert_eq!((order.price, order.quantity), (row.price.0, row.original_size.0));
    if let Some(matched) = row.size_matched.0 {
        assert_exact(&fields, &["size_matched"], matched.micros());
        assert_eq!(order.filled, matched);
    }
}

/// What is ours of a trade is an amount that stands in it: the taker's, or that of one of the resting orders.
fn trade(text: &str) {
    let Ok(row) = serde_json::from_str::<Trade<'_>>(text) else { return };
    let fields = fields(text).expect("a trade is an object");
    assert_exact(&fields, &["size"], row.size.0.micros());
    assert_exact(&fields, &["price"], row.price.0.micros());
    let Ok(fills) = fills(&row, &ours(), &fees) else { return };
    let amounts: Vec<Quantity> = row.maker_orders.iter().map(|maker| maker.matched_amount.0).chain([row.size.0]).collect();
    assert!(fills.iter().all(|fill| amounts.contains(&fill.quantity)), "{fills:?} of {amounts:?}");
}

/// A frame of one market and of an account.
fn stream(text: &str) {
    let account = ours();
    for ours in [None, Some(&account)] {
        let context = Context { ours, fees: &fees };
        let Ok(Frame::Events(events)) = read(text, &context) else { continue };
        let Some(fields) = fields(text) else { continue };
        for event in events.into_iter().flatten() {
            match event {
                Event::Tick { tick, .. } => assert_exact(&fields, &["new_tick_size"], tick.micros()),
                Event::Order(order) => assert_exact(&fields, &["original_size"], order.quantity.micros()),
                _ => {}
            }
        }
    }
}
