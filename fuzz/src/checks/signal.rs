//! Signals: what is read is read again as the same, whatever it was written in.

use arbees::domain::ids::SignalId;
use arbees::domain::market::Outcome;
use arbees::domain::signal::{Intent, Parsed, Signal, Size, parse};
use arbees::domain::time::Time;
use serde_json::{Map, Value, json};

pub fn check(raw: &[u8]) {
    let published_at = Time::from_ms(1_769_562_842_532);
    for subject in ["signals.kalshi", "signals.polymarket", "signals"] {
        let first = parse(subject, raw, published_at);
        assert_eq!(first, parse(subject, raw, published_at), "the same bytes are the same signal");
        match first {
            Ok(Parsed::Signal { signal, .. }) => check_signal(&signal, published_at),
            Ok(Parsed::Hold { .. }) => {}
            Err(rejection) => assert!(!rejection.error.is_empty(), "a rejection says why"),
        }
    }
}

fn check_signal(signal: &Signal, published_at: Time) {
    assert_eq!(SignalId::new(signal.signal_id.as_str()).as_ref(), Ok(&signal.signal_id));
    let bytes = rmp_serde::to_vec_named(signal).expect("a signal encodes");
    assert_eq!(&rmp_serde::from_slice::<Signal>(&bytes).expect("a signal decodes"), signal, "as it stands in the log");
    // Whose price it is, and whether it is half of a pair, is not in the fields that are written below.
    if signal.ambiguous_price || signal.pair || signal.expires_at <= signal.created_at {
        return;
    }
    let subject = format!("signals.{}", signal.venue);
    let text = written(signal).to_string();
    match parse(&subject, text.as_bytes(), published_at) {
        Ok(Parsed::Signal { signal: again, .. }) => assert_eq!(plain(&again), plain(signal), "{text}"),
        other => panic!("{text}: {other:?}"),
    }
}

/// Without what has several spellings.
fn plain(signal: &Signal) -> Signal {
    Signal { sport: None, kind: None, team: None, notes: Default::default(), ..signal.clone() }
}

/// The signal in the names of the contract.
fn written(signal: &Signal) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    let price = if signal.intent == Intent::Open { "limit_price" } else { "min_price" };
    put("signal_id", Some(json!(signal.signal_id.as_str())));
    put("action", Some(json!(signal.intent)));
    put("market_id", signal.market_id.as_ref().map(|id| json!(id.as_str())));
    put("token_id", signal.token_id.as_ref().map(|id| json!(id.as_str())));
    put("side", signal.side.map(|side| json!(if side == Outcome::Yes { "yes" } else { "no" })));
    put(price, signal.limit_price.map(|price| json!(price.to_string())));
    put("tif", signal.tif.map(|tif| json!(tif)));
    put("model_prob", signal.model_prob.map(|value| json!(value.to_string())));
    // Points: a hundredth of an edge.
    put("edge_pct", signal.declared_edge.map(|edge| json!(format!("{}e2", edge))));
    put("yes_bid", signal.quote.bid.map(|price| json!(price.to_string())));
    put("yes_ask", signal.quote.ask.map(|price| json!(price.to_string())));
    put("price_ts", signal.price_ts.map(|time| json!(time.to_string())));
    put("liquidity_available", signal.liquidity.map(|quantity| json!(quantity.to_string())));
    put("game_id", signal.game_id.as_ref().map(|id| json!(id.as_str())));
    put("created_at", Some(json!(signal.created_at.to_string())));
    put("expires_at", Some(json!(signal.expires_at.to_string())));
    match signal.size {
        Some(Size::Contracts(quantity)) => put("size", Some(json!(quantity.to_string()))),
        Some(Size::Usd(usd)) => {
            put("size_unit", Some(json!("usd")));
            put("size", Some(json!(usd.to_string())));
        }
        None => {}
    }
    Value::Object(fields)
}
