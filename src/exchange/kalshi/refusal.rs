//! The venue's error shapes: nested, flat, a bare message, and the bare string of a 429 (`kalshi.md` §1, §2.2, §6).

use serde_json::json;

/// A reply that says no. What it did to the venue is nothing, unless its maker says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The word for people and the admin port; not every shape carries one.
    pub code: String,
    pub body: String,
}

impl Refusal {
    /// `{"error":{"code","message","details"?}}`, the usual one. The `service` field is gone since August 2026.
    pub fn nested(status: u16, code: &str, details: Option<&str>) -> Self {
        let mut error = json!({ "code": code, "message": code.replace('_', " ") });
        if let Some(details) = details {
            error["details"] = details.into();
        }
        Self { status, code: code.to_owned(), body: json!({ "error": error }).to_string() }
    }

    /// The flat one, for bodies that are not what the call takes.
    pub fn bad_request(details: &str) -> Self {
        let body = json!({ "code": "bad_request", "message": "bad request", "details": details });
        Self { status: 400, code: "bad_request".into(), body: body.to_string() }
    }

    /// The bare message, for query parameters.
    pub fn parameter(call: &str, field: &str, tag: &str) -> Self {
        let key = format!("Key: '{call}Params.{field}' Error:Field validation for '{field}' failed on the '{tag}' tag");
        let body = json!({ "msg": format!("Parameter validation failed for {call}: {key}") });
        Self { status: 400, code: "parameter_validation".into(), body: body.to_string() }
    }

    pub fn too_many_requests() -> Self {
        Self { status: 429, code: "too many requests".into(), body: json!({ "error": "too many requests" }).to_string() }
    }

    /// The four refusals of a signature, as recorded.
    pub fn signature_missing() -> Self {
        let error = json!({ "code": "signature_is_missing_from_headers", "message": "signature is missing from headers" });
        Self { status: 401, code: "signature_is_missing_from_headers".into(), body: json!({ "error": error }).to_string() }
    }

    pub fn timestamp_expired() -> Self {
        Self::nested(401, "header_timestamp_expired", None)
    }

    pub fn authentication(details: &str) -> Self {
        let error = json!({ "code": "authentication_error", "message": "authentication_error", "details": details });
        Self { status: 401, code: format!("authentication_error {details}"), body: json!({ "error": error }).to_string() }
    }

    pub fn not_found() -> Self {
        Self::nested(404, "not_found", None)
    }

    pub fn market_not_found() -> Self {
        Self::nested(404, "market_not_found", None)
    }

    pub fn invalid_order(details: &str) -> Self {
        Self::nested(400, "invalid_order", Some(details))
    }

    /// A 400 of the matching engine that has no details.
    pub fn order(code: &str) -> Self {
        Self::nested(400, code, None)
    }

    /// After close every order operation, cancels included (`kalshi.md` §2.2; its HTTP status is not documented).
    pub fn market_inactive() -> Self {
        Self::nested(400, "MARKET_INACTIVE", None)
    }

    pub fn already_exists() -> Self {
        Self::nested(409, "order_already_exists", None)
    }

    pub fn fill_or_kill() -> Self {
        Self::nested(409, "fill_or_kill_insufficient_resting_volume", None)
    }

    pub fn deprecated_v1() -> Self {
        Self::nested(410, "deprecated_v1_order_endpoint", None)
    }
}
