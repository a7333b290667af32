//! The worker's parts against the real thing: a nats-server of its own for each test, on a free port with a
//! fresh folder.

mod bus;
mod support;
