//! The one router and what every request passes on its way.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use http::{Extensions, HeaderMap, StatusCode, Version};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::deps::Deps;
use crate::error::{ApiError, Code};
use crate::index::Index;
use crate::metrics::Metrics;
use crate::routes;
use crate::routes::application::{Pushes, RenderCache, TreeHub};
use crate::transport::auth;
use crate::transport::guard::{self, Lasting};
use crate::ui;

/// Everything handlers share.
pub struct Server {
    deps: Deps,
    index: Index,
    trees: TreeHub,
    renders: RenderCache,
    pushes: Pushes,
    stopping: CancellationToken,
    metrics: Metrics,
    registry: Arc<Registry>,
}

impl Server {
    /// Builds a server. `registry` holds the metrics of every component and is shown on `/metrics`.
    pub fn new(deps: Deps, metrics: Metrics, registry: Arc<Registry>) -> Arc<Self> {
        let index = Index::new(
            Arc::clone(&deps.apps),
            deps.config.control_namespace.clone(),
        );
        Arc::new(Self {
            index,
            trees: TreeHub::default(),
            renders: RenderCache::default(),
            pushes: Pushes::default(),
            stopping: CancellationToken::new(),
            deps,
            metrics,
            registry,
        })
    }

    /// Follows what the server shows. Runs beside [`app`] for as long as that serves.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(
            self.index.run(),
            self.trees.run(&self),
            routes::project::follow_roles(&self),
            routes::application::work_off_webhooks(&self),
        );
    }

    /// Returns what the server stands on.
    pub fn deps(&self) -> &Deps {
        &self.deps
    }

    /// Returns the view of all Applications.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Ends every open stream, so that a graceful stop need not wait for clients: they connect again.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub(crate) fn trees(&self) -> &TreeHub {
        &self.trees
    }

    pub(crate) fn renders(&self) -> &RenderCache {
        &self.renders
    }

    pub(crate) fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// Returns the service for one port: API, streams, webhooks, metrics and UI.
pub fn app(server: &Arc<Server>) -> Router {
    let unary = routes::unary()
        .layer(from_fn_with_state(Arc::clone(server), guard::time_limit))
        .layer(from_fn(guard::content_type));
    let api = unary
        .merge(routes::streams())
        .layer(from_fn_with_state(Arc::clone(server), auth::authenticate))
        .layer(from_fn_with_state(Arc::clone(server), guard::count));
    let api = api
        .merge(routes::open())
        .route("/api/{*rest}", axum::routing::any(unknown_path));
    let all = api.fallback(ui::serve).with_state(Arc::clone(server));
    let all = mounted(all, &server.deps.config.base_href);
    all.layer(
        CompressionLayer::new()
            .gzip(true)
            .compress_when(is_worth_compressing),
    )
    .layer(from_fn(guard::security_headers))
    .layer(CatchPanicLayer::custom(guard::on_panic))
}

/// Serves everything below a path, and the same things at the root for probes and webhooks.
fn mounted(all: Router, base: &str) -> Router {
    let prefix = base.trim_end_matches('/');
    if prefix.is_empty() {
        return all;
    }
    Router::new().nest(prefix, all.clone()).merge(all)
}

fn is_worth_compressing(
    _: StatusCode,
    _: Version,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    let kind = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_text = kind.starts_with("text/")
        || kind.contains("json")
        || kind.contains("javascript")
        || kind.contains("svg");
    let length = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    is_text && extensions.get::<Lasting>().is_none() && length.is_none_or(|length| length > 1024)
}

async fn unknown_path(request: Request) -> Result<Response, ApiError> {
    let path = request.uri().path();
    Err(ApiError::new(
        Code::NotFound,
        format!("no such API path: {path}"),
    ))
}
