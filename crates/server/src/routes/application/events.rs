//! Kubernetes Events about an Application or one of its objects, once and as a stream.

use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use driftless_api::Application;
use futures::StreamExt;
use http::HeaderMap;
use serde_json::{Value, json};

use super::access::{AppRef, app_for};
use super::watch::guarded;
use crate::ctx::Ctx;
use crate::deps::{EventStream, Node};
use crate::error::ApiError;
use crate::transport::auth::Caller;
use crate::transport::stream::{Framing, respond};
use crate::transport::{Query, Reply};

/// Which object's events; the Application's own where nothing is named.
#[derive(Clone, Debug, Default)]
pub struct About {
    namespace: String,
    name: String,
    uid: String,
}

impl About {
    fn from_query(query: &Query) -> Self {
        let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
        Self {
            namespace: text("resourceNamespace"),
            name: text("resourceName"),
            uid: text("resourceUID"),
        }
    }

    /// Finds the object among the Application's own; `None` where the Application itself is meant.
    async fn node(&self, cx: &Ctx, app: &Application) -> Result<Option<Node>, ApiError> {
        if self.name.is_empty() && self.uid.is_empty() {
            return Ok(None);
        }
        let tree = cx.deps().views.tree(&app.key()).await?;
        let is_meant = |node: &Node| {
            node.name == self.name
                && node.namespace == self.namespace
                && (self.uid.is_empty() || node.uid == self.uid)
        };
        let node = tree.nodes.into_iter().find(is_meant).ok_or_else(|| {
            ApiError::invalid(format!(
                "{} not found as part of application {} resources",
                self.name, app.metadata.name
            ))
        })?;
        Ok(Some(node))
    }
}

pub(super) async fn bind(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let about = About::from_query(&query);
    let mut items = events(&cx, &AppRef::from_query(name, &query), &about).await?;
    for event in &mut items {
        super::access::tidy(event);
    }
    Ok(Reply(json!({ "metadata": {}, "items": items })))
}

/// Returns events, newest last.
pub async fn events(cx: &Ctx, wanted: &AppRef, about: &About) -> Result<Vec<Value>, ApiError> {
    let stored = app_for(cx, wanted, "get")?;
    let app = &stored.object;
    let Some(node) = about.node(cx, app).await? else {
        let metadata = &app.metadata;
        return cx
            .deps()
            .control
            .events(&metadata.namespace, &metadata.name, some(&metadata.uid))
            .await
            .map_err(|error| ApiError::from_classified(&error));
    };
    let cluster = cx.deps().destinations.of(app).await?;
    cluster
        .events(&node.namespace, &node.name, some(&node.uid))
        .await
}

pub(super) async fn bind_watch(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let about = About::from_query(&query);
    let wanted = AppRef::from_query(name, &query);
    let events = follow(&cx, &wanted, &about).await?;
    let documents = events.map(|events| {
        events.map(|mut items| {
            items.iter_mut().for_each(super::access::tidy);
            let list = json!({ "metadata": {}, "items": items });
            vec![Bytes::from(list.to_string())]
        })
    });
    let batches = guarded(
        cx.clone(),
        move |cx| app_for(cx, &wanted, "get").map(|_| ()),
        documents,
    );
    Ok(respond(
        Framing::of(&headers),
        cx.deps().config.heartbeat,
        batches,
    ))
}

/// Streams events: all of them, newest last, again after every change.
pub async fn follow(cx: &Ctx, wanted: &AppRef, about: &About) -> Result<EventStream, ApiError> {
    let stored = app_for(cx, wanted, "get")?;
    let app = &stored.object;
    let Some(node) = about.node(cx, app).await? else {
        let metadata = &app.metadata;
        let control = &cx.deps().control;
        return Ok(control.follow_events(&metadata.namespace, &metadata.name, some(&metadata.uid)));
    };
    let cluster = cx.deps().destinations.of(app).await?;
    Ok(cluster.follow_events(&node.namespace, &node.name, some(&node.uid)))
}

fn some(uid: &str) -> Option<&str> {
    Some(uid).filter(|uid| !uid.is_empty())
}
