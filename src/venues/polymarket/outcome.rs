//! What an answer to an order or a cancel proves, and what it leaves open (`polymarket.md` §0.4, §4).

use super::client::CallError;
use super::errors::{self, Class};
use super::translate::order_row;
use super::wire::orders::{CancelReply, PostReply};
use crate::domain::ids::VenueOrderId;
use crate::domain::matching::LOT;
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::report::{SubmitOutcome, VenueOrder, VenueState};
use crate::domain::signed::{SignedOrder, VenueOrderType};
use crate::domain::time::Time;

/// What an answer says, and what it says about everything else.
#[derive(Debug, PartialEq)]
pub struct Answered {
    pub outcome: SubmitOutcome,
    /// The order as the answer shows it.
    pub row: Option<VenueOrder>,
    /// The venue names this order otherwise than we do: nothing of ours can be trusted any more.
    pub misnamed: bool,
    /// The text of a refusal that came with status 200.
    pub complaint: Option<String>,
}

impl Answered {
    fn only(outcome: SubmitOutcome) -> Self {
        Self { outcome, row: None, misnamed: false, complaint: None }
    }
}

pub fn post(order: &Order, signed: &SignedOrder, answer: Result<PostReply, CallError>, now: Time) -> Answered {
    let outcome = match answer {
        Ok(reply) => return replied(order, signed, &reply, now),
        Err(CallError::NotSent { why }) => SubmitOutcome::NotProcessed { why, retry_after_ms: errors::AGAIN_MS },
        Err(error @ CallError::Budget { retry_after_ms }) => SubmitOutcome::NotProcessed { why: error.to_string(), retry_after_ms },
        Err(CallError::Unclear { why }) => SubmitOutcome::Unknown { why },
        Err(CallError::Refused { refusal, retry_after_ms }) => of_class(errors::of_refusal(&refusal), refusal.to_string(), retry_after_ms),
        Err(CallError::Unbuildable(error)) => SubmitOutcome::Rejected { code: "untranslatable".to_owned(), message: error.to_string() },
    };
    Answered::only(outcome)
}

fn replied(order: &Order, signed: &SignedOrder, reply: &PostReply, now: Time) -> Answered {
    // `success` alone is worthless: refusals come with it too.
    if !reply.error_msg.is_empty() {
        let message = super::wire::error::excerpt(&reply.error_msg);
        let outcome = of_class(errors::of_message(&message), message.clone(), None);
        return Answered { complaint: Some(message), ..Answered::only(outcome) };
    }
    let unknown = |why: String| Answered::only(SubmitOutcome::Unknown { why });
    if !reply.success || reply.order_id.is_empty() {
        return unknown("HTTP 200 without success, reason or order id".to_owned());
    }
    if !reply.order_id.eq_ignore_ascii_case(signed.venue_order_id.as_str()) {
        let why = format!("the venue names the order {:.80}, we {}", reply.order_id, signed.venue_order_id);
        return Answered { misnamed: true, ..unknown(why) };
    }
    if !matches!(reply.status.as_str(), "live" | "matched") {
        return unknown(format!("the order is {:.40}: what becomes of it is not known yet", reply.status));
    }
    let id = signed.venue_order_id.clone();
    let row = row(order, signed, reply, now);
    Answered { row, ..Answered::only(SubmitOutcome::Acked { venue_order_id: id, venue_at: None }) }
}

/// The answer's amounts are what was matched so far; where it doesn't say how much, nothing is claimed.
fn row(order: &Order, signed: &SignedOrder, reply: &PostReply, now: Time) -> Option<VenueOrder> {
    let shares = match order.action {
        Action::Buy => reply.taking.0,
        Action::Sell => reply.making.0,
    };
    let filled = Quantity::from_micros(shares?.micros());
    let matched = reply.status == "matched";
    let taker_only = matches!(signed.order_type, VenueOrderType::Fok | VenueOrderType::Fak);
    let state = match (filled + LOT > order.quantity, taker_only) {
        (true, _) => VenueState::Executed,
        // An order that never rests and is called live may still be on its way (`polymarket.md` §4, FAK oddity).
        (false, true) if !matched || filled.is_zero() => return None,
        (false, true) => VenueState::Canceled,
        (false, false) if matched && filled.is_zero() => return None,
        (false, false) => VenueState::Resting,
    };
    let in_bounds = (0..=Quantity::MAX_MICROS).contains(&filled.micros());
    in_bounds.then(|| order_row(order, signed.venue_order_id.clone(), filled, state, Some(now)))
}

fn of_class(class: Class, message: String, retry_after_ms: Option<i64>) -> SubmitOutcome {
    match class {
        Class::Rejected(code) | Class::Halted(code) => SubmitOutcome::Rejected { code: code.to_owned(), message },
        Class::NotProcessed(_) => SubmitOutcome::NotProcessed { why: message, retry_after_ms: retry_after_ms.unwrap_or(errors::AGAIN_MS) },
        Class::Mode(..) => SubmitOutcome::NotProcessed { why: message, retry_after_ms: retry_after_ms.unwrap_or(errors::MODE_AGAIN_MS) },
        Class::Seen => SubmitOutcome::Seen { why: message },
        Class::Unknown => SubmitOutcome::Unknown { why: message },
    }
}

/// What became of the cancel of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The venue lists it as cancelled; how much was filled, the order itself says.
    Proven,
    /// It was there and is filled.
    Matched,
    NotWorking,
    Unknown(String),
}

/// It is there, and can be neither cancelled nor said to have ended (`polymarket.md` §4).
const HELD: &str = "delayed";
/// It was there: nothing that merely fails to show it proves otherwise.
const MATCHED: &str = "order already matched";
/// Reasons that say the order isn't there to be cancelled; any other leaves it open.
const NOT_WORKING: &[&str] =
    &["already", "not found", "matched", "canceled", "cancelled", "does not exist", "doesn't exist", "can't be found"];

pub fn cancel(id: &VenueOrderId, answer: Result<CancelReply, CallError>) -> Cancelled {
    let is_ours = |text: &str| text.eq_ignore_ascii_case(id.as_str());
    let says_gone = |reason: &str| {
        let reason = reason.to_ascii_lowercase();
        !reason.contains(HELD) && NOT_WORKING.iter().any(|word| reason.contains(word))
    };
    match answer {
        Ok(reply) if reply.canceled.iter().any(|text| is_ours(text)) => Cancelled::Proven,
        Ok(reply) => match reply.not_canceled.iter().find(|(text, _)| is_ours(text)) {
            Some((_, reason)) if reason.eq_ignore_ascii_case(MATCHED) => Cancelled::Matched,
            Some((_, reason)) if says_gone(reason) => Cancelled::NotWorking,
            Some((_, reason)) => Cancelled::Unknown(super::wire::error::excerpt(reason)),
            None => Cancelled::Unknown("the answer says nothing of this order".to_owned()),
        },
        Err(CallError::Refused { refusal, .. }) if refusal.typed && matches!(refusal.status, 400 | 404) && says_gone(&refusal.message) => {
            Cancelled::NotWorking
        }
        Err(error) => Cancelled::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
