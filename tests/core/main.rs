//! The pure core: facts about engine, risk and projections.

/// Random numbers from a seed: the only dice here.
#[path = "../simulation/dice.rs"]
mod dice;
/// Facts, one rig each.
mod facts;
/// A log that is still empty.
mod first_start;
mod limits;
/// Engine, risk and paper exchange without time.
mod rig;
/// Rows of signals with their answers.
mod rows;
/// Orders signed ahead, fills that become final later.
mod signed;
/// Orders signed ahead without a key.
#[path = "../simulation/toy_signature.rs"]
mod toy_signature;
