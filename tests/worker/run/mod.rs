//! The running worker, from a signal on NATS to what the commands show.

mod burst;
mod crashes;
mod first;
mod full_folder;
mod kills;
mod log_failures;
mod nats_gone;
mod operators;
mod poison;
mod repeats;
mod secured;
mod separate_risk;
mod settings;
mod slow_and_late;
mod tapes;
