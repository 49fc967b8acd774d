//! Clusters and repositories, for lists.

use std::sync::Arc;

use driftless_appstate::AppState;
use driftless_core::ClusterUrl;
use driftless_kube::{Cluster, ClusterState};
use driftless_settings::repository::RepositoryType;

use crate::deps::{ClusterInfo, ConnectionState, Inventory, RepositoryInfo};

pub(super) struct Known(Arc<AppState>);

impl Known {
    pub(super) fn new(state: Arc<AppState>) -> Self {
        Self(state)
    }
}

impl Inventory for Known {
    fn clusters(&self) -> Vec<ClusterInfo> {
        let settings = self.0.settings.current();
        let describe = |cluster: &Arc<Cluster>| {
            let entry = settings.clusters.get(cluster.url());
            ClusterInfo {
                server: cluster.url().to_string(),
                name: entry
                    .map_or(cluster.name(), |_| settings.clusters.name(cluster.url()))
                    .to_owned(),
                project: entry
                    .and_then(|entry| entry.project())
                    .map(|project| project.to_string())
                    .unwrap_or_default(),
                namespaces: entry.map_or_else(Vec::new, |entry| {
                    entry
                        .config
                        .namespaces
                        .iter()
                        .map(ToString::to_string)
                        .collect()
                }),
                labels: entry.map(|entry| entry.labels.clone()).unwrap_or_default(),
                annotations: entry
                    .map(|entry| entry.annotations.clone())
                    .unwrap_or_default(),
                server_version: cluster
                    .version()
                    .map(|version| version.git_version.clone())
                    .unwrap_or_default(),
                connection_state: connection(&cluster.state()),
            }
        };
        let mut clusters: Vec<ClusterInfo> = self.0.clusters.list().iter().map(describe).collect();
        clusters.sort_by(|one, other| one.server.cmp(&other.server));
        // The own cluster is a destination only where the settings say so.
        let in_cluster = ClusterUrl::in_cluster();
        clusters.retain(|cluster| {
            cluster.server != in_cluster.as_str() || settings.general.server.in_cluster
        });
        clusters
    }

    fn repositories(&self) -> Vec<RepositoryInfo> {
        let settings = self.0.settings.current();
        let mut repositories: Vec<RepositoryInfo> = settings
            .repositories
            .iter()
            .map(|entry| RepositoryInfo {
                // Its Display leaves credentials out.
                repo: entry.repository.url.to_string(),
                kind: match entry.kind {
                    RepositoryType::Git => "git",
                    RepositoryType::Helm => "helm",
                    RepositoryType::Oci => "oci",
                }
                .to_owned(),
                name: entry.name.clone(),
                project: entry
                    .repository
                    .scope
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                connection_state: ConnectionState {
                    status: "Unknown".to_owned(),
                    message: String::new(),
                },
            })
            .collect();
        repositories
            .sort_by(|one, other| (&one.repo, &one.project).cmp(&(&other.repo, &other.project)));
        repositories
    }
}

fn connection(state: &ClusterState) -> ConnectionState {
    let (status, message) = match state {
        ClusterState::Unreachable { reason, .. } => ("Failed", reason.clone()),
        ClusterState::Connecting => ("Unknown", String::new()),
        ClusterState::Ready => ("Successful", String::new()),
    };
    ConnectionState {
        status: status.to_owned(),
        message,
    }
}
