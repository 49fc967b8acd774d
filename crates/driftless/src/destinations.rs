//! Keeps the connected clusters equal to the cluster Secrets.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftless_core::ClusterUrl;
use driftless_core::class::render_chain;
use driftless_kube::Clusters;
use driftless_settings::{Settings, SettingsHandle};
use tokio_util::sync::CancellationToken;

/// Connects the clusters of the current settings, then follows changes until told to stop.
pub(crate) async fn follow(
    clusters: Arc<Clusters>,
    settings: SettingsHandle,
    stop: CancellationToken,
) {
    let mut changes = settings.subscribe();
    let mut connected = BTreeSet::new();
    loop {
        connected = apply(&clusters, &settings.current(), &connected);
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = stop.cancelled() => return,
        }
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
