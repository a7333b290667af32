//! Who may change something, and how much is done at once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::ApiError;
use super::routes::Failed;
use crate::domain::ids::{Hash, sha256};

/// API requests at once: each may read the log; health and metrics don't count.
const REQUESTS_MAX: usize = 16;
/// A replay of tens of millions of events; anything slower has hung.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A shorter one could be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// What a caller must show to change something. Kept as a hash, so that comparing tells nothing by its time.
#[derive(Clone)]
pub struct Token(Hash);

impl Token {
    /// Errors: shorter than 16 characters.
    pub fn new(secret: &SecretString) -> Result<Self, String> {
        let text = secret.expose_secret().trim();
        if text.len() < TOKEN_CHARS_MIN {
            return Err(format!("the API token has {} characters; at least {TOKEN_CHARS_MIN} are wanted", text.len()));
        }
        Ok(Self(hash_of(text)))
    }

    fn admits(&self, shown: &str) -> bool {
        hash_of(shown.trim()) == self.0
    }
}

fn hash_of(text: &str) -> Hash {
    sha256(&[b"arbees api token", text.as_bytes()])
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Lets pass who shows the token; asked before anything of the body is read.
pub async fn authorize(State(token): State<Token>, request: Request, next: Next) -> Result<Response, Failed> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match shown {
        Some((_, shown)) if token.admits(shown) => Ok(next.run(request).await),
        Some(_) => Err(ApiError::Unauthorized("this is not the token of this engine".to_owned()).into()),
        None => {
            Err(ApiError::Unauthorized("this needs `Authorization: Bearer <token>`; the token is in the data folder".to_owned()).into())
        }
    }
}

/// A page of somebody else's site that has its own name point at this machine reads nothing here: names with a dot are
/// refused, addresses, `localhost` and names of one's own network (`engine`) are not.
pub async fn at_home(request: Request, next: Next) -> Result<Response, Failed> {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
    let is_address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    if is_address || !name.contains('.') {
        return Ok(next.run(request).await);
    }
    Err(ApiError::BadRequest("this engine is asked by its address or as localhost, not by a name of the internet".to_owned()).into())
}

#[derive(Clone)]
pub struct Bounds(Arc<Semaphore>);

impl Bounds {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(REQUESTS_MAX)))
    }
}

/// Refuses at once what is too much, and ends what takes too long.
pub async fn bound(State(bounds): State<Bounds>, request: Request, next: Next) -> Result<Response, Failed> {
    let busy = || ApiError::Unavailable(format!("{REQUESTS_MAX} requests are being answered already; try again"));
    let _permit = bounds.0.try_acquire().map_err(|_| busy())?;
    let late = |_| ApiError::Unavailable(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()));
    Ok(tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(late)?)
}
