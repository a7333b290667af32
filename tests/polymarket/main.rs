//! The live Polymarket code against Polymarket's double over real HTTP and WebSocket: scenarios by number
//! (`shared/scenarios.md`).

/// The program itself as child processes.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/arbees.rs"]
mod arbees;
/// From a signal to a settled, reconciled position, and the whole table of faults.
mod path;
/// A stage and an engine for each test, of whatever venue.
#[allow(dead_code)] // Kalshi's tests use the rest
#[path = "../kalshi/scene.rs"]
mod scene;
/// A nats-server of its own for each test that starts the program.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/support.rs"]
mod servers;
/// Polymarket's.
mod support;
