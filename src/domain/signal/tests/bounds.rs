//! What can't be read: wrong types, wrong ranges, poison, and the exact borders of what can.

use serde_json::{Value as Json, json};

use super::super::value::{DEPTH_MAX, SIGNAL_BYTES_MAX};
use super::*;

/// Each field of the contract with values of the wrong type or out of range.
fn wrong_values() -> Vec<(&'static str, Vec<Json>)> {
    let text = || vec![json!(true), json!(["x"]), json!({"x": 1})];
    let word = || [text(), vec![json!(5)]].concat();
    let number = || [text(), vec![json!("abc"), json!(""), json!("NaN"), json!("0x1"), json!("1e400")]].concat();
    let share = || [number(), vec![json!(1.01), json!(-0.01), json!("1.0000001"), json!("-0.0000001"), json!(15)]].concat();
    let count = || [number(), vec![json!(-1), json!(1e12)]].concat();
    vec![
        ("venue", word()),
        ("platform_buy", word()),
        ("platform", word()),
        ("market_id", [word(), vec![json!("a b"), json!("x".repeat(129)), json!("é")]].concat()),
        ("token_id", [text(), vec![json!("-1"), json!("1".repeat(79))]].concat()),
        ("side", [word(), vec![json!("buy")]].concat()),
        ("direction", word()),
        ("action", [word(), vec![json!("sell")]].concat()),
        ("limit_price", share()),
        ("buy_price", share()),
        ("max_price", share()),
        ("min_price", share()),
        ("price_terms", word()),
        ("size", count()),
        ("size_unit", word()),
        ("suggested_size", count()),
        ("tif", [word(), vec![json!("day")]].concat()),
        ("model_prob", share()),
        ("probability", share()),
        ("market_prob", share()),
        ("edge_pct", [number(), vec![json!(10_000.5), json!(-10_001)]].concat()),
        ("game_id", [text(), vec![json!("x".repeat(129)), json!("a\u{0}")]].concat()),
        ("event_id", text()),
        ("sport", word()),
        ("market_type", vec![json!(true), json!(5), json!(["crypto"]), json!({"type": 5}), json!({"type": "crypto", "asset": 5})]),
        ("team", word()),
        ("entity", word()),
        ("created_at", word()),
        ("timestamp", word()),
        ("expires_at", word()),
        ("ttl_ms", [number(), vec![json!(-1)]].concat()),
        ("yes_bid", share()),
        ("yes_ask", share()),
        ("price_ts", word()),
        ("liquidity_available", count()),
        ("arb_id", word()),
        ("legs", vec![json!("x"), json!(2), json!({"venue": "kalshi"})]),
        ("leg_policy", word()),
    ]
}

#[test]
fn a_wrong_type_or_range_is_refused_by_the_field_s_name() {
    for (name, values) in wrong_values() {
        for value in values {
            let refused = rejection(json!({name: value}));
            assert!(
                refused.error.contains(&format!("`{name}`")) || refused.error.contains("`type`") || refused.error.contains("`asset`"),
                "{name} = {value}: {}",
                refused.error
            );
            assert_eq!(refused.signal_id.as_ref().map(SignalId::as_str), Some("s-1"), "{name} = {value}");
        }
    }
}

#[test]
fn null_is_the_same_as_absent_for_every_field() {
    let plain = read(&base()).expect("plain");
    let Parsed::Signal { signal: plain, .. } = plain else { panic!("hold") };
    for (name, _) in wrong_values() {
        if base().get(name).is_some() {
            continue;
        }
        let mut message = base();
        message.as_object_mut().expect("map").insert(name.to_owned(), Json::Null);
        let Ok(Parsed::Signal { signal, .. }) = read(&message) else { panic!("{name}") };
        assert_eq!(signal, plain, "{name}");
    }
}

#[test]
fn the_envelope_is_taken_off() {
    let wrapped = json!({"seq": 5, "timestamp_ms": 1_769_562_842_530_u64, "source": "game_shard", "payload": base()});
    assert_eq!(read(&wrapped), read(&base()));
    // A bare signal that happens to carry a payload is itself the signal.
    let own = signal_and_warnings(json!({"payload": {"x": 1}}));
    assert_eq!((own.0.signal_id.as_str(), own.1), ("s-1", vec![Warning::UnknownFields]));
    for payload in [json!("text"), json!(5), json!([base()])] {
        let raw = json!({"seq": 5, "payload": payload}).to_string();
        let refused = parse("signals.kalshi", raw.as_bytes(), at()).expect_err("payload");
        assert!(refused.error.contains("`payload` must be a map"), "{}", refused.error);
    }
    assert!(read(&json!({"seq": 5, "payload": {}})).expect_err("empty").error.contains("`signal_id` is missing"));
}

#[test]
fn the_content_is_the_same_however_it_is_written() {
    let hash = |text: &str| match parse("signals.kalshi", text.as_bytes(), at()) {
        Ok(Parsed::Signal { content_hash, .. }) => content_hash,
        other => panic!("{other:?}"),
    };
    let plain = hash(r#"{"signal_id": "a", "size": 15, "note": "x"}"#);
    assert_eq!(plain, hash(r#"{ "note":"\u0078","size":1.5e1,"signal_id":"a" }"#));
    assert_eq!(plain, hash(r#"{"seq": 9, "payload": {"signal_id": "a", "size": 15.0, "note": "x"}}"#));
    assert_ne!(plain, hash(r#"{"signal_id": "a", "size": 15, "note": "y"}"#));
    assert_ne!(plain, hash(r#"{"signal_id": "a", "size": 15, "note": "x", "more": null}"#));
}

#[test]
fn unknown_fields_are_kept_aside_up_to_a_bound() {
    let (signal, warnings) = signal_and_warnings(json!({"volatility_factor": 1.2, "deep": {"a": [1, null]}, "reason": ""}));
    assert_eq!(warnings, [Warning::UnknownFields]);
    assert_eq!(signal.notes.get("volatility_factor").map(|text| &**text), Some("1.2"));
    assert_eq!(signal.notes.get("deep").map(|text| &**text), Some("{a: [1, null]}"));
    assert_eq!(signal_and_warnings(json!({"reason": "r", "source": "s", "signal_type": "t"})).1, []);
    let long = "é".repeat(400);
    let (signal, _) = signal_and_warnings(json!({"a": long, "b": long, "c": long, "d": long, "e": long, "f": long}));
    let bytes: usize = signal.notes.iter().map(|(name, text)| name.len() + text.len()).sum();
    assert!(bytes <= 1_024 && signal.notes.len() == 3, "{bytes}");
    let (signal, _) = signal_and_warnings(json!({"x".repeat(500): 1}));
    assert_eq!(signal.notes.keys().next().map(|name| name.len()), Some(64));
}

/// A message of exactly this many bytes.
fn json_of(bytes: usize) -> Vec<u8> {
    let head = br#"{"signal_id": "big", "reason": ""#;
    [&head[..], &vec![b'x'; bytes - head.len() - 2], b"\"}"].concat()
}

#[test]
fn sixty_four_kibibytes_are_read_and_one_byte_more_is_not() {
    assert_eq!(json_of(SIGNAL_BYTES_MAX).len(), 65_536);
    assert!(parse("signals.kalshi", &json_of(SIGNAL_BYTES_MAX), at()).is_ok());
    let refused = parse("signals.kalshi", &json_of(SIGNAL_BYTES_MAX + 1), at()).expect_err("too long");
    assert!(refused.signal_id.is_none() && refused.error.contains("65537 bytes"), "{}", refused.error);
    let pack = |letters: usize| rmp_serde::to_vec_named(&json!({"signal_id": "big", "reason": "x".repeat(letters)})).expect("pack");
    let spare = SIGNAL_BYTES_MAX - pack(60_000).len();
    assert!(parse("signals.kalshi", &pack(60_000 + spare), at()).is_ok());
    assert!(parse("signals.kalshi", &pack(60_001 + spare), at()).expect_err("too long").error.contains("65537 bytes"));
}

#[test]
fn thirty_two_levels_are_read_and_one_more_is_not() {
    // The message itself is the first level.
    let nested = |levels: usize, open: &str, close: &str| {
        let inner = format!("{}1{}", open.repeat(levels - 1), close.repeat(levels - 1));
        let text = format!(r#"{{"signal_id": "deep", "note": {inner}}}"#);
        let value: Json = serde_json::from_str(&text).expect("json");
        (text.into_bytes(), rmp_serde::to_vec_named(&value).expect("pack"))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let (json, packed) = nested(DEPTH_MAX, open, close);
        assert_eq!(parse("signals.kalshi", &json, at()), parse("signals.kalshi", &packed, at()));
        assert!(parse("signals.kalshi", &json, at()).is_ok());
        let (json, packed) = nested(DEPTH_MAX + 1, open, close);
        assert!(parse("signals.kalshi", &json, at()).expect_err("json").error.contains("nested deeper than 32"));
        assert!(parse("signals.kalshi", &packed, at()).expect_err("msgpack").error.contains("depth"), "{open}");
    }
    // Brackets inside text are text.
    let flat = json!({"signal_id": "flat", "reason": "[{\"".repeat(100)});
    assert!(read(&flat).is_ok());
}

#[test]
fn poison_is_refused_with_its_raw_hash_and_no_name() {
    let cases: [&[u8]; 16] = [
        b"",
        b"   ",
        b"null",
        b"\"text\"",
        b"[1]",
        b"{\"signal_id\": \"a\", \"model_prob\": NaN}",
        b"{\"signal_id\": \"a\", \"model_prob\": Infinity}",
        b"{\"signal_id\": \"a\"} {}",
        b"{\"signal_id\": \"a\", \"signal_id\": \"b\"}",
        b"{\"signal_id\": \"\xff\"}",
        b"\xef\xbb\xbf{\"signal_id\": \"a\"}",
        b"\x81\x01\xa1a",
        b"\x81\xa9signal_id\xc4\x01a",
        b"\x81\xa1p\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\xdf\xff\xff\xff\xff",
    ];
    for raw in cases {
        let refused = parse("signals.kalshi", raw, at()).expect_err(&String::from_utf8_lossy(raw));
        assert_eq!((refused.signal_id, refused.reason), (None, None));
        assert_eq!(refused.content_hash, crate::domain::ids::sha256(&[b"raw", raw]));
    }
}

#[test]
fn no_cut_and_no_flipped_byte_makes_the_reader_panic() {
    let message = json!({"seq": 1, "payload": with(json!({"legs": [{"a": 1}], "market_type": {"type": "crypto"}}))});
    for raw in [serde_json::to_vec(&message).expect("json"), rmp_serde::to_vec_named(&message).expect("pack")] {
        assert!(parse("signals.kalshi", &raw, at()).is_ok());
        for end in 0..raw.len() {
            assert!(parse("signals.kalshi", &raw[..end], at()).is_err(), "cut at {end}");
        }
        for at_byte in 0..raw.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut other = raw.clone();
                other[at_byte] ^= flip;
                // Another value is fine; a panic is not.
                drop(parse("signals.kalshi", &other, at()));
            }
        }
    }
}
