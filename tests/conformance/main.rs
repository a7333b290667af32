//! Conformance: what we send and what we read, against what the venues' own SDKs sent and what their hosts answered.
//! `VECTORS_DIR` names another folder with `kalshi/` and `polymarket/` inside; recordings of others are read from the shared
//! folder.

/// The double, and a caller that signs.
mod double;
/// What the double answers.
mod exchange;
/// What the double tells.
mod exchange_stream;
/// Polymarket.
mod polymarket;
/// The double of Polymarket checks what the official SDK signed.
mod polymarket_double;
/// Answers of the demo host, recorded by others.
mod recorded;
/// Our requests against those of the official SDKs.
mod requests;
/// The venue's documents.
mod schemas;
/// Signatures, verified by other libraries than ours.
mod signing;
/// Frames of the stream.
mod stream;
/// Where the vectors are.
mod vectors;
