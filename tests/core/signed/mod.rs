//! A venue whose orders are signed ahead, whose fills become final later, and whose markets are pairs of tokens.

/// Engine and risk; the test plays the venue.
mod bench;
/// Breakers that errors have opened, and how they close again.
mod half_open;
/// Cash and holdings against what is final at the venue; results and their redemption.
mod money;
/// Accounts against the log.
mod reconciled;
/// From signal to socket.
mod sending;
/// Fills that are taken back leave nothing behind.
mod taken_back;
/// Tokens, conditions, sides, sizes.
mod tokens;
/// Orders whose fate is unknown, or isn't what was thought.
mod unknown;
