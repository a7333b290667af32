//! The venues' own protocols, served on loopback: doubles for rehearsal, tests and bench. Never names `venues`: client and
//! double share only `domain`, so that a mistake of the one isn't repeated by the other.

/// Kalshi: REST, WebSocket, matching, accounts, and faults on demand.
pub mod kalshi;
