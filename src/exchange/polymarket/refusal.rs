//! The venue's error shapes (`polymarket.md` §4): `{"error"}` nearly everywhere.

use serde_json::{Value, json};

/// A reply that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The words, for the admin port and for entries of a batch.
    pub text: String,
    pub body: Value,
    pub retry_after_s: Option<i64>,
}

impl Refusal {
    pub fn new(status: u16, text: &str) -> Self {
        Self { status, text: text.to_owned(), body: json!({ "error": text }), retry_after_s: None }
    }

    /// A 400: the order, or the question, is wrong.
    pub fn bad(text: &str) -> Self {
        Self::new(400, text)
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized/Invalid api key")
    }

    pub fn l1() -> Self {
        Self::new(401, "Invalid L1 Request headers")
    }

    pub fn payload() -> Self {
        Self::bad("Invalid order payload")
    }

    pub fn restarting(retry_after_s: i64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(425, "service not ready") }
    }

    pub fn post_only_mode(retry_after_s: i64) -> Self {
        let text = "post-only mode: only post-only orders and cancels are allowed";
        let body = json!({ "error": text, "code": "post_only_mode", "retry_after_seconds": retry_after_s });
        Self { body, ..Self::new(503, text) }
    }

    pub fn disabled() -> Self {
        Self::new(503, "trading is disabled")
    }

    pub fn too_many_requests(retry_after_s: i64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(429, "rate limit exceeded") }
    }

    /// Of one order: its id stands in the text.
    pub fn order(id: &str, what: &str) -> Self {
        Self::bad(&format!("order {id} is invalid. {what}"))
    }

    pub fn balance(details: &str) -> Self {
        Self::bad(&format!("not enough balance / allowance{details}"))
    }
}
