//! From a signal to a settled, reconciled position (every fault with every kind of order: `tests/faults.rs`).

use ::arbees::domain::event::Event;
use ::arbees::domain::money::Quantity;
use ::arbees::domain::order::OrderState;

use crate::look::open;
use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_becomes_a_settled_reconciled_position() {
    let world = World::new().await;
    let order = world.order(&open("yes", "0.50", "6", "ioc")).await;
    let record = world.done(order).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, Quantity::whole(6)));
    world.agrees().await;
    let story = world.story(order).await;
    let sent = story.iter().find_map(|event| match event {
        Event::SubmitStarted { signed, .. } => signed.clone(),
        _ => None,
    });
    // The name was on record before anything was sent, and the venue uses it.
    let name = sent.expect("signed ahead").venue_order_id;
    let acked = story.iter().any(|event| matches!(event, Event::OrderAcked { venue_order_id, .. } if *venue_order_id == name));
    assert!(acked && world.venue_order(order).await["id"] == name.as_str());
    world.engine.stop().await;
}
