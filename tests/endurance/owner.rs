//! One owner.
