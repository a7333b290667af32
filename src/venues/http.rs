//! What every venue's HTTP is like: no retries, no redirects, time limits, bounded bodies, and what no answer proves.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use thiserror::Error;

/// Load balancers drop idle connections after a minute or so; ours go before, so that no order meets a dying one.
const IDLE_MS_MAX: u64 = 30_000;
const KEEPALIVE_MS: u64 = 15_000;
/// Four times a full page of markets.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const IDLE_CONNECTIONS_MAX: usize = 8;
/// A venue that asks us to wait longer than this is not understood.
const RETRY_AFTER_SECONDS_MAX: i64 = 3_600;

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("the HTTP client cannot be built: {0}")]
    Http(String),
}

/// No answer, by what that proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// No byte left this machine.
    NotSent { why: String },
    /// It may have been processed.
    Unclear { why: String },
}

/// `plain`: every address is on this machine and not encrypted.
pub fn client(plain: bool, connect_timeout_ms: u64, request_timeout_ms: u64) -> Result<reqwest::Client, ClientError> {
    // Another part of the program may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("arbees/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_millis(connect_timeout_ms))
        .timeout(Duration::from_millis(request_timeout_ms))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
        .tcp_keepalive(Duration::from_millis(KEEPALIVE_MS))
        .tcp_nodelay(true);
    if plain {
        // Loopback: no certificates are needed, so none are read.
        let tls = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|error| ClientError::Http(error.to_string()))
}

/// `what`: the request, in words without secrets.
pub fn unanswered(what: &str, error: &reqwest::Error) -> Unanswered {
    let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    let why = cause.map_or_else(|| "no answer".to_owned(), ToString::to_string);
    let why = format!("{what}: {}{why}", if error.is_timeout() { "timeout: " } else { "" });
    if error.is_connect() { Unanswered::NotSent { why } } else { Unanswered::Unclear { why } }
}

/// The whole body of an answer, or why there is none.
pub async fn whole(mut response: reqwest::Response) -> Result<Bytes, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.into()),
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => return Err(format!("more than {BODY_BYTES_MAX} bytes")),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) if error.is_timeout() => return Err("timeout in the middle of the answer".to_owned()),
            Err(_) => return Err("the answer broke off".to_owned()),
        }
    }
}

/// Seconds; dates are sent by neither venue.
pub fn retry_after_ms(value: &HeaderValue) -> Option<i64> {
    let seconds: i64 = value.to_str().ok()?.trim().parse().ok()?;
    (0..=RETRY_AFTER_SECONDS_MAX).contains(&seconds).then_some(seconds * 1_000)
}
