//! What every double's admin port is asked, as JSON; an unknown field is refused rather than ignored.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::money::{Price, Quantity};

/// What was done, or what is wrong with the question.
pub type Done = Result<Value, String>;

/// An empty body asks with every default.
pub fn asked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// `None`: there is no such call; the table of calls is in this file.
pub fn answered(done: Option<Done>, table: &str) -> Response<Body> {
    let (status, body) = match done {
        None => (StatusCode::NOT_FOUND, json!({ "error": format!("no such admin call; the table is in {table}") })),
        Some(Err(error)) => (StatusCode::BAD_REQUEST, json!({ "error": error })),
        Some(Ok(value)) => (StatusCode::OK, value),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrowdBook {
    #[serde(default)]
    pub bids: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub asks: Vec<(Price, Quantity)>,
    #[serde(default)]
    pub keep: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeAsk {
    pub status: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSockets {
    #[serde(default)]
    pub abrupt: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadLag {
    pub ms: i64,
}
