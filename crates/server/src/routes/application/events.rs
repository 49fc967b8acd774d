//! Kubernetes Events about an Application or one of its objects.

use axum::extract::Path;
use serde_json::{Value, json};

use super::access::{AppRef, app_for};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::transport::auth::Caller;
use crate::transport::{Query, Reply};

/// Which object's events; the Application's own where nothing is named.
#[derive(Clone, Debug, Default)]
pub struct About {
    namespace: String,
    name: String,
    uid: String,
}

pub(super) async fn bind(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let about = About {
        namespace: text("resourceNamespace"),
        name: text("resourceName"),
        uid: text("resourceUID"),
    };
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
    if about.name.is_empty() && about.uid.is_empty() {
        let metadata = &app.metadata;
        let uid = Some(metadata.uid.as_str()).filter(|uid| !uid.is_empty());
        return cx
            .deps()
            .control
            .events(&metadata.namespace, &metadata.name, uid)
            .await
            .map_err(|error| ApiError::from_classified(&error));
    }
    let tree = cx.deps().views.tree(&app.key()).await?;
    let is_meant = |node: &&crate::deps::Node| {
        node.name == about.name
            && node.namespace == about.namespace
            && (about.uid.is_empty() || node.uid == about.uid)
    };
    let mut nodes = tree.nodes.iter();
    let node = nodes.find(is_meant).ok_or_else(|| {
        ApiError::invalid(format!(
            "{} not found as part of application {} resources",
            about.name, app.metadata.name
        ))
    })?;
    let uid = Some(node.uid.as_str()).filter(|uid| !uid.is_empty());
    let cluster = cx.deps().destinations.of(app).await?;
    cluster.events(&node.namespace, &node.name, uid).await
}
