//! What an answer to a create or a cancel proves, and what it leaves open (`kalshi.md` §0.2, §2.2, §2.5).

use super::client::CallError;
use super::translate::order_row;
use super::wire::error::Refusal;
use super::wire::orders::{CancelReply, CreateReply};
use crate::domain::ids::VenueOrderId;
use crate::domain::money::Quantity;
use crate::domain::order::Order;
use crate::domain::report::{CancelOutcome, SubmitOutcome, VenueOrder, VenueState};
use crate::domain::time::Time;

/// Before a request that never left may be tried again.
const NOT_SENT_RETRY_MS: i64 = 1_000;

/// The order as the reply shows it goes along, for the engine to hear.
pub fn create(order: &Order, answer: Result<CreateReply, CallError>) -> (SubmitOutcome, Option<VenueOrder>) {
    match answer {
        Ok(reply) => match acked(order, &reply) {
            Ok((outcome, row)) => (outcome, Some(row)),
            Err(why) => (SubmitOutcome::Unknown { why: format!("HTTP 201 that cannot be read: {why}") }, None),
        },
        Err(CallError::NotSent { why }) => (SubmitOutcome::NotProcessed { why, retry_after_ms: NOT_SENT_RETRY_MS }, None),
        Err(error @ CallError::Budget { retry_after_ms }) => (SubmitOutcome::NotProcessed { why: error.to_string(), retry_after_ms }, None),
        Err(CallError::Unclear { why }) => (SubmitOutcome::Unknown { why }, None),
        Err(CallError::Refused { refusal, retry_after_ms }) => (refused(&refusal, retry_after_ms), None),
        Err(CallError::Unbuildable(error)) => {
            (SubmitOutcome::Rejected { code: "untranslatable".to_owned(), message: error.to_string() }, None)
        }
    }
}

fn acked(order: &Order, reply: &CreateReply) -> Result<(SubmitOutcome, VenueOrder), String> {
    let venue_order_id = VenueOrderId::new(&reply.order_id).map_err(|error| error.to_string())?;
    let ours = order.order_id.client_order_id();
    if let Some(echo) = reply.client_order_id.as_deref().filter(|echo| !echo.is_empty())
        && echo != ours.as_str()
    {
        return Err("it answers another client_order_id".to_owned());
    }
    let (filled, remaining) = (reply.fill_count.0, reply.remaining_count.0);
    if filled + remaining > order.quantity {
        return Err(format!("{filled} filled and {remaining} remaining of {}", order.quantity));
    }
    let state = if !remaining.is_zero() {
        VenueState::Resting
    } else if filled >= order.quantity {
        VenueState::Executed
    } else {
        VenueState::Canceled
    };
    let venue_at = reply.ts_ms.map(|ts| Time::from_ms(ts.0));
    let row = order_row(order, venue_order_id.clone(), filled, remaining, state, venue_at);
    Ok((SubmitOutcome::Acked { venue_order_id, venue_at }, row))
}

/// Definite only where the venue's own answer names a reason that comes before the matching engine.
fn refused(refusal: &Refusal, retry_after_ms: Option<i64>) -> SubmitOutcome {
    let unknown = || SubmitOutcome::Unknown { why: refusal.to_string() };
    match (refusal.status, &refusal.code) {
        (429, _) => SubmitOutcome::NotProcessed { why: refusal.to_string(), retry_after_ms: retry_after_ms.unwrap_or(NOT_SENT_RETRY_MS) },
        // FIX says of this one that the outcome is unconfirmed (`kalshi.md` §2.2).
        _ if refusal.is("exchange_unavailable") => unknown(),
        (409, _) if refusal.is("order_already_exists") => SubmitOutcome::Seen { why: refusal.to_string() },
        (409, _) if !refusal.is("fill_or_kill_insufficient_resting_volume") => unknown(),
        (400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 415 | 422, Some(code)) => {
            SubmitOutcome::Rejected { code: code.clone(), message: refusal.to_string() }
        }
        _ => unknown(),
    }
}

/// What a cancel proves. `Canceled` counts everything that was not cancelled as filled; the caller asks the order itself
/// when that isn't nothing, since others may have decreased it.
pub fn cancel(quantity: Quantity, id: &VenueOrderId, answer: Result<CancelReply, CallError>) -> CancelOutcome {
    match answer {
        Ok(reply) if reply.order_id != id.as_str() => {
            CancelOutcome::Unknown { why: format!("the answer is about another order: {:.64}", reply.order_id) }
        }
        Ok(reply) if reply.reduced_by.0 > quantity => {
            CancelOutcome::Unknown { why: format!("{} cancelled of {quantity}", reply.reduced_by.0) }
        }
        Ok(reply) => CancelOutcome::Canceled { filled: quantity - reply.reduced_by.0 },
        Err(CallError::Refused { refusal, .. }) if refusal.status == 404 && refusal.code.is_some() => CancelOutcome::NotWorking,
        Err(error) => CancelOutcome::Unknown { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::translate::tests::{order, uuid};
    use super::*;
    use crate::domain::order::{Action, TimeInForce};

    fn created(body: &str) -> (SubmitOutcome, Option<VenueOrder>) {
        let order = order(Action::Buy, "yes", "0.52", "10", TimeInForce::Gtc);
        let body = body.replace("CID", order.order_id.client_order_id().as_str()).replace("OID", uuid());
        let reply = serde_json::from_str(&body).map_err(|error| CallError::Unclear { why: error.to_string() });
        create(&order, reply)
    }

    fn refusal(status: u16, body: &str) -> SubmitOutcome {
        let order = order(Action::Buy, "yes", "0.52", "10", TimeInForce::Gtc);
        let refusal = Refusal::read(status, body.as_bytes());
        create(&order, Err(CallError::Refused { refusal, retry_after_ms: None })).0
    }

    fn coded(status: u16, code: &str) -> SubmitOutcome {
        refusal(status, &format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#))
    }

    #[test]
    fn a_201_says_what_became_of_the_order() {
        let state = |filled: &str, remaining: &str| {
            let body = format!(
                r#"{{"order_id":"OID","client_order_id":"CID","fill_count":"{filled}","remaining_count":"{remaining}","ts_ms":1781159360866}}"#
            );
            let (outcome, row) = created(&body);
            assert!(matches!(&outcome, SubmitOutcome::Acked { venue_at: Some(at), .. } if at.ms() == 1_781_159_360_866), "{outcome:?}");
            row.map(|row| row.state)
        };
        assert_eq!(state("0.00", "10.00"), Some(VenueState::Resting));
        assert_eq!(state("4.00", "6.00"), Some(VenueState::Resting));
        assert_eq!(state("10.00", "0.00"), Some(VenueState::Executed));
        assert_eq!(state("4.00", "0.00"), Some(VenueState::Canceled));
        assert_eq!(state("0.00", "0.00"), Some(VenueState::Canceled), "self-trade prevention");
    }

    #[test]
    fn a_201_that_does_not_fit_is_unknown() {
        for body in [
            r#"{"order_id":"","fill_count":"0","remaining_count":"10"}"#,
            r#"{"order_id":"OID","client_order_id":"other","fill_count":"0","remaining_count":"10"}"#,
            r#"{"order_id":"OID","fill_count":"5","remaining_count":"10"}"#,
            r#"{"order_id":"OID","remaining_count":"10"}"#,
            r#"{"error":{"code":"deprecated"}}"#,
            "{",
        ] {
            let (outcome, row) = created(body);
            assert!(matches!(outcome, SubmitOutcome::Unknown { .. }) && row.is_none(), "{body}");
        }
    }

    #[test]
    fn typed_refusals_are_definite() {
        for (status, code) in [
            (400, "insufficient_balance"),
            (400, "invalid_price"),
            (401, "authentication_error"),
            (403, "forbidden"),
            (404, "market_not_found"),
            (409, "fill_or_kill_insufficient_resting_volume"),
            (410, "deprecated_v1_order_endpoint"),
        ] {
            assert!(matches!(coded(status, code), SubmitOutcome::Rejected { code: heard, .. } if heard == code), "{status} {code}");
        }
    }

    #[test]
    fn seen_is_neither_success_nor_failure() {
        assert!(matches!(coded(409, "order_already_exists"), SubmitOutcome::Seen { .. }));
        assert!(matches!(coded(409, "something_else"), SubmitOutcome::Unknown { .. }));
    }

    #[test]
    fn a_rate_limit_is_not_processed() {
        assert!(matches!(refusal(429, r#"{"error":"too many requests"}"#), SubmitOutcome::NotProcessed { .. }));
        assert!(matches!(refusal(429, "<html>"), SubmitOutcome::NotProcessed { .. }));
    }

    #[test]
    fn everything_else_is_unknown() {
        for status in [500, 502, 503, 504] {
            assert!(matches!(coded(status, "internal_error"), SubmitOutcome::Unknown { .. }), "{status}");
        }
        assert!(matches!(refusal(400, "<html>Bad request</html>"), SubmitOutcome::Unknown { .. }));
        assert!(matches!(refusal(403, "<html>Cloudflare</html>"), SubmitOutcome::Unknown { .. }));
        assert!(matches!(refusal(408, r#"{"code":"timeout"}"#), SubmitOutcome::Unknown { .. }));
        assert!(matches!(refusal(301, ""), SubmitOutcome::Unknown { .. }));
        assert!(matches!(coded(400, "EXCHANGE_UNAVAILABLE"), SubmitOutcome::Unknown { .. }));
        let order = order(Action::Buy, "yes", "0.52", "10", TimeInForce::Gtc);
        let (outcome, _) = create(&order, Err(CallError::Unclear { why: "timeout".to_owned() }));
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }));
        let (outcome, _) = create(&order, Err(CallError::NotSent { why: "connection refused".to_owned() }));
        assert!(matches!(outcome, SubmitOutcome::NotProcessed { .. }), "no byte of it left");
    }

    #[test]
    fn cancels_are_proven_by_the_echo() {
        let id = VenueOrderId::new(uuid()).expect("id");
        let ten = Quantity::whole(10);
        let answer = |order_id: &str, reduced: &str| {
            serde_json::from_str(&format!(r#"{{"order_id":"{order_id}","reduced_by":"{reduced}","ts_ms":1}}"#))
                .map_err(|error| CallError::Unclear { why: error.to_string() })
        };
        assert_eq!(cancel(ten, &id, answer(uuid(), "10.00")), CancelOutcome::Canceled { filled: Quantity::ZERO });
        assert_eq!(cancel(ten, &id, answer(uuid(), "4.00")), CancelOutcome::Canceled { filled: Quantity::whole(6) });
        assert!(matches!(cancel(ten, &id, answer("another", "10.00")), CancelOutcome::Unknown { .. }));
        assert!(matches!(cancel(ten, &id, answer(uuid(), "11.00")), CancelOutcome::Unknown { .. }));
        let refused =
            |status, body: &str| Err(CallError::Refused { refusal: Refusal::read(status, body.as_bytes()), retry_after_ms: None });
        assert_eq!(cancel(ten, &id, refused(404, r#"{"error":{"code":"not_found","message":"not found"}}"#)), CancelOutcome::NotWorking);
        assert!(matches!(cancel(ten, &id, refused(404, "<html>no such route</html>")), CancelOutcome::Unknown { .. }));
        assert!(matches!(cancel(ten, &id, refused(503, "{}")), CancelOutcome::Unknown { .. }));
    }
}
