//! Conformance: what we send and what we read, against what Kalshi's own SDKs sent and what its hosts answered.
//! `VECTORS_DIR` names another folder with `kalshi/` inside; recordings of others are read from the shared folder.

/// Answers of the demo host, recorded by others.
mod recorded;
/// Our requests against those of the official SDKs.
mod requests;
/// Signatures, verified by other libraries than ours.
mod signing;
/// Frames of the stream.
mod stream;
/// Where the vectors are.
mod vectors;
