//! What was asked of the venue, kept for the admin port. Header values stay out: they hold keys and signatures.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::faults::Plan;

/// The newest so many are kept: a bench must not fill the memory.
const KEPT_MAX: usize = 20_000;

#[derive(Clone, Debug)]
pub struct Seen {
    method: String,
    target: String,
    header_names: Vec<String>,
    body: String,
    call: &'static str,
    status: u16,
    code: Option<String>,
    processed: bool,
    /// What left instead of the answer.
    instead: Option<String>,
}

impl Seen {
    pub fn of(parts: &Parts, body: &Bytes) -> Self {
        let mut header_names: Vec<String> = parts.headers.keys().map(|name| name.as_str().to_owned()).collect();
        header_names.sort();
        Self {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            header_names,
            body: String::from_utf8_lossy(body).into_owned(),
            call: "",
            status: 0,
            code: None,
            processed: true,
            instead: None,
        }
    }

    pub fn answered(mut self, call: &'static str, status: u16, code: Option<&str>, plan: &Plan) -> Self {
        (self.call, self.status, self.code) = (call, status, code.map(str::to_owned));
        self.processed = !plan.unprocessed;
        self.instead = plan.deliver.as_ref().map(|deliver| format!("{deliver:?}"));
        self
    }

    fn json(&self, number: u64) -> Value {
        json!({
            "n": number, "call": self.call, "method": self.method, "target": self.target, "headers": self.header_names,
            "body": self.body, "status": self.status, "code": self.code, "processed": self.processed, "instead": self.instead,
        })
    }
}

#[derive(Debug, Default)]
pub struct Requests {
    kept: VecDeque<Seen>,
    /// How many have been forgotten.
    dropped: u64,
}

impl Requests {
    pub fn push(&mut self, seen: Seen) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(seen);
    }

    pub fn json(&self, refused_only: bool) -> Value {
        let numbered = (self.dropped..).zip(&self.kept).filter(|(_, seen)| !refused_only || seen.status >= 400);
        numbered.map(|(number, seen)| seen.json(number)).collect()
    }

    /// How often each order was sent in creates, batches included; `ids` reads a create's body.
    pub fn creates(&self, ids: impl Fn(&Value) -> Vec<String>) -> std::collections::BTreeMap<String, u64> {
        let mut counts = std::collections::BTreeMap::new();
        for seen in self.kept.iter().filter(|seen| matches!(seen.call, "create" | "batch_create")) {
            let body: Value = serde_json::from_str(&seen.body).unwrap_or(Value::Null);
            for id in ids(&body) {
                *counts.entry(id).or_default() += 1;
            }
        }
        counts
    }
}
