//! What each of the venue's complaints means for the order, and for everything after it (`polymarket.md` §4, the messages
//! of `rest_samples.json`). A 5xx never means refused; a 400 does, but for the two that say otherwise.

use super::wire::error::Refusal;
use crate::domain::report::VenueMode;

/// The word that `projections` knows for an order that merely found nobody: no failure of ours or the venue's.
const NOBODY: &str = "fill_or_kill_no_match";
const KILLED: &str = "fill_or_kill_killed";
/// Before a request that the venue turned away may come again, where it doesn't say.
/// Of an account that may close and nothing else.
pub const CLOSED_ONLY: &str = "closed_only";
pub const AGAIN_MS: i64 = 1_000;
/// The same for an engine that restarts or a market that is shut.
pub const MODE_AGAIN_MS: i64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// This order, for good.
    Rejected(&'static str),
    /// This order, and everything else of ours until a person has seen to it.
    Halted(&'static str),
    /// Turned away before it was looked at.
    NotProcessed(&'static str),
    /// The same, and nothing of its kind goes for a while.
    Mode(VenueMode, &'static str),
    /// It is there already.
    Seen,
    /// It may be there.
    Unknown,
}

/// Pieces of the venue's messages, in lower case; the first that is found counts.
const TABLE: &[(&str, Class)] = &[
    // Whatever the status: nothing is certain after these.
    ("order match delayed", Class::Unknown),
    ("order timed out", Class::Unknown),
    ("could not run the execution", Class::Unknown),
    ("trade contains rounding issues", Class::Unknown),
    ("discrepancy greater than allowed", Class::Unknown),
    ("duplicated", Class::Seen),
    // Nobody to trade with.
    ("no orders found to match", Class::Rejected(NOBODY)),
    ("there are no matching orders", Class::Rejected(NOBODY)),
    ("couldn't be fully filled", Class::Rejected(KILLED)),
    ("fok orders are filled or killed", Class::Rejected(KILLED)),
    // Modes of the whole venue.
    ("post-only mode", Class::Mode(VenueMode::PostOnly, "post_only_mode")),
    ("trading is disabled", Class::Mode(VenueMode::CancelOnly, "trading_disabled")),
    ("cancel-only", Class::Mode(VenueMode::CancelOnly, "trading_disabled")),
    // A person has to see to these.
    ("owner has to be the owner of the api key", Class::Halted("owner_not_api_key")),
    ("signer address has to be the address of the api key", Class::Halted("signer_not_api_key")),
    ("address banned", Class::Halted("banned")),
    ("closed only mode", Class::Halted(CLOSED_ONLY)),
    ("maker address not allowed", Class::Halted("maker_not_allowed")),
    ("order_version_mismatch", Class::Halted("version_mismatch")),
    ("restricted in your region", Class::Halted("geoblocked")),
    ("geoblock", Class::Halted("geoblocked")),
    ("unauthorized", Class::Halted("unauthorized")),
    ("invalid api key", Class::Halted("unauthorized")),
    // This order only.
    ("invalid order payload", Class::Rejected("invalid_payload")),
    ("crosses book", Class::Rejected("post_only_crosses")),
    ("crosses the book", Class::Rejected("post_only_crosses")),
    ("minimum tick size", Class::Rejected("tick_size")),
    ("lower than the minimum", Class::Rejected("below_minimum_size")),
    ("marketable buy order", Class::Rejected("below_minimum_notional")),
    ("not enough balance", Class::Rejected("not_enough_balance")),
    ("invalid expiration", Class::Rejected("invalid_expiration")),
    ("canceled in the ctf exchange", Class::Rejected("canceled_on_chain")),
    ("not yet ready to process", Class::Rejected("market_not_ready")),
    ("too many orders in payload", Class::Rejected("too_many_orders")),
    ("invalid signature", Class::Rejected("invalid_signature")),
    ("invalid amounts", Class::Rejected("invalid_amounts")),
];

/// A refusal of a request to place an order.
pub fn of_refusal(refusal: &Refusal) -> Class {
    match refusal.status {
        429 => Class::NotProcessed("rate_limited"),
        425 => Class::Mode(VenueMode::CancelOnly, "engine_restarting"),
        401 if refusal.typed => Class::Halted("unauthorized"),
        403 if refusal.typed => match of_message(&refusal.message) {
            Class::Rejected("refused") => Class::Halted("forbidden"),
            class => class,
        },
        400 | 404 | 405 | 409 | 410 | 413 | 415 | 422 if refusal.typed => of_message(&refusal.message),
        // Only what the venue is known to say before it looks at an order.
        503 if refusal.typed => match of_message(&refusal.message) {
            class @ Class::Mode(..) => class,
            _ if refusal.code.as_deref() == Some("post_only_mode") => Class::Mode(VenueMode::PostOnly, "post_only_mode"),
            _ => Class::Unknown,
        },
        _ => Class::Unknown,
    }
}

/// The text of a refusal whose status says nothing: an answer 200 without success, a 400.
pub fn of_message(message: &str) -> Class {
    let message = message.to_ascii_lowercase();
    let found = TABLE.iter().find(|(piece, _)| message.contains(piece));
    found.map_or(Class::Rejected("refused"), |(_, class)| *class)
}

/// One line for a person, with what to do.
pub fn trouble(code: &str, refusal: &str) -> String {
    let hint = match code {
        "unauthorized" => "the venue refuses the API key: it was revoked, or is another account's",
        "owner_not_api_key" => "the API key belongs to another account",
        "signer_not_api_key" => "the API key is not this signer's: the deposit wallet isn't deployed yet, or the key is of another wallet",
        "banned" => "the address is banned",
        CLOSED_ONLY => "the account may only close positions",
        "maker_not_allowed" => "the venue no longer takes this kind of wallet: use a deposit wallet (POLY_SIGNATURE_TYPE=3)",
        "version_mismatch" => "the venue signs orders in another version than we do",
        "geoblocked" => "the venue does not serve this place",
        "forbidden" => "the venue forbids this account to trade",
        _ => "the venue refuses",
    };
    format!("{hint} ({refusal})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> Class {
        let body = serde_json::json!({"error": message}).to_string();
        of_refusal(&Refusal::read(status, body.as_bytes()))
    }

    #[test]
    fn a_server_error_never_means_refused() {
        for message in ["order timed out", "there are no matching orders", "FOK orders are filled or killed", "invalid signature", ""] {
            for status in [500, 502, 503, 504] {
                assert_eq!(refused(status, message), Class::Unknown, "{status} {message}");
            }
        }
        assert_eq!(of_refusal(&Refusal::read(400, b"<html>")), Class::Unknown, "not the venue's own word");
        assert_eq!(of_refusal(&Refusal::read(403, b"<html>")), Class::Unknown);
    }

    #[test]
    fn modes_and_limits_are_refusals_before_the_order_was_looked_at() {
        assert_eq!(refused(425, "x"), Class::Mode(VenueMode::CancelOnly, "engine_restarting"));
        assert_eq!(of_refusal(&Refusal::read(425, b"")), Class::Mode(VenueMode::CancelOnly, "engine_restarting"));
        assert_eq!(refused(503, "trading is disabled"), Class::Mode(VenueMode::CancelOnly, "trading_disabled"));
        let post_only = "post-only mode: only post-only orders and cancels are allowed";
        assert_eq!(refused(503, post_only), Class::Mode(VenueMode::PostOnly, "post_only_mode"));
        assert_eq!(of_message(post_only), Class::Mode(VenueMode::PostOnly, "post_only_mode"), "in an answer 200 as well");
        assert_eq!(of_refusal(&Refusal::read(429, b"<html>")), Class::NotProcessed("rate_limited"));
    }

    #[test]
    fn a_refusal_we_have_never_seen_is_one_all_the_same() {
        assert_eq!(refused(400, "the moon is in the wrong house"), Class::Rejected("refused"));
        assert_eq!(refused(403, "compliance"), Class::Halted("forbidden"));
        assert_eq!(refused(401, "Invalid api key"), Class::Halted("unauthorized"));
    }
}
