//! The live Kalshi code against Kalshi's double over real HTTP and WebSocket: scenarios by number (`shared/scenarios.md`).

/// Paper on the venue's own books.
mod paper;
/// From a signal to a reconciled position.
mod path;
/// A stage and an engine for each test.
mod support;
