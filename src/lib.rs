//! Arbees: signals in, vetoed or approved orders out, every step an event in a log, everything shown a fold of it.
//!
//! The rooms, in flow order; `tests/house.rs` holds who may name whom (`README.md` has the picture).
//! Nothing under `domain`, `projections`, `risk` and `engine` waits, reads a clock, rolls dice, uses floats or
//! iterates an unordered map.

/// Words: ids, money, markets, signals, orders, verdicts, events. Pure.
pub mod domain;

/// Memory: the fold of the log. Pure.
pub mod projections;

/// The mind: decides every order's life. Pure.
pub mod engine;

/// The judge: rules, grants, verdicts. Pure.
pub mod risk;

/// The auditor: views, explain, replay, verify. Reads, never writes.
pub mod audit;

/// The window: health, metrics, the local API.
pub mod http;

/// The front door: arguments, reading commands, tables.
pub mod cli;
