//! Polymarket, live: CLOB V2 (`polymarket.md`). An order's name is the hash of what is signed, known before it is sent.

/// The account, whole or not at all.
mod account;
/// Accounts and contracts of the chain.
pub mod address;
/// Integer amounts of an order, from its price and size.
pub mod amounts;
/// Headers of both levels.
pub mod auth;
/// The bytes of an order as sent.
pub mod body;
/// Calls, one function each.
mod calls;
/// One request and its answer.
pub mod client;
/// Which contracts an order is signed for.
pub mod contracts;
/// What a holding cost.
mod cost;
/// The API key, its secret and its passphrase.
pub mod credentials;
/// Wallet, key, money, block: what a person asks first.
pub mod doctor;
/// What is signed, hashed as the chain does it.
pub mod eip712;
/// What each of the venue's complaints means.
pub mod errors;
/// A market's facts, and how it ended.
pub mod facts;
/// The dead man's switch.
pub mod heartbeat;
/// Where the venue is.
pub mod hosts;
/// Private keys.
pub mod key;
/// What became of one order.
mod look_up;
/// From an order to a signed one.
pub mod order;
/// What an answer proves.
pub mod outcome;
/// Token buckets.
pub mod rate;
/// A venue that answers as told.
#[cfg(test)]
mod scripted;
/// Signatures at rest.
pub mod seal;
/// The two WebSockets.
pub mod stream;
/// Their rows in our words.
pub mod translate;
/// What workers hold.
pub mod venue;
/// Whose money, and who signs for it.
pub mod wallet;
/// What the venue sends.
pub mod wire;

pub use address::EvmAddress;
pub use client::{Client, ClientSettings};
pub use credentials::ApiCredentials;
pub use key::WalletKey;
pub use order::OrderSigner;
pub use venue::PolymarketVenue;
pub use wallet::{Poly1271Encoding, SignatureType, Wallet};
