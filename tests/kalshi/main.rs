//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// Cancels: S36-S40, S45.
mod cancels;
/// What the venue ends by itself: S44, S118.
mod ended_by_venue;
/// The stream breaks, is silent, lags.
mod feeds;
/// Fills: S19-S29.
mod fills;
/// Markets and the exchange live their lives.
mod lifecycle;
/// What a lost answer leaves open: S1-S4, S8, S10, S12.
mod lost_answers;
/// From a signal to a reconciled position.
mod path;
/// Definite answers to a send: S5-S7, S14.
mod refusals;
/// What a world shows.
mod seen;
/// Markets end.
mod settlement;
/// Others trade on the account.
mod strangers;
/// A stage and an engine for each test.
mod support;
