//! Polymarket's CLOB V2 served on loopback, faithful to `protocols/polymarket/polymarket.md`, with faults on demand.
//!
//! `PolymarketExchange::start(Options)` opens two ports: the venue's (CLOB REST at `/`, gamma at `/gamma`, the data API's
//! `/v2/positions`, `/api/geoblock`, sockets at `/ws/user` and `/ws/market`), and the admin port. Everything is in memory behind
//! one lock; the core reads no clock. One book per condition, in YES's terms: buying NO at p is selling YES at 1 - p, so that
//! both tokens' books show the same orders and complementary buys match. Where the protocol page contradicts itself or is
//! silent, the choice is named beside the code ("not documented"). Not played: combos (Exchange V3), session keys, builder keys,
//! RFQ, rewards, merging, the relayer, batches whose market holds takers (`itode`) waiting for the hold.
//!
//! The admin port (JSON in and out; money, prices and sizes as text; an unknown field is a mistake; `?account=` on reads). A
//! market `{x}` is named by its slug, its condition or a token; a slug or a condition stands for YES, and prices are in the
//! terms of the token that is named:
//!
//! | call | body | does |
//! |---|---|---|
//! | `GET /truth` | | `orders` with `fills` by order id, `trades` by id, `positions` by token {settled, matched, held}, `cash` {settled, matched, held, available, fees}, `creates` per order id, `refused` requests |
//! | `GET /orders` `/trades` `/positions` `/cash` `/creates` `/refused` | | the parts of it |
//! | `GET /requests` | | every call: method, target, header names, body, status, words, what left instead |
//! | `GET /faults`, `/sockets`, `/markets` | | faults with how often they struck; open WebSockets; markets with their ids |
//! | `POST /faults` | `kind` and what it takes, below | sets one; answers its id |
//! | `DELETE /faults`, `/faults/{id}` | | clears all, or one |
//! | `POST /markets` | `market` (slug), `question`, `condition`, `tokens`, `outcomes`, `category`, `tick`, `min_size`, `neg_risk`, `fee_rate`, `fee_exponent`, `fees_enabled`, `status`, `end`, `delay_s`, `taker_delay_ms`, `bids`, `asks`, `keep` | creates one; all but the slug have defaults |
//! | `POST /markets/{x}/book` | `bids`, `asks` (`[["0.47","3"],..]`), `keep` | the crowd's levels; kept ones come back when taken |
//! | `POST /markets/{x}/status` | `status`: not_ready, active, paused, closed, resolved | its life |
//! | `POST /markets/{x}/settle` | `result`: yes, no, void (half each), or what YES pays; `redeem` (true) | resolves it; pays settled tokens |
//! | `POST /markets/{x}/redeem` | | pays what has settled since, or what was not paid |
//! | `POST /markets/{x}/tick` `/fees` `/delay` `/cancel_resting` | `tick`; `rate`, `exponent`, `enabled`; `delay_s`, `taker_delay_ms` | changes them live |
//! | `POST /crowd/order` | `market` (or `ticker`, `token`), `side` (buy, sell), `price`, `quantity`, `order_type` or `time_in_force` | the crowd trades |
//! | `POST /hit` | `order_id`, `quantity`, `complement` | the crowd trades against exactly this order; `complement`: by buying the other token |
//! | `POST /website/order`, `/website/cancel` | as above, `account`; `order_id` | as if done on the website by the account's owner |
//! | `POST /trades/{id}/status` | `status`: confirm, fail (at once, whatever was before), retry, hold | what becomes of a trade |
//! | `POST /exchange` | `mode`: open, restart, post_only, cancel_only, disabled; `ms`, `post_only_ms` | 425s and 503s, until told or for so long |
//! | `POST /cash` | `amount` (minus: withdrawal), `account` | moves settled pUSD |
//! | `POST /tokens` | `token`, `amount`, `account` | moves settled outcome tokens |
//! | `POST /allowance` | `amount` (absent: unlimited), `account` | what the exchange may take |
//! | `POST /closed_only`, `/standing` | `closed_only`, `banned`, `maker_allowed`, `account` | what may be wrong with an account |
//! | `POST /wallets` | `account`, `owner`, `wallet`, `kind`: eoa, proxy, safe, deposit | a wallet more |
//! | `POST /keys` | `revoke` (key id), `skew_s_max` | API keys, clock tolerance |
//! | `POST /version` | `version` | what `GET /version` says, and orders must be signed for |
//! | `POST /heartbeat` | `timeout_ms`, `sweep_ms` | the dead man's switch |
//! | `POST /limits` | `orders`, `cancels`: `refill_rate`, `bucket_capacity` | token buckets, full again |
//! | `POST /rules` | fields of `Rules` but version and chain | plays it the other way |
//! | `POST /read_lag` | `ms` | reads of account data see the past |
//! | `POST /sockets/end` | `abrupt` | ends every WebSocket |
//!
//! A fault has a `kind` and, each where it makes sense, `call` (`create`, `cancel`, `order`, `orders`, `trades` ..., or `reads`,
//! `writes`), `market` (or `ticker`, `token`), `channel` (an event type), `count` (absent: until cleared), `skip` (so many pass
//! first), `ms`, and `processed`:
//!
//! | kind | does |
//! |---|---|
//! | `no_reply` | processed unless said otherwise; `how`: `hang` or `reset` |
//! | `late_reply`, `late_request` | waits `ms` after or before processing (a late reply makes its WebSocket fill early) |
//! | `status`, `html` | `status` (500; 502) with `body`, not processed unless said otherwise |
//! | `too_many_requests`, `refuse` | a 429; any `status` (400) with the words in `details` |
//! | `broken_json`, `truncated`, `empty` | processed unless said otherwise |
//! | `wrong_echo` | the reply names another order |
//! | `stale_read`, `drop_rows` | reads see the venue `ms` ago; a list lacks its newest `parts` rows |
//! | `skewed_date`, `skewed_clock` | the `Date` header, or the venue's whole clock, is off by `ms` |
//! | `partial_fills` | a new resting order is filled in `parts`, one each `ms` |
//! | `cancel_fills` | before a cancel the crowd takes `quantity` (absent: everything) |
//! | `delayed` | a create answers `delayed` and matches after `ms`; with `processed: false` it fails then; with `code: unmatched` it answers that |
//! | `success_false`, `success_but_empty_id` | a 200 that is no yes, with the words in `details`; not processed unless said otherwise |
//! | `trade_hold`, `trade_retry`, `trade_fail` | what becomes of the next trades; `ms` later than usual |
//! | `ws_drop`, `ws_duplicate`, `ws_delay` | what happens to frames of a `channel` |
//! | `ws_silence`, `ws_refuse`, `ws_disconnect` | open sockets say nothing; handshakes get `status`; sockets end |

/// Wallets and balances.
mod account;
/// The admin port.
mod admin;
/// Who calls.
mod auth;
/// Books as they are shown.
mod books;
/// Cancel, expire, end.
mod change;
/// The state, and time.
mod core;
/// How it says what goes wrong.
mod dialect;
/// Signed data, hashed and recovered by hand.
pub mod eip712;
/// The dead man's switch.
mod heartbeat;
/// Lives of markets and of the exchange; the crowd.
mod life;
/// Token buckets.
mod limits;
/// Markets, their tokens and grids.
mod markets;
/// What sessions are told.
mod notices;
/// What a double is started with.
mod options;
/// Orders.
mod orders;
/// A signed order as it is sent.
mod payload;
/// New orders.
mod place;
/// The venue's error shapes.
mod refusal;
/// REST.
mod rest;
/// The two listeners.
mod server;
/// Orders and trades in the venue's words.
mod show;
#[cfg(test)]
mod tests;
/// Trades and their lives.
mod trades;
/// WebSocket.
mod ws;

pub use super::bucket::Budget;
pub use account::WalletKind;
pub use auth::signed;
pub use core::{Core, Frames, Mode, Rules};
pub use limits::Limits;
pub use markets::{FeeTerms, Life, MarketSpec};
pub use options::{KeyOptions, MEMBER, Options, WalletOptions};
pub use payload::Payload;
pub use server::{PolymarketExchange, Running, StartError};

/// Serves until the future that holds it is dropped.
pub async fn run(options: Options) -> Result<(), StartError> {
    let running = PolymarketExchange::start(options).await?;
    tracing::info!("Polymarket's double: {} {} admin {}", running.api_url(), running.ws_url(), running.admin_url());
    std::future::pending().await
}
