//! The operations, one module per resource, each with its handlers and their HTTP bindings.

pub mod account;
pub mod application;
pub mod cluster;
pub mod health;
pub mod project;
pub mod repository;
pub mod session;
pub mod settings;
pub mod version;
pub mod webhook;

use std::sync::Arc;

use axum::Router;

use crate::router::Server;

/// Router with the server as its state.
pub(crate) type Routes = Router<Arc<Server>>;

/// Operations that answer once.
pub(crate) fn unary() -> Routes {
    Router::new()
        .merge(application::unary())
        .merge(session::routes())
        .merge(settings::routes())
        .merge(version::routes())
        .merge(project::routes())
        .merge(cluster::routes())
        .merge(repository::routes())
        .merge(account::routes())
}

/// Operations whose answer lasts.
pub(crate) fn streams() -> Routes {
    application::streams()
}

/// What is open to everybody and not called by the UI or the command line.
pub(crate) fn open() -> Routes {
    Router::new()
        .merge(health::routes())
        .merge(webhook::routes())
}
