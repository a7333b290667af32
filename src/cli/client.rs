//! A running engine, over its local API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::CliError;
use crate::domain::ids::{Instance, Mode};
use crate::domain::market::Venue;
use crate::http::{ApiError, Command, Identity, Query};

/// An engine on this machine answers at once or isn't there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the server gives itself.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(65);
const FIND_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Client {
    base: Url,
    token_path: PathBuf,
    http: reqwest::Client,
}

/// Who is at the address.
#[derive(Debug)]
pub enum Found {
    Engine(Client, Identity),
    /// Another engine; here is who.
    Other(Identity),
    Nobody,
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}

impl Client {
    /// `token_path`: read when something needs the token, not before.
    pub fn new(address: SocketAddr, token_path: PathBuf) -> Result<Self, CliError> {
        // A listener on all addresses is reached on this machine's own.
        let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        let base = format!("http://{}", SocketAddr::new(host, address.port()));
        let base = Url::parse(&base).map_err(failed)?;
        // A proxy has no business between two processes of one machine, least of all with the token.
        let http = crate::http::client().connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT).build().map_err(failed)?;
        Ok(Self { base, token_path, http })
    }

    /// Looks for the engine of this mode and instance at `address`.
    /// Errors: something answers there that is no engine, or not in time.
    pub async fn find(address: SocketAddr, mode: Mode, instance: &Instance, token_path: PathBuf) -> Result<Found, CliError> {
        let client = Self::new(address, token_path)?;
        let response = match client.http.get(client.url("/healthz", &[])?).timeout(FIND_TIMEOUT).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(Found::Nobody),
            Err(error) => return Err(CliError::Failed(format!("what listens at {address} (HTTP_ADDR) doesn't answer: {error}"))),
        };
        let identity: Result<Identity, _> = response.json().await;
        let stranger =
            |_| CliError::Failed(format!("what listens at {address} (HTTP_ADDR) is no arbees engine; free the port or choose another"));
        let identity = identity.map_err(stranger)?;
        let same = identity.mode == mode && identity.instance == *instance;
        Ok(if same { Found::Engine(client, identity) } else { Found::Other(identity) })
    }

    fn url(&self, path: &str, parameters: &[(&str, String)]) -> Result<Url, CliError> {
        let mut url = self.base.join(path).map_err(failed)?;
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        Ok(url)
    }

    fn token(&self) -> Result<SecretString, CliError> {
        let path = self.token_path.display();
        let text = std::fs::read_to_string(&self.token_path)
            .map_err(|error| CliError::Failed(format!("can't read the API token {path}: {error}")))?;
        Ok(SecretString::from(text.trim().to_owned()))
    }

    fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, CliError> {
        Ok(request.bearer_auth(self.token()?.expose_secret()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let response =
            request.send().await.map_err(|error| CliError::Failed(format!("the engine at {} doesn't answer: {error}", self.base)))?;
        let status = response.status().as_u16();
        let value: Value =
            response.json().await.map_err(|error| CliError::Failed(format!("the answer of {} is no JSON: {error}", self.base)))?;
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let error = value["error"].as_str().map_or_else(|| format!("the engine answered {status}"), str::to_owned);
        Err(ApiError::of_status(status, error).into())
    }

    pub async fn query(&self, query: &Query) -> Result<Value, CliError> {
        let (path, parameters) = query.parts();
        let request = self.http.get(self.url(path, &parameters)?);
        self.send(if query.needs_token() { self.authorized(request)? } else { request }).await
    }

    pub async fn command(&self, command: &Command) -> Result<String, CliError> {
        let (path, body) = command.parts();
        let request = self.http.request(Method::POST, self.url(path, &[])?).json(&body);
        let value = self.send(self.authorized(request)?).await?;
        Ok(value["done"].as_str().unwrap_or("done").to_owned())
    }

    pub async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, CliError> {
        let request = self.http.post(self.url(&format!("/api/signal/{venue}"), &[])?).body(bytes);
        self.send(self.authorized(request)?).await
    }
}
