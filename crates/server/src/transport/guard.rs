//! What every request passes: content type, time limit, panics, headers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::error::{ApiError, Code};
use crate::router::Server;

/// Marks answers that last: they have no time limit and are not compressed.
#[derive(Clone, Copy, Debug)]
pub struct Lasting;

/// Refuses changes that are not sent as JSON: a page of another site can send forms, not this.
pub async fn content_type(request: Request, next: Next) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if reads || is_json {
        return next.run(request).await;
    }
    ApiError::invalid("Invalid content type: send application/json")
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .into_response()
}

/// Ends calls that take too long. Streams are not touched: their first byte is soon there.
pub async fn time_limit(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let limit = server.deps().config.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(Code::DeadlineExceeded, "the request took too long").into_response()
        }
    }
}

/// Turns a panic into an answer; the next request finds the server whole.
#[expect(clippy::needless_pass_by_value, reason = "the layer calls it so")]
pub fn on_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> http::Response<Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("unknown");
    ApiError::internal_text(&format!("panic: {text}")).into_response()
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

/// Adds the headers that keep browsers careful.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_FRAME_OPTIONS, "sameorigin");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    response
}

/// Counts what was answered.
pub async fn count(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .map_or("other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let code = response
        .extensions()
        .get::<Code>()
        .map_or("OK", |code| code.name());
    server.metrics().answered(&method, &route, code);
    response
}
