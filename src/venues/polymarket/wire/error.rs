//! Refusals in all the shapes they come in: `error`, `errorMsg`, `error_msg`, with or without a code, or the HTML of
//! what stands before the venue.

use std::fmt;

use serde_json::Value;

use crate::venues::call::Refuses;

/// A refusal of the venue: any status that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The venue's own JSON; anything else may come from what stands before it.
    pub typed: bool,
    pub code: Option<String>,
    pub message: String,
    pub retry_after_ms: Option<i64>,
    /// The id that the venue expected (`polymarket.md` §5).
    pub heartbeat_id: Option<String>,
}

const TEXT_MAX: usize = 200;
const RETRY_AFTER_SECONDS_MAX: i64 = 3_600;

impl Refusal {
    pub fn read(status: u16, body: &[u8]) -> Self {
        let bare = |message| Self { status, typed: false, code: None, message, retry_after_ms: None, heartbeat_id: None };
        let top = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(top)) => top,
            Ok(Value::String(word)) => return Self { typed: true, ..bare(excerpt(&word)) },
            _ => return bare(excerpt(&String::from_utf8_lossy(body))),
        };
        let text = |name: &str| match top.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(excerpt(text)),
            Some(Value::Object(inner)) => inner.get("message").and_then(Value::as_str).map(excerpt),
            _ => None,
        };
        let message = ["error", "errorMsg", "error_msg", "message"].into_iter().find_map(text);
        let seconds = top.get("retry_after_seconds").and_then(Value::as_i64).filter(|s| (0..=RETRY_AFTER_SECONDS_MAX).contains(s));
        Self {
            // An object that says nothing may be anybody's.
            typed: message.is_some(),
            code: text("code"),
            retry_after_ms: seconds.map(|seconds| seconds * 1_000),
            heartbeat_id: text("heartbeat_id"),
            ..bare(message.unwrap_or_else(|| excerpt(&String::from_utf8_lossy(body))))
        }
    }
}

impl Refuses for Refusal {
    fn status(&self) -> u16 {
        self.status
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, " {}", self.message) }
    }
}

/// The first line, without control characters.
pub fn excerpt(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_gives_its_message() {
        for body in [
            r#"{"error":"invalid signature"}"#,
            r#"{"errorMsg":"invalid signature","success":false,"orderID":""}"#,
            r#"{"error_msg":"invalid signature"}"#,
            r#"{"error":{"message":"invalid signature"}}"#,
            r#""invalid signature""#,
        ] {
            let refusal = Refusal::read(400, body.as_bytes());
            assert_eq!((refusal.message.as_str(), refusal.typed), ("invalid signature", true), "{body}");
        }
    }

    #[test]
    fn what_is_not_the_venues_json_is_not_typed() {
        for body in ["<html>\n<body>Just a moment...</body></html>", "", "[1]", "{}", "error code: 1015"] {
            assert!(!Refusal::read(403, body.as_bytes()).typed, "{body}");
        }
        assert_eq!(Refusal::read(502, b"<html>\n bad\tgateway").to_string(), "HTTP 502 <html> bad gateway");
    }

    #[test]
    fn waits_and_expected_ids_are_read() {
        let body = r#"{"error":"post-only mode","code":"post_only_mode","retry_after_seconds":79}"#;
        let refusal = Refusal::read(503, body.as_bytes());
        assert_eq!((refusal.code.as_deref(), refusal.retry_after_ms), (Some("post_only_mode"), Some(79_000)));
        let beat = Refusal::read(400, br#"{"error_msg":"Invalid Heartbeat ID","heartbeat_id":"abc"}"#);
        assert_eq!(beat.heartbeat_id.as_deref(), Some("abc"));
    }
}
