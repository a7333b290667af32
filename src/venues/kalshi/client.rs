//! One request and its answer: budget, headers, timeouts, the venue's clock. Nothing is sent twice, but for a request
//! (never an order) that the venue refused for its timestamp before it looked at it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use super::super::clock_skew::{ClockSkew, SkewBounds, listen};
pub use super::super::http::ClientError;
use super::super::http::{self, retry_after_ms, unanswered, whole};
use super::super::hush::hush;
use super::super::onlooker::{Exchanged, Onlooker};
use super::super::standing::Standing;
use super::address::{ApiAddress, query as written};
use super::auth::{Haste, KeyId, SignedHeaders, Signer, keep_ready};
use super::key::{KeyError, SigningKey};
use super::rate::{BASIC, Budget, CostTable, Lane};
use super::wire::error::Refusal;
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::time::Now;

/// An order that would wait longer for its tokens goes back: the signal may be stale by then, which others judge.
const ORDER_WAIT_MS_MAX: u64 = 250;
pub const ORDERS_PATH: &str = "/portfolio/events/orders";

#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub api: ApiAddress,
    pub connect_timeout_ms: u64,
    pub request_timeout_ms: u64,
    /// `None`: what the venue takes for a key without one.
    pub subaccount: Option<u32>,
}

impl ClientSettings {
    pub fn new(api: ApiAddress) -> Self {
        Self { api, connect_timeout_ms: 2_000, request_timeout_ms: 10_000, subaccount: None }
    }
}

/// Why a call brought no answer, by what that proves.
pub type CallError = super::super::call::CallError<Refusal>;

impl From<KeyError> for CallError {
    fn from(error: KeyError) -> Self {
        Self::NotSent { why: error.to_string() }
    }
}

/// One request, ready to be signed.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    /// With `{}` for what varies: what it costs.
    pub pattern: &'static str,
    /// After the base, percent-encoded.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
    pub lane: Lane,
}

impl Ask {
    /// Whether this places an order.
    fn places(&self) -> bool {
        self.method == Method::POST && self.path == ORDERS_PATH
    }

    /// Where a program built for tests dies around an order's request.
    fn points(&self) -> Option<(Point, Point)> {
        match self.lane {
            _ if self.places() => Some((Point::KalshiSubmitBefore, Point::KalshiSubmitAfter)),
            Lane::Cancel(_) => Some((Point::KalshiCancelBefore, Point::KalshiCancelAfter)),
            _ => None,
        }
    }

    pub fn get(pattern: &'static str, path: impl Into<String>) -> Self {
        Self { method: Method::GET, pattern, path: path.into(), query: Vec::new(), body: None, lane: Lane::Read }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

pub struct Client {
    http: reqwest::Client,
    pub(super) settings: ClientSettings,
    signer: Arc<Signer>,
    budget: Budget,
    costs: Mutex<CostTable>,
    skew: Mutex<ClockSkew>,
    standing: Standing,
    onlooker: Onlooker,
    clock: Clock,
}

impl Client {
    /// Starts the task that keeps order headers ready, so it must be called inside a runtime.
    pub fn new(settings: ClientSettings, key_id: KeyId, key: SigningKey, clock: Clock) -> Result<Self, ClientError> {
        let http = http::client(settings.api.is_plain(), settings.connect_timeout_ms, settings.request_timeout_ms)?;
        let order_path = settings.api.join(ORDERS_PATH, "").path().to_owned();
        let signer = Arc::new(Signer::new(key_id, key, clock.clone(), order_path));
        tokio::spawn(keep_ready(Arc::downgrade(&signer)));
        Ok(Self {
            http,
            settings,
            signer,
            budget: Budget::new(clock.clone(), BASIC),
            costs: Mutex::default(),
            skew: Mutex::default(),
            standing: Standing::default(),
            onlooker: Onlooker::default(),
            clock,
        })
    }

    pub fn signer(&self) -> &Arc<Signer> {
        &self.signer
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    pub fn onlooker(&self) -> &Onlooker {
        &self.onlooker
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn skew(&self) -> Option<SkewBounds> {
        self.skew.lock().unwrap_or_else(PoisonError::into_inner).bounds()
    }

    pub fn set_costs(&self, costs: CostTable) {
        *self.costs.lock().unwrap_or_else(PoisonError::into_inner) = costs;
    }

    /// Sends and reads the answer as JSON.
    pub async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, CallError> {
        let body = self.send(ask).await?;
        serde_json::from_slice(&body)
            .map_err(|error| CallError::Unclear { why: format!("{} {}: answer cannot be read: {error}", ask.method, ask.pattern) })
    }

    /// Sends; the body of a successful answer, whatever it is. What was refused for its timestamp is signed anew once, but
    /// no order: each attempt at one is on record before it leaves.
    pub async fn send(&self, ask: &Ask) -> Result<Bytes, CallError> {
        match self.once(ask).await {
            Err(CallError::Refused { refusal, .. }) if refusal.is_stale_signature() && !ask.places() => self.once(ask).await,
            other => other,
        }
    }

    async fn once(&self, ask: &Ask) -> Result<Bytes, CallError> {
        let wished = self.clock.now().mono;
        let cost = self.costs.lock().unwrap_or_else(PoisonError::into_inner).cost(ask.method.as_str(), ask.pattern);
        if ask.places() {
            let within = Duration::from_millis(ORDER_WAIT_MS_MAX);
            self.budget.take_within(ask.lane, cost, within).await.map_err(|retry_after_ms| CallError::Budget { retry_after_ms })?;
        } else {
            self.budget.take(ask.lane, cost).await;
        }
        let request = self.request(ask)?;
        let sent = self.clock.now();
        self.last_look(ask)?;
        let done = self.exchange(ask, request, sent).await;
        let moments = [wished, sent.mono, self.clock.now().mono];
        self.onlooker.saw(&Exchanged::new((&ask.method, ask.pattern), ask.places(), &done, moments));
        done
    }

    /// The request at the socket, and what comes back.
    async fn exchange(&self, ask: &Ask, request: reqwest::Request, sent: Now) -> Result<Bytes, CallError> {
        let response = self.http.execute(request).await.map_err(|error| unanswered(&format!("{} {}", ask.method, ask.pattern), &error))?;
        listen(&self.skew, &self.standing, sent, self.clock.now(), response.headers());
        let status = response.status().as_u16();
        let retry_after_ms = response.headers().get(RETRY_AFTER).and_then(retry_after_ms);
        let body = whole(response)
            .await
            .map_err(|why| CallError::Unclear { why: format!("{} {}: HTTP {status}: {why}", ask.method, ask.pattern) });
        if let Some((_, after)) = ask.points() {
            reach(after);
        }
        if status == 429 {
            let retry_after_ms = Some(self.budget.refused(ask.lane, retry_after_ms));
            return Err(CallError::Refused { refusal: self.refusal(status, &body.unwrap_or_default()), retry_after_ms });
        }
        self.budget.accepted(ask.lane);
        let body = body?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let refusal = self.refusal(status, &body);
        self.judge(ask, &refusal);
        Err(CallError::Refused { refusal, retry_after_ms: None })
    }

    /// What the venue says against it, without our key's id where it repeats that.
    pub(super) fn refusal(&self, status: u16, body: &[u8]) -> Refusal {
        Refusal::read(status, &hush(body, &[self.signer.key_id().as_str()]))
    }

    /// Between a worker's decision to send and the socket lies the wait for tokens, and whatever stopped this process
    /// meanwhile: who may not trade any more sends nothing.
    fn last_look(&self, ask: &Ask) -> Result<(), CallError> {
        if let Some((before, _)) = ask.points() {
            reach(before);
        }
        match ask.lane {
            Lane::Read => Ok(()),
            Lane::Write(_) | Lane::Cancel(_) => self.standing.may_trade().map_err(|why| CallError::NotSent { why }),
        }
    }

    /// A request as it goes over the wire.
    pub fn request(&self, ask: &Ask) -> Result<reqwest::Request, CallError> {
        let url: Url = self.settings.api.join(&ask.path, &written(&ask.query));
        let signed = match (&ask.method, ask.lane) {
            _ if ask.places() => self.signer.for_order()?,
            (&Method::DELETE, Lane::Cancel(_)) => self.signer.for_cancel(url.path())?,
            (method, _) => self.signer.sign(method.as_str(), url.path(), Haste::Cold)?,
        };
        let mut request = reqwest::Request::new(ask.method.clone(), url);
        put_headers(request.headers_mut(), signed);
        if let Some(body) = &ask.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        Ok(request)
    }

    /// What a refusal says about more than its request.
    fn judge(&self, ask: &Ask, refusal: &Refusal) {
        let trades = ask.lane != Lane::Read;
        if !refusal.is_stale_signature() && (refusal.status == 401 || (trades && refusal.is_of_the_key())) {
            self.standing.halt(key_trouble(refusal));
        }
        // FIX names them so (`kalshi.md` §2.2); the next reading of the exchange's status says when it is over.
        if ["exchange_paused", "trading_paused"].iter().any(|code| refusal.is(code)) {
            self.standing.pause(Some(refusal.to_string()));
        }
    }
}

/// One line for a person, with what to do.
pub fn key_trouble(refusal: &Refusal) -> String {
    let hint = match refusal.message.as_str() {
        message if message.contains("INCORRECT_API_KEY_SIGNATURE") => "the private key is not the one of this key id",
        message if message.contains("NOT_FOUND") => "this host does not know the key id; demo and production have keys of their own",
        _ if refusal.status == 403 => "the key lacks the scope write::trade, or may not trade here",
        _ => "the venue refuses the key",
    };
    format!("{hint} ({refusal})")
}

fn put_headers(headers: &mut HeaderMap, signed: SignedHeaders) {
    for (name, value) in signed.pairs() {
        if let Ok(name) = reqwest::header::HeaderName::try_from(name) {
            headers.insert(name, value);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?}, {:?})", self.settings.api, self.signer)
    }
}
