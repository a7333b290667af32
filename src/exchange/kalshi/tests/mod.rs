//! The double over real HTTP and WebSocket, asked by a client that signs with `ring`.

/// Keys, signatures, scopes, rates.
mod doors;
/// What each fault does.
mod faults;
/// Markets' and the exchange's lives.
mod lives;
/// Creates, cancels, changes, look-ups.
mod orders;
/// Replies beside recorded ones.
mod recorded;
/// A running double and a client.
mod rig;
/// Sockets.
mod sockets;
