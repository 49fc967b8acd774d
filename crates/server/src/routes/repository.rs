//! Repositories, as lists show them.

use axum::routing::get;
use serde_json::{Value, json};

use super::Routes;
use super::cluster::object;
use crate::ctx::Ctx;
use crate::deps::RepositoryInfo;
use crate::transport::auth::Caller;
use crate::transport::{Query, Reply};

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/repositories", get(bind))
}

async fn bind(Caller(cx): Caller, query: Query) -> Reply<Value> {
    let mut items = list(&cx);
    items.retain(|repository| {
        query
            .text("repo")
            .is_none_or(|repo| repo == repository.repo)
    });
    Reply(json!({ "metadata": {}, "items": items }))
}

/// Returns the repositories the caller may see. Credentials are not part of the type.
pub fn list(cx: &Ctx) -> Vec<RepositoryInfo> {
    let mut repositories = cx.deps().inventory.repositories();
    repositories.retain(|repository| {
        cx.may(
            "repositories",
            "get",
            &object(&repository.project, &repository.repo),
        )
    });
    repositories
}
