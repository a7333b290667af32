use super::super::scripted::{NO, YES, order_row, trade_row};
use super::*;

const KEY: &str = "9180014b-33c8-9240-a14b-bdca11c0a465";
const WALLET: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

fn ours() -> Ours {
    Ours { key: KEY.to_owned(), wallet: WALLET.to_owned() }
}

fn read(text: &str) -> Result<Vec<VenueFill>, Untranslatable> {
    fills(&serde_json::from_str(text).expect(text), &ours(), &|_| Some(FeeRate::new(50_000, 0)))
}

fn placed(status: &str, matched: &str) -> VenueOrder {
    let text = order_row("0xAB", status, matched);
    venue_order(&serde_json::from_str(&text).expect(&text)).expect(&text)
}

#[test]
fn an_orders_state_follows_from_its_word_and_its_count() {
    for (status, matched, state) in [
        ("LIVE", "0", VenueState::Resting),
        ("LIVE", "4", VenueState::Resting),
        ("DELAYED", "0", VenueState::Resting),
        ("UNMATCHED", "0", VenueState::Resting),
        ("NOVEL", "0", VenueState::Resting),
        ("MATCHED", "10", VenueState::Executed),
        ("MATCHED", "9.995", VenueState::Executed),
        ("MATCHED", "4", VenueState::Resting),
        ("CANCELED", "4", VenueState::Canceled),
        ("CANCELED", "10", VenueState::Executed),
        ("INVALID", "0", VenueState::Canceled),
        ("CANCELED_EXPIRED_ORDER", "0", VenueState::Expired),
        ("CANCELED_MARKET_RESOLVED", "1", VenueState::Canceled),
    ] {
        let order = placed(status, matched);
        assert_eq!(order.state, state, "{status} {matched}");
        assert_eq!(order.remaining.is_zero(), state != VenueState::Resting, "{status} {matched}");
    }
    let order = placed("LIVE", "0");
    assert_eq!(order.venue_order_id.as_str(), "0xab", "names are compared in one case");
    assert_eq!(order.expires_at, Some(Time::from_ms(1_780_000_121_000)), "the venue acts a minute before what is stated");
}

#[test]
fn an_empty_count_is_nothing_only_of_what_has_ended() {
    let text = order_row("0xab", "LIVE", "");
    assert!(venue_order(&serde_json::from_str(&text).expect("row")).is_err());
    assert_eq!(placed("CANCELED_order couldn't be fully filled.", "").filled, Quantity::ZERO);
}

#[test]
fn a_takers_fill_is_the_trade() {
    let text = trade_row("t", "0xAB", "4", "MATCHED");
    let fill = &read(&text).expect("fills")[0];
    assert_eq!((fill.quantity, fill.liquidity, fill.side), (Quantity::whole(4), Liquidity::Taker, Side::Bid));
    assert_eq!((fill.venue_order_id.as_str(), fill.fee), ("0xab", Some(Usd::from_micros(50_000))));
    let strangers = text.replace(KEY, "someone-else");
    assert_eq!(read(&strangers).expect("fills"), []);
    assert!(read(&text.replace(r#""match_time":"1780000000","#, "")).is_err(), "no time");
}

fn made(trader_side: &str, makers: &str) -> String {
    format!(
        r#"{{"id":"t","taker_order_id":"0x1","asset_id":"{YES}","side":"BUY","size":"10","price":"0.6","status":"CONFIRMED",
        "match_time":"2026-05-28T20:26:40Z","owner":"someone","maker_address":"{WALLET}","trader_side":"{trader_side}","maker_orders":[{makers}]}}"#
    )
}

fn maker(order: &str, token: &str, amount: &str, price: &str, side: &str) -> String {
    format!(
        r#"{{"order_id":"{order}","owner":"","maker_address":"{}","matched_amount":"{amount}","price":"{price}","asset_id":"{token}",
        "side":"{side}"}}"#,
        WALLET.to_uppercase().replace("0X", "0x")
    )
}

#[test]
fn s23_every_resting_order_of_ours_in_a_trade_is_credited_with_its_own_part() {
    let makers = [maker("0xa", YES, "3", "0.6", "SELL"), maker("0xb", YES, "2", "0.6", "SELL")].join(",");
    let foreign = maker("0xc", YES, "5", "0.6", "SELL").replace(&WALLET.to_uppercase().replace("0X", "0x"), "0x00");
    let fills = read(&made("MAKER", &format!("{makers},{foreign}"))).expect("fills");
    let parts: Vec<_> = fills.iter().map(|fill| (fill.venue_order_id.as_str(), fill.quantity, fill.side, fill.fee)).collect();
    assert_eq!(
        parts,
        [("0xa", Quantity::whole(3), Side::Ask, Some(Usd::ZERO)), ("0xb", Quantity::whole(2), Side::Ask, Some(Usd::ZERO))],
        "never the taker's size; the taker is not us, whatever address stands at the top"
    );
    assert!(fills.iter().all(|fill| fill.settlement == FillSettlement::Settled && fill.liquidity == Liquidity::Maker));
}

#[test]
fn s24_a_pair_of_buys_gives_each_its_own_token() {
    for side in ["BUY", ""] {
        let fills = read(&made("MAKER", &maker("0xa", NO, "3", "0.4", side))).expect("fills");
        assert_eq!((fills[0].key.id.as_str(), fills[0].side, fills[0].price), (NO, Side::Bid, Price::from_micros(400_000)));
    }
    let same = read(&made("MAKER", &maker("0xa", YES, "3", "0.6", ""))).expect("fills");
    assert_eq!(same[0].side, Side::Ask);
}

#[test]
fn a_trade_with_ourselves_has_two_sides() {
    assert_eq!(read(&made("TAKER", &maker("0xa", YES, "3", "0.6", "SELL"))).expect("fills").len(), 2);
}

#[test]
fn only_two_words_are_final() {
    for (word, expected) in [
        ("CONFIRMED", FillSettlement::Settled),
        ("FAILED", FillSettlement::Failed),
        ("MATCHED", FillSettlement::Provisional),
        ("MATCHED_NOT_BROADCASTED", FillSettlement::Provisional),
        ("MINED", FillSettlement::Provisional),
        ("RETRYING", FillSettlement::Provisional),
        ("NOVEL", FillSettlement::Provisional),
    ] {
        assert_eq!(settlement(word), expected);
        assert_eq!(settlement(&format!("TRADE_STATUS_{word}")), expected);
    }
}

#[test]
fn missing_money_is_an_error_and_unknown_fields_are_not() {
    let text = trade_row("t", "0xab", "4", "MATCHED");
    for part in [r#""size":"4","#, r#""price":"0.5","#, r#""matched_amount":"4","#] {
        assert!(serde_json::from_str::<Trade<'_>>(&text.replacen(part, "", 1)).is_err(), "{part}");
    }
    let more = text.replacen('{', r#"{"novel":{"a":[1.5]},"#, 1);
    assert_eq!(read(&more).expect("fills").len(), 1);
    assert!(!format!("{:?}", ours()).contains(KEY), "the API key is a secret");
}
