//! Settings and signals that are refused before anything runs, each with one clear line.

use std::fs;

use crate::arbees::Place;
use crate::strategy::{open, with};
use serde_json::json;

#[test]
fn s75_a_wrong_setting_refuses_the_start_with_one_line_that_names_it() {
    for (name, value, words) in [
        ("MAX_GAME_EXPOSUR", "100", "MAX_GAME_EXPOSURE"),
        ("RISK_NONSENSE", "1", "RISK_NONSENSE"),
        ("MAX_ORDER_SIZE", "a lot", "MAX_ORDER_SIZE"),
        ("MIN_EDGE_PCT", "101", "MIN_EDGE_PCT"),
        ("MAX_ORDERS_PER_MINUTE", "0", "MAX_ORDERS_PER_MINUTE"),
        ("HTTP_ADDR", "localhost", "HTTP_ADDR"),
        ("NATS_URL", "http://127.0.0.1", "NATS_URL"),
        ("INSTANCE", "Main Engine", "INSTANCE"),
        ("PAPER_TRADING", "0", "LIVE_TRADING_AUTHORIZED"),
        ("TRADING_MODE", "papier", "TRADING_MODE"),
    ] {
        let place = Place::new("embedded").with(name, value);
        for command in [&["run"][..], &["config", "check"]] {
            let said = place.say(command);
            assert_eq!(said.code, 2, "{name}={value} {command:?}: {said:?}");
            assert!(said.err.contains(words), "{name}={value}: {said:?}");
            assert_eq!(said.err.lines().count(), 1, "{name}={value}: {said:?}");
        }
        assert!(!place.mode_dir().exists(), "{name}={value}: nothing was begun");
    }
}

#[test]
fn live_trading_needs_both_switches_an_account_and_a_bus_that_others_see() {
    let place = Place::new("embedded").with("TRADING_MODE", "live");
    let said = place.say(&["run"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("PAPER_TRADING=0 and LIVE_TRADING_AUTHORIZED=true"), "{said:?}");
    let place = place.with("PAPER_TRADING", "0").with("LIVE_TRADING_AUTHORIZED", "true");
    let said = place.say(&["run"]);
    assert_eq!((said.code, said.err.lines().count()), (2, 2), "{said:?}");
    assert!(said.err.contains("NATS_URL = embedded in live") && said.err.contains("needs an account"), "{said:?}");
    let key = place.dir.join("kalshi.pem");
    fs::write(&key, "not a key").expect("a file");
    let place = place
        .with("KALSHI_API_KEY_ID", "11111111-2222-3333-4444-555555555555")
        .with("KALSHI_PRIVATE_KEY_PATH", &key.display().to_string())
        .with("NATS_URL", "nats://127.0.0.1:1");
    let said = place.say(&["run"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("kalshi.pem") && said.err.contains("chmod 600"), "{said:?}");
}

#[test]
fn good_settings_are_listed_with_their_source() {
    let place = Place::new("embedded").with("MAX_GAME_EXPOSURE", "123");
    fs::write(place.dir.join(".env"), "MAX_SPORT_EXPOSURE=456\nMAX_GAME_EXPOSURE=9\n").expect(".env");
    let listed = place.json(&["config", "check", "--json"]);
    let of = |name: &str| listed.as_array().expect("list").iter().find(|line| line["name"] == name).expect(name).clone();
    assert_eq!(of("MAX_GAME_EXPOSURE")["value"], "123", "the environment wins");
    assert_eq!(of("MAX_SPORT_EXPOSURE")["value"], "456");
    assert_eq!(of("MAX_DAILY_LOSS")["value"], "500");
    assert!(place.good(&["config", "check"]).contains("settings are good"));
}

#[test]
fn signals_are_linted_without_an_engine() {
    let place = Place::new("embedded");
    let file = |name: &str, text: &str| {
        let path = place.dir.join(name);
        fs::write(&path, text).expect("file");
        path.display().to_string()
    };
    let good = open("good", "KXNBAGAME-26JAN07TORCHA-TOR");
    let good = file("good.json", &with(good, json!({ "venue": "kalshi" })).to_string());
    let bad = file("bad.json", "{\"signal_id\": \"bad\", \"venue\": \"kalshi\", \"side\": 7}");
    let empty = file("empty.json", "");
    let linted = place.json(&["signal", "lint", &good, "--json"]);
    assert_eq!((linted[0]["result"].as_str(), linted[0]["signal_id"].as_str()), (Some("signal"), Some("good")));
    let said = place.say(&["signal", "lint", &bad, "--json"]);
    let linted: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((said.code, linted[0]["result"].as_str()), (1, Some("rejected")), "{said:?}");
    assert_eq!(place.say(&["signal", "lint", &empty]).code, 2);
    assert_eq!(place.say(&["signal", "lint", "/nowhere"]).code, 1);
    assert_eq!(place.say(&["no-such-command"]).code, 2);
    assert!(!place.mode_dir().exists(), "nothing was begun");
}
