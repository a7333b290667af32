//! The window: health, metrics and the local API. Shows and forwards; decides nothing.
//!
//! Reading needs no token, changing anything does. Absent: TLS (the default address is loopback), what the answers say (`Queries`).

/// Who may change something, and how much at once.
mod guard;
/// The page for people, and its news.
mod page;
/// Questions and commands, as both sides of the wire write them.
mod query;
/// The paths.
mod routes;
/// The listener: bounded connections, an end.
mod serve;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;

pub use guard::Token;
pub use query::{AdjustBody, Command, Query};
pub use routes::router;
pub use serve::serve;

use crate::domain::ids::{Instance, LogId, Mode};
use crate::domain::market::Venue;

/// What speaks to the local API: no proxy stands between this machine and itself.
pub fn client() -> reqwest::ClientBuilder {
    // There is one TLS provider in this program; somebody may have named it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// Who answers at this address (`/healthz`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub mode: Mode,
    pub instance: Instance,
    pub log_id: LogId,
    pub version: String,
}

/// Why there is no answer, by what the asker can do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiError {
    /// The question is wrong.
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    NotFound(String),
    /// No token, or another one.
    #[error("{0}")]
    Unauthorized(String),
    /// Understood and not done.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    TooLarge(String),
    /// Later perhaps.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::NotFound(_) => 404,
            Self::Refused(_) => 409,
            Self::TooLarge(_) => 413,
            Self::Internal(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    /// What an answer with this status meant.
    pub fn of_status(status: u16, error: String) -> Self {
        match status {
            401 | 403 => Self::Unauthorized(error),
            404 => Self::NotFound(error),
            409 => Self::Refused(error),
            413 => Self::TooLarge(error),
            400..500 => Self::BadRequest(error),
            502..=504 => Self::Unavailable(error),
            _ => Self::Internal(error),
        }
    }
}

/// Who answers: the running engine, or a reading of its log.
#[async_trait]
pub trait Queries: Send + Sync + 'static {
    fn identity(&self) -> Identity;

    async fn get(&self, query: Query) -> Result<Value, ApiError>;

    /// Returns what was done, in words, once it is durable.
    async fn command(&self, command: Command) -> Result<String, ApiError>;

    /// Whether a signal would be traded now; else all reasons why not.
    async fn readiness(&self) -> Result<(), Vec<String>>;

    /// Takes a signal as if it had come over the bus. Returns where it went.
    async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, ApiError>;

    /// What the page shows, as JSON, again and again while somebody listens. The first value may be empty.
    fn live(&self) -> watch::Receiver<Arc<str>>;

    /// In Prometheus' text format.
    async fn metrics(&self) -> String;
}
