//! Polymarket's whole table of faults: some two hundred orders at once, so it has the machine for itself.

use arbees::app::rehearsal::{Polymarket, matrix};

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_with_every_kind_of_order_ends_as_polymarkets_own_books_say() {
    let folder = std::env::temp_dir().join(format!("arbees-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let report = matrix::play::<Polymarket>(&folder, &[], &|_| {}).await.expect("played");
    assert!(report.is_good(), "{}", matrix::table(&report));
    assert!(report.rows.len() >= 180, "{} rows", report.rows.len());
    let _ = std::fs::remove_dir_all(&folder);
}
