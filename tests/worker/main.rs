//! The worker's parts against the real thing, and the whole program as processes: a nats-server of its own for each
//! test, on a free port with a fresh folder.

mod arbees;
mod bus;
#[allow(dead_code)] // the tapes' own tests use the rest
#[path = "../tapes/reference.rs"]
mod reference;
mod run;
mod strategy;
mod support;
