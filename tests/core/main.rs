//! The pure core: facts about engine, risk and projections, and seeded worlds of faults.

/// Random numbers from a seed: the only dice here.
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
/// 1,000 seeds in every run; `SEED=n` shows one, `SEEDS=n` and `SEED_START=n` choose more.
mod seeds;
/// Orders signed ahead, fills that become final later.
mod signed;
/// A venue that loses, repeats and delays.
mod toy_venue;
/// Engine, risk, log and venue on one queue, with crashes between any two effects.
mod world;
