//! Kalshi, live: today's Trade API (`kalshi.md`). Requests are signed here and answers read; what becomes of an order is
//! decided in the engine.

/// Balance, holdings, transfers, keys, limits.
mod account;
/// Hosts, paths, and what may stand in them.
pub mod address;
/// Signed headers, made ahead of need.
pub mod auth;
/// One request and its answer.
pub mod client;
/// Key, clock, account, exchange: what a person asks first.
pub mod doctor;
/// Signed, not sent.
mod dry_run;
/// A market's facts and its fee.
pub mod facts;
/// Fuses at the venue.
mod groups;
/// Private keys.
pub mod key;
/// What became of one order.
pub mod look_up;
/// Markets, books, the exchange itself.
mod markets;
/// Orders and fills.
pub mod orders;
/// What an answer proves.
pub mod outcome;
/// Listings, whole or not at all.
pub mod paging;
/// Markets that are open now.
mod picking;
/// Token buckets.
pub mod rate;
/// The WebSocket.
pub mod stream;
/// Our words and theirs.
pub mod translate;
/// What workers hold.
pub mod venue;
/// What the venue sends.
pub mod wire;

pub use auth::KeyId;
pub use client::{Client, ClientSettings};
pub use key::SigningKey;
pub use venue::KalshiVenue;
