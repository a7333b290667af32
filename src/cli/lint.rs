//! What the parser makes of a signal: the fields it read, or why it wouldn't.

use serde_json::{Value, json};

use super::input;
use super::render::{Style, harmless};
use crate::domain::market::Venue;
use crate::domain::signal::{Parsed, Signal, Warning, parse};
use crate::domain::time::Time;

/// One message's result as JSON, and whether it is accepted.
pub fn lint(number: usize, message: &[u8], venue: Option<Venue>, now: Time) -> (Value, bool) {
    // Without a venue in either place the parser says so itself.
    let subject = match venue.or_else(|| input::venue_of(message)) {
        Some(venue) => format!("signals.{venue}"),
        None => "signals".to_owned(),
    };
    match parse(&subject, message, now) {
        Ok(Parsed::Signal { signal, content_hash, warnings }) => {
            let mut notes: Vec<&str> = warnings.iter().map(|warning| words(*warning)).collect();
            notes.extend(by_now(&signal, now));
            let value = json!({
                "message": number, "subject": subject, "result": "signal", "signal_id": signal.signal_id,
                "content_hash": content_hash, "signal": fields(&signal), "warnings": notes,
            });
            (value, true)
        }
        Ok(Parsed::Hold { signal_id }) => {
            (json!({ "message": number, "subject": subject, "result": "hold", "signal_id": signal_id }), true)
        }
        Err(rejection) => {
            let value = json!({
                "message": number, "subject": subject, "result": "rejected", "signal_id": rejection.signal_id,
                "reason": rejection.reason, "error": rejection.error,
            });
            (value, false)
        }
    }
}

fn words(warning: Warning) -> &'static str {
    match warning {
        Warning::NaiveTime => "a time without a zone was taken as UTC",
        Warning::NoCreatedAt => "no created_at: the time of its arrival counts",
        Warning::UnknownFields => "names we don't know are kept as notes",
    }
}

fn by_now(signal: &Signal, now: Time) -> Option<&'static str> {
    (signal.expires_at <= now).then_some("its life is over by now: it would be vetoed `expired`")
}

/// The signal as read; the edge in percentage points, as signals write it.
fn fields(signal: &Signal) -> Value {
    let mut value = serde_json::to_value(signal).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("declared_edge");
        fields.remove("signal_id");
        fields.insert("edge_pct".to_owned(), signal.declared_edge.map_or(Value::Null, |edge| Value::String(edge.points())));
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// For people: a line for the verdict, one for each field and warning.
pub fn text(result: &Value, style: Style) -> String {
    let id = result["signal_id"].as_str().unwrap_or("without id");
    let head = format!("message {} on {}: {}", result["message"], result["subject"].as_str().unwrap_or("-"), harmless(id));
    let mut text = match result["result"].as_str() {
        Some("rejected") => {
            let reason = result["reason"].as_str().map_or(String::new(), |reason| format!("{reason}: "));
            let error = harmless(result["error"].as_str().unwrap_or("-"));
            format!("{head} {}\n  {reason}{error}\n", style.bad("rejected"))
        }
        Some("hold") => format!("{head} {}\n", style.good("hold: ignored")),
        _ => format!("{head} {}\n", style.good("understood")),
    };
    for (name, value) in result["signal"].as_object().into_iter().flatten() {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("  {name:<16} {}\n", harmless(&shown)));
    }
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("  note: {warning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        Time::parse("2026-01-28T01:14:03Z").expect("time").0
    }

    #[test]
    fn aliases_and_edges_are_shown_as_they_were_understood() {
        let raw = br#"{"request_id": "s-1", "platform": "kalshi", "market_id": "KX-1", "direction": "BUY", "buy_price": 0.5234567, "edge_pct": 15, "mood": "good", "created_at": "2026-01-28T01:14:02"}"#;
        let (result, accepted) = lint(1, raw, None, now());
        assert!(accepted);
        let signal = &result["signal"];
        assert_eq!((&signal["side"], &signal["limit_price"], &signal["edge_pct"]), (&json!("yes"), &json!("0.523456"), &json!("15")));
        assert_eq!((&result["subject"], &result["warnings"].as_array().map(Vec::len)), (&json!("signals.kalshi"), &Some(2)));
        let text = text(&result, Style::PLAIN);
        assert!(text.contains("understood") && text.contains("limit_price      0.523456") && text.contains("taken as UTC"), "{text}");
    }

    #[test]
    fn a_rejection_names_field_value_and_rule() {
        let (result, accepted) = lint(2, br#"{"signal_id": "s-1", "token_id": 71321}"#, Some(Venue::Polymarket), now());
        assert!(!accepted);
        assert_eq!(result["reason"], "token_id_not_string");
        assert!(text(&result, Style::PLAIN).contains("token_id_not_string: `token_id`"), "{}", text(&result, Style::PLAIN));
        let (without, accepted) = lint(3, br#"{"signal_id": "s-1"}"#, None, now());
        assert!(!accepted && without["error"].as_str().is_some_and(|error| error.contains("kalshi, polymarket or paper")), "{without}");
    }

    #[test]
    fn an_old_signal_is_said_to_be_old() {
        let raw = br#"{"signal_id": "s-1", "venue": "kalshi", "created_at": "2026-01-27T01:14:02Z"}"#;
        let (result, _) = lint(1, raw, None, now());
        assert!(result["warnings"].to_string().contains("expired"), "{result}");
    }
}
