//! Arbees: signals in, vetoed or approved orders out, every step an event in a log, everything shown a fold of it.
//!
//! The rooms, in flow order; `tests/house.rs` holds who may name whom (`README.md` has the picture).
//! Nothing under `domain`, `projections`, `risk` and `engine` waits, reads a clock, rolls dice, uses floats or
//! iterates an unordered map.

/// Builds everything from the settings and ties it together.
pub mod app;
/// What happened, for people and programs: reads, never writes.
pub mod audit;
/// The letterbox: subjects, NATS, and the same in process.
pub mod bus;
/// The front door: arguments, reading commands, tables.
pub mod cli;
/// The one door to time.
pub mod clock;
/// Settings: one table, read once, refused when anything in them is wrong.
pub mod config;
/// Points between effects at which a program built for tests dies.
pub mod crash_points;
/// Words: ids, money, markets, signals, orders, verdicts, events. Pure.
pub mod domain;
/// The mind: decides every order's life. Pure.
pub mod engine;
/// The book: an append-only log of events, journal and sled.
pub mod event_log;
/// The venues' protocols, served on loopback: for rehearsal, tests and bench.
pub mod exchange;
/// The window: health, metrics, the local API.
pub mod http;
/// What is counted, set and timed, and its text for Prometheus.
pub mod metrics;
/// Memory: the fold of the log. Pure.
pub mod projections;
/// The judge: rules, grants, verdicts. Pure.
pub mod risk;
/// The counters: one folder a venue, all alike.
pub mod venues;
/// The hands: they carry out what the engine decides and feed back what happened.
pub mod workers;
