//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// Closes never flip.
mod closes;
/// The stream breaks, is silent, lags.
mod feeds;
/// What an account starts with; caps; dry runs.
mod first_day;
/// Markets and the exchange live their lives.
mod lifecycle;
/// From a signal to a reconciled position.
mod path;
/// The program itself.
mod program;
/// What a world shows.
mod seen;
/// A real nats-server.
#[allow(dead_code)]
#[path = "../worker/support.rs"]
mod servers;
/// Markets end.
mod settlement;
/// The venue refuses us; two engines want one account.
mod standing;
/// Others trade on the account.
mod strangers;
/// A stage and an engine for each test.
mod support;
