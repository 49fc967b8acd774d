//! Keeps the connected clusters equal to the cluster Secrets, and what is read of them equal to the settings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_appstate::AppState;
use driftless_core::ClusterUrl;
use driftless_core::class::render_chain;
use driftless_kube::Clusters;
use driftless_settings::Settings;
use tokio_util::sync::CancellationToken;

/// Time between two looks.
const QUIET: Duration = Duration::from_millis(200);

/// The clusters that the settings named last.
pub(crate) struct Destinations {
    state: Arc<AppState>,
    connected: BTreeSet<ClusterUrl>,
}

impl Destinations {
    /// Connects the clusters of the current settings.
    pub(crate) async fn connect(state: &Arc<AppState>) -> Self {
        let mut destinations = Self {
            state: Arc::clone(state),
            connected: BTreeSet::new(),
        };
        destinations.apply().await;
        destinations
    }

    /// Follows changes until told to stop.
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        let mut settings = self.state.settings.subscribe();
        // Applications name field managers.
        let mut apps = self.state.apps.changes();
        loop {
            let goes_on = tokio::select! {
                changed = settings.changed() => changed.is_ok(),
                changes = apps.next() => changes.is_some(),
                () = stop.cancelled() => false,
            };
            if !goes_on {
                return;
            }
            self.apply().await;
            // Applications change often, their managers hardly ever.
            tokio::time::sleep(QUIET).await;
        }
    }

    async fn apply(&mut self) {
        let state = &self.state;
        state.clusters.configure(state.live_settings()).await;
        self.connected = apply(&state.clusters, &state.settings.current(), &self.connected);
    }
}

/// Connects what the settings name and disconnects what only an earlier version of them named. The own cluster stays.
fn apply(
    clusters: &Clusters,
    settings: &Settings,
    before: &BTreeSet<ClusterUrl>,
) -> BTreeSet<ClusterUrl> {
    let mut named = BTreeSet::new();
    for entry in settings.clusters.iter() {
        let url = entry.config.server.clone();
        if url == ClusterUrl::in_cluster() {
            continue;
        }
        if let Err(error) = clusters.set(entry.config.clone()) {
            tracing::warn!(cluster = %url, error = render_chain(&error), "Cluster not connected");
        }
        named.insert(url);
    }
    for url in before.difference(&named) {
        tracing::info!(cluster = %url, "Cluster removed");
        clusters.remove(url);
    }
    named
}
