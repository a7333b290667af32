//! A simulated world of faults around the pure core: engine, risk consumer, projections, a log with an unsynced tail, a bus
//! that loses and reorders, two venues. `./run sim [SEEDS]`.

/// Random numbers from a seed: the only dice here.
mod dice;
/// What goes wrong.
mod faults;
/// The invariants.
mod ledger;
/// What was seen together.
mod matrix;
/// Bugs planted on purpose: each is found.
mod planted;
/// Runs of many seeds; failing ones are made smaller.
mod seeds;
/// Orders signed ahead without a key.
mod toy_signature;
/// Ground truth.
mod venue;
/// Everything on one queue.
mod world;

/// A seed makes and drops a great many small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
