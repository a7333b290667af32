//! What leaves a double: the reply, or what a fault puts in its place.

use axum::body::{Body as HttpBody, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::faults::Deliver;
use super::line::Line;
use crate::domain::time::Time;

/// What leaves, before faults touch it.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    /// For the log of requests.
    pub code: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

/// Sends a reply, or what shall leave instead. `hang` resolves when the venue ends; `date` is the wrong one to say.
pub async fn deliver(
    reply: Reply,
    instead: Option<Deliver>,
    line: &Line,
    hang: impl Future<Output = ()>,
    date: Option<Time>,
) -> Response<HttpBody> {
    let headers = reply.headers.clone();
    let mut response = match instead {
        None => text_reply(reply.status, "application/json", reply.body, date),
        Some(Deliver::Text { status, content_type, body }) => {
            text_reply(status.unwrap_or(reply.status), content_type, body.unwrap_or(reply.body), date)
        }
        Some(Deliver::Empty) => text_reply(reply.status, "application/json", String::new(), date),
        Some(Deliver::Truncated) => truncated(reply),
        Some(Deliver::Reset) => {
            line.cut();
            text_reply(500, "text/plain", String::new(), None)
        }
        Some(Deliver::Hang) => {
            hang.await;
            line.cut();
            text_reply(500, "text/plain", String::new(), None)
        }
    };
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

pub fn text_reply(status: u16, content_type: &'static str, body: String, date: Option<Time>) -> Response<HttpBody> {
    let has_body = status != 204;
    let mut response = Response::new(if has_body { HttpBody::from(body) } else { HttpBody::empty() });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let stamp = date.and_then(|date| jiff::Timestamp::from_nanosecond(i128::from(date.nanos())).ok());
    let text = stamp.and_then(|stamp| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&stamp).ok());
    if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::DATE, value);
    }
    response
}

/// Half of the body under the length of the whole, and then the connection breaks.
fn truncated(reply: Reply) -> Response<HttpBody> {
    let length = reply.body.len();
    let half = Bytes::copy_from_slice(&reply.body.as_bytes()[..length / 2]);
    let parts = [Ok(half), Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))];
    let mut response = Response::new(HttpBody::from_stream(futures::stream::iter(parts)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
