//! Facts about the signal contract (design §5). Every message is read as JSON and as MessagePack, with one result.

mod bounds;

use serde_json::{Value as Json, json};

use super::*;

const AT: &str = "2026-01-28T01:14:02.532Z";

fn at() -> Time {
    Time::parse(AT).expect("time").0
}

fn time(text: &str) -> Time {
    Time::parse(text).expect(text).0
}

/// A complete opening signal.
fn base() -> Json {
    json!({
        "schema": 1, "signal_id": "s-1", "game_id": "401584902", "sport": "NBA", "team": "Portland Trail Blazers",
        "side": "yes", "action": "open", "market_id": "KXNBAGAME-26JAN27PORWAS-POR", "limit_price": 0.52, "model_prob": 0.71,
        "edge_pct": 15.0, "created_at": "2026-01-28T01:14:02.512Z", "expires_at": "2026-01-28T01:15:02.512Z"
    })
}

/// The complete signal with names set or, where `null`, taken out.
fn with(changes: Json) -> Json {
    let mut message = base();
    let fields = message.as_object_mut().expect("map");
    for (name, value) in changes.as_object().expect("map") {
        match value {
            Json::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    message
}

fn read_at(subject: &str, message: &Json) -> Result<Parsed, Rejection> {
    let json = parse(subject, &serde_json::to_vec(message).expect("json"), at());
    let packed = parse(subject, &rmp_serde::to_vec_named(message).expect("msgpack"), at());
    assert_eq!(json, packed, "both encodings of {message}");
    json
}

fn read(message: &Json) -> Result<Parsed, Rejection> {
    read_at("signals.kalshi", message)
}

fn signal_and_warnings(changes: Json) -> (Signal, Vec<Warning>) {
    match read(&with(changes.clone())) {
        Ok(Parsed::Signal { signal, warnings, .. }) => (*signal, warnings),
        other => panic!("{changes}: {other:?}"),
    }
}

fn signal(changes: Json) -> Signal {
    signal_and_warnings(changes).0
}

fn rejection(changes: Json) -> Rejection {
    read(&with(changes.clone())).expect_err(&changes.to_string())
}

fn price(text: &str) -> Option<Price> {
    Some(Price::parse(text).expect(text))
}

#[test]
fn a_complete_signal_is_read_exactly() {
    let (signal, warnings) = signal_and_warnings(json!({
        "yes_bid": 0.5, "yes_ask": "0.52", "liquidity_available": 310, "price_ts": "2026-01-28T01:14:02.310Z",
        "tif": "IOC", "size": "12", "size_unit": "Contracts", "model_version": "nba-1", "confidence": 1, "market_prob": 0.51
    }));
    assert_eq!((signal.signal_id.as_str(), signal.venue, signal.intent), ("s-1", Venue::Kalshi, Intent::Open));
    assert_eq!(signal.market_id.as_ref().map(MarketId::as_str), Some("KXNBAGAME-26JAN27PORWAS-POR"));
    assert_eq!((signal.side, signal.limit_price, signal.ambiguous_price), (Some(Outcome::Yes), price("0.52"), false));
    assert_eq!(signal.quote, Quote { bid: price("0.5"), ask: price("0.52") });
    assert_eq!((signal.size, signal.tif), (Some(Size::Contracts(Quantity::whole(12))), Some(TimeInForce::Ioc)));
    assert_eq!(signal.liquidity, Some(Quantity::whole(310)));
    assert_eq!(signal.model_prob, Some(Probability::parse("0.71").expect("p")));
    assert_eq!(signal.declared_edge, Some(Edge::from_micros(150_000)));
    assert_eq!((signal.sport.as_deref(), signal.kind.as_deref()), (Some("NBA"), Some("sports")));
    assert_eq!((signal.created_at, signal.expires_at), (time("2026-01-28T01:14:02.512Z"), time("2026-01-28T01:15:02.512Z")));
    assert_eq!(signal.price_ts, Some(time("2026-01-28T01:14:02.310Z")));
    let notes: Vec<_> = signal.notes.iter().map(|(name, text)| (&**name, &**text)).collect();
    assert_eq!(notes, [("confidence", "1"), ("market_prob", "0.51"), ("model_version", "nba-1")]);
    assert!(!signal.pair && warnings.is_empty(), "{warnings:?}");
}

#[test]
fn every_alias_is_read_where_its_name_is_missing() {
    let other = signal(json!({
        "signal_id": null, "request_id": "r-1", "side": null, "direction": "Long", "limit_price": null, "buy_price": "0.45",
        "model_prob": null, "probability": 0.6, "game_id": null, "event_id": "e-1", "team": null, "entity": "SOL",
        "created_at": null, "timestamp": "2026-01-28T01:00:00Z", "expires_at": null, "ttl_ms": 1500, "suggested_size": 250.0
    }));
    assert_eq!((other.signal_id.as_str(), other.side, other.limit_price), ("r-1", Some(Outcome::Yes), price("0.45")));
    assert_eq!(other.model_prob, Some(Probability::parse("0.6").expect("p")));
    assert_eq!((other.game_id.as_ref().map(GameId::as_str), other.team.as_deref()), (Some("e-1"), Some("SOL")));
    assert_eq!((other.created_at, other.expires_at), (time("2026-01-28T01:00:00Z"), time("2026-01-28T01:00:01.5Z")));
    assert_eq!(other.size, Some(Size::Usd(Usd::parse("250").expect("usd"))));
    assert_eq!(signal(json!({"limit_price": null, "max_price": 0.451})).limit_price, price("0.451"));
}

#[test]
fn of_two_names_the_first_of_the_contract_counts() {
    let both = signal(json!({
        "request_id": "r-1", "event_id": "e-1", "entity": "SOL", "buy_price": 0.4, "max_price": 0.3, "min_price": 0.2, "probability": 0.1,
        "timestamp": "2025-01-01T00:00:00Z", "ttl_ms": 1, "size": 3, "suggested_size": 250
    }));
    let plain = signal(json!({"size": 3}));
    assert_eq!(both, plain);
    // An empty text is as good as none.
    let empty = signal(json!({"game_id": "", "event_id": "e-1", "team": " ", "entity": "SOL", "signal_id": "", "request_id": "r-1"}));
    assert_eq!(
        (empty.signal_id.as_str(), empty.game_id.as_ref().map(GameId::as_str), empty.team.as_deref()),
        ("r-1", Some("e-1"), Some("SOL"))
    );
}

#[test]
fn closes_go_by_the_least_price() {
    for action in ["close", "Reduce"] {
        let changes = |more: Json| {
            let mut all = json!({"action": action});
            all.as_object_mut().expect("map").extend(more.as_object().expect("map").clone());
            all
        };
        assert_eq!(signal(changes(json!({"min_price": 0.55, "limit_price": 0.56}))).limit_price, price("0.55"));
        assert_eq!(signal(changes(json!({"limit_price": 0.56}))).limit_price, price("0.56"));
    }
    assert_eq!((signal(json!({"action": "CLOSE"})).intent, signal(json!({"action": "reduce"})).intent), (Intent::Close, Intent::Reduce));
    assert_eq!(signal(json!({"limit_price": null, "min_price": 0.55})).limit_price, None);
    assert!(rejection(json!({"action": "buy"})).error.contains("`action`"));
}

#[test]
fn a_price_between_two_millionths_moves_to_the_passive_side() {
    let text = |digits: &str| json!({"limit_price": digits});
    assert_eq!(signal(text("0.5200009")).limit_price, price("0.52"));
    assert_eq!(signal(json!({"limit_price": "0.5200001", "action": "close"})).limit_price, price("0.520001"));
    let no_buy = signal(json!({"side": "no", "limit_price": null, "max_price": "0.5200001", "price_terms": "yes"}));
    assert_eq!(no_buy.limit_price, price("0.479999"));
    let seen = signal(json!({"yes_bid": "0.5000009", "yes_ask": "0.5200001"}));
    assert_eq!(seen.quote, Quote { bid: price("0.5"), ask: price("0.520001") });
    // 0.1 + 0.2 as JSON writers print it.
    assert_eq!(signal(json!({"limit_price": 0.30000000000000004})).limit_price, price("0.3"));
}

#[test]
fn probabilities_are_never_rounded_in_favour_of_the_side() {
    let micros = |side: &str| signal(json!({"side": side, "model_prob": "0.7100005"})).model_prob.expect("p").micros();
    assert_eq!((micros("yes"), micros("no")), (710_000, 710_001));
    assert_eq!(signal(json!({"edge_pct": "15.00009"})).declared_edge, Some(Edge::from_micros(150_000)));
    assert_eq!(signal(json!({"edge_pct": "-0.5"})).declared_edge, Some(Edge::from_micros(-5_000)));
    assert_eq!(signal(json!({"edge_pct": null})).declared_edge, None);
}

#[test]
fn sides_and_directions_have_to_agree() {
    for (side, direction, outcome) in [
        (json!("YES"), Json::Null, Outcome::Yes),
        (json!("No"), Json::Null, Outcome::No),
        (Json::Null, json!("BUY"), Outcome::Yes),
        (Json::Null, json!("long"), Outcome::Yes),
        (Json::Null, json!("Sell"), Outcome::No),
        (Json::Null, json!("SHORT"), Outcome::No),
        (json!("no"), json!("sell"), Outcome::No),
        (json!(""), json!("buy"), Outcome::Yes),
    ] {
        assert_eq!(signal(json!({"side": side, "direction": direction})).side, Some(outcome), "{side} {direction}");
    }
    assert_eq!(signal(json!({"side": null})).side, None);
    for (side, direction) in [("yes", "sell"), ("no", "long"), ("no", "buy")] {
        let error = rejection(json!({"side": side, "direction": direction})).error;
        assert!(error.contains("`side` says") && error.contains("`direction` says"), "{error}");
    }
    assert!(rejection(json!({"side": "maybe"})).error.contains("`side` = \"maybe\""));
    assert!(rejection(json!({"side": null, "direction": "up"})).error.contains("`direction`"));
}

#[test]
fn a_hold_is_decided_before_what_else_is_missing_or_wrong() {
    let hold = |message: Json| read_at("signals.paper", &message);
    assert_eq!(hold(json!({"direction": "HOLD"})), Ok(Parsed::Hold { signal_id: None }));
    let named =
        hold(json!({"signal_id": "h", "direction": "hold", "side": "yes", "limit_price": {}, "platform": "nowhere", "token_id": 1}));
    assert_eq!(named, Ok(Parsed::Hold { signal_id: Some(SignalId::new("h").expect("id")) }));
    let refused = hold(json!({"direction": "hold", "schema": 2})).expect_err("schema");
    assert_eq!(refused.reason, Some(Reason::SchemaUnknown));
    assert!(hold(json!({"direction": 5})).is_err());
}

#[test]
fn s51_only_schema_one_is_known() {
    for schema in [json!(1), json!(1.0), json!("1"), Json::Null] {
        assert!(read(&with(json!({"schema": schema}))).is_ok(), "{schema}");
    }
    for schema in [json!(2), json!(0), json!("2"), json!("one"), json!(true), json!([1]), json!(1.5)] {
        let refused = rejection(json!({"schema": schema}));
        assert_eq!((refused.reason, refused.signal_id.is_some()), (Some(Reason::SchemaUnknown), true), "{schema}");
    }
}

#[test]
fn subject_and_fields_name_one_venue() {
    let venue = |subject: &str, changes: Json| match read_at(subject, &with(changes)) {
        Ok(Parsed::Signal { signal, .. }) => Ok(signal.venue),
        Ok(hold) => panic!("{hold:?}"),
        Err(refused) => Err(refused.error),
    };
    assert_eq!(venue("signals.kalshi", json!({})), Ok(Venue::Kalshi));
    assert_eq!(venue("signals.Polymarket.nba", json!({"platform_buy": "POLYMARKET"})), Ok(Venue::Polymarket));
    for name in ["venue", "platform_buy", "platform"] {
        assert_eq!(venue("signals.nba", json!({name: "kalshi"})), Ok(Venue::Kalshi), "{name}");
        assert_eq!(venue("signals", json!({name: "Paper"})), Ok(Venue::Paper), "{name}");
        let error = venue("signals.kalshi", json!({name: "polymarket"})).expect_err(name);
        assert!(error.contains("the subject says kalshi") && error.contains(name), "{error}");
        assert!(venue("signals.kalshi", json!({name: "betfair"})).expect_err(name).contains("betfair"));
        assert!(venue("signals.kalshi", json!({name: 7})).expect_err(name).contains("must be text"));
    }
    assert!(venue("signals.nba", json!({"venue": "kalshi", "platform": "polymarket"})).is_err());
    assert!(venue("signals.nba", json!({})).expect_err("no venue").contains("signals.nba"));
}

#[test]
fn a_numeric_token_is_refused_by_its_own_reason() {
    for token in [json!(71_321_045_679_252_212_u64), json!(7)] {
        let refused = rejection(json!({"token_id": token}));
        assert_eq!(refused.reason, Some(Reason::TokenIdNotString));
        assert!(refused.error.contains("token_id"), "{}", refused.error);
    }
    // As long as real ones: JSON alone can hold it.
    let digits = "71321045679252212594626385532706912750332728571942532289631379312455583992833";
    let raw = format!(r#"{{"signal_id": "t", "token_id": {digits}, "side": "yes"}}"#);
    assert_eq!(parse("signals.polymarket", raw.as_bytes(), at()).expect_err("number").reason, Some(Reason::TokenIdNotString));
    let alone = signal(json!({"market_id": null, "token_id": digits}));
    assert_eq!((alone.market_id, alone.token_id.as_ref().map(TokenId::as_str)), (None, Some(digits)));
    assert!(rejection(json!({"token_id": "0x12"})).error.contains("decimal string"));
    assert_eq!(rejection(json!({"token_id": ["1"]})).reason, None);
}

#[test]
fn whose_price_a_maximum_on_the_no_side_is_has_to_be_said() {
    let no = |more: Json| {
        let mut changes = json!({"side": "no", "limit_price": null, "max_price": 0.4});
        changes.as_object_mut().expect("map").extend(more.as_object().expect("map").clone());
        let signal = signal(changes);
        (signal.limit_price, signal.ambiguous_price)
    };
    assert_eq!(no(json!({})), (price("0.4"), true));
    assert_eq!(no(json!({"price_terms": "no"})), (price("0.4"), false));
    assert_eq!(no(json!({"price_terms": "SIDE"})), (price("0.4"), false));
    assert_eq!(no(json!({"price_terms": "yes"})), (price("0.6"), false));
    assert_eq!(no(json!({"side": "yes"})), (price("0.4"), false));
    assert_eq!(no(json!({"limit_price": 0.3})), (price("0.3"), false));
    assert!(rejection(json!({"price_terms": "cents"})).error.contains("price_terms"));
}

#[test]
fn sizes_are_contracts_or_dollars() {
    let size = |changes: Json| signal(changes).size;
    let contracts = |text: &str| Some(Size::Contracts(Quantity::parse(text).expect(text)));
    let usd = |text: &str| Some(Size::Usd(Usd::parse(text).expect(text)));
    assert_eq!(size(json!({"size": 5})), contracts("5"));
    assert_eq!(size(json!({"size": "2.5", "size_unit": "CONTRACTS"})), contracts("2.5"));
    assert_eq!(size(json!({"size": 40, "size_unit": "Usd"})), usd("40"));
    assert_eq!((size(json!({"suggested_size": "99.5"})), size(json!({}))), (usd("99.5"), None));
    for bad in [
        json!({"size": -1}),
        json!({"size": 1e9}),
        json!({"size": 5, "size_unit": "lots"}),
        json!({"size_unit": "lots"}),
        json!({"suggested_size": -3}),
    ] {
        assert!(rejection(bad).error.contains("size"));
    }
}

#[test]
fn the_kind_of_market_wins_over_the_sport() {
    let groups = |changes: Json| {
        let signal = signal(changes);
        (signal.sport.unwrap_or_default().into_string(), signal.kind.unwrap_or_default().into_string())
    };
    let pair = |sport: &str, kind: &str| (sport.to_owned(), kind.to_owned());
    assert_eq!(groups(json!({"sport": "nba"})), pair("NBA", "sports"));
    assert_eq!(groups(json!({"market_type": {"type": "crypto", "asset": "sol"}})), pair("crypto:SOL", "crypto"));
    assert_eq!(groups(json!({"market_type": "Crypto"})), pair("crypto", "crypto"));
    assert_eq!(
        groups(json!({"market_type": {"type": "entertainment", "category": "weather"}})),
        pair("entertainment:WEATHER", "entertainment")
    );
    assert_eq!(groups(json!({"market_type": {"type": "sport", "sport": "nhl"}})), pair("NHL", "sports"));
    assert_eq!(groups(json!({"market_type": "sports"})), pair("NBA", "sports"));
    assert_eq!(groups(json!({"market_type": ""})), pair("NBA", "sports"));
    assert_eq!(groups(json!({"sport": null})), pair("", ""));
}

#[test]
fn times_are_rfc_3339_and_naive_ones_are_utc_with_a_warning() {
    let warned = |changes: Json| signal_and_warnings(changes);
    for name in ["created_at", "expires_at", "price_ts"] {
        assert_eq!(warned(json!({name: "2026-01-28T01:14:03.5"})).1, [Warning::NaiveTime], "{name}");
        assert_eq!(warned(json!({name: "2026-01-28 02:14:03.5+01:00"})).1, [], "{name}");
        for bad in [
            json!("yesterday"),
            json!("2026-01-28"),
            json!("2026-13-28T01:14:03Z"),
            json!("20260128T011403Z"),
            json!(""),
            json!(1_769_562_842),
            json!(true),
        ] {
            let refused = rejection(json!({name: bad}));
            assert!(refused.error.contains(name), "{name} {bad}: {}", refused.error);
        }
        assert!(rejection(json!({name: "2026-01-28T01:14:03Z[Europe/Vienna]"})).error.contains(name));
    }
    let (signal, _) = warned(json!({"created_at": "2026-01-28T01:14:03", "expires_at": "2026-01-28T03:15:03+02:00"}));
    assert_eq!((signal.created_at, signal.expires_at), (time("2026-01-28T01:14:03Z"), time("2026-01-28T01:15:03Z")));
}

#[test]
fn a_life_is_a_minute_unless_said_and_a_day_at_most() {
    let (unsaid, warnings) = signal_and_warnings(json!({"created_at": null, "expires_at": null}));
    assert_eq!((unsaid.created_at, unsaid.expires_at, warnings), (at(), at().plus_ms(60_000), vec![Warning::NoCreatedAt]));
    let life = |changes: Json| {
        let signal = signal(changes);
        signal.expires_at.ms_since(signal.created_at)
    };
    assert_eq!(life(json!({"expires_at": null, "ttl_ms": "8000"})), 8_000);
    assert_eq!(life(json!({"expires_at": null, "ttl_ms": 0})), 0);
    assert_eq!((life(json!({"ttl_ms": 5})), life(json!({"expires_at": null, "ttl_ms": 1e12}))), (60_000, 86_400_000));
    assert_eq!(life(json!({"expires_at": "2036-01-01T00:00:00Z"})), 86_400_000);
    assert!(rejection(json!({"ttl_ms": -1})).error.contains("ttl_ms"));
    assert!(rejection(json!({"ttl_ms": "soon"})).error.contains("ttl_ms"));
}

#[test]
fn trades_of_two_legs_are_known_as_such() {
    for pair in [json!({"arb_id": "a"}), json!({"legs": [{"venue": "kalshi"}, {"token_id": 1}]}), json!({"leg_policy": "both"})] {
        assert!(signal(pair.clone()).pair, "{pair}");
    }
    assert!(!signal(json!({"legs": [], "arb_id": ""})).pair);
}

#[test]
fn what_is_missing_is_left_to_the_checks() {
    let bare = read(&json!({"signal_id": "b"}));
    let Ok(Parsed::Signal { signal, .. }) = bare else { panic!("{bare:?}") };
    assert_eq!((signal.market_id, signal.token_id, signal.side, signal.limit_price, signal.size), (None, None, None, None, None));
    assert_eq!((signal.game_id, signal.team, signal.tif, signal.quote), (None, None, None, Quote { bid: None, ask: None }));
}

#[test]
fn a_signal_without_a_name_is_refused() {
    for id in [Json::Null, json!(""), json!("  ")] {
        let refused = rejection(json!({"signal_id": id}));
        assert!(refused.signal_id.is_none() && refused.error.contains("`signal_id` is missing"), "{}", refused.error);
    }
    for id in [json!(5), json!(["x"]), json!("a\u{7}b"), json!("x".repeat(129))] {
        let refused = rejection(json!({"signal_id": id}));
        assert!(refused.signal_id.is_none() && refused.error.contains("`signal_id`"), "{}", refused.error);
    }
    assert_eq!(signal(json!({"signal_id": "x".repeat(128)})).signal_id.as_str().len(), 128);
}
