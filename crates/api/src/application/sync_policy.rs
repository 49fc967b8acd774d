//! When and how an Application is synced (argocd-contract §1.1: syncPolicy).

use std::collections::BTreeMap;

use super::operation::RetryStrategy;
use crate::object::object;

object! {
    /// When and how an Application is synced.
    SyncPolicy {
        /// Syncs by itself; absent means by hand.
        automated: Option<Automated>,
        /// Options, `Key=value`.
        sync_options: Vec<String>,
        /// When to try a failed sync again.
        retry: Option<Box<RetryStrategy>>,
        /// Metadata of the destination namespace, with `CreateNamespace=true`.
        managed_namespace_metadata: Option<Box<ManagedNamespaceMetadata>>,
    }
}

object! {
    /// Automated sync. Present but empty is on.
    Automated {
        /// Deletes objects that are no longer in Git.
        prune: Option<bool>,
        /// Reverts changes made in the cluster.
        self_heal: Option<bool>,
        /// Allows a sync that deletes everything.
        allow_empty: Option<bool>,
        /// Switches automation off without losing the other fields.
        enabled: Option<bool>,
    }
}

object! {
    /// Metadata of the destination namespace.
    ManagedNamespaceMetadata {
        /// Labels.
        labels: BTreeMap<String, String>,
        /// Annotations.
        annotations: BTreeMap<String, String>,
    }
}

impl Automated {
    /// Says whether automation is on: unless `enabled` is false.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Says whether objects that are no longer in Git are deleted.
    pub fn prunes(&self) -> bool {
        self.prune.unwrap_or(false)
    }

    /// Says whether changes made in the cluster are reverted.
    pub fn heals(&self) -> bool {
        self.self_heal.unwrap_or(false)
    }

    /// Says whether a sync may delete everything.
    pub fn allows_empty(&self) -> bool {
        self.allow_empty.unwrap_or(false)
    }
}

impl SyncPolicy {
    /// Says whether the policy says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
