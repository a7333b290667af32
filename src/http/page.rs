//! The page at `/`: three files in the program, nothing from elsewhere, and a stream of what it shows.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::routes::{Desk, Failed};
use super::{ApiError, Queries};

/// Pages that are open at once; each holds a connection.
const LISTENERS_MAX: usize = 16;
/// How soon a page asks again after its stream has ended.
const AGAIN: Duration = Duration::from_secs(1);

/// Nothing but our own files runs, and nobody frames the page: what strangers wrote is text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static LISTENERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LISTENERS_MAX)));

pub fn routes() -> Router<Arc<dyn Queries>> {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page/index.html")) }))
        .route("/style.css", get(|| async { file("text/css; charset=utf-8", include_str!("page/style.css")) }))
        .route("/app.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page/app.js")) }))
        .route("/api/live", get(live))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn live(State(queries): Desk) -> Result<Response, Failed> {
    let busy = |_| ApiError::Unavailable(format!("{LISTENERS_MAX} pages are open already; close one"));
    let permit = Arc::clone(&LISTENERS).try_acquire_owned().map_err(busy)?;
    let news = News { shown: queries.live(), _permit: permit };
    let events = futures::stream::unfold(news, |mut news| async move {
        // An error: the engine has ended, and so does the stream.
        news.shown.changed().await.ok()?;
        let text = Arc::clone(&news.shown.borrow_and_update());
        Some((Ok::<Event, Infallible>(Event::default().retry(AGAIN).data(&*text)), news))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// One page's view of what is shown.
struct News {
    shown: watch::Receiver<Arc<str>>,
    _permit: OwnedSemaphorePermit,
}
