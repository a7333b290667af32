use super::super::scripted::{CONDITION, NO, Rig, YES, clob_market, facts, market_state};
use super::*;
use crate::domain::market::Venue;

fn condition() -> MarketId {
    MarketId::new(CONDITION).expect("id")
}

fn read(text: &str) -> Result<Tokens, Untranslatable> {
    tokens(&condition(), &serde_json::from_str(text).expect(text), None)
}

#[tokio::test]
async fn a_token_and_its_condition_have_one_description() {
    let state = || ("GET", "/markets/0xabab", 200, market_state(false, (false, "0.5"), (false, "0.5")));
    let mut script = facts();
    script.extend([state(), facts().remove(1), state()]);
    let rig = Rig::new(script).await;
    let key = |id: &str| BookKey { venue: Venue::Polymarket, id: MarketId::new(id).expect("id") };
    let by_token = rig.venue.describe(&key(YES)).await.expect("described");
    assert_eq!(rig.venue.describe(&key(CONDITION)).await.expect("described").markets, by_token.markets);
    let [yes, no] = by_token.markets.as_slice() else { panic!("two tokens") };
    assert_eq!((yes.key.id.as_str(), yes.outcome, no.key.id.as_str(), no.outcome), (YES, Some(Outcome::Yes), NO, Some(Outcome::No)));
    assert_eq!((yes.status, yes.fee, &yes.condition), (MarketStatus::Open, FeeRate::new(50_000, 0), &Some(condition())));
    assert_eq!((yes.quantity_min, yes.notional_min), (Quantity::whole(5), Usd::whole(1)));
    assert!(yes.grid.holds(Price::from_micros(10_000)) && !yes.grid.holds(Price::from_micros(5_000)));
}

#[test]
fn a_market_that_contradicts_itself_has_no_description() {
    let market = clob_market();
    assert!(read(&market).is_ok());
    for (part, other) in [
        (r#""o":"Yes""#, r#""o":"No""#),
        (r#""o":"No""#, r#""o":"YES""#),
        (NO, YES),
        ("\"mts\":0.01", "\"mts\":0.03"),
        ("\"mts\":0.01", "\"mts\":0"),
        (CONDITION, "0xcd"),
        ("\"r\":0.05,", ""),
        ("\"r\":0.05", "\"r\":7"),
        ("\"e\":1", "\"e\":99"),
    ] {
        assert!(read(&market.replacen(part, other, 1)).is_err(), "{part} -> {other}");
    }
    let teams = market.replace("\"Yes\"", "\"Lakers\"").replace("\"No\"", "\"Celtics\"");
    assert!(read(&teams).is_ok(), "names of teams say nothing");
}

#[test]
fn fees_without_a_schedule_are_not_traded_and_no_fees_are() {
    let free = clob_market().replace(r#""fd":{"r":0.05,"e":1,"to":true},"#, "");
    assert_eq!(read(&free).expect("free")[0].1.fee, FeeRate::new(0, 0));
    assert!(read(&free.replace("\"tbf\":0", "\"tbf\":1000")).is_err());
    let gamma = |text: &str| serde_json::from_str::<GammaMarket>(text).expect(text);
    let row = serde_json::from_str(&free).expect("row");
    assert!(fee(&row, Some(&gamma(r#"{"feesEnabled":true}"#))).is_err());
    let known = gamma(r#"{"feesEnabled":true,"feeSchedule":{"rate":0.07,"exponent":2,"takerOnly":true}}"#);
    assert_eq!(fee(&row, Some(&known)), Ok(FeeRate { taker_micros: 70_000, maker_micros: 0, exponent: 2 }));
    assert_eq!(fee(&row, Some(&gamma(r#"{"feesEnabled":false}"#))), Ok(FeeRate::new(0, 0)));
}

#[test]
fn s79_a_market_ends_as_its_winner_says_or_in_two_halves() {
    let tokens = read(&clob_market()).expect("tokens");
    let end =
        |closed, yes, other| ending(&tokens, &serde_json::from_str(&market_state(closed, yes, other)).expect("state")).expect("ending");
    assert_eq!(end(true, (true, "1"), (false, "0")), Some(Settlement::Yes));
    assert_eq!(end(true, (false, "0"), (true, "1")), Some(Settlement::No));
    assert_eq!(end(true, (false, "0.5"), (false, "0.5")), Some(Settlement::Scalar(HALF)));
    assert_eq!(end(true, (false, "0.4"), (false, "0.6")), None, "closed, and not resolved");
    assert_eq!(end(false, (true, "1"), (false, "0")), None, "still open");
    let strange = market_state(true, (true, "1"), (false, "0")).replace(YES, "1");
    assert!(ending(&tokens, &serde_json::from_str(&strange).expect("state")).is_err());
    let gamma = |prices: &str, word: &str| {
        let ids = format!(r#"[\"{YES}\",\"{NO}\"]"#);
        let text = format!(r#"{{"closed":true,"umaResolutionStatus":"{word}","clobTokenIds":"{ids}","outcomePrices":"{prices}"}}"#);
        ending_by_gamma(&tokens, &serde_json::from_str(&text).expect(&text))
    };
    assert_eq!(gamma(r#"[\"0\",\"1\"]"#, "resolved"), Some(Settlement::No));
    assert_eq!(gamma(r#"[\"0.5\",\"0.5\"]"#, "resolved"), Some(Settlement::Scalar(HALF)));
    assert_eq!(gamma(r#"[\"0.5\",\"0.5\"]"#, "disputed"), None);
    assert_eq!(gamma(r#"[\"0.5\",\"0.6\"]"#, "resolved"), None);
}

#[tokio::test]
async fn a_changed_tick_is_read_before_the_next_order() {
    let mut script = facts();
    script.push(("GET", "/clob-markets/0xabab", 200, clob_market().replace("0.01", "0.001")));
    let rig = Rig::new(script).await;
    let token = TokenId::new(YES).expect("token");
    let tick = async || rig.venue.facts().token(rig.venue.client(), &token).await.expect("facts").tick;
    assert_eq!((tick().await, tick().await), (Price::from_micros(10_000), Price::from_micros(10_000)));
    rig.venue.tick_changed(&token);
    assert_eq!(tick().await, Price::from_micros(1_000));
}
