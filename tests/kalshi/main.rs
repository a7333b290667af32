//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// The program itself as child processes.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/arbees.rs"]
mod arbees;
/// Cancels: S36-S40, S45.
mod cancels;
/// What the venue ends by itself: S44, S118.
mod ended_by_venue;
/// Fills: S19-S29.
mod fills;
/// kill -9 of the program itself: S15-S18.
mod kills;
/// What a lost answer leaves open: S1-S4, S8, S10, S12.
mod lost_answers;
/// From a signal to a reconciled position.
mod path;
/// Definite answers to a send: S5-S7, S14.
mod refusals;
/// A nats-server of its own for each test that starts the program.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/support.rs"]
mod servers;
/// A stage and an engine for each test.
mod support;
