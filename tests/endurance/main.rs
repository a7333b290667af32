//! What lasts: the program killed again and again, stopped, doubled, restored and run for long, as processes of their own,
//! and afterwards counted by plain code from the log and the venues' own books.

#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/arbees.rs"]
mod arbees;
/// Every file of the fuzzers' corpora through the readers it is for.
mod corpora;
/// What the log and the venues' own books say, by plain counting.
mod counting;
/// kill -9 and SIGSTOP under load, of whoever takes part.
mod kill_loop;
/// Signals as strategies send them, without an end.
mod load;
/// One owner: S56, and a log that is older than the venue.
mod owner;
/// Death at each named point: S15-S18.
mod points;
/// The log on a disk whose power goes.
mod power_cut;
/// Known secrets through a whole run, and none of them anywhere: S108.
mod secrets;
/// Minutes of work with bursts and faults: memory, files, and the count.
mod soak;
/// A nats-server of its own for each test.
#[allow(dead_code)] // the worker's own tests use the rest
#[path = "../worker/support.rs"]
mod support;
/// The venues' doubles as processes.
mod venues;
/// Everything that takes part, each as a process.
mod world;
