//! What the venue answers and tells, as its documents and issue threads show it: every sample is read for what it says.

use arbees::domain::ids::{TokenId, VenueOrderId};
use arbees::domain::market::{BookKey, FeeRate, Quote};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::report::{FillSettlement, Liquidity, VenueMode, VenueState};
use arbees::domain::time::Time;
use arbees::venues::polymarket::errors::{Class, of_message, of_refusal};
use arbees::venues::polymarket::outcome::{Cancelled, cancel};
use arbees::venues::polymarket::stream::frame::{Context, Event, Frame, read};
use arbees::venues::polymarket::translate::{Ours, top, venue_order};
use arbees::venues::polymarket::wire::error::Refusal;
use arbees::venues::polymarket::wire::orders::{CancelReply, Order, PostReply};
use serde_json::Value;

use super::vectors::json;

const TOKEN: &str = "71321045679252212594626385532706912750332728571942532289631379312455583992563";

fn rest(name: &str) -> Value {
    let samples = json("rest_samples.json");
    assert!(!samples[name].is_null(), "rest_samples.json: {name}");
    samples[name].clone()
}

/// The samples hold placeholders where tokens and names stand.
fn told(name: &str) -> String {
    let samples = json("ws_samples.json");
    let found = samples.as_object().expect("samples").iter().find(|(key, _)| key.starts_with(name));
    let text = found.unwrap_or_else(|| panic!("ws_samples.json: {name}")).1.to_string();
    let filled =
        text.replace("<token_id>", TOKEN).replace("<tok>", TOKEN).replace("<order_id>", "0xAB").replace("<maker_order_id>", "0xCD");
    filled.replace("<cid>", "0xc0").replace("<condition_id>", "0xc0")
}

fn event(name: &str, ours: &Ours) -> Event {
    let context = Context { ours: Some(ours), fees: &|_: &BookKey| Some(FeeRate::new(50_000, 0)) };
    match read(&told(name), &context).unwrap_or_else(|error| panic!("{name}: {error}")) {
        Frame::Events(mut events) if events.len() == 1 => {
            events.remove(0).unwrap_or_else(|unreadable| panic!("{name}: {}", unreadable.why))
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn ours() -> Ours {
    Ours { key: "<k>".to_owned(), wallet: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".to_owned() }
}

/// Every message of the error table, and what each is.
fn class(status: u16, message: &str) -> Class {
    of_refusal(&Refusal::read(status, serde_json::json!({ "error": message }).to_string().as_bytes()))
}

#[test]
fn every_message_of_the_error_table_has_its_class() {
    let expected = |message: &str| -> Option<Class> {
        let known = [
            ("Invalid order payload", Class::Rejected("invalid_payload")),
            ("the order owner has", Class::Halted("owner_not_api_key")),
            ("the order signer", Class::Halted("signer_not_api_key")),
            ("'{address}' address banned", Class::Halted("banned")),
            ("'{address}' address in closed", Class::Halted("closed_only")),
            ("invalid post-only", Class::Rejected("post_only_crosses")),
            ("order {id} is invalid. Price", Class::Rejected("tick_size")),
            ("order {id} is invalid. Size", Class::Rejected("below_minimum_size")),
            ("order {id} is invalid. Dup", Class::Seen),
            ("order {id} crosses", Class::Rejected("post_only_crosses")),
            ("not enough balance", Class::Rejected("not_enough_balance")),
            ("invalid expiration", Class::Rejected("invalid_expiration")),
            ("order canceled in", Class::Rejected("canceled_on_chain")),
            ("order match delayed", Class::Unknown),
            ("order couldn't be", Class::Rejected("fill_or_kill_killed")),
            ("no orders found", Class::Rejected("fill_or_kill_no_match")),
            ("the market is not yet", Class::Rejected("market_not_ready")),
            ("Too many orders", Class::Rejected("too_many_orders")),
            ("maker address not", Class::Halted("maker_not_allowed")),
            ("invalid signature", Class::Rejected("invalid_signature")),
            ("order_version_mismatch", Class::Halted("version_mismatch")),
            ("invalid amounts", Class::Rejected("invalid_amounts")),
            ("invalid amount for a marketable", Class::Rejected("below_minimum_notional")),
            ("could not run the execution", Class::Unknown),
        ];
        known.into_iter().find(|(beginning, _)| message.starts_with(beginning)).map(|(_, class)| class)
    };
    let mut walked = 0;
    for name in ["errors_400_order", "errors_seen_in_issues"] {
        for message in rest(name).as_array().expect(name) {
            let message = message.as_str().expect("text");
            let expected = expected(message).unwrap_or_else(|| panic!("{message} has no class here"));
            assert_eq!(class(400, message), expected, "{message}");
            assert_eq!(of_message(message), expected, "in an answer 200: {message}");
            walked += 1;
        }
    }
    for message in rest("errors_500").as_array().expect("errors_500") {
        assert_eq!(class(500, message.as_str().expect("text")), Class::Unknown, "{message}");
        walked += 1;
    }
    assert!(walked >= 32, "{walked}");
}

#[test]
fn restricted_modes_are_told_from_refusals() {
    let read = |status, name: &str| Refusal::read(status, rest(name).to_string().as_bytes());
    let post_only = read(503, "post_only_mode_503");
    assert_eq!((of_refusal(&post_only), post_only.retry_after_ms), (Class::Mode(VenueMode::PostOnly, "post_only_mode"), Some(79_000)));
    let disabled = read(503, "trading_disabled_503");
    assert_eq!(of_refusal(&disabled), Class::Mode(VenueMode::CancelOnly, "trading_disabled"));
    assert_eq!(read(400, "heartbeat_400").heartbeat_id.as_deref(), Some("<expected>"));
}

#[test]
fn answers_to_orders_and_cancels_are_read() {
    let reply = |name: &str| -> PostReply { serde_json::from_str(&rest(name).to_string()).expect(name) };
    let placed = reply("post_order_ok");
    assert_eq!((placed.success, placed.order_id.as_str(), placed.status.as_str()), (true, "<order_id>", "live"));
    assert_eq!((placed.making.0, placed.taking.0), (Some(Usd::ZERO), Some(Usd::ZERO)), "an empty amount is none");
    let failed = reply("post_order_fail_body");
    assert_eq!((failed.success, of_message(&failed.error_msg)), (false, Class::Rejected("not_enough_balance")));
    let batch = reply("batch_entry_rejected_but_success_true");
    assert_eq!((batch.success, of_message(&batch.error_msg)), (true, Class::Mode(VenueMode::PostOnly, "post_only_mode")));
    let answered = |id: &str| {
        let reply: CancelReply = serde_json::from_str(&rest("cancel").to_string()).expect("cancel");
        cancel(&VenueOrderId::new(id).expect("id"), Ok(reply))
    };
    assert_eq!((answered("ORDER_ID_1"), answered("ORDER_ID_2")), (Cancelled::Proven, Cancelled::Matched));
    assert!(matches!(answered("ORDER_ID_3"), Cancelled::Unknown(_)));
}

#[test]
fn orders_of_the_stream_are_read() {
    let Event::Order(placed) = event("user_order", &ours()) else { panic!("order") };
    assert_eq!((placed.state, placed.side, placed.filled), (VenueState::Resting, Side::Bid, Quantity::ZERO));
    assert_eq!((placed.quantity, placed.price), (Quantity::whole(10), Price::from_micros(520_000)));
    assert_eq!((placed.created_at, placed.expires_at), (Some(Time::from_ms(1_782_753_357_000)), None));
    let Event::Order(killed) = event("user_order_fok_killed", &ours()) else { panic!("order") };
    assert_eq!((killed.state, killed.filled, killed.remaining), (VenueState::Canceled, Quantity::ZERO, Quantity::ZERO));
    assert!(killed.cause.as_deref().is_some_and(|cause| cause.contains("FOK orders are fully filled or killed")));
    // The sample of a venue's own cancel names no terms: the rest is taken from the first one.
    let mut row: Value = serde_json::from_str(&told("user_order")).expect("row");
    let cancelled: Value = serde_json::from_str(&told("user_order_venue_cancel")).expect("row");
    row.as_object_mut().expect("row").extend(cancelled.as_object().expect("row").clone());
    let text = row.to_string();
    let order = venue_order(&serde_json::from_str::<Order<'_>>(&text).expect("order")).expect("order");
    assert_eq!((order.state, order.created_at), (VenueState::Canceled, Some(Time::from_ms(1_774_377_384_000))), "in milliseconds here");
}

#[test]
fn trades_of_the_stream_are_credited_to_whom_they_belong() {
    let Event::Trade(taken) = event("user_trade", &ours()) else { panic!("trade") };
    let [fill] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((fill.venue_order_id.as_str(), fill.liquidity, fill.side), ("0xab", Liquidity::Taker, Side::Bid));
    assert_eq!((fill.quantity, fill.price), (Quantity::whole(10), Price::from_micros(520_000)));
    assert_eq!((fill.settlement, fill.fee), (FillSettlement::Provisional, Usd::parse("0.1248").ok()));
    let makers = Ours { key: "<maker_k>".to_owned(), ..ours() };
    let context = Context { ours: Some(&makers), fees: &|_: &BookKey| None };
    let text = told("user_trade").replace(r#""trader_side":"TAKER""#, r#""trader_side":"MAKER""#);
    let Ok(Frame::Events(events)) = read(&text, &context) else { panic!("frame") };
    let Some(Ok(Event::Trade(made))) = events.into_iter().next() else { panic!("trade") };
    assert_eq!((made.len(), made[0].venue_order_id.as_str(), made[0].side, made[0].fee), (1, "0xcd", Side::Ask, Some(Usd::ZERO)));
}

#[test]
fn books_and_their_changes_are_read() {
    let price = |text: &str| Price::parse(text).expect(text);
    let Event::Book { token, bids, asks, at } = event("market_book", &ours()) else { panic!("book") };
    assert_eq!((token.as_str(), at), (TOKEN, Some(Time::from_ms(1_782_753_357_257))));
    let best = top(&bids, &asks);
    assert_eq!(best.quote, Quote { bid: Some(price("0.09")), ask: Some(price("0.98")) }, "the best prices stand last");
    assert_eq!(best.bid_size, Quantity::parse("163939.58").expect("size"));
    let Event::Changes { changes, .. } = event("market_price_change", &ours()) else { panic!("changes") };
    assert_eq!((changes[0].side, changes[0].price, changes[0].size), (Side::Bid, price("0.08"), Quantity::parse("33343.4").expect("size")));
    assert_eq!((changes[0].best_bid, changes[0].best_ask), (Some(price("0.08")), Some(price("0.09"))));
    let tick = event("market_tick_size_change", &ours());
    assert_eq!(tick, Event::Tick { token: TokenId::new(TOKEN).expect("token"), tick: price("0.001") });
    for name in ["market_last_trade_price", "market_best_bid_ask"] {
        assert_eq!(event(name, &ours()), Event::Other, "{name} says nothing that the book doesn't");
    }
}
