//! The worker's parts against the real thing, and the whole program as processes: a nats-server of its own for each
//! test, on a free port with a fresh folder.

#[allow(dead_code)] // tests/endurance uses the rest
mod arbees;
mod bus;
#[allow(dead_code)] // the tapes' own tests use the rest
#[path = "../tapes/reference.rs"]
mod reference;
mod run;
mod strategy;
#[allow(dead_code)] // tests/endurance uses the rest
mod support;
