//! `/api/webhook`: pushes, announced by Git hosts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, Method, StatusCode};

use super::Routes;
use crate::router::Server;
use crate::transport::body;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/webhook", any(bind))
}

async fn bind(
    State(server): State<Arc<Server>>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "invalid method: send POST").into_response();
    }
    let limit = server.deps().settings.current().max_webhook_body;
    let body = match body::read(body, limit).await {
        Ok(body) => body,
        Err(error) => return (StatusCode::BAD_REQUEST, error.message).into_response(),
    };
    let pushes = match server.deps().sources.parse_webhook(&headers, &body) {
        Ok(pushes) => pushes,
        Err(error) => {
            tracing::info!(error = %error, "Webhook payload refused");
            return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
        }
    };
    server.metrics().webhook();
    for push in pushes {
        if !super::application::enqueue_webhook(&server, push) {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "queue is full, discarding webhook payload",
            )
                .into_response();
        }
    }
    StatusCode::OK.into_response()
}
