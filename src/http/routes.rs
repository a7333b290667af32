//! The paths. Every failure is JSON: `{"error": ...}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::guard::{Bounds, Token, at_home, authorize, bound};
use super::query::{AdjustBody, CancelBody, KillBody, ReconcileBody, ResetBody, SettleBody};
use super::{ApiError, Command, Identity, Queries, Query, page};
use crate::domain::event::Scope;
use crate::domain::market::{Settlement, Venue};
use crate::domain::signal::value::SIGNAL_BYTES_MAX;

pub type Desk = State<Arc<dyn Queries>>;
type Answer = Result<Json<Value>, Failed>;

/// An error on its way out.
pub struct Failed(ApiError);

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

/// All paths; those that change something, and raw records, behind the token.
pub fn router(queries: Arc<dyn Queries>, token: Token) -> Router {
    let guarded = Router::new()
        .route("/api/records", get(records))
        .route("/api/kill", post(kill))
        .route("/api/breaker/reset", post(reset))
        .route("/api/cancel-all", post(cancel_all))
        .route("/api/reconcile", post(reconcile))
        .route("/api/settle", post(settle))
        .route("/api/adjust", post(adjust))
        .route("/api/signal/{venue}", post(signal))
        .route_layer(from_fn_with_state(token, authorize));
    let open = Router::new()
        .route("/api/status", get(|desk: Desk| answer(desk, Query::Status)))
        .route("/api/positions", get(|desk: Desk| answer(desk, Query::Positions)))
        .route("/api/orders", get(orders))
        .route("/api/pnl", get(|desk: Desk| answer(desk, Query::Pnl)))
        .route("/api/cash", get(cash))
        .route("/api/exposure", get(|desk: Desk| answer(desk, Query::Exposure)))
        .route("/api/report", get(report))
        .route("/api/explain", get(explain))
        .route("/api/explain/{*id}", get(explain_path))
        .route("/api/tail", get(tail))
        .route("/api/breaker", get(|desk: Desk| answer(desk, Query::Breaker)))
        .route("/api/kill", get(|desk: Desk| answer(desk, Query::Kill)))
        .route("/api/replay", get(replay))
        .route("/api/verify", get(verify))
        .route("/api/dead-letters", get(dead_letters));
    Router::new()
        .merge(open)
        .merge(guarded)
        .layer(DefaultBodyLimit::max(SIGNAL_BYTES_MAX))
        .layer(from_fn_with_state(Bounds::new(), bound))
        .merge(page::routes())
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async { Failed(ApiError::NotFound("no such path; the paths are in README.md".to_owned())) })
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn(at_home))
        .layer(map_response(never_cached))
        .with_state(queries)
}

async fn not_allowed() -> (StatusCode, Json<Value>) {
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({ "error": "this path takes another method" })))
}

async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

async fn answer(State(queries): Desk, query: Query) -> Answer {
    Ok(Json(queries.get(query).await?))
}

/// Alive, and who: a client makes sure that it talks to the engine it means.
async fn healthz(State(queries): Desk) -> Json<Value> {
    let Identity { mode, instance, log_id, version } = queries.identity();
    Json(json!({ "status": "alive", "mode": mode, "instance": instance, "log_id": log_id, "version": version }))
}

async fn readyz(State(queries): Desk) -> Response {
    match queries.readiness().await {
        Ok(()) => Json(json!({ "ready": true, "reasons": [] })).into_response(),
        Err(reasons) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reasons": reasons }))).into_response(),
    }
}

async fn metrics(State(queries): Desk) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], queries.metrics().await).into_response()
}

/// All parameters of all paths.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    id: Option<String>,
    state: Option<String>,
    from: Option<u64>,
    limit: Option<usize>,
    until: Option<String>,
    day: Option<String>,
    week: Option<bool>,
}

type Parsed = Result<Parameters<Asked>, QueryRejection>;

fn asked(parsed: Parsed) -> Result<Asked, ApiError> {
    parsed.map(|Parameters(asked)| asked).map_err(|error| ApiError::BadRequest(error.body_text()))
}

async fn orders(desk: Desk, parsed: Parsed) -> Answer {
    let Asked { state, limit, .. } = asked(parsed)?;
    answer(desk, Query::Orders { state, limit }).await
}

async fn explain(desk: Desk, parsed: Parsed) -> Answer {
    let id = asked(parsed)?.id.ok_or_else(|| ApiError::BadRequest("which signal or order? ?id=<id>".to_owned()))?;
    answer(desk, Query::Explain { id }).await
}

async fn explain_path(desk: Desk, path: Result<Path<String>, PathRejection>) -> Answer {
    let Path(id) = path.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    answer(desk, Query::Explain { id }).await
}

async fn tail(desk: Desk, parsed: Parsed) -> Answer {
    let Asked { from, limit, .. } = asked(parsed)?;
    answer(desk, Query::Tail { from, limit }).await
}

async fn verify(desk: Desk) -> Answer {
    answer(desk, Query::Verify).await
}

async fn replay(desk: Desk, parsed: Parsed) -> Answer {
    let until = asked(parsed)?.until;
    answer(desk, Query::Replay { until }).await
}

async fn cash(desk: Desk, parsed: Parsed) -> Answer {
    let day = asked(parsed)?.day;
    answer(desk, Query::Cash { day }).await
}

async fn report(desk: Desk, parsed: Parsed) -> Answer {
    let Asked { day, week, .. } = asked(parsed)?;
    answer(desk, Query::Report { week: week.unwrap_or(false), day }).await
}

async fn dead_letters(desk: Desk, parsed: Parsed) -> Answer {
    let Asked { id, limit, .. } = asked(parsed)?;
    let number = |text: String| text.parse().map_err(|_| ApiError::BadRequest(format!("id {text:?} is not the number of a dead letter")));
    let id = id.map(number).transpose()?;
    answer(desk, Query::DeadLetters { id, limit }).await
}

async fn records(desk: Desk, parsed: Parsed) -> Answer {
    let Asked { from, limit, .. } = asked(parsed)?;
    answer(desk, Query::Records { from: from.unwrap_or(1), limit }).await
}

type Body = Result<Bytes, BytesRejection>;

fn bytes(body: Body) -> Result<Bytes, ApiError> {
    body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(format!("more than {SIGNAL_BYTES_MAX} bytes")),
        _ => ApiError::BadRequest(error.body_text()),
    })
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = bytes(body)?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))
}

/// Who, in the log: the name given, and by which way it came.
fn by(name: &str) -> String {
    if name.trim().is_empty() { "api".to_owned() } else { format!("{} (api)", name.trim()) }
}

async fn command(State(queries): Desk, command: Command) -> Answer {
    Ok(Json(json!({ "done": queries.command(command).await? })))
}

async fn kill(desk: Desk, body: Body) -> Answer {
    let KillBody { on, reason, by: name } = read(body)?;
    command(desk, Command::Kill { on, reason, by: by(&name) }).await
}

async fn reset(desk: Desk, body: Body) -> Answer {
    let ResetBody { scope, reason, by: name } = read(body)?;
    let wrong = || ApiError::BadRequest(format!("scope {scope:?}: global, venue:<venue>, game:<game> or market:<venue>:<id>"));
    let scope = Scope::parse(&scope).ok_or_else(wrong)?;
    command(desk, Command::ResetBreaker { scope, reason, by: by(&name) }).await
}

async fn reconcile(desk: Desk, body: Body) -> Answer {
    let ReconcileBody { venue, by: name } = read(body)?;
    command(desk, Command::Reconcile { venue, by: by(&name) }).await
}

async fn cancel_all(desk: Desk, body: Body) -> Answer {
    let CancelBody { by: name } = read(body)?;
    command(desk, Command::CancelAll { by: by(&name) }).await
}

async fn settle(desk: Desk, body: Body) -> Answer {
    let SettleBody { venue, market, result, by: name } = read(body)?;
    let wrong = || ApiError::BadRequest(format!("result {result:?}: yes, no, void, or what YES pays (0 to 1)"));
    let settlement = Settlement::parse(&result).ok_or_else(wrong)?;
    command(desk, Command::Settle { venue, market, settlement, by: by(&name) }).await
}

async fn adjust(desk: Desk, body: Body) -> Answer {
    let mut body: AdjustBody = read(body)?;
    body.adjustment().map_err(ApiError::BadRequest)?;
    let by = by(&std::mem::take(&mut body.by));
    command(desk, Command::Adjust { body: Box::new(body), by }).await
}

async fn signal(State(queries): Desk, path: Result<Path<String>, PathRejection>, body: Body) -> Answer {
    let Path(name) = path.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let wrong = || ApiError::BadRequest(format!("venue {name:?}: kalshi, polymarket or paper"));
    let venue = Venue::parse(&name).ok_or_else(wrong)?;
    Ok(Json(queries.signal(venue, bytes(body)?.to_vec()).await?))
}
