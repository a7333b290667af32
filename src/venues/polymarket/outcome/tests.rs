use super::super::order::tests::{order, signer};
use super::super::wire::error::Refusal;
use super::*;
use crate::domain::money::Price;
use crate::domain::order::TimeInForce;

fn signed(order: &Order) -> SignedOrder {
    signer("0").sign(order, Price::from_micros(10_000), false).expect("signed")
}

fn posted(order: &Order, body: &str) -> Answered {
    let signed = signed(order);
    let body = body.replace("OID", signed.venue_order_id.as_str());
    let reply = serde_json::from_str(&body).map_err(|error| CallError::Unclear { why: error.to_string() });
    post(order, &signed, reply, Time::from_ms(1))
}

fn reply(status: &str, making: &str, taking: &str) -> String {
    format!(r#"{{"success":true,"errorMsg":"","orderID":"OID","status":"{status}","makingAmount":"{making}","takingAmount":"{taking}"}}"#)
}

fn state(order: &Order, body: &str) -> Option<(VenueState, Quantity)> {
    posted(order, body).row.map(|row| (row.state, row.filled))
}

#[test]
fn only_a_whole_acceptance_is_one() {
    let order = order();
    for status in ["live", "matched"] {
        let answered = posted(&order, &reply(status, "", ""));
        assert!(matches!(answered.outcome, SubmitOutcome::Acked { .. }), "{status}");
    }
    for body in [
        reply("delayed", "", ""),
        reply("unmatched", "", ""),
        reply("", "", ""),
        reply("novel", "", ""),
        reply("live", "", "").replace("true", "false"),
        reply("live", "", "").replace("OID", ""),
        "{}".to_owned(),
        "<html>".to_owned(),
    ] {
        let answered = posted(&order, &body);
        assert!(matches!(answered.outcome, SubmitOutcome::Unknown { .. }) && answered.row.is_none(), "{body}: {answered:?}");
    }
    let other = posted(&order, &reply("live", "", "").replace("OID", "0xother"));
    assert!(other.misnamed && matches!(other.outcome, SubmitOutcome::Unknown { .. }));
}

#[test]
fn s10_a_reason_is_a_refusal_whatever_success_says() {
    for success in [true, false] {
        let body = format!(r#"{{"success":{success},"errorMsg":"not enough balance / allowance","orderID":"","status":""}}"#);
        let answered = posted(&order(), &body);
        assert!(matches!(&answered.outcome, SubmitOutcome::Rejected { code, .. } if code == "not_enough_balance"), "{answered:?}");
        assert!(answered.complaint.is_some());
    }
}

#[test]
fn amounts_say_how_much_was_filled() {
    let mut order = order();
    let filled = Quantity::whole;
    assert_eq!(state(&order, &reply("live", "", "")), Some((VenueState::Resting, filled(0))));
    assert_eq!(state(&order, &reply("matched", "2.08", "4")), Some((VenueState::Resting, filled(4))));
    assert_eq!(state(&order, &reply("matched", "5.2", "10")), Some((VenueState::Executed, filled(10))));
    assert_eq!(state(&order, &reply("matched", "5.2", "9.995")), Some((VenueState::Executed, Quantity::from_micros(9_995_000))), "dust");
    assert_eq!(state(&order, &reply("matched", "", "")), None, "matched, and it doesn't say how much");
    order.tif = TimeInForce::Ioc;
    order.action = Action::Sell;
    assert_eq!(signed(&order).order_type, VenueOrderType::Fak);
    assert_eq!(state(&order, &reply("matched", "4", "2.08")), Some((VenueState::Canceled, filled(4))));
    assert_eq!(state(&order, &reply("live", "", "")), None, "s14: it may still be on its way");
}

#[test]
fn what_never_left_and_what_may_have_arrived() {
    let answered = |error| post(&order(), &signed(&order()), Err(error), Time::from_ms(1)).outcome;
    assert!(matches!(answered(CallError::NotSent { why: String::new() }), SubmitOutcome::NotProcessed { .. }));
    assert!(matches!(answered(CallError::Budget { retry_after_ms: 7 }), SubmitOutcome::NotProcessed { retry_after_ms: 7, .. }));
    assert!(matches!(answered(CallError::Unclear { why: String::new() }), SubmitOutcome::Unknown { .. }));
    let refused = |status, body: &str, retry_after_ms| {
        answered(CallError::Refused { refusal: Refusal::read(status, body.as_bytes()), retry_after_ms })
    };
    assert!(matches!(refused(429, "", Some(9)), SubmitOutcome::NotProcessed { retry_after_ms: 9, .. }));
    assert!(matches!(refused(425, "", None), SubmitOutcome::NotProcessed { .. }));
    assert!(matches!(refused(500, r#"{"error":"order timed out"}"#, None), SubmitOutcome::Unknown { .. }), "s4");
    let nobody = r#"{"error":"no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."}"#;
    assert!(matches!(refused(400, nobody, None), SubmitOutcome::Rejected { code, .. } if code.starts_with("fill_or_kill")));
}

#[test]
fn cancels_are_proven_by_name() {
    let id = signed(&order()).venue_order_id;
    let answered = |body: &str| {
        let body = body.replace("OID", id.as_str());
        cancel(&id, serde_json::from_str(&body).map_err(|error| CallError::Unclear { why: error.to_string() }))
    };
    assert_eq!(answered(r#"{"canceled":["OID"],"not_canceled":{}}"#), Cancelled::Proven);
    assert_eq!(answered(r#"{"canceled":[],"not_canceled":{"OID":"order already matched"}}"#), Cancelled::Matched);
    let held = answered(r#"{"canceled":[],"not_canceled":{"OID":"order is delayed and can't be canceled"}}"#);
    assert!(matches!(held, Cancelled::Unknown(_)), "it is there: {held:?}");
    assert_eq!(answered(r#"{"canceled":[],"not_canceled":{"OID":"already canceled or matched"}}"#), Cancelled::NotWorking);
    assert!(matches!(answered(r#"{"canceled":[],"not_canceled":{"OID":"the order is delayed"}}"#), Cancelled::Unknown(_)));
    for body in [r#"{"canceled":["0xother"],"not_canceled":{}}"#, r#"{"canceled":null}"#, "{}", "<html>"] {
        assert!(matches!(answered(body), Cancelled::Unknown(_)), "{body}");
    }
    let refused =
        |status, body: &str| cancel(&id, Err(CallError::Refused { refusal: Refusal::read(status, body.as_bytes()), retry_after_ms: None }));
    assert_eq!(refused(404, r#"{"error":"order not found"}"#), Cancelled::NotWorking);
    assert!(matches!(refused(404, "<html>not found</html>"), Cancelled::Unknown(_)));
    assert!(matches!(refused(500, r#"{"error":"order not found"}"#), Cancelled::Unknown(_)));
}
