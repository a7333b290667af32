//! Arbees: signals in, vetoed or approved orders out, every step an event in a log, everything shown a fold of it.
//!
//! The rooms, in flow order; `tests/house.rs` holds who may name whom (`README.md` has the picture).
//! Nothing under `domain`, `projections`, `risk` and `engine` waits, reads a clock, rolls dice, uses floats or
//! iterates an unordered map.

/// Words: ids, money, markets, signals, orders, verdicts, events. Pure.
pub mod domain;

/// The book: journal, sled store, hash chain, and a memory store behind the same trait.
pub mod event_log;
