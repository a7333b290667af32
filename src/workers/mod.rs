//! The hands: they carry out effects (append, ask for a verdict, send, cancel, look up, answer) and feed back what
//! happened as inputs. Whoever decides something here is in the wrong room.

/// Kill by message and by file.
pub mod control;
/// Signals handed out and not yet acknowledged.
pub mod deliveries;
/// Where orders go: one desk a venue.
pub mod desks;
/// The engine's own loop: inputs in, effects carried out.
pub mod engine_loop;
/// Durable records for whoever counts them.
pub mod follower;
/// The last look before a socket.
pub mod gate;
/// Signals from the bus to the engine.
pub mod intake;
/// Kalshi's books for the paper exchange.
pub mod kalshi_books;
/// Kalshi behind the live desk.
pub mod kalshi_counter;
/// One owner: leases that orders need.
pub mod lease;
/// A venue's own books under the paper exchange.
pub mod live_books;
/// Orders to a venue with money, its answers back.
pub mod live_desk;
/// Tapes and the demo's market, row by row into the paper exchange.
pub mod market_feed;
/// Counts of what the log says.
pub mod meter;
/// Log lines of orders.
pub mod narrator;
/// Messages to people: one webhook, never in the way.
pub mod notifier;
/// Answers, dead letters and acknowledgements, in that order.
pub mod outbox;
/// Orders to the paper exchange, its answers back.
pub mod paper_desk;
/// Polymarket's books for the paper exchange.
pub mod polymarket_books;
/// Polymarket behind the live desk.
pub mod polymarket_counter;
/// Durable records to the bus, and ranges of them on request.
pub mod publisher;
/// Signals answered without a record.
pub mod recent;
/// The risk consumer: its own fold, its own task or process.
pub mod risk_consumer;
/// Questions to the risk consumer.
pub mod risk_gate;
/// How long each step of an order took.
pub mod stages;
/// What a venue says outside any request.
pub mod venue_listener;

pub use engine_loop::EngineHandle;
