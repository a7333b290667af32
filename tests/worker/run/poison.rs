//! Messages nobody can understand: answered, kept raw, and never in the way of the next one.

use serde_json::{Value, json};

use crate::arbees::Place;
use crate::strategy::{Strategy, open, with};
use crate::support::NatsServer;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is sent, by name.
fn poisons() -> Vec<(&'static str, Vec<u8>)> {
    let good = open("poison", "KXNBAGAME-26JAN07TORCHA-TOR").to_string();
    let mut broken_text = good.clone().into_bytes();
    let at = good.find("KXNBA").expect("the ticker");
    broken_text[at] = 0xff;
    let deep = format!("{{\"signal_id\":\"deep\",\"notes\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let long = with(open("long", "KXNBAGAME-26JAN07TORCHA-TOR"), json!({ "reason": "x".repeat(100_000) }));
    let numeric = with(open("numeric", "x"), json!({ "market_id": null, "token_id": 12345, "platform": "kalshi" }));
    vec![
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec()),
        ("NaN", good.replace("\"0.50\"", "NaN").into_bytes()),
        ("100 KB", long.to_string().into_bytes()),
        ("500 deep", deep.into_bytes()),
        ("not UTF-8", broken_text),
        ("wrong type", with(open("typed", "M"), json!({ "side": 7 })).to_string().into_bytes()),
        ("numeric token id", numeric.to_string().into_bytes()),
        ("empty", Vec::new()),
        ("no object", b"[1, 2]".to_vec()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s50_poison_is_rejected_and_kept_and_the_next_good_signal_trades() {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;

    for (count, (name, bytes)) in (1..).zip(poisons()) {
        let heard = strategy.heard_count();
        strategy.send_raw("signals.kalshi", bytes.clone()).await;
        let answer = strategy.next_after(heard).await;
        assert_eq!(answer["answer"], "rejected", "{name}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {answer}");
        let letters = place.json(&["dead-letters", "list", "--json"]);
        assert_eq!(letters.as_array().map(Vec::len), Some(count), "{name}: {letters}");
        let id = letters[0]["id"].to_string();
        let letter = place.json(&["dead-letters", "show", &id, "--json"]);
        assert_eq!(letter["raw_bytes"], bytes.len(), "{name}");
        assert_eq!((&letter["subject"], &letter["stream_seq"]), (&json!("signals.kalshi"), &json!(count)), "{name}");
        // The dead-letter tree keeps the beginning of what is longer than a signal may be.
        let kept = letter["raw_hex"].as_str().expect("bytes");
        assert!(hex(&bytes).starts_with(kept) && (kept.len() == 2 * bytes.len() || bytes.len() > 65_536), "{name}: {letter}");
    }

    // Too large for the stream: the publisher is told, the engine never sees it.
    let stream = async_nats::jetstream::new(strategy.client.clone());
    let refused = stream.publish("signals.kalshi", vec![b'x'; 1_000_000].into()).await.expect("sent").await;
    assert!(refused.is_err(), "a megabyte was taken: {refused:?}");
    assert!(strategy.client.publish("signals.kalshi", vec![b'x'; 1_100_000].into()).await.is_err(), "beyond what the server takes");

    let answer = strategy.ask(&open("good", "KXNBAGAME-26JAN07TORCHA-TOR")).await;
    assert_eq!(answer["answer"], "requested", "{answer}");
    let letters = place.json(&["dead-letters", "list", "--json"]);
    let status = place.json(&["status", "--json"]);
    assert_eq!(status["dead_letters"].as_u64(), letters.as_array().map(|list| list.len() as u64));
    assert_eq!(status["rejected_signals"], status["dead_letters"], "each has its event");
    let told = place.json(&["explain", &format!("dl:{}", letters[0]["id"]), "--json"]);
    assert_eq!(told["answer"], "rejected", "{told}");
    assert_eq!(engine.stop(), 0);
    assert_eq!(place.json(&["dead-letters", "list", "--json"]), letters, "they survive the engine");
    let rejected = place.events().iter().filter(|event| event["event"] == "SignalRejected").cloned().collect::<Vec<Value>>();
    assert_eq!(rejected.len(), poisons().len());
}
