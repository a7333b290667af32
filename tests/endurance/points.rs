//! Death at each named point, one by one.
