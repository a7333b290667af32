//! One request and its answer: budget, headers, timeouts, the venue's clock. Nothing is sent twice.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use super::super::address::query as written;
use super::super::clock_skew::{ClockSkew, SkewBounds, learn, listen};
pub use super::super::http::ClientError;
use super::super::http::{self, retry_after_ms, unanswered, whole};
use super::super::hush::hush;
use super::super::onlooker::{Exchanged, Onlooker};
use super::super::standing::Standing;
use super::auth::{RequestSigner, wallet_headers};
use super::contracts::Chain;
use super::credentials::ApiCredentials;
use super::errors::{self, CLOSED_ONLY, Class};
use super::hosts::{HttpBase, WsBase};
use super::order::OrderSigner;
use super::rate::{Budget, Lane, Shelf};
use super::wire::error::Refusal;
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::domain::report::VenueMode;
use crate::domain::time::{Mono, Now, Time};

/// An order that would wait longer for its tokens goes back: the signal may be stale by then, which others judge.
const ORDER_WAIT_MS_MAX: u64 = 250;
pub const ORDER_PATH: &str = "/order";

pub type CallError = super::super::call::CallError<Refusal>;
pub type Incomplete = super::super::call::Incomplete<Refusal>;

#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub clob: HttpBase,
    pub ws: WsBase,
    /// Metadata; without it what only gamma knows is not asked.
    pub gamma: Option<HttpBase>,
    /// The whole address; without it nobody is asked whether this place is served.
    pub geoblock: Option<HttpBase>,
    pub chain: Chain,
    /// Which API key of the wallet: each nonce has one.
    pub api_nonce: u64,
    pub connect_timeout_ms: u64,
    pub request_timeout_ms: u64,
}

impl ClientSettings {
    pub fn new(clob: HttpBase, ws: WsBase) -> Self {
        let chain = Chain::Polygon;
        Self { clob, ws, gamma: None, geoblock: None, chain, api_nonce: 0, connect_timeout_ms: 2_000, request_timeout_ms: 10_000 }
    }

    fn is_plain(&self) -> bool {
        let others = [&self.gamma, &self.geoblock].into_iter().flatten();
        self.clob.is_plain() && others.into_iter().all(HttpBase::is_plain)
    }
}

/// How a request says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    Nobody,
    /// The wallet's own signature.
    Wallet,
    /// The API key's.
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    Clob,
    Gamma,
    Geoblock,
}

/// One request, ready to be signed.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    /// With `{}` for what varies: how errors name it.
    pub pattern: &'static str,
    /// Percent-encoded.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
    pub lane: Lane,
    pub cost: u32,
    pub auth: Auth,
    pub host: Host,
}

impl Ask {
    pub fn get(pattern: &'static str, path: impl Into<String>, shelf: Shelf, auth: Auth) -> Self {
        let (path, lane) = (path.into(), Lane::Read(shelf));
        Self { method: Method::GET, pattern, path, query: Vec::new(), body: None, lane, cost: 1, auth, host: Host::Clob }
    }

    /// A request that changes something; `body` as it is sent.
    pub fn send(method: Method, path: &'static str, body: Option<Vec<u8>>, lane: Lane) -> Self {
        let auth = Auth::Key;
        Self { method, pattern: path, path: path.to_owned(), query: Vec::new(), body, lane, cost: 1, auth, host: Host::Clob }
    }

    /// Where a program built for tests dies around an order's request.
    fn points(&self) -> Option<(Point, Point)> {
        match self.lane {
            Lane::Order => Some((Point::PolymarketSubmitBefore, Point::PolymarketSubmitAfter)),
            Lane::Cancel => Some((Point::PolymarketCancelBefore, Point::PolymarketCancelAfter)),
            Lane::Read(_) => None,
        }
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

    pub(super) fn named(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }
}

/// A mode of the venue that ends by itself.
#[derive(Clone, Copy, Debug)]
struct Until(Mono);

pub struct Client {
    http: reqwest::Client,
    pub(super) settings: ClientSettings,
    /// `None`: only public things can be asked.
    signer: Option<OrderSigner>,
    requests: RwLock<Option<Arc<RequestSigner>>>,
    budget: Budget,
    skew: Mutex<ClockSkew>,
    standing: Standing,
    onlooker: Onlooker,
    mode: Mutex<Option<Until>>,
    clock: Clock,
}

impl Client {
    pub fn new(settings: ClientSettings, signer: Option<OrderSigner>, clock: Clock) -> Result<Self, ClientError> {
        let http = http::client(settings.is_plain(), settings.connect_timeout_ms, settings.request_timeout_ms)?;
        Ok(Self {
            http,
            settings,
            signer,
            requests: RwLock::default(),
            budget: Budget::new(clock.clone()),
            skew: Mutex::default(),
            standing: Standing::default(),
            onlooker: Onlooker::default(),
            mode: Mutex::default(),
            clock,
        })
    }

    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Errors: there is no wallet here.
    pub fn signer(&self) -> Result<&OrderSigner, CallError> {
        self.signer.as_ref().ok_or_else(|| CallError::NotSent { why: "no wallet is configured".to_owned() })
    }

    /// Errors: no API key was created, derived or given.
    pub fn requests(&self) -> Result<Arc<RequestSigner>, CallError> {
        let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        requests.clone().ok_or_else(|| CallError::NotSent { why: "there is no API key yet".to_owned() })
    }

    pub fn use_credentials(&self, credentials: ApiCredentials) -> Result<(), CallError> {
        let owner = self.signer()?.wallet().owner();
        *self.requests.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(RequestSigner::new(owner, credentials)));
        Ok(())
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

    pub(super) fn learn_time(&self, sent: Now, time: Time) {
        learn(&self.skew, &self.standing, sent, self.clock.now(), time);
    }

    /// Sends and reads the answer as JSON.
    pub async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, CallError> {
        let body = self.send(ask).await?;
        read(ask, &body)
    }

    /// Sends; the body of a successful answer, whatever it is.
    pub async fn send(&self, ask: &Ask) -> Result<Bytes, CallError> {
        let wished = self.clock.now().mono;
        if ask.lane == Lane::Order {
            let within = Duration::from_millis(ORDER_WAIT_MS_MAX);
            let taken = self.budget.take_within(ask.lane, ask.cost, within).await;
            taken.map_err(|retry_after_ms| CallError::Budget { retry_after_ms })?;
        } else {
            self.budget.take(ask.lane, ask.cost).await;
        }
        let request = self.request(ask)?;
        let sent = self.clock.now();
        self.last_look(ask)?;
        let done = self.exchange(ask, request, sent).await;
        let moments = [wished, sent.mono, self.clock.now().mono];
        self.onlooker.saw(&Exchanged::new((&ask.method, ask.pattern), ask.lane == Lane::Order, &done, moments));
        done
    }

    /// The request at the socket, and what comes back.
    async fn exchange(&self, ask: &Ask, request: reqwest::Request, sent: Now) -> Result<Bytes, CallError> {
        let response = self.http.execute(request).await.map_err(|error| unanswered(&ask.named(), &error))?;
        listen(&self.skew, &self.standing, sent, self.clock.now(), response.headers());
        let (status, told) = (response.status().as_u16(), Told::read(response.headers(), sent.wall));
        let body = whole(response).await.map_err(|why| CallError::Unclear { why: format!("{}: HTTP {status}: {why}", ask.named()) });
        if let Some((_, after)) = ask.points() {
            reach(after);
        }
        if status == 429 {
            let retry_after_ms = Some(self.budget.refused(ask.lane, told.retry_after_ms));
            return Err(CallError::Refused { refusal: Refusal::read(status, &self.hushed(&body.unwrap_or_default())), retry_after_ms });
        }
        self.budget.accepted(ask.lane, told.remaining);
        let body = body?;
        if (200..300).contains(&status) {
            // What it says of an order may be a complaint, too.
            return Ok(if ask.lane == Lane::Order { self.hushed(&body).into() } else { body });
        }
        let refusal = Refusal::read(status, &self.hushed(&body));
        let retry_after_ms = refusal.retry_after_ms.or(told.retry_after_ms);
        if ask.host == Host::Clob && ask.auth == Auth::Key {
            self.judge(ask, &refusal, retry_after_ms);
        }
        Err(CallError::Refused { refusal, retry_after_ms })
    }

    /// The venue's words without our API key and what belongs to it.
    fn hushed(&self, body: &[u8]) -> Vec<u8> {
        let requests = self.requests().ok();
        let ours = requests.as_ref().map(|signer| signer.credentials());
        let ours = ours.map_or([""; 3], |ours| [ours.key(), ours.secret(), ours.passphrase()]);
        hush(body, &ours)
    }

    /// Between a worker's decision to send and the socket lies the wait for tokens, and whatever stopped this process
    /// meanwhile: who may not trade any more sends nothing.
    fn last_look(&self, ask: &Ask) -> Result<(), CallError> {
        if let Some((before, _)) = ask.points() {
            reach(before);
        }
        // A beat is no order, but it keeps orders alive that are another owner's by then.
        let changes = ask.auth == Auth::Key && ask.method != Method::GET;
        if changes { self.standing.may_trade().map_err(|why| CallError::NotSent { why }) } else { Ok(()) }
    }

    /// A request as it goes over the wire, signed at this moment.
    pub fn request(&self, ask: &Ask) -> Result<reqwest::Request, CallError> {
        let query = written(&ask.query);
        let missing = |what: &str| CallError::NotSent { why: format!("no address of {what} is configured") };
        let url: Url = match ask.host {
            Host::Clob => self.settings.clob.join(&ask.path, &query),
            Host::Gamma => self.settings.gamma.as_ref().ok_or_else(|| missing("gamma"))?.join(&ask.path, &query),
            Host::Geoblock => self.settings.geoblock.as_ref().ok_or_else(|| missing("the geoblock"))?.join(&ask.path, &query),
        };
        let timestamp_s = self.clock.now().wall.ms().div_euclid(1_000);
        let body = ask.body.as_deref().unwrap_or_default();
        let mut headers = HeaderMap::new();
        match ask.auth {
            Auth::Nobody => {}
            Auth::Wallet => {
                let (chain, nonce) = (self.settings.chain, self.settings.api_nonce);
                put(&mut headers, wallet_headers(self.signer()?.wallet().key(), chain, timestamp_s, nonce));
            }
            Auth::Key => put(&mut headers, self.requests()?.headers(timestamp_s, ask.method.as_str(), url.path(), body)),
        }
        let mut request = reqwest::Request::new(ask.method.clone(), url);
        if let Some(body) = &ask.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// What a refusal says about more than its request.
    fn judge(&self, ask: &Ask, refusal: &Refusal, retry_after_ms: Option<i64>) {
        match errors::of_refusal(refusal) {
            // A signature that is too old says nothing about the key (`Date` tells which it was).
            Class::Halted("unauthorized") if self.skew().is_some_and(SkewBounds::beyond) => {}
            Class::Halted(code) if ask.lane != Lane::Read(Shelf::Keys) => self.stopped(code, &refusal.to_string()),
            Class::Mode(mode, _) if matches!(ask.lane, Lane::Order | Lane::Cancel) => {
                self.enter(mode, refusal.to_string(), retry_after_ms);
            }
            _ => {}
        }
    }

    /// The same of an answer that says 200 and no success.
    pub(super) fn judge_message(&self, message: &str) {
        match errors::of_message(message) {
            Class::Halted(code) => self.stopped(code, message),
            Class::Mode(mode, _) => self.enter(mode, message.to_owned(), None),
            _ => {}
        }
    }

    /// Only a person can mend it. An account that may only close still closes.
    pub(super) fn stopped(&self, code: &str, words: &str) {
        let why = errors::trouble(code, words);
        if code == CLOSED_ONLY { self.standing.close_only(Some(why)) } else { self.standing.halt(why) }
    }

    /// A mode that ends by itself: nothing public says when, but the venue's own wait.
    fn enter(&self, mode: VenueMode, why: String, retry_after_ms: Option<i64>) {
        let until = self.clock.now().mono.plus_ms(retry_after_ms.unwrap_or(errors::MODE_AGAIN_MS));
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = Some(Until(until));
        self.standing.pause_as(mode, Some(why));
    }

    /// Ends a mode whose time is over; the account is to be read before anything opens again. Called by who looks at the
    /// venue's status from time to time.
    pub fn end_mode(&self) {
        let mut mode = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        if mode.is_some_and(|Until(until)| self.clock.now().mono >= until) {
            *mode = None;
            self.standing.broken();
            self.standing.pause(None);
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(ask: &Ask, body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|error| unreadable(ask, &error.to_string()))
}

pub(super) fn unreadable(ask: &Ask, why: &str) -> CallError {
    CallError::Unclear { why: format!("{}: answer cannot be read: {why}", ask.named()) }
}

fn put<const N: usize>(headers: &mut HeaderMap, signed: [super::auth::Header; N]) {
    for (name, value) in signed {
        if let Ok(name) = reqwest::header::HeaderName::try_from(name) {
            headers.insert(name, value);
        }
    }
}

/// What the headers of an answer say of the budget (`polymarket.md` §4).
struct Told {
    remaining: Option<u32>,
    retry_after_ms: Option<i64>,
}

impl Told {
    fn read(headers: &HeaderMap, now: Time) -> Self {
        let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
        let remaining = number("Poly-RateLimit-Remaining").and_then(|left| u32::try_from(left.max(0)).ok());
        // Seconds from now, or a point in time: the documents don't say.
        let reset = number("Poly-RateLimit-Reset").map(|at| if at > 1_000_000_000 { at * 1_000 - now.ms() } else { at * 1_000 });
        let retry_after_ms = headers.get(RETRY_AFTER).and_then(retry_after_ms).or(reset.filter(|ms| (0..=3_600_000).contains(ms)));
        Self { remaining, retry_after_ms }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?}, {:?})", self.settings.clob, self.signer)
    }
}
