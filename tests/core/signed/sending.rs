use arbees::domain::event::Event;
use arbees::domain::market::{Outcome, PriceGrid};
use arbees::domain::report::{CancelOutcome, SubmitOutcome, VenueMode, VenueNews, VenueState};
use arbees::engine::{Effect, Input};
use serde_json::json;

use super::bench::{AT, Bench, Signs, YES, price, q, sign, token_market};

#[test]
fn what_is_signed_is_on_record_before_it_is_sent_and_exactly_that_is_sent() {
    let mut bench = Bench::new();
    let answer = bench.signal("a", &[]).expect("answered");
    assert_eq!(answer.answer.as_str(), "requested", "{:?}", answer.reasons);
    let (order, signed, attempt) = bench.take_submit();
    assert_eq!((signed.as_deref(), attempt), (Some(&sign(&order)), 1));
    let on_record = bench.events_of(order.order_id).into_iter().find_map(|event| match event {
        Event::SubmitStarted { signed, .. } => signed.clone(),
        _ => None,
    });
    assert_eq!(on_record.as_deref(), Some(&sign(&order)));
    assert_eq!(order.created_at.map(|at| at.to_string()).as_deref(), Some(bench.now().wall.to_string().as_str()));
    assert!(order.venue_expires_at.ms_since(bench.now().wall) >= 125_000);
    assert!(AT < order.expires_at.to_string().as_str());
    bench.assert_replays();
}

#[test]
fn an_approval_waits_for_the_signature_and_no_longer_than_it_lives() {
    let mut bench = Bench::new();
    bench.signs = Signs::Later;
    assert_eq!(bench.signal("a", &[]), None, "approved, and not signed yet");
    let Some(Effect::Prepare { order }) = bench.calls.pop() else { panic!("asked to sign") };
    // The same signal again waits for the same answer.
    assert_eq!(bench.signal("a", &[("created_at", json!(order.created_at.expect("stated").to_string()))]), None);
    bench.wait(900);
    assert_eq!(bench.count("OrderApproved"), 0);
    bench.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(sign(&order))) });
    assert_eq!(bench.answers.iter().map(|answer| answer.answer.as_str()).collect::<Vec<_>>(), ["requested", "duplicate"]);
    assert_eq!(bench.take_submit().0, *order);

    assert_eq!(bench.signal("b", &[]), None);
    bench.wait(1_100);
    let answer = bench.answers.last().expect("answered");
    assert_eq!((answer.answer.as_str(), answer.reasons[0].reason.as_str()), ("vetoed", "venue_not_ready"));
    assert!(answer.reasons[0].observed.contains("not signed"), "{:?}", answer.reasons);
    let Some(Effect::Prepare { order }) = bench.calls.pop() else { panic!("asked to sign") };
    bench.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(sign(&order))) });
    assert!(bench.calls.is_empty(), "too late is never sent: {:?}", bench.calls);
    bench.assert_replays();
}

#[test]
fn an_order_that_cannot_be_signed_is_vetoed_and_so_is_one_signed_for_something_else() {
    let mut bench = Bench::new();
    bench.signs = Signs::Never;
    assert_eq!(bench.vetoed("a", &[], "venue_not_ready"), "not signed: the key is locked");
    bench.signs = Signs::Later;
    for (number, wrong) in ["token", "action", "quantity", "limit"].into_iter().enumerate() {
        bench.signal(&format!("b-{number}"), &[]);
        let Some(Effect::Prepare { order }) = bench.calls.pop() else { panic!("asked to sign") };
        let mut signed = sign(&order);
        match wrong {
            "token" => signed.token = Bench::token("123"),
            "action" => signed.action = arbees::domain::order::Action::Sell,
            "quantity" => signed.taker_amount += 10_000,
            _ => signed.maker_amount += 1,
        }
        bench.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(signed)) });
        let answer = bench.answers.last().expect("answered");
        assert_eq!((answer.answer.as_str(), answer.reasons[0].reason.as_str()), ("vetoed", "venue_not_ready"), "{wrong}");
    }
    assert!(bench.calls.is_empty());
}

#[test]
fn a_kill_between_approval_and_signature_wins() {
    let mut bench = Bench::new();
    bench.signs = Signs::Later;
    bench.signal("a", &[]);
    let Some(Effect::Prepare { order }) = bench.calls.pop() else { panic!("asked to sign") };
    bench.step(Input::Operator { ticket: 1, by: "test".into(), command: arbees::engine::Command::Kill { reason: "drill".into() } });
    bench.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(sign(&order))) });
    assert_eq!(bench.answers.last().expect("answered").reasons[0].reason.as_str(), "killed");
    assert_eq!(bench.count("SubmitStarted"), 0);
}

#[test]
fn a_purchase_of_exactly_n_that_rests_is_cancelled_at_once() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[("tif", json!("ioc"))]);
    bench.acked(&order);
    bench.list(&order, VenueState::Resting, "4");
    assert_eq!(bench.take_cancels(), [sign(&order).venue_order_id]);
    bench.canceled(&order, CancelOutcome::Canceled { filled: q("4") });
    assert_eq!(bench.state(&order), "canceled");
    let fill = bench.trade(&order, "4", "0.5");
    bench.tell(&fill, arbees::domain::report::FillSettlement::Provisional);
    assert!(bench.record(&order).is_done() && bench.record(&order).signed.is_none());
}

#[test]
fn it_is_looked_for_even_when_nobody_says_that_it_rests() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[("tif", json!("ioc"))]);
    bench.acked(&order);
    assert_eq!(bench.take_look_up(), sign(&order).venue_order_id);
    let found = arbees::domain::report::LookUp::Found {
        venue_order_id: sign(&order).venue_order_id,
        state: VenueState::Resting,
        filled: q("0"),
        matches: true,
    };
    let begun_at = bench.now().wall;
    bench.step(Input::LookedUp { order_id: order.order_id, begun_at, found });
    assert_eq!(bench.take_cancels().len(), 1);
}

#[test]
fn s77_a_limit_off_the_new_price_steps_is_not_sent_and_what_rests_there_is_cancelled() {
    let mut bench = Bench::new();
    let fine = |step| arbees::domain::market::Market { grid: PriceGrid::uniform(price(step)), ..token_market(YES, Outcome::Yes) };
    bench.describes = Ok(vec![fine("0.001"), token_market(super::bench::NO, Outcome::No)]);
    let resting = bench.sent("a", &[("limit_price", json!("0.521"))]);
    bench.acked(&resting);
    bench.signs = Signs::Later;
    bench.signal("b", &[("limit_price", json!("0.523"))]);
    let Some(Effect::Prepare { order }) = bench.calls.pop() else { panic!("asked to sign") };
    bench.news(VenueNews::Market(fine("0.01")));
    assert_eq!(bench.take_cancels(), [sign(&resting).venue_order_id]);
    bench.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(sign(&order))) });
    assert!(bench.calls.is_empty(), "{:?}", bench.calls);
    assert_eq!((bench.state(&order), bench.state(&resting)), ("not_placed", "working"));
}

#[test]
fn post_only_lets_nothing_pass_until_the_account_is_read_again() {
    let mut bench = Bench::new();
    let mode = |mode| VenueNews::Mode { venue: arbees::domain::market::Venue::Polymarket, mode, why: "restarted".into() };
    bench.news(mode(VenueMode::PostOnly));
    let reading = bench.reading("1000", &[]);
    bench.news(VenueNews::Account(Box::new(reading)));
    assert!(bench.vetoed("a", &[], "venue_not_ready").contains("post_only"));
    bench.news(mode(VenueMode::Reconciling));
    bench.read("1000", &[]);
    bench.sent("b", &[]);
}

#[test]
fn another_name_than_the_hash_halts_the_venue_and_the_order_stays_unknown() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    let venue_order_id = arbees::domain::ids::VenueOrderId::new("0xother").expect("id");
    bench.submitted(&order, 1, SubmitOutcome::Acked { venue_order_id, venue_at: None });
    assert_eq!(bench.state(&order), "unknown");
    assert_eq!(bench.breakers(), ["venue:polymarket unknown_orders"]);
    assert_eq!(bench.engine.book().venues.mode(arbees::domain::market::Venue::Polymarket), VenueMode::Halted);
    bench.vetoed("b", &[], "breaker_open");
}
