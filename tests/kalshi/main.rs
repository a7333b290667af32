//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// The stream breaks, is silent, lags.
mod feeds;
/// Markets and the exchange live their lives.
mod lifecycle;
/// From a signal to a reconciled position.
mod path;
/// What a world shows.
mod seen;
/// Markets end.
mod settlement;
/// Others trade on the account.
mod strangers;
/// A stage and an engine for each test.
mod support;
