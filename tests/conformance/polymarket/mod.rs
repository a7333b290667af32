//! Polymarket: what we sign, against what the official clients signed for the same inputs. Keys, credentials, chains and
//! ticks are read from the vectors; a row of a kind that isn't known here fails.

/// Amounts of an order.
mod amounts;
/// Headers of both levels.
mod auth;
/// Requests of the official clients.
mod captures;
/// The whole client against the double.
mod client;
/// Signed orders.
mod orders;
/// Where the vectors are, and what they have in common.
mod vectors;
/// What the venue answers and tells.
mod wire;
