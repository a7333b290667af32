//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// What operators book and read: S90, S94.
mod adjusted;
/// The program itself as child processes.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/arbees.rs"]
mod arbees;
/// Cancels: S36-S40, S45.
mod cancels;
/// Closes never flip.
mod closes;
/// What the venue ends by itself: S44, S118.
mod ended_by_venue;
/// The stream breaks, is silent, lags.
mod feeds;
/// Fills: S19-S29.
mod fills;
/// What an account starts with; caps; dry runs.
mod first_day;
/// The program and what is needed to kill it, of whatever venue.
mod killed;
/// kill -9 of the program itself: S15-S18.
mod kills;
/// Markets and the exchange live their lives.
mod lifecycle;
/// The log fails while an order rests: S98.
mod log_fails;
/// What a lost answer leaves open: S1-S4, S8, S10, S12.
mod lost_answers;
/// Paper on the venue's own books.
mod paper;
/// From a signal to a reconciled position.
mod path;
/// The program itself.
mod program;
/// Definite answers to a send: S5-S7, S14.
mod refusals;
/// A stage and an engine for each test, of whatever venue.
mod scene;
/// The program under the permissions of the bus.
mod secured;
/// What a world shows.
mod seen;
/// A nats-server of its own for each test that starts the program.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/support.rs"]
mod servers;
/// Markets end.
mod settlement;
/// The venue refuses us; two engines want one account.
mod standing;
/// Others trade on the account.
mod strangers;
/// Kalshi's.
mod support;
