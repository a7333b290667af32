//! Words: the types everything else is said in. Pure; names nobody.

/// What an operator wants booked.
pub mod adjustment;
/// What the sender of a signal hears.
pub mod answer;
/// Numbers as they were written.
pub mod decimal;
/// The events of the log.
pub mod event;
/// What a trade costs.
pub mod fees;
/// Names of things, derived.
pub mod ids;
/// What an operator allows.
pub mod limits;
/// Venues, outcomes, price grids, settlements.
pub mod market;
/// A book from outside and our orders against it.
pub mod matching;
/// Exact money.
pub mod money;
/// Orders and their states.
pub mod order;
/// Bugs that tests plant.
pub mod planted;
/// What venues report.
pub mod report;
/// The signal and its reader.
pub mod signal;
/// Orders whose name at the venue is the hash of what was signed.
pub mod signed;
/// Teams of four leagues, and what tickers say of them.
pub mod teams;
/// Short texts, inline.
mod text;
/// Points in time.
pub mod time;
/// Requests to the risk consumer and its verdicts.
pub mod verdict;
