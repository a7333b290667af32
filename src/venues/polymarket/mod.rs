//! Polymarket, live: CLOB V2 (`polymarket.md`). An order's name is the hash of what is signed, known before it is sent.

/// Accounts and contracts of the chain.
pub mod address;
/// Integer amounts of an order, from its price and size.
pub mod amounts;
/// Headers of both levels.
pub mod auth;
/// The bytes of an order as sent.
pub mod body;
/// Which contracts an order is signed for.
pub mod contracts;
/// The API key, its secret and its passphrase.
pub mod credentials;
/// What is signed, hashed as the chain does it.
pub mod eip712;
/// Private keys.
pub mod key;
/// From an order to a signed one.
pub mod order;
/// Signatures at rest.
pub mod seal;
/// Whose money, and who signs for it.
pub mod wallet;

pub use address::EvmAddress;
pub use credentials::ApiCredentials;
pub use key::WalletKey;
pub use order::OrderSigner;
pub use wallet::{Poly1271Encoding, SignatureType, Wallet};
