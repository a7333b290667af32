//! One message to the other side over HTTP, and what its answer means.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use super::address::WebhookUrl;
use super::message::{Message, words};
use super::template::{Template, body};
use crate::domain::ids::{Instance, Mode};
use crate::venues::http::{self, ClientError, Unanswered, retry_after_ms};

const CONNECT_MS: u64 = 3_000;
/// A channel that is slower than this is down.
const ANSWER_MS: u64 = 5_000;
/// Of an answer, what a person wants to see of it.
const ANSWER_BYTES_MAX: usize = 2_048;
/// However long the other side wants us to wait.
const WAIT_MS_MAX: i64 = 60_000;

pub struct Channel {
    http: reqwest::Client,
    url: WebhookUrl,
    template: Template,
    mode: Mode,
    instance: Instance,
}

/// What became of one try. No word of it holds a part of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Status and the beginning of the answer.
    Delivered(String),
    /// May work later; after so long, where the other side says it.
    Later { why: String, after_ms: Option<i64> },
    /// Trying again changes nothing.
    Refused(String),
}

impl Channel {
    pub fn new(url: WebhookUrl, template: Template, mode: Mode, instance: Instance) -> Result<Self, ClientError> {
        Ok(Self { http: http::client(url.is_plain(), CONNECT_MS, ANSWER_MS)?, url, template, mode, instance })
    }

    pub async fn send(&self, message: &Message) -> Sent {
        let body = body(&self.template, self.instance.as_str(), self.mode.as_str(), message);
        // The client's own limit ends with the headers in hand; an answer that never ends must end, too.
        let asked = tokio::time::timeout(Duration::from_millis(ANSWER_MS), self.ask(&body));
        asked.await.unwrap_or_else(|_| Sent::Later { why: "timeout: no whole answer".to_owned(), after_ms: None })
    }

    async fn ask(&self, body: &Value) -> Sent {
        let mut response = match self.http.post(self.url.url()).json(body).send().await {
            Ok(response) => response,
            Err(error) => {
                let (Unanswered::NotSent { why } | Unanswered::Unclear { why }) = http::unanswered("notification", &error);
                return Sent::Later { why: self.shown(why.as_bytes()), after_ms: None };
            }
        };
        let (status, after) = (response.status(), response.headers().get(RETRY_AFTER).and_then(retry_after_ms));
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            answer.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - answer.len())]);
        }
        let why = format!("HTTP {}: {}", status.as_u16(), self.shown(&answer));
        if status.is_success() {
            return Sent::Delivered(why);
        }
        let later = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        let after_ms = after.or_else(|| telegram_wait_ms(&answer)).map(|ms| ms.min(WAIT_MS_MAX));
        if later { Sent::Later { why, after_ms } } else { Sent::Refused(why) }
    }

    fn shown(&self, text: &[u8]) -> String {
        words(self.url.hushed(text).trim())
    }
}

/// `{"parameters":{"retry_after":7}}`, in seconds.
fn telegram_wait_ms(answer: &[u8]) -> Option<i64> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer["parameters"]["retry_after"].as_i64().filter(|seconds| *seconds >= 0)?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telegram_says_in_its_answer_how_long_to_wait() {
        assert_eq!(telegram_wait_ms(br#"{"ok":false,"error_code":429,"parameters":{"retry_after":7}}"#), Some(7_000));
        for other in [&b"{}"[..], b"no", br#"{"parameters":{"retry_after":-1}}"#, br#"{"parameters":{"retry_after":0.5}}"#] {
            assert_eq!(telegram_wait_ms(other), None);
        }
    }
}
