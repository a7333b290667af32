//! The counters: each venue behind the same words of `domain`. They may name `domain` and `clock` only.

/// Kalshi's Trade API, live.
pub mod kalshi;
/// Files that hold a secret.
pub mod key_file;
/// The exchange inside the process: tapes, the demo's market, or a signal's own quote.
pub mod paper;
/// Polymarket's CLOB V2, live.
pub mod polymarket;
