//! Applications: reading, changing, syncing, and watching them.

pub mod access;
pub mod action;
pub mod events;
mod list;
pub mod logs;
pub mod operation;
pub mod read;
mod render;
pub mod resource;
pub mod tree;
mod watch;
mod webhook;
pub mod write;

use axum::routing::{get, post, put};

pub use self::access::AppRef;

pub(crate) use self::render::RenderCache;
pub(crate) use self::tree::TreeHub;
pub(crate) use self::webhook::{Pushes, enqueue as enqueue_webhook, work_off as work_off_webhooks};

use super::Routes;

pub(super) fn unary() -> Routes {
    Routes::new()
        .route(
            "/api/v1/applications",
            get(list::bind).post(write::bind_create),
        )
        .route(
            "/api/v1/applications/{name}",
            get(read::bind_get)
                .put(write::bind_update)
                .patch(write::bind_patch)
                .delete(write::bind_delete),
        )
        .route(
            "/api/v1/applications/{name}/spec",
            put(write::bind_update_spec),
        )
        .route(
            "/api/v1/applications/{name}/sync",
            post(operation::bind_sync),
        )
        .route(
            "/api/v1/applications/{name}/rollback",
            post(operation::bind_rollback),
        )
        .route(
            "/api/v1/applications/{name}/operation",
            axum::routing::delete(operation::bind_terminate),
        )
        .route("/api/v1/applications/{name}/resource-tree", get(tree::bind))
        .route(
            "/api/v1/applications/{name}/managed-resources",
            get(resource::bind_managed),
        )
        .route(
            "/api/v1/applications/{name}/resource",
            get(resource::bind_get)
                .post(resource::bind_patch)
                .delete(resource::bind_delete),
        )
        .route(
            "/api/v1/applications/{name}/resource/actions",
            get(action::bind_list).post(action::bind_run),
        )
        .route(
            "/api/v1/applications/{name}/resource/actions/v2",
            post(action::bind_run_v2),
        )
        .route("/api/v1/applications/{name}/events", get(events::bind))
        .route(
            "/api/v1/applications/{name}/syncwindows",
            get(read::bind_sync_windows),
        )
        .route(
            "/api/v1/applications/{name}/revisions/{revision}/metadata",
            get(read::bind_revision),
        )
}

pub(super) fn streams() -> Routes {
    Routes::new()
        .route("/api/v1/stream/applications", get(watch::bind))
        .route(
            "/api/v1/stream/applications/{name}/resource-tree",
            get(tree::bind_watch),
        )
        .route(
            "/api/v1/stream/applications/{name}/events",
            get(events::bind_watch),
        )
        .route("/api/v1/applications/{name}/logs", get(logs::bind))
        .route(
            "/api/v1/applications/{name}/pods/{pod}/logs",
            get(logs::bind_pod),
        )
}
