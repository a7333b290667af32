//! The venues' own protocols, served on loopback: doubles for rehearsal, tests and bench. Never names `venues`: client and
//! double share only `domain`, so that a mistake of the one isn't repeated by the other.

/// What admin ports are asked.
mod asks;
/// One market's resting orders.
mod book;
/// Rates of calls.
mod bucket;
/// The two listeners of a double, and its tick.
mod doors;
/// What goes wrong on demand.
mod faults;
/// Small numbers for orders, accounts, markets.
mod ids;
/// Kalshi: REST, WebSocket, matching, accounts, and faults on demand.
pub mod kalshi;
/// TCP connections that can be torn down.
mod line;
/// Polymarket: REST, WebSocket, matching, settlement, and faults on demand.
pub mod polymarket;
/// Query strings.
mod query;
/// What leaves, and what leaves instead.
mod reply;
/// What was asked.
mod requests;
/// WebSockets and what goes wrong on them.
mod sockets;
