//! Refusals, in all the shapes they come in (`kalshi.md` §1, §2.2, §13.5): nested, flat, a string, `msg`, HTML.

use std::fmt;

use serde_json::Value;

use crate::venues::call::Refuses;

/// A refusal of the venue: any status that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// As sent, but for a trailing uuid.
    pub code: Option<String>,
    pub message: String,
}

const TEXT_MAX: usize = 200;

impl Refusal {
    pub fn read(status: u16, body: &[u8]) -> Self {
        let Ok(Value::Object(top)) = serde_json::from_slice::<Value>(body) else {
            return Self { status, code: None, message: excerpt(&String::from_utf8_lossy(body)) };
        };
        let text = |object: &serde_json::Map<String, Value>, name: &str| match object.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(excerpt(text)),
            Some(Value::Null) | None => None,
            Some(Value::String(_)) => None,
            Some(other) => Some(excerpt(&other.to_string())),
        };
        let inner = match top.get("error") {
            Some(Value::Object(inner)) => inner,
            Some(Value::String(word)) => {
                return Self { status, code: Some(without_uuid(&word.replace(' ', "_"))), message: excerpt(word) };
            }
            _ => &top,
        };
        let code = text(inner, "code").map(|code| without_uuid(&code));
        let words = [text(inner, "message"), text(inner, "details"), text(inner, "msg")];
        let message = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
        let validation = || message.starts_with("Parameter validation failed").then(|| "parameter_validation_failed".to_owned());
        Self { status, code: code.or_else(validation), message }
    }

    /// The code begins with this, in whatever case: some codes carry more behind.
    pub fn is(&self, code: &str) -> bool {
        let ours = self.code.as_deref().unwrap_or_default();
        ours.get(..code.len()).is_some_and(|head| head.eq_ignore_ascii_case(code))
    }

    /// Signed with a time the venue finds too old or too new: nothing was looked at (`kalshi.md` §1).
    pub fn is_stale_signature(&self) -> bool {
        self.status == 401 && self.is("header_timestamp_expired")
    }

    /// The venue refuses our key, not this request.
    pub fn is_of_the_key(&self) -> bool {
        matches!(self.status, 401 | 403)
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
        for part in [self.code.as_deref().unwrap_or_default(), &self.message] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}

fn without_uuid(code: &str) -> String {
    let code = excerpt(code);
    match code.len().checked_sub(36).and_then(|at| code.get(at..)) {
        Some(tail) if uuid::Uuid::try_parse(tail).is_ok() => code[..code.len() - 36].trim_end_matches(['_', '-', ':', ' ']).to_owned(),
        _ => code,
    }
}

fn excerpt(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (Option<String>, String) {
        let refusal = Refusal::read(status, body.as_bytes());
        (refusal.code, refusal.message)
    }

    fn check(status: u16, body: &str, code: &str, message: &str) {
        assert_eq!(read(status, body), ((!code.is_empty()).then(|| code.to_owned()), message.to_owned()), "{body}");
    }

    #[test]
    fn every_shape_gives_its_code() {
        check(
            400,
            r#"{"error":{"code":"invalid_order","message":"invalid order","details":"post only cross"}}"#,
            "invalid_order",
            "invalid order: post only cross",
        );
        check(400, r#"{"code":"bad_request","message":"bad request","details":"json: x"}"#, "bad_request", "bad request: json: x");
        check(429, r#"{"error":"too many requests"}"#, "too_many_requests", "too many requests");
        check(400, r#"{"msg":"Parameter validation failed: limit"}"#, "parameter_validation_failed", "Parameter validation failed: limit");
        check(502, "<html>\n<h1>Bad   Gateway</h1>", "", "<html> <h1>Bad Gateway</h1>");
        check(400, "", "", "");
        check(400, "[1]", "", "[1]");
        check(400, r#"{"error":{"code":null,"message":"m"}}"#, "", "m");
    }

    #[test]
    fn codes_are_matched_by_their_beginning() {
        let body = r#"{"error":{"code":"ORDER_ALREADY_EXISTS-8c35ecb3-328f-4f52-8c7c-0f4b9862f8d1"}}"#;
        let refusal = Refusal::read(409, body.as_bytes());
        assert!(refusal.is("order_already_exists"));
        assert_eq!(refusal.code.as_deref(), Some("ORDER_ALREADY_EXISTS"));
        assert!(!Refusal::read(409, b"{}").is("order_already_exists"));
    }

    #[test]
    fn a_refusal_reads_as_one_short_line() {
        let long = "x ".repeat(5_000);
        let refusal = Refusal::read(500, format!(r#"{{"error":{{"code":"internal","message":"{long}"}}}}"#).as_bytes());
        assert!(refusal.to_string().len() < 250 && !refusal.to_string().contains('\n'));
    }
}
