//! The counters: each venue behind the same words of `domain`. They may name `domain` and `clock` only.

/// Addresses that may be talked to.
pub mod address;
/// Books as a stream shows them.
pub mod books;
/// Token buckets.
pub mod bucket;
/// What a call can come to.
pub mod call;
/// How far our clock is from a venue's.
pub mod clock_skew;
/// HTTP as all venues need it.
pub mod http;
/// A venue's words without our secrets.
pub mod hush;
/// Kalshi's Trade API, live.
pub mod kalshi;
/// Files that hold a secret.
pub mod key_file;
/// Numbers as text or as JSON numbers, without floats.
pub mod number;
/// What whoever counts is told.
pub mod onlooker;
/// The exchange inside the process: tapes, the demo's market, or a signal's own quote.
pub mod paper;
/// Polymarket's CLOB V2, live.
pub mod polymarket;
/// Waits between two connections.
pub mod reconnect;
/// Whether a venue takes our orders.
pub mod standing;
