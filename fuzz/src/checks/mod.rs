//! One function an input: it panics where a property doesn't hold, and never says that an input is wrong: refusing is always allowed.

pub mod config;
pub mod kalshi;
pub mod money;
pub mod polymarket;
pub mod record;
pub mod signal;
