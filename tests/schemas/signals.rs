//! The signal's schema and the signal's reader agree on every field.

use arbees::domain::market::Venue;
use arbees::domain::signal::{Parsed, Rejection, parse};
use arbees::domain::time::Time;
use serde_json::{Value, json};

use super::{examples, must_hold, parse_example, schema, validator};

fn read(subject: &str, raw: &[u8]) -> Result<Parsed, Rejection> {
    parse(subject, raw, super::samples::time())
}

/// The subject the message would be sent to: of the venue it names, else Kalshi's.
fn subject(value: &Value) -> String {
    let payload = value.get("payload").unwrap_or(value);
    let named = ["venue", "platform_buy", "platform"].iter().find_map(|name| Venue::parse(payload.get(*name)?.as_str()?.trim()));
    format!("signals.{}", named.unwrap_or(Venue::Kalshi))
}

#[test]
fn valid_examples_are_taken_and_invalid_ones_refused_by_both() {
    let validator = validator("signal");
    for file in examples("signal", "valid") {
        let value = parse_example(&file);
        must_hold(&validator, &value, &file.0);
        read(&subject(&value), &file.1).unwrap_or_else(|error| panic!("{}: {error}", file.0));
    }
    for file in examples("signal", "invalid") {
        let value = parse_example(&file);
        assert!(!validator.is_valid(&value), "{}: the schema takes it", file.0);
        assert!(read(&subject(&value), &file.1).is_err(), "{}: the reader takes it", file.0);
    }
}

/// Values of every shape a sender could put into a field.
fn probes() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(2),
        json!(-1),
        json!(0.5),
        json!(1.5),
        json!(10_001),
        json!(1e9),
        json!(1e15),
        json!(""),
        json!(" "),
        json!("x"),
        json!("X y"),
        json!("0.5"),
        json!(" 1 "),
        json!(".5e0"),
        json!("1,5"),
        json!("0x1"),
        json!("NaN"),
        json!("yes"),
        json!("YES"),
        json!("Sell"),
        json!("buy"),
        json!("hold"),
        json!("Open"),
        json!("close"),
        json!("kalshi"),
        json!(" Kalshi "),
        json!("polymarket"),
        json!("usd"),
        json!("Ioc"),
        json!("side"),
        json!("2026-01-28T01:14:02.532Z"),
        json!("2026-01-28 01:14:02"),
        json!("2026-01-28T01:14:02.5+01:00"),
        json!("2026-01-28"),
        json!("2026-13-28T01:14:02Z"),
        json!("2026-01-28T25:14:02Z"),
        json!("a\u{0}b"),
        json!("é"),
        json!("1".repeat(78)),
        json!("1".repeat(129)),
        json!([]),
        json!(["x"]),
        json!([{"venue": "kalshi"}]),
        json!({}),
        json!({"x": 1}),
        json!({"type": "crypto", "asset": "SOL"}),
        json!({"type": 5}),
    ]
}

#[test]
fn schema_and_reader_agree_on_every_field_and_every_shape() {
    let validator = validator("signal");
    let fields = schema("signal")["$defs"]["trade"]["properties"].as_object().expect("map").clone();
    assert!(fields.len() > 40, "{}", fields.len());
    for (name, field) in &fields {
        // Bounds of numbers sent as text are beyond a schema: the reader alone keeps them.
        let numeric = field["anyOf"][0]["type"] == "number";
        let beyond = |probe: &Value| numeric && probe.as_str().is_some_and(|text| text.len() > 36);
        for probe in probes().into_iter().filter(|probe| !beyond(probe)) {
            let mut message = json!({"signal_id": "s", "market_id": "M-1"});
            message[name] = probe.clone();
            // The subject is chosen so that only the field itself can be wrong.
            let taken = read(&subject(&message), message.to_string().as_bytes());
            let valid = validator.is_valid(&message);
            assert_eq!(taken.is_ok(), valid, "`{name}` = {probe}: reader {taken:?}, schema {valid}");
            let wrapped = json!({"seq": 1, "payload": message});
            if !message["signal_id"].is_null() {
                assert_eq!(validator.is_valid(&wrapped), valid, "`{name}` = {probe} in an envelope");
            }
        }
    }
}

#[test]
fn schema_and_reader_agree_on_contradicting_sides() {
    let validator = validator("signal");
    for side in ["yes", "no", "buy_no", "", "hold"] {
        for direction in ["buy", "LONG", "yes", "sell", "short", "No", "hold", " "] {
            let message = json!({"signal_id": "s", "side": side, "direction": direction});
            let taken = read("signals.kalshi", message.to_string().as_bytes());
            assert_eq!(taken.is_ok(), validator.is_valid(&message), "{message}: {taken:?}");
        }
    }
}

/// `SIGNALS_FILE`, or the shared collection beside the repository.
fn collection() -> Option<String> {
    let named = std::env::var_os("SIGNALS_FILE").map(std::path::PathBuf::from);
    let usual = || {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|above| above.join("shared/signals/signals.jsonl")).find(|path| path.is_file())
    };
    let path = named.or_else(usual)?;
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn the_schema_takes_every_collected_signal_that_is_not_rejected() {
    let Some(rows) = collection() else {
        eprintln!(
            "SKIPPED: no shared/signals/signals.jsonl above this folder and SIGNALS_FILE is not set: collected signals were not checked"
        );
        return;
    };
    let validator = validator("signal");
    let mut taken = 0;
    for row in rows.lines().filter(|line| !line.trim().is_empty()) {
        let row: Value = serde_json::from_str(row).expect("row");
        let (number, answer, raw) = (&row["n"], row["answer"].as_str().expect("answer"), row["raw"].as_str().expect("raw"));
        let at = Time::parse(row["at"].as_str().expect("at")).expect("at").0;
        let read = parse(row["subject"].as_str().expect("subject"), raw.as_bytes(), at);
        if answer == "rejected" {
            continue;
        }
        let value: Value = serde_json::from_str(raw).unwrap_or_else(|error| panic!("row {number}: {error}"));
        must_hold(&validator, &value, &format!("row {number}"));
        assert_eq!(matches!(read, Ok(Parsed::Hold { .. })), answer == "ignored", "row {number}: {read:?}");
        assert!(read.is_ok(), "row {number}: {read:?}");
        taken += 1;
    }
    assert!(taken > 0, "the collection holds no row that is taken");
}
