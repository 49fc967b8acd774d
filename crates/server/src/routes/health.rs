//! `/healthz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::encoding::text::encode;

use super::Routes;
use crate::error::ApiError;
use crate::router::Server;
use crate::transport::Query;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
}

async fn healthz(State(server): State<Arc<Server>>, query: Query) -> Response {
    let full = query.flag("full").ok().flatten().unwrap_or(false);
    if !full {
        return "ok".into_response();
    }
    match server.deps().health.check().await {
        Ok(()) => "ok".into_response(),
        Err(reason) => {
            tracing::warn!(reason, "Health check failed");
            (StatusCode::SERVICE_UNAVAILABLE, "not healthy").into_response()
        }
    }
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let mut text = String::new();
    if let Err(error) = encode(&mut text, server.registry()) {
        return ApiError::internal(&error).into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
