//! The live Polymarket code against Polymarket's double over real HTTP and WebSocket: scenarios by number
//! (`shared/scenarios.md`).

/// What operators book and read; wallets that lack something: S90, S94.
mod adjusted;
/// The program itself as child processes.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/arbees.rs"]
mod arbees;
/// Cancels: S36-S40, S44, S45.
mod cancels;
/// Closes never flip.
mod closes;
/// The stream breaks, is silent, lags.
mod feeds;
/// Fills: S19-S29.
mod fills;
/// What an account starts with; caps; dry runs.
mod first_day;
/// The program and what is needed to kill it, of whatever venue.
#[path = "../kalshi/killed.rs"]
mod killed;
/// kill -9 of the program itself: S15-S17.
mod kills;
/// Markets and the exchange live their lives.
mod lifecycle;
/// What a world shows.
mod look;
/// What a lost answer leaves open: S1-S4, S8, S10, S12.
mod lost_answers;
/// How a signal names an outcome.
mod markets_named;
/// Paper on the venue's own books.
mod paper;
/// From a signal to a settled, reconciled position, and the whole table of faults.
mod path;
/// The program itself.
mod program;
/// Definite answers to a send: S5-S7, S14.
mod refusals;
/// A stage and an engine for each test, of whatever venue.
#[allow(dead_code)] // Kalshi's tests use the rest
#[path = "../kalshi/scene.rs"]
mod scene;
/// A nats-server of its own for each test that starts the program.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/support.rs"]
mod servers;
/// Markets end.
mod settlement;
/// From matched to settled, or back: S30-S35, S69.
mod settling;
/// The venue refuses us; two engines want one account.
mod standing;
/// Others trade on the account.
mod strangers;
/// Polymarket's.
mod support;
/// What these tests ask for and look at.
mod wishes;
