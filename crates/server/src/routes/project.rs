//! Projects, and the permissions their roles carry.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Path;
use axum::routing::get;
use driftless_api::AppProject;
use driftless_auth::enforcer::ProjectRole;
use driftless_kube::store::{StoreChange, StoreState};
use futures::StreamExt;
use serde_json::{Value, json};

use super::Routes;
use crate::ctx::Ctx;
use crate::error::{ApiError, Code};
use crate::router::Server;
use crate::transport::Reply;
use crate::transport::auth::Caller;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/projects", get(bind_list))
        .route("/api/v1/projects/{name}", get(bind_get))
}

async fn bind_list(Caller(cx): Caller) -> Result<Reply<Value>, ApiError> {
    list(&cx).map(Reply)
}

/// Returns the projects the caller may see.
pub fn list(cx: &Ctx) -> Result<Value, ApiError> {
    let projects = &cx.deps().projects;
    if projects.state() == StoreState::Loading {
        return Err(ApiError::new(
            Code::Unavailable,
            "projects are being read, try again soon",
        ));
    }
    let items: Vec<AppProject> = projects
        .list()
        .iter()
        .filter(|stored| cx.may("projects", "get", &stored.id.name))
        .map(|stored| shown(&stored.object))
        .collect();
    Ok(json!({ "metadata": {}, "items": items }))
}

async fn bind_get(
    Caller(cx): Caller,
    Path(name): Path<String>,
) -> Result<Reply<AppProject>, ApiError> {
    project(&cx, &name).map(Reply)
}

/// Returns one project. What the caller may not see might as well not exist.
pub fn project(cx: &Ctx, name: &str) -> Result<AppProject, ApiError> {
    cx.require("projects", "get", name)?;
    let deps = cx.deps();
    deps.projects
        .get(deps.config.control_namespace.as_str(), name)
        .map(|stored| shown(&stored.object))
        .ok_or_else(|| ApiError::not_found(format!("appprojects.argoproj.io {name:?} not found")))
}

fn shown(project: &AppProject) -> AppProject {
    let mut project = project.clone();
    project.metadata.drop_managed_fields();
    project
}

/// Keeps the permissions of project roles in step with the projects.
pub(crate) async fn follow_roles(server: &Arc<Server>) {
    let projects = &server.deps().projects;
    let control = server.deps().config.control_namespace.as_str();
    let mut changes = projects.changes();
    let mut known = BTreeSet::new();
    loop {
        let now: BTreeSet<Arc<str>> = projects
            .list()
            .iter()
            .map(|stored| Arc::clone(&stored.id.name))
            .collect();
        for name in known.union(&now) {
            reload(server, control, name);
        }
        known = now;
        // From here on only what changed; a change of state reads everything again.
        loop {
            let Some(batch) = changes.next().await else {
                return;
            };
            let mut everything = false;
            for change in &batch {
                match change {
                    StoreChange::Changed(id) | StoreChange::Removed(id)
                        if &*id.namespace == control =>
                    {
                        known.insert(Arc::clone(&id.name));
                        reload(server, control, &id.name);
                    }
                    StoreChange::Changed(_) | StoreChange::Removed(_) => {}
                    StoreChange::State => everything = true,
                }
            }
            if everything {
                break;
            }
        }
    }
}

fn reload(server: &Server, control: &str, name: &str) {
    let roles: Vec<ProjectRole> = server
        .deps()
        .projects
        .get(control, name)
        .map(|stored| stored.object.spec.roles.iter().map(lower).collect())
        .unwrap_or_default();
    if let Err(error) = server.deps().enforcer.reload_project(name, &roles) {
        let error = driftless_core::class::render_chain(&error);
        tracing::warn!(
            project = name,
            error,
            "Roles of a project were not taken over"
        );
    }
}

fn lower(role: &driftless_api::project::ProjectRole) -> ProjectRole {
    ProjectRole {
        name: role.name.clone(),
        policies: role.policies.clone(),
        groups: role.groups.clone(),
    }
}
