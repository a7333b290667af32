//! The double over real HTTP and WebSocket, asked by a client that signs with `k256`.

/// Signatures, keys, accounts, rates, modes.
mod doors;
/// What each fault does.
mod faults;
/// Orders, matches, and trades' lives.
mod lives;
/// A running double and a client.
mod rig;
/// Sockets.
mod sockets;
