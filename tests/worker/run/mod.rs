//! The running worker, from a signal on NATS to what the commands show.

mod crashes;
mod first;
mod separate_risk;
