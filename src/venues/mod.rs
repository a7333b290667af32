//! The counters: each venue behind the same words of `domain`. They may name `domain` and `clock` only.

/// Kalshi's Trade API, live.
pub mod kalshi;
/// The exchange inside the process: tapes, the demo's market, or a signal's own quote.
pub mod paper;
