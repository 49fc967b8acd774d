//! Clusters, as lists show them.

use axum::routing::get;
use serde_json::{Value, json};

use super::Routes;
use crate::ctx::Ctx;
use crate::deps::ClusterInfo;
use crate::transport::auth::Caller;
use crate::transport::{Query, Reply};

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/clusters", get(bind))
}

async fn bind(Caller(cx): Caller, query: Query) -> Reply<Value> {
    let wanted = |cluster: &ClusterInfo| {
        query
            .text("server")
            .is_none_or(|server| server == cluster.server)
            && query.text("name").is_none_or(|name| name == cluster.name)
    };
    let clusters: Vec<_> = list(&cx)
        .into_iter()
        .filter(|cluster| wanted(cluster))
        .collect();
    Reply(json!({ "metadata": {}, "items": clusters }))
}

/// Returns the clusters the caller may see. Credentials are not part of the type.
pub fn list(cx: &Ctx) -> Vec<ClusterInfo> {
    let mut clusters = cx.deps().inventory.clusters();
    clusters.retain(|cluster| {
        cx.may(
            "clusters",
            "get",
            &object(&cluster.project, &cluster.server),
        )
    });
    clusters
}

/// Returns the name policies know a cluster or repository by.
pub(super) fn object(project: &str, address: &str) -> String {
    if project.is_empty() {
        address.to_owned()
    } else {
        format!("{project}/{address}")
    }
}
