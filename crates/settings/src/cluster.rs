//! Cluster Secrets (argocd-contract §7.5), and which cluster a destination means.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_api::annotation;
use driftless_api::application::Destination;
use driftless_api::validation::{DestinationError, Target};
use driftless_core::{ClusterUrl, ProjectName};
use driftless_kube::ClusterConfig;

use crate::diagnostic::Diagnostic;
use crate::object::SecretObject;

/// Name of the cluster Driftless runs in or was given.
pub const IN_CLUSTER_NAME: &str = "in-cluster";

/// One cluster Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterEntry {
    /// Name of the Secret.
    pub secret: String,
    /// How to reach it.
    pub config: ClusterConfig,
    /// Labels, for generators.
    pub labels: BTreeMap<String, String>,
    /// Annotations, for generators.
    pub annotations: BTreeMap<String, String>,
    /// Applications on it are left alone.
    pub skip_reconcile: bool,
    /// Shard that the user fixed.
    pub shard: Option<u64>,
}

impl ClusterEntry {
    /// Returns the project the cluster belongs to.
    pub fn project(&self) -> Option<ProjectName> {
        self.config.project.as_deref().map(ProjectName::from)
    }
}

/// The clusters that Secrets describe.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    by_url: BTreeMap<ClusterUrl, Arc<ClusterEntry>>,
    in_cluster: bool,
}

impl Default for Clusters {
    fn default() -> Self {
        Self {
            by_url: BTreeMap::new(),
            in_cluster: true,
        }
    }
}

impl Clusters {
    /// Reads the cluster Secrets; one that cannot be read keeps what it said before.
    pub(crate) fn read(
        secrets: &[Arc<SecretObject>],
        in_cluster: bool,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut clusters = Self {
            by_url: BTreeMap::new(),
            in_cluster,
        };
        for secret in secrets {
            if secret.label(annotation::LABEL_SECRET_TYPE) != Some(annotation::SECRET_TYPE_CLUSTER)
            {
                continue;
            }
            let object = format!("Secret {}", secret.metadata.name);
            let entry = match entry(secret) {
                Ok(entry) => Arc::new(entry),
                Err((key, message)) => {
                    let kept = previous.and_then(|previous| previous.of_secret(secret));
                    diagnostics.push(Diagnostic {
                        object: object.clone(),
                        key: key.to_owned(),
                        message,
                        hint: match kept {
                            Some(_) => "the cluster stays as it was".to_owned(),
                            None => "the cluster is left out until this is put right".to_owned(),
                        },
                    });
                    let Some(kept) = kept else { continue };
                    kept.clone()
                }
            };
            if let Some(first) = clusters.by_url.get(&entry.config.server) {
                diagnostics.push(Diagnostic {
                    object,
                    key: "server".to_owned(),
                    message: format!(
                        "cluster {} is described by Secret {} already",
                        entry.config.server, first.secret
                    ),
                    hint: "delete one of them; the first by name is used".to_owned(),
                });
                continue;
            }
            clusters.by_url.insert(entry.config.server.clone(), entry);
        }
        (clusters, diagnostics)
    }

    fn of_secret(&self, secret: &SecretObject) -> Option<&Arc<ClusterEntry>> {
        self.by_url
            .values()
            .find(|entry| entry.secret == secret.metadata.name)
    }

    /// Walks over the clusters that Secrets describe, by address. The cluster Driftless runs in
    /// is among them only if a Secret describes it.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ClusterEntry>> {
        self.by_url.values()
    }

    /// Looks up a cluster that a Secret describes.
    pub fn get(&self, url: &ClusterUrl) -> Option<&Arc<ClusterEntry>> {
        self.by_url.get(url)
    }

    /// Returns the name of a cluster.
    pub fn name<'a>(&'a self, url: &'a ClusterUrl) -> &'a str {
        match self.by_url.get(url) {
            Some(entry) => &entry.config.name,
            None if *url == ClusterUrl::in_cluster() => IN_CLUSTER_NAME,
            None => url.as_str(),
        }
    }

    /// Returns the cluster a destination means.
    pub fn resolve(&self, destination: &Destination) -> Result<ClusterUrl, DestinationError> {
        let here = ClusterUrl::in_cluster();
        match destination.target()? {
            Target::Server(server) => {
                let url = ClusterUrl::new(server);
                if self.by_url.contains_key(&url) || (url == here && self.in_cluster) {
                    Ok(url)
                } else {
                    Err(DestinationError::UnknownServer(server.to_owned()))
                }
            }
            Target::Name(name) => {
                let mut found: Vec<&ClusterUrl> = self
                    .by_url
                    .values()
                    .filter(|entry| entry.config.name == name)
                    .map(|entry| &entry.config.server)
                    .collect();
                // The name stands for this cluster whatever else a Secret calls it.
                if name == IN_CLUSTER_NAME && self.in_cluster && !found.contains(&&here) {
                    found.push(&here);
                }
                match found.as_slice() {
                    [] => Err(DestinationError::UnknownName(name.to_owned())),
                    [one] => Ok((*one).clone()),
                    many => Err(DestinationError::Ambiguous(
                        many.iter().map(ToString::to_string).collect(),
                    )),
                }
            }
        }
    }
}

fn entry(secret: &SecretObject) -> Result<ClusterEntry, (&'static str, String)> {
    let data: BTreeMap<String, Vec<u8>> = secret
        .data
        .iter()
        .map(|(key, value)| (key.clone(), value.expose().to_vec()))
        .collect();
    let config = ClusterConfig::from_secret(&data)
        .map_err(|error| ("", driftless_core::class::render_chain(&error)))?;
    let shard = secret
        .text("shard")
        .map(|text| {
            text.parse()
                .map_err(|_| ("shard", "not a whole number".to_owned()))
        })
        .transpose()?;
    Ok(ClusterEntry {
        secret: secret.metadata.name.clone(),
        config,
        labels: secret.metadata.labels.clone(),
        annotations: secret.metadata.annotations.clone(),
        skip_reconcile: annotation::is_true(
            secret
                .metadata
                .annotations
                .get(annotation::SKIP_RECONCILE)
                .map(String::as_str),
        ),
        shard,
    })
}
