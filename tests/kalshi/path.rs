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

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_with_every_kind_of_order_ends_as_the_venues_own_books_say() {
    let folder = crate::support::Folder::new();
    let report = arbees::app::rehearsal::matrix::play::<arbees::app::rehearsal::Kalshi>(&folder.0, &[], &|_| {}).await.expect("played");
    assert!(report.is_good(), "{}", arbees::app::rehearsal::matrix::table(&report));
    assert!(report.rows.len() >= 140, "{} rows", report.rows.len());
}
