//! The real services behind [`crate::deps`].

mod accounts;
mod control;
mod destination;
mod event;
mod inventory;
mod revoked;
mod settings;
mod source;
mod store;
mod views;

use std::sync::Arc;

use driftless_appstate::AppState;
use driftless_auth::{Enforcer, Sessions};
use driftless_kube::Cluster;
use prometheus_client::registry::Registry;

use crate::deps::{Config, Deps, Version};
use crate::metrics::Metrics;
use crate::router::Server;

/// What a server is made of.
pub struct Services {
    /// Applications, projects, clusters, repositories and settings.
    pub state: Arc<AppState>,
    /// The cluster that holds the control plane's own objects.
    pub control: Arc<Cluster>,
    /// How the server presents itself.
    pub config: Config,
    /// What the build says of itself.
    pub version: Version,
}

/// Connects a server to its services. The metrics go into `registry` before it is shown.
pub fn connect(services: Services, mut registry: Registry) -> Arc<Server> {
    let Services {
        state,
        control,
        config,
        version,
    } = services;
    let metrics = Metrics::register(&mut registry, &version.version);
    let current = state.settings.current();
    let sessions = Arc::new(Sessions::new(
        settings::lower_accounts(&current),
        Arc::clone(&state.clock),
    ));
    let enforcer = Arc::new(Enforcer::new());
    settings::reload_policy(&enforcer, &current);
    let namespace = config.control_namespace.to_string();
    let revoked = revoked::Revoked::start(&control, &namespace);
    let own = Arc::new(control::Own::new(
        Arc::clone(&control),
        Arc::clone(&state.apps),
    ));
    let deps = Deps {
        clock: Arc::clone(&state.clock),
        apps: Arc::new((*state.apps).clone()),
        projects: Arc::new((*state.projects).clone()),
        control: own.clone(),
        views: Arc::new(views::Views::new(Arc::clone(&state))),
        destinations: Arc::new(destination::Finder::new(Arc::clone(&state))),
        sources: Arc::new(source::Repositories::new(Arc::clone(&state))),
        inventory: Arc::new(inventory::Known::new(Arc::clone(&state))),
        settings: Arc::new(settings::Live::new(&state.settings)),
        sessions: Arc::clone(&sessions),
        enforcer: Arc::clone(&enforcer),
        accounts: Arc::new(accounts::Stored::new(
            Arc::clone(&control),
            namespace,
            Arc::clone(&revoked),
        )),
        events: Arc::new(event::Recorder::start(&control)),
        health: own,
        version,
        config,
    };
    let server = Server::new(deps, metrics, Arc::new(registry));
    tokio::spawn(settings::follow(
        state.settings.clone(),
        Arc::clone(&sessions),
        enforcer,
    ));
    tokio::spawn(revoked.follow(sessions));
    tokio::spawn(Arc::clone(&server).run());
    server
}
