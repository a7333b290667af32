//! From a signal to a reconciled position.

use arbees::app::rehearsal::Wish;
use arbees::domain::order::OrderState;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_becomes_a_reconciled_position() {
    let world = World::new().await;
    let record = world.stage.trade(&world.engine, &Wish::open("yes", "0.50", "3", "ioc")).await.expect("traded");
    assert_eq!(record.state, OrderState::Filled, "{record:?}");
    world.agrees().await;
    world.engine.stop().await;
}
