//! Kalshi's Trade API served on loopback, faithful to `protocols/kalshi/kalshi.md`, with faults on demand.
//!
//! `KalshiExchange::start(Options)` opens two ports: the venue's (`/trade-api/v2/...` and `/trade-api/ws/v2`), and the admin
//! port. Everything is in memory behind one lock; the core reads no clock. Where the protocol pages contradict each other
//! or are silent, the choice is named beside the code ("not documented"). Not played: subaccounts other than 0, transfers
//! between shards, combos and RFQs, candlesticks, live data.
//!
//! The admin port (JSON in and out; money, prices and counts as text; an unknown field is a mistake; `?account=` on reads):
//!
//! | call | body | does |
//! |---|---|---|
//! | `GET /truth` | | orders with fills by client id, positions, cash, settlements, creates per client id, refused requests |
//! | `GET /orders` `/positions` `/cash` `/creates` `/refused` | | the parts of it |
//! | `GET /requests` | | every call: method, target, header names, body, status, code, what left instead |
//! | `GET /faults`, `/sockets` | | faults with how often they struck; open WebSockets |
//! | `POST /faults` | `kind` and what it takes, below | sets one; answers its id |
//! | `DELETE /faults`, `/faults/{id}` | | clears all, or one |
//! | `POST /markets` | `ticker`, `title`, `category`, `exchange_index`, `price_level_structure`, `price_ranges`, `status`, `close_time`, `fee_type`, `fee_multiplier`, `bids`, `asks`, `keep` | creates one; all but the ticker have defaults |
//! | `POST /markets/{t}/book` | `bids`, `asks` (`[["0.47","3"],..]`), `keep` | the crowd's levels; kept ones come back when taken |
//! | `POST /markets/{t}/status` | `status` | closes, pauses (`inactive`), reactivates |
//! | `POST /markets/{t}/settle` | `result`: yes, no, void, or what YES pays | pays everybody |
//! | `POST /markets/{t}/close_time` `/structure` `/fees` | their fields | changes them live |
//! | `POST /crowd/order` | `ticker`, `side`, `price`, `quantity`, `time_in_force` | the crowd trades |
//! | `POST /hit` | `order_id` or `client_order_id`, `quantity` | the crowd trades against exactly this order |
//! | `POST /website/order`, `/website/cancel` | as above, `account` | as if done on the website by the account's owner |
//! | `POST /exchange` | `exchange_active`, `trading_active`, `resumes` | pauses and maintenance |
//! | `POST /cash` | `amount` (minus: withdrawal), `account`, `exchange_index` | moves money |
//! | `POST /keys` | `key` with `revoked`, `scopes`; `region_expires`, `skew_ms_max` | keys, attestation, clock tolerance |
//! | `POST /limits` | `read`, `write`: `refill_rate`, `bucket_capacity` | token buckets, full again |
//! | `POST /rules` | `post_only_cross`, `fill_or_kill` (`refuse`, `accept_and_cancel`), `cancel_all_shadow_ms`, `close_cancel_ms` | plays it the other way |
//! | `POST /read_lag` | `ms` | reads of account data see the past |
//! | `POST /sockets/end` | `abrupt` | ends every WebSocket |
//!
//! A fault has a `kind` and, each where it makes sense, `call` (`create`, `cancel`, `orders` ..., or `reads`, `writes`), `ticker`,
//! `channel`, `count` (absent: until cleared), `skip` (so many pass first), `ms`, and `processed`:
//!
//! | kind | does |
//! |---|---|
//! | `no_reply` | processed unless said otherwise; `how`: `hang` or `reset` |
//! | `late_reply`, `late_request` | waits `ms` after or before processing (a late reply makes its WebSocket fill early) |
//! | `status`, `html` | `status` (500; 502) with `body`, not processed unless said otherwise |
//! | `too_many_requests`, `refuse` | a 429; any `status` and `code` in the nested shape |
//! | `broken_json`, `truncated`, `empty` | processed unless said otherwise |
//! | `wrong_echo` | the reply names another order |
//! | `stale_read`, `drop_rows` | reads see the venue `ms` ago; a list lacks its newest `parts` rows |
//! | `skewed_date`, `skewed_clock` | the `Date` header, or the venue's whole clock, is off by `ms` |
//! | `partial_fills` | a new resting order is filled in `parts`, one each `ms` |
//! | `cancel_fills` | before a cancel the crowd takes `quantity` (absent: everything) |
//! | `ws_drop`, `ws_duplicate`, `ws_delay`, `ws_gap` | what happens to frames of a `channel`; a gap skips a `seq` |
//! | `ws_silence`, `ws_refuse`, `ws_disconnect` | open sockets say nothing; handshakes get `status`; sockets end |

/// Cash and positions.
mod account;
/// The admin port.
mod admin;
/// Who calls.
mod auth;
/// Cancel, decrease, amend, expire.
mod change;
/// The state, and time.
mod core;
/// How it says what goes wrong.
mod dialect;
/// Rolling limits over orders.
mod groups;
/// Lives of markets and of the exchange; the crowd.
mod life;
/// Token buckets.
mod limits;
/// Markets and their grids.
mod markets;
/// What sessions are told.
mod notices;
/// What a double is started with.
mod options;
/// Orders and fills.
mod orders;
/// New orders.
mod place;
/// The venue's error shapes.
mod refusal;
/// REST.
mod rest;
/// The two listeners.
mod server;
#[cfg(test)]
mod tests;
/// Trades booked on both sides.
mod trading;
/// The venue's way of writing.
mod wire;
/// WebSocket.
mod ws;

pub use super::bucket::Budget;
pub use auth::NotAPublicKey;
pub use core::{Core, FillOrKill, PostOnlyCross, Rules};
pub use limits::Limits;
pub use markets::{FeeTerms, Life, MarketSpec, structure_bands};
pub use options::{KeyOptions, MEMBER, Options};
pub use server::{KalshiExchange, Running, StartError};

/// Serves until the future that holds it is dropped.
pub async fn run(options: Options) -> Result<(), StartError> {
    let running = KalshiExchange::start(options).await?;
    tracing::info!("Kalshi's double: {} {} admin {}", running.api_url(), running.ws_url(), running.admin_url());
    std::future::pending().await
}
